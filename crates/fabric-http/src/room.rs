//! Room for long answers.

use std::sync::Arc;

use fabric_serverkit::web::HttpError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So many long lists are read and written at a time. More would only wait for each other in memory, each with 8 MiB.
const LISTS: usize = 4;
/// So many searches: as many as the store lets search.
const SEARCHES: usize = 3;

/// Whoever makes a long answer takes a place until it is made. Further ones wait for theirs.
#[derive(Debug, Clone)]
pub struct Room {
    lists: Arc<Semaphore>,
    /// Apart from lists: a search may take seconds.
    searches: Arc<Semaphore>,
}

impl Default for Room {
    fn default() -> Self {
        Self { lists: Arc::new(Semaphore::new(LISTS)), searches: Arc::new(Semaphore::new(SEARCHES)) }
    }
}

impl Room {
    pub(crate) async fn for_a_list(&self) -> Result<OwnedSemaphorePermit, HttpError> {
        take(&self.lists).await
    }

    pub(crate) async fn for_a_search(&self) -> Result<OwnedSemaphorePermit, HttpError> {
        take(&self.searches).await
    }
}

async fn take(places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, HttpError> {
    let place = Arc::clone(places).acquire_owned().await;
    place.map_err(|_| HttpError::new(503, "overloaded", "the server is stopping"))
}
