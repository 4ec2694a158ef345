//! Puts committed events on the sockets of those whom they concern.

use std::collections::HashSet;
use std::sync::Arc;

use fabric_api::guild::{ChannelRow, Message, TurnView};
use fabric_api::realtime::{MembershipChanged, MessageDeleted, PresenceChanged, event};
use fabric_domain::decisions::{Commit, Event};
use fabric_domain::model::{self, ChannelId, ChannelType, DeliveryPlan, Presence, Timestamp, UserId};

use crate::frames::{EncodedEvent, MessageFrames, encode};
use crate::metrics::{self, Metrics};
use crate::rooms::Rooms;
use crate::session::SocketSession;
use crate::sessions::Sessions;

/// Everybody whom an event may concern: who is connected, and who has joined which channel.
pub(crate) struct Audience {
    pub(crate) rooms: Rooms,
    pub(crate) sessions: Sessions,
    pub(crate) metrics: Metrics,
}

impl Audience {
    pub(crate) fn new() -> Self {
        Self { rooms: Rooms::default(), sessions: Sessions::default(), metrics: Metrics::new() }
    }

    /// A socket is gone. True when it was the user's last.
    pub(crate) fn disconnect(&self, session: &Arc<SocketSession>) -> bool {
        for channel in session.close() {
            self.rooms.with(&channel, |room| room.leave(session.id()));
        }
        self.sessions.remove(session)
    }

    /// Delivers what a commit did, in its order.
    pub(crate) fn deliver(&self, commit: Commit) {
        let Commit { channel_id: channel, version: _, events } = commit;
        for event in events {
            self.deliver_event(&channel, event);
        }
    }

    fn deliver_event(&self, channel: &ChannelId, event: Event) {
        match event {
            Event::MessageCreated { message, channel_type, plan } => {
                self.deliver_message(channel, message, channel_type, &plan);
            }
            Event::MessageUpdated(message) => {
                self.tell_room(channel, encode(event::MESSAGE_UPDATED, &Message::from(message)));
            }
            Event::MessageDeleted(message) => {
                self.tell_room(channel, encode(event::MESSAGE_DELETED, &MessageDeleted::from(message)));
            }
            Event::ChannelUpdated { channel: row, member_count } => {
                let row = ChannelRow::shared(row, member_count);
                self.tell_room(channel, encode(event::CHANNEL_UPDATED, &row));
            }
            Event::TurnUpdated(turn) => {
                self.tell_room(channel, encode(event::TURN_UPDATED, &TurnView::new(channel.clone(), &turn)));
            }
            Event::MemberJoined { user, channel_type, at } => {
                self.member_joined(channel, &user, channel_type, at);
            }
            Event::MemberLeft { user, channel_type, at, may_read } => {
                if may_read {
                    self.rooms.with(channel, |room| room.note_left(&user));
                } else {
                    let out = self.rooms.with(channel, |room| room.remove_user(&user));
                    for session in out {
                        session.exit(channel);
                    }
                }
                let left = membership(event::CHANNEL_LEFT, channel, &user, channel_type, at);
                self.tell(&self.sessions.of(&user), left.as_ref());
            }
        }
    }

    /// Gives everybody in the room their version of a message, and counts whom it woke.
    fn deliver_message(
        &self,
        channel: &ChannelId,
        message: model::Message,
        channel_type: ChannelType,
        plan: &DeliveryPlan,
    ) {
        let seq = message.seq;
        let mut frames = MessageFrames::new(message, channel_type, plan);
        let mut reached = HashSet::new();
        let delivered = self.rooms.with(channel, |room| {
            room.deliver(
                Some(seq),
                |session, is_member| frames.of(session.user(), is_member),
                |session, is_member| {
                    reached.insert((session.user().clone(), is_member));
                },
            )
        });
        self.metrics.deliveries.increment(delivered);
        for (user, is_member) in reached {
            if let Some(reason) = frames.wake_of(&user, is_member) {
                metrics::woken(reason);
            }
        }
        if let Some(admin) = &plan.outside_observer {
            self.tell_outside(channel, admin, frames.of(admin, false).as_ref());
        }
    }

    /// In the room before anybody can post after this commit: a new member misses nothing.
    fn member_joined(&self, channel: &ChannelId, user: &UserId, channel_type: ChannelType, at: Timestamp) {
        let sessions = self.sessions.of(user);
        self.rooms.with(channel, |room| {
            for session in &sessions {
                if session.enter(channel) {
                    room.enter_live(session);
                }
            }
        });
        let joined = membership(event::CHANNEL_JOINED, channel, user, channel_type, at);
        self.tell(&sessions, joined.as_ref());
    }

    /// Sends an event to everybody in a channel.
    fn tell_room(&self, channel: &ChannelId, event: Option<EncodedEvent>) {
        if let Some(event) = event {
            let delivered =
                self.rooms.with(channel, |room| room.deliver(None, |_, _| Some(event.clone()), |_, _| {}));
            self.metrics.deliveries.increment(delivered);
        }
    }

    /// Sends an event to everybody in a channel but this user.
    pub(crate) fn tell_others(&self, channel: &ChannelId, user: &UserId, event: &EncodedEvent) {
        let delivered = self.rooms.with(channel, |room| {
            room.deliver(None, |session, _| (session.user() != user).then(|| event.clone()), |_, _| {})
        });
        self.metrics.deliveries.increment(delivered);
    }

    /// Sends to those sockets of a user that are not in the room, and so have not got it yet.
    fn tell_outside(&self, channel: &ChannelId, user: &UserId, event: Option<&EncodedEvent>) {
        let sessions = self.sessions.of(user);
        let outside: Vec<_> = self.rooms.with(channel, |room| {
            sessions.into_iter().filter(|session| !room.contains(session.id())).collect()
        });
        self.tell(&outside, event);
    }

    /// Tells everybody how a user is, and whether they are connected. Who is away for a moment gets it on coming back.
    pub(crate) fn tell_presence(&self, presence: &Presence) {
        let change = PresenceChanged {
            user_id: presence.user_id.clone(),
            status: presence.status.into(),
            online: self.sessions.is_connected(&presence.user_id),
        };
        self.tell(&self.sessions.all(), encode(event::PRESENCE, &change).as_ref());
    }

    fn tell(&self, sessions: &[Arc<SocketSession>], event: Option<&EncodedEvent>) {
        if let Some(event) = event {
            let delivered = sessions.iter().filter(|session| session.send(event)).count();
            self.metrics.deliveries.increment(delivered as u64);
        }
    }
}

/// That a user has become a member, or is none any more.
fn membership(
    name: &'static str,
    channel: &ChannelId,
    user: &UserId,
    channel_type: ChannelType,
    at: Timestamp,
) -> Option<EncodedEvent> {
    let change = MembershipChanged {
        channel_id: channel.clone(),
        user_id: user.clone(),
        channel_type: channel_type.into(),
        occurred_at: at.into(),
    };
    encode(name, &change)
}
