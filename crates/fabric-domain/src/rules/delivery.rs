//! Who is woken by a message, who observes it, who does not get it (spec/2 section 1).

use std::collections::{BTreeSet, HashSet};

use super::turn::{Speaker, TurnState};
use crate::model::{
    Author, ChannelType, Delivery, DeliveryPlan, Members, PendingWake, UserId, WakeReason, WakeRecipients,
};

impl From<Speaker<'_>> for WakeReason {
    fn from(speaker: Speaker<'_>) -> Self {
        match speaker {
            Speaker::Root(_) => Self::Turn,
            Speaker::Mentioned(_) => Self::Mention,
        }
    }
}

/// What the decision looks at. The turn is the one **after** the message's transition.
#[derive(Debug, Clone, Copy)]
pub struct Delivered<'a> {
    /// The channel's type.
    pub channel_type: ChannelType,
    /// Who wrote the message.
    pub author: &'a Author,
    /// Its mentions as parsed; only those of members count.
    pub mentions: &'a [UserId],
    /// The channel's turn, where it has one.
    pub turn: Option<&'a TurnState>,
    /// Whether this is the guild's `/ack` to a command: it wakes the active speaker, as a message would.
    pub is_ack: bool,
    /// Center's admin.
    pub admin: Option<&'a UserId>,
    /// The channel's members.
    pub members: &'a Members,
    /// Users who are busy; asked for in `announce` only.
    pub busy: &'a BTreeSet<UserId>,
}

/// What of a plan is pending until a live socket has got it (spec/2 section 8). Where members speak in turn the
/// turn itself is pending; only what a system post asks for is so besides.
pub fn pending_wake(
    channel_type: ChannelType,
    author: &UserId,
    plan: &DeliveryPlan,
    members: &Members,
) -> Option<PendingWake> {
    let is_turn = |reason: WakeReason| channel_type.has_turns() && reason != WakeReason::Targeted;
    let recipients = if let Some(reason) = plan.members.wakes() {
        // Exceptions to that are the author, and who is not active: that one is owed it, should they come back.
        members.users().find(|user| *user != author)?;
        WakeRecipients::Everybody(reason)
    } else {
        let woken = plan.exceptions.iter().filter_map(|(user, delivery)| {
            let reason = delivery.wakes().filter(|reason| !is_turn(*reason))?;
            Some((user.clone(), reason))
        });
        let woken: Vec<_> = woken.collect();
        if woken.is_empty() {
            return None;
        }
        WakeRecipients::Users(woken)
    };
    Some(PendingWake { hop: plan.hop, author: author.clone(), recipients })
}

/// Decides for every member, and for the admin of a `triage` channel: how members get it of whom nothing more is known
/// than that they are members, and who gets it in another way.
pub fn plan(message: &Delivered<'_>) -> DeliveryPlan {
    let mentioned = Mentioned::new(message);
    let members = message.members;
    // The admin need not be a member of a triage; the same list decides how they get it.
    let outside_observer =
        message.admin.filter(|admin| message.channel_type == ChannelType::Triage && !members.contains(admin));
    let rest = decide(message, &mentioned, &Recipient::ANY);
    let mut seen = HashSet::new();
    let exceptions = special(message, &mentioned)
        .filter(|user| members.contains(user) || outside_observer == Some(*user))
        .filter(|user| seen.insert(*user))
        .map(|user| (user, decide(message, &mentioned, &Recipient::new(message, user))))
        .filter(|(user, delivery)| *delivery != rest || outside_observer == Some(*user))
        .map(|(user, delivery)| (user.clone(), delivery))
        .collect();
    DeliveryPlan {
        outside_observer: outside_observer.cloned(),
        ..DeliveryPlan::new(rest, exceptions, message.channel_type != ChannelType::Triage)
    }
}

/// Everybody for whom the table asks more than whether they are a member. May name somebody twice, and others than
/// members.
fn special<'a>(message: &'a Delivered<'_>, mentioned: &'a Mentioned<'_>) -> impl Iterator<Item = &'a UserId> {
    let (author, target) = match message.author {
        Author::User(caller) => (Some(&caller.user_id), None),
        Author::System { wakeup } => (None, wakeup.as_ref()),
    };
    let speaker = message.turn.and_then(TurnState::speaker).map(Speaker::user);
    let mapped = message.members.wake_mapped().filter(|_| message.channel_type.has_wake_mapping());
    let busy = message.busy.iter().filter(|_| message.channel_type == ChannelType::Announce);
    let one = [author, target, speaker, message.admin];
    one.into_iter().flatten().chain(mentioned.in_order.iter().copied()).chain(mapped).chain(busy)
}

