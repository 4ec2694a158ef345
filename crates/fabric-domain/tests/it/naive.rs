//! A second model of the turn, written sentence by sentence from spec/2 sections 3 to 6.
//!
//! Slow and obvious on purpose, and built differently from the engine. It keeps one history of what
//! happened since the channel woke up and reads `lastAuthor`, `declined` and `summoned` out of it;
//! the frames are one list of places in the sequence in which they come up. It knows no randomness:
//! at the end of a round it takes the order that the engine came to and says whether it was a
//! permitted one.

use std::collections::BTreeMap;

use fabric_domain::model::{Rejection, UserId};
use fabric_domain::rules::turn::{Effect, Input, Seat, TurnState};

#[derive(Debug, Clone, Default)]
pub(crate) struct Naive {
    order: Vec<UserId>,
    bypass: Vec<UserId>,
    cursor: Option<UserId>,
    /// The places of all open frames, those of the top frame first.
    places: Vec<Place>,
    /// How many frames were ever opened; numbers them.
    opened: u64,
    /// What happened since the channel was idle.
    history: Vec<Happened>,
    turn: u64,
}

#[derive(Debug, Clone)]
struct Place {
    frame: u64,
    user: UserId,
    used: bool,
}

#[derive(Debug, Clone)]
enum Happened {
    Wrote(UserId),
    /// Had the floor and did not use it.
    Declined(UserId),
    /// Was put into a frame.
    Summoned(UserId),
    /// From here on summonses are counted anew: another root place, or a queue jump.
    CountedAnew,
}

/// What both models show of a state.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct View {
    order: Vec<UserId>,
    bypass: Vec<UserId>,
    cursor: Option<UserId>,
    active: Option<UserId>,
    /// The bottom-most first: the queue, and how many of it were heard.
    frames: Vec<(Vec<UserId>, usize)>,
    last_author: Option<UserId>,
    declined: Vec<UserId>,
    summoned: BTreeMap<UserId, u8>,
    unasked: Vec<UserId>,
    turn: u64,
}

impl View {
    /// A state of the engine.
    pub(crate) fn of(state: &TurnState) -> Self {
        let frames = state.frames().iter().map(|frame| (frame.queue().to_vec(), frame.position()));
        Self {
            order: state.order().to_vec(),
            bypass: state.bypass().to_vec(),
            cursor: state.cursor().cloned(),
            active: state.active().cloned(),
            frames: frames.collect(),
            last_author: state.last_author().cloned(),
            declined: state.declined().to_vec(),
            summoned: state.summoned().clone(),
            unasked: state.unasked().cloned().collect(),
            turn: state.turn(),
        }
    }
}

/// The order that the engine came to is not one that the end of the round permits.
#[derive(Debug)]
pub(crate) struct NotPermitted(pub(crate) String);

type Step<T = ()> = Result<T, NotPermitted>;

/// What an input did to the floor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Floor {
    Kept,
    /// Given anew to whoever is active now, even if they had it already.
    Given,
}

impl Naive {
    pub(crate) fn new(order: Vec<UserId>, bypass: Vec<UserId>) -> Self {
        Self { order, bypass, ..Self::default() }
    }

    pub(crate) fn view(&self) -> View {
        let mut frames: BTreeMap<u64, (Vec<UserId>, usize)> = BTreeMap::new();
        for place in &self.places {
            let (queue, heard) = frames.entry(place.frame).or_default();
            queue.push(place.user.clone());
            *heard += usize::from(place.used);
        }
        let summoned = self.members().map(|user| (user.clone(), self.summonses_of(user)));
        View {
            order: self.order.clone(),
            bypass: self.bypass.clone(),
            cursor: self.cursor.clone(),
            active: self.active(),
            frames: frames.into_values().collect(),
            last_author: self.last_author(),
            declined: self.declined(),
            summoned: summoned.filter(|(_, times)| *times > 0).collect(),
            unasked: self.unasked(),
            turn: self.turn,
        }
    }

    fn members(&self) -> impl Iterator<Item = &UserId> {
        self.order.iter().chain(&self.bypass)
    }

