//! What a client that comes to a channel has missed (spec/4 section 2). Who delivers events decides in which order it is sent.

use super::{Guild, ServiceError};
use crate::decisions::{ChannelView, MissedWakes};
use crate::model::{ChannelId, Message, UserId};
use crate::ports::{SeqRange, SettledWakes};

impl Guild {
    /// Returns once everything that was committed to the channel before the call has been handed to the
    /// [`Publisher`](crate::ports::Publisher).
    pub async fn published(&self, channel: &ChannelId) -> Result<(), ServiceError> {
        Ok(self.ports.store.published(channel).await?)
    }

    /// A page of a channel that [`Self::readable`] returned to whoever reads on; they are not checked again.
    pub async fn missed_messages(
        &self,
        channel: &ChannelView,
        range: SeqRange,
        limit: u32,
    ) -> Result<Vec<Message>, ServiceError> {
        Ok(self.ports.store.page(&channel.channel.id, range, limit).await?)
    }

    /// The wakes of a channel that the user has not got yet.
    pub async fn missed_wakes(
        &self,
        channel: &ChannelView,
        user: &UserId,
    ) -> Result<MissedWakes, ServiceError> {
        let stored = self.ports.store.missed_wakes(&channel.channel.id, user).await?;
        Ok(MissedWakes::new(channel, user, stored))
    }

    /// Notes which wakes live sockets have got: they are not missed any more.
    pub async fn settle_wakes(&self, settled: Vec<SettledWakes>) -> Result<(), ServiceError> {
        Ok(self.ports.store.settle_wakes(settled).await?)
    }
}
