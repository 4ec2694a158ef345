//! States that were stored under the first edition of the rules. They kept who spoke and who passed in the
//! `round`, and counted passes in a `passStreak`; a running turn goes on from there with its speaker and its
//! frames.

use std::collections::HashSet;

use serde::Deserialize;

use super::TurnState;
use crate::model::UserId;

/// What somebody did in a round.
#[derive(Deserialize)]
pub(super) struct FormerEvent {
    user: UserId,
    act: FormerAct,
}

#[derive(PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum FormerAct {
    Spoke,
    Passed,
}

/// Says in today's words what is known of the conversation since its latest message: who wrote it, and as what it
/// returns, who has declined since. Whoever passed before a round ended is not known any more, and is asked once more.
pub(super) fn carry_over(round: &[FormerEvent], pass_streak: usize, state: &mut TurnState) -> Vec<UserId> {
    if state.is_idle() {
        return Vec::new();
    }
    let spoke = round.iter().rposition(|event| event.act == FormerAct::Spoke);
    state.last_author = spoke.map(|last| round[last].user.clone());
    let behind = &round[spoke.map_or(0, |last| last + 1)..];
    // Messages of those outside the order ended a streak without being noted in the round.
    let since = &behind[behind.len().saturating_sub(pass_streak)..];
    // Who has the floor, or gets it back, keeps it.
    let floor = [state.active().cloned(), state.cursor().cloned()];
    let mut seen: HashSet<&UserId> = floor.iter().flatten().collect();
    let passed = since.iter().map(|event| &event.user);
    passed.filter(|user| seen.insert(user) && state.is_member(user)).cloned().collect()
}
