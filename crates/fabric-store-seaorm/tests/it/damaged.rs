//! A channel that cannot be read keeps to itself.

use std::sync::Arc;

use fabric_domain::model::{Author, SettingsPatch, XType};
use fabric_domain::services::{CreateChannel, Post};
use fabric_testkit::{Recorder, TestGuild};
use sea_orm::ConnectionTrait;

use crate::databases::Fresh;

on_each_database!(a_damaged_channel_does_not_keep_the_turns_of_others_from_lapsing);

async fn a_damaged_channel_does_not_keep_the_turns_of_others_from_lapsing(fresh: Fresh) {
    let published = Arc::new(Recorder::default());
    let guild = TestGuild::on(fresh.store(Arc::clone(&published) as _).await, published);
    let alice = guild.human("alice");
    let mut channels = Vec::new();
    for timeout in [10, 20] {
        let new = CreateChannel {
            members: vec!["bob".into()],
            settings: SettingsPatch { turn_timeout_seconds: Some(timeout), ..SettingsPatch::default() },
            ..CreateChannel::new("room", XType::Discuss)
        };
        let id = guild.guild.create_channel(&alice, new).await.unwrap().channel.id;
        let post = Post { content: "hello".to_owned(), ..Post::default() };
        guild.guild.post(&Author::User(alice.clone()), &id, post, None).await.unwrap();
        channels.push(id);
    }
    let [damaged, fine] = &channels[..] else { unreachable!("two were made") };
    let damage = format!("UPDATE channels SET turn = '{{' WHERE id = '{damaged}'");
    fresh.connect().await.execute_unprepared(&damage).await.unwrap();

    guild.clock.advance_seconds(60);
    guild.guild.expire_turns().await.unwrap_err();
    let turn = guild.guild.turn(&alice, fine).await.unwrap();
    assert_eq!(turn.state.active(), Some(&"alice".into()), "bob was skipped");
}
