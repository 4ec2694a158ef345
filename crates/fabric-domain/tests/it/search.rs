//! What a message is found by.

use fabric_domain::model::{Ack, AckCause, Message, Seq, Timestamp, UserId};
use fabric_domain::rules::search::{Part, Query, QueryError, WORDS_MAX, document};
use proptest::prelude::*;

fn message(content: &str) -> Message {
    Message {
        id: "m".into(),
        channel_id: "c".into(),
        guild_id: "g".into(),
        seq: Seq(1),
        author: "alice".into(),
        content: content.to_owned(),
        mentions: Vec::new(),
        attachments: Vec::new(),
        reply_to: None,
        created_at: Timestamp(0),
        edited_at: None,
        deleted_at: None,
        ack: None,
    }
}

fn finds(query: &str, content: &str) -> bool {
    let document = document(&message(content)).unwrap();
    Query::parse(query).unwrap_or_else(|error| panic!("{query:?}: {error}")).finds(&document)
}

#[test]
fn spellings_of_one_word_are_one_word() {
    for (query, content) in [
        ("HELLO", "hello"),
        ("Müller", "mu\u{308}ller"),
        ("muller", "MÜLLER"),
        ("strasse", "Straße"),
        ("STRASSE", "STRAẞE"),
        ("smorrebrod", "smørrebrød"),
        ("lodz", "Łódź"),
        ("istanbul", "İSTANBUL"),
        ("ｆａｂｒｉｃ １２", "fabric 12"),
        ("ﬁnd", "find"),
        ("ωραιος", "ΩΡΑΊΟΣ"),
        ("елка", "Ёлка"),
        ("שלום", "שָׁלוֹם"),
        ("سلام", "سَـلام"),
        ("soft", "so\u{ad}ft"),
        ("हिन्दी", "हिन्दी"),
        ("ガラス", "ｶﾞﾗｽ"),
        ("한국", "\u{1112}\u{1161}\u{11ab}\u{1100}\u{116e}\u{11a8}"),
        ("👍", "👍🏽"),
        ("👍🏿", "👍"),
        ("❤", "❤\u{fe0f}"),
    ] {
        assert!(finds(query, content), "{query:?} in {content:?}");
        assert!(finds(content, query), "{content:?} in {query:?}");
    }
}

#[test]
fn different_words_are_different() {
    for (query, content) in [
        ("hell", "hello"),
        ("hello", "hell o"),
        ("of", "off"),
        ("कि", "कु"),
        ("か", "が"),
        ("東京", "京東"),
        ("東京", "東 京"),
        ("👍", "👎"),
        ("1", "11"),
        ("b", "a c"),
    ] {
        assert!(!finds(query, content), "{query:?} in {content:?}");
    }
}

#[test]
fn everything_else_separates_words() {
    let content = "self_test.rs: \"don't\" <@0199-ab>, https://example.com/a?b=c#d (NEAR) 3.14";
    for query in
        ["self", "test", "rs", "don", "t", "0199", "ab", "https", "example.com", "b", "near", "3.14", "14"]
    {
        assert!(finds(query, content), "{query:?}");
    }
    for query in ["don't", "\"don't\"", "-self +test", "NEAR(rs)", "test* @0199", "%rs%", "rs\0ab", "'; --rs"]
    {
        assert!(finds(query, content), "{query:?}");
    }
    assert!(finds("👧", "👩‍👩‍👧‍👦"), "one of a family");
    assert!(!finds("selftest", content) && !finds("self other", content));
}

#[test]
fn scripts_without_spaces_are_found_by_neighbours() {
    let content = "昨日、東京都でカレーを食べた。서울에서 만나요. สวัสดีครับ";
    for query in [
        "東",
        "東京",
        "京都",
        "東京都",
        "カレー",
        "食べ",
        "서울",
        "만나요",
        "สวัสดี",
        "東京 カレー",
        "昨日 서울",
    ] {
        assert!(finds(query, content), "{query:?}");
    }
    for query in ["都京", "東カ", "京 犬", "울서"] {
        assert!(!finds(query, content), "{query:?}");
    }
}

#[test]
fn a_star_behind_a_word_stands_for_any_ending() {
    let (long, cyrillic) = ("x".repeat(200), "я".repeat(200));
    let longs = format!("{long} {cyrillic}");
    for (query, content, found) in [
        ("fab*", "Fabric", true),
        ("fabric*", "fabric", true),
        ("fabrics*", "fabric", false),
        ("привет*", "приветствую", true),
        ("10*", "10кг", true),
        ("f*", "fabric", false),
        ("f*", "f", true),
        ("*fab", "fabric", false),
        ("fa * ric", "fabric", false),
        ("東*", "東京", true),
        (&format!("{}*", "x".repeat(150)), &longs, true),
        (&format!("{}*", "я".repeat(150)), &longs, true),
        (&long, &longs, true),
        (&cyrillic, &longs, true),
        (&"x".repeat(199), &longs, false),
        (&"я".repeat(199), &longs, false),
    ] {
        assert_eq!(finds(query, content), found, "{query:?} in {content:?}");
    }
}

