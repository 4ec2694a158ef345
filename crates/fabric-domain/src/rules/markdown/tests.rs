//! Sentences of `CommonMark` 0.31, and what a chat makes of them. `tests/it/mentions.rs` compares with a parser.

use super::*;

/// The parts that are code.
fn code(text: &str) -> Vec<&str> {
    let joined: String = pieces(text).map(|(Piece::Text(part) | Piece::Code(part))| part).collect();
    assert_eq!(joined, text, "pieces joined are the text");
    let code = pieces(text).filter_map(|piece| match piece {
        Piece::Code(part) => Some(part),
        Piece::Text(_) => None,
    });
    code.collect()
}

const NONE: [&str; 0] = [];

#[test]
fn a_code_span_reaches_from_a_run_of_n_backticks_to_the_next_run_of_exactly_n() {
    assert_eq!(code("a `b` c ``d ` e`` f"), ["`b`", "``d ` e``"]);
    assert_eq!(code("`a``b`"), ["`a``b`"]);
    assert_eq!(code("```a```` b ```c"), ["```a```` b ```"]);
    assert_eq!(code("a\n`b\nc` d"), ["`b\nc`"]);
}

#[test]
fn without_one_the_backticks_are_text_and_hide_nothing() {
    for text in ["`a", "``a` b", "a ``` b", "`` ` ```", "`"] {
        assert_eq!(code(text), NONE, "{text}");
    }
    assert_eq!(code("``a `b` c"), ["`b`"]);
}

#[test]
fn a_backslash_escapes_outside_of_code_and_is_a_character_inside() {
    assert_eq!(code(r"\`a` b"), NONE);
    assert_eq!(code(r"\`a` b`"), ["` b`"]);
    assert_eq!(code(r"\\`a`"), ["`a`"]);
    assert_eq!(code(r"\``a`"), ["`a`"], "what remains of the run opens");
    assert_eq!(code(r"`a\` b`"), [r"`a\`"]);
    assert_eq!(code(r"``a\`` b"), [r"``a\``"], "a whole run closes");
}

#[test]
fn a_code_span_ends_with_its_paragraph() {
    for between in [
        "\n\n", "\n \t\n", "\r\n\r\n", "\r\r", "\n# b\n", "\n***\n", "\n---\n", "\n===\n", "\n- ", "\n1. ",
        "\n> ",
    ] {
        let text = format!("`a{between}c`");
        assert_eq!(code(&text), NONE, "{text:?}");
    }
    for within in ["\n", "\r\n", "\n2. ", "\n-", "\n#b", "\n    # b\n", "\n-- -\\\n"] {
        let text = format!("`a{within}c`");
        assert_eq!(code(&text), [text.as_str()], "{text:?}");
    }
    assert_eq!(code("# `a\n`"), NONE, "a heading is one line");
}

#[test]
fn a_fenced_block_reaches_to_its_closing_fence() {
    assert_eq!(code("a\n```\nb\n```\nc"), ["```\nb\n```"]);
    assert_eq!(code("```\nb\n```"), ["```\nb\n```"]);
    assert_eq!(code("~~~\nb ```\n```\n~~~~ \t\nc"), ["~~~\nb ```\n```\n~~~~ \t"]);
    assert_eq!(code("````\n```\n\n````\r\nc"), ["````\n```\n\n````"]);
    assert_eq!(code("```\n``` b\n~~~\n   ```\nc"), ["```\n``` b\n~~~\n   ```"]);
    assert_eq!(
        code("```\n    ```\n\t```\nc"),
        ["```\n    ```\n\t```\nc"],
        "a fence is indented by 3 at most"
    );
}

#[test]
fn without_a_closing_fence_it_reaches_to_the_end() {
    assert_eq!(code("a\n   ```b c\nd\n\n# e\n"), ["```b c\nd\n\n# e\n"]);
    assert_eq!(code("~~~"), ["~~~"]);
}

#[test]
fn what_follows_an_opening_fence_of_backticks_has_no_backtick() {
    assert_eq!(code("``` a`b\nc"), NONE);
    assert_eq!(code("``` a ```\nc"), ["``` a ```"], "that is a code span");
    assert_eq!(code("~~~ a`b~~~\nc"), ["~~~ a`b~~~\nc"]);
    assert_eq!(code("``\na\n``"), ["``\na\n``"], "and so is this");
    assert_eq!(code("a ~~~\nb"), NONE);
}

#[test]
fn quotes_and_lists_contain_fenced_blocks_which_end_with_them() {
    assert_eq!(code("> ```\n> a\nb"), ["```\n> a\n"]);
    assert_eq!(code(">```\n> a\n>```\n> b"), ["```\n> a\n>```"]);
    assert_eq!(code("- ```\n  a\n  ```\n\nb"), ["```\n  a\n  ```"]);
    assert_eq!(code("- ```\n  a\n\n  b\n\nc"), ["```\n  a\n\n  b\n\n"]);
    assert_eq!(code("10) > - ~~~\n    >   a\n    > b"), ["~~~\n    >   a\n"]);
    assert_eq!(code("-\n  ```\n  a\n  ```\n- b"), ["```\n  a\n  ```"]);
    assert_eq!(code("-\n\n  ```\na"), ["```\na"], "an item begins with one blank line at most");
    assert_eq!(code("-\t```\n\ta\nb"), ["```\n\ta\n"], "a tab reaches to the next fourth column");
    assert_eq!(code(">\t-\t```\n> \t\ta\n> b"), ["```\n> \t\ta\n"]);
}

#[test]
fn a_paragraph_of_a_quote_or_a_list_goes_on_in_lines_without_the_marker() {
    assert_eq!(code("> `a\nb`"), ["`a\nb`"]);
    assert_eq!(code("> - `a\n> b`"), ["`a\n> b`"]);
    assert_eq!(code("> `a\n\nb`"), NONE);
    assert_eq!(code("> `a\n>\n> b`"), NONE);
    assert_eq!(code("- `a\n- b`"), NONE);
}

#[test]
fn indented_code_and_html_and_links_are_text() {
    assert_eq!(code("    a `b` c"), ["`b`"]);
    assert_eq!(code("    ```\n    a"), NONE);
    assert_eq!(code("<a title=\"`\"> `b` c"), ["`\"> `"]);
    assert_eq!(code("<div>\n`a`"), ["`a`"]);
    assert_eq!(code("[a](` b) `c"), ["` b) `"]);
}

#[test]
fn nothing_begins_deeper_than_64_levels() {
    let fence = |depth: usize| "> ".repeat(depth) + "```\na";
    assert_eq!(code(&fence(63)), ["```\n"]);
    assert_eq!(code(&fence(65)), NONE);
}

#[test]
fn hostile_texts_are_read_in_linear_time() {
    // Quadratic reading would take minutes here.
    let growing: String = (1..1_200).map(|run| "`".repeat(run) + "a").collect();
    for hostile in [
        growing.repeat(2),
        growing,
        "`a``b".repeat(200_000),
        r"\`".repeat(500_000),
        "\\".repeat(1_000_000) + "`",
        "`\n\n".repeat(300_000),
        "> ".repeat(500_000) + "`",
        "> `\n".repeat(250_000),
        "- ".repeat(500_000) + "`",
        "- ".repeat(1_000) + "\n`" + &"\n".repeat(1_000_000),
        "- `\n".repeat(250_000),
        "* - ".repeat(250_000) + "```",
        "```\n".repeat(250_000),
        "~~~ `\n".repeat(150_000),
        " ".repeat(1_000_000) + "`",
        "\t`\n".repeat(300_000),
    ] {
        pieces(&hostile).count();
    }
}
