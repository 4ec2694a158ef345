//! Many writes in one transaction, and what follows its commit. Writer and lanes share it.
//!
//! A batch works on its channels in memory. A decision sees what the one before it has left; what they want written is
//! collected ([`Rows`]) and written together, at the end or before something that has to be read or is written by
//! itself, so that the order stays.
//!
//! **Verified.** A channel from the [`Cache`] may be old, since another process may have written to it. It is verified
//! when its row is locked in this transaction, and has the version that the channel in memory has. That is so once its
//! row is updated: an update writes over that version only. What writes nothing, a refusal for example, is decided on a
//! verified channel only; and so is what reads more than the channel.

use std::collections::HashMap;

use fabric_domain::decisions::{Change, ChannelAggregate, Commit};
use fabric_domain::model::{ChannelId, ChannelType, IdempotencySlot, PriorAnswer, Refusal, Timestamp};
use fabric_domain::ports::{Decide, Publisher, Scope, StoreError, UpdateError};
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use super::apply;
use super::cache::Cache;
use super::rest::Rest;
use super::rows::{Changed, Rows};
use super::write::{Answer, Outcome, Publication, Write, Written};
use crate::error::{DatabaseError, WriteError};
use crate::query::channels::Key;
use crate::query::{self, Lock};

/// A transaction takes no further write once it has so many bytes of new and edited texts: whoever waits for it would
/// wait for all of them.
const MAX_TEXT: usize = 1 << 20;

/// The outcome of a transaction with one write.
pub(crate) fn single(outcomes: Result<Vec<Outcome>, DatabaseError>) -> Outcome {
    let no_answer = || Err(StoreError::Unavailable("no answer".to_owned()).into());
    match outcomes {
        Ok(mut outcomes) => outcomes.pop().unwrap_or_else(no_answer),
        Err(error) => Err(StoreError::from(error).into()),
    }
}

/// Publishes what was committed; what is left is the answer.
pub(crate) async fn publish(outcome: Outcome, publisher: &dyn Publisher) -> Answer {
    let Written { change, publication } = outcome?;
    match publication {
        Some(Publication::Commit(commit)) => publisher.publish(commit).await,
        Some(Publication::Presence(presence)) => publisher.presence(presence.as_ref().clone()).await,
        None => {}
    }
    Ok(change)
}

/// The writes of one transaction, while it is open.
pub(crate) struct Batch<'a, C> {
    db: &'a C,
    cache: &'a Cache,
    /// The idempotency keys of its writes, and the answers that there are to them, once somebody asks.
    slots: Vec<&'a IdempotencySlot>,
    answers: Option<HashMap<Key, PriorAnswer>>,
    /// The channels of its decisions.
    channels: HashMap<ChannelId, Working>,
    rows: Rows,
}

/// A channel as the decisions so far have left it.
struct Working {
    aggregate: ChannelAggregate,
    /// The version of its row.
    stored: u64,
    /// Whether its row is locked, and is known to have that version.
    is_verified: bool,
    changed: Changed,
}

impl Working {
    fn kept(aggregate: ChannelAggregate) -> Self {
        let stored = aggregate.channel.version;
        Self { aggregate, stored, is_verified: false, changed: Changed::default() }
    }

    /// Whether there is something to be written to its row.
    fn is_ahead(&self) -> bool {
        self.aggregate.channel.version > self.stored
    }
}

/// What a batch is when all its decisions are made.
pub(crate) struct Decided {
    /// Of the first writes; the others are left for the next transaction.
    pub(crate) outcomes: Vec<Outcome>,
    /// What is still to be written.
    pub(crate) last: Vec<Statement>,
    /// The channels as they are once it is committed.
    pub(crate) channels: Vec<ChannelAggregate>,
}

impl<'a, C: ConnectionTrait> Batch<'a, C> {
    /// A batch of a transaction that has just begun, or begins with its first statement.
    pub(crate) fn new(db: &'a C, cache: &'a Cache) -> Self {
        let (slots, channels) = (Vec::new(), HashMap::new());
        Self { db, cache, slots, answers: None, channels, rows: Rows::default() }
    }

