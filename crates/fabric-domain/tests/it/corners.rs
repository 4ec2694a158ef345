//! The corners of the rules, and the proof that the random walks come to all of them.

use std::collections::BTreeSet;

use fabric_domain::model::{Rejection, UserId};
use fabric_domain::rules::turn::{Effect, Input, Seat, TurnState};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

use crate::walk::{Step, USUAL, interrupted, scripts};

/// The walks would prove nothing if they stayed near the start: they reach every corner of the rules.
#[test]
fn the_walks_reach_every_corner() {
    let mut seen = Corners::default();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..1_000 {
        let script = scripts(USUAL).new_tree(&mut runner).unwrap().current();
        script
            .walk(|step| {
                seen.look_at(step);
                Ok::<_, ()>(())
            })
            .unwrap();
    }
    assert_eq!(seen.missing(), Vec::<&str>::new());
}

#[derive(Debug, Default)]
struct Corners(BTreeSet<&'static str>);

impl Corners {
    const ALL: [&'static str; 33] = [
        "a full stack",
        "a fifth frame drops the bottom-most",
        "frames without a root speaker",
        "frames without a root speaker, then the first unasked",
        "frames without a root speaker, then silence",
        "the root speaker is removed under open frames",
        "the active entry of a frame is removed",
        "the root speaker moves to the bypass under open frames",
        "a shuffle",
        "a round ends with a tail",
        "silence after passes",
        "silence after a message",
        "silence after a removal",
        "a declined place of a frame is skipped",
        "a declined root place is skipped",
        "the place of the author in a frame is skipped",
        "the root place of the author is skipped",
        "a declined place is skipped after a removal",
        "a declined member comes back unasked",
        "the last author has the floor",
        "the last author declines",
        "the last author is no member",
        "a third summons is only a word",
        "a queue jump summons anew",
        "the interrupted speaker is not summoned",
        "a late message of the active speaker",
        "a late message of the active speaker that summons",
        "a named turn of an idle channel",
        "turn_over for a pass",
        "turn_over for a force-proceed",
        "a force-proceed from idle",
        "a live timeout",
        "a stale timeout",
    ];

    fn look_at(&mut self, step: &Step<'_>) {
        self.look_at_state(step.after);
        self.look_at_frames(step);
        match step.input {
            Input::Message { .. } => self.look_at_message(step),
            Input::NoReply { .. } | Input::ForceProceed { .. } | Input::Timeout { .. } => {
                self.look_at_pass(step);
            }
            Input::MemberAdded { .. } | Input::MemberRemoved { .. } => self.look_at_members(step),
            Input::MovedToBypass { user } => self.see(
                "the root speaker moves to the bypass under open frames",
                !step.before.frames().is_empty() && step.before.cursor() == Some(user),
            ),
            Input::MovedToOrder { .. } => {}
        }
    }

    fn look_at_state(&mut self, state: &TurnState) {
        let last_author = state.last_author();
        self.see("a full stack", state.frames().len() == 4);
        self.see("frames without a root speaker", !state.frames().is_empty() && state.cursor().is_none());
        self.see("the last author has the floor", last_author.is_some() && state.active() == last_author);
        self.see("the last author declines", last_author.is_some_and(|user| state.declined().contains(user)));
        self.see("the last author is no member", last_author.is_some_and(|user| !state.is_member(user)));
    }

    fn look_at_frames(&mut self, step: &Step<'_>) {
        let Step { before, after, .. } = step;
        let (old, new) = (before.frames(), after.frames());
        let pushed = new.last().is_some_and(|top| top.position() == 0);
        let dropped = old.len() == 4 && new.len() == 4 && old[1..] == new[..3];
        self.see("a fifth frame drops the bottom-most", pushed && dropped);
        let rootless = !old.is_empty() && before.cursor().is_none();
        self.see(
            "frames without a root speaker, then the first unasked",
            rootless && new.is_empty() && after.cursor().is_some(),
        );
        self.see("frames without a root speaker, then silence", rootless && after.is_idle());
        let shuffled = after.cursor() == after.order().first() && before.cursor().is_some();
        let same_members = before.order().len() == after.order().len();
        self.see("a shuffle", shuffled && same_members && before.order() != after.order());
        let tail = after.order().last().is_some_and(|last| after.declined().contains(last));
        self.see("a round ends with a tail", shuffled && same_members && tail);
    }

    fn look_at_message(&mut self, step: &Step<'_>) {
        let Step { input: Input::Message { author, mentioned, turn }, before, after, .. } = step else {
            return;
        };
        let summoned = |user: &UserId| before.summoned().get(user).copied();
        let is_late = turn.is_some_and(|turn| turn != before.turn());
        self.see("a named turn of an idle channel", before.is_idle() && turn.is_some());
        self.see("silence after a message", !before.is_idle() && after.is_idle());
        if before.active() != Some(author) {
            let anew = |user| summoned(user) == Some(2) && after.summoned().get(user) == Some(&1);
            self.see("a queue jump summons anew", mentioned.iter().any(anew));
            return;
        }
        if is_late {
            self.see("a late message of the active speaker", after.turn() == before.turn());
            self.see("a late message of the active speaker that summons", after.turn() > before.turn());
            return;
        }
        let third = mentioned.iter().any(|user| user != author && summoned(user) == Some(2));
        self.see("a third summons is only a word", third);
        let interrupted = interrupted(before);
        self.see(
            "the interrupted speaker is not summoned",
            interrupted
                .is_some_and(|user| user != author && mentioned.contains(user) && summoned(user) < Some(2))
                && after.active() == interrupted,
        );
        let depth = before.frames().len();
        let below = depth.checked_sub(2).map(|below| &before.frames()[below]);
        self.see(
            "the place of the author in a frame is skipped",
            after.frames().len() < depth
                && below.is_some_and(|below| below.queue()[below.position()] == *author),
        );
        self.see(
            "the root place of the author is skipped",
            depth > 0
                && after.frames().is_empty()
                && before.cursor() == Some(author)
                && after.cursor() != before.cursor(),
        );
    }

    fn look_at_pass(&mut self, step: &Step<'_>) {
        let Step { before, input, after, effect, .. } = step;
        let refused = *effect == Effect::Rejected(Rejection::TurnOver);
        match input {
            Input::NoReply { .. } => self.see("turn_over for a pass", refused),
            Input::ForceProceed { .. } => {
                self.see("turn_over for a force-proceed", refused);
                self.see("a force-proceed from idle", before.is_idle() && *effect == Effect::Moved);
            }
            Input::Timeout { turn } => {
                self.see("a live timeout", *turn == before.turn() && *effect == Effect::Moved);
                self.see("a stale timeout", *turn != before.turn() && !before.is_idle());
            }
            _ => {}
        }
        if before.is_idle() || *effect != Effect::Moved {
            return;
        }
        self.see("silence after passes", after.is_idle());
        self.see("a declined place of a frame is skipped", skips_in_a_frame(step));
        self.see(
            "a declined root place is skipped",
            !before.frames().is_empty()
                && !after.is_idle()
                && after.frames().is_empty()
                && before.cursor().is_some_and(|root| after.declined().contains(root)),
        );
    }

    fn look_at_members(&mut self, step: &Step<'_>) {
        let Step { before, input, after, .. } = step;
        match input {
            Input::MemberAdded { user, seat: Seat::Order } if !before.is_member(user) => self.see(
                "a declined member comes back unasked",
                !before.declined().is_empty() && after.unasked().any(|unasked| unasked == user),
            ),
            Input::MemberRemoved { user } if before.is_member(user) => {
                self.see("silence after a removal", !before.is_idle() && after.is_idle());
                if before.frames().is_empty() {
                    return;
                }
                self.see("the root speaker is removed under open frames", before.cursor() == Some(user));
                self.see("the active entry of a frame is removed", before.active() == Some(user));
                let next = before.frames().last().and_then(|top| top.queue().get(top.position() + 1));
                let next = next.or_else(|| interrupted(before));
                self.see(
                    "a declined place is skipped after a removal",
                    before.active() == Some(user)
                        && next.is_some_and(|next| before.declined().contains(next)),
                );
            }
            _ => {}
        }
    }

    fn see(&mut self, corner: &'static str, seen: bool) {
        assert!(Self::ALL.contains(&corner), "{corner} is looked for, but not listed");
        if seen {
            self.0.insert(corner);
        }
    }

    fn missing(&self) -> Vec<&'static str> {
        Self::ALL.into_iter().filter(|corner| !self.0.contains(corner)).collect()
    }
}

/// One input uses up two places of the same frame.
fn skips_in_a_frame(step: &Step<'_>) -> bool {
    let depth = step.before.frames().len();
    depth > 0
        && depth == step.after.frames().len()
        && step.after.frames()[depth - 1].position() > step.before.frames()[depth - 1].position() + 1
}
