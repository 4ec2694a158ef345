//! The mention parser against a reference that goes character by character (spec/2 section 2).

use fabric_domain::model::{UserId, XType};
use fabric_domain::rules::command::Command;
use fabric_domain::rules::mention::{names, parse, translate_names};
use proptest::prelude::*;

fn configured(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Which characters lie in code: each run of backticks toggles, and belongs to the code itself.
fn is_code(text: &[char]) -> Vec<bool> {
    let mut inside = false;
    let mut previous = ' ';
    text.iter()
        .map(|&c| {
            if c == '`' && previous != '`' {
                inside = !inside;
            }
            previous = c;
            inside || c == '`'
        })
        .collect()
}

/// "`<@ID>`: ID is one or more characters other than `>`, a backtick and white space. Result: unique ids
/// in first-seen order."
fn reference(text: &str) -> Vec<String> {
    let text: Vec<char> = text.chars().collect();
    let code = is_code(&text);
    let mut found: Vec<String> = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let begins = !code[at] && text[at] == '<' && text.get(at + 1) == Some(&'@');
        let mut end = at + 2;
        let mut id = String::new();
        while begins && end < text.len() && !matches!(text[end], '>' | '`') && !text[end].is_whitespace() {
            id.push(text[end]);
            end += 1;
        }
        if begins && !id.is_empty() && text.get(end) == Some(&'>') {
            if !found.contains(&id) {
                found.push(id);
            }
            at = end;
        }
        at += 1;
    }
    found
}

fn parsed(text: &str) -> Vec<String> {
    parse(text).into_iter().map(String::from).collect()
}

/// Texts in which mentions and backticks meet in every way.
fn dense() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => Just("<@"), 4 => Just(">"), 2 => Just("`"), 1 => Just("```"), 2 => Just(" "), 1 => Just("\n"),
        1 => Just("\u{a0}"), 1 => Just("<"), 1 => Just("@"), 4 => Just("a"), 3 => Just("b"), 2 => Just("é"),
        2 => Just("<@a>"), 2 => Just("<@b-1>"), 1 => Just("user.name:"), 2 => Just("<@user.name:a>"),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
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
    fn the_parser_finds_what_the_reference_finds(text in dense()) {
        prop_assert_eq!(parsed(&text), reference(&text), "{:?}", text);
    }

    #[test]
    fn known_names_become_ids_and_all_else_stays_as_typed(pieces in pieces()) {
        let (typed, stored) = typed_and_stored(&pieces);
        let text = translated(&typed);
        prop_assert_eq!(&text, &stored);
        prop_assert_eq!(translated(&text), stored.clone(), "a second time changes nothing");
        prop_assert_eq!(parsed(&text), reference(&stored));
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
            prop_assert_eq!(parsed(text), reference(text));
            names(text);
            let everybody = UserId::new("x");
            translate_names(text, |_| Some(&everybody));
            translated(text);
            for x_type in XType::ALL {
                prop_assert!(x_type.has_turns() || Command::intercept(x_type, text).is_none());
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
        prop_assert_eq!(Command::intercept(XType::Discuss, &format!("{before}{word}{rest}")), expected);
    }
}
