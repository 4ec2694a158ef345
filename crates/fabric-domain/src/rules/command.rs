//! The two intercepted commands (spec/2 section 7).

use serde::{Deserialize, Serialize};

use crate::model::{AckCause, ChannelType};

/// A command of the turn engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Command {
    /// The active speaker passes.
    #[serde(rename = "/no-reply")]
    NoReply,
    /// Any participant moves the turn on.
    #[serde(rename = "/force-proceed")]
    ForceProceed,
}

impl Command {
    /// The command as it is typed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoReply => "/no-reply",
            Self::ForceProceed => "/force-proceed",
        }
    }

    /// The command that a post to a channel of this type is, or `None` for an ordinary message.
    ///
    /// Only the first word counts, with its case, and only where members speak in turn; any other
    /// `/word` is an ordinary message everywhere.
    pub fn intercept(channel_type: ChannelType, content: &str) -> Option<Self> {
        if !channel_type.has_turns() {
            return None;
        }
        match content.split_whitespace().next()? {
            "/no-reply" => Some(Self::NoReply),
            "/force-proceed" => Some(Self::ForceProceed),
            _ => None,
        }
    }
}

impl From<Command> for AckCause {
    fn from(command: Command) -> Self {
        match command {
            Command::NoReply => Self::NoReply,
            Command::ForceProceed => Self::ForceProceed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_decides_after_trimming() {
        for text in ["/no-reply", "  /no-reply  ", "/no-reply nothing to add", "\n/no-reply\tx"] {
            assert_eq!(Command::intercept(ChannelType::Discuss, text), Some(Command::NoReply), "{text:?}");
        }
        assert_eq!(Command::intercept(ChannelType::Work, "/force-proceed"), Some(Command::ForceProceed));
    }

    #[test]
    fn anything_else_is_an_ordinary_message() {
        for text in
            ["", "  ", "/No-Reply", "/no-replying", "please /no-reply", "/ack", "/other", "`/no-reply`"]
        {
            assert_eq!(Command::intercept(ChannelType::Discuss, text), None, "{text:?}");
        }
    }

    #[test]
    fn in_other_channel_types_the_text_is_an_ordinary_message() {
        for channel_type in ChannelType::ALL.into_iter().filter(|t| !t.has_turns()) {
            assert_eq!(Command::intercept(channel_type, "/no-reply"), None, "{channel_type}");
        }
    }
}
