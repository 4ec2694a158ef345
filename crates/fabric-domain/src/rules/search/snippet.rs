//! What of a message is shown beside a hit.

use std::ops::Range;

use unicode_segmentation::GraphemeCursor;

use super::Query;
use super::token;
use super::words::findable;

/// The most characters of a snippet, and how many of them may stand before the first hit.
const LENGTH: usize = 200;
const BEFORE: usize = 60;

/// A part of a snippet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Plain text, on one line.
    pub text: String,
    /// Whether it is what was searched for.
    pub is_hit: bool,
}

/// The text around the first hit; from its beginning, should there be none.
pub(super) fn of(query: &Query, content: &str) -> Vec<Part> {
    let mut window: Option<Range<usize>> = None;
    let mut hits: Vec<Range<usize>> = Vec::new();
    for piece in findable(content) {
        if window.as_ref().is_some_and(|window| piece.span.start >= window.end) {
            break;
        }
        let token = token::of_word(&piece.text);
        if query.terms.iter().any(|term| term.iter().any(|wanted| wanted.accepts(&token))) {
            window.get_or_insert_with(|| around(content, piece.span.start));
            hits.push(piece.span);
        }
    }
    let window = window.unwrap_or_else(|| around(content, 0));
    parts(content, &window, merged(hits, &window))
}

/// Where the snippet begins and ends, between words where there are some.
fn around(content: &str, hit: usize) -> Range<usize> {
    let back = content[..hit].char_indices().rev().take(BEFORE).last().map_or(hit, |(at, _)| at);
    let start = if back == 0 {
        0
    } else {
        let between = content[back..hit].find(char::is_whitespace).map(|space| back + space);
        between.unwrap_or_else(|| boundary(content, back).min(hit))
    };
    let Some((ahead, _)) = content[start..].char_indices().nth(LENGTH) else { return start..content.len() };
    let ahead = start + ahead;
    let between = content[start..ahead].rfind(char::is_whitespace).map(|space| start + space);
    // A text without spaces is cut between any two characters.
    let end = between.filter(|end| *end > hit && ahead - end < BEFORE * 4);
    start..end.unwrap_or_else(|| boundary(content, ahead))
}

/// The next place from here on where no user-perceived character is cut.
fn boundary(content: &str, from: usize) -> usize {
    let mut cursor = GraphemeCursor::new(from, content.len(), true);
    match cursor.is_boundary(content, 0) {
        Ok(false) => cursor.next_boundary(content, 0).ok().flatten().unwrap_or(content.len()),
        _ => from,
    }
}

/// Hits within the window; those that touch are one.
fn merged(mut hits: Vec<Range<usize>>, window: &Range<usize>) -> Vec<Range<usize>> {
    hits.sort_by_key(|hit| hit.start);
    let mut merged: Vec<Range<usize>> = Vec::new();
    for hit in hits {
        let hit = hit.start.max(window.start)..hit.end.min(window.end);
        match merged.last_mut() {
            Some(last) if hit.start <= last.end => last.end = last.end.max(hit.end),
            _ => merged.push(hit),
        }
    }
    merged
}

fn parts(content: &str, window: &Range<usize>, hits: Vec<Range<usize>>) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut push = |text: String, is_hit: bool| {
        if !text.is_empty() {
            parts.push(Part { text, is_hit });
        }
    };
    let mut at = window.start;
    let mut opening = if window.start > 0 { "…" } else { "" };
    for hit in hits {
        push(format!("{opening}{}", one_line(&content[at..hit.start])), false);
        opening = "";
        at = hit.end;
        push(one_line(&content[hit]), true);
    }
    let closing = if window.end < content.len() { "…" } else { "" };
    push(format!("{opening}{}{closing}", one_line(&content[at..window.end])), false);
    parts
}

/// Every run of white space is one space.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if !c.is_whitespace() => line.push(c),
            _ if !line.ends_with(' ') => line.push(' '),
            _ => {}
        }
    }
    line
}
