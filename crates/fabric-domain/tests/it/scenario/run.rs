//! Plays a scenario on the real rules.

use std::collections::{BTreeSet, HashMap};

use fabric_domain::model::{
    Author, Caller, Delivery, Member, Members, PresenceStatus, UserId, UserKind, WakeReason,
};
use fabric_domain::rules::command::Command;
use fabric_domain::rules::delivery::{self, Delivered};
use fabric_domain::rules::mention;
use fabric_domain::rules::turn::{Effect, Input, Seat, Seed, Speaker, TurnState};

use super::expect::Outcome;
use super::language::{Told, names};
use super::parse::{Deed, Line, Name, Scenario, Setup, What};

pub(super) fn run(scenario: &Scenario) -> Result<(), String> {
    let mut stage = Stage::new(&scenario.setup);
    for line in &scenario.lines {
        stage.play(line).map_err(|why| {
            let turn =
                stage.turn.as_ref().map_or(String::new(), |turn| format!("\n  the state: {}", Told(turn)));
            format!("{}: {}\n\n  {}\n{why}{turn}", line.number, scenario.title, line.text)
        })?;
    }
    Ok(())
}

struct Stage<'a> {
    setup: &'a Setup,
    members: Members,
    busy: BTreeSet<UserId>,
    turn: Option<TurnState>,
    center: HashMap<String, UserId>,
    seed: u64,
    last_content: String,
    last_mentions: Vec<UserId>,
}

impl<'a> Stage<'a> {
    fn new(setup: &'a Setup) -> Self {
        let members = setup
            .order
            .iter()
            .chain(&setup.bypass)
            .map(|user_id| Member { user_id: user_id.clone(), wake_mapped: setup.mapped.contains(user_id) });
        let has_turns = setup.channel_type.has_turns();
        Self {
            setup,
            members: members.collect(),
            busy: setup.busy.iter().cloned().collect(),
            turn: has_turns.then(|| TurnState::new(setup.order.clone(), setup.bypass.clone())),
            center: HashMap::new(),
            seed: 0,
            last_content: String::new(),
            last_mentions: Vec::new(),
        }
    }

    fn play(&mut self, line: &Line) -> Result<(), String> {
        match &line.what {
            What::Step(deed, expected) => {
                self.seed += 1;
                let outcome = self.act(deed)?;
                let wanted = line.text.rsplit_once("=>").map_or("", |(_, wanted)| wanted.trim());
                compare(expected.is_met_by(&outcome), wanted, &outcome.to_string())
            }
            What::State(fields) => {
                let turn = self.turn.as_ref().ok_or("  channels of this type have no turn")?;
                let unmet = fields.iter().filter(|(_, field)| !field.is_met_by(turn));
                let unmet: Vec<&str> = unmet.map(|(text, _)| text.as_str()).collect();
                compare(unmet.is_empty(), &unmet.join(" | "), &Told(turn).to_string())
            }
            What::Stored(text) => compare(*text == self.last_content, text, &self.last_content),
            What::Mentions(ids) => {
                compare(*ids == self.last_mentions, &names(ids), &names(&self.last_mentions))
            }
            What::Seed(seed) => {
                // Every step counts up from here, so the next one has this seed.
                self.seed = seed.wrapping_sub(1);
                Ok(())
            }
            What::Center { name, id } => {
                self.center.insert(name.clone(), id.clone());
                Ok(())
            }
            What::Presence(user, PresenceStatus::Busy) => {
                self.busy.insert(self.member(user)?.user_id);
                Ok(())
            }
            What::Presence(user, _) => {
                self.busy.remove(&self.member(user)?.user_id);
                Ok(())
            }
            What::WakeMapping(user, on) => {
                let member = Member { wake_mapped: *on, ..self.member(user)? };
                self.members.upsert(member);
                Ok(())
            }
        }
    }

    fn member(&self, user: &UserId) -> Result<Member, String> {
        self.members.get(user).cloned().ok_or_else(|| format!("  {user} is no member"))
    }

