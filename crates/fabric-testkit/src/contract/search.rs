//! What is found, by whom, and in which order.

use std::sync::Arc;

use fabric_domain::decisions::CreateChannel;
use fabric_domain::model::{ChannelId, ChannelType, Message, Refusal, UserId};
use fabric_domain::rules::search::Query;
use fabric_domain::services::{Find, Hits, ServiceError};

use super::{Opened, channel, created, post};
use crate::TestGuild;

fn words(text: &str) -> Find {
    Find { query: Query::parse(text).unwrap(), channel: None, author: None, before: None, limit: 100 }
}

async fn hits(guild: &TestGuild, user: &str, find: Find) -> Hits {
    guild.guild.search(&guild.human(user), find).await.unwrap()
}

fn contents(hits: &Hits) -> Vec<&str> {
    hits.hits.iter().map(|hit| hit.message.content.as_str()).collect()
}

/// Contents of what this user finds by these words.
async fn found(guild: &TestGuild, user: &str, text: &str) -> Vec<String> {
    contents(&hits(guild, user, words(text)).await).into_iter().map(str::to_owned).collect()
}

async fn public(guild: &TestGuild, name: &str) -> ChannelId {
    let new = CreateChannel { is_public: true, ..CreateChannel::new(name, ChannelType::General) };
    guild.create_channel(&guild.human("alice"), new).await.unwrap().channel.id
}

/// Whatever the language, and however common or short the words are; the newest first, as they were stored.
pub async fn a_message_is_found_by_its_words_as_soon_as_it_is_acknowledged(on: Opened) {
    let guild = on.guild();
    let id = channel(&guild, ChannelType::General).await;
    let mut posted = Vec::new();
    for content in [
        "The QUICK brown fox, at last",
        "Über den Wolken & a b c",
        "昨日、東京都でカレーを食べた",
        "서울에서 만나요 🧵🏽",
        "self_test.rs:42 don't",
        "i it is of on or that the this to was what when where who will with",
        "привет мир",
    ] {
        posted.push(post(&guild, "alice", &id, content).await);
        let last = content.split(' ').next_back().unwrap();
        assert_eq!(found(&guild, "bob", last).await[0], content, "{last:?}");
    }
    for (text, expected) in [
        ("quick", vec![0]),
        ("the", vec![5, 0]),
        ("THE fox", vec![0]),
        ("fox quick the", vec![0]),
        ("fox wolken", vec![]),
        ("uber", vec![1]),
        ("a", vec![1]),
        ("b c", vec![1]),
        ("t", vec![4]),
        ("is", vec![5]),
        ("東京", vec![2]),
        ("京東", vec![]),
        ("都", vec![2]),
        ("カレー", vec![2]),
        ("서울", vec![3]),
        ("🧵", vec![3]),
        ("🧶", vec![]),
        ("test 42", vec![4]),
        ("qui*", vec![0]),
        ("w*", vec![]),
        ("wo*", vec![1]),
        ("wh*", vec![5]),
        ("прив* МИР", vec![6]),
        ("quic", vec![]),
        ("uick*", vec![]),
    ] {
        let hits = hits(&guild, "bob", words(text)).await;
        let expected: Vec<&Message> = expected.into_iter().map(|place: usize| &posted[place]).collect();
        assert_eq!(hits.hits.iter().map(|hit| &hit.message).collect::<Vec<_>>(), expected, "{text:?}");
        assert!(hits.hits.iter().all(|hit| hit.snippet.iter().any(|part| part.is_hit)), "{text:?}");
    }
}

