//! Who may see and do what with a channel (spec/3 section 3).
//!
//! What the caller may not see answers as what does not exist; what they may see but not do is refused
//! with its own code.

use super::ChannelAggregate;
use super::aggregate::may_read;
use crate::model::{Refusal, UserId};

/// A user who asks for something of one channel.
#[derive(Debug, Clone, Copy)]
pub struct Access<'a> {
    /// The channel as it is.
    pub channel: &'a ChannelAggregate,
    /// Who asks.
    pub user: &'a UserId,
    /// Center's admin; `None` where there is none, or Center cannot be asked.
    pub admin: Option<&'a UserId>,
}

impl Access<'_> {
    fn is_admin(self) -> bool {
        self.admin == Some(self.user)
    }

    /// Refuses who may not read: participants may, and the admin where it is a `triage`.
    pub fn require_reader(self) -> Result<(), Refusal> {
        let may = may_read(&self.channel.channel, self.channel.is_member(self.user), self.is_admin());
        if may { Ok(()) } else { Err(Refusal::ChannelNotFound) }
    }

    /// Refuses who may not write: participants may.
    pub fn require_participant(self) -> Result<(), Refusal> {
        if self.channel.is_participant(self.user) {
            return Ok(());
        }
        self.require_reader().and(Err(Refusal::NotAMember))
    }

    /// Refuses who is not a member.
    pub fn require_member(self) -> Result<(), Refusal> {
        if self.channel.is_member(self.user) {
            return Ok(());
        }
        self.require_reader().and(Err(Refusal::NotAMember))
    }

    /// Refuses who may not manage: the creator may while they take part, and the admin always.
    pub fn require_manager(self) -> Result<(), Refusal> {
        if self.is_admin() {
            return Ok(());
        }
        self.require_reader()?;
        if self.channel.channel.created_by == *self.user { Ok(()) } else { Err(Refusal::NotChannelOwner) }
    }
}
