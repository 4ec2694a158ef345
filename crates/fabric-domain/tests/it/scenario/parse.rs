//! From text to scenarios. Whatever is not understood is an error with its line: a scenario that is read
//! wrongly would prove nothing.

use std::collections::BTreeSet;
use std::str::FromStr;

use fabric_domain::model::{ChannelType, PresenceStatus, UserId};
use fabric_domain::rules::turn::Seat;

use super::expect::{Expected, OrderExpected, StateExpected};

/// Words that begin a line of their own, so nobody can be called that.
const RESERVED: [&str; 10] =
    ["channel", "state", "stored", "mentions", "center", "seed", "system", "timeout", "nobody", "none"];

#[derive(Debug)]
pub(super) struct Scenario {
    pub(super) line: usize,
    pub(super) title: String,
    pub(super) setup: Setup,
    pub(super) lines: Vec<Line>,
}

#[derive(Debug)]
pub(super) struct Setup {
    pub(super) channel_type: ChannelType,
    pub(super) order: Vec<UserId>,
    pub(super) bypass: Vec<UserId>,
    pub(super) mapped: Vec<UserId>,
    pub(super) busy: Vec<UserId>,
    pub(super) strangers: Vec<UserId>,
    pub(super) admin: Option<UserId>,
}

#[derive(Debug)]
pub(super) struct Line {
    pub(super) number: usize,
    pub(super) text: String,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// Something happens, and this must come of it.
    Step(Deed, Expected),
    /// The turn must look like this: each field as it was written, and what it means.
    State(Vec<(String, StateExpected)>),
    /// The content of the last message, as it is stored.
    Stored(String),
    /// The mentions of the last message.
    Mentions(Vec<UserId>),
    /// The seed of the next step.
    Seed(u64),
    /// Center knows a user of this name.
    Center {
        name: String,
        id: UserId,
    },
    Presence(UserId, PresenceStatus),
    WakeMapping(UserId, bool),
}

#[derive(Debug)]
pub(super) enum Deed {
    Post { author: Name, text: String, turn: Option<u64> },
    SystemPost { wakeup: Option<UserId>, text: String },
    Timeout { turn: Option<u64> },
    Joins(Name, Seat),
    Leaves(Name),
    ToBypass(Name),
    ToOrder(Name),
}

/// A user by name or by part.
#[derive(Debug)]
pub(super) enum Name {
    User(UserId),
    Active,
    Root,
}

type Parsed<T> = Result<T, String>;

pub(super) fn scenarios(text: &str) -> Parsed<Vec<Scenario>> {
    let mut scenarios: Vec<Scenario> = Vec::new();
    let mut title: Option<(usize, String)> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let at = |error: String| format!("{number}: {error}\n    {line}");
        let line = line.trim();
        if let Some(new_title) = line.strip_prefix("## ") {
            if let Some((open, _)) = title.replace((number, new_title.trim().to_owned())) {
                return Err(format!("{open}: a title without a channel"));
            }
        } else if line.is_empty() || line.starts_with("# ") || line == "#" {
            // A comment.
        } else if let Some(channel) = line.strip_prefix("channel ") {
            let (line, title) = title.take().ok_or_else(|| at("a channel without a title".into()))?;
            let setup = setup(channel).map_err(at)?;
            scenarios.push(Scenario { line, title, setup, lines: Vec::new() });
        } else {
            let scenario = scenarios.last_mut().filter(|_| title.is_none());
            let scenario = scenario.ok_or_else(|| at("a line before its channel".into()))?;
            let what = Cast::of(&scenario.setup).line(line).map_err(at)?;
            scenario.lines.push(Line { number, text: line.to_owned(), what });
        }
    }
    if let Some((open, _)) = title {
        return Err(format!("{open}: a title without a channel"));
    }
    if scenarios.is_empty() {
        return Err("1: no scenario".into());
    }
    let proves = |line: &Line| !matches!(line.what, What::Seed(_) | What::Center { .. });
    if let Some(empty) = scenarios.iter().find(|scenario| !scenario.lines.iter().any(proves)) {
        return Err(format!("{}: a scenario that expects nothing", empty.line));
    }
    Ok(scenarios)
}

