//! The root: advance, end of round, pause (spec/2 section 5).

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use super::{Act, RoundEvent, TurnState};
use crate::model::UserId;

/// The most `spoke` events in a row that a round keeps.
const MAX_SPOKEN: usize = 100;

/// Where the randomness of one step comes from. Stored with the step, it makes a replay exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seed(pub u64);

/// The shuffler. The generator and the way numbers are drawn from it are fixed here, rather than left to
/// a library's `shuffle`, because a recorded round must come out the same in every later version.
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    pub(super) fn new(Seed(seed): Seed) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        Self(ChaCha8Rng::from_seed(key))
    }

    /// A number below `n`, each equally likely; draws again where the last, incomplete stretch of the
    /// generator's range would favour small numbers.
    fn below(&mut self, n: usize) -> usize {
        let n = n as u64;
        let fair = u64::MAX - u64::MAX % n;
        loop {
            let drawn = self.0.next_u64();
            if drawn < fair {
                // Smaller than a `usize` that came in.
                return usize::try_from(drawn % n).unwrap_or_default();
            }
        }
    }

    fn shuffle(&mut self, items: &mut [UserId]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

impl TurnState {
    /// A new, empty round that begins with `first`.
    pub(super) fn begin_round(&mut self, first: Option<UserId>) {
        self.cursor = first;
        self.round.clear();
        self.pass_streak = 0;
    }

    /// Notes what the root speaker did.
    pub(super) fn record_cursor(&mut self, act: Act) {
        if let Some(user) = self.cursor.clone() {
            self.record(user, act);
        }
    }

    /// Notes what somebody did. Of those who speak one after another only the latest are kept: what decides is
    /// the last of them, and where passes begin and end, and a silent speaker must not make the state of a
    /// busy channel grow without bound.
    pub(super) fn record(&mut self, user: UserId, act: Act) {
        self.round.push(RoundEvent { user, act });
        let run = self.round.iter().rev().take_while(|event| event.act == Act::Spoke).count();
        if run > MAX_SPOKEN {
            self.round.remove(self.round.len() - run);
        }
    }

    /// The turn goes to the next in the order; past the last one the round ends.
    pub(super) fn advance(&mut self, dice: &mut Dice) {
        let place = self.order.iter().position(|user| Some(user) == self.cursor.as_ref());
        self.proceed_to(place.map_or(0, |place| place + 1), dice);
    }

    /// The turn goes to the order's entry at `place`; past the last one the round ends.
    pub(super) fn proceed_to(&mut self, place: usize, dice: &mut Dice) {
        match self.order.get(place) {
            Some(next) => self.cursor = Some(next.clone()),
            None => self.end_round(dice),
        }
    }

    /// Who passed last goes to the end; the others are shuffled, but whoever spoke last does not begin.
    /// When there is nobody but them to begin, the channel pauses.
    fn end_round(&mut self, dice: &mut Dice) {
        let tail = self.last_passers();
        let last_speaker =
            self.round.iter().rfind(|event| event.act == Act::Spoke).map(|event| event.user.clone());
        let mut head: Vec<UserId> = self.order.iter().filter(|user| !tail.contains(user)).cloned().collect();

        if head.iter().all(|user| Some(user) == last_speaker.as_ref()) {
            self.pause();
            return;
        }
        shuffle_not_beginning_with(last_speaker.as_ref(), &mut head, dice);
        self.order = head;
        self.order.extend(tail);
        self.cursor = self.order.first().cloned();
        self.round.clear();
    }

    /// The last contiguous run of passes in the round, wherever in the round it lies: those of the order
    /// in it, as they passed, without repeats.
    fn last_passers(&self) -> Vec<UserId> {
        let Some(end) = self.round.iter().rposition(|event| event.act == Act::Passed) else {
            return Vec::new();
        };
        let run = &self.round[..=end];
        let start = run.iter().rposition(|event| event.act == Act::Spoke).map_or(0, |spoke| spoke + 1);
        let mut passers: Vec<UserId> = Vec::new();
        for RoundEvent { user, .. } in &run[start..] {
            if self.order.contains(user) && !passers.contains(user) {
                passers.push(user.clone());
            }
        }
        passers
    }

    /// Nobody's turn. The next message, or /force-proceed, starts again. Open frames, if any, are finished
    /// first: the caller pauses again when they are spent.
    pub(super) fn pause(&mut self) {
        self.begin_round(None);
    }
}

/// Shuffles so that every arrangement that does not begin with `banned` is equally likely: the first is
/// drawn from the others, the rest is shuffled freely. Somebody other than `banned` must be there.
fn shuffle_not_beginning_with(banned: Option<&UserId>, head: &mut [UserId], dice: &mut Dice) {
    if let Some(place) = head.iter().position(|user| Some(user) == banned) {
        let last = head.len() - 1;
        head.swap(place, last);
        let first = dice.below(last);
        head.swap(0, first);
        dice.shuffle(&mut head[1..]);
    } else {
        dice.shuffle(head);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(n: usize) -> Vec<UserId> {
        (0..n).map(|i| UserId::new(i.to_string())).collect()
    }

    /// Chi-square of 12,000 shuffles with fixed seeds against the uniform distribution over `expected`
    /// arrangements; the bounds are the 99.9 % quantiles for `expected - 1` degrees of freedom.
    fn check_uniform(n: usize, banned: Option<usize>, expected: usize, bound: f64) {
        const DRAWS: u32 = 12_000;
        let banned = banned.map(|i| users(n)[i].clone());
        let mut counts = std::collections::HashMap::<Vec<UserId>, u32>::new();
        for seed in 0..DRAWS {
            let mut head = users(n);
            shuffle_not_beginning_with(banned.as_ref(), &mut head, &mut Dice::new(Seed(u64::from(seed))));
            assert_ne!(head.first(), banned.as_ref());
            *counts.entry(head).or_default() += 1;
        }
        assert_eq!(counts.len(), expected, "every arrangement occurs");
        let mean = f64::from(DRAWS) / f64::from(u32::try_from(expected).unwrap());
        let chi_square: f64 = counts.values().map(|&n| (f64::from(n) - mean).powi(2) / mean).sum();
        assert!(chi_square < bound, "chi-square {chi_square} is not below {bound}");
    }

    #[test]
    fn every_arrangement_is_equally_likely() {
        check_uniform(3, None, 6, 20.5);
        check_uniform(4, None, 24, 49.7);
    }

    #[test]
    fn every_arrangement_that_does_not_begin_with_the_last_speaker_is_equally_likely() {
        for banned in 0..4 {
            check_uniform(4, Some(banned), 18, 40.8);
        }
        check_uniform(3, Some(2), 4, 16.3);
        check_uniform(2, Some(0), 1, 1.0);
    }

    #[test]
    fn the_same_seed_gives_the_same_shuffle_in_every_version() {
        let mut head = users(8);
        Dice::new(Seed(42)).shuffle(&mut head);
        let names: Vec<_> = head.iter().map(UserId::as_str).collect();
        assert_eq!(names.join(" "), "3 6 0 4 5 2 1 7");
    }

    #[test]
    fn a_round_does_not_grow_without_bound_and_still_ends_the_same() {
        use crate::rules::turn::Input;
        let say = |who: &str| Input::Message { author: who.into(), mentioned: Vec::new() };
        let mut state = TurnState::new(["a", "b", "c"].map(UserId::from), []);
        state.apply(&say("a"), Seed(1));
        state.apply(&Input::NoReply { by: "b".into() }, Seed(2));
        for n in 0..10_000 {
            state.apply(&say(if n % 2 == 0 { "a" } else { "b" }), Seed(n));
        }
        assert_eq!(state.active(), Some(&"c".into()));
        assert_eq!(state.round().len(), 1 + MAX_SPOKEN);
        assert_eq!(state.round()[0].act, Act::Passed, "where passes begin and end is kept");
        state.apply(&say("c"), Seed(3));
        assert_eq!(state.order().last(), Some(&"b".into()), "who passed last is at the end");
        assert_eq!(state.order().first(), Some(&"a".into()), "who spoke last does not begin");
    }
}