#[test]
fn a_query_has_words_but_not_too_many() {
    for text in ["", " ", "*", "\"\" -+()%_\0", "\u{301}", "。、"] {
        assert_eq!(Query::parse(text), Err(QueryError::NoWord), "{text:?}");
    }
    assert_eq!(Query::parse(&"ä".repeat(257)), Err(QueryError::TooLong));
    assert!(Query::parse(&"ä".repeat(256)).is_ok());
    let words = |count: u32| (0..count).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
    assert!(Query::parse(&words(64)).is_ok());
    assert_eq!(Query::parse(&words(65)), Err(QueryError::TooManyWords));
    assert!(Query::parse(&"one ".repeat(64)).is_ok(), "the same word counts once");
}

#[test]
fn what_is_kept_is_tokens_that_no_database_has_opinions_about() {
    let kept = document(&message(&format!("the a THE ß 東京 🧵 {}", "я".repeat(500)))).unwrap();
    let tokens: Vec<&str> = kept.split(' ').collect();
    assert_eq!(tokens.len(), 2 + 8, "channel, author, and each word once: {kept}");
    for token in tokens {
        assert!((3..=80).contains(&token.len()), "{token}");
        assert!(token.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()), "{token}");
    }
}

#[test]
fn a_tombstone_and_an_acknowledgement_are_not_found() {
    let deleted = Message { deleted_at: Some(Timestamp(1)), content: String::new(), ..message("") };
    assert_eq!(document(&deleted).as_deref(), Some(""));
    let ack = Ack { cause: AckCause::NoReply, by: UserId::new("alice") };
    assert_eq!(document(&Message { ack: Some(ack), ..message("/ack") }), None);
}

#[test]
fn a_flood_of_words_is_found_by_its_beginning_only() {
    let content = (0..200_000).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
    let kept = document(&message(&content)).unwrap();
    assert!(Query::parse("0 49999").unwrap().finds(&kept));
    assert!(!Query::parse("50000").unwrap().finds(&kept));
    assert_eq!(kept.split(' ').count(), WORDS_MAX + 2);
    // Longer ones are fewer, so that a database can keep them.
    let long = "д".repeat(30);
    let content = (0..30_000).map(|n| format!("{long}{n}")).collect::<Vec<_>>().join(" ");
    assert!(document(&message(&content)).unwrap().len() <= 900_000);
}

fn shown(query: &str, content: &str) -> String {
    let parts = Query::parse(query).unwrap().snippet(content);
    parts
        .iter()
        .map(|part| if part.is_hit { format!("[{}]", part.text) } else { part.text.clone() })
        .collect()
}

#[test]
fn a_snippet_is_the_text_around_the_first_hit() {
    for (query, content, expected) in [
        ("hello", "Hello", "[Hello]"),
        ("b a", "a b c", "[a] [b] c"),
        ("cafe*", "two\n\n\tcafés <b>", "two [cafés] <b>"),
        ("東京都", "昨日東京都で", "昨日[東京都]で"),
        ("🧵", "a 🧵🏽🧵 b", "a [🧵🏽🧵] b"),
        ("ss", "ß", "[ß]"),
    ] {
        assert_eq!(shown(query, content), expected);
    }
    let text = "word ".repeat(100);
    let snippet = shown("needle", &format!("{text}needle, {text}"));
    assert!(snippet.starts_with("… word word") && snippet.ends_with("word…"), "{snippet}");
    assert!(snippet.contains(" [needle], word"), "{snippet}");
    assert!(snippet.chars().count() <= 204, "{snippet}");
    let unspaced = "字".repeat(1_000);
    let snippet = shown("針", &format!("{unspaced}針{unspaced}"));
    assert!(snippet.contains("字[針]字") && snippet.chars().count() <= 204, "{snippet}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever was written is found by what was written, and the snippet shows it.
    #[test]
    fn every_text_is_found_by_itself(content in "\\PC{1,60}", around in "(\\PC|[\\x00-\\x20]){0,300}") {
        let Ok(query) = Query::parse(&content) else { return Ok(()) };
        let whole = format!("{around} {content} {around}");
        let kept = document(&message(&whole)).unwrap();
        prop_assert!(query.finds(&kept));
        let parts: Vec<Part> = query.snippet(&whole);
        prop_assert!(parts.iter().any(|part| part.is_hit), "{parts:?}");
        prop_assert!(parts.windows(2).all(|pair| pair[0].is_hit != pair[1].is_hit), "{parts:?}");
    }

    /// Reading never panics, and gives what it gave before.
    #[test]
    fn any_text_is_a_document_and_maybe_a_query(content in ".{0,300}", query in ".{0,40}") {
        let kept = document(&message(&content)).unwrap();
        prop_assert_eq!(&kept, &document(&message(&content)).unwrap());
        if let Ok(query) = Query::parse(&query) {
            let shown: String = query.snippet(&content).into_iter().map(|part| part.text).collect();
            prop_assert!(content.is_empty() || !shown.is_empty());
        }
    }
}
