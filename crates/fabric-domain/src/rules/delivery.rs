//! Who is woken by a message, who observes it, who does not get it (spec/2 section 1).

use std::collections::HashSet;

use super::turn::{Speaker, TurnState};
use crate::model::{
    Author, ChannelType, Delivery, DeliveryPlan, Member, PendingWake, PresenceStatus, UserId, WakeReason,
    WakeRecipients,
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
}

/// What of a plan is pending until a live socket has got it (spec/2 section 8). Where members speak in turn the
/// turn itself is pending; only what a system post asks for is so besides.
pub fn pending_wake(channel_type: ChannelType, author: &UserId, plan: &DeliveryPlan) -> Option<PendingWake> {
    let is_turn = |reason: WakeReason| channel_type.has_turns() && reason != WakeReason::Targeted;
    let woken: Vec<_> = plan.woken().filter(|(_, reason)| !is_turn(*reason)).collect();
    let (_, first) = *woken.first()?;
    let others = plan.recipients.iter().filter(|(user, _)| user != author).count();
    let is_everybody = woken.len() == others && woken.iter().all(|(_, reason)| *reason == first);
    let recipients = if is_everybody {
        WakeRecipients::Everybody(first)
    } else {
        WakeRecipients::Users(woken.into_iter().map(|(user, reason)| (user.clone(), reason)).collect())
    };
    Some(PendingWake { hop: plan.hop, author: author.clone(), recipients })
}

/// Decides for every member, and for the admin of a `triage` channel.
pub fn plan(message: &Delivered<'_>, members: &[Member]) -> DeliveryPlan {
    let mentioned = Mentioned::new(message, members);
    let mut recipients: Vec<_> =
        members.iter().map(|member| (member.user_id.clone(), decide(message, &mentioned, member))).collect();
    // The admin need not be a member of a triage; the same list decides how they get it.
    let outside_observer = message.admin.filter(|admin| {
        message.channel_type == ChannelType::Triage && !members.iter().any(|member| member.user_id == **admin)
    });
    recipients.extend(outside_observer.map(|admin| {
        let visitor =
            Member { user_id: admin.clone(), wake_mapped: false, presence: PresenceStatus::Unknown };
        (admin.clone(), decide(message, &mentioned, &visitor))
    }));
    DeliveryPlan {
        recipients,
        outside_observer: outside_observer.cloned(),
        others_observe: message.channel_type != ChannelType::Triage,
        ..DeliveryPlan::default()
    }
}

/// The members that a message mentions, but its author: nobody else's mention counts, so a typing error never
/// turns "wake all" into "wake nobody".
struct Mentioned<'a>(HashSet<&'a UserId>);

impl<'a> Mentioned<'a> {
    fn new(message: &Delivered<'_>, members: &'a [Member]) -> Self {
        // A text may mention as many as it has room for, and a channel may have as many members: looked up, not
        // searched.
        let mentions: HashSet<&UserId> = message.mentions.iter().collect();
        let counts = |user: &&UserId| mentions.contains(user) && !message.author.is(user);
        Self(members.iter().map(|member| &member.user_id).filter(counts).collect())
    }

    fn nobody(&self) -> bool {
        self.0.is_empty()
    }

    fn includes(&self, user: &UserId) -> bool {
        self.0.contains(user)
    }
}

/// The cell of the table for one member.
fn decide(message: &Delivered<'_>, mentioned: &Mentioned<'_>, member: &Member) -> Delivery {
    match message.author {
        author if author.is(&member.user_id) => match message.channel_type {
            ChannelType::Triage => Delivery::Skip,
            _ => Delivery::Observe,
        },
        Author::User(_) => by_type(message, mentioned, member),
        Author::System { wakeup } => by_system(message, mentioned, member, wakeup.as_ref()),
    }
}

#[expect(clippy::match_same_arms, reason = "an arm is a cell of the table")]
fn by_type(message: &Delivered<'_>, mentioned: &Mentioned<'_>, member: &Member) -> Delivery {
    match message.channel_type {
        ChannelType::General if mentioned.nobody() => Delivery::Wake(WakeReason::General),
        ChannelType::General if mentioned.includes(&member.user_id) => Delivery::Wake(WakeReason::Mention),
        ChannelType::Dm => Delivery::Wake(WakeReason::Dm),
        ChannelType::Custom if member.wake_mapped => Delivery::Wake(WakeReason::Listener),
        ChannelType::Triage if member.wake_mapped => Delivery::Wake(WakeReason::OnDuty),
        ChannelType::Triage if mentioned.includes(&member.user_id) => Delivery::Wake(WakeReason::Mention),
        ChannelType::Triage if message.admin == Some(&member.user_id) => Delivery::Observe,
        ChannelType::Triage => Delivery::Skip,
        ChannelType::Announce if member.presence == PresenceStatus::Busy => Delivery::Skip,
        ChannelType::Discuss | ChannelType::Work => to_speaker(message, member),
        ChannelType::General | ChannelType::Custom | ChannelType::Report | ChannelType::Announce => {
            Delivery::Observe
        }
    }
}

/// Where members speak in turn, the active speaker is woken, and nobody else.
fn to_speaker(message: &Delivered<'_>, member: &Member) -> Delivery {
    match message.turn.and_then(TurnState::speaker) {
        Some(speaker) if *speaker.user() == member.user_id => Delivery::Wake(speaker.into()),
        _ => Delivery::Observe,
    }
}

/// A system post wakes whom it is meant for; the type still says who gets it at all.
fn by_system(
    message: &Delivered<'_>,
    mentioned: &Mentioned<'_>,
    member: &Member,
    wakeup: Option<&UserId>,
) -> Delivery {
    if message.is_ack {
        return to_speaker(message, member);
    }
    match by_type(message, mentioned, member) {
        Delivery::Skip => Delivery::Skip,
        Delivery::Wake(_) | Delivery::Observe if wakeup == Some(&member.user_id) => {
            Delivery::Wake(WakeReason::Targeted)
        }
        Delivery::Wake(_) | Delivery::Observe => Delivery::Observe,
    }
}
