//! What a scenario may expect, and how it is compared with what came.

use std::collections::{BTreeMap, BTreeSet};

use fabric_domain::model::{Rejection, UserId, WakeReason};
use fabric_domain::rules::turn::TurnState;

use super::parse::{Cast, number};

type Parsed<T> = Result<T, String>;

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A message went out: an ordinary one, or the `/ack` of a command or time-out.
    Sent {
        is_ack: bool,
        woken: BTreeMap<UserId, WakeReason>,
        skipped: BTreeSet<UserId>,
        others_observe: bool,
    },
    Rejected(Rejection),
    /// Nothing was sent, and the turn went to somebody.
    Turn(UserId, WakeReason),
    /// Nothing was sent, and the channel became idle.
    Idle,
    /// Nothing was sent, and the active speaker stayed.
    Stays,
}

#[derive(Debug)]
pub(super) enum Expected {
    Sent { is_ack: bool, woken: Vec<Woken>, skipped: BTreeSet<UserId>, others_observe: Option<bool> },
    Rejected(String),
    Turn(Woken),
    Idle,
    Stays,
}

#[derive(Debug)]
pub(super) struct Woken {
    who: BTreeSet<UserId>,
    /// Any one of them, rather than all: a shuffle decides.
    one_of: bool,
    reason: String,
}

impl Woken {
    /// `NAME… (REASON)` or `one of NAME… (REASON)`.
    fn parse(cast: &Cast, text: &str) -> Parsed<Self> {
        let (names, reason) = text.split_once('(').ok_or("no (reason)")?;
        let reason = reason.strip_suffix(')').ok_or("no ')'")?;
        let known = ["turn", "mention", "on_duty", "listener", "general", "dm", "targeted"];
        if !known.contains(&reason) {
            return Err(format!("{reason:?} is no reason"));
        }
        let (names, one_of) = match names.strip_prefix("one of ") {
            Some(names) => (names, true),
            None => (names, false),
        };
        let who: BTreeSet<UserId> = cast.users(names)?;
        if who.is_empty() {
            return Err("who?".into());
        }
        Ok(Self { who, one_of, reason: reason.to_owned() })
    }

    /// Takes what this names out of those who were woken; false where it is not there.
    fn take(&self, woken: &mut BTreeMap<UserId, WakeReason>) -> bool {
        let fits = |user: &UserId| woken.get(user).is_some_and(|reason| reason.as_str() == self.reason);
        let found: Vec<UserId> = self.who.iter().filter(|user| fits(user)).cloned().collect();
        woken.retain(|user, _| !found.contains(user));
        found.len() == if self.one_of { 1 } else { self.who.len() }
    }
}

impl Expected {
    pub(super) fn parse(cast: &Cast, text: &str) -> Parsed<Self> {
        match text {
            "idle" => return Ok(Self::Idle),
            "stays" => return Ok(Self::Stays),
            _ => {}
        }
        if let Some(reason) = text.strip_prefix("rejected ") {
            return Ok(Self::Rejected(reason.to_owned()));
        }
        if let Some(turn) = text.strip_prefix("turn ") {
            return Woken::parse(cast, turn).map(Self::Turn);
        }
        let (mut is_ack, mut nobody, mut woken, mut skipped, mut others_observe) =
            (false, false, Vec::new(), BTreeSet::new(), None);
        for part in text.split(',').map(str::trim) {
            match part.split_once(' ').unwrap_or((part, "")) {
                ("ack", "") if !is_ack => is_ack = true,
                ("nobody", "") => nobody = true,
                ("wake", who) => woken.push(Woken::parse(cast, who)?),
                ("skip", who) if !who.is_empty() => skipped = cast.users(who)?,
                ("outsiders", "observe") => others_observe = Some(true),
                ("outsiders", "skip") => others_observe = Some(false),
                _ => return Err(format!("{part:?} cannot be expected")),
            }
        }
        if nobody != woken.is_empty() {
            return Err("say who is woken, or nobody".into());
        }
        Ok(Self::Sent { is_ack, woken, skipped, others_observe })
    }

    pub(super) fn is_met_by(&self, outcome: &Outcome) -> bool {
        match (self, outcome) {
            (
                Self::Sent { is_ack, woken, skipped, others_observe },
                Outcome::Sent { is_ack: acked, woken: awake, skipped: left_out, others_observe: others },
            ) => {
                let mut awake = awake.clone();
                is_ack == acked
                    && woken.iter().all(|one| one.take(&mut awake))
                    && awake.is_empty()
                    && skipped == left_out
                    && others_observe.is_none_or(|expected| expected == *others)
            }
            (Self::Rejected(code), Outcome::Rejected(rejection)) => code == rejection.code(),
            (Self::Turn(expected), Outcome::Turn(user, reason)) => {
                expected.take(&mut BTreeMap::from([(user.clone(), *reason)]))
            }
            (Self::Idle, Outcome::Idle) | (Self::Stays, Outcome::Stays) => true,
            _ => false,
        }
    }
}

