//! How a request is recognised when it comes again (spec/3 section 6).

use sha2::{Digest, Sha256};

use crate::model::{IdempotencySlot, Refusal, UserId};

/// A request's idempotency key (spec/3 section 6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey(String);

impl RequestKey {
    /// The most characters of a key.
    pub const MAX_CHARS: usize = 255;

    /// A key of 1 to [`Self::MAX_CHARS`] characters.
    pub fn parse(key: &str) -> Result<Self, Refusal> {
        if key.is_empty() || key.chars().count() > Self::MAX_CHARS || key.contains('\0') {
            let rule = format!("must have 1 to {} characters", Self::MAX_CHARS);
            return Err(Refusal::field("Idempotency-Key", rule));
        }
        Ok(Self(key.to_owned()))
    }

    /// The slot of a request by this caller on this route; `content` is what makes it this request.
    pub(super) fn slot(self, caller: UserId, route: String, content: &str) -> IdempotencySlot {
        let fingerprint = hex::encode(Sha256::digest(content.as_bytes()));
        IdempotencySlot { caller, route, key: self.0, fingerprint }
    }
}
