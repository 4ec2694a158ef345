//! A channel that cannot be read keeps to itself; and a guild that cannot be searched is not passed on.

use std::sync::Arc;

use fabric_domain::decisions::{CreateChannel, Post};
use fabric_domain::model::{Author, ChannelType, SettingsPatch};
use fabric_testkit::{Recorder, TestGuild};
use sea_orm::ConnectionTrait;

use crate::archive::export;
use crate::databases::{Fresh, index_all};

on_each_database!(
    a_damaged_channel_does_not_keep_the_turns_of_others_from_lapsing,
    a_message_that_no_search_finds_keeps_the_guild_from_being_exported,
);

async fn a_damaged_channel_does_not_keep_the_turns_of_others_from_lapsing(fresh: Fresh) {
    let published = Arc::new(Recorder::default());
    let guild = TestGuild::on(fresh.store(Arc::clone(&published) as _).await, published);
    let alice = guild.human("alice");
    let mut channels = Vec::new();
    for timeout in [10, 20] {
        let new = CreateChannel {
            members: vec!["bob".into()],
            settings: SettingsPatch { turn_timeout_seconds: Some(timeout), ..SettingsPatch::default() },
            ..CreateChannel::new("room", ChannelType::Discuss)
        };
        let id = guild.create_channel(&alice, new).await.unwrap().channel.id;
        let post = Post { content: "hello".to_owned(), ..Post::default() };
        guild.guild.post(&Author::User(alice.clone()), &id, post, None).await.unwrap();
        channels.push(id);
    }
    let [damaged, fine] = &channels[..] else { unreachable!("two were made") };
    let damage = format!("UPDATE channels SET turn = '{{' WHERE id = '{damaged}'");
    fresh.connect().await.execute_unprepared(&damage).await.unwrap();

    // Once it is loaded; what a store has in memory is not damaged.
    let published = Arc::new(Recorder::default());
    let guild = TestGuild::on(fresh.store(Arc::clone(&published) as _).await, published);
    guild.clock.advance_seconds(60);
    guild.guild.expire_turns().await.unwrap_err();
    let turn = guild.guild.turn(&alice, fine).await.unwrap();
    // Everybody but the last author has declined, so the channel is silent.
    assert_eq!(turn.state.active(), None, "bob was skipped");
}

async fn a_message_that_no_search_finds_keeps_the_guild_from_being_exported(fresh: Fresh) {
    let published = Arc::new(Recorder::default());
    let store = fresh.store_that_is_indexed_by_hand(Arc::clone(&published) as _).await;
    let guild = TestGuild::on(Arc::clone(&store) as _, published);
    let alice = guild.human("alice");
    let new = CreateChannel::new("room", ChannelType::General);
    let id = guild.create_channel(&alice, new).await.unwrap().channel.id;
    for text in ["one", "two"] {
        guild.guild.post(&Author::User(alice.clone()), &id, Post::text(text), None).await.unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    export(&fresh, &folder.path().join("whole")).await.unwrap();

    index_all(&store).await;
    let connection = fresh.connect().await;
    connection.execute_unprepared("DELETE FROM search_documents WHERE number = 1").await.unwrap();
    let refused = export(&fresh, &folder.path().join("less")).await.unwrap_err();
    assert_eq!(refused.code(), "database_inconsistent", "{refused}");
    assert!(refused.to_string().contains("2 messages can be found by searching, and 1 have"), "{refused}");
    assert!(!folder.path().join("less").exists());
}
