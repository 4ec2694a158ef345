//! Events as they go over the wire: encoded once per event and wake flag, not once per socket.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actix_socketio::Outgoing;
use fabric_api::guild;
use fabric_api::realtime::{MessageCreated, NAMESPACE, Wake, event};
use fabric_domain::model::{
    ChannelId, ChannelType, Delivery, DeliveryPlan, Message, Seq, UserId, WakeReason,
};
use serde::Serialize;

/// Where a message stands, and whether this version of it wakes.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) channel: ChannelId,
    pub(crate) seq: Seq,
    pub(crate) wakes: bool,
}

/// An encoded event, in the two shapes in which it may leave: as it is, and, for clients that recover their
/// connection, with its offset behind its arguments.
#[derive(Debug, Clone)]
pub(crate) struct EncodedEvent(Arc<Encoded>);

#[derive(Debug)]
struct Encoded {
    /// For a message: where it stands.
    place: Option<Place>,
    offset: String,
    plain: Outgoing,
    placed: Outgoing,
}

/// Offsets only tell events apart; what a client got last is looked up among what it was sent.
static NEXT_OFFSET: AtomicU64 = AtomicU64::new(1);

impl EncodedEvent {
    fn new(plain: Outgoing, place: Option<Place>) -> Self {
        let offset = NEXT_OFFSET.fetch_add(1, Ordering::Relaxed).to_string();
        let placed = plain.with_offset(&offset);
        Self(Arc::new(Encoded { place, offset, plain, placed }))
    }

    /// For a message: where it stands.
    pub(crate) fn place(&self) -> Option<&Place> {
        self.0.place.as_ref()
    }

    /// By which a client says that this is the last event it got.
    pub(crate) fn offset(&self) -> &str {
        &self.0.offset
    }

    pub(crate) fn plain(&self) -> &Outgoing {
        &self.0.plain
    }

    pub(crate) fn with_offset(&self) -> &Outgoing {
        &self.0.placed
    }

    /// Bytes on a websocket.
    pub(crate) fn size(&self) -> usize {
        self.0.placed.size()
    }
}

/// An event for the namespace. Our own types always encode; should one not, it is left out and logged.
pub(crate) fn encode(name: &'static str, payload: &impl Serialize) -> Option<EncodedEvent> {
    encode_at(name, payload, None)
}

fn encode_at(name: &'static str, payload: &impl Serialize, place: Option<Place>) -> Option<EncodedEvent> {
    Outgoing::event(NAMESPACE, name, payload)
        .map(|event| EncodedEvent::new(event, place))
        .inspect_err(|error| tracing::error!(name, %error, "cannot encode an event"))
        .ok()
}

/// One `message.created`, in as many versions as recipients need.
pub(crate) struct MessageFrames<'a> {
    wire: guild::Message,
    channel_type: ChannelType,
    plan: &'a DeliveryPlan,
    exceptions: HashMap<&'a UserId, Delivery>,
    encoded: Vec<(Delivery, Option<EncodedEvent>)>,
}

impl<'a> MessageFrames<'a> {
    pub(crate) fn new(message: Message, channel_type: ChannelType, plan: &'a DeliveryPlan) -> Self {
        Self {
            wire: message.into(),
            channel_type,
            plan,
            exceptions: plan.exceptions.iter().map(|(user, delivery)| (user, *delivery)).collect(),
            encoded: Vec::new(),
        }
    }

    fn delivery(&self, user: &UserId, is_member: bool) -> Delivery {
        self.exceptions.get(user).copied().unwrap_or_else(|| self.plan.of_others(is_member))
    }

    /// The frame for this user, if they get one.
    pub(crate) fn of(&mut self, user: &UserId, is_member: bool) -> Option<EncodedEvent> {
        let delivery = self.delivery(user, is_member);
        if let Some((_, frame)) = self.encoded.iter().find(|(known, _)| *known == delivery) {
            return frame.clone();
        }
        let frame = self.frame(delivery);
        self.encoded.push((delivery, frame.clone()));
        frame
    }

    /// Why this user is woken, if they are.
    pub(crate) fn wake_of(&self, user: &UserId, is_member: bool) -> Option<WakeReason> {
        self.delivery(user, is_member).wakes()
    }

    fn frame(&self, delivery: Delivery) -> Option<EncodedEvent> {
        let wake = match delivery {
            Delivery::Wake(reason) => Some(self.plan.wake(reason).into()),
            Delivery::Observe => None,
            Delivery::Skip => return None,
        };
        created(&self.wire, self.channel_type, wake)
    }
}

/// `message.created` for one kind of recipient.
pub(crate) fn created(
    message: &guild::Message,
    channel_type: ChannelType,
    wake: Option<Wake>,
) -> Option<EncodedEvent> {
    let wakes = wake.is_some();
    let payload =
        MessageCreated { message: message.clone(), channel_type: channel_type.into(), wakeup: wakes, wake };
    let place = Place { channel: message.channel_id.clone(), seq: message.seq, wakes };
    encode_at(event::MESSAGE_CREATED, &payload, Some(place))
}
