//! Every statement of the store finds its rows by an index.
//!
//! The store tells an observer of each statement that it makes while every use case runs; each is then
//! explained, with the values that it had, in a database with enough rows for a full scan to be a mistake.

use std::collections::BTreeMap;
use std::sync::Arc;

use fabric_domain::decisions::{ChannelPatch, CreateChannel, Post};
use fabric_domain::model::{
    Author, Caller, ChannelId, ChannelType, FileName, MediaType, MessageId, PostOutcome, PresenceStatus, Seq,
    Timestamp,
};
use fabric_domain::ports::{ChannelStore, MessageStore, SeqRange, SettledWakes};
use fabric_domain::rules::search::Query;
use fabric_domain::services::{Find, RequestKey};
use fabric_store_seaorm::{Options, SqlStore};
use fabric_testkit::{Recorder, TestClock, TestGuild};
use parking_lot::Mutex;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

use crate::databases::{Fresh, index_all};

on_each_database!(
    no_statement_scans_a_large_table,
    a_guild_may_have_more_channels_than_a_statement_may_have_values,
);

/// Tables that grow with use. (`search_tail` is emptied all the time.)
const LARGE: &[&str] = &[
    "messages",
    "message_revisions",
    "channel_members",
    "read_markers",
    "idempotency_keys",
    "message_attachments",
    "files",
    "file_usage",
    "search_documents",
];

/// Rows beside those of the use cases: 300 channels of 40 members, 200 messages in each.
const ROWS: &[&str] = &[
    "INSERT INTO channels (id, guild_id, name, x_type, is_public, closed, last_seq, created_by, created_at, \
     settings, version, agent_run) \
     WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300) \
     SELECT 'b' || i, 'guild', 'bulk', 'general', i % 20 = 0, i % 30 = 0, 200, 'u1', i, \
     '{\"turnTimeoutSeconds\":0,\"offlineGraceSeconds\":0,\"autonomyBudget\":0,\"agentMentions\":\"wake\"}', 1, 0 \
     FROM n",
    "INSERT INTO channel_members (channel_id, user_id, wake_mapped, position) \
     WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 11999) \
     SELECT 'b' || (1 + i % 300), 'u' || i, 1 = 0, i FROM n",
    "INSERT INTO messages (id, channel_id, guild_id, seq, author, content, mentions, created_at) \
     WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 59999) \
     SELECT 'b' || i, 'b' || (1 + i % 300), 'guild', i / 300 * 300 + i, 'u1', 'some text', '[]', i FROM n",
    "INSERT INTO message_revisions (message_id, number, content, replaced_at) \
     WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 19999) \
     SELECT 'b' || i, 0, 'former', i FROM n",
    "INSERT INTO read_markers (channel_id, user_id, seq) \
     WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 11999) \
     SELECT 'b' || (1 + i % 300), 'u' || i, 7 FROM n",
    "INSERT INTO idempotency_keys (caller, route, `key`, fingerprint, outcome, created_at) \
     WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 19999) \
     SELECT 'u' || i, 'POST /channels/b1/messages', 'k', '', '{}', 1800000000000 + i FROM n",
    "INSERT INTO files (id, name, mime, size, sha256, uploader, created_at, attached, shelved_at) \
     WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 19999) \
     SELECT 'b' || i, 'name', 'image/png', 1, '', 'u' || i, 1800000000000 + i, i % 10 > 0, 1800000000000 + i FROM n",
    "INSERT INTO file_usage (owner, bytes) \
     WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 19999) \
     SELECT 'u' || i, 1 FROM n",
    "INSERT INTO message_attachments (message_id, position, channel_id, file_id, name, mime, size) \
     WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 19999) \
     SELECT 'b' || i, 0, 'b' || (1 + i % 300), 'b' || i, 'name', 'image/png', 1 FROM n",
];

/// Runs an `INSERT … SELECT` on any database.
async fn insert(connection: &DatabaseConnection, rows: &str) {
    let rows = if connection.get_database_backend() == DbBackend::MySql {
        // MariaDB ends a recursion after a thousand rounds unless it is told not to.
        format!("SET STATEMENT max_recursive_iterations = 1000000 FOR {rows}")
    } else {
        rows.replace('`', "\"")
    };
    connection.execute_unprepared(&rows).await.expect("rows");
}

