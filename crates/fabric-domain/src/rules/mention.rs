//! What counts as a mention (spec/2 section 2).

use std::collections::HashSet;

use crate::model::UserId;

/// The prefix of a name token, `<@user.name:NAME>`.
const NAME_PREFIX: &str = "user.name:";

/// The mentioned ids of a text: `<@ID>` outside backticks, unique, in first-seen order.
pub fn parse(text: &str) -> Vec<UserId> {
    let mut seen = HashSet::new();
    outside_code(text).flat_map(ids).filter(|id| seen.insert(*id)).map(UserId::new).collect()
}

/// The names in `<@user.name:NAME>` tokens outside backticks, unique, in first-seen order.
///
/// A name may contain spaces; it ends at `>` and reaches neither over a backtick nor over a line break.
pub fn names(text: &str) -> Vec<String> {
    let mut seen = HashSet::new();
    outside_code(text)
        .flat_map(|piece| tokens(piece).filter_map(|token| token.name()))
        .filter(|name| seen.insert(*name))
        .map(str::to_owned)
        .collect()
}

/// Rewrites `<@user.name:NAME>` outside backticks to `<@ID>` where `resolve` knows the name; all other
/// text stays as typed.
pub fn translate_names<'r>(text: &str, resolve: impl Fn(&str) -> Option<&'r UserId>) -> String {
    let mut translated = String::with_capacity(text.len());
    for piece in pieces(text) {
        let mut rest = piece.text;
        if !piece.is_code {
            for token in tokens(piece.text) {
                let Some(id) = token.name().and_then(&resolve) else { continue };
                // Tokens come in order and never overlap, so the offset of this one lies in `rest`.
                let consumed = piece.text.len() - rest.len();
                translated.push_str(&rest[..token.start - consumed]);
                translated.push_str("<@");
                translated.push_str(id.as_str());
                translated.push('>');
                rest = &piece.text[token.start + token.length()..];
            }
        }
        translated.push_str(rest);
    }
    translated
}

/// A stretch of text between two runs of backticks, or such a run itself.
struct Piece<'a> {
    text: &'a str,
    is_code: bool,
}

/// Splits at every run of backticks, whatever its length; each run toggles, an unclosed one hides the
/// rest. The runs themselves come as code pieces, so that all pieces joined are the text again.
fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    let mut in_code = false;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let is_run = rest.starts_with('`');
        let end = rest.find(|c| (c == '`') != is_run).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(end);
        rest = after;
        if is_run {
            in_code = !in_code;
        }
        Some(Piece { text: piece, is_code: is_run || in_code })
    })
}

fn outside_code(text: &str) -> impl Iterator<Item = &str> {
    pieces(text).filter(|piece| !piece.is_code).map(|piece| piece.text)
}

/// `<@ID>` where ID is one or more characters other than `>` and white space (backticks cannot occur
/// outside code).
fn ids(piece: &str) -> impl Iterator<Item = &str> {
    let mut rest = piece;
    std::iter::from_fn(move || {
        loop {
            rest = &rest[rest.find("<@")? + 2..];
            // An id ends at the first `>` or white space; only the former makes it a mention. No start
            // before that end can do better, so the text is read once, however many starts it has.
            let end = rest.find(|c: char| c == '>' || c.is_whitespace())?;
            let (id, after) = rest.split_at(end);
            rest = after;
            if !id.is_empty() && rest.starts_with('>') {
                return Some(id);
            }
        }
    })
}

/// A `<@…>` token that may be a name token.
struct Token<'a> {
    /// Byte offset in the piece.
    start: usize,
    body: &'a str,
}

impl<'a> Token<'a> {
    fn length(&self) -> usize {
        "<@".len() + self.body.len() + ">".len()
    }

    fn name(&self) -> Option<&'a str> {
        self.body.strip_prefix(NAME_PREFIX).map(str::trim).filter(|name| !name.is_empty())
    }
}

