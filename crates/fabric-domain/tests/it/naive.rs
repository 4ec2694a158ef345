//! A second, naive model of the turn, written sentence by sentence from spec/2 sections 3 to 6.
//!
//! Slow and obvious on purpose, and built differently from the engine: a frame is two lists (who was
//! heard, who is waiting), the active speaker is looked up anew each time. It knows no randomness: at
//! the end of a round it takes the order that the engine came to and says whether it was a permitted one.

use fabric_domain::model::{Rejection, UserId};
use fabric_domain::rules::turn::{Act, Effect, Input, Seat, TurnState};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Naive {
    order: Vec<UserId>,
    bypass: Vec<UserId>,
    cursor: Option<UserId>,
    round: Vec<(UserId, Act)>,
    streak: u32,
    frames: Vec<Frame>,
    turn: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Frame {
    heard: Vec<UserId>,
    waiting: Vec<UserId>,
}

/// The order that the engine came to is not one that the end of the round permits.
#[derive(Debug)]
pub(crate) struct NotPermitted(pub(crate) String);

type Step<T = ()> = Result<T, NotPermitted>;

impl Naive {
    pub(crate) fn new(order: Vec<UserId>, bypass: Vec<UserId>) -> Self {
        Self { order, bypass, ..Self::default() }
    }

    /// What the engine's state looks like in this model's eyes.
    pub(crate) fn seen(state: &TurnState) -> Self {
        Self {
            order: state.order().to_vec(),
            bypass: state.bypass().to_vec(),
            cursor: state.cursor().cloned(),
            round: state.round().iter().map(|event| (event.user.clone(), event.act)).collect(),
            streak: state.pass_streak(),
            frames: state
                .frames()
                .iter()
                .map(|frame| Frame {
                    heard: frame.queue()[..frame.position()].to_vec(),
                    waiting: frame.queue()[frame.position()..].to_vec(),
                })
                .collect(),
            turn: state.turn(),
        }
    }

    /// "The entry at the top frame's position, or the cursor when there is no frame, or nobody."
    pub(crate) fn active(&self) -> Option<UserId> {
        match self.frames.last() {
            Some(top) => top.waiting.first().cloned(),
            None => self.cursor.clone(),
        }
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &UserId> {
        self.order.iter().chain(&self.bypass)
    }

    fn has_member(&self, user: &UserId) -> bool {
        self.members().any(|member| member == user)
    }

    /// One input; `after` is the order that the engine came to.
    pub(crate) fn step(&mut self, input: &Input, after: &[UserId]) -> Step<Effect> {
        let was_idle = self.active().is_none();
        let turn_before = self.turn;
        match input {
            Input::Message { author, mentioned } => self.message(author, mentioned, after)?,
            Input::NoReply { by } => {
                if self.active().as_ref() != Some(by) {
                    return Ok(Effect::Rejected(Rejection::NotCurrentSpeaker));
                }
                self.pass(after)?;
            }
            Input::ForceProceed { by } => {
                if was_idle && self.order.iter().all(|user| user == by) {
                    return Ok(Effect::Rejected(Rejection::NobodyToProceedTo));
                }
                self.force_proceed(by, after)?;
            }
            Input::Timeout { turn } => {
                if *turn == self.turn && !was_idle {
                    self.pass(after)?;
                }
            }
            Input::MemberAdded { user, seat } => self.add(user, *seat),
            Input::MemberRemoved { user } => self.remove(user, after)?,
            Input::MovedToBypass { user } => self.move_to_bypass(user, after)?,
            Input::MovedToOrder { user } => self.move_to_order(user),
        }
        let became_idle = !was_idle && self.active().is_none();
        Ok(if became_idle || self.turn != turn_before { Effect::Moved } else { Effect::Stayed })
    }

    fn message(&mut self, author: &UserId, mentioned: &[UserId], after: &[UserId]) -> Step {
        // "M = mentioned - author, intersected with the members, in first-seen order."
        let mut m: Vec<UserId> = Vec::new();
        for user in mentioned {
            if user != author && self.has_member(user) && !m.contains(user) {
                m.push(user.clone());
            }
        }
        match self.active() {
            None => {
                self.cursor = self.order.iter().find(|user| *user != author).cloned();
                self.round.clear();
                self.streak = 0;
                if !m.is_empty() {
                    self.push(m);
                } else if self.cursor.is_some() {
                    self.assigned();
                }
                Ok(())
            }
            Some(active) if active == *author => {
                if !m.is_empty() {
                    self.push(m);
                    Ok(())
                } else if !self.frames.is_empty() {
                    self.consume();
                    Ok(())
                } else {
                    self.round.push((author.clone(), Act::Spoke));
                    self.streak = 0;
                    self.advance(after)
                }
            }
            Some(_) => {
                if self.order.contains(author) {
                    self.round.push((author.clone(), Act::Spoke));
                }
                self.streak = 0;
                if !m.is_empty() {
                    self.push(m);
                }
                Ok(())
            }
        }
    }

    /// The active speaker's `/no-reply`.
    fn pass(&mut self, after: &[UserId]) -> Step {
        if !self.frames.is_empty() {
            self.consume();
            return Ok(());
        }
        let Some(cursor) = self.cursor.clone() else { return Ok(()) };
        self.round.push((cursor, Act::Passed));
        self.streak += 1;
        if self.streak as usize >= self.order.len() {
            self.pause();
            return Ok(());
        }
        self.advance(after)
    }

    fn force_proceed(&mut self, by: &UserId, after: &[UserId]) -> Step {
        if !self.frames.is_empty() {
            self.consume();
            return Ok(());
        }
        if let Some(cursor) = self.cursor.clone() {
            self.round.push((cursor, Act::Passed));
            return self.advance(after);
        }
        self.cursor = self.order.iter().find(|user| *user != by).cloned();
        self.assigned();
        Ok(())
    }

    fn add(&mut self, user: &UserId, seat: Seat) {
        if self.has_member(user) {
            return;
        }
        match seat {
            Seat::Order => self.order.push(user.clone()),
            Seat::Bypass => self.bypass.push(user.clone()),
        }
    }

    fn move_to_order(&mut self, user: &UserId) {
        if self.bypass.contains(user) {
            self.bypass.retain(|other| other != user);
            self.order.push(user.clone());
        }
    }

    fn remove(&mut self, user: &UserId, after: &[UserId]) -> Step {
        let was_active = self.active().as_ref() == Some(user);
        let successor = self.successor_of(user);
        self.order.retain(|other| other != user);
        self.bypass.retain(|other| other != user);
        for frame in &mut self.frames {
            frame.heard.retain(|other| other != user);
            frame.waiting.retain(|other| other != user);
        }
        self.frames.retain(|frame| !frame.waiting.is_empty());
        if self.cursor.as_ref() == Some(user) {
            self.replace_root(successor, after)?;
        }
        if was_active {
            self.settle();
        }
        Ok(())
    }

    fn move_to_bypass(&mut self, user: &UserId, after: &[UserId]) -> Step {
        if !self.order.contains(user) {
            return Ok(());
        }
        let had_the_turn = self.frames.is_empty() && self.cursor.as_ref() == Some(user);
        let successor = self.successor_of(user);
        self.order.retain(|other| other != user);
        self.bypass.push(user.clone());
        if self.cursor.as_ref() == Some(user) {
            self.replace_root(successor, after)?;
        }
        if had_the_turn {
            self.settle();
        }
        Ok(())
    }

    /// "The next in `order` after the cursor's place", or nobody past the last one.
    fn successor_of(&self, user: &UserId) -> Option<UserId> {
        self.order.iter().skip_while(|other| *other != user).nth(1).cloned()
    }

    /// The root speaker is gone: "only the cursor moves on; should that end in a pause, the open frames
    /// are finished first".
    fn replace_root(&mut self, successor: Option<UserId>, after: &[UserId]) -> Step {
        match successor {
            Some(next) => self.cursor = Some(next),
            None => {
                if !self.next_round(after)? {
                    self.cursor = None;
                    self.round.clear();
                    self.streak = 0;
                }
            }
        }
        Ok(())
    }

    fn advance(&mut self, after: &[UserId]) -> Step {
        let next = self.cursor.clone().and_then(|cursor| self.successor_of(&cursor));
        if next.is_some() {
            self.cursor = next;
        } else if !self.next_round(after)? {
            self.pause();
            return Ok(());
        }
        self.assigned();
        Ok(())
    }

    /// The end of a round; false where it is to be followed by a pause.
    fn next_round(&mut self, after: &[UserId]) -> Step<bool> {
        let tail = self.tail();
        let head: Vec<&UserId> = self.order.iter().filter(|user| !tail.contains(user)).collect();
        let last_to_speak =
            self.round.iter().filter(|(_, act)| *act == Act::Spoke).map(|(user, _)| user).next_back();
        if head.is_empty() || (head.len() == 1 && Some(head[0]) == last_to_speak) {
            return Ok(false);
        }
        let permitted = after.len() == self.order.len()
            && head.iter().all(|user| after[..head.len()].contains(user))
            && after[head.len()..] == tail[..]
            && after.first() != last_to_speak;
        if !permitted {
            return Err(NotPermitted(format!(
                "{after:?}: expected {head:?} in any order that does not begin with {last_to_speak:?}, then {tail:?}"
            )));
        }
        self.order = after.to_vec();
        self.round.clear();
        self.cursor = after.first().cloned();
        Ok(true)
    }

    /// "The last contiguous run of `passed`, as ids in event order, without repeats."
    fn tail(&self) -> Vec<UserId> {
        let mut runs: Vec<Vec<UserId>> = vec![Vec::new()];
        for (user, act) in &self.round {
            match act {
                Act::Passed => runs.last_mut().unwrap().push(user.clone()),
                Act::Spoke => runs.push(Vec::new()),
            }
        }
        let last_run = runs.into_iter().rfind(|run| !run.is_empty()).unwrap_or_default();
        let mut tail: Vec<UserId> = Vec::new();
        for user in last_run {
            // Who has left the order since is no part of the next one.
            if self.order.contains(&user) && !tail.contains(&user) {
                tail.push(user);
            }
        }
        tail
    }

    fn pause(&mut self) {
        self.cursor = None;
        self.frames.clear();
        self.round.clear();
        self.streak = 0;
    }

    fn push(&mut self, queue: Vec<UserId>) {
        self.frames.push(Frame { heard: Vec::new(), waiting: queue });
        if self.frames.len() > 4 {
            self.frames.remove(0);
        }
        self.assigned();
    }

    fn consume(&mut self) {
        if let Some(top) = self.frames.last_mut() {
            let entry = top.waiting.remove(0);
            top.heard.push(entry);
        }
        while self.frames.last().is_some_and(|top| top.waiting.is_empty()) {
            self.frames.pop();
        }
        self.settle();
    }

    /// Whoever is active now got the turn anew; without anybody, the channel is idle again.
    fn settle(&mut self) {
        if self.active().is_some() {
            self.assigned();
        } else {
            self.pause();
        }
    }

    fn assigned(&mut self) {
        self.turn += 1;
    }
}
