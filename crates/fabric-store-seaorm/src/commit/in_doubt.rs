//! Commits in doubt: finding out whether a commit happened whose answer was lost.

use std::time::Duration;

use fabric_domain::decisions::Event;
use fabric_domain::model::{ChannelId, MessageId};
use fabric_domain::ports::Scope;
use sea_orm::{DatabaseConnection, TransactionTrait};
use tokio::time::{sleep, timeout};

use super::apply::lock_creation;
use super::write::{Outcome, Publication};
use crate::error::DatabaseError;
use crate::query::{Lock, channels};
use crate::schema::convert::to_column;

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(8);
/// The longest pause between two attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Committed,
    /// It was rolled back, or it does no harm to do it again.
    RolledBack,
}

/// What a transaction leaves behind when it is committed.
struct Trace {
    channel: ChannelId,
    version: u64,
    message: Option<MessageId>,
}

/// Asks the database what became of a transaction with these outcomes, until it answers.
pub(crate) async fn resolve(connection: &DatabaseConnection, outcomes: &[Outcome]) -> Fate {
    // Writes that nobody is told of (an answer that is kept, a marker, a presence) may be done twice.
    let Some(trace) = Trace::of(outcomes) else { return Fate::RolledBack };
    let mut pause = Duration::from_millis(50);
    loop {
        match timeout(ATTEMPT, trace.is_there(connection)).await {
            Ok(Ok(true)) => return Fate::Committed,
            Ok(Ok(false)) => return Fate::RolledBack,
            Ok(Err(error)) => {
                tracing::debug!(?error, "a commit is still in doubt: asking the database failed");
            }
            Err(_) => tracing::debug!("a commit is still in doubt: asking the database timed out"),
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE);
    }
}

impl Trace {
    /// The last change of a channel; one transaction is about one channel.
    fn of(outcomes: &[Outcome]) -> Option<Self> {
        let commits = outcomes.iter().rev().filter_map(|outcome| match outcome {
            Ok(written) => match &written.publication {
                Some(Publication::Commit(commit)) => Some(commit),
                Some(Publication::Presence(_)) | None => None,
            },
            Err(_) => None,
        });
        let mut trace: Option<Self> = None;
        for commit in commits {
            let trace = trace.get_or_insert_with(|| Self {
                channel: commit.channel_id.clone(),
                version: commit.version,
                message: None,
            });
            trace.message = trace.message.take().or_else(|| {
                commit.events.iter().find_map(|event| match event {
                    Event::MessageCreated { message, .. } => Some(message.id.clone()),
                    _ => None,
                })
            });
        }
        trace
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
