//! Requests that are recognised when they come again (spec/3 section 6).

use serde::{Deserialize, Serialize};

use super::{PostOutcome, UserId};

/// Which earlier answer a retried request stands for: unique per caller, route and key (spec/3 section 6).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencySlot {
    /// Who asks.
    pub caller: UserId,
    /// Method and path.
    pub route: String,
    /// The `Idempotency-Key`, 1..=255 characters.
    pub key: String,
    /// Digest of the request's body: the same key with another body is refused.
    pub fingerprint: String,
}

/// The stored answer to an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriorAnswer {
    /// Digest of the first request's body.
    pub fingerprint: String,
    /// What was answered.
    pub outcome: PostOutcome,
}