    fn act(&mut self, deed: &Deed) -> Result<Outcome, String> {
        Ok(match deed {
            Deed::Post { author, text, turn } => {
                let author = self.resolve(author)?;
                self.post(author, text, *turn)
            }
            Deed::SystemPost { wakeup, text } => {
                let text = mention::translate_names(text, |name| self.center.get(name));
                self.send(&Author::System { wakeup: wakeup.clone() }, text, false)
            }
            Deed::Timeout { turn } => {
                let turn = turn.unwrap_or_else(|| self.turn.as_ref().map_or(0, TurnState::turn));
                match self.apply(&Input::Timeout { turn }) {
                    Effect::Moved => self.ack(),
                    Effect::Stayed => Outcome::Stays,
                    Effect::Rejected(rejection) => Outcome::Rejected(rejection),
                }
            }
            Deed::Joins(user, seat) => self.joins(self.resolve(user)?, *seat),
            Deed::Leaves(user) => {
                let user = self.resolve(user)?;
                self.members.remove(&user);
                self.change(&Input::MemberRemoved { user })
            }
            Deed::ToBypass(user) => self.change(&Input::MovedToBypass { user: self.resolve(user)? }),
            Deed::ToOrder(user) => self.change(&Input::MovedToOrder { user: self.resolve(user)? }),
        })
    }

    fn resolve(&self, name: &Name) -> Result<UserId, String> {
        let turn = self.turn.as_ref();
        match name {
            Name::User(user) => Ok(user.clone()),
            Name::Active => turn.and_then(TurnState::active).cloned().ok_or("  nobody is active".into()),
            Name::Root => turn.and_then(TurnState::cursor).cloned().ok_or("  nobody is at root".into()),
        }
    }

    /// The processing order of a post (section 7): translate names, intercept, move the turn, deliver.
    fn post(&mut self, author: UserId, text: &str, turn: Option<u64>) -> Outcome {
        let text = mention::translate_names(text, |name| self.center.get(name));
        let Some(command) = Command::intercept(self.setup.channel_type, &text) else {
            if self.turn.is_some() {
                let mentioned = mention::parse(&text);
                self.apply(&Input::Message { author: author.clone(), mentioned, turn });
            }
            return self.send(&Author::User(Caller { user_id: author, kind: UserKind::Human }), text, false);
        };
        let effect = match command {
            Command::NoReply => self.apply(&Input::NoReply { by: author, turn }),
            Command::ForceProceed => self.apply(&Input::ForceProceed { by: author, turn }),
        };
        if let Effect::Rejected(rejection) = effect { Outcome::Rejected(rejection) } else { self.ack() }
    }

    fn ack(&mut self) -> Outcome {
        self.send(&Author::System { wakeup: None }, "/ack".to_owned(), true)
    }

    fn send(&mut self, author: &Author, content: String, is_ack: bool) -> Outcome {
        self.last_mentions = mention::parse(&content);
        self.last_content = content;
        let message = Delivered {
            channel_type: self.setup.channel_type,
            author,
            mentions: &self.last_mentions,
            turn: self.turn.as_ref(),
            is_ack,
            admin: self.setup.admin.as_ref(),
            members: &self.members,
            busy: &self.busy,
        };
        let plan = delivery::plan(&message);
        // Who observes from outside is decided like a member.
        let decided = self.members.users().chain(plan.outside_observer.as_ref());
        let skipped = decided.filter(|user| plan.of(user, true) == Delivery::Skip);
        Outcome::Sent {
            is_ack,
            woken: plan.woken(&self.members).map(|(user, reason)| (user.clone(), reason)).collect(),
            skipped: skipped.cloned().collect(),
            others_observe: plan.others_observe,
        }
    }

    fn joins(&mut self, user_id: UserId, seat: Seat) -> Outcome {
        if !self.members.contains(&user_id) {
            self.members.upsert(Member::new(user_id.clone()));
        }
        self.change(&Input::MemberAdded { user: user_id, seat })
    }

    fn apply(&mut self, input: &Input) -> Effect {
        match &mut self.turn {
            Some(turn) => turn.apply(input, Seed(self.seed)),
            None => Effect::Stayed,
        }
    }

    /// An input that sends no message.
    fn change(&mut self, input: &Input) -> Outcome {
        match self.apply(input) {
            Effect::Rejected(rejection) => Outcome::Rejected(rejection),
            Effect::Stayed => Outcome::Stays,
            Effect::Moved => match self.turn.as_ref().and_then(TurnState::speaker) {
                Some(Speaker::Root(user)) => Outcome::Turn(user.clone(), WakeReason::Turn),
                Some(Speaker::Mentioned(user)) => Outcome::Turn(user.clone(), WakeReason::Mention),
                None => Outcome::Idle,
            },
        }
    }
}

fn compare(met: bool, expected: &str, got: &str) -> Result<(), String> {
    if met { Ok(()) } else { Err(format!("   expected: {expected}\n        got: {got}")) }
}
