//! The words of messages (`fabric_domain::rules::search`) in each database's own full-text index.
//!
//! Every message that can be found has a row in `search_documents`, whose number says where it stands among all.
//! On `MySQL` and `PostgreSQL` its words are a column of it; on `SQLite` they are in the table `search_words`, by
//! that number. They are written in the transaction that writes the message.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use fabric_domain::model::{ChannelId, Message, MessageId};
use fabric_domain::ports::{Reader, Search};
use fabric_domain::rules::search::{Token, author_token, channel_token, document};
use sea_orm::sea_query::Query;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, DbErr, EntityTrait, QueryFilter, QuerySelect,
    Statement, Value,
};

use crate::error::DatabaseError;
use crate::query::messages::with_attachments;
use crate::schema::entity::{channel, member, message};

/// Channels that are named to the index, so that it finds a common word in a few of many channels quickly.
/// Whoever reads more is told apart only when the rows are there.
const NAMED_CHANNELS: u64 = 256;
/// How many messages they have together at most, on `MySQL`, whose index gathers them all at every search.
const NAMED_MESSAGES_MYSQL: i64 = 100_000;

/// Keeps the words of a new message.
pub(crate) async fn keep(db: &impl ConnectionTrait, message: &Message) -> Result<(), DatabaseError> {
    let Some(words) = document(message) else { return Ok(()) };
    let row = [message.id.as_str(), message.channel_id.as_str(), message.author.as_str()].map(Value::from);
    let columns = "INSERT INTO search_documents (message_id, channel_id, author";
    match db.get_database_backend() {
        // Two statements in one go: each way to the connection's thread and back costs more than they do.
        DbBackend::Sqlite => {
            let numbered = "INSERT INTO search_words (rowid, words) VALUES (last_insert_rowid(), ?)";
            let sql = format!("{columns}) VALUES (?, ?, ?); {numbered}");
            run(db, sql, row.into_iter().chain([words.into()])).await
        }
        DbBackend::Postgres => {
            let sql = format!("{columns}, words) VALUES (?, ?, ?, CAST(? AS tsvector))");
            run(db, sql, row.into_iter().chain([words.into()])).await
        }
        _ => {
            let sql = format!("{columns}, words) VALUES (?, ?, ?, ?)");
            run(db, sql, row.into_iter().chain([words.into()])).await
        }
    }
}

/// Replaces the words of an edited or deleted message.
pub(crate) async fn replace(db: &impl ConnectionTrait, message: &Message) -> Result<(), DatabaseError> {
    let Some(words) = document(message) else { return Ok(()) };
    let id = Value::from(message.id.as_str());
    match db.get_database_backend() {
        DbBackend::Sqlite => {
            let number = "SELECT number FROM search_documents WHERE message_id = ?";
            run(db, format!("DELETE FROM search_words WHERE rowid = ({number})"), [id.clone()]).await?;
            if words.is_empty() {
                return Ok(());
            }
            let number = number.replace("SELECT number", "SELECT number, ?");
            run(db, format!("INSERT INTO search_words (rowid, words) {number}"), [words.into(), id]).await
        }
        DbBackend::Postgres => {
            let sql = "UPDATE search_documents SET words = CAST(? AS tsvector) WHERE message_id = ?";
            run(db, sql, [words.into(), id]).await
        }
        _ => run(db, "UPDATE search_documents SET words = ? WHERE message_id = ?", [words.into(), id]).await,
    }
}

/// Empties the index.
pub(crate) async fn forget_all(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    if db.get_database_backend() == DbBackend::Sqlite {
        db.execute_unprepared("INSERT INTO search_words (search_words) VALUES ('delete-all')").await?;
    }
    db.execute_unprepared("DELETE FROM search_documents").await?;
    Ok(())
}

