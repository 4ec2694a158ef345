//! What the full-text index of a kind of database has to be able to do.

use fabric_domain::ports::Search;
use fabric_domain::rules::search::{Token, author_token};
use sea_orm::Value;

use super::sql::Sql;

/// So many of the newest messages, of all or of the channel that is asked for, are looked at one by one.
const NEWEST: i64 = 2_000;

/// The full-text index of one kind of database. It only writes statements; `mod.rs` runs them.
///
/// Statements that find select `number` and `message_id` of `search_documents`, and end in a `WHERE` clause to which
/// [`Find::complete`] adds who may read what is found.
pub(super) trait FullText: Send + Sync {
    /// Takes the words of a message away: it is not found any more, and keeps its number.
    fn empty(&self, message: Value) -> Vec<Sql>;

    /// Takes a message away, with its words and its number.
    fn remove(&self, message: Value) -> Vec<Sql> {
        vec![Sql::new("DELETE FROM search_documents WHERE message_id = ?", [message])]
    }

    /// Empties the index.
    fn clear(&self) -> &'static [&'static str];

    /// A condition in the index's own language: any of these tokens. Tokens are letters and digits, so none of it can
    /// be syntax.
    fn any(&self, tokens: &[Token]) -> String;

    /// A condition in the index's own language: each of these conditions.
    fn every(&self, conditions: &[String]) -> String;

    /// The most messages that the channels which are named to the index may have together.
    fn most_messages_named(&self) -> i64 {
        i64::MAX
    }

    /// The column by which what is found is ordered.
    fn number(&self) -> &'static str {
        "number"
    }

    /// Finds messages by the index, however old they are.
    fn find_by_index(&self, find: &Find<'_>) -> Sql;

    /// Finds messages among the newest ones, looking at one after the other. For indexes that give what they find in
    /// no order: a common word would cost as much as there are messages with it, but of the newest ones a page is soon
    /// full. `None` where the index itself begins with the newest.
    ///
    /// `oldest` is the answer to [`oldest_of_newest`](Self::oldest_of_newest).
    fn find_in_newest(&self, _find: &Find<'_>, _oldest: Option<i64>) -> Option<Sql> {
        None
    }

    /// Asks for the number of the oldest message that [`find_in_newest`](Self::find_in_newest) is to look at, where it
    /// has to be told.
    fn oldest_of_newest(&self, _find: &Find<'_>) -> Option<Sql> {
        None
    }
}

/// Any of the tokens, with what the language has for "or" and for the beginning of a word.
pub(super) fn any(tokens: &[Token], or: &str, prefix: &str) -> String {
    let word = |token: &Token| format!("{}{}", token.text, if token.is_prefix { prefix } else { "" });
    match tokens {
        [token] => word(token),
        tokens => format!("({})", tokens.iter().map(word).collect::<Vec<_>>().join(or)),
    }
}

/// What is to be found.
pub(super) struct Find<'a> {
    pub(super) search: &'a Search,
    /// In the index's own language.
    pub(super) condition: String,
    /// Only messages with a smaller number.
    pub(super) before: i64,
}

impl<'a> Find<'a> {
    /// `channels` are those in which the index is to look; everywhere where there are none.
    pub(super) fn new(
        full_text: &dyn FullText,
        search: &'a Search,
        channels: Option<&[Token]>,
        before: Option<i64>,
    ) -> Self {
        let mut conditions: Vec<String> = search.query.terms().map(|term| full_text.any(term)).collect();
        conditions.extend(channels.map(|channels| full_text.any(channels)));
        conditions.extend(search.author.as_ref().map(|author| full_text.any(&[author_token(author)])));
        Self { search, condition: full_text.every(&conditions), before: before.unwrap_or(i64::MAX) }
    }

    /// Who asks.
    pub(super) fn user(&self) -> Value {
        Value::from(self.search.reader.user.as_str())
    }

    /// The channel in which alone messages are looked for.
    pub(super) fn channel(&self) -> Option<Value> {
        self.search.channel.as_ref().map(|channel| channel.as_str().into())
    }

    /// The newest messages before the number, of all or of the channel; these are its values, in this order.
    pub(super) fn newest(&self, columns: &str) -> Sql {
        let of_channel = if self.search.channel.is_some() { " AND channel_id = ?" } else { "" };
        let text = format!(
            "SELECT {columns} FROM search_documents WHERE number < ?{of_channel} \
             ORDER BY number DESC LIMIT {NEWEST}"
        );
        Sql::new(text, [self.before.into()].into_iter().chain(self.channel()))
    }

    /// Adds to a statement of `full_text` who may read what it finds, and the rest of what was asked for.
    pub(super) fn complete(&self, full_text: &dyn FullText, mut sql: Sql) -> Sql {
        self.restrict(&mut sql);
        let limit = i64::from(self.search.limit);
        sql.push(&format!(" ORDER BY {} DESC LIMIT ?", full_text.number()), [limit.into()]);
        sql
    }

    /// Adds who may read what a statement finds, in which channel it is and by whom. Tokens may stand for more than
    /// what was asked for; the columns are what counts.
    pub(super) fn restrict(&self, sql: &mut Sql) {
        let Search { reader, author, .. } = self.search;
        let triage = if reader.reads_triage { " OR channels.x_type = 'triage'" } else { "" };
        sql.push(&format!(" AND (channels.is_public OR channel_members.user_id IS NOT NULL{triage})"), []);
        if let Some(channel) = self.channel() {
            sql.push(" AND channels.id = ?", [channel]);
        }
        if let Some(author) = author {
            sql.push(" AND author = ?", [author.as_str().into()]);
        }
    }
}

/// As many `?` as there are values in a list.
pub(super) fn placeholders(values: usize) -> String {
    vec!["?"; values].join(", ")
}

/// The ids of a list, with the last one repeated until there are as many as a power of two: each number of values is
/// another statement to prepare, and connections keep few of them.
pub(super) fn padded<'a>(ids: impl ExactSizeIterator<Item = &'a str>) -> Vec<&'a str> {
    let length = ids.len().next_power_of_two();
    let mut padded: Vec<&str> = ids.collect();
    let last = padded.last().copied().unwrap_or_default();
    padded.resize(length, last);
    padded
}

/// Joins what was found, in the table `found`, with its channel and with the membership of who asks, whose id is the
/// only value.
pub(super) fn joined(found: &str) -> String {
    format!(
        "JOIN channels ON channels.id = {found}.channel_id LEFT JOIN channel_members \
         ON channel_members.channel_id = channels.id AND channel_members.user_id = ?"
    )
}
