//! The nouns of Fabric (spec/1 section 3). Values are parsed at the edge and trusted from then on.

mod channel;
mod delivery;
mod file;
mod idempotency;
mod ids;
mod members;
mod message;
mod refusal;
mod text;
mod user;
mod wake;

pub use channel::{AgentMentions, Channel, ChannelSettings, ChannelType, SettingsPatch, UnknownChannelType};
pub use delivery::{Delivery, DeliveryPlan, Wake, WakeReason};
pub use file::{Attachment, File, FileName, FileRules, FileState, MediaType, Quota, Shelf, Usage};
pub use idempotency::{IdempotencySlot, PriorAnswer};
pub use ids::{ChannelId, FileId, GuildId, MessageId, Seq, Timestamp, UserId};
pub use members::{Member, Members};
pub use message::{Ack, AckCause, CommandOutcome, Message, PostOutcome, Rejection, Revision};
pub use refusal::{FieldError, Refusal};
pub use text::check_name;
pub use user::{
    Active, Author, Caller, GuildMember, Presence, PresenceStatus, UnknownPresenceStatus, UserKind,
};
pub use wake::{MissedWake, PendingWake, WakeRecipients};
