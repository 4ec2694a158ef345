//! What a guild node's REST routes take and give (spec/3).

mod channel;
mod file;
mod message;
mod presence;
mod search;
mod turn;

pub use channel::{
    AddMembers, ChannelRow, ChannelState, CreateChannel, MemberRow, NAME_MAX_CHARS, PURPOSE_MAX_CHARS,
    PatchChannel, SetBypass, SetWakeMapping, Settings,
};
pub use fabric_domain::model::SettingsPatch;
pub use file::{Attachment, UploadedFile};
pub use message::{
    Ack, CommandAnswer, EditMessage, MarkRead, Message, MessagePage, PageInfo, PostAnswer, PostMessage,
    Revision,
};
pub use presence::{PresenceRow, SetPresence};
pub use search::{SearchHit, SearchPage, SearchQuery, SnippetPart};
pub use turn::{FrameView, TurnCommand, TurnView};