    /// Carries out writes one after the other; the first failure of the database fails them all. A transaction takes
    /// only so much text ([`MAX_TEXT`]).
    pub(crate) async fn run(
        mut self,
        writes: impl ExactSizeIterator<Item = &'a Write> + Clone,
    ) -> Result<Decided, DatabaseError> {
        self.slots = writes.clone().filter_map(Write::slot).collect();
        let (mut outcomes, mut text) = (Vec::with_capacity(writes.len()), 0);
        for write in writes {
            if text >= MAX_TEXT {
                break;
            }
            let outcome = match self.apply(write).await {
                Err(WriteError::Database(error)) => return Err(error),
                outcome => outcome.map_err(UpdateError::from),
            };
            text += outcome.as_ref().map_or(0, Written::text_len);
            outcomes.push(outcome);
        }
        let last = self.take_statements()?;
        let channels = self.channels.into_values().map(|channel| channel.aggregate).collect();
        Ok(Decided { outcomes, last, channels })
    }

    async fn apply(&mut self, write: &Write) -> Result<Written, WriteError> {
        match write {
            Write::Update { scope, decide, now } => return self.update(scope, decide, *now).await,
            Write::Fence(_) => return Ok(Written::default()),
            // Who is busy changes.
            Write::Presence(_) => self.forget(ChannelType::Announce).await?,
            _ => self.flush().await?,
        }
        apply::apply(self.db, write).await
    }

    /// The one write path: decide on the channel as it is, and collect what that writes.
    async fn update(
        &mut self,
        scope: &Scope,
        decide: &Decide,
        now: Timestamp,
    ) -> Result<Written, WriteError> {
        let mut channel = self.channel(scope).await?.ok_or(WriteError::NoSuchChannel)?;
        self.look(&mut channel.aggregate, scope).await?;
        let mut decided = decide(&channel.aggregate);
        if !channel.is_verified && !writes(&decided) {
            channel = self.verify(channel).await?.ok_or(WriteError::NoSuchChannel)?;
            self.look(&mut channel.aggregate, scope).await?;
            decided = decide(&channel.aggregate);
        }
        let collected = decided.map_err(WriteError::Refused).and_then(|change| {
            let rest = self.collect(&mut channel, scope, &change, now)?;
            Ok((change, rest))
        });
        self.channels.insert(scope.channel.clone(), channel);
        let (mut change, rest) = collected?;
        if change.is_silent() {
            return Ok(Written { change: Some(Box::new(change)), publication: None });
        }
        if let Some(rest) = rest {
            self.flush().await?;
            rest.write(self.db, &change, &self.channels[&scope.channel].aggregate.members).await?;
        }
        let events = std::mem::take(&mut change.events);
        let version = self.channels[&scope.channel].aggregate.channel.version;
        let commit = Commit { channel_id: scope.channel.clone(), version, events };
        Ok(Written { change: Some(Box::new(change)), publication: Some(Publication::Commit(commit)) })
    }

    /// The channel that a write is about: verified where the write reads more than the channel, unless that alone locks
    /// everything.
    async fn channel(&mut self, scope: &Scope) -> Result<Option<Working>, DatabaseError> {
        let id = &scope.channel;
        let reads = scope.message.is_some() || !scope.files.is_empty() || scope.idempotency.is_some();
        let found = self.channels.remove(id).or_else(|| self.cache.take(id).map(Working::kept));
        match found {
            Some(channel) if channel.is_verified || !reads || self.is_sqlite() => Ok(Some(channel)),
            Some(channel) => self.verify(channel).await,
            None => self.load(id).await,
        }
    }

    async fn load(&self, id: &ChannelId) -> Result<Option<Working>, DatabaseError> {
        let loaded = query::channels::aggregate(self.db, &Scope::channel(id), Lock::ForUpdate).await?;
        Ok(loaded.map(|aggregate| Working { is_verified: true, ..Working::kept(aggregate) }))
    }

    /// Locks the channel's row. Where it has another version than it should have, the channel is loaded anew; unless
    /// decisions have relied on it, which then have to be made again.
    async fn verify(&self, channel: Working) -> Result<Option<Working>, DatabaseError> {
        let id = &channel.aggregate.channel.id;
        match query::channels::locked_version(self.db, id).await? {
            Some(version) if version == channel.stored => Ok(Some(Working { is_verified: true, ..channel })),
            _ if channel.is_ahead() => Err(DatabaseError::Stale),
            _ => self.load(id).await,
        }
    }

