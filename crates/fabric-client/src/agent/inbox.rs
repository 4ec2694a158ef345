//! What to do with a message, in the order that spec/6 section 1 gives: drop one's own, drop duplicates, then
//! dispatch or record.

use std::collections::{HashMap, VecDeque};

use fabric_api::realtime::MessageCreated;

use crate::model::{ChannelType, MessageId, UserId};

/// So many ids are remembered.
const REMEMBERED: usize = 10_000;

/// What to do with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Drop,
    Record,
    Dispatch,
}

/// Remembers what has been seen.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// Whether the agent was dispatched for it.
    seen: HashMap<MessageId, bool>,
    order: VecDeque<MessageId>,
}

impl Inbox {
    pub(super) fn judge(&mut self, me: &UserId, created: &MessageCreated) -> Verdict {
        if created.message.author_user_id == *me {
            return Verdict::Drop;
        }
        let wakes = created.wakeup || created.channel_type == ChannelType::Dm;
        match self.seen.get_mut(&created.message.id) {
            // A wake that is still owed comes again when the socket joins, perhaps after the same
            // message was replayed as mere history: only a second *wake* is a duplicate.
            Some(dispatched) if *dispatched || !wakes => return Verdict::Drop,
            Some(dispatched) => *dispatched = true,
            None => self.remember(created.message.id.clone(), wakes),
        }
        if wakes { Verdict::Dispatch } else { Verdict::Record }
    }

    /// A wake could not be answered: should it come again, the agent is dispatched again.
    pub(super) fn forget(&mut self, id: &MessageId) {
        if let Some(dispatched) = self.seen.get_mut(id) {
            *dispatched = false;
        }
    }

    fn remember(&mut self, id: MessageId, wakes: bool) {
        self.order.push_back(id.clone());
        self.seen.insert(id, wakes);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A message of `author`; `wakeup` as given.
    pub(in crate::agent) fn message(
        id: &str,
        author: &str,
        channel_type: &str,
        wakeup: bool,
    ) -> MessageCreated {
        serde_json::from_value(serde_json::json!({
            "id": id, "channelId": "c", "guildId": "g", "seq": 1, "authorUserId": author, "content": "hi",
            "mentions": [], "attachments": [], "replyTo": null, "createdAt": "2026-01-01T00:00:00.000Z",
            "editedAt": null, "deletedAt": null, "ack": null, "xType": channel_type, "wakeup": wakeup, "wake": null
        }))
        .unwrap()
    }

    #[test]
    fn wakes_are_dispatched_and_everything_else_is_recorded() {
        let (mut inbox, me) = (Inbox::default(), UserId::new("me"));
        for (channel_type, wakeup, verdict) in [
            ("general", true, Verdict::Dispatch),
            ("general", false, Verdict::Record),
            ("discuss", false, Verdict::Record),
            ("dm", false, Verdict::Dispatch),
        ] {
            let id = format!("{channel_type}{wakeup}");
            assert_eq!(inbox.judge(&me, &message(&id, "you", channel_type, wakeup)), verdict, "{id}");
            assert_eq!(
                inbox.judge(&me, &message(&id, "you", channel_type, wakeup)),
                Verdict::Drop,
                "{id} again"
            );
        }
    }

    #[test]
    fn ones_own_messages_are_dropped() {
        let (mut inbox, me) = (Inbox::default(), UserId::new("me"));
        assert_eq!(inbox.judge(&me, &message("1", "me", "dm", true)), Verdict::Drop);
    }

    #[test]
    fn a_wake_that_was_first_replayed_as_history_still_wakes() {
        let (mut inbox, me) = (Inbox::default(), UserId::new("me"));
        assert_eq!(inbox.judge(&me, &message("1", "you", "discuss", false)), Verdict::Record);
        assert_eq!(inbox.judge(&me, &message("1", "you", "discuss", true)), Verdict::Dispatch);
        assert_eq!(inbox.judge(&me, &message("1", "you", "discuss", true)), Verdict::Drop);
        assert_eq!(inbox.judge(&me, &message("1", "you", "discuss", false)), Verdict::Drop);
    }

    #[test]
    fn memory_is_bounded() {
        let (mut inbox, me) = (Inbox::default(), UserId::new("me"));
        for n in 0..REMEMBERED + 5 {
            inbox.judge(&me, &message(&n.to_string(), "you", "report", false));
        }
        assert_eq!((inbox.seen.len(), inbox.order.len()), (REMEMBERED, REMEMBERED));
    }
}
