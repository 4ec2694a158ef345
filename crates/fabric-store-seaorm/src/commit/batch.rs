//! Many writes in one transaction, and what follows its commit. Writer and lanes share it.

use fabric_domain::ports::{Publisher, StoreError, UpdateError};
use sea_orm::DatabaseTransaction;

use super::apply::apply;
use super::write::{Answer, Outcome, Publication, Write, Written};
use crate::error::{DatabaseError, WriteError};

/// A transaction takes no further write once it has so many bytes of new and edited texts: the words of a megabyte
/// cost an index up to half a second.
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

/// Carries out writes one after the other; the first failure of the database fails them all. A transaction takes only
/// so much text ([`MAX_TEXT`]): the outcomes are those of the first writes, and the others are left for the next one.
pub(crate) async fn apply_all<'a>(
    transaction: &DatabaseTransaction,
    writes: impl ExactSizeIterator<Item = &'a Write>,
) -> Result<Vec<Outcome>, DatabaseError> {
    let (mut outcomes, mut text) = (Vec::with_capacity(writes.len()), 0);
    for write in writes {
        if text >= MAX_TEXT {
            break;
        }
        let outcome = match apply(transaction, write).await {
            // Dropping the transaction rolls it back.
            Err(WriteError::Database(error)) => return Err(error),
            outcome => outcome.map_err(UpdateError::from),
        };
        text += outcome.as_ref().map_or(0, Written::text_len);
        outcomes.push(outcome);
    }
    Ok(outcomes)
}
