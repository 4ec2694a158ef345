//! An event for many sockets: one for all of them, encoded once for each version, not once for each socket.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use actix_socketio::Outgoing;
use fabric_api::guild;
use fabric_api::realtime::{MessageCreated, NAMESPACE, Wake, event};
use fabric_domain::model::{
    ChannelId, ChannelType, Delivery, DeliveryPlan, Message, Seq, UserId, WakeReason,
};
use serde::Serialize;

use crate::position::{Offset, Position};

/// About what an event takes besides its text, in bytes.
const OVERHEAD: usize = 1_024;

/// An event at its place in the order of all.
pub(crate) struct Broadcast {
    pub(crate) position: Position,
    /// When it was handed over, to tell how far delivery lags behind.
    pub(crate) at: Instant,
    pub(crate) to: Recipients,
    /// Encoded by whoever needs a version first: one that nobody is to get is never encoded.
    versions: Vec<Version>,
    encoder: Encoder,
    weight: usize,
}

type Encoder = Box<dyn Fn(Option<&Wake>, Option<Offset>) -> Option<Outgoing> + Send + Sync>;

/// Whom an event concerns.
#[derive(Debug)]
pub(crate) enum Recipients {
    /// The sockets in a channel.
    Room(ChannelId, Choice),
    /// Every socket.
    Everybody,
    /// The sockets of a user whose membership of a channel has changed.
    Member { user: UserId, channel: ChannelId, change: Membership },
    /// The sockets of a user that are not in the channel, and get its message all the same.
    Outside { user: UserId, channel: ChannelId },
}

/// What has become of a membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Membership {
    Begun,
    /// Over; `may_read` tells whether the user may stay in the room.
    Ended {
        may_read: bool,
    },
}

/// Which sockets in a channel get which version. Users are numbers here, and those who get another version than
/// everybody else are few, so that choosing neither hashes nor compares texts.
#[derive(Debug, Default)]
pub(crate) struct Choice {
    /// Of a message.
    pub(crate) seq: Option<Seq>,
    members: Option<u8>,
    others: Option<u8>,
    /// By number of the user.
    exceptions: Vec<(u64, Option<u8>)>,
}

/// One encoding of an event, in the two shapes in which it may leave: as it is, and, for clients that recover their
/// connection, with its offset behind its arguments.
struct Version {
    wake: Option<(WakeReason, Wake)>,
    plain: OnceLock<Option<Outgoing>>,
    placed: OnceLock<Option<Outgoing>>,
}

impl Version {
    fn new(wake: Option<(WakeReason, Wake)>) -> Self {
        Self { wake, plain: OnceLock::new(), placed: OnceLock::new() }
    }
}

impl Choice {
    /// Everybody in the room gets the one version that there is.
    pub(crate) fn all() -> Self {
        Self { members: Some(0), others: Some(0), ..Self::default() }
    }

    /// The same, without this user.
    pub(crate) fn all_but(person: Option<u64>) -> Self {
        Self { exceptions: person.map(|person| (person, None)).into_iter().collect(), ..Self::all() }
    }

    /// The version for a user, if they get one.
    pub(crate) fn version(&self, person: u64, is_member: bool) -> Option<usize> {
        let everybody = if is_member { self.members } else { self.others };
        let version = match &*self.exceptions {
            [] => everybody,
            [(exception, version)] => {
                if *exception == person {
                    *version
                } else {
                    everybody
                }
            }
            many => match many.binary_search_by_key(&person, |(exception, _)| *exception) {
                Ok(found) => many[found].1,
                Err(_) => everybody,
            },
        };
        version.map(usize::from)
    }
}

/// What is known of an event before it has its place.
pub(crate) struct Draft {
    versions: Vec<Version>,
    encoder: Encoder,
    weight: usize,
}

impl Draft {
    /// An event that everybody gets in the same version.
    pub(crate) fn new(name: &'static str, payload: impl Serialize + Send + Sync + 'static) -> Self {
        let encoder = move |_: Option<&Wake>, offset| encode(name, &payload, offset);
        Self { versions: vec![Version::new(None)], encoder: Box::new(encoder), weight: OVERHEAD }
    }