#[derive(Debug)]
pub(super) enum StateExpected {
    Active(Option<UserId>),
    Root(Option<UserId>),
    Order(OrderExpected),
    Bypass(Vec<UserId>),
    Frames(Vec<(Vec<UserId>, usize)>),
    LastAuthor(Option<UserId>),
    Declined(Vec<UserId>),
    Summoned(BTreeMap<UserId, u8>),
    Turn(u64),
}

/// A shuffled head and an exact tail.
#[derive(Debug)]
pub(super) struct OrderExpected {
    pub(super) shuffled: BTreeSet<UserId>,
    pub(super) exact: Vec<UserId>,
    pub(super) first_not: Option<UserId>,
}

impl StateExpected {
    pub(super) fn parse(cast: &Cast, field: &str) -> Parsed<Self> {
        if field == "idle" {
            return Ok(Self::Active(None));
        }
        let (key, value) =
            field.split_once(':').ok_or_else(|| format!("{field:?} is no field of a state"))?;
        let value = value.trim();
        let nobody = |text| if text == "nobody" { Ok(None) } else { cast.user(text).map(Some) };
        match key {
            "active" => nobody(value).map(Self::Active),
            "root" => nobody(value).map(Self::Root),
            "order" => cast.order(none_is_empty(value)).map(Self::Order),
            "bypass" => cast.users(none_is_empty(value)).map(Self::Bypass),
            "frames" => frames(cast, none_is_empty(value)).map(Self::Frames),
            "last author" => nobody(value).map(Self::LastAuthor),
            "declined" => cast.users(none_is_empty(value)).map(Self::Declined),
            "summoned" => summoned(cast, none_is_empty(value)).map(Self::Summoned),
            "turn" => number(value).map(Self::Turn),
            _ => Err(format!("a state has no {key:?}")),
        }
    }

    pub(super) fn is_met_by(&self, state: &TurnState) -> bool {
        match self {
            Self::Active(user) => user.as_ref() == state.active(),
            Self::Root(user) => user.as_ref() == state.cursor(),
            Self::Order(order) => order.is_met_by(state.order()),
            Self::Bypass(users) => users == state.bypass(),
            Self::Frames(frames) => state
                .frames()
                .iter()
                .map(|frame| (frame.queue(), frame.position()))
                .eq(frames.iter().map(|(queue, position)| (&queue[..], *position))),
            Self::LastAuthor(user) => user.as_ref() == state.last_author(),
            Self::Declined(users) => users == state.declined(),
            Self::Summoned(times) => times == state.summoned(),
            Self::Turn(turn) => *turn == state.turn(),
        }
    }
}

impl OrderExpected {
    fn is_met_by(&self, order: &[UserId]) -> bool {
        let Some(head_length) = order.len().checked_sub(self.exact.len()) else { return false };
        let (head, tail) = order.split_at(head_length);
        head.len() == self.shuffled.len()
            && head.iter().all(|user| self.shuffled.contains(user))
            && tail == self.exact
            && (self.first_not.is_none() || self.first_not.as_ref() != order.first())
    }
}

fn none_is_empty(text: &str) -> &str {
    if text == "none" { "" } else { text }
}

/// `alice 1, bob 2`.
fn summoned(cast: &Cast, text: &str) -> Parsed<BTreeMap<UserId, u8>> {
    let count = |text: &str| {
        let (name, times) = text.trim().split_once(' ').ok_or_else(|| format!("{text:?}: how often?"))?;
        Ok((cast.user(name)?, number(times)?))
    };
    if text.is_empty() { Ok(BTreeMap::new()) } else { text.split(',').map(count).collect() }
}

/// `[alice bob*] [carol*]`: the bottom-most first, the star at the position.
fn frames(cast: &Cast, text: &str) -> Parsed<Vec<(Vec<UserId>, usize)>> {
    let mut frames = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let inner = rest.strip_prefix('[').ok_or("a frame begins with '['")?;
        let (frame, after) = inner.split_once(']').ok_or("a frame ends with ']'")?;
        let entries: Vec<&str> = frame.split_whitespace().collect();
        let position = entries.iter().position(|entry| entry.ends_with('*')).ok_or("a frame has one '*'")?;
        frames.push((cast.users(&frame.replacen('*', "", 1))?, position));
        rest = after.trim_start();
    }
    Ok(frames)
}
