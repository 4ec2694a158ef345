//! Keys and tokens that are made here, and what is stored of them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fabric_serverkit::system::secret_bytes;
use sha2::{Digest as _, Sha256};

/// Starts every API key of an agent.
pub(crate) const AGENT_KEY_PREFIX: &str = "fak_";
/// Starts every key of a guild node.
pub(crate) const NODE_KEY_PREFIX: &str = "fnk_";
/// Starts every refresh token.
pub(crate) const REFRESH_PREFIX: &str = "frt_";

/// A new secret of 32 random bytes with a prefix that tells people (and leak scanners) what it is.
pub(crate) fn new_token(prefix: &str) -> String {
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(secret_bytes::<32>()))
}

/// What is stored of a token or key. No salt and no slow hash: 32 random bytes cannot be guessed offline.
/// Finding a row by it is safe against timing too, since nobody can steer the hash.
pub(crate) fn fingerprint(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
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
}
