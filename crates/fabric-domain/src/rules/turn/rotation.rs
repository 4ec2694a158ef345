//! How the floor goes on: places that are used up, the rotation, the end of a round, pause (spec/2 sections
//! 4 and 5).

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use super::declined::Declined;
use super::{Effect, TurnState};
use crate::model::UserId;

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
    /// Uses up the active speaker's place: the floor goes on until it is another's, who can still be asked.
    pub(super) fn use_up_place(&mut self, dice: &mut Dice) -> Effect {
        let actor = self.active().cloned();
        self.leave_place(dice);
        self.skip_places(actor.as_ref(), dice);
        Effect::Moved
    }

    /// Uses up places that have come up for whoever has just acted, or has declined since the last message:
    /// members may have a place in several frames, and at the root besides.
    pub(super) fn skip_places(&mut self, actor: Option<&UserId>, dice: &mut Dice) {
        while self.active().is_some_and(|next| Some(next) == actor || self.has_declined(next)) {
            self.leave_place(dice);
        }
    }

    fn leave_place(&mut self, dice: &mut Dice) {
        if self.frames.is_empty() {
            self.advance(dice);
        } else {
            self.use_up_entry();
            self.resume_rotation();
        }
    }

    /// Frames may be all there was: the channel was idle before, or the root speaker left meanwhile. Once
    /// they are spent the rotation goes to the first who was not asked yet, if there is one.
    pub(super) fn resume_rotation(&mut self) {
        if self.frames.is_empty() && self.cursor.is_none() {
            self.set_cursor(self.first_unasked());
        }
    }

    /// The next in the order after the cursor's place.
    fn advance(&mut self, dice: &mut Dice) {
        let place = self.cursor.as_ref().and_then(|cursor| self.seats.place(cursor));
        self.proceed_from(place.map_or(0, |place| place + 1), dice);
    }

    /// The root's turn is that of the first unasked at or after a place of the order. None there: the round
    /// ends.
    pub(super) fn proceed_from(&mut self, place: usize, dice: &mut Dice) {
        let next = self.unasked_from(place).next().cloned();
        match next {
            Some(_) => self.set_cursor(next),
            None => self.end_round(dice),
        }
    }

    /// Who declined goes to the end; the others are shuffled, but the last author does not begin. When
    /// everybody was asked, silence means consent: nobody has the root's turn, and once open frames are
    /// finished the channel is idle.
    fn end_round(&mut self, dice: &mut Dice) {
        if self.first_unasked().is_none() {
            self.set_cursor(None);
            return;
        }
        let mut order: Vec<_> =
            self.order().iter().filter(|user| !self.has_declined(user)).cloned().collect();
        shuffle_not_beginning_with(self.last_author.as_ref(), &mut order, dice);
        let seated = self.declined().iter().filter(|user| self.seats.place(user).is_some());
        order.extend(seated.cloned());
        let first = order.first().cloned();
        self.reseat(|seats| seats.reorder(order));
        self.set_cursor(first);
    }

    /// Pause: an idle channel remembers no conversation. The next message, or /force-proceed, starts again.
    pub(super) fn rest(&mut self) {
        self.last_author = None;
        self.declined = Declined::default();
        self.summoned.clear();
    }

    /// Who was summoned is counted for one root place.
    pub(super) fn set_cursor(&mut self, user: Option<UserId>) {
        self.cursor = user;
        self.summoned.clear();
    }

    pub(super) fn first_unasked(&self) -> Option<UserId> {
        self.unasked_from(0).next().cloned()
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
}
