//! What a write does, decided as a pure function of the channel as it is.

mod aggregate;
mod change;
mod idempotency;
mod turn_record;

pub use aggregate::{ChannelAggregate, ChannelSummary};
pub use change::{Change, Commit, Event, NewChannel};
pub use idempotency::{IdempotencySlot, PriorAnswer};
pub use turn_record::{Moment, TurnRecord};
