//! Where the database is: one URL, or its parts (spec/3 section 2).

use std::fmt;

use fabric_serverkit::Secret;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::{PREFIX, SettingsError};

/// The address of a database. Its `Debug` shows neither password nor parameters.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The whole address; not for logs.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for DatabaseUrl {
    fn from(url: String) -> Self {
        Self(url)
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A password may have any character in it, also where it should not: what comes before the last `@`, or
        // where there is none after the first `?`, is not shown.
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("", &self.0));
        let separator = if scheme.is_empty() { "" } else { "://" };
        let (credentials, rest) = match rest.rsplit_once('@') {
            Some((_, rest)) => ("…@", rest),
            // A user and a password without a host.
            None if !scheme.is_empty() && scheme != "sqlite" && rest.contains(':') && !has_port(rest) => {
                ("…", "")
            }
            None => ("", rest),
        };
        let (place, parameters) = rest.split_once('?').map_or((rest, ""), |(place, _)| (place, "?…"));
        write!(f, "{scheme}{separator}{credentials}{place}{parameters}")
    }
}

/// Whether what follows the first colon is a port.
fn has_port(place: &str) -> bool {
    let port = place.split_once(':').and_then(|(_, rest)| rest.split(['/', '?']).next());
    port.is_some_and(|port| port.parse::<u16>().is_ok())
}

/// The parts of an address, as the file and the environment give them.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) kind: Option<String>,
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) user: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) name: Option<String>,
}

impl Parts {
    fn is_empty(&self) -> bool {
        let Self { kind, host, port, user, password, name } = self;
        port.is_none() && password.is_none() && [kind, host, user, name].into_iter().all(Option::is_none)
    }

    /// The URL, or the one that the parts make, or the default one.
    pub(super) fn url(self, url: Option<DatabaseUrl>) -> Result<DatabaseUrl, SettingsError> {
        match url {
            // Which of the two is meant nobody can know, and the wrong one may be an old database.
            Some(_) if !self.is_empty() => Err(SettingsError::Contradiction(format!(
                "{PREFIX}_DB_URL and {PREFIX}_DB_TYPE and so on: give one or the other"
            ))),
            Some(url) => Ok(url),
            None if self.is_empty() => Ok(DatabaseUrl("sqlite://fabric-guild.db".to_owned())),
            None => self.assemble(),
        }
    }

    fn assemble(self) -> Result<DatabaseUrl, SettingsError> {
        let mut missing = Vec::new();
        let mut required = |name: &str, value: Option<String>| {
            if value.is_none() {
                missing.push(format!("{PREFIX}_DB_{name}"));
            }
            value.unwrap_or_default()
        };
        let kind = required("TYPE", self.kind);
        let url = match kind.as_str() {
            "sqlite" => format!("sqlite://{}", required("NAME", self.name)),
            "mysql" | "mariadb" | "postgres" | "postgresql" | "" => {
                let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
                let (scheme, default_port) =
                    if kind.starts_with("postgres") { ("postgres", 5432) } else { ("mysql", 3306) };
                let host = required("HOST", self.host);
                // An IPv6 address has colons of its own.
                let host = if host.contains(':') { format!("[{host}]") } else { host };
                let user = encoded(&required("USER", self.user));
                let name = encoded(&required("NAME", self.name));
                let password = match &self.password {
                    Some(password) => format!(":{}", encoded(password.expose())),
                    None => String::new(),
                };
                let port = self.port.unwrap_or(default_port);
                format!("{scheme}://{user}{password}@{host}:{port}/{name}")
            }
            other => {
                let problem = format!("{PREFIX}_DB_TYPE is {other:?}: sqlite, mysql, mariadb or postgres");
                return Err(SettingsError::Contradiction(problem));
            }
        };
        if missing.is_empty() { Ok(DatabaseUrl(url)) } else { Err(SettingsError::Missing(missing)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(kind: &str) -> Parts {
        Parts {
            kind: Some(kind.to_owned()),
            host: Some("db.example".to_owned()),
            port: None,
            user: Some("fabric".to_owned()),
            password: Some(Secret::from("p@ss/w:rd?#%")),
            name: Some("guild one".to_owned()),
        }
    }

    #[test]
    fn parts_make_an_address_that_says_the_same() {
        let url = parts("mysql").url(None).unwrap();
        let expected = "mysql://fabric:p%40ss%2Fw%3Ard%3F%23%25@db.example:3306/guild%20one";
        assert_eq!(url.expose(), expected);
        let parts = Parts { host: Some("::1".to_owned()), password: None, ..parts("postgres") };
        assert_eq!(parts.url(None).unwrap().expose(), "postgres://fabric@[::1]:5432/guild%20one");
        let parts = Parts {
            kind: Some("sqlite".to_owned()),
            name: Some("/data/guild.db".to_owned()),
            ..Parts::default()
        };
        assert_eq!(parts.url(None).unwrap().expose(), "sqlite:///data/guild.db");
    }

    #[test]
    fn missing_parts_are_named_each() {
        let parts = Parts { host: Some("db.example".to_owned()), ..Parts::default() };
        assert_eq!(
            parts.url(None).unwrap_err().to_string(),
            "missing configuration: FABRIC_BACKEND_GUILD_DB_TYPE, FABRIC_BACKEND_GUILD_DB_USER, \
             FABRIC_BACKEND_GUILD_DB_NAME"
        );
    }

    #[test]
    fn an_address_and_parts_contradict_each_other() {
        let url = DatabaseUrl::from("sqlite://old.db".to_owned());
        assert!(parts("mysql").url(Some(url.clone())).is_err());
        assert_eq!(Parts::default().url(Some(url.clone())).unwrap(), url);
        assert!(parts("oracle").url(None).unwrap_err().to_string().contains("oracle"));
    }

    #[test]
    fn passwords_and_parameters_are_never_printed() {
        let shown = |url: &str| format!("{:?}", DatabaseUrl::from(url.to_owned()));
        assert_eq!(shown("mysql://fabric:p@ss@db:3306/guild"), "mysql://…@db:3306/guild");
        assert_eq!(shown("mysql://fabric:hu/s#h?@db:3306/guild"), "mysql://…@db:3306/guild");
        assert_eq!(shown("mysql://fabric:h?u@s@db/guild?a=b"), "mysql://…@db/guild?…");
        assert_eq!(shown("mysql://fabric:hush/guild"), "mysql://…");
        assert_eq!(shown("mysql://db:3306/guild"), "mysql://db:3306/guild");
        assert_eq!(shown("postgres://db/guild?user=a&password=b"), "postgres://db/guild?…");
        assert_eq!(shown("sqlite://fabric-guild.db"), "sqlite://fabric-guild.db");
        assert_eq!(shown("sqlite:guild.db"), "sqlite:guild.db");
    }
}
