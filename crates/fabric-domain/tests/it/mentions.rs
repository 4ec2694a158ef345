//! Mentions against a reference that goes character by character, and a Markdown parser (spec/2 section 2).

use fabric_domain::model::{ChannelType, UserId};
use fabric_domain::rules::command::Command;
use fabric_domain::rules::mention::{names, parse, translate_names};
use proptest::prelude::*;
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag};

fn configured(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Which bytes of a text a Markdown parser takes for code. `None` where it finds what is text by decision:
/// indented code blocks and HTML (`docs/decisions.md`).
fn code(text: &str) -> Option<Vec<bool>> {
    let mut code = vec![false; text.len()];
    for (event, range) in Parser::new_ext(text, Options::empty()).into_offset_iter() {
        match event {
            Event::Code(_) | Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(_))) => code[range].fill(true),
            Event::Start(Tag::CodeBlock(CodeBlockKind::Indented) | Tag::HtmlBlock) | Event::InlineHtml(_) => {
                return None;
            }
            _ => {}
        }
    }
    Some(code)
}

/// "`<@ID>`: ID is one or more characters other than `>`, a backtick and white space. Result: unique ids
/// in first-seen order." A name that was not translated is none.
fn reference(text: &str, code: &[bool]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let id = text.get(at..).and_then(|rest| rest.strip_prefix("<@")).filter(|_| !code[at]).map(|rest| {
            let is_part = |c: char| !matches!(c, '>' | '`') && !c.is_whitespace();
            rest.split_once(|c| !is_part(c)).map_or(rest, |(id, _)| id)
        });
        if let Some(id) = id.filter(|id| !id.is_empty() && text[at + 2 + id.len()..].starts_with('>')) {
            at += 2 + id.len();
            if !id.starts_with("user.name:") && !found.iter().any(|known| known == id) {
                found.push(id.to_owned());
            }
        }
        at += 1;
    }
    found
}

/// A text without code.
fn plain_reference(text: &str) -> Vec<String> {
    reference(text, &vec![false; text.len()])
}

fn parsed(text: &str) -> Vec<String> {
    parse(text).into_iter().map(String::from).collect()
}

/// Texts in which mentions meet everything that matters to where code is. HTML and links are text by decision.
/// A tab comes neither after a fence nor before a `>`: there the parser strays from the text of the standard.
fn markdown() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => Just("`"), 2 => Just("``"), 3 => Just("```"), 1 => Just("````"), 2 => Just("~~~"), 1 => Just("~"),
        6 => Just("\n"), 1 => Just("\r\n"), 1 => Just("\n\n"), 2 => Just("\n```\n"), 4 => Just(" "), 1 => Just("\tx"),
        2 => Just("\\"), 2 => Just(">"), 1 => Just("\n> "), 2 => Just("-"), 1 => Just("\n- "), 1 => Just("+\t<@d>"), 1 => Just("\n\t```"), 1 => Just(">\t~~~"), 1 => Just("+ "),
        1 => Just("* "), 1 => Just("1. "), 1 => Just("2) "), 1 => Just("#"), 1 => Just("# "), 1 => Just("==="),
        1 => Just("***"), 1 => Just("_"), 3 => Just("x"), 1 => Just("é"), 1 => Just("<@user.name:n>"),
        3 => Just("<@a>"), 3 => Just("<@b>"), 3 => Just("<@c-1>"), 1 => Just("<@"),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// Texts without code in which the signs of mentions meet in every way.
fn dense() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => Just("<@"), 4 => Just(">"), 1 => Just("`"), 2 => Just(" "), 1 => Just("\n\n"),
        1 => Just("\u{a0}"), 1 => Just("<"), 1 => Just("@"), 4 => Just("a"), 3 => Just("b"), 2 => Just("é"),
        2 => Just("<@a>"), 2 => Just("<@b-1>"), 1 => Just("user.name:"), 2 => Just("<@user.name:a>"),
    ];
    let one_backtick = |pieces: Vec<&str>| {
        let text = pieces.concat();
        let (before, after) = text.split_once('`').unwrap_or((&text, ""));
        format!("{before}`{}", after.replace('`', ""))
    };
    proptest::collection::vec(piece, 0..40).prop_map(one_backtick)
}

/// A text of which we know what it becomes: plain words, code, mentions, known and unknown names.
#[derive(Debug, Clone)]
enum Piece {
    Plain(String),
    /// Runs of this length around a text without backticks.
    Code(usize, String),
    Mention(String),
    Name(String),
}

fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let plain = "[a-z ,.!?>@é\n]{0,8}";
    let code = prop_oneof!["[a-z ]{1,5}", Just("<@a>".to_owned()), Just("<@user.name:Ann>".to_owned())];
    let name =
        prop_oneof![Just("Ann"), Just("Bob the Builder"), Just("Zoë"), Just("nobody"), Just("No Body"),];
    let piece = prop_oneof![
        plain.prop_map(Piece::Plain),
        (1_usize..=4, code).prop_map(|(run, text)| Piece::Code(run, text)),
        "[a-z0-9.:-]{1,6}".prop_map(Piece::Mention),
        name.prop_map(|name| Piece::Name(name.to_owned())),
    ];
    proptest::collection::vec(piece, 0..12)
}

fn resolve(name: &str) -> Option<UserId> {
    let known = [("Ann", "u-ann"), ("Bob the Builder", "u-bob"), ("Zoë", "u-zoë")];
    known.iter().find(|(known, _)| *known == name).map(|(_, id)| UserId::new(id))
}

/// The pieces as typed, and as they are to be stored. A space keeps runs of backticks apart.
fn typed_and_stored(pieces: &[Piece]) -> (String, String) {
    let (mut typed, mut stored) = (String::new(), String::new());
    for piece in pieces {
        let (before, after) = match piece {
            Piece::Plain(text) => (text.clone(), text.clone()),
            Piece::Code(run, text) => {
                let code = format!("{0}{text}{0} ", "`".repeat(*run));
                (code.clone(), code)
            }
            Piece::Mention(id) => (format!("<@{id}>"), format!("<@{id}>")),
            Piece::Name(name) => {
                let token = format!("<@user.name:{name}>");
                let rewritten = resolve(name).map_or_else(|| token.clone(), |id| format!("<@{id}>"));
                (token, rewritten)
            }
        };
        typed += &before;
        stored += &after;
    }
    (typed, stored)
}

fn translated(text: &str) -> String {
    let known: Vec<(String, UserId)> =
        names(text).into_iter().filter_map(|name| resolve(&name).map(|id| (name, id))).collect();
    translate_names(text, |name| known.iter().find(|(known, _)| known == name).map(|(_, id)| id))
}

proptest! {
    #![proptest_config(configured(1000))]

    #[test]
    fn mentions_are_what_the_grammar_says(text in dense()) {
        prop_assert_eq!(parsed(&text), plain_reference(&text), "{:?}", text);
    }

    #[test]
    fn what_a_markdown_parser_takes_for_code_hides_and_nothing_else_does(text in markdown()) {
        let code = code(&text);
        prop_assume!(code.is_some());
        prop_assert_eq!(parsed(&text), reference(&text, &code.unwrap()), "{:?}", text);
    }

    #[test]
    fn known_names_become_ids_and_all_else_stays_as_typed(pieces in pieces()) {
        let (typed, stored) = typed_and_stored(&pieces);
        let text = translated(&typed);
        prop_assert_eq!(&text, &stored);
        prop_assert_eq!(translated(&text), stored.clone(), "a second time changes nothing");
        let code = code(&stored);
        prop_assume!(code.is_some());
        prop_assert_eq!(parsed(&text), reference(&stored, &code.unwrap()));
    }

    #[test]
    fn ids_written_as_mentions_are_parsed_back(ids in proptest::collection::vec("[^>`\\s]{1,12}", 0..8)) {
        let text: Vec<String> = ids.iter().map(|id| format!("and <@{id}>")).collect();
        let text = text.join(" ");
        let mut unique: Vec<String> = Vec::new();
        for id in ids {
            if !unique.contains(&id) {
                unique.push(id);
            }
        }
        prop_assert_eq!(parsed(&text), unique);
    }

    #[test]
    fn text_without_known_names_stays_to_the_letter(text in dense()) {
        prop_assert_eq!(translate_names(&text, |_| None), text);
    }

    #[test]
    fn no_text_panics(text in any::<String>(), dense in dense()) {
        for text in [&text, &dense, &format!("{dense}{text}"), &format!("<@{text}>")] {
            parse(text);
            names(text);
            let everybody = UserId::new("x");
            translate_names(text, |_| Some(&everybody));
            translated(text);
            for channel_type in ChannelType::ALL {
                prop_assert!(channel_type.has_turns() || Command::intercept(channel_type, text).is_none());
            }
        }
    }

    #[test]
    fn a_command_is_its_first_word(before in "[ \t\n]{0,3}", word in "(/no-reply|/force-proceed|/No-Reply|/no-reply[a-z]|[a-z]{1,4}|/ack)", rest in "([ \t\n][a-z /-]{0,10})?") {
        let expected = match word.as_str() {
            "/no-reply" => Some(Command::NoReply),
            "/force-proceed" => Some(Command::ForceProceed),
            _ => None,
        };
        prop_assert_eq!(Command::intercept(ChannelType::Discuss, &format!("{before}{word}{rest}")), expected);
    }
}
