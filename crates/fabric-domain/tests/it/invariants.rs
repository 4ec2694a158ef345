//! What must always hold (spec/2 section 11): one function, one sentence, in the order of the text.

use std::collections::BTreeSet;

use fabric_domain::model::{Author, Caller, ChannelType, Member, Members, UserId, UserKind};
use fabric_domain::rules::delivery::{self, Delivered};
use fabric_domain::rules::turn::{Effect, Input, MAX_FRAMES, MAX_SUMMONS, Seed, TurnState};

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

/// Invariant 3, first half: "At most one recipient of a discuss/work message is woken, never its author."
pub(crate) fn at_most_one_is_woken(step: &Step<'_>) -> Holds {
    let Input::Message { author, mentioned, .. } = step.input else { return Ok(()) };
    let members: Members =
        step.after.order().iter().chain(step.after.bypass()).cloned().map(Member::new).collect();
    for channel_type in [ChannelType::Discuss, ChannelType::Work] {
        let message = Delivered {
            channel_type,
            author: &Author::User(Caller { user_id: author.clone(), kind: UserKind::Human }),
            mentions: mentioned,
            turn: Some(step.after),
            is_ack: false,
            admin: None,
            members: &members,
            busy: &BTreeSet::new(),
        };
        let plan = delivery::plan(&message);
        let woken: Vec<_> = plan.woken(&members).map(|(user, _)| user.clone()).collect();
        ensure(woken.len() <= 1, || format!("woken are {woken:?}"))?;
        ensure(!woken.contains(author), || format!("the author {author} is woken"))?;
        let active = step.after.active().filter(|active| *active != author);
        ensure(woken.first() == active, || format!("woken is {woken:?}, active is {active:?}"))?;
    }
    Ok(())
}

/// Invariant 3, second half: "after a message or a pass of U the active speaker is not U", for whom a
/// time-out or /force-proceed passes over as well.
///
/// A message that names a turn which is over uses up nobody's place: its author keeps the floor that
/// they have now.
pub(crate) fn nobody_is_handed_the_floor_that_they_have_just_used(step: &Step<'_>) -> Holds {
    let Step { before, input, effect, after, .. } = step;
    let actor = match input {
        Input::Message { author, turn, .. } => {
            let is_late = turn.is_some_and(|turn| turn != before.turn());
            if is_late && before.active() == Some(author) { None } else { Some(author) }
        }
        Input::NoReply { .. } | Input::ForceProceed { .. } | Input::Timeout { .. } => {
            before.active().filter(|_| *effect == Effect::Moved)
        }
        _ => None,
    };
    ensure(actor.is_none() || after.active() != actor, || format!("{actor:?} has the floor again"))
}

/// Invariant 4: "Frames <= 4; every frame has 0 <= position < length; an idle channel has no frames, no
/// `declined`, no `lastAuthor`."
pub(crate) fn frames_are_in_bounds(state: &TurnState) -> Holds {
    ensure(state.frames().len() <= MAX_FRAMES, || "more than four frames".to_owned())?;
    for frame in state.frames() {
        ensure(frame.position() < frame.queue().len(), || format!("a spent frame: {frame:?}"))?;
    }
    ensure(
        !state.is_idle()
            || state.frames().is_empty()
                && state.declined().is_empty()
                && state.last_author().is_none()
                && state.summoned().is_empty(),
        || "an idle channel remembers something".to_owned(),
    )
}

/// Invariant 5: "The first speaker of a round is not the last author."
///
/// A round begins where the cursor comes to the first of `order`; an advance always goes past somebody.
pub(crate) fn the_first_speaker_of_a_round_is_not_the_last_author(step: &Step<'_>) -> Holds {
    let Step { before, after, .. } = step;
    let begins = after.cursor().is_some()
        && after.cursor() != before.cursor()
        && after.cursor() == after.order().first();
    ensure(!begins || after.cursor() != after.last_author(), || {
        format!("{:?} wrote last and speaks first", after.last_author())
    })
}

/// Invariant 6: "If everyone passes or times out, the channel is idle after at most |order| root passes
/// plus the open frame entries: no infinite rotation."
pub(crate) fn silence_ends(state: &TurnState, seed: Seed) -> Holds {
    let at_most = state.order().len() + open_entries(state);
    let mut state = state.clone();
    for passes in 0_usize.. {
        let Some(active) = state.active().cloned() else { break };
        ensure(passes < at_most, || format!("still going after {passes} of at most {at_most} passes"))?;
        let input = match passes % 3 {
            0 => Input::NoReply { by: active, turn: None },
            1 => Input::NoReply { by: active, turn: Some(state.turn()) },
            _ => Input::Timeout { turn: state.turn() },
        };
        state.apply(&input, seed);
    }
    Ok(())
}

/// Places of the open frames that are not used up.
pub(crate) fn open_entries(state: &TurnState) -> usize {
    state.frames().iter().map(|frame| frame.queue().len() - frame.position()).sum()
}

/// Who wrote last, and who had the floor since and did not use it: kept beside the engine, from the
/// inputs and from who has the floor alone.
#[derive(Debug, Default)]
pub(crate) struct Silence {
    last_author: Option<UserId>,
    declined: BTreeSet<UserId>,
}

