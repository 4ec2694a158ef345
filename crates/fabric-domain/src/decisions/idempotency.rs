//! The same request twice is carried out once (spec/3 section 6).

use super::{Change, ChannelAggregate};
use crate::model::{IdempotencySlot, Refusal};

/// Decides about a request that was not answered before. One that was gets the same answer, and nothing is
/// written; the same key with another body is refused.
pub fn once(
    channel: &ChannelAggregate,
    slot: Option<&IdempotencySlot>,
    decide: impl FnOnce() -> Result<Change, Refusal>,
) -> Result<Change, Refusal> {
    let (Some(prior), Some(slot)) = (&channel.prior, slot) else { return decide() };
    if prior.fingerprint != slot.fingerprint {
        return Err(Refusal::IdempotencyKeyReused);
    }
    Ok(Change { outcome: Some(prior.outcome.clone()), ..Change::default() })
}