    /// Adds to the channel what a write wants to see besides.
    async fn look(&mut self, channel: &mut ChannelAggregate, scope: &Scope) -> Result<(), DatabaseError> {
        if scope.message.is_some() || !scope.files.is_empty() {
            // What it looks at may have been written just now.
            self.flush().await?;
        }
        channel.message = match &scope.message {
            Some(id) => query::messages::one(self.db, &scope.channel, id).await?,
            None => None,
        };
        channel.files = query::files::wanted(self.db, &scope.files, Lock::ForUpdate).await?;
        channel.prior = match &scope.idempotency {
            Some(slot) => self.answers().await?.get(&Key::of(slot)).cloned(),
            None => None,
        };
        Ok(())
    }

    /// The answers that there are to the batch's idempotency keys, found all at once.
    async fn answers(&mut self) -> Result<&mut HashMap<Key, PriorAnswer>, DatabaseError> {
        let found = match self.answers.take() {
            Some(answers) => answers,
            None => query::channels::prior_answers(self.db, &self.slots).await?,
        };
        Ok(self.answers.insert(found))
    }

    /// Collects what a decision wants written, and carries the channel forward. What is left is to be written by
    /// itself.
    fn collect(
        &mut self,
        channel: &mut Working,
        scope: &Scope,
        change: &Change,
        now: Timestamp,
    ) -> Result<Option<Rest>, DatabaseError> {
        let before = &channel.aggregate;
        if let (Some(slot), Some(outcome), None) = (&scope.idempotency, &change.outcome, &before.prior) {
            self.rows.answer(slot, outcome, now)?;
            let answer = PriorAnswer { fingerprint: slot.fingerprint.clone(), outcome: outcome.clone() };
            self.answers.get_or_insert_default().insert(Key::of(slot), answer);
        }
        if change.is_silent() {
            return Ok(None);
        }
        if let Some(message) = &change.new_message {
            self.rows.message(message, change.pending_wake.as_ref())?;
        }
        channel.changed = channel.changed.and(Changed::by(change, before));
        let rest = Rest::of(change, before);
        let version = before.channel.version + 1;
        channel.aggregate.advance(change, version);
        Ok(rest)
    }

    /// Writes what is collected.
    async fn flush(&mut self) -> Result<(), DatabaseError> {
        let statements = self.take_statements()?;
        write_all(self.db, statements).await
    }

    /// Writes what is collected, and takes channels of this type as unknown.
    async fn forget(&mut self, channel_type: ChannelType) -> Result<(), DatabaseError> {
        self.flush().await?;
        self.channels.retain(|_, channel| channel.aggregate.channel.channel_type != channel_type);
        Ok(())
    }

    /// What is collected, as statements.
    fn take_statements(&mut self) -> Result<Vec<Statement>, DatabaseError> {
        let mut ahead: Vec<_> = self.channels.values_mut().filter(|channel| channel.is_ahead()).collect();
        // Always in the same order, so that statements are, and no two processes wait for each other.
        ahead.sort_unstable_by(|one, other| one.aggregate.channel.id.cmp(&other.aggregate.channel.id));
        for channel in ahead {
            self.rows.channel(&channel.aggregate, channel.stored, channel.changed)?;
            channel.stored = channel.aggregate.channel.version;
            (channel.is_verified, channel.changed) = (true, Changed::default());
        }
        Ok(self.rows.take(self.db.get_database_backend()))
    }

    /// Whether the first statement locks the database, and not each what it reads.
    fn is_sqlite(&self) -> bool {
        self.db.get_database_backend() == DbBackend::Sqlite
    }
}

/// Carries out statements of [`Rows::take`].
pub(crate) async fn write_all(
    db: &impl ConnectionTrait,
    statements: Vec<Statement>,
) -> Result<(), DatabaseError> {
    // SQLite counts no rows of a view, and fails instead.
    let counts = db.get_database_backend() != DbBackend::Sqlite;
    for statement in statements {
        if db.execute_raw(statement).await?.rows_affected() == 0 && counts {
            return Err(DatabaseError::Stale);
        }
    }
    Ok(())
}

/// Whether a decision writes to its channel.
fn writes(decided: &Result<Change, Refusal>) -> bool {
    decided.as_ref().is_ok_and(|change| !change.is_silent())
}
