//! What waits in one channel: wakes, and between them what was merely recorded.

use std::collections::VecDeque;

use fabric_api::Open;
use fabric_api::realtime::MessageCreated;
use fabric_domain::model::WakeReason;

/// The most messages that wait in a channel.
const MOST: usize = 200;

#[derive(Debug, Default)]
pub(super) struct Backlog {
    entries: VecDeque<(MessageCreated, bool)>,
    /// The newest turn that the agent has answered.
    answered: Option<u64>,
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

    /// Notes that the agent has answered this turn.
    pub(super) fn answer(&mut self, turn: u64) {
        self.answered = self.answered.max(Some(turn));
    }

    /// Each queue jump wakes the active speaker once more, for the same turn. A turn is answered once: of the
    /// wakes that wait only the newest counts, with the others as its context. A second answer would be a queue
    /// jump itself, and wake the next speaker twice.
    fn keep_one_wake_of_a_turn(&mut self) {
        let mut newest = self.answered;
        for (created, wakes) in self.entries.iter_mut().rev().filter(|(_, wakes)| *wakes) {
            let Some(turn) = turn_given_by(created) else { continue };
            *wakes = newest.is_none_or(|newest| turn > newest);
            newest = newest.max(Some(turn));
        }
    }

    /// The first wake that waits, and what was recorded before it.
    pub(super) fn next_wake(&mut self) -> Option<(MessageCreated, Vec<MessageCreated>)> {
        self.keep_one_wake_of_a_turn();
        let at = self.entries.iter().position(|(_, wakes)| *wakes)?;
        let mut taken = self.entries.drain(..=at).map(|(created, _)| created);
        let mut recent: Vec<_> = taken.by_ref().take(at).collect();
        let wake = taken.next()?;
        recent.retain(|recorded| recorded.message.id != wake.message.id);
        Some((wake, recent))
    }
}

/// The turn that a wake gives the agent; none where somebody summons them beside their turns.
pub(super) fn turn_given_by(created: &MessageCreated) -> Option<u64> {
    let wake = created.wake.as_ref()?;
    let gives_turn = matches!(wake.reason, Open::Known(WakeReason::Turn | WakeReason::Mention));
    wake.turn.filter(|_| gives_turn)
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

    fn push_turn(backlog: &mut Backlog, id: &str, turn: u64, reason: &str) {
        let mut created = message(id, "you", "discuss", true);
        created.wake =
            serde_json::from_value(serde_json::json!({ "reason": reason, "turn": turn, "hop": 0 })).ok();
        assert!(created.wake.is_some());
        backlog.push(created, true);
    }

    #[test]
    fn a_turn_is_answered_once_however_often_it_woke_the_agent() {
        let mut backlog = Backlog::default();
        push_turn(&mut backlog, "a", 1, "turn");
        push_turn(&mut backlog, "jump", 1, "turn");
        push_turn(&mut backlog, "post", 1, "targeted");
        assert_eq!(next(&mut backlog), Some(("jump".into(), vec!["a".into()])), "the newest, with the rest");
        push_turn(&mut backlog, "late", 1, "mention");
        backlog.answer(1);
        assert_eq!(
            next(&mut backlog),
            Some(("post".into(), vec![])),
            "a summons beside the turns is its own"
        );
        push_turn(&mut backlog, "b", 2, "turn");
        assert_eq!(next(&mut backlog), Some(("b".into(), vec!["late".into()])));
        push_turn(&mut backlog, "again", 2, "turn");
        assert_eq!(next(&mut backlog), Some(("again".into(), vec![])), "an unanswered one may come again");
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
