//! What counts as a mention (spec/2 section 2).

use std::collections::HashSet;

use super::markdown::{Piece, outside_code, pieces};
use crate::model::UserId;

/// The prefix of a name token, `<@user.name:NAME>`.
const NAME_PREFIX: &str = "user.name:";

/// The mentioned ids of a text: `<@ID>` outside code, unique, in first-seen order. A name that was not translated
/// is no mention.
pub fn parse(text: &str) -> Vec<UserId> {
    let mut seen = HashSet::new();
    outside_code(text)
        .flat_map(ids)
        .filter(|id| !id.starts_with(NAME_PREFIX) && seen.insert(*id))
        .map(UserId::new)
        .collect()
}

/// The names in `<@user.name:NAME>` tokens outside code, unique, in first-seen order.
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

/// Rewrites `<@user.name:NAME>` outside code to `<@ID>` where `resolve` knows the name; all other text stays
/// as typed.
pub fn translate_names<'r>(text: &str, resolve: impl Fn(&str) -> Option<&'r UserId>) -> String {
    let mut translated = String::with_capacity(text.len());
    for piece in pieces(text) {
        let part = match piece {
            Piece::Code(code) => {
                translated.push_str(code);
                continue;
            }
            Piece::Text(part) => part,
        };
        let mut copied = 0;
        for token in tokens(part) {
            let Some(id) = token.name().and_then(&resolve) else { continue };
            translated.push_str(&part[copied..token.start]);
            translated.push_str("<@");
            translated.push_str(id.as_str());
            translated.push('>');
            copied = token.start + token.length();
        }
        translated.push_str(&part[copied..]);
    }
    translated
}

/// What stands in `<@…>`: one or more characters other than `>`, a backtick and white space.
fn ids(piece: &str) -> impl Iterator<Item = &str> {
    let mut rest = piece;
    std::iter::from_fn(move || {
        loop {
            rest = &rest[rest.find("<@")? + 2..];
            // Only `>` makes it a mention. No start before the end of an id can do better, so the text is read
            // once, however many starts it has.
            let end = rest.find(|c: char| matches!(c, '>' | '`') || c.is_whitespace())?;
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
            let end = body.find(['>', '`', '\n', '\r'])?;
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
    fn an_id_has_one_or_more_characters_other_than_gt_a_backtick_and_white_space() {
        assert_eq!(parsed("<@> <@ bob> <@bo b> <@bob <@\u{a0}x> @bob <bob>"), Vec::<String>::new());
        assert_eq!(parsed("<@a <@b>"), ["b"]);
        assert_eq!(parsed("<@<@b>"), ["<@b"]);
        assert_eq!(parsed("<@>x>"), Vec::<String>::new());
        assert_eq!(parsed("<@a`b> <@c>"), ["c"], "also where the backtick is text");
        assert_eq!(parsed("<@a\\`b> <@`<@c>"), ["c"]);
    }

    #[test]
    fn code_hides_as_markdown_has_it() {
        assert_eq!(parsed("`<@a>` <@b>"), ["b"]);
        assert_eq!(parsed("``<@a>`` <@b> ```<@c>``` <@d>"), ["b", "d"]);
        assert_eq!(parsed("`<@a>``` <@b> `<@c>"), ["c"], "to the next run of exactly n");
        assert_eq!(parsed("<@b> ```<@a> <@c>"), ["b", "a", "c"], "backticks without a partner hide nothing");
        assert_eq!(parsed("<@a``b> ` <@c>"), ["c"]);
        assert_eq!(parsed("so:\n```rust\n<@a>\n```\n<@b>"), ["b"]);
        assert_eq!(parsed("~~~\n<@a>\n\n<@b>"), Vec::<String>::new(), "without a closing fence: to the end");
        assert_eq!(parsed(r"\`<@a>` <@b>` <@c>"), ["a", "c"], "an escaped backtick opens nothing");
    }

    #[test]
    fn a_name_that_nobody_has_is_no_mention() {
        assert_eq!(
            parsed("<@user.name:eve> <@user.name:> <@user.names> <@x.user.name:y>"),
            ["user.names", "x.user.name:y"]
        );
    }

    #[test]
    fn names_are_rewritten_outside_code_where_they_are_known() {
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
        let fenced =
            "```\n<@user.name:bob>\n``` \n<@user.name:bob> ` <@user.name:bob>\r\n> ~~~\n> <@user.name:bob>";
        assert_eq!(
            translate_names(fenced, resolve),
            "```\n<@user.name:bob>\n``` \n<@u-bob> ` <@u-bob>\r\n> ~~~\n> <@user.name:bob>"
        );
    }

    #[test]
    fn a_name_does_not_reach_over_a_line_or_another_token() {
        assert_eq!(names("<@user.name:a\n>"), Vec::<String>::new());
        assert_eq!(names("<@user.name:a <@user.name:b>"), ["b"]);
        assert_eq!(names("<@user.name:>"), Vec::<String>::new());
        assert_eq!(names("<@user.name:a`b> <@user.name:c>"), ["c"]);
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
            "<@`".repeat(300_000) + "``",
        ] {
            parse(&hostile);
            names(&hostile);
        }
    }
}
