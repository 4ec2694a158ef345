//! Searching on `SQLite`: its extension FTS5.

use fabric_domain::rules::search::Token;
use sea_orm::Value;

use super::full_text::{Find, FullText, any, joined};
use super::sql::Sql;

/// A table `search_words` whose rowid is the message's number. It keeps no texts, and goes through what it finds from
/// the newest message on.
pub(super) struct SqliteFts;

impl FullText for SqliteFts {
    fn empty(&self, message: Value) -> Vec<Sql> {
        let text = "DELETE FROM search_words WHERE rowid = \
                    (SELECT number FROM search_documents WHERE message_id = ?)";
        vec![Sql::new(text, [message])]
    }

    fn remove(&self, message: Value) -> Vec<Sql> {
        let mut removed = self.empty(message.clone());
        removed.push(Sql::new("DELETE FROM search_documents WHERE message_id = ?", [message]));
        removed
    }

    fn clear(&self) -> &'static [&'static str] {
        &["INSERT INTO search_words (search_words) VALUES ('delete-all')", "DELETE FROM search_documents"]
    }

    fn any(&self, tokens: &[Token]) -> String {
        any(tokens, " OR ", "*")
    }

    fn every(&self, conditions: &[String]) -> String {
        conditions.join(" AND ")
    }

    /// The words' own order, which it can go through backwards.
    fn number(&self) -> &'static str {
        "search_words.rowid"
    }

    fn find_by_index(&self, find: &Find<'_>) -> Sql {
        // The words first: `SQLite` does not reorder a cross join.
        let text = format!(
            "SELECT number, message_id FROM search_words CROSS JOIN search_documents \
             ON search_documents.number = search_words.rowid CROSS {} \
             WHERE search_words MATCH ? AND search_words.rowid < ?",
            joined("search_documents")
        );
        Sql::new(text, [find.user(), find.condition.as_str().into(), find.before.into()])
    }
}
