//! What waits in one channel: wakes, and between them what was merely recorded.

use std::collections::VecDeque;

use fabric_api::realtime::MessageCreated;

/// The most messages that wait in a channel.
const MOST: usize = 200;

#[derive(Debug, Default)]
pub(super) struct Backlog {
    entries: VecDeque<(MessageCreated, bool)>,
    /// Whether somebody is working it off.
    pub(super) is_running: bool,
}

impl Backlog {
    pub(super) fn push(&mut self, created: MessageCreated, wakes: bool) {
        self.entries.push_back((created, wakes));
        if self.entries.len() > MOST {
            // Old context goes first; only in a flood of nothing but wakes the oldest of them.
            let oldest = self.entries.iter().position(|(_, wakes)| !wakes).unwrap_or(0);
            if let Some((dropped, true)) = self.entries.remove(oldest) {
                tracing::warn!(channel = %dropped.message.channel_id, seq = %dropped.message.seq,
                    "too many wakes wait, the oldest is dropped");
            }
        }
    }

    /// Drops everything that waits.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    /// The first wake that waits, and what was recorded before it.
    pub(super) fn next_wake(&mut self) -> Option<(MessageCreated, Vec<MessageCreated>)> {
        let at = self.entries.iter().position(|(_, wakes)| *wakes)?;
        let mut taken = self.entries.drain(..=at).map(|(created, _)| created);
        let mut recent: Vec<_> = taken.by_ref().take(at).collect();
        let wake = taken.next()?;
        recent.retain(|recorded| recorded.message.id != wake.message.id);
        Some((wake, recent))
    }
}

#[cfg(test)]
mod tests {
    use super::super::inbox::tests::message;
    use super::*;

    fn push(backlog: &mut Backlog, id: &str, wakes: bool) {
        backlog.push(message(id, "you", "general", wakes), wakes);
    }

    fn next(backlog: &mut Backlog) -> Option<(String, Vec<String>)> {
        let id = |created: MessageCreated| created.message.id.to_string();
        backlog.next_wake().map(|(wake, recent)| (id(wake), recent.into_iter().map(id).collect()))
    }

    #[test]
    fn each_wake_comes_with_what_was_recorded_since_the_one_before() {
        let mut backlog = Backlog::default();
        for (id, wakes) in [("a", false), ("b", false), ("c", true), ("d", true), ("e", false)] {
            push(&mut backlog, id, wakes);
        }
        assert_eq!(next(&mut backlog), Some(("c".into(), vec!["a".into(), "b".into()])));
        assert_eq!(next(&mut backlog), Some(("d".into(), vec![])));
        assert_eq!(next(&mut backlog), None);
        push(&mut backlog, "f", true);
        assert_eq!(next(&mut backlog), Some(("f".into(), vec!["e".into()])));
    }

    #[test]
    fn in_a_flood_old_context_goes_before_any_wake() {
        let mut backlog = Backlog::default();
        push(&mut backlog, "wake", true);
        for n in 0..MOST * 2 {
            push(&mut backlog, &n.to_string(), false);
        }
        assert_eq!(backlog.entries.len(), MOST);
        assert_eq!(next(&mut backlog), Some(("wake".into(), vec![])));
    }
}