    fn has_member(&self, user: &UserId) -> bool {
        self.members().any(|member| member == user)
    }

    /// "The entry at the top frame's position, or the cursor when there is no frame, or nobody."
    fn active(&self) -> Option<UserId> {
        self.place_that_is_up().map(|place| place.user.clone()).or_else(|| self.cursor.clone())
    }

    fn place_that_is_up(&self) -> Option<&Place> {
        self.places.iter().find(|place| !place.used)
    }

    /// "Who wrote the latest message, member or not."
    fn last_author(&self) -> Option<UserId> {
        self.history.iter().rev().find_map(|happened| match happened {
            Happened::Wrote(user) => Some(user.clone()),
            _ => None,
        })
    }

    /// "In the order in which it happened, the members who had the floor since that message and did
    /// not use it."
    fn declined(&self) -> Vec<UserId> {
        let mut declined = Vec::new();
        for happened in &self.history {
            match happened {
                Happened::Wrote(_) => declined.clear(),
                Happened::Declined(user) => declined.push(user.clone()),
                _ => {}
            }
        }
        declined
    }

    /// "For the current root place, how often each member was put into a frame."
    fn summonses_of(&self, user: &UserId) -> u8 {
        let mut times = 0;
        for happened in &self.history {
            match happened {
                Happened::CountedAnew => times = 0,
                Happened::Summoned(summoned) if summoned == user => times += 1,
                _ => {}
            }
        }
        times
    }

    /// "Those of `order` who are neither `lastAuthor` nor in `declined`."
    fn unasked(&self) -> Vec<UserId> {
        let (last_author, declined) = (self.last_author(), self.declined());
        let unasked = |user: &&UserId| Some(*user) != last_author.as_ref() && !declined.contains(user);
        self.order.iter().filter(unasked).cloned().collect()
    }

    /// One input; `after` is the order that the engine came to.
    pub(crate) fn step(&mut self, input: &Input, after: &[UserId]) -> Step<Effect> {
        let was_idle = self.active().is_none();
        let over = |turn: &Option<u64>| turn.is_some_and(|turn| was_idle || turn != self.turn);
        let floor = match input {
            Input::Message { author, mentioned, turn } => {
                let late = over(turn);
                self.message(author, mentioned, late, after)?
            }
            Input::NoReply { turn, .. } | Input::ForceProceed { turn, .. } if over(turn) => {
                return Ok(Effect::Rejected(Rejection::TurnOver));
            }
            Input::NoReply { by, .. } => {
                if self.active().as_ref() != Some(by) {
                    return Ok(Effect::Rejected(Rejection::NotCurrentSpeaker));
                }
                self.decline(after)?
            }
            Input::ForceProceed { by, .. } if was_idle => {
                let Some(first) = self.order.iter().find(|user| *user != by).cloned() else {
                    return Ok(Effect::Rejected(Rejection::NobodyToProceedTo));
                };
                self.move_cursor(Some(first));
                Floor::Given
            }
            Input::ForceProceed { .. } => self.decline(after)?,
            Input::Timeout { turn } => {
                if was_idle || *turn != self.turn {
                    return Ok(Effect::Stayed);
                }
                self.decline(after)?
            }
            Input::MemberAdded { user, seat } => self.add(user, *seat),
            Input::MemberRemoved { user } => self.remove(user, after)?,
            Input::MovedToBypass { user } => self.move_to_bypass(user, after)?,
            Input::MovedToOrder { user } => self.move_to_order(user),
        };
        let is_idle = self.active().is_none();
        if is_idle {
            // "Both are empty when idle", and so is `summoned`.
            self.history.clear();
        } else if floor == Floor::Given {
            self.turn += 1;
        }
        let moved = if is_idle { !was_idle } else { floor == Floor::Given };
        Ok(if moved { Effect::Moved } else { Effect::Stayed })
    }

