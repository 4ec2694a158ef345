//! The few column types in use, in each database's words.
//!
//! Two ids that differ in anything (case, an accent, a trailing space) are two ids, and texts come back as
//! they went in. `SQLite` compares so by itself; the others are told:
//!
//! - `PostgreSQL`: collation `C` for whatever is compared, independent of the server's locale (which may change
//!   with the operating system and then breaks indexes);
//! - `MySQL` and `MariaDB`: a binary collation without padding, which has another name on each.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{DbBackend, Statement};

/// How the database at hand spells a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
    /// With the collation of its tables.
    MySql(&'static str),
}

impl Dialect {
    /// Asks the server what it is.
    pub(crate) async fn of(manager: &SchemaManager<'_>) -> Result<Self, DbErr> {
        match manager.get_database_backend() {
            DbBackend::Sqlite => Ok(Self::Sqlite),
            DbBackend::Postgres => Ok(Self::Postgres),
            DbBackend::MySql => {
                let query = Statement::from_string(DbBackend::MySql, "SELECT VERSION() AS version");
                let row = manager.get_connection().query_one_raw(query).await?;
                let version: String = row.map_or(Ok(String::new()), |row| row.try_get("", "version"))?;
                Ok(Self::MySql(if version.contains("MariaDB") {
                    "utf8mb4_nopad_bin"
                } else {
                    "utf8mb4_0900_bin"
                }))
            }
            _ => Err(DbErr::Custom("this database is not supported".to_owned())),
        }
    }

    /// A table that is not created twice: where a migration is no transaction (`MySQL`), one that broke off
    /// is simply run again.
    pub(crate) fn table(self, name: impl IntoIden) -> TableCreateStatement {
        let mut table = Table::create();
        table.table(name.into_iden()).if_not_exists();
        if let Self::MySql(collation) = self {
            table.engine("InnoDB").character_set("utf8mb4").collate(collation);
        }
        table
    }

    /// A user, guild, channel or message id: at most 80 characters.
    pub(crate) fn id(self, name: impl IntoIden) -> ColumnDef {
        self.short(name, 80)
    }

    /// A short text of at most `chars` characters.
    pub(crate) fn short(self, name: impl IntoIden, chars: u32) -> ColumnDef {
        let mut column = ColumnDef::new(name);
        match self {
            Self::Postgres => column.custom(format!("varchar({chars}) COLLATE \"C\"")),
            Self::Sqlite | Self::MySql(_) => column.string_len(chars),
        };
        column.not_null().take()
    }

    /// A text of any length, or JSON.
    pub(crate) fn long(self, name: impl IntoIden) -> ColumnDef {
        let mut column = ColumnDef::new(name);
        match self {
            // Its `text` ends at 64 KB.
            Self::MySql(_) => column.custom("longtext"),
            Self::Sqlite | Self::Postgres => column.text(),
        };
        column.not_null().take()
    }
}

/// A number or an instant.
pub(crate) fn number(name: impl IntoIden) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().take()
}

/// A truth value.
pub(crate) fn flag(name: impl IntoIden) -> ColumnDef {
    ColumnDef::new(name).boolean().not_null().take()
}

/// The same column, but it may be null.
pub(crate) fn optional(mut column: ColumnDef) -> ColumnDef {
    column.null().take()
}
