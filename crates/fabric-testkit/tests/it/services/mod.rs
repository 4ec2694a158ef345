//! The use cases on the in-memory guild: what HTTP and realtime both rely on.

mod access;
mod failures;
mod files;
mod people;
mod posting;
mod turns;

use fabric_domain::decisions::{Commit, CreateChannel, Event, Post};
use fabric_domain::model::{
    Author, Caller, ChannelId, ChannelType, Delivery, DeliveryPlan, Members, Message, PostOutcome,
    SettingsPatch, UserId,
};
use fabric_domain::services::ServiceError;
use fabric_testkit::TestGuild;

/// A private channel; the first of the members creates it, those after a `|` sit in the bypass.
async fn channel(guild: &TestGuild, channel_type: ChannelType, members: &str) -> ChannelId {
    channel_with(guild, channel_type, members, SettingsPatch::default()).await
}

async fn channel_with(
    guild: &TestGuild,
    channel_type: ChannelType,
    members: &str,
    settings: SettingsPatch,
) -> ChannelId {
    let (order, bypass) = members.split_once('|').unwrap_or((members, ""));
    let ids = |names: &str| names.split_whitespace().map(UserId::new).collect::<Vec<_>>();
    let creator = guild.human(order.split_whitespace().next().expect("a creator"));
    let new = CreateChannel {
        members: [ids(order), ids(bypass)].concat(),
        bypass: ids(bypass),
        settings,
        ..CreateChannel::new("room", channel_type)
    };
    guild.create_channel(&creator, new).await.expect("a channel").channel.id
}

fn text(content: &str) -> Post {
    Post::text(content)
}

async fn try_post(
    guild: &TestGuild,
    caller: Caller,
    id: &ChannelId,
    content: &str,
) -> Result<PostOutcome, ServiceError> {
    guild.guild.post(&Author::User(caller), id, text(content), None).await
}

async fn post(guild: &TestGuild, user: &str, id: &ChannelId, content: &str) -> Message {
    match try_post(guild, guild.human(user), id, content).await.expect("a message") {
        PostOutcome::Message(message) => *message,
        PostOutcome::Command(outcome) => panic!("a command: {outcome:?}"),
    }
}

/// Who gets a message how, and who was a member.
struct Sent {
    plan: DeliveryPlan,
    members: Members,
}

impl Sent {
    fn to(&self, user: &str) -> Delivery {
        let user = user.into();
        self.plan.of(&user, self.members.contains(&user))
    }
}

/// The messages that were published since the last look, with their plans.
async fn published(guild: &TestGuild) -> Vec<(Message, Sent)> {
    let mut sent = Vec::new();
    for event in guild.published.take().into_iter().flat_map(|commit: Commit| commit.events) {
        if let Event::MessageCreated { message, plan, .. } = event {
            let members = guild.store.load(&message.channel_id).await.unwrap().unwrap().members;
            sent.push((message, Sent { plan, members }));
        }
    }
    sent
}

/// Who is woken, as `name:reason`.
fn woken(sent: &Sent) -> Vec<String> {
    sent.plan.woken(&sent.members).map(|(user, reason)| format!("{user}:{}", reason.as_str())).collect()
}

/// Who of the members gets nothing.
fn skipped(sent: &Sent) -> Vec<&str> {
    sent.members.users().map(UserId::as_str).filter(|user| sent.to(user) == Delivery::Skip).collect()
}

fn code<T: std::fmt::Debug>(result: Result<T, ServiceError>) -> &'static str {
    match result {
        Err(ServiceError::Refused(refusal)) => refusal.code(),
        other => panic!("not refused: {other:?}"),
    }
}
