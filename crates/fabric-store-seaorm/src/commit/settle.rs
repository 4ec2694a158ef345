//! Finding out whether a commit happened whose answer was lost.

use std::time::Duration;

use fabric_domain::decisions::Event;
use fabric_domain::model::{ChannelId, MessageId};
use fabric_domain::ports::Scope;
use sea_orm::{DatabaseConnection, TransactionTrait};
use tokio::time::{sleep, timeout};

use super::apply::lock_creation;
use super::write::{News, Outcome};
use crate::error::DatabaseError;
use crate::query::{Lock, channels};
use crate::schema::convert::to_column;

/// How long one look may take.
const LOOK: Duration = Duration::from_secs(8);
/// The longest pause between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settled {
    Committed,
    /// Or it does no harm to do it again.
    RolledBack,
}

/// What a transaction leaves behind when it is committed.
struct Mark {
    channel: ChannelId,
    version: u64,
    message: Option<MessageId>,
}

/// Asks the database until it answers.
pub(crate) async fn settle(connection: &DatabaseConnection, outcomes: &[Outcome]) -> Settled {
    // Writes that nobody is told of (an answer that is kept, a marker, a presence) may be done twice.
    let Some(mark) = Mark::of(outcomes) else { return Settled::RolledBack };
    let mut pause = Duration::from_millis(50);
    loop {
        match timeout(LOOK, mark.is_there(connection)).await {
            Ok(Ok(true)) => return Settled::Committed,
            Ok(Ok(false)) => return Settled::RolledBack,
            Ok(Err(error)) => tracing::debug!(?error, "a commit is not settled yet"),
            Err(_) => tracing::debug!("a commit is not settled yet: no answer in time"),
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE);
    }
}

impl Mark {
    /// The last change of a channel; one transaction is about one channel.
    fn of(outcomes: &[Outcome]) -> Option<Self> {
        let commits = outcomes.iter().rev().filter_map(|outcome| match outcome {
            Ok(written) => match &written.news {
                Some(News::Commit(commit)) => Some(commit),
                Some(News::Presence(_)) | None => None,
            },
            Err(_) => None,
        });
        let mut mark: Option<Self> = None;
        for commit in commits {
            let mark = mark.get_or_insert_with(|| Self {
                channel: commit.channel_id.clone(),
                version: commit.version,
                message: None,
            });
            mark.message = mark.message.take().or_else(|| {
                commit.events.iter().find_map(|event| match event {
                    Event::MessageCreated { message, .. } => Some(message.id.clone()),
                    _ => None,
                })
            });
        }
        mark
    }

    /// Looks under the channel's lock: while the transaction in question is open it holds that lock (or that of
    /// its creation), so whoever gets it sees how it ended.
    async fn is_there(&self, connection: &DatabaseConnection) -> Result<bool, DatabaseError> {
        let transaction = connection.begin().await?;
        let scope = Scope { message: self.message.clone(), ..Scope::channel(&self.channel) };
        let mut found = channels::aggregate(&transaction, &scope, Lock::ForUpdate).await?;
        if found.is_none() {
            lock_creation(&transaction, &self.channel).await?;
            found = channels::aggregate(&transaction, &scope, Lock::ForUpdate).await?;
        }
        let Some(channel) = found else { return Ok(false) };
        Ok(match self.message {
            // Ids are unique, so this is certain.
            Some(_) => channel.message.is_some(),
            // Certain while no other process writes to this channel: its lane is waiting for us.
            None => to_column(channel.channel.version) >= to_column(self.version),
        })
    }
}