/// Public channels, and those that one is a member of, at the moment of asking; the admin also in every `triage`.
pub async fn only_what_one_may_read_is_found(on: Opened) {
    let guild = on.guild();
    let alice = guild.human("alice");
    let (open, own) = (public(&guild, "open").await, channel(&guild, ChannelType::Discuss).await);
    let foreign = created(&guild, &alice, ChannelType::General, &[]).await.channel.id;
    let triage = created(&guild, &alice, ChannelType::Triage, &[]).await.channel.id;
    for (id, content) in
        [(&open, "word open"), (&own, "word own"), (&foreign, "word foreign"), (&triage, "word triage")]
    {
        post(&guild, "alice", id, content).await;
    }
    assert_eq!(
        found(&guild, "alice", "word").await,
        ["word triage", "word foreign", "word own", "word open"]
    );
    assert_eq!(found(&guild, "bob", "word").await, ["word own", "word open"]);
    assert_eq!(found(&guild, "dave", "word").await, ["word open"]);
    // Who looks alike is somebody else.
    assert_eq!(found(&guild, "Bob", "word").await, ["word open"]);

    guild.guild.leave(&guild.human("bob"), &own).await.unwrap();
    guild.add_members(&alice, &foreign, vec!["dave".into()]).await.unwrap();
    assert_eq!(found(&guild, "bob", "word").await, ["word open"]);
    assert_eq!(found(&guild, "dave", "word").await, ["word foreign", "word open"]);
    guild.guild.remove_member(&alice, &foreign, &"dave".into()).await.unwrap();
    guild.guild.close_channel(&alice, &open).await.unwrap();
    assert_eq!(found(&guild, "dave", "word").await, ["word open"], "closed channels can be read");

    guild.center.set_admin(Some("erin"));
    assert_eq!(found(&guild, "erin", "word").await, ["word triage", "word open"]);

    let asked = Find { channel: Some(foreign.clone()), ..words("word") };
    for (user, channel) in [("bob", foreign), ("alice", "no such channel".into())] {
        let asked = Find { channel: Some(channel), ..asked.clone() };
        let refused = guild.guild.search(&guild.human(user), asked).await.unwrap_err();
        assert!(matches!(refused, ServiceError::Refused(Refusal::ChannelNotFound)), "{refused:?}");
    }
}

/// One channel, one author, or both.
pub async fn a_search_may_be_for_one_channel_and_one_author(on: Opened) {
    let guild = on.guild();
    let (one, two) =
        (channel(&guild, ChannelType::General).await, channel(&guild, ChannelType::General).await);
    for (user, id, content) in [
        ("alice", &one, "word 1"),
        ("bob", &one, "word 2"),
        ("alice", &two, "word 3"),
        ("bob", &two, "word 4"),
    ] {
        post(&guild, user, id, content).await;
    }
    let (alice, nobody) = (UserId::new("alice"), UserId::new("Alice"));
    for (channel, author, expected) in [
        (Some(&one), None, vec!["word 2", "word 1"]),
        (None, Some(&alice), vec!["word 3", "word 1"]),
        (Some(&two), Some(&alice), vec!["word 3"]),
        (None, Some(&nobody), vec![]),
    ] {
        let find = Find { channel: channel.cloned(), author: author.cloned(), ..words("word") };
        assert_eq!(contents(&hits(&guild, "carol", find).await), expected, "{channel:?} {author:?}");
    }
    let ids = found(&guild, "bob", one.as_str()).await;
    assert_eq!(ids, [] as [&str; 0], "a channel is no word");
}

/// At once; and an edit keeps the message's place.
pub async fn an_edit_is_found_by_its_new_words_and_a_deletion_by_none(on: Opened) {
    let guild = on.guild();
    let id = channel(&guild, ChannelType::General).await;
    let alice = guild.human("alice");
    let first = post(&guild, "alice", &id, "old words").await;
    let second = post(&guild, "alice", &id, "other words").await;
    guild.guild.edit(&alice, &id, &first.id, "new words".to_owned()).await.unwrap();
    for (text, expected) in [
        ("old", vec![]),
        ("new", vec!["new words"]),
        ("words", vec!["other words", "new words"]),
        ("new words", vec!["new words"]),
    ] {
        assert_eq!(found(&guild, "bob", text).await, expected, "{text:?}");
    }
    guild.guild.edit(&alice, &id, &first.id, "old words again".to_owned()).await.unwrap();
    assert_eq!(found(&guild, "bob", "old").await, ["old words again"]);
    guild.guild.delete(&alice, &id, &second.id).await.unwrap();
    assert_eq!(found(&guild, "bob", "words").await, ["old words again"]);
    guild.guild.delete(&alice, &id, &first.id).await.unwrap();
    assert_eq!(found(&guild, "bob", "words").await, [] as [&str; 0]);
    let find = Find { author: Some("alice".into()), ..words("old") };
    assert_eq!(hits(&guild, "bob", find).await.hits, []);
}