    fn message(
        &mut self,
        author: &UserId,
        mentioned: &[UserId],
        late: bool,
        after: &[UserId],
    ) -> Step<Floor> {
        let active = self.active();
        // "`lastAuthor` = author, `declined` = empty."
        self.history.push(Happened::Wrote(author.clone()));
        match active {
            // "Idle. The cursor becomes the first unasked of `order` (or stays none)."
            None => {
                self.move_cursor(self.unasked().first().cloned());
                self.open_frame(self.summons(author, mentioned, None));
                Ok(Floor::Given)
            }
            // "Author is the active speaker."
            Some(active) if active == *author && !late => {
                let m = self.summons(author, mentioned, self.interrupted().as_ref());
                if m.is_empty() {
                    self.use_up(after)?;
                    self.pass_by(Some(author), after)?;
                } else {
                    self.open_frame(m);
                }
                Ok(Floor::Given)
            }
            // "Queue jump": the rotation does not move.
            Some(_) => {
                self.history.push(Happened::CountedAnew);
                let m = self.summons(author, mentioned, None);
                let floor = if m.is_empty() { Floor::Kept } else { Floor::Given };
                self.open_frame(m);
                Ok(floor)
            }
        }
    }

    /// M: "mentioned - author, intersected with the members, in first-seen order; without the one who
    /// has the floor next anyway; and without whom `summoned` counts twice already".
    fn summons(&self, author: &UserId, mentioned: &[UserId], next_anyway: Option<&UserId>) -> Vec<UserId> {
        let mut m: Vec<UserId> = Vec::new();
        for user in mentioned {
            let summoned = user != author
                && self.has_member(user)
                && Some(user) != next_anyway
                && self.summonses_of(user) < 2;
            if summoned && !m.contains(user) {
                m.push(user.clone());
            }
        }
        m
    }

    /// Whom the top frame interrupted; nobody where the author speaks at root.
    fn interrupted(&self) -> Option<UserId> {
        let top = self.place_that_is_up()?.frame;
        let below = self.places.iter().find(|place| place.frame != top && !place.used);
        below.map(|place| place.user.clone()).or_else(|| self.cursor.clone())
    }

    /// Pushes a frame; "pushing a fifth drops the bottom-most frame".
    fn open_frame(&mut self, queue: Vec<UserId>) {
        self.opened += 1;
        self.history.extend(queue.iter().cloned().map(Happened::Summoned));
        let frame = self.opened;
        let places = queue.into_iter().map(|user| Place { frame, user, used: false });
        self.places.splice(..0, places);
        let mut frames: Vec<u64> = self.places.iter().map(|place| place.frame).collect();
        frames.dedup();
        if frames.len() == 5 {
            self.places.retain(|place| place.frame != frames[4]);
        }
    }

    /// `/no-reply`, and what acts like it: "added to `declined`; their place is used up".
    fn decline(&mut self, after: &[UserId]) -> Step<Floor> {
        if let Some(active) = self.active() {
            self.history.push(Happened::Declined(active.clone()));
            self.use_up(after)?;
            self.pass_by(Some(&active), after)?;
        }
        Ok(Floor::Given)
    }

    /// "A place that comes up for the one who has just acted, or for somebody in `declined`, is used up
    /// at once, too, until it is another's."
    fn pass_by(&mut self, just_acted: Option<&UserId>, after: &[UserId]) -> Step {
        while let Some(up) = self.active() {
            if Some(&up) != just_acted && !self.declined().contains(&up) {
                break;
            }
            self.use_up(after)?;
        }
        Ok(())
    }

    /// "In a frame: position + 1, spent frames pop. At root: advance."
    fn use_up(&mut self, after: &[UserId]) -> Step {
        if let Some(place) = self.places.iter_mut().find(|place| !place.used) {
            place.used = true;
            self.pop_spent_frames();
            return Ok(());
        }
        match self.cursor.clone() {
            Some(cursor) => self.advance(&self.later_than(&cursor), after),
            None => Ok(()),
        }
    }

    /// "When the frames are spent and there is no cursor, the rotation goes to the first unasked."
    fn pop_spent_frames(&mut self) {
        let open: Vec<u64> =
            self.places.iter().filter(|place| !place.used).map(|place| place.frame).collect();
        let had_frames = !self.places.is_empty();
        self.places.retain(|place| open.contains(&place.frame));
        if had_frames && self.places.is_empty() && self.cursor.is_none() {
            self.move_cursor(self.unasked().first().cloned());
        }
    }

