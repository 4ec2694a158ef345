//! Texts that nobody but their user may see.

use std::fmt;

use serde::Deserialize;
use subtle::ConstantTimeEq as _;

/// A text that neither a log line nor an error shows: a key, a password. Empty, the default, it stands for none.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text itself: look where it goes.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether somebody who gives these bytes knows the secret. Takes as long whichever byte is wrong; nobody knows
    /// the empty one.
    pub fn admits(&self, given: &[u8]) -> bool {
        !self.is_empty() && bool::from(self.0.as_bytes().ct_eq(given))
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() { "Secret(none)" } else { "Secret(…)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_secret_admits_nobody() {
        assert!(!Secret::default().admits(b""));
        assert!(!Secret::default().admits(b"x"));
    }

    #[test]
    fn only_the_very_text_is_admitted_and_it_is_never_printed() {
        let secret = Secret::from("s3cret");
        assert!(secret.admits(b"s3cret"));
        assert!(!secret.admits(b"s3cre") && !secret.admits(b"S3cret") && !secret.admits(b""));
        assert_eq!(format!("{secret:?} {:?}", Secret::default()), "Secret(…) Secret(none)");
    }
}
