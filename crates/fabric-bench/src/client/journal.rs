//! What one client has seen, and whether that is what it should have.

use std::collections::HashMap;
use std::time::Instant;

use fabric_domain::model::ChannelId;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::Value;
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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    channel_id: &'a str,
    seq: u64,
    wakeup: bool,
    #[serde(borrow)]
    content: std::borrow::Cow<'a, str>,
}

const EVENT: &str = "42/realtime,";
const ANSWER: &str = "43/realtime,";
const CREATED: &str = "42/realtime,[\"message.created\",";

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

    /// Reads a packet. `presence`: whether events of that name are of interest.
    pub(super) fn read(&self, text: &str, presence: bool) -> Outcome {
        if let Some(rest) = text.strip_prefix(CREATED) {
            // Behind the message may stand the offset of connection state recovery.
            let wire = Wire::deserialize(&mut serde_json::Deserializer::from_str(rest))
                .map_err(|error| format!("{error} in {rest:.200}"))?;
            let end = (0..=64.min(wire.content.len())).rev().find(|at| wire.content.is_char_boundary(*at));
            let created = Created {
                channel: wire.channel_id.into(),
                seq: wire.seq,
                wakeup: wire.wakeup,
                text: wire.content[..end.unwrap_or(0)].to_owned(),
                at: Instant::now(),
            };
            self.note(|state| state.created.push(created));
        } else if let Some(rest) = text.strip_prefix(EVENT) {
            // A thousand sockets that come and go tell each other a million times.
            if !presence && rest.starts_with("[\"presence\"") {
                return Ok(());
            }
            let event: Vec<Value> =
                serde_json::from_str(rest).map_err(|error| format!("{error} in {rest:.200}"))?;
            let mut event = event.into_iter();
            let Some(Value::String(name)) = event.next() else {
                return Err(format!("no event's name in {rest:.200}"));
            };
            let payload = event.next().unwrap_or_default();
            self.note(|state| state.events.push((state.created.len(), name, payload)));
        } else if let Some(rest) = text.strip_prefix(ANSWER) {
            let at = rest.find('[').unwrap_or_default();
            let id: u64 = rest[..at].parse().map_err(|error| format!("{error} in {rest:.200}"))?;
            let (answer,): (Value,) =
                serde_json::from_str(&rest[at..]).map_err(|error| format!("{error} in {rest:.200}"))?;
            self.note(|state| {
                state.answers.insert(id, (state.created.len(), answer));
            });
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

    #[test]
    fn a_run_has_neither_gaps_nor_doubles_nor_other_orders() {
        assert!(run_of("x", &[3, 4, 5], 3, 5).is_ok());
        assert!(run_of("x", &[], 1, 0).is_ok());
        for wrong in [&[3, 5][..], &[3, 3, 4, 5], &[4, 3, 5], &[3, 4], &[3, 4, 5, 6], &[]] {
            assert!(run_of("x", wrong, 3, 5).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn packets_are_told_apart() {
        let journal = Journal::default();
        for text in [
            r#"42/realtime,["message.created",{"channelId":"c","seq":7,"wakeup":true,"content":"a\"b","x":[1]}]"#,
            r#"42/realtime,["presence",{"online":true}]"#,
            r#"42/realtime,["typing",{"typing":true}]"#,
            r#"43/realtime,5[{"ok":true}]"#,
            "40/realtime,{}",
        ] {
            journal.read(text, false).unwrap();
        }
        journal.look(|state| {
            assert_eq!(state.seqs(&"c".into()), [7]);
            assert_eq!((state.created[0].text.as_str(), state.created[0].wakeup), ("a\"b", true));
            assert_eq!(state.events.len(), 1);
            assert_eq!(state.answers[&5].1, serde_json::json!({"ok": true}));
        });
        assert!(journal.read(r#"42/realtime,["message.created",{}]"#, false).is_err());
    }
}