    /// Those of `order` after the place of this user.
    fn later_than(&self, user: &UserId) -> Vec<UserId> {
        self.order.iter().skip_while(|other| *other != user).skip(1).cloned().collect()
    }

    /// "The next unasked of `order` after the cursor's place. None after it: the round ends."
    fn advance(&mut self, later: &[UserId], after: &[UserId]) -> Step {
        let unasked = self.unasked();
        if let Some(next) = later.iter().find(|user| unasked.contains(user)) {
            self.move_cursor(Some(next.clone()));
            return Ok(());
        }
        if unasked.is_empty() {
            self.move_cursor(None);
            return Ok(());
        }
        let declined = self.declined();
        let (order, last_author) = (self.order.clone(), self.last_author());
        let tail: Vec<&UserId> = declined.iter().filter(|user| order.contains(user)).collect();
        let head: Vec<&UserId> = order.iter().filter(|user| !declined.contains(user)).collect();
        let permitted = after.len() == order.len()
            && head.iter().all(|user| after[..head.len()].contains(user))
            && after[head.len()..].iter().eq(tail.iter().copied())
            && after.first() != last_author.as_ref();
        if !permitted {
            return Err(NotPermitted(format!(
                "{after:?}: expected {head:?} in any order that does not begin with {last_author:?}, then {tail:?}"
            )));
        }
        self.order = after.to_vec();
        self.move_cursor(after.first().cloned());
        Ok(())
    }

    fn move_cursor(&mut self, to: Option<UserId>) {
        self.cursor = to;
        self.history.push(Happened::CountedAnew);
    }

    fn add(&mut self, user: &UserId, seat: Seat) -> Floor {
        if !self.has_member(user) {
            match seat {
                Seat::Order => self.order.push(user.clone()),
                Seat::Bypass => self.bypass.push(user.clone()),
            }
        }
        Floor::Kept
    }

    fn move_to_order(&mut self, user: &UserId) -> Floor {
        if self.bypass.contains(user) {
            self.bypass.retain(|other| other != user);
            self.order.push(user.clone());
        }
        Floor::Kept
    }

    /// "Leaves order, bypass, `declined`, every frame queue"; and nobody counts who is no member.
    fn remove(&mut self, user: &UserId, after: &[UserId]) -> Step<Floor> {
        let was_active = self.active().as_ref() == Some(user);
        let later = self.later_than(user);
        self.order.retain(|other| other != user);
        self.bypass.retain(|other| other != user);
        self.history.retain(|happened| match happened {
            Happened::Declined(other) | Happened::Summoned(other) => other != user,
            Happened::Wrote(_) | Happened::CountedAnew => true,
        });
        // "If the root speaker goes while frames are open, only the cursor moves on; where it finds
        // nobody it is none until the frames are spent."
        if self.cursor.as_ref() == Some(user) {
            self.advance(&later, after)?;
        }
        for place in &mut self.places {
            place.used |= place.user == *user;
        }
        self.pop_spent_frames();
        self.places.retain(|place| place.user != *user);
        if !was_active {
            return Ok(Floor::Kept);
        }
        self.pass_by(None, after)?;
        Ok(Floor::Given)
    }

    /// "An `order` member leaves `order` but not the frames; a root speaker's turn goes to the successor."
    fn move_to_bypass(&mut self, user: &UserId, after: &[UserId]) -> Step<Floor> {
        if !self.order.contains(user) {
            return Ok(Floor::Kept);
        }
        let spoke_at_root = self.places.is_empty() && self.cursor.as_ref() == Some(user);
        let later = self.later_than(user);
        self.order.retain(|other| other != user);
        self.bypass.push(user.clone());
        if self.cursor.as_ref() == Some(user) {
            self.advance(&later, after)?;
        }
        Ok(if spoke_at_root { Floor::Given } else { Floor::Kept })
    }
}
