//! The words of messages from before there was searching.

use std::sync::Arc;

use fabric_domain::decisions::{CreateChannel, Post};
use fabric_domain::model::{Author, ChannelType};
use fabric_domain::ports::{Reader, Search, SearchStore, SeqRange};
use fabric_domain::rules::command::Command;
use fabric_domain::rules::search::Query;
use fabric_domain::services::CommandRequest;
use fabric_store_seaorm::{SqlStore, migrate};
use fabric_testkit::{Recorder, TestGuild};
use sea_orm::{ConnectionTrait, DbBackend};

use crate::databases::Fresh;

on_each_database!(messages_from_before_there_was_searching_are_found);

const MIGRATION: &str = "m20261120_000003_search";

/// A channel with more messages than are read at once; some edited, some deleted, one a command's answer.
async fn fill(fresh: &Fresh) -> Arc<SqlStore> {
    let published = Arc::new(Recorder::default());
    let store = fresh.store(Arc::clone(&published) as _).await;
    let guild = TestGuild::on(Arc::clone(&store) as _, published);
    let alice = guild.human("alice");
    let new =
        CreateChannel { members: vec!["bob".into()], ..CreateChannel::new("room", ChannelType::Discuss) };
    let id = guild.create_channel(&alice, new).await.unwrap().channel.id;
    let long = "lang ".repeat(150_000);
    for n in 0..230 {
        let content = if n % 50 == 0 { format!("wörd {n} {long}") } else { format!("wörd {n}") };
        let post = Post::text(content);
        guild.guild.post(&Author::User(alice.clone()), &id, post, None).await.unwrap();
    }
    guild.guild.command(&alice, &id, Command::ForceProceed, CommandRequest::default(), None).await.unwrap();
    let messages = guild.guild.messages(&alice, &id, SeqRange::default(), 10).await.unwrap().messages;
    guild.guild.edit(&alice, &id, &messages[0].id, "another wörd".to_owned()).await.unwrap();
    guild.guild.delete(&alice, &id, &messages[1].id).await.unwrap();
    store
}

/// Ids of what bob finds, the newest first.
async fn found(store: &SqlStore, text: &str) -> Vec<String> {
    let search = Search {
        query: Query::parse(text).unwrap(),
        reader: Reader { user: "bob".into(), reads_triage: false },
        channel: None,
        author: Some("alice".into()),
        before: None,
        limit: 1_000,
    };
    let found = store.search(&search).await.unwrap().unwrap();
    found.into_iter().map(|message| message.id.into()).collect()
}

async fn all(store: &SqlStore) -> [Vec<String>; 4] {
    [
        found(store, "word").await,
        found(store, "another word").await,
        found(store, "la*").await,
        found(store, "7").await,
    ]
}

/// Also when filling the index broke off before its end, where the schema's changes are no transaction.
async fn messages_from_before_there_was_searching_are_found(fresh: Fresh) {
    let store = fill(&fresh).await;
    let before = all(&store).await;
    assert_eq!(before.each_ref().map(Vec::len), [229, 1, 5, 1]);

    // Nobody serves a guild whose schema goes back: what is not in the index yet would be put into it twice.
    store.close().await.unwrap();
    while !migrate::down(&fresh.url)
        .await
        .unwrap()
        .iter()
        .any(|line| line.contains(MIGRATION) && !line.starts_with("applied"))
    {}
    migrate::up(&fresh.url).await.unwrap();
    let store = fresh.store(Arc::new(Recorder::default())).await;
    assert_eq!(all(&store).await, before);

    let connection = fresh.connect().await;
    let half = "SELECT number FROM search_documents WHERE message_id > 'm00000150'";
    let mut broken_off = vec![
        format!("DELETE FROM seaql_migrations WHERE version = '{MIGRATION}'"),
        "DELETE FROM search_documents WHERE message_id > 'm00000150'".to_owned(),
    ];
    if connection.get_database_backend() == DbBackend::Sqlite {
        broken_off.insert(0, format!("DELETE FROM search_words WHERE rowid IN ({half})"));
    }
    for statement in broken_off {
        connection.execute_unprepared(&statement).await.unwrap();
    }
    assert_ne!(all(&store).await, before);
    migrate::up(&fresh.url).await.unwrap();
    assert_eq!(all(&store).await, before);
}
