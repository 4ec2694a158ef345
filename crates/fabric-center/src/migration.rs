//! The schema, one migration per step. Written so that `SQLite`, `MySQL` and `PostgreSQL` can run it.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, boolean, string_len, string_len_null, text, text_null,
};

/// All migrations, oldest first.
pub(crate) struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(First)]
    }
}

/// Length of an id: a `UUIDv7`, or what another system calls its users and nodes.
const ID: u32 = 80;
/// Length of a SHA-256 in hex.
const HASH: u32 = 64;
/// Length of an email and of a name.
const NAME: u32 = 254;

struct First;

impl MigrationName for First {
    fn name(&self) -> &'static str {
        "m0001_first"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for First {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [
            users(),
            api_keys(),
            sessions(),
            refresh_tokens(),
            nodes(),
            memberships(),
            settings(),
            audit_log(),
        ] {
            manager.create_table(table).await?;
        }
        for (table, column) in [
            ("api_keys", "user_id"),
            ("sessions", "user_id"),
            ("refresh_tokens", "session_id"),
            ("refresh_tokens", "expires_at"),
            ("memberships", "user_id"),
            ("audit_log", "at"),
        ] {
            let name = format!("idx_{table}_{column}");
            manager.create_index(Index::create().name(name).table(table).col(column).to_owned()).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [
            "audit_log",
            "settings",
            "memberships",
            "nodes",
            "refresh_tokens",
            "sessions",
            "api_keys",
            "users",
        ] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

fn users() -> TableCreateStatement {
    Table::create()
        .table("users")
        .col(string_len("id", ID).primary_key())
        .col(string_len("email", NAME))
        .col(string_len("email_key", NAME).unique_key())
        .col(string_len("name", NAME))
        .col(text("password_hash"))
        .col(big_integer_null("disabled_at"))
        .col(big_integer("created_at"))
        .col(big_integer("updated_at"))
        .take()
}

fn api_keys() -> TableCreateStatement {
    Table::create()
        .table("api_keys")
        .col(string_len("id", ID).primary_key())
        .col(string_len("user_id", ID))
        .col(string_len("label", NAME))
        .col(string_len("key_hash", HASH).unique_key())
        .col(big_integer("created_at"))
        .col(big_integer_null("revoked_at"))
        .foreign_key(ForeignKey::create().from("api_keys", "user_id").to("users", "id"))
        .take()
}

fn sessions() -> TableCreateStatement {
    Table::create()
        .table("sessions")
        .col(string_len("id", ID).primary_key())
        .col(string_len("user_id", ID))
        .col(string_len_null("api_key_id", ID))
        .col(big_integer("created_at"))
        .col(big_integer("expires_at"))
        .col(big_integer_null("revoked_at"))
        .foreign_key(ForeignKey::create().from("sessions", "user_id").to("users", "id"))
        .take()
}

fn refresh_tokens() -> TableCreateStatement {
    Table::create()
        .table("refresh_tokens")
        .col(string_len("token_hash", HASH).primary_key())
        .col(string_len("session_id", ID))
        .col(big_integer("expires_at"))
        .col(big_integer_null("used_at"))
        .foreign_key(
            ForeignKey::create()
                .from("refresh_tokens", "session_id")
                .to("sessions", "id")
                .on_delete(ForeignKeyAction::Cascade),
        )
        .take()
}

fn nodes() -> TableCreateStatement {
    Table::create()
        .table("nodes")
        .col(string_len("id", ID).primary_key())
        .col(string_len("name", NAME))
        .col(text("endpoint"))
        .col(string_len("status", 32))
        .col(text_null("purpose"))
        .col(boolean("is_open"))
        .col(string_len("key_hash", HASH).unique_key())
        .col(big_integer("created_at"))
        .col(big_integer("updated_at"))
        .take()
}

fn memberships() -> TableCreateStatement {
    Table::create()
        .table("memberships")
        .col(string_len("node_id", ID))
        .col(string_len("user_id", ID))
        .col(big_integer("created_at"))
        .primary_key(Index::create().col("node_id").col("user_id"))
        .foreign_key(ForeignKey::create().from("memberships", "node_id").to("nodes", "id"))
        .foreign_key(ForeignKey::create().from("memberships", "user_id").to("users", "id"))
        .take()
}

fn settings() -> TableCreateStatement {
    Table::create().table("settings").col(string_len("name", 64).primary_key()).col(text("value")).take()
}

fn audit_log() -> TableCreateStatement {
    Table::create()
        .table("audit_log")
        .col(string_len("id", ID).primary_key())
        .col(big_integer("at"))
        .col(string_len("actor", 128))
        .col(string_len("action", 64))
        .col(string_len("target", ID))
        .col(text_null("detail"))
        .take()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sea_orm::Database;

    #[tokio::test]
    async fn the_schema_goes_up_down_and_up_again() {
        let db = Database::connect("sqlite::memory:").await.unwrap();
        Migrator::up(&db, None).await.unwrap();
        Migrator::down(&db, None).await.unwrap();
        Migrator::up(&db, None).await.unwrap();
    }
}