    /// A message as everybody in its channel gets it; `number` gives the number of a user who has a socket: nobody
    /// else needs a version.
    pub(crate) fn message(
        message: Arc<guild::Message>,
        channel_type: ChannelType,
        plan: &DeliveryPlan,
        number: impl Fn(&UserId) -> Option<u64>,
    ) -> (Self, Choice) {
        let mut versions: Vec<(Delivery, Version)> = Vec::new();
        let mut version = |delivery| {
            let wake = match delivery {
                Delivery::Skip => return None,
                Delivery::Observe => None,
                Delivery::Wake(reason) => Some((reason, plan.wake(reason).into())),
            };
            let known = versions.iter().position(|(known, _)| *known == delivery);
            let at = known.unwrap_or_else(|| {
                versions.push((delivery, Version::new(wake)));
                versions.len() - 1
            });
            u8::try_from(at).ok()
        };
        let (members, others) = (version(plan.of_others(true)), version(plan.of_others(false)));
        let mut exceptions: Vec<_> = plan
            .exceptions
            .iter()
            .filter_map(|(user, delivery)| Some((number(user)?, version(*delivery))))
            .collect();
        exceptions.sort_unstable_by_key(|(person, _)| *person);
        let choice = Choice { seq: Some(message.seq), members, others, exceptions };
        let versions = versions.into_iter().map(|(_, version)| version).collect();
        (Self::created(message, channel_type, versions), choice)
    }

    /// A message as one user gets it, who is not in its channel.
    pub(crate) fn message_to(
        message: Arc<guild::Message>,
        channel_type: ChannelType,
        plan: &DeliveryPlan,
        user: &UserId,
    ) -> Option<Self> {
        let wake = match plan.of(user, false) {
            Delivery::Skip => return None,
            Delivery::Observe => None,
            Delivery::Wake(reason) => Some((reason, plan.wake(reason).into())),
        };
        Some(Self::created(message, channel_type, vec![Version::new(wake)]))
    }

    fn created(message: Arc<guild::Message>, channel_type: ChannelType, versions: Vec<Version>) -> Self {
        let weight = OVERHEAD + message.content.len();
        let encoder =
            move |wake: Option<&Wake>, offset| encode_created(&message, channel_type, wake.cloned(), offset);
        Self { versions, encoder: Box::new(encoder), weight }
    }

    pub(crate) fn placed(self, position: Position, to: Recipients) -> Broadcast {
        let Self { versions, encoder, weight } = self;
        Broadcast { position, at: Instant::now(), to, versions, encoder, weight }
    }
}

impl Broadcast {
    /// How the event goes to those who get this version.
    pub(crate) fn frame(&self, version: usize, with_offset: bool) -> Option<&Outgoing> {
        let Version { wake, plain, placed } = self.versions.get(version)?;
        let (cell, offset) = if with_offset { (placed, Some(self.position.into())) } else { (plain, None) };
        cell.get_or_init(|| (self.encoder)(wake.as_ref().map(|(_, wake)| wake), offset)).as_ref()
    }

    /// Why this version wakes, if it does.
    pub(crate) fn wakes(&self, version: usize) -> Option<WakeReason> {
        self.versions.get(version)?.wake.as_ref().map(|(reason, _)| *reason)
    }

    pub(crate) fn version_count(&self) -> usize {
        self.versions.len()
    }

    /// About how many bytes it takes to keep it.
    pub(crate) fn weight(&self) -> usize {
        self.weight
    }

    /// Who gets which version, where it is for a room.
    pub(crate) fn choice(&self) -> Option<&Choice> {
        match &self.to {
            Recipients::Room(_, choice) => Some(choice),
            _ => None,
        }
    }

    /// For a message to a room, its seq.
    pub(crate) fn seq(&self) -> Option<Seq> {
        self.choice()?.seq
    }
}

impl fmt::Debug for Broadcast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broadcast")
            .field("position", &self.position)
            .field("to", &self.to)
            .finish_non_exhaustive()
    }
}

/// An event for the namespace. Our own types always encode; should one not, it is left out and logged.
pub(crate) fn encode(
    name: &'static str,
    payload: &impl Serialize,
    offset: Option<Offset>,
) -> Option<Outgoing> {
    let encoded = match offset {
        Some(offset) => Outgoing::event(NAMESPACE, name, &(payload, offset.to_string())),
        None => Outgoing::event(NAMESPACE, name, payload),
    };
    encoded.inspect_err(|error| tracing::error!(name, %error, "cannot encode an event")).ok()
}

/// `message.created` for one socket that catches up.
pub(crate) fn created(message: Message, channel_type: ChannelType, wake: Option<Wake>) -> Option<Outgoing> {
    encode_created(&message.into(), channel_type, wake, None)
}

fn encode_created(
    message: &guild::Message,
    channel_type: ChannelType,
    wake: Option<Wake>,
    offset: Option<Offset>,
) -> Option<Outgoing> {
    let payload = MessageCreated {
        message: message.clone(),
        channel_type: channel_type.into(),
        wakeup: wake.is_some(),
        wake,
    };
    encode(event::MESSAGE_CREATED, &payload, offset)
}
