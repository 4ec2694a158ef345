//! Whose turn it is in a `discuss` or `work` channel (spec/2 sections 3 to 6).
//!
//! [`TurnState::apply`] takes a state and one [`Input`] to the next state. Follow one message:
//!
//! 1. `apply.rs` sends each input to its rule.
//! 2. `message.rs` has the three cases of a message: the channel is idle, the author is the active
//!    speaker, or somebody else is (**queue jump**).
//! 3. `frames.rs` has the sub-frames that mentions open.
//! 4. `round.rs` has the root: advance, end of round with its shuffle, pause.
//! 5. `members.rs` has what happens when members come, go, or change between order and bypass.
//!
//! `state.rs` holds the data and says which states there are.

mod apply;
mod frames;
mod members;
mod message;
mod round;
mod state;

pub use apply::{Effect, Input};
pub use frames::MAX_FRAMES;
pub use round::Seed;
pub use state::{Act, Frame, InvalidTurnState, RoundEvent, Seat, Speaker, TurnState};