/// Words of the messages above, as many as an ordinary message has.
fn found_by(backend: DbBackend) -> Vec<String> {
    let words = (0..60).map(|n| format!("zzword{n}")).collect::<Vec<_>>().join(" ");
    let rows = |column: &str, value: &str| {
        format!(
            "INSERT INTO search_documents (message_id, channel_id, author{column}) \
             SELECT id, channel_id, author{value} FROM messages"
        )
    };
    match backend {
        DbBackend::Sqlite => vec![
            rows("", ""),
            format!("INSERT INTO search_words (rowid, words) SELECT number, '{words}' FROM search_documents"),
        ],
        DbBackend::Postgres => vec![rows(", words", &format!(", '{words}'::tsvector"))],
        _ => vec![rows(", words", &format!(", '{words}'"))],
    }
}

async fn fill(connection: &DatabaseConnection) {
    for rows in ROWS {
        insert(connection, rows).await;
    }
    for rows in found_by(connection.get_database_backend()) {
        connection.execute_unprepared(&rows).await.expect("rows");
    }
    let analyze = match connection.get_database_backend() {
        DbBackend::MySql => {
            "ANALYZE TABLE channels, channel_members, messages, message_revisions, read_markers, idempotency_keys, \
             message_attachments, files, file_usage, search_documents"
        }
        _ => "ANALYZE",
    };
    connection.execute_unprepared(analyze).await.expect("statistics");
}

/// The lowest limit is `SQLite`'s: 32,766.
async fn a_guild_may_have_more_channels_than_a_statement_may_have_values(fresh: Fresh) {
    let store = fresh.store(Arc::new(Recorder::default())).await;
    let connection = fresh.connect().await;
    let public = ROWS[0].replace("i < 300", "i < 33000").replace("i % 20 = 0", "1 = 1");
    insert(&connection, &public).await;
    insert(&connection, ROWS[1]).await;
    let rows = store.list(&"u7".into()).await.unwrap();
    assert_eq!(rows.len(), 33_000);
    let (members, own): (u64, usize) =
        (rows.iter().map(|row| row.member_count).sum(), rows.iter().filter(|row| row.is_member).count());
    assert_eq!((members, own), (12_000, 1));
}