/// What was there when the first page was read is seen once, whatever happens meanwhile.
pub async fn pages_of_hits_go_on_where_they_were(on: Opened) {
    let guild = on.guild();
    let id = channel(&guild, ChannelType::General).await;
    let alice = guild.human("alice");
    for n in 0..10 {
        post(&guild, "alice", &id, &format!("word {n}")).await;
    }
    let (mut seen, mut before) = (Vec::new(), None);
    for page in 0.. {
        let page_of = Find { before: before.clone(), limit: 3, ..words("word") };
        let hits = hits(&guild, "bob", page_of).await;
        seen.extend(contents(&hits).into_iter().map(str::to_owned));
        before = hits.hits.last().map(|hit| hit.message.id.clone());
        assert_eq!(hits.has_more, page < 3, "page {page}");
        if !hits.has_more {
            break;
        }
        post(&guild, "alice", &id, "word that came meanwhile").await;
        // The place where the next page begins stays known.
        let last = before.as_ref().unwrap();
        guild.guild.delete(&alice, &id, last).await.unwrap();
    }
    assert_eq!(seen, (0..10).rev().map(|n| format!("word {n}")).collect::<Vec<_>>());

    let unknown = Find { before: Some("no such message".into()), ..words("word") };
    let refused = guild.guild.search(&alice, unknown).await.unwrap_err();
    assert!(
        matches!(&refused, ServiceError::Refused(Refusal::Invalid(fields)) if fields[0].field == "before"),
        "{refused:?}"
    );
    // Whoever has left goes on with what they may still read.
    let elsewhere = created(&guild, &alice, ChannelType::General, &[]).await.channel.id;
    let theirs = post(&guild, "alice", &elsewhere, "word elsewhere").await;
    post(&guild, "alice", &id, "word after it").await;
    let find = Find { before: Some(theirs.id), limit: 1, ..words("word") };
    assert_eq!(contents(&hits(&guild, "bob", find).await), ["word that came meanwhile"]);
}

/// The language of no index shines through.
pub async fn whatever_is_typed_is_words(on: Opened) {
    let guild = on.guild();
    let id = channel(&guild, ChannelType::General).await;
    post(&guild, "alice", &id, "plain text, and NEAR here").await;
    post(&guild, "alice", &id, "other things").await;
    for text in [
        "\"plain text\"",
        "\"plain",
        "plain\" text",
        "'plain'",
        "-plain",
        "+plain -text",
        "(plain",
        "plain)",
        "NEAR(plain text)",
        "NEAR(plain text, 2)",
        "plain AND text",
        "plain & text",
        "plain | text",
        "!plain",
        "plain:*",
        "plain\\",
        "@plain",
        "plain @4",
        "~plain >text <here",
        "%plain%",
        "plain_text",
        "plain\0text",
        "words:plain",
        "{plain}",
        "^plain",
        "plain; DROP TABLE messages; --",
        "plain' OR '1'='1",
        "plain $1 ?",
        "pla* te* *",
        "** plain **",
    ] {
        let expected: &[&str] = match text {
            // Words that are not there.
            "NEAR(plain text, 2)" | "plain @4" | "words:plain" | "plain $1 ?" => &[],
            text if text.contains("DROP") || text.contains("OR") => &[],
            _ => &["plain text, and NEAR here"],
        };
        assert_eq!(found(&guild, "bob", text).await, expected, "{text:?}");
    }
}

