//! What must always hold (spec/2 section 11): one function, one invariant, in the order of the text.

use std::collections::BTreeSet;

use fabric_domain::model::{Author, Caller, Member, PresenceStatus, UserId, UserKind, XType};
use fabric_domain::rules::delivery::{self, Delivered};
use fabric_domain::rules::turn::{Act, Effect, Input, Seed, TurnState};

use crate::walk::{Step, everybody};

type Holds = Result<(), String>;

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Holds {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// Invariant 1: "order and bypass are disjoint, without repeats, and their union is the member set."
pub(crate) fn members_sit_once(state: &TurnState, members: &BTreeSet<UserId>) -> Holds {
    let seats: Vec<&UserId> = state.order().iter().chain(state.bypass()).collect();
    let seated: BTreeSet<UserId> = seats.iter().copied().cloned().collect();
    ensure(seats.len() == seated.len(), || format!("somebody sits twice: {seats:?}"))?;
    ensure(seated == *members, || format!("seated are {seated:?}, members are {members:?}"))
}

/// Who is a member after this input: the other half of invariant 1.
pub(crate) fn count_members(members: &mut BTreeSet<UserId>, input: &Input) {
    match input {
        Input::MemberAdded { user, .. } => {
            members.insert(user.clone());
        }
        Input::MemberRemoved { user } => {
            members.remove(user);
        }
        _ => {}
    }
}

/// Invariant 2: "The active speaker is a member, and in `order` unless a frame is on top."
pub(crate) fn the_active_speaker_is_a_member(state: &TurnState) -> Holds {
    let Some(active) = state.active() else { return Ok(()) };
    let in_order = state.order().contains(active);
    ensure(in_order || state.bypass().contains(active), || format!("{active} speaks, but is no member"))?;
    ensure(in_order || !state.frames().is_empty(), || format!("{active} speaks at root from the bypass"))
}

/// Invariant 3: "At most one recipient of a discuss/work message is woken, never its author."
pub(crate) fn at_most_one_is_woken(step: &Step<'_>) -> Holds {
    let Input::Message { author, mentioned } = step.input else { return Ok(()) };
    let members: Vec<Member> =
        step.after.order().iter().chain(step.after.bypass()).cloned().map(member).collect();
    for x_type in [XType::Discuss, XType::Work] {
        let message = Delivered {
            x_type,
            author: &Author::User(Caller { user_id: author.clone(), kind: UserKind::Human }),
            mentions: mentioned,
            turn: Some(step.after),
            is_ack: false,
            admin: None,
        };
        let plan = delivery::plan(&message, &members);
        let woken: Vec<_> = plan.woken().map(|(user, _)| user.clone()).collect();
        ensure(woken.len() <= 1, || format!("woken are {woken:?}"))?;
        ensure(!woken.contains(author), || format!("the author {author} is woken"))?;
        let active = step.after.active().filter(|active| *active != author);
        ensure(woken.first() == active, || format!("woken is {woken:?}, active is {active:?}"))?;
    }
    Ok(())
}

fn member(user_id: UserId) -> Member {
    Member { user_id, wake_mapped: false, presence: PresenceStatus::Unknown }
}

/// Invariant 4: "Frames <= 4; every frame has 0 <= position < length; an idle channel has no frames."
pub(crate) fn frames_are_in_bounds(state: &TurnState) -> Holds {
    ensure(state.frames().len() <= 4, || "more than four frames".to_owned())?;
    for frame in state.frames() {
        ensure(frame.position() < frame.queue().len(), || format!("a spent frame: {frame:?}"))?;
    }
    ensure(!state.is_idle() || state.frames().is_empty(), || "an idle channel has frames".to_owned())
}

/// Invariant 5: "The first speaker of a round is never the author of the last `spoke` of the round before."
///
/// A round that had a `spoke` is over when it is empty afterwards, while the rotation goes on.
pub(crate) fn nobody_speaks_last_and_first(step: &Step<'_>) -> Holds {
    let Step { before, input, after, .. } = step;
    let at_root = before.frames().is_empty() && after.frames().is_empty();
    let spoke_now = match input {
        Input::Message { author, .. } if at_root && before.active() == Some(author) => Some(author),
        _ => None,
    };
    let spoken = before.round().iter().filter(|event| event.act == Act::Spoke).map(|event| &event.user);
    let Some(last) = spoken.chain(spoke_now).next_back() else { return Ok(()) };
    ensure(!after.round().is_empty() || after.cursor() != Some(last), || {
        format!("{last} spoke last and speaks first")
    })
}

/// Invariant 6: "If everyone passes or times out, the channel is idle after at most |order| root passes plus the
/// open frame entries: no infinite rotation."
pub(crate) fn silence_ends(state: &TurnState, seed: Seed) -> Holds {
    let entries: usize = state.frames().iter().map(|frame| frame.queue().len() - frame.position()).sum();
    let at_most = state.order().len() + entries;
    let mut state = state.clone();
    for passes in 0_usize.. {
        let Some(active) = state.active().cloned() else { break };
        ensure(passes < at_most, || format!("still going after {passes} of at most {at_most} passes"))?;
        let input = match passes % 2 {
            0 => Input::NoReply { by: active },
            _ => Input::Timeout { turn: state.turn() },
        };
        state.apply(&input, seed);
    }
    Ok(())
}

/// Invariant 7: "Replaying the log gives the same states bit for bit": one recorded step, as a store would keep it.
pub(crate) fn one_step_replays(step: &Step<'_>) -> Holds {
    let (mut state, input, seed): (TurnState, Input, Seed) =
        through_json(&(step.before, step.input, step.seed));
    ensure(state == *step.before, || "the state does not survive storage".to_owned())?;
    state.apply(&input, seed);
    ensure(state == *step.after, || format!("replayed to {state:?}, was {:?}", step.after))
}

pub(crate) fn through_json<T: serde::Serialize, U: serde::de::DeserializeOwned>(value: &T) -> U {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}

/// Invariant 8: "No input … leaves a state from which /force-proceed cannot go on while `order` has somebody other
/// than the caller", whoever the caller is.
pub(crate) fn force_proceed_goes_on(state: &TurnState, seed: Seed) -> Holds {
    for by in everybody().chain([UserId::new("stranger")]) {
        if state.order().iter().all(|user| *user == by) {
            continue;
        }
        let mut forced = state.clone();
        let effect = forced.apply(&Input::ForceProceed { by: by.clone() }, seed);
        ensure(effect == Effect::Moved, || format!("/force-proceed by {by}: {effect:?}"))?;
        if state.is_idle() {
            let first = state.order().iter().find(|user| **user != by);
            ensure(forced.active() == first, || format!("forced to {:?}, not {first:?}", forced.active()))?;
        }
    }
    Ok(())
}

/// "`turn` is a counter that grows by one whenever the active speaker is (re)assigned" (section 3).
pub(crate) fn the_turn_counts(step: &Step<'_>) -> Holds {
    let Step { before, after, effect, .. } = step;
    let grew = after.turn() - before.turn();
    ensure(grew <= 1, || format!("grew by {grew}"))?;
    ensure(grew == 1 || before.active() == after.active() || after.is_idle(), || {
        format!("{:?} has the turn of {:?}", after.active(), before.active())
    })?;
    ensure(*effect == Effect::Moved || before.active() == after.active(), || format!("{effect:?}"))?;
    ensure(!matches!(effect, Effect::Rejected(_)) || before == after, || {
        "a rejection changed the state".into()
    })
}
