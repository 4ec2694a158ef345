//! A fresh database of each kind.

use std::path::Path;
use std::sync::Arc;

use fabric_domain::ports::Publisher;
use fabric_store_seaorm::{Options, SqlStore};
use fabric_testkit::{TestClock, servers};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, Statement};

/// A fresh database, and what has to stay while it is used.
pub(crate) struct Fresh {
    pub(crate) url: String,
    _folder: Option<tempfile::TempDir>,
}

impl Fresh {
    /// A connection beside the store.
    pub(crate) async fn connect(&self) -> DatabaseConnection {
        Database::connect(&self.url).await.expect("the database is there")
    }

    /// The turns of all channels, as they are stored.
    pub(crate) async fn turn_documents(&self) -> Vec<serde_json::Value> {
        let connection = self.connect().await;
        let query = Statement::from_string(
            connection.get_database_backend(),
            "SELECT turn FROM channels WHERE turn IS NOT NULL",
        );
        let rows = connection.query_all_raw(query).await.expect("the table is there");
        let documents = rows.iter().map(|row| row.try_get::<String>("", "turn").expect("a text"));
        documents.map(|json| serde_json::from_str(&json).expect("JSON")).collect()
    }

    /// A store on it.
    pub(crate) async fn store(&self, publisher: Arc<dyn Publisher>) -> Arc<SqlStore> {
        let store = SqlStore::open(&self.url, true, Arc::new(TestClock::default()), publisher).await;
        Arc::new(store.expect("the database opens"))
    }

    /// A store on it whose index for searching grows only by [`SqlStore::index`].
    pub(crate) async fn store_that_is_indexed_by_hand(&self, publisher: Arc<dyn Publisher>) -> Arc<SqlStore> {
        let options = Options { index_by_hand: true, ..Options::default() };
        let clock = Arc::new(TestClock::default());
        let store = SqlStore::open_with(&self.url, true, clock, publisher, options).await;
        Arc::new(store.expect("the database opens"))
    }
}

/// Puts all messages into the index for searching that are not in it yet.
pub(crate) async fn index_all(store: &SqlStore) {
    while store.index(usize::MAX).await.expect("the database answers") > 0 {}
}

pub(crate) fn sqlite() -> Fresh {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = format!("sqlite://{}", folder.path().join("guild.db").display());
    Fresh { url, _folder: Some(folder) }
}

/// The same file each time.
pub(crate) fn sqlite_at(folder: &Path) -> Fresh {
    Fresh { url: format!("sqlite://{}", folder.join("guild.db").display()), _folder: None }
}

pub(crate) fn mariadb() -> Fresh {
    Fresh { url: servers::mariadb().url, _folder: None }
}

pub(crate) fn postgres() -> Fresh {
    Fresh { url: servers::postgres().url, _folder: None }
}

/// A module for each kind of database, with these tests in it; each gets a fresh one.
macro_rules! on_each_database {
    (@ $kind:ident: $($name:ident),* $(,)?) => {
        mod $kind {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name(crate::databases::$kind()).await;
                }
            )*
        }
    };
    ($($names:tt)*) => {
        on_each_database!(@ sqlite: $($names)*);
        on_each_database!(@ mariadb: $($names)*);
        on_each_database!(@ postgres: $($names)*);
    };
}