fn tokens(piece: &str) -> impl Iterator<Item = Token<'_>> {
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let start = from + piece[from..].find("<@")?;
            let body = &piece[start + 2..];
            let end = body.find(['>', '\n', '\r'])?;
            from = start + 2 + end;
            if body[end..].starts_with('>') {
                // The last start before a `>` is the token: `<@a <@b>` mentions b.
                if let Some(inner) = body[..end].rfind("<@") {
                    from = start + 2 + inner;
                    continue;
                }
                return Some(Token { start, body: &body[..end] });
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Vec<String> {
        parse(text).into_iter().map(String::from).collect()
    }

    #[test]
    fn mentions_are_unique_ids_in_first_seen_order() {
        assert_eq!(parsed("hi <@bob>, <@alice> and <@bob> again"), ["bob", "alice"]);
        assert_eq!(parsed("<@a><@b>"), ["a", "b"]);
        assert_eq!(parsed("<@019a-7c.x:Y_z/é>"), ["019a-7c.x:Y_z/é"]);
    }

    #[test]
    fn an_id_has_one_or_more_characters_other_than_gt_and_white_space() {
        assert_eq!(parsed("<@> <@ bob> <@bo b> <@bob <@\u{a0}x> @bob <bob>"), Vec::<String>::new());
        assert_eq!(parsed("<@a <@b>"), ["b"]);
        assert_eq!(parsed("<@<@b>"), ["<@b"]);
        assert_eq!(parsed("<@>x>"), Vec::<String>::new());
    }

    #[test]
    fn backticks_hide_whatever_the_length_of_the_run() {
        assert_eq!(parsed("`<@a>` <@b>"), ["b"]);
        assert_eq!(parsed("``<@a>`` <@b> ```<@c>``` <@d>"), ["b", "d"]);
        assert_eq!(parsed("`<@a>``` <@b>"), ["b"], "runs of one, two or three toggle alike");
        assert_eq!(parsed("<@b> ```<@a> <@c>"), ["b"], "an unclosed run hides the rest");
        assert_eq!(parsed("<@a`b> <@c>"), Vec::<String>::new(), "an id has no backtick");
        assert_eq!(parsed("<@a``b> ` <@c>"), ["c"]);
    }

    #[test]
    fn names_are_rewritten_outside_backticks_where_they_are_known() {
        let bob = UserId::new("u-bob");
        let ada = UserId::new("u-ada");
        let resolve = |name: &str| match name {
            "bob" => Some(&bob),
            "Ada Lovelace" => Some(&ada),
            _ => None,
        };
        let text = "hi <@user.name:bob>, <@user.name:Ada Lovelace>! `<@user.name:bob>` <@user.name:eve> <@user.name:bob>";
        assert_eq!(names(text), ["bob", "Ada Lovelace", "eve"]);
        assert_eq!(
            translate_names(text, resolve),
            "hi <@u-bob>, <@u-ada>! `<@user.name:bob>` <@user.name:eve> <@u-bob>"
        );
    }

    #[test]
    fn a_name_does_not_reach_over_a_line_or_another_token() {
        assert_eq!(names("<@user.name:a\n>"), Vec::<String>::new());
        assert_eq!(names("<@user.name:a <@user.name:b>"), ["b"]);
        assert_eq!(names("<@user.name:>"), Vec::<String>::new());
    }

    #[test]
    fn text_without_known_names_stays_to_the_letter() {
        for text in ["", "`", "a ``` b", "<@", "<@x", "<@user.name:x> ` <@user.name:y>", "é<@ü>`ß`"] {
            assert_eq!(translate_names(text, |_| None), text);
        }
    }

    #[test]
    fn hostile_texts_are_read_in_one_pass() {
        // Quadratic scanning would take minutes here.
        for hostile in [
            "<@".repeat(500_000) + " ",
            "<@".repeat(500_000) + ">",
            "<@\n".repeat(300_000),
            "`<@a".repeat(200_000),
        ] {
            parse(&hostile);
            names(&hostile);
        }
    }
}
