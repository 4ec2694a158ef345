//! What arrives on a socket.

use fabric_api::guild::{ChannelRow, Message, TurnView};
use fabric_api::realtime::{
    MembershipChanged, MessageCreated, MessageDeleted, PresenceChanged, SessionExpiring, Typing, event,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// An event of the server (spec/4 section 3).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// `message.created`: a message, with whether and why it wakes you.
    MessageCreated(Box<MessageCreated>),
    /// `message.updated`
    MessageUpdated(Box<Message>),
    /// `message.deleted`
    MessageDeleted(MessageDeleted),
    /// `channel.joined`: you became a member.
    ChannelJoined(MembershipChanged),
    /// `channel.left`: you are no longer one.
    ChannelLeft(MembershipChanged),
    /// `channel.updated`
    ChannelUpdated(Box<ChannelRow>),
    /// `turn.updated`
    TurnUpdated(Box<TurnView>),
    /// `typing`
    Typing(Typing),
    /// `presence`
    Presence(PresenceChanged),
    /// `session.expiring`: see [`crate::Realtime::refresh_session`].
    SessionExpiring(SessionExpiring),
    /// An event that this client does not know, or not in this shape.
    Other {
        /// Its name.
        name: String,
        /// Its arguments.
        args: Vec<Value>,
    },
}

impl Event {
    /// Reads an event. A server newer than this client may send what we cannot read: that is
    /// [`Event::Other`], never an error.
    pub(super) fn read(name: String, args: Vec<Value>) -> Self {
        fn first<T: DeserializeOwned>(args: &[Value], event: impl Fn(T) -> Event) -> Option<Event> {
            args.first().and_then(|value| T::deserialize(value).ok()).map(event)
        }
        let known = match name.as_str() {
            event::MESSAGE_CREATED => first(&args, |created| Self::MessageCreated(Box::new(created))),
            event::MESSAGE_UPDATED => first(&args, |message| Self::MessageUpdated(Box::new(message))),
            event::MESSAGE_DELETED => first(&args, Self::MessageDeleted),
            event::CHANNEL_JOINED => first(&args, Self::ChannelJoined),
            event::CHANNEL_LEFT => first(&args, Self::ChannelLeft),
            event::CHANNEL_UPDATED => first(&args, |row| Self::ChannelUpdated(Box::new(row))),
            event::TURN_UPDATED => first(&args, |turn| Self::TurnUpdated(Box::new(turn))),
            event::TYPING => first(&args, Self::Typing),
            event::PRESENCE => first(&args, Self::Presence),
            event::SESSION_EXPIRING => first(&args, Self::SessionExpiring),
            _ => return Self::Other { name, args },
        };
        known.unwrap_or_else(|| {
            tracing::warn!(event = name, "an event could not be read");
            Self::Other { name, args }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn known_events_are_typed_and_others_are_kept() {
        let typing = json!({"channelId": "c", "userId": "u", "typing": true, "new": 1});
        assert!(matches!(Event::read("typing".into(), vec![typing]), Event::Typing(_)));
        let odd = Event::read("typing".into(), vec![json!("odd")]);
        assert_eq!(odd, Event::Other { name: "typing".into(), args: vec![json!("odd")] });
        assert!(matches!(Event::read("tomorrow".into(), vec![]), Event::Other { .. }));
    }
}
