//! What was asked and what was answered, and whether the database agrees.

use std::collections::HashMap;

use fabric_api::guild::PostAnswer;
use fabric_client::model::{ChannelId, MessageId, Seq, UserId};
use fabric_domain::decisions::ChannelAggregate;
use fabric_domain::model::{AckCause, Message};
use fabric_domain::ports::{ChannelStore, MessageStore, Reader, Search, SearchStore, SeqRange};
use fabric_domain::rules::search::{Query, document};
use fabric_domain::rules::turn::{Input, Seed, TurnState};
use fabric_store_seaorm::SqlStore;

use crate::deeds::Deeds;
use crate::world::Rooms;

/// A post, with an idempotency key of its own.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) key: String,
    pub(crate) user: usize,
    pub(crate) content: String,
}

/// Everything that clients know.
#[derive(Debug, Clone, Default)]
pub(crate) struct Oracle {
    /// Acknowledged: the stored message, the `/ack` of a command, or nothing for one without effect.
    answered: HashMap<String, (Attempt, Option<MessageId>)>,
    /// The answer was lost, or said that the store failed.
    unknown: HashMap<String, Attempt>,
    /// What was done besides.
    pub(crate) deeds: Deeds,
}

impl Oracle {
    pub(crate) fn acknowledge(&mut self, attempt: Attempt, answer: &PostAnswer) {
        let id = match answer {
            PostAnswer::Message(message) => Some(message.id.clone()),
            PostAnswer::Command(command) => command.ack.as_ref().map(|ack| ack.id.clone()),
        };
        self.unknown.remove(&attempt.key);
        let key = attempt.key.clone();
        if let Some((_, before)) = self.answered.insert(key.clone(), (attempt, id.clone())) {
            assert_eq!(before, id, "{key} was answered in two ways");
        }
    }

    pub(crate) fn lose(&mut self, attempt: Attempt) {
        self.unknown.insert(attempt.key.clone(), attempt);
    }

    /// What is to be asked again.
    pub(crate) fn unknown(&self) -> Vec<Attempt> {
        self.unknown.values().cloned().collect()
    }

    /// Some of what was answered, to be asked again: the answer must be the same.
    pub(crate) fn some_answered(&self) -> Vec<Attempt> {
        self.answered.values().take(8).map(|(attempt, _)| attempt.clone()).collect()
    }

    pub(crate) fn answers(&self) -> usize {
        self.answered.len()
    }

    /// Once nothing is unknown: every acknowledged message is stored once and as it was sent, nothing else is,
    /// seq has no gap, and the stored turn is the one to which the stored messages lead.
    pub(crate) async fn check(&self, store: &SqlStore, rooms: &Rooms, users: &[UserId], begin: &TurnState) {
        assert!(self.unknown.is_empty(), "unsettled: {:?}", self.unknown);
        let channel = &rooms.channel;
        let stored = store.load(channel).await.unwrap().expect("the channel is there");
        let messages = all(store, channel).await;

        let seqs: Vec<u64> = messages.iter().map(|message| message.seq.0).collect();
        assert_eq!(seqs, (1..=stored.channel.last_seq.0).collect::<Vec<_>>(), "seq has a gap");

        let by_id: HashMap<&MessageId, &Message> = messages.iter().map(|m| (&m.id, m)).collect();
        assert_eq!(by_id.len(), messages.len(), "an id is there twice");
        let mut acknowledged = 0;
        for (attempt, id) in self.answered.values() {
            let Some(id) = id else { continue };
            acknowledged += 1;
            let message = by_id.get(id).unwrap_or_else(|| panic!("{attempt:?} is lost"));
            match &message.ack {
                Some(ack) => assert_eq!(ack.by, users[attempt.user], "{attempt:?}"),
                None => assert_eq!(
                    (message.content.as_str(), &message.author),
                    (self.deeds.text_of(id).unwrap_or(&attempt.content), &users[attempt.user]),
                    "{attempt:?}"
                ),
            }
        }
        assert_eq!(acknowledged, messages.len(), "something is stored that nobody was told of, or twice");
        self.deeds.check(store, rooms, users, &by_id).await;
        for words in ["something", "asks", "r*"] {
            check_search(store, channel, &users[0], words, &messages).await;
        }
        assert_eq!(turn(&stored), replay(begin, &messages), "the turn is not that of the messages");
    }
}

/// A search finds each message that has the words once, the newest first, and nothing else: wherever the index was when
/// the server ended, and however far it has come since.
async fn check_search(
    store: &SqlStore,
    channel: &ChannelId,
    user: &UserId,
    words: &str,
    messages: &[Message],
) {
    let query = Query::parse(words).unwrap();
    let is_hit = |message: &&Message| document(message).is_some_and(|document| query.finds(&document));
    let expected: Vec<&MessageId> = messages.iter().rev().filter(is_hit).map(|message| &message.id).collect();
    let (mut found, mut before): (Vec<MessageId>, _) = (Vec::new(), None);
    loop {
        let search = Search {
            query: query.clone(),
            reader: Reader { user: user.clone(), reads_triage: false },
            channel: Some(channel.clone()),
            author: None,
            before,
            limit: 50,
        };
        let page = store.search(&search).await.unwrap().expect("the last message of a page is known");
        before = page.last().map(|message| message.id.clone());
        found.extend(page.into_iter().map(|message| message.id));
        if before.is_none() {
            break;
        }
    }
    assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{words:?}");
}

pub(crate) fn turn(channel: &ChannelAggregate) -> TurnState {
    channel.turn.clone().expect("a channel with turns").state
}

async fn all(store: &SqlStore, channel: &ChannelId) -> Vec<Message> {
    let mut messages: Vec<Message> = Vec::new();
    loop {
        let from = messages.last().map_or(Seq(1), |last| last.seq.next());
        let range = SeqRange { from: Some(from), to: None };
        let page = store.page(channel, range, 1_000).await.unwrap();
        if page.is_empty() {
            return messages;
        }
        messages.extend(page);
    }
}

/// The engine, fed with what is stored. Any seed will do: see [`super::world::World::channel`]. What is amended
/// never mentioned anybody, so its mentions are those that it was posted with.
fn replay(begin: &TurnState, messages: &[Message]) -> TurnState {
    let mut state = begin.clone();
    for message in messages {
        let input = match &message.ack {
            None => Input::Message {
                author: message.author.clone(),
                mentioned: message.mentions.clone(),
                turn: None,
            },
            Some(ack) => match ack.cause {
                AckCause::NoReply => Input::NoReply { by: ack.by.clone(), turn: None },
                AckCause::ForceProceed => Input::ForceProceed { by: ack.by.clone(), turn: None },
                ref other => panic!("nothing here causes {other:?}"),
            },
        };
        state.apply(&input, Seed(message.seq.0));
    }
    state
}
