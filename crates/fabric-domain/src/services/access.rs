//! Who may see and do what with a channel (spec/3, "Who is asking").
//!
//! What the caller may not see answers as what does not exist; what they may see but not do is refused
//! with its own code.

use crate::decisions::ChannelAggregate;
use crate::model::{Refusal, UserId, XType};

/// A caller before one channel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Access<'a> {
    pub(super) channel: &'a ChannelAggregate,
    pub(super) user: &'a UserId,
    pub(super) admin: Option<&'a UserId>,
}

impl Access<'_> {
    fn is_admin(self) -> bool {
        self.admin == Some(self.user)
    }

    /// May read: participants, and the admin where it is a `triage`.
    pub(super) fn read(self) -> Result<(), Refusal> {
        let may = self.channel.is_participant(self.user)
            || (self.is_admin() && self.channel.channel.x_type == XType::Triage);
        if may { Ok(()) } else { Err(Refusal::ChannelNotFound) }
    }

    /// May write: participants.
    pub(super) fn participate(self) -> Result<(), Refusal> {
        if self.channel.is_participant(self.user) {
            return Ok(());
        }
        self.read().and(Err(Refusal::NotAMember))
    }

    /// May do what members do.
    pub(super) fn member(self) -> Result<(), Refusal> {
        if self.channel.is_member(self.user) {
            return Ok(());
        }
        self.read().and(Err(Refusal::NotAMember))
    }

    /// May manage: the creator while they take part, and the admin.
    pub(super) fn manage(self) -> Result<(), Refusal> {
        if self.is_admin() {
            return Ok(());
        }
        self.read()?;
        if self.channel.channel.created_by == *self.user { Ok(()) } else { Err(Refusal::NotChannelOwner) }
    }
}