/// The newest messages that the query finds; `None` when `before` was never kept.
pub(crate) async fn search(
    db: &impl ConnectionTrait,
    search: &Search,
) -> Result<Option<Vec<Message>>, DatabaseError> {
    let before = match &search.before {
        Some(id) => match number(db, id).await? {
            Some(number) => Some(number),
            None => return Ok(None),
        },
        None => None,
    };
    let backend = db.get_database_backend();
    let channels = match &search.channel {
        Some(channel) => Channels::Named(vec![channel_token(channel)]),
        None => named_channels(db, &search.reader).await?,
    };
    if matches!(&channels, Channels::Named(channels) if channels.is_empty()) {
        return Ok(Some(Vec::new()));
    }
    let newest = match backend {
        // Its index gives what it finds from the newest on.
        DbBackend::Sqlite => None,
        DbBackend::Postgres => Some(Reach::Newest),
        _ => newest_from(db, search.channel.as_ref(), before).await?.map(Reach::From),
    };
    let limit = usize::try_from(search.limit).unwrap_or(usize::MAX);
    // By their numbers, of which the greatest are wanted.
    let mut found = BTreeMap::new();
    if let Some(newest) = newest {
        found = find(db, statement(backend, search, &channels, before, newest)).await?;
    }
    if found.len() < limit {
        // Beside what is there already: while InnoDB writes its cache of new words down, which takes it a second or
        // two after some megabytes, nothing in there is found.
        found.extend(find(db, statement(backend, search, &channels, before, Reach::All)).await?);
    }
    if found.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let ids: Vec<String> = found.into_values().rev().take(limit).collect();
    let rows = message::Entity::find().filter(message::Column::Id.is_in(&ids)).all(db).await?;
    let messages = with_attachments(db, rows).await?;
    let mut messages: HashMap<String, Message> =
        messages.into_iter().map(|message| (message.id.as_str().to_owned(), message)).collect();
    Ok(Some(ids.iter().filter_map(|id| messages.remove(id)).collect()))
}

/// The ids of messages by their numbers.
async fn find(
    db: &impl ConnectionTrait,
    statement: Statement,
) -> Result<BTreeMap<i64, String>, DatabaseError> {
    let rows = db.query_all_raw(statement).await?;
    let found = rows.iter().map(|row| Ok((row.try_get("", "number")?, row.try_get("", "message_id")?)));
    Ok(found.collect::<Result<_, DbErr>>()?)
}

/// How far a search goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Through the [`NEWEST`] messages, one by one, until enough are found. The full-text index gives what it finds in
    /// no order, so that a common word would cost as much as there are messages with it; but of those a page is soon
    /// full.
    Newest,
    /// The same on `MySQL`, which is told the number of the oldest of them: it would copy them otherwise.
    From(i64),
    /// Through all, by the full-text index.
    All,
}

/// So many of the newest messages, of all or of the channel that is asked for, are looked at one by one.
const NEWEST: i64 = 2_000;

/// The newest messages before a number, of all or of a channel; which are parameters in this order.
fn newest(columns: &str, of_channel: bool) -> String {
    let of_channel = if of_channel { " AND channel_id = ?" } else { "" };
    format!(
        "SELECT {columns} FROM search_documents WHERE number < ?{of_channel} ORDER BY number DESC LIMIT {NEWEST}"
    )
}

/// The number of the oldest of the [`NEWEST`] messages, before this one; `None` when there is none.
async fn newest_from(
    db: &impl ConnectionTrait,
    channel: Option<&ChannelId>,
    before: Option<i64>,
) -> Result<Option<i64>, DatabaseError> {
    let mut sql = Sql::new("SELECT MIN(number) AS number FROM (", []);
    sql.push(&newest("number", channel.is_some()), [before.unwrap_or(i64::MAX).into()]);
    sql.push("", channel.map(|channel| channel.as_str().into()));
    sql.push(") AS newest", []);
    match db.query_one_raw(sql.take(db.get_database_backend())).await? {
        Some(row) => Ok(row.try_get("", "number")?),
        None => Ok(None),
    }
}

/// Where a message stands among all, deleted or not.
async fn number(db: &impl ConnectionTrait, id: &MessageId) -> Result<Option<i64>, DatabaseError> {
    let mut sql = Sql::new("SELECT number FROM search_documents WHERE message_id = ?", [id.as_str().into()]);
    let row = db.query_one_raw(sql.take(db.get_database_backend())).await?;
    Ok(row.map(|row| row.try_get("", "number")).transpose()?)
}