/// The members that a message mentions, but its author, as mentioned: nobody else's mention counts, so a typing error
/// never turns "wake all" into "wake nobody".
struct Mentioned<'a> {
    in_order: Vec<&'a UserId>,
    // A text may mention as many as it has room for: looked up, not searched.
    all: HashSet<&'a UserId>,
}

impl<'a> Mentioned<'a> {
    fn new(message: &Delivered<'a>) -> Self {
        let counts = |user: &&UserId| message.members.contains(user) && !message.author.is(user);
        let in_order: Vec<_> = message.mentions.iter().filter(counts).collect();
        let all = in_order.iter().copied().collect();
        Self { in_order, all }
    }

    fn nobody(&self) -> bool {
        self.in_order.is_empty()
    }

    fn includes(&self, user: &UserId) -> bool {
        self.all.contains(user)
    }
}

/// One who may get the message, as far as the table asks.
struct Recipient<'a> {
    /// `None` for any member about whom there is nothing special.
    user: Option<&'a UserId>,
    is_wake_mapped: bool,
    is_busy: bool,
}

impl<'a> Recipient<'a> {
    const ANY: Self = Self { user: None, is_wake_mapped: false, is_busy: false };

    fn new(message: &Delivered<'_>, user: &'a UserId) -> Self {
        let is_wake_mapped = message.members.get(user).is_some_and(|member| member.wake_mapped);
        Self { user: Some(user), is_wake_mapped, is_busy: message.busy.contains(user) }
    }

    fn is(&self, user: Option<&UserId>) -> bool {
        user.is_some() && self.user == user
    }
}

/// The cell of the table for one member.
fn decide(message: &Delivered<'_>, mentioned: &Mentioned<'_>, recipient: &Recipient<'_>) -> Delivery {
    match message.author {
        author if recipient.user.is_some_and(|user| author.is(user)) => match message.channel_type {
            ChannelType::Triage => Delivery::Skip,
            _ => Delivery::Observe,
        },
        Author::User(_) => by_type(message, mentioned, recipient),
        Author::System { wakeup } => by_system(message, mentioned, recipient, wakeup.as_ref()),
    }
}

fn by_type(message: &Delivered<'_>, mentioned: &Mentioned<'_>, recipient: &Recipient<'_>) -> Delivery {
    match message.channel_type {
        ChannelType::General if mentioned.nobody() => Delivery::Wake(WakeReason::General),
        ChannelType::General if recipient.user.is_some_and(|user| mentioned.includes(user)) => {
            Delivery::Wake(WakeReason::Mention)
        }
        ChannelType::Dm => Delivery::Wake(WakeReason::Dm),
        ChannelType::Custom if recipient.is_wake_mapped => Delivery::Wake(WakeReason::Listener),
        ChannelType::Triage if recipient.is_wake_mapped => Delivery::Wake(WakeReason::OnDuty),
        ChannelType::Triage if recipient.user.is_some_and(|user| mentioned.includes(user)) => {
            Delivery::Wake(WakeReason::Mention)
        }
        ChannelType::Triage if recipient.is(message.admin) => Delivery::Observe,
        ChannelType::Triage => Delivery::Skip,
        ChannelType::Announce if recipient.is_busy => Delivery::Skip,
        ChannelType::Discuss | ChannelType::Work => to_speaker(message, recipient),
        ChannelType::General | ChannelType::Custom | ChannelType::Report | ChannelType::Announce => {
            Delivery::Observe
        }
    }
}

/// Where members speak in turn, the active speaker is woken, and nobody else.
fn to_speaker(message: &Delivered<'_>, recipient: &Recipient<'_>) -> Delivery {
    match message.turn.and_then(TurnState::speaker) {
        Some(speaker) if recipient.is(Some(speaker.user())) => Delivery::Wake(speaker.into()),
        _ => Delivery::Observe,
    }
}

/// A system post wakes whom it is meant for; the type still says who gets it at all.
fn by_system(
    message: &Delivered<'_>,
    mentioned: &Mentioned<'_>,
    recipient: &Recipient<'_>,
    wakeup: Option<&UserId>,
) -> Delivery {
    if message.is_ack {
        return to_speaker(message, recipient);
    }
    match by_type(message, mentioned, recipient) {
        Delivery::Skip => Delivery::Skip,
        Delivery::Wake(_) | Delivery::Observe if recipient.is(wakeup) => Delivery::Wake(WakeReason::Targeted),
        Delivery::Wake(_) | Delivery::Observe => Delivery::Observe,
    }
}