fn setup(channel: &str) -> Parsed<Setup> {
    let mut parts = channel.split('|');
    let (channel_type, members) = key_value(parts.next().unwrap_or_default())?;
    let channel_type = ChannelType::from_str(channel_type).map_err(|error| error.to_string())?;
    let mut setup = Setup {
        channel_type,
        order: users(members)?,
        bypass: vec![],
        mapped: vec![],
        busy: vec![],
        strangers: vec![],
        admin: None,
    };
    for part in parts {
        let (key, value) = key_value(part)?;
        let list = match key {
            "bypass" if channel_type.has_turns() => &mut setup.bypass,
            "on duty" if channel_type == ChannelType::Triage => &mut setup.mapped,
            "listeners" if channel_type == ChannelType::Custom => &mut setup.mapped,
            "busy" => &mut setup.busy,
            "strangers" => &mut setup.strangers,
            "admin" => {
                setup.admin = Some(user(value)?);
                continue;
            }
            _ => return Err(format!("a {channel_type} channel has no {key:?}")),
        };
        *list = users(value)?;
    }
    let mut named = BTreeSet::new();
    let all = setup.order.iter().chain(&setup.bypass).chain(&setup.strangers);
    if let Some(twice) = all.into_iter().find(|user| !named.insert(*user)) {
        return Err(format!("{twice} is named twice"));
    }
    if let Some(outside) = setup.mapped.iter().chain(&setup.busy).find(|user| !named.contains(user)) {
        return Err(format!("{outside} is no member"));
    }
    Ok(setup)
}

/// What stands after the colon: a text whose line breaks are written as `⏎`.
fn content(text: &str) -> String {
    text.strip_prefix(' ').unwrap_or(text).replace('⏎', "\n")
}

pub(super) fn number<N: FromStr>(text: &str) -> Parsed<N> {
    text.parse().map_err(|_| format!("{text:?} is no number"))
}

fn key_value(part: &str) -> Parsed<(&str, &str)> {
    let (key, value) = part.split_once(':').ok_or_else(|| format!("no ':' in {part:?}"))?;
    Ok((key.trim(), value.trim()))
}

fn users(list: &str) -> Parsed<Vec<UserId>> {
    list.split_whitespace().map(user).collect()
}

fn user(name: &str) -> Parsed<UserId> {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '-');
    if !plain || RESERVED.contains(&name) {
        return Err(format!("{name:?} is no name"));
    }
    Ok(UserId::new(name))
}

/// Who may be named in a scenario. Everybody else is a slip of the pen.
pub(super) struct Cast(BTreeSet<UserId>);

impl Cast {
    fn of(setup: &Setup) -> Self {
        let lists = [&setup.order, &setup.bypass, &setup.strangers];
        Self(lists.into_iter().flatten().chain(&setup.admin).cloned().collect())
    }

    pub(super) fn user(&self, name: &str) -> Parsed<UserId> {
        let user = user(name)?;
        if self.0.contains(&user) { Ok(user) } else { Err(format!("nobody is called {name:?}")) }
    }

    pub(super) fn users<C: FromIterator<UserId>>(&self, names: &str) -> Parsed<C> {
        names.split_whitespace().map(|name| self.user(name)).collect()
    }

    fn name(&self, name: &str) -> Parsed<Name> {
        match name {
            "@active" => Ok(Name::Active),
            "@root" => Ok(Name::Root),
            _ => self.user(name).map(Name::User),
        }
    }

    /// `alice`, or `alice (turn 3)` who names the turn that they mean.
    fn author(&self, text: &str) -> Parsed<(Name, Option<u64>)> {
        let Some((name, turn)) = text.split_once(" (turn ") else { return Ok((self.name(text)?, None)) };
        let turn = turn.strip_suffix(')').ok_or("NAME (turn NUMBER): TEXT")?;
        Ok((self.name(name)?, Some(number(turn)?)))
    }