impl Silence {
    /// Invariant 7: "whenever an input leaves a channel idle that was not, every member of `order` but
    /// the last author has passed, timed out or been passed over since the last message."
    pub(crate) fn means_consent(&mut self, step: &Step<'_>) -> Holds {
        self.listen(step);
        let Step { before, after, .. } = step;
        if before.is_idle() || !after.is_idle() {
            return Ok(());
        }
        let unasked: Vec<_> = after.order().iter().filter(|user| self.has_not_consented(user)).collect();
        ensure(unasked.is_empty(), || format!("silent, though nobody asked {unasked:?}: {self:?}"))
    }

    /// "And the rotation asks nobody twice for the same message": who is given the floor has not declined
    /// since that message, and the rotation does not offer it to its author.
    pub(crate) fn asks_nobody_twice(&mut self, step: &Step<'_>) -> Holds {
        self.listen(step);
        let Step { before, after, .. } = step;
        if after.turn() != before.turn() {
            let asked = after.active();
            ensure(!asked.is_some_and(|user| self.declined.contains(user)), || {
                format!("{asked:?} is asked again: {self:?}")
            })?;
        }
        if after.cursor() != before.cursor() {
            let asked = after.cursor();
            ensure(asked.is_none_or(|user| self.has_not_consented(user)), || {
                format!("the rotation comes to {asked:?}: {self:?}")
            })?;
        }
        Ok(())
    }

    fn has_not_consented(&self, user: &UserId) -> bool {
        self.last_author.as_ref() != Some(user) && !self.declined.contains(user)
    }

    fn listen(&mut self, step: &Step<'_>) {
        let Step { before, input, effect, .. } = step;
        match input {
            Input::Message { author, .. } => {
                self.last_author = Some(author.clone());
                self.declined.clear();
            }
            Input::ForceProceed { .. } if before.is_idle() => *self = Self::default(),
            Input::NoReply { .. } | Input::ForceProceed { .. } | Input::Timeout { .. }
                if *effect == Effect::Moved =>
            {
                self.declined.extend(before.active().cloned());
            }
            // Who comes back is somebody new.
            Input::MemberRemoved { user } => {
                self.declined.remove(user);
            }
            _ => {}
        }
    }
}

/// Invariant 8: "when every active speaker answers and mentions whom they like, for ever, the cursor is
/// reassigned after at most 4 x |members| + 8 messages, and everybody in `order` speaks."
///
/// `mentions` says whom the active speaker of a state mentions. What was opened before may take longer
/// to finish, since whoever jumps the queue summons anew: for the first time, its entries come on top.
pub(crate) fn nobody_starves(
    start: &TurnState,
    seed: Seed,
    mut mentions: impl FnMut(&TurnState) -> Vec<UserId>,
) -> Holds {
    let members = start.order().len() + start.bypass().len();
    let mut unheard: BTreeSet<UserId> = start.order().iter().cloned().collect();
    let mut state = start.clone();
    let mut bound = 4 * members + 8 + open_entries(start);
    // The rest of a round and all of the next one.
    for _ in 0..2 * start.order().len() {
        let root = state.cursor().cloned();
        let mut messages = 0;
        while state.cursor() == root.as_ref() {
            let Some(author) = state.active().cloned() else {
                // Only who has nobody to talk to falls silent by an answer.
                return ensure(state.order().len() <= 1, || "silent in the middle of a talk".to_owned());
            };
            ensure(messages < bound, || format!("{root:?} is at root after {messages} messages"))?;
            let mentioned = mentions(&state);
            unheard.remove(&author);
            state.apply(&Input::Message { author, mentioned, turn: None }, Seed(seed.0 ^ state.turn()));
            messages += 1;
        }
        bound = 4 * members + 8;
    }
    ensure(unheard.is_empty(), || format!("{unheard:?} never spoke"))
}

/// Invariant 9: "Replaying the log gives the same states bit for bit": one recorded step, as a store would
/// keep it.
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

/// Invariant 10: "No input … leaves a state from which /force-proceed cannot go on while `order` has
/// somebody other than the caller", whoever the caller is.
pub(crate) fn force_proceed_goes_on(state: &TurnState, seed: Seed) -> Holds {
    for by in everybody().chain([UserId::new("stranger")]) {
        if state.order().iter().all(|user| *user == by) {
            continue;
        }
        let mut forced = state.clone();
        let turn = (!state.is_idle() && seed.0.is_multiple_of(2)).then_some(state.turn());
        let effect = forced.apply(&Input::ForceProceed { by: by.clone(), turn }, seed);
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

/// What a state keeps is bounded by the members: no history makes it grow.
pub(crate) fn the_state_is_bounded_by_the_members(state: &TurnState) -> Holds {
    let members: BTreeSet<&UserId> = state.order().iter().chain(state.bypass()).collect();
    let once = |users: &[UserId]| {
        let distinct: BTreeSet<&UserId> = users.iter().collect();
        distinct.len() == users.len() && distinct.is_subset(&members)
    };
    ensure(once(state.declined()), || format!("declined: {:?}", state.declined()))?;
    for frame in state.frames() {
        ensure(once(frame.queue()), || format!("{frame:?}"))?;
    }
    let summoned: Vec<UserId> = state.summoned().keys().cloned().collect();
    ensure(once(&summoned), || format!("summoned: {summoned:?}"))?;
    ensure(state.summoned().values().all(|times| (1..=MAX_SUMMONS).contains(times)), || {
        format!("summoned: {:?}", state.summoned())
    })
}
