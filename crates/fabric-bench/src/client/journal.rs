//! What one client has seen, and whether that is what it should have.

use std::collections::HashMap;
use std::time::Instant;

use fabric_api::realtime::event;
use fabric_domain::model::ChannelId;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::Value;
use socketio_proto::ClientEvent;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::wire::End;
use crate::world::PATIENCE;
use crate::{Outcome, ensure};

/// A `message.created`, as far as scenarios look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// The channel.
    pub channel: ChannelId,
    /// Its place there.
    pub seq: u64,
    /// Whether it wakes.
    pub wakeup: bool,
    /// The text's first 64 bytes.
    pub text: String,
    /// When it arrived.
    pub at: Instant,
}

/// Everything that arrived, in order.
#[derive(Debug, Default)]
pub struct State {
    /// Messages.
    pub created: Vec<Created>,
    /// Other events: how many messages came before it, name, payload. Presence only where it is asked for.
    pub events: Vec<(usize, String, Value)>,
    /// Answers that nobody has taken yet: how many messages came before it, and the answer.
    pub answers: HashMap<u64, (usize, Value)>,
    /// Pings of the server.
    pub pings: usize,
    /// How the connection ended.
    pub end: Option<End>,
}

impl State {
    /// The seqs of one channel's messages, in the order in which they came.
    pub fn seqs(&self, channel: &ChannelId) -> Vec<u64> {
        self.created.iter().filter(|created| created.channel == *channel).map(|created| created.seq).collect()
    }

    /// The seq of the channel's latest message, or 0.
    pub fn latest(&self, channel: &ChannelId) -> u64 {
        let mut newest_first = self.created.iter().rev();
        newest_first.find(|created| created.channel == *channel).map_or(0, |created| created.seq)
    }
}

/// Written by a client's reading task, read by the scenario.
#[derive(Debug, Default)]
pub struct Journal {
    state: Mutex<State>,
    changed: Notify,
}

/// The payload of a `message.created`, as far as scenarios look at it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreatedPayload {
    channel_id: ChannelId,
    seq: u64,
    wakeup: bool,
    content: String,
}

impl Journal {
    /// Looks at what there is.
    pub fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.lock())
    }

    /// Changes what there is: for the reading task.
    pub(super) fn note(&self, note: impl FnOnce(&mut State)) {
        note(&mut self.state.lock());
        self.changed.notify_waiters();
    }

    /// Waits until there is something, as long as the connection stands; `what` says what is missing when it
    /// does not come.
    pub async fn until<T>(&self, what: &str, mut find: impl FnMut(&mut State) -> Option<T>) -> Outcome<T> {
        let search = async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                {
                    let mut state = self.state.lock();
                    match find(&mut state) {
                        Some(found) => return Some(found),
                        None if state.end.is_some() => return None,
                        None => {}
                    }
                }
                changed.await;
            }
        };
        if let Ok(Some(found)) = timeout(PATIENCE, search).await {
            return Ok(found);
        }
        let state = self.state.lock();
        let last = state.created.last().map(|created| (created.channel.clone(), created.seq));
        Err(format!(
            "{what} did not come; {} messages did, the last of them {last:?}, and the connection is {}",
            state.created.len(),
            state.end.as_ref().map_or("open".to_owned(), |end| format!("closed: {end:?}"))
        ))
    }

    /// Waits until the channel's message `seq` is there.
    pub async fn until_seq(&self, channel: &ChannelId, seq: u64) -> Outcome {
        let what = format!("message {seq} of {channel}");
        self.until(&what, |state| (state.latest(channel) >= seq).then_some(())).await
    }

    /// Writes down what happened to the client's session. `presence`: whether events of that name
    /// are of interest.
    pub(super) fn write(&self, event: ClientEvent, presence: bool) -> Outcome {
        match event {
            ClientEvent::Event { name, args, .. } if name == event::MESSAGE_CREATED => {
                let payload: CreatedPayload =
                    args.get(0).map_err(|error| format!("{error} in {name} {:?}", args.values()))?;
                let content = payload.content;
                let end = (0..=64.min(content.len())).rev().find(|at| content.is_char_boundary(*at));
                let created = Created {
                    channel: payload.channel_id,
                    seq: payload.seq,
                    wakeup: payload.wakeup,
                    text: content[..end.unwrap_or(0)].to_owned(),
                    at: Instant::now(),
                };
                self.note(|state| state.created.push(created));
            }
            ClientEvent::Event { name, args, .. } if presence || name != event::PRESENCE => {
                let payload = args.into_parts().0.into_iter().next().unwrap_or_default();
                self.note(|state| state.events.push((state.created.len(), name, payload)));
            }
            ClientEvent::Acknowledged { ack, args, .. } => {
                let answer = args.into_parts().0.into_iter().next().unwrap_or_default();
                self.note(|state| {
                    state.answers.insert(ack, (state.created.len(), answer));
                });
            }
            ClientEvent::Pinged => self.note(|state| state.pings += 1),
            _ => {}
        }
        Ok(())
    }
}

/// Checks that these are all numbers from `first` to `last`, each once, in order.
pub fn run_of(who: &str, seqs: &[u64], first: u64, last: u64) -> Outcome {
    for (place, (seq, expected)) in seqs.iter().zip(first..).enumerate() {
        ensure!(*seq == expected, "{who}: message {expected} was due at place {place}, {seq} came");
    }
    let end = first + seqs.len() as u64;
    ensure!(end == last + 1, "{who}: {} messages came from {first} on, up to {last} were due", seqs.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use fabric_api::realtime::NAMESPACE;
    use serde_json::json;

    #[test]
    fn a_run_has_neither_gaps_nor_doubles_nor_other_orders() {
        assert!(run_of("x", &[3, 4, 5], 3, 5).is_ok());
        assert!(run_of("x", &[], 1, 0).is_ok());
        for wrong in [&[3, 5][..], &[3, 3, 4, 5], &[4, 3, 5], &[3, 4], &[3, 4, 5, 6], &[]] {
            assert!(run_of("x", wrong, 3, 5).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn events_are_told_apart() {
        let journal = Journal::default();
        let event = |name: &str, payload: Value| {
            let (namespace, name) = (NAMESPACE.to_owned(), name.to_owned());
            ClientEvent::Event { namespace, name, args: vec![payload, json!("offset")].into(), ack: None }
        };
        let created = json!({"channelId": "c", "seq": 7, "wakeup": true, "content": "a\"b", "x": [1]});
        let args = vec![json!({"ok": true})].into();
        for event in [
            event("message.created", created),
            event("presence", json!({"online": true})),
            event("typing", json!({"typing": true})),
            ClientEvent::Acknowledged { namespace: NAMESPACE.into(), ack: 5, args },
            ClientEvent::Pinged,
        ] {
            journal.write(event, false).unwrap();
        }
        journal.look(|state| {
            assert_eq!(state.seqs(&"c".into()), [7]);
            assert_eq!((state.created[0].text.as_str(), state.created[0].wakeup), ("a\"b", true));
            assert_eq!((state.events.len(), state.pings), (1, 1));
            assert_eq!(state.answers[&5].1, json!({"ok": true}));
        });
        assert!(journal.write(event("message.created", json!({})), false).is_err());
    }
}
