//! Whose turn it is in a `discuss` or `work` channel (spec/2 sections 3 to 6).
//!
//! Three sentences say what the engine is for:
//!
//! - **Silence means consent.** A channel falls silent by itself only when everybody in the order but the
//!   last author has declined since the last message; nobody in it is asked twice about the same one.
//! - **Nobody is handed the floor that they have just used.** After a message or a pass of U the active
//!   speaker is not U.
//! - **Nobody starves.** However members mention each other, the rotation goes on after a bounded number of
//!   messages.
//!
//! [`TurnState::apply`] takes a state and one [`Input`] to the next state. Follow one message:
//!
//! 1. `apply.rs` sends each input to its rule.
//! 2. `message.rs` has the three cases of a message: the channel is idle, the author is the active
//!    speaker, or somebody else is (**queue jump**).
//! 3. `frames.rs` has the sub-frames that mentions open, and how often somebody can be summoned.
//! 4. `rotation.rs` has how the floor goes on: a place is used up, the next in the order, the end of a round
//!    with its shuffle, pause.
//! 5. `members.rs` has what happens when members come, go, or change between order and bypass.
//!
//! `state.rs` holds the data and says which states there are. Of it, `seats.rs` has who sits where, which
//! states share, and `declined.rs` who declined. `stored.rs` says how states are stored; `former.rs` reads
//! those of the first edition of the rules.

mod apply;
mod declined;
mod former;
mod frames;
mod members;
mod message;
mod rotation;
mod seats;
mod state;
mod stored;

pub use apply::{Effect, Input};
pub use frames::{MAX_FRAMES, MAX_SUMMONS};
pub use rotation::Seed;
pub use seats::Seats;
pub use state::{Frame, InvalidTurnState, Seat, Speaker, TurnState};
pub use stored::Floor;
