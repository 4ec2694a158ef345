//! What a field may hold. Parsed once at the edge (HTTP, command line, library), trusted afterwards.

use std::fmt;

use fabric_domain::model::{FieldError, check_name};

use crate::error::Error;

/// Implements what every checked text has: reading it, and parsing for the command line.
macro_rules! checked_text {
    ($name:ident) => {
        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }
    };
}

/// An email address, as far as it can be checked without writing to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email(String);

checked_text!(Email);

impl Email {
    /// The most characters an address can have.
    const MAX_CHARS: usize = 254;

    /// Takes `local@domain` without white space.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.chars().count() > Self::MAX_CHARS {
            return Err(format!("must have at most {} characters", Self::MAX_CHARS));
        }
        match text.rsplit_once('@') {
            Some((local, domain)) if !local.is_empty() && !domain.is_empty() && !local.contains('@') => {}
            _ => return Err("must be an email address".to_owned()),
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err("must not have white space or control characters".to_owned());
        }
        // It is the name of whoever gives none.
        check_name(text)?;
        Ok(Self(text.to_owned()))
    }

    /// By which the address is stored and found: addresses are matched without case.
    pub(crate) fn key(&self) -> String {
        email_key(&self.0)
    }
}

/// See [`Email::key`]; for text that nobody has checked.
pub(crate) fn email_key(text: &str) -> String {
    text.trim().to_lowercase()
}

/// A password that somebody chose.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

checked_text!(Password);

impl Password {
    /// The fewest characters (OWASP ASVS 2.1.1 asks for eight at the very least).
    pub const MIN_CHARS: usize = 8;
    /// The most bytes: hashing must not be a way to keep Center busy.
    pub const MAX_BYTES: usize = 1024;

    /// Takes any text of reasonable length; rules about its letters make passwords worse.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.chars().count() < Self::MIN_CHARS {
            return Err(format!("must have at least {} characters", Self::MIN_CHARS));
        }
        if text.len() > Self::MAX_BYTES {
            return Err(format!("must have at most {} bytes", Self::MAX_BYTES));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The name of a user, a guild, or an API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisplayName(String);

checked_text!(DisplayName);

impl DisplayName {
    /// Long enough for an email, which is the default name.
    const MAX_CHARS: usize = 254;

    /// Takes text with something to see in it, and nothing that is hidden or turns other text ([`check_name`]).
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() {
            return Err("must not be empty".to_owned());
        }
        if text.chars().count() > Self::MAX_CHARS {
            return Err(format!("must have at most {} characters", Self::MAX_CHARS));
        }
        check_name(text)?;
        Ok(Self(text.to_owned()))
    }
}

impl From<&Email> for DisplayName {
    fn from(email: &Email) -> Self {
        Self(email.0.clone())
    }
}

/// A guild node's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeId(String);

checked_text!(NodeId);

impl NodeId {
    /// Takes 1 to 80 characters that fit into a path segment.
    pub fn parse(text: &str) -> Result<Self, String> {
        // "." and ".." would be taken for folders in a path.
        if text.chars().all(|c| c == '.') {
            return Err("must not be empty or only dots".to_owned());
        }
        if text.chars().count() > fabric_api::center::MAX_ID_CHARS {
            return Err(format!("must have at most {} characters", fabric_api::center::MAX_ID_CHARS));
        }
        if text
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || matches!(c, '/' | '\\' | '?' | '#' | '%'))
        {
            return Err("must not have white space, control characters or one of / \\ ? # %".to_owned());
        }
        Ok(Self(text.to_owned()))
    }
}

/// Where a guild node listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(String);

checked_text!(Endpoint);

impl Endpoint {
    const MAX_CHARS: usize = 2_000;

    /// Takes an `http` or `https` address with a host; a `/` at the end is cut off.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim().trim_end_matches('/');
        let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
        if host.is_none_or(|host| host.is_empty() || host.starts_with(['/', '?', '#', ':'])) {
            return Err("must be an http:// or https:// address".to_owned());
        }
        if text.chars().count() > Self::MAX_CHARS {
            return Err(format!("must have at most {} characters", Self::MAX_CHARS));
        }
        // Clients put this into links and requests; credentials in it would be shown to every member.
        if text.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '@' | '"' | '<' | '>')) {
            return Err("has characters that an address must not have".to_owned());
        }
        Ok(Self(text.to_owned()))
    }
}

/// Collects every bad field instead of stopping at the first.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    bad: Vec<FieldError>,
}

impl Checks {
    /// Notes the problem, if there is one.
    pub(crate) fn take<T>(&mut self, field: &'static str, parsed: Result<T, String>) -> Option<T> {
        parsed.map_err(|problem| self.bad.push(FieldError::new(field, problem))).ok()
    }

    /// The value, unless a field was bad.
    pub(crate) fn finish<T>(self, value: Option<T>) -> Result<T, Error> {
        match value {
            Some(value) if self.bad.is_empty() => Ok(value),
            _ => Err(Error::Invalid(self.bad)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emails_are_keyed_without_case_and_kept_as_given() {
        let email = Email::parse(" Ada@Example.ORG ").unwrap();
        assert_eq!(email.as_str(), "Ada@Example.ORG");
        assert_eq!(email.key(), "ada@example.org");
    }

    #[test]
    fn bad_emails_are_refused() {
        for text in ["", "ada", "@b", "a@", "a@b@c", "a b@c", "a\n@b", &format!("{}@b", "x".repeat(300))] {
            assert!(Email::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_name_can_be_seen_and_turns_no_other_text() {
        assert_eq!(DisplayName::parse("  Zoë 👨‍👩‍👧 ").unwrap().as_str(), "Zoë 👨‍👩‍👧");
        for text in ["", "\u{200B}", "Ada\u{202E}", "A\nda", "Ada\u{7}", &"x".repeat(300)] {
            assert!(DisplayName::parse(text).is_err(), "{text:?}");
        }
        assert!(Email::parse("ada\u{202E}@example.org").is_err());
    }

    #[test]
    fn a_node_id_has_up_to_80_characters() {
        assert!(NodeId::parse(&"ü".repeat(80)).is_ok());
        for text in ["", "..", "a b", "a/b", "a%b", &"x".repeat(81)] {
            assert!(NodeId::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_endpoint_is_a_web_address_without_credentials() {
        assert_eq!(Endpoint::parse("http://localhost:7002/").unwrap().as_str(), "http://localhost:7002");
        for text in
            ["", "localhost", "ftp://x", "http://", "javascript:alert(1)", "http://u:p@h", "http://a b"]
        {
            assert!(Endpoint::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_password_never_shows_itself() {
        assert!(Password::parse("short").is_err());
        assert!(Password::parse(&"x".repeat(1025)).is_err());
        assert_eq!(format!("{:?}", Password::parse("hush-hush").unwrap()), "***");
    }
}
