//! Why a request is refused.

use thiserror::Error;

/// A refusal: nothing was changed. Each has a stable code (spec/3 section 4).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The token is bad, expired, or meant for another node.
    #[error("invalid token")]
    InvalidToken,
    /// There is no such channel, or the caller may not see it: the two are not told apart.
    #[error("no such channel")]
    ChannelNotFound,
    /// There is no such message in this channel.
    #[error("no such message")]
    MessageNotFound,
    /// That user is not a member of this channel.
    #[error("not a member of this channel")]
    MemberNotFound,
    /// The channel is closed: reading stays allowed.
    #[error("the channel is closed")]
    ChannelClosed,
    /// Only members may do this.
    #[error("only members of the channel may do this")]
    NotAMember,
    /// Only the channel's creator or the admin may do this.
    #[error("only the channel's creator or the admin may do this")]
    NotChannelOwner,
    /// Only the author may edit a message.
    #[error("only the author may edit a message")]
    NotAuthor,
    /// Only the author, the channel's creator or the admin may delete a message.
    #[error("only the author, the channel's creator or the admin may delete a message")]
    NotAllowedToDelete,
    /// A presence can be set only by its own user.
    #[error("a presence can be set only by its own user")]
    NotYourPresence,
    /// The message is older than the edit window.
    #[error("the edit window has expired")]
    EditWindowExpired,
    /// The message was deleted.
    #[error("the message was deleted")]
    MessageDeleted,
    /// Members of this channel type do not speak in turn.
    #[error("channels of this type have no turns")]
    NoTurns,
    /// This channel type has no wake mapping.
    #[error("channels of this type have no wake mapping")]
    NoWakeMapping,
    /// There is no such file, or the caller may not see it: the two are not told apart.
    #[error("no such file")]
    FileNotFound,
    /// The file has expired; messages keep its name and size.
    #[error("the file has expired")]
    FileExpired,
    /// The file is larger than this guild takes.
    #[error("a file has at most {max_bytes} bytes")]
    FileTooLarge {
        /// The limit in bytes.
        max_bytes: u64,
    },
    /// All files of the guild together would be more than it keeps.
    #[error("the guild's space for files is used up")]
    GuildQuotaExceeded,
    /// All files of the uploader together would be more than the guild keeps for one user.
    #[error("your space for files is used up")]
    UserQuotaExceeded,
    /// The user is uploading as many files as one may at once.
    #[error("at most {max} uploads at once")]
    TooManyUploads {
        /// The limit.
        max: usize,
    },
    /// The idempotency key was used for another request.
    #[error("this idempotency key was used with another body")]
    IdempotencyKeyReused,
    /// Users who were named are no active members of the guild; every one is listed.
    #[error("users who are no active members of this guild")]
    UnknownUsers(Vec<FieldError>),
    /// Fields of the request are wrong; every bad one is listed.
    #[error("invalid request")]
    Invalid(Vec<FieldError>),
}

/// One bad field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The field's name on the wire.
    pub field: &'static str,
    /// What is wrong with it, for a person.
    pub message: String,
}

impl FieldError {
    /// A complaint about `field`.
    pub fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self { field, message: message.into() }
    }
}

impl Refusal {
    /// One bad field.
    pub fn field(field: &'static str, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError::new(field, message)])
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidToken => "invalid_token",
            Self::ChannelNotFound => "channel_not_found",
            Self::MessageNotFound => "message_not_found",
            Self::MemberNotFound => "member_not_found",
            Self::ChannelClosed => "channel_closed",
            Self::NotAMember => "not_a_member",
            Self::NotChannelOwner => "not_channel_owner",
            Self::NotAuthor => "not_message_author",
            Self::NotAllowedToDelete => "not_allowed_to_delete",
            Self::NotYourPresence => "not_your_presence",
            Self::EditWindowExpired => "edit_window_expired",
            Self::MessageDeleted => "message_deleted",
            Self::NoTurns => "turns_not_supported",
            Self::NoWakeMapping => "wake_mapping_not_supported",
            Self::FileNotFound => "file_not_found",
            Self::FileExpired => "file_expired",
            Self::FileTooLarge { .. } => "file_too_large",
            Self::GuildQuotaExceeded => "guild_quota_exceeded",
            Self::UserQuotaExceeded => "user_quota_exceeded",
            Self::TooManyUploads { .. } => "too_many_uploads",
            Self::IdempotencyKeyReused => "idempotency_key_reused",
            Self::UnknownUsers(_) => "unknown_user",
            Self::Invalid(_) => "validation_failed",
        }
    }
}