/// Where the index is to look.
enum Channels {
    /// In these.
    Named(Vec<Token>),
    /// Everywhere.
    Any,
}

/// The channels that somebody reads, where they are few enough to be named to the index.
async fn named_channels(db: &impl ConnectionTrait, reader: &Reader) -> Result<Channels, DatabaseError> {
    let own = Query::select()
        .column(member::Column::ChannelId)
        .from(member::Entity)
        .and_where(member::Column::UserId.eq(reader.user.as_str()))
        .take();
    let mut may_read =
        Condition::any().add(channel::Column::IsPublic.eq(true)).add(channel::Column::Id.in_subquery(own));
    if reader.reads_triage {
        may_read = may_read.add(channel::Column::XType.eq("triage"));
    }
    let channels: Vec<(String, i64)> = channel::Entity::find()
        .select_only()
        .columns([channel::Column::Id, channel::Column::LastSeq])
        .filter(may_read)
        .limit(NAMED_CHANNELS + 1)
        .into_tuple()
        .all(db)
        .await?;
    let messages = channels.iter().fold(0_i64, |sum, (_, last_seq)| sum.saturating_add(*last_seq));
    let is_mysql = db.get_database_backend() == DbBackend::MySql;
    if channels.len() as u64 > NAMED_CHANNELS || (is_mysql && messages > NAMED_MESSAGES_MYSQL) {
        return Ok(Channels::Any);
    }
    Ok(Channels::Named(channels.into_iter().map(|(id, _)| channel_token(&ChannelId::from(id))).collect()))
}

/// Finds ids. Tokens may stand for more than what was asked for; the columns are what counts.
fn statement(
    backend: DbBackend,
    search: &Search,
    channels: &Channels,
    before: Option<i64>,
    reach: Reach,
) -> Statement {
    let Search { reader, channel, author, limit, .. } = search;
    let asked = asked(backend, search, channels);
    let before = before.unwrap_or(i64::MAX);
    let user = Value::from(reader.user.as_str());
    // What holds the found rows, to be joined with what says who may read them.
    let found = if backend == DbBackend::Postgres { "found" } else { "search_documents" };
    let joined = format!(
        "JOIN channels ON channels.id = {found}.channel_id LEFT JOIN channel_members \
         ON channel_members.channel_id = channels.id AND channel_members.user_id = ?"
    );
    let mut sql = match backend {
        // The words first: `SQLite` does not reorder a cross join.
        DbBackend::Sqlite => Sql::new(
            format!(
                "SELECT number, message_id FROM search_words CROSS JOIN search_documents \
                 ON search_documents.number = search_words.rowid CROSS {joined} \
                 WHERE search_words MATCH ? AND search_words.rowid < ?"
            ),
            [user, asked.into(), before.into()],
        ),
        DbBackend::Postgres if reach == Reach::Newest => {
            let newest = newest("*", channel.is_some());
            let mut sql = Sql::new(format!("SELECT number, message_id FROM ({newest}"), [before.into()]);
            sql.push("", channel.as_ref().map(|channel| channel.as_str().into()));
            let found = format!(") AS found {joined} WHERE words @@ CAST(? AS tsquery)");
            sql.push(&found, [user, asked.into()]);
            sql
        }
        // Apart, since its planner would rather read all messages from the newest on, which takes very long
        // where the words are rare.
        DbBackend::Postgres => Sql::new(
            format!(
                "WITH found AS MATERIALIZED (SELECT number, message_id, channel_id, author \
                 FROM search_documents WHERE words @@ CAST(? AS tsquery) AND number < ?) \
                 SELECT number, message_id FROM found {joined} WHERE 1 = 1"
            ),
            [asked.into(), before.into(), user],
        ),
        _ if let Reach::From(oldest) = reach => {
            let mut sql = Sql::new(
                format!(
                    "SELECT STRAIGHT_JOIN number, message_id FROM search_documents {joined} \
                     WHERE number < ? AND number >= ?"
                ),
                [user, before.into(), oldest.into()],
            );
            if let Some(channel) = channel {
                sql.push(" AND search_documents.channel_id = ?", [channel.as_str().into()]);
            }
            for term in search.query.terms() {
                let patterns = term.iter().flat_map(patterns).map(Value::from).collect::<Vec<_>>();
                let likes = vec!["words LIKE ?"; patterns.len()].join(" OR ");
                sql.push(&format!(" AND ({likes})"), patterns);
            }
            sql
        }
        _ => Sql::new(
            format!(
                "SELECT number, message_id FROM search_documents {joined} \
                 WHERE MATCH (words) AGAINST (? IN BOOLEAN MODE) AND number < ?"
            ),
            [user, asked.into(), before.into()],
        ),
    };
    let triage = if reader.reads_triage { " OR channels.x_type = 'triage'" } else { "" };
    sql.push(&format!(" AND (channels.is_public OR channel_members.user_id IS NOT NULL{triage})"), []);
    if let Some(channel) = channel {
        sql.push(" AND channels.id = ?", [channel.as_str().into()]);
    }
    if let Some(author) = author {
        sql.push(" AND author = ?", [author.as_str().into()]);
    }
    // On `SQLite` the words' own order, which it can go through backwards.
    let newest = if backend == DbBackend::Sqlite { "search_words.rowid" } else { "number" };
    sql.push(&format!(" ORDER BY {newest} DESC LIMIT ?"), [i64::from(*limit).into()]);
    sql.take(backend)
}

