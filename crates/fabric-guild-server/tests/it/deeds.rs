//! What is done besides posting: edits, deletions, memberships, read markers. What was asked, what was
//! answered, and whether the database agrees.

use std::collections::{HashMap, HashSet};

use fabric_client::model::{MessageId, Seq, UserId};
use fabric_client::{Error, GuildClient};
use fabric_domain::model::Message;
use fabric_domain::ports::{ChannelStore, MessageStore};
use fabric_store_seaorm::SqlStore;

use crate::world::{Rooms, World, patiently};

/// Something that may be asked again until it is answered: twice is as good as once.
#[derive(Debug, Clone)]
pub(crate) enum Deed {
    /// By its author, to another text.
    Edit { user: usize, message: MessageId, content: String },
    /// By its author.
    Delete { user: usize, message: MessageId },
    /// Of the lobby.
    Join { user: usize },
    /// Of the lobby.
    Leave { user: usize },
    /// Moves the read marker.
    Read { user: usize, seq: u64 },
}

impl Deed {
    /// Asks for it.
    pub(crate) async fn ask(&self, users: &[GuildClient], rooms: &Rooms) -> Result<(), Error> {
        let Rooms { channel, lobby } = rooms;
        match self {
            Self::Edit { user, message, content } => {
                users[*user].edit_message(channel, message, content).await.map(drop)
            }
            Self::Delete { user, message } => users[*user].delete_message(channel, message).await,
            Self::Join { user } => users[*user].join_channel(lobby).await,
            Self::Leave { user } => users[*user].leave_channel(lobby).await,
            Self::Read { user, seq } => users[*user].mark_read(channel, Seq(*seq)).await,
        }
    }
}

/// A message with all the texts that it is known to have had.
#[derive(Debug, Clone)]
struct Amended {
    texts: Vec<String>,
    deleted: bool,
}

/// How far a user has read: the furthest that was acknowledged, and that was asked for.
#[derive(Debug, Clone, Copy, Default)]
struct Marker {
    acknowledged: u64,
    asked: u64,
}

/// Everything that clients know of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Deeds {
    amended: HashMap<MessageId, Amended>,
    /// Whose history was not compared since it changed.
    changed: HashSet<MessageId>,
    /// By user, once they have joined or left.
    members: HashMap<usize, bool>,
    markers: HashMap<usize, Marker>,
    unknown: Vec<Deed>,
}

impl Deeds {
    /// It is about to be asked for.
    pub(crate) fn ask(&mut self, deed: &Deed, original: Option<&str>) {
        if let (Deed::Edit { message, .. } | Deed::Delete { message, .. }, Some(text)) = (deed, original) {
            let first = || Amended { texts: vec![text.to_owned()], deleted: false };
            self.amended.entry(message.clone()).or_insert_with(first);
        }
        if let Deed::Read { user, seq } = deed {
            let marker = self.markers.entry(*user).or_default();
            marker.asked = marker.asked.max(*seq);
        }
    }

    /// It was answered. The deeds about one message, and about one user's membership, are in order.
    pub(crate) fn acknowledge(&mut self, deed: &Deed) {
        match deed {
            Deed::Edit { message, content, .. } => {
                self.amended_mut(message).texts.push(content.clone());
            }
            Deed::Delete { message, .. } => self.amended_mut(message).deleted = true,
            Deed::Join { user } => drop(self.members.insert(*user, true)),
            Deed::Leave { user } => drop(self.members.insert(*user, false)),
            Deed::Read { user, seq } => {
                let marker = self.markers.entry(*user).or_default();
                marker.acknowledged = marker.acknowledged.max(*seq);
            }
        }
    }

    fn amended_mut(&mut self, message: &MessageId) -> &mut Amended {
        self.changed.insert(message.clone());
        self.amended.get_mut(message).expect("it was asked for")
    }

    /// The answer was lost, or said that the store failed.
    pub(crate) fn lose(&mut self, deed: Deed) {
        self.unknown.push(deed);
    }

    /// Whether the user is in the lobby, as far as is known.
    pub(crate) fn is_member(&self, user: usize) -> bool {
        self.members.get(&user).copied().unwrap_or(false)
    }

    /// Whether nobody knows.
    pub(crate) fn is_in_doubt(&self, user: usize) -> bool {
        let is_theirs =
            |deed: &Deed| matches!(deed, Deed::Join { user: of } | Deed::Leave { user: of } if *of == user);
        self.unknown.iter().any(is_theirs)
    }

    /// What is to be asked again.
    pub(crate) fn take_unknown(&mut self) -> Vec<Deed> {
        std::mem::take(&mut self.unknown)
    }

    pub(crate) fn answers(&self) -> usize {
        self.amended.values().map(|amended| amended.texts.len() - 1 + usize::from(amended.deleted)).sum()
    }

    /// They were compared.
    pub(crate) fn checked(&mut self) {
        self.changed.clear();
    }

    /// The text that a message has now, where it is not the one it was posted with.
    pub(crate) fn text_of(&self, message: &MessageId) -> Option<&str> {
        let amended = self.amended.get(message)?;
        if amended.deleted { Some("") } else { amended.texts.last().map(String::as_str) }
    }

    /// Once nothing is unknown: each message has its history, not a text more or less, memberships are as the
    /// last answer said, and no marker is before what was acknowledged or after what was asked for.
    pub(crate) async fn check(
        &self,
        store: &SqlStore,
        rooms: &Rooms,
        users: &[UserId],
        by_id: &HashMap<&MessageId, &Message>,
    ) {
        assert!(self.unknown.is_empty(), "unsettled: {:?}", self.unknown);
        for (id, amended) in &self.amended {
            let message = by_id.get(id).unwrap_or_else(|| panic!("{amended:?} is lost"));
            assert_eq!(message.deleted_at.is_some(), amended.deleted, "{amended:?}");
            assert_eq!(message.edited_at.is_some(), amended.texts.len() > 1, "{amended:?}");
            if self.changed.contains(id) {
                let kept = store.revisions(id).await.unwrap();
                let kept: Vec<_> = kept.into_iter().map(|revision| revision.content).collect();
                let former = if amended.deleted { amended.texts.len() } else { amended.texts.len() - 1 };
                assert_eq!(kept, amended.texts[..former], "the history of {id}");
            }
        }
        let stored = store.load(&rooms.lobby).await.unwrap().expect("the lobby is there");
        for (user, is_member) in &self.members {
            assert_eq!(stored.is_member(&users[*user]), *is_member, "user {user} in the lobby");
        }
        for (user, marker) in &self.markers {
            let row =
                store.summary(&rooms.channel, &users[*user]).await.unwrap().expect("the channel is there");
            let read = row.channel.last_seq.0 - row.unread_count;
            assert!((marker.acknowledged..=marker.asked).contains(&read), "user {user}: {read}, {marker:?}");
        }
    }
}

/// Asks again for what is unknown.
pub(crate) async fn settle(world: &World, rooms: &Rooms, deed: &Deed) {
    let Err(error) = patiently(|| deed.ask(&world.users, rooms)).await else { return };
    // Whoever has left before cannot leave again; everything else may be done twice.
    let is_done = matches!(deed, Deed::Leave { .. }) && error.code() == Some("not_a_member");
    assert!(is_done, "{deed:?}: {error}\n{}", world.log());
}
