//! Searching on `MariaDB` and `MySQL`: the full-text index of `InnoDB`.

use std::fmt::Write as _;

use fabric_domain::rules::search::Token;
use sea_orm::Value;

use super::full_text::{Find, FullText, any, joined};
use super::sql::Sql;

/// How many messages the channels that are named to the index have together at most: it gathers them all at every
/// search.
const MOST_MESSAGES_NAMED: i64 = 100_000;

/// The column `words` of `search_documents`, whose index gives what it finds in no order.
pub(super) struct InnodbText;

impl FullText for InnodbText {
    fn empty(&self, message: Value) -> Vec<Sql> {
        vec![Sql::new("UPDATE search_documents SET words = '' WHERE message_id = ?", [message])]
    }

    fn clear(&self) -> &'static [&'static str] {
        &["DELETE FROM search_documents"]
    }

    fn any(&self, tokens: &[Token]) -> String {
        any(tokens, " ", "*")
    }

    fn every(&self, conditions: &[String]) -> String {
        conditions.iter().fold(String::new(), |mut every, condition| {
            // Writing to a string cannot fail.
            let _ = write!(every, "+{condition} ");
            every
        })
    }

    fn most_messages_named(&self) -> i64 {
        MOST_MESSAGES_NAMED
    }

    fn find_by_index(&self, find: &Find<'_>) -> Sql {
        let text = format!(
            "SELECT number, message_id FROM search_documents {} \
             WHERE MATCH (words) AGAINST (? IN BOOLEAN MODE) AND number < ?",
            joined("search_documents")
        );
        Sql::new(text, [find.user(), find.condition.as_str().into(), find.before.into()])
    }

    /// By their texts, since the index is of no help with one message.
    fn find_in_newest(&self, find: &Find<'_>, oldest: Option<i64>) -> Option<Sql> {
        let text = format!(
            "SELECT STRAIGHT_JOIN number, message_id FROM search_documents {} \
             WHERE number < ? AND number >= ?",
            joined("search_documents")
        );
        let mut sql = Sql::new(text, [find.user(), find.before.into(), oldest?.into()]);
        if let Some(channel) = find.channel() {
            sql.push(" AND search_documents.channel_id = ?", [channel]);
        }
        for term in find.search.query.terms() {
            let patterns = term.iter().flat_map(patterns).map(Value::from).collect::<Vec<_>>();
            let likes = vec!["words LIKE ?"; patterns.len()].join(" OR ");
            sql.push(&format!(" AND ({likes})"), patterns);
        }
        Some(sql)
    }

    /// It would copy the newest messages if they were a query of their own.
    fn oldest_of_newest(&self, find: &Find<'_>) -> Option<Sql> {
        let mut sql = Sql::new("SELECT MIN(number) AS number FROM (", []);
        sql.append(find.newest("number"));
        sql.push(") AS newest", []);
        Some(sql)
    }
}

/// How a token looks among the words of a message, where those of its channel and author are always before it.
fn patterns(token: &Token) -> Vec<String> {
    let text = &token.text;
    if token.is_prefix {
        vec![format!("% {text}%")]
    } else {
        vec![format!("% {text} %"), format!("% {text}")]
    }
}