    fn line(&self, line: &str) -> Parsed<What> {
        if let Some((deed, expected)) = line.rsplit_once("=>") {
            let deed = self.deed(deed.trim())?;
            return Ok(What::Step(deed, Expected::parse(self, expected.trim())?));
        }
        if let Some(seed) = line.strip_prefix("seed ") {
            return Ok(What::Seed(number(seed.trim())?));
        }
        if let Some(known) = line.strip_prefix("center knows ") {
            let (name, id) = known.split_once(" as ").ok_or("center knows NAME as ID")?;
            return Ok(What::Center { name: name.trim().to_owned(), id: self.user(id.trim())? });
        }
        if let Some((name, status)) = line.split_once(" is ")
            && let Ok(user) = self.user(name)
        {
            let status = PresenceStatus::from_str(status.trim()).map_err(|error| error.to_string())?;
            return Ok(What::Presence(user, status));
        }
        if let Some((name, duty)) = line.split_once(' ')
            && let (Ok(user), "on duty" | "off duty") = (self.user(name), duty.trim())
        {
            return Ok(What::WakeMapping(user, duty.trim() == "on duty"));
        }
        match line.split_once(':') {
            Some(("state", state)) => {
                let field = |text: &str| Ok((text.to_owned(), StateExpected::parse(self, text)?));
                state.split('|').map(|text| field(text.trim())).collect::<Parsed<_>>().map(What::State)
            }
            Some(("stored", text)) => Ok(What::Stored(content(text))),
            Some(("mentions", "" | " none")) => Ok(What::Mentions(Vec::new())),
            Some(("mentions", ids)) => Ok(What::Mentions(ids.split_whitespace().map(UserId::new).collect())),
            Some(_) => Err("something happens, but nothing is expected of it (no =>)".into()),
            None => Err("not understood".into()),
        }
    }

    fn deed(&self, deed: &str) -> Parsed<Deed> {
        if let Some((author, text)) = deed.split_once(':') {
            let text = content(text);
            return Ok(match author.strip_prefix("system") {
                Some("") => Deed::SystemPost { wakeup: None, text },
                Some(target) => {
                    let target = target.strip_prefix(" for ").ok_or("system for NAME: TEXT")?;
                    Deed::SystemPost { wakeup: Some(self.user(target)?), text }
                }
                None => {
                    let (author, turn) = self.author(author)?;
                    Deed::Post { author, text, turn }
                }
            });
        }
        if deed == "timeout" {
            return Ok(Deed::Timeout { turn: None });
        }
        if let Some(turn) = deed.strip_prefix("timeout of turn ") {
            return Ok(Deed::Timeout { turn: Some(number(turn)?) });
        }
        let (name, verb) = deed.split_once(' ').ok_or("not understood")?;
        let name = self.name(name)?;
        match verb.trim() {
            "joins" => Ok(Deed::Joins(name, Seat::Order)),
            "joins the bypass" => Ok(Deed::Joins(name, Seat::Bypass)),
            "leaves" => Ok(Deed::Leaves(name)),
            "to bypass" => Ok(Deed::ToBypass(name)),
            "to order" => Ok(Deed::ToOrder(name)),
            other => Err(format!("nobody can {other:?}")),
        }
    }

    /// `alice {bob carol} dave (first not bob)`: in braces any order.
    pub(super) fn order(&self, text: &str) -> Parsed<OrderExpected> {
        let (text, first_not) = match text.split_once('(') {
            None => (text, None),
            Some((order, note)) => {
                let name = note.strip_prefix("first not ").and_then(|note| note.strip_suffix(')'));
                (order, Some(self.user(name.ok_or("(first not NAME)")?)?))
            }
        };
        let (shuffled, exact) = match text.trim().strip_prefix('{') {
            None => ("", text),
            Some(rest) => rest.split_once('}').ok_or("no '}'")?,
        };
        if first_not.is_some() && shuffled.is_empty() {
            return Err("(first not NAME) without {a shuffled head}".into());
        }
        Ok(OrderExpected { shuffled: self.users(shuffled)?, exact: self.users(exact)?, first_not })
    }
}
