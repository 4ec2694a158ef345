//! Searching on `PostgreSQL`: a `tsvector` with a GIN index.

use fabric_domain::rules::search::Token;
use sea_orm::Value;

use super::full_text::{Find, FullText, any, joined};
use super::sql::Sql;

/// The column `words` of `search_documents`, whose index gives what it finds in no order.
pub(super) struct PostgresText;

impl FullText for PostgresText {
    fn empty(&self, message: Value) -> Vec<Sql> {
        vec![Sql::new(
            "UPDATE search_documents SET words = CAST('' AS tsvector) WHERE message_id = ?",
            [message],
        )]
    }

    fn clear(&self) -> &'static [&'static str] {
        &["DELETE FROM search_documents"]
    }

    fn any(&self, tokens: &[Token]) -> String {
        any(tokens, " | ", ":*")
    }

    fn every(&self, conditions: &[String]) -> String {
        conditions.join(" & ")
    }

    fn find_by_index(&self, find: &Find<'_>) -> Sql {
        // Materialised apart, since its planner would rather read all messages from the newest on, which takes very
        // long where the words are rare.
        let text = format!(
            "WITH found AS MATERIALIZED (SELECT number, message_id, channel_id, author \
             FROM search_documents WHERE words @@ CAST(? AS tsquery) AND number < ?) \
             SELECT number, message_id FROM found {} WHERE 1 = 1",
            joined("found")
        );
        Sql::new(text, [find.condition.as_str().into(), find.before.into(), find.user()])
    }

    fn find_in_newest(&self, find: &Find<'_>, _oldest: Option<i64>) -> Option<Sql> {
        let mut sql = Sql::new("SELECT number, message_id FROM (", []);
        sql.append(find.newest("*"));
        let found = format!(") AS found {} WHERE words @@ CAST(? AS tsquery)", joined("found"));
        sql.push(&found, [find.user(), find.condition.as_str().into()]);
        Some(sql)
    }
}