/// The query in the index's own language. Tokens are letters and digits, so none of it can be syntax.
fn asked(backend: DbBackend, search: &Search, channels: &Channels) -> String {
    let mut all: Vec<String> = search.query.terms().map(|term| any(backend, term)).collect();
    if let Channels::Named(channels) = channels {
        all.push(any(backend, channels));
    }
    all.extend(search.author.as_ref().map(|author| any(backend, &[author_token(author)])));
    match backend {
        DbBackend::Sqlite => all.join(" AND "),
        DbBackend::Postgres => all.join(" & "),
        _ => all.iter().fold(String::new(), |mut asked, any| {
            // Writing to a string cannot fail.
            let _ = write!(asked, "+{any} ");
            asked
        }),
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

/// Any of these.
fn any(backend: DbBackend, tokens: &[Token]) -> String {
    let (or, prefix) = match backend {
        DbBackend::Sqlite => (" OR ", "*"),
        DbBackend::Postgres => (" | ", ":*"),
        _ => (" ", "*"),
    };
    let word = |token: &Token| format!("{}{}", token.text, if token.is_prefix { prefix } else { "" });
    match tokens {
        [token] => word(token),
        tokens => format!("({})", tokens.iter().map(word).collect::<Vec<_>>().join(or)),
    }
}

/// A statement with `?` for its values.
struct Sql {
    text: String,
    values: Vec<Value>,
}

impl Sql {
    fn new(text: impl Into<String>, values: impl IntoIterator<Item = Value>) -> Self {
        Self { text: text.into(), values: values.into_iter().collect() }
    }

    fn push(&mut self, text: &str, values: impl IntoIterator<Item = Value>) {
        self.text.push_str(text);
        self.values.extend(values);
    }

    /// For `PostgreSQL` the values are numbered.
    fn take(&mut self, backend: DbBackend) -> Statement {
        let text = std::mem::take(&mut self.text);
        let text = if backend == DbBackend::Postgres {
            let mut numbered = String::with_capacity(text.len());
            for (place, part) in text.split('?').enumerate() {
                if place > 0 {
                    let _ = write!(numbered, "${place}");
                }
                numbered.push_str(part);
            }
            numbered
        } else {
            text
        };
        Statement::from_sql_and_values(backend, text, std::mem::take(&mut self.values))
    }
}

async fn run(
    db: &impl ConnectionTrait,
    text: impl Into<String>,
    values: impl IntoIterator<Item = Value>,
) -> Result<(), DatabaseError> {
    db.execute_raw(Sql::new(text, values).take(db.get_database_backend())).await?;
    Ok(())
}