/// Every use case and every method of the ports, once.
async fn use_everything(store: &Arc<SqlStore>) {
    let guild = TestGuild::on(Arc::clone(store) as _, Arc::new(Recorder::default()));
    let (alice, bob) = (guild.human("alice"), guild.human("bob"));
    let mut ids = Vec::new();
    for channel_type in [ChannelType::Discuss, ChannelType::Triage] {
        let new = CreateChannel {
            is_public: true,
            members: vec!["bob".into()],
            ..CreateChannel::new("room", channel_type)
        };
        ids.push(guild.create_channel(&alice, new).await.unwrap().channel.id);
    }
    let [discuss, triage]: [ChannelId; 2] = ids.try_into().unwrap();
    for id in [&discuss, &triage] {
        for key in [None, Some("k"), Some("k")] {
            let post = Post::text("hello <@bob>");
            let key = key.map(|key| RequestKey::parse(key).unwrap());
            guild.guild.post(&Author::User(alice.clone()), id, post, key).await.unwrap();
        }
    }
    let message = store.page(&discuss, SeqRange::default(), 1).await.unwrap().remove(0);
    let reply = Post { reply_to: Some(message.id.clone()), ..Post::text("a reply") };
    guild.guild.post(&Author::User(bob.clone()), &discuss, reply, None).await.unwrap();
    guild.guild.edit(&alice, &discuss, &message.id, "edited".to_owned()).await.unwrap();
    guild.guild.revisions(&alice, &discuss, &message.id).await.unwrap();
    guild.guild.message(&alice, &discuss, &message.id).await.unwrap();
    guild.guild.delete(&alice, &discuss, &message.id).await.unwrap();
    for (from, to) in [(None, None), (Some(1), None), (None, Some(2)), (Some(1), Some(2))] {
        let range = SeqRange { from: from.map(Seq), to: to.map(Seq) };
        store.page(&discuss, range, 50).await.unwrap();
        store.page(&"b7".into(), range, 50).await.unwrap();
    }
    use_files(&guild, &alice, &discuss).await;
    guild.center.set_admin(Some("alice"));
    // Of what is found some is in the index, and some is not yet.
    assert_eq!(store.index(2).await.unwrap(), 2);
    search(&guild, &discuss, &message.id).await;
    index_all(store).await;
    search(&guild, &discuss, &message.id).await;
    guild.center.know(["bob".into(), "carol".into()].iter());
    guild.guild.set_wake_mapping(&alice, &triage, vec!["bob".into(), "carol".into()]).await.unwrap();
    guild.guild.join(&guild.human("dave"), &triage).await.unwrap();
    guild.guild.leave(&guild.human("dave"), &triage).await.unwrap();
    guild.guild.members(&alice, &triage).await.unwrap();
    let patch = ChannelPatch { purpose: Some("a purpose".to_owned()), ..ChannelPatch::default() };
    guild.guild.patch_channel(&alice, &discuss, patch).await.unwrap();
    assert!(!store.missed_wakes(&triage, &bob.user_id).await.unwrap().is_empty());
    let settled = SettledWakes { channel: triage.clone(), user: bob.user_id.clone(), seq: Seq(9) };
    store.settle_wakes(vec![settled]).await.unwrap();
    guild.guild.mark_read(&bob, &discuss, Seq(1)).await.unwrap();
    guild.guild.mark_read(&bob, &discuss, Seq(2)).await.unwrap();
    guild.guild.set_presence(&bob, &bob.user_id, PresenceStatus::Busy, None).await.unwrap();
    guild.guild.presence(&bob.user_id).await.unwrap();
    for user in ["alice", "u7", "nobody"] {
        guild.guild.channels(&guild.human(user)).await.unwrap();
    }
    guild.guild.channel(&alice, &discuss).await.unwrap();
    guild.clock.advance_seconds(10_000);
    guild.guild.expire_turns().await.unwrap();
    guild.guild.close_channel(&alice, &discuss).await.unwrap();
    store.sweep().await.unwrap();
    guild.clock.advance_seconds(40 * 24 * 3_600);
    assert!(guild.guild.erase_deleted().await.unwrap() > 0);
    store.published(&discuss).await.unwrap();
}

/// By who reads few channels and who reads many, for everything and for some of it.
async fn search(guild: &TestGuild, channel: &ChannelId, message: &MessageId) {
    for user in ["alice", "u7"] {
        for (channel, author, before) in [(None, None, None), (Some(channel), Some("bob"), Some(message))] {
            let find = Find {
                query: Query::parse("hell*").unwrap(),
                channel: channel.cloned(),
                author: author.map(Into::into),
                before: before.cloned(),
                limit: 20,
            };
            guild.guild.search(&guild.human(user), find).await.unwrap();
        }
    }
}

/// Upload, attach, look, delete, sweep.
async fn use_files(guild: &TestGuild, alice: &Caller, channel: &ChannelId) {
    let mut ids = Vec::new();
    for name in ["one", "two"] {
        let name = FileName::sanitise(name);
        let mut upload = guild.guild.begin_upload(alice, name, MediaType::default(), 0).await.unwrap();
        upload.write("bytes".into()).await.unwrap();
        ids.push(guild.guild.finish_upload(upload).await.unwrap().id);
    }
    let post = Post { attachments: ids.clone(), ..Post::text("look") };
    let posted = guild.guild.post(&Author::User(alice.clone()), channel, post, None).await.unwrap();
    let PostOutcome::Message(message) = posted else { panic!("{posted:?}") };
    guild.guild.file(&guild.human("bob"), &ids[0]).await.unwrap();
    guild.guild.delete(alice, channel, &message.id).await.unwrap();
    guild.guild.reconcile_files().await.unwrap();
    let store = &guild.store;
    store.known_files(&ids).await.unwrap();
    let file = store.file(&ids[0]).await.unwrap().unwrap();
    let (at, later) = (Timestamp(1_800_000_000_010), Timestamp(1_800_000_000_020));
    store.expired_files(at, Some(later), 5).await.unwrap();
    store.remove_file(&file).await.unwrap();
}

