//! Which parts of a text are code, as Markdown has it (spec/2 section 2).
//!
//! Code spans and fenced code blocks are where `CommonMark` 0.31 has them, also inside block quotes and list
//! items. Three things are read as ordinary text although `CommonMark` knows better: indented code blocks, HTML,
//! and the destinations, titles and definitions of links. `docs/decisions.md` says why.
//!
//! Any text is read in linear time.

mod blocks;
mod line;
mod spans;

/// A stretch of a text that is code as a whole, or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Everything that is not code.
    Text(&'a str),
    /// A code span with its backticks, or a fenced block with its fences.
    Code(&'a str),
}

/// Splits a text into code and the rest. All pieces joined are the text again.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut code = blocks::code(text).into_iter().peekable();
    let mut at = 0;
    std::iter::from_fn(move || {
        let piece = match code.next_if(|range| range.start == at) {
            Some(range) => Piece::Code(&text[range]),
            None => Piece::Text(&text[at..code.peek().map_or(text.len(), |range| range.start)]),
        };
        let (Piece::Text(part) | Piece::Code(part)) = piece;
        at += part.len();
        (!part.is_empty()).then_some(piece)
    })
}

/// The parts of a text that are not code.
pub(super) fn outside_code(text: &str) -> impl Iterator<Item = &str> {
    pieces(text).filter_map(|piece| match piece {
        Piece::Text(part) => Some(part),
        Piece::Code(_) => None,
    })
}

#[cfg(test)]
mod tests;