/// By its first and by its last word; as fast as it was written.
pub async fn a_message_of_a_megabyte_is_found(on: Opened) {
    let guild = on.guild();
    let id = channel(&guild, ChannelType::General).await;
    let words_of =
        |range: std::ops::Range<u32>| range.map(|n| format!("w{n:x}")).collect::<Vec<_>>().join(" ");
    let filling = words_of(0..40_000);
    let long = format!("erste {filling} {} letzte", "👩‍👩‍👧‍👦 ab ".repeat(60_000));
    assert!(long.len() > 1_000_000);
    let message = post(&guild, "alice", &id, &long).await;
    for text in ["erste", "letzte", "👧", "w9c3f erste letzte", "w9c3*"] {
        let hits = hits(&guild, "bob", words(text)).await;
        assert!(hits.hits.len() == 1 && hits.hits[0].message.id == message.id, "{text:?}");
        let snippet: usize = hits.hits[0].snippet.iter().map(|part| part.text.chars().count()).sum();
        assert!(snippet <= 300, "{text:?}: {snippet}");
    }
    let alice = guild.human("alice");
    guild.guild.edit(&alice, &id, &message.id, "kurz".to_owned()).await.unwrap();
    assert_eq!(found(&guild, "bob", "letzte").await, [] as [&str; 0]);
    assert_eq!(found(&guild, "bob", "kurz").await, ["kurz"]);
}

/// Whether or not the channels are few enough to be named to the index.
pub async fn a_reader_of_hundreds_of_channels_finds_what_others_do(on: Opened) {
    let guild = on.guild();
    let foreign = channel(&guild, ChannelType::General).await;
    post(&guild, "alice", &foreign, "word foreign").await;
    let mut last = None;
    for n in 0..258 {
        let id = public(&guild, &n.to_string()).await;
        if n % 100 == 0 {
            post(&guild, "alice", &id, &format!("word {n}")).await;
        }
        if n == 254 {
            assert_eq!(found(&guild, "dave", "word").await, ["word 200", "word 100", "word 0"]);
        }
        last = Some(id);
    }
    post(&guild, "alice", &last.unwrap(), "word last").await;
    assert_eq!(found(&guild, "dave", "word").await, ["word last", "word 200", "word 100", "word 0"]);
    assert_eq!(found(&guild, "bob", "word").await.len(), 5);
}

/// Thirty-two writers in eight channels.
pub async fn what_is_written_at_once_is_all_found(on: Opened) {
    let guild = Arc::new(on.guild());
    let mut ids = Vec::new();
    for _ in 0..8 {
        ids.push(channel(&guild, ChannelType::General).await);
    }
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..32 {
        let (guild, id) = (Arc::clone(&guild), ids[writer % ids.len()].clone());
        tasks.spawn(async move {
            let alice = guild.human("alice");
            for n in 0..6 {
                let message = post(&guild, "alice", &id, &format!("word of {writer}w {n}")).await;
                match n % 3 {
                    1 => {
                        let text = format!("word changed {writer}w {n}");
                        guild.guild.edit(&alice, &id, &message.id, text).await.unwrap();
                    }
                    2 => {
                        guild.guild.delete(&alice, &id, &message.id).await.unwrap();
                    }
                    _ => {}
                }
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    for (text, expected) in [("of", 64), ("changed", 64), ("7w", 4), ("31w changed", 2), ("word 2", 0)] {
        assert_eq!(found(&guild, "bob", text).await.len(), expected, "{text:?}");
    }
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = hits(&guild, "bob", Find { before, limit: 50, ..words("word") }).await;
        before = page.hits.last().map(|hit| hit.message.id.clone());
        seen.extend(page.hits.into_iter().map(|hit| hit.message.content));
        if !page.has_more {
            break;
        }
    }
    assert_eq!(seen.len(), 128);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 128, "none is seen twice");
}