async fn no_statement_scans_a_large_table(fresh: Fresh) {
    let seen: Arc<Mutex<BTreeMap<String, Statement>>> = Arc::default();
    let observer = {
        let seen = Arc::clone(&seen);
        Arc::new(move |info: &sea_orm::metric::Info<'_>| {
            assert!(!info.failed, "{}", info.statement.sql);
            seen.lock().insert(info.statement.sql.clone(), info.statement.clone());
        })
    };
    let (clock, published) = (Arc::new(TestClock::default()), Arc::new(Recorder::default()));
    let options = Options { observer: Some(observer), index_by_hand: true };
    let store = SqlStore::open_with(&fresh.url, true, clock, published, options).await.unwrap();
    let store = Arc::new(store);
    let connection = fresh.connect().await;
    fill(&connection).await;
    use_everything(&store).await;

    let statements = std::mem::take(&mut *seen.lock());
    for table in LARGE {
        let touched = statements.keys().filter(|sql| sql.contains(table)).count();
        assert!(touched > 0, "{table} is not used: is the audit complete?");
    }
    let (mut scans, mut searches) = (Vec::new(), 0);
    for statement in statements.into_values().filter(|statement| !statement.sql.starts_with("INSERT")) {
        let plan = explain(&connection, &statement).await;
        if ["MATCH", "@@"].iter().any(|search| statement.sql.contains(search)) {
            // On PostgreSQL the newest messages are looked at first, by their number, of all or of a channel.
            let of_newest = |step: &String| {
                step.contains("Index Scan Backward using search_documents_pkey")
                    || step.contains("Scan on search_documents_channel")
                    || step.contains("using search_documents_channel")
            };
            let is_found = |step: &String| is_full_text(statement.db_backend, step) || of_newest(step);
            assert!(plan.iter().any(is_found), "{plan:#?}");
            searches += usize::from(!plan.iter().any(of_newest));
        }
        if plan.iter().any(|step| is_scan(statement.db_backend, step)) {
            scans.push(format!("{}\n    {}", statement.sql, plan.join("\n    ")));
        }
    }
    assert!(searches > 1, "nothing was searched for");
    assert!(scans.is_empty(), "full scans:\n{}", scans.join("\n"));

    // The audit would notice one.
    let scan = Statement::from_string(connection.get_database_backend(), "SELECT * FROM messages");
    let plan = explain(&connection, &scan).await;
    assert!(plan.iter().any(|step| is_scan(scan.db_backend, step)), "{plan:?}");
}

/// The steps of a statement's plan, a line each.
async fn explain(connection: &DatabaseConnection, statement: &Statement) -> Vec<String> {
    let words = if statement.db_backend == DbBackend::Sqlite { "EXPLAIN QUERY PLAN" } else { "EXPLAIN" };
    let explained = Statement { sql: format!("{words} {}", statement.sql), ..statement.clone() };
    let rows = connection.query_all_raw(explained).await.expect("a plan");
    rows.iter()
        .map(|row| match statement.db_backend {
            DbBackend::MySql => {
                let text = |column| row.try_get::<Option<String>>("", column).unwrap().unwrap_or_default();
                format!("{} {} {}", text("table"), text("type"), text("key"))
            }
            DbBackend::Sqlite => row.try_get::<String>("", "detail").unwrap(),
            _ => row.try_get::<String>("", "QUERY PLAN").unwrap(),
        })
        .collect()
}

fn is_full_text(backend: DbBackend, step: &str) -> bool {
    match backend {
        DbBackend::MySql => step == "search_documents fulltext search_documents_words",
        DbBackend::Sqlite => step.starts_with("SCAN search_words VIRTUAL TABLE INDEX"),
        _ => step.contains("Bitmap Index Scan on search_documents_words"),
    }
}

fn is_scan(backend: DbBackend, step: &str) -> bool {
    LARGE.iter().any(|table| match backend {
        DbBackend::MySql => {
            step.starts_with(&format!("{table} ALL ")) || step.starts_with(&format!("{table} index "))
        }
        DbBackend::Sqlite => step.starts_with(&format!("SCAN {table}")),
        _ => step.contains(&format!("Seq Scan on {table}")),
    })
}
