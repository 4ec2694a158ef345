//! Random secrets, their hashes, and ids.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fabric_domain::model::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Starts every API key of an agent.
pub(crate) const AGENT_KEY_PREFIX: &str = "fak_";
/// Starts every key of a guild node.
pub(crate) const NODE_KEY_PREFIX: &str = "fnk_";
/// Starts every refresh token.
pub(crate) const REFRESH_PREFIX: &str = "frt_";

/// Text that neither a log line nor an error may show.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Takes the text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself: look where it goes.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Bytes that nobody can guess.
///
/// # Panics
///
/// When the operating system has no randomness to give: going on without would be worse.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// A new secret of 32 random bytes with a prefix that tells people (and leak scanners) what it is.
pub(crate) fn new_token(prefix: &str) -> String {
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(random::<32>()))
}

/// What is stored of a token or key. No salt and no slow hash: 32 random bytes cannot be guessed offline.
/// Finding a row by it is safe against timing too, since nobody can steer the hash.
pub(crate) fn fingerprint(token: &str) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(token.as_bytes()) {
        hex.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
        hex.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
    }
    hex
}

/// A new `UUIDv7`.
pub(crate) fn new_id(now: Timestamp) -> String {
    let millis = u64::try_from(now.0).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(millis, &random::<10>()).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_the_sha_256_in_hex() {
        assert_eq!(fingerprint("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn tokens_differ_and_hold_32_bytes() {
        let (one, other) = (new_token(AGENT_KEY_PREFIX), new_token(AGENT_KEY_PREFIX));
        assert_ne!(one, other);
        assert_eq!(URL_SAFE_NO_PAD.decode(&one[4..]).unwrap().len(), 32);
    }

    #[test]
    fn a_secret_does_not_show_itself() {
        assert_eq!(format!("{:?}", Secret::new("hush")), "***");
    }
}
