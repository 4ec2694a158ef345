//! One line of a text, read from the left, and what it may begin.

use std::ops::Range;

/// Tabs reach to the next multiple of this many columns.
const TAB_STOP: usize = 4;

/// A line whose content is indented this far begins no block.
const TOO_FAR: usize = 4;

/// What is left of a line.
#[derive(Debug, Clone)]
pub(super) struct Line<'t> {
    /// Without the line's end.
    rest: &'t str,
    /// The byte of the whole text at which `rest` begins.
    start: usize,
    /// The column at which `rest` begins.
    column: usize,
    /// Columns before `rest` that belong to a tab of which only a part was consumed.
    spare: usize,
}

/// What the next characters of a line begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BlockStart {
    /// `>`
    Quote,
    /// A list marker; what belongs to the item is indented by `offset` columns.
    Item { offset: usize },
    /// `#` to `######`: the line is a heading.
    Heading,
    /// `===` or `---` below a paragraph, which thereby was a heading.
    Underline,
    /// `***`, `---` or `___`.
    ThematicBreak,
    /// Three or more backticks or tildes.
    Fence(Fence),
}

/// The run of backticks or tildes that opens a fenced code block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fence {
    marker: char,
    length: usize,
}

/// The lines of a text.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let rest = text.get(start..).filter(|rest| !rest.is_empty())?;
        let length = rest.find(['\n', '\r']).unwrap_or(rest.len());
        let line = Line { rest: &rest[..length], start, column: 0, spare: 0 };
        let end = if rest[length..].starts_with("\r\n") { 2 } else { 1 };
        start += length + end;
        Some(line)
    })
}

impl<'t> Line<'t> {
    /// Where what is left of the line is in the text.
    pub(super) fn range(&self) -> Range<usize> {
        self.start..self.start + self.rest.len()
    }

    pub(super) fn is_blank(&self) -> bool {
        self.rest.bytes().all(is_blank)
    }

    /// Columns of white space before the next character.
    pub(super) fn indent(&self) -> usize {
        let blanks = self.rest.bytes().take_while(|byte| is_blank(*byte));
        let column = blanks.fold(self.column, |column, byte| column + width(byte, column));
        self.spare + column - self.column
    }

    /// Consumes white space of this many columns, or all there is.
    pub(super) fn skip_columns(&mut self, mut columns: usize) {
        while columns > 0 {
            if self.spare == 0 {
                let Some(byte) = self.rest.bytes().next().filter(|byte| is_blank(*byte)) else { return };
                let width = width(byte, self.column);
                self.advance(1);
                // `advance` counts characters.
                self.column += width - 1;
                self.spare = width;
            }
            let consumed = self.spare.min(columns);
            self.spare -= consumed;
            columns -= consumed;
        }
    }

    /// Consumes the marker of a block quote and the space that belongs to it.
    pub(super) fn skip_quote(&mut self) -> bool {
        let is_quote = self.indent() < TOO_FAR && self.content().starts_with('>');
        if is_quote {
            self.skip_columns(TOO_FAR);
            self.advance(1);
            self.skip_columns(1);
        }
        is_quote
    }

    /// Whether the line ends a block that this fence has opened.
    pub(super) fn closes(&self, fence: Fence) -> bool {
        let after = self.content().trim_start_matches(fence.marker);
        let length = self.content().len() - after.len();
        self.indent() < TOO_FAR && length >= fence.length && after.bytes().all(is_blank)
    }

    /// What begins here, if anything does; white space and the markers of containers are consumed. In a paragraph
    /// some things are read differently, lest prose becomes a list.
    pub(super) fn block_start(&mut self, in_paragraph: bool) -> Option<BlockStart> {
        let indent = self.indent();
        if indent >= TOO_FAR {
            return None;
        }
        if self.skip_quote() {
            return Some(BlockStart::Quote);
        }
        self.skip_columns(indent);
        if is_heading(self.rest) {
            Some(BlockStart::Heading)
        } else if let Some(fence) = fence(self.rest) {
            Some(BlockStart::Fence(fence))
        } else if in_paragraph && is_underline(self.rest) {
            Some(BlockStart::Underline)
        } else if is_thematic_break(self.rest) {
            Some(BlockStart::ThematicBreak)
        } else {
            self.skip_list_marker(in_paragraph).map(|width| BlockStart::Item { offset: indent + width })
        }
    }

    /// Consumes a list marker with the white space that belongs to it; how many columns they take.
    fn skip_list_marker(&mut self, in_paragraph: bool) -> Option<usize> {
        let digits = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let is_marker = match self.rest[digits..].bytes().next()? {
            b'-' | b'+' | b'*' => digits == 0,
            // A paragraph is only interrupted by a list that begins with 1, …
            b'.' | b')' if in_paragraph => (1..=9).contains(&digits) && self.rest[..digits].parse() == Ok(1),
            b'.' | b')' => (1..=9).contains(&digits),
            _ => false,
        };
        let after = self.rest.get(digits + 1..).filter(|_| is_marker)?;
        let is_empty = after.bytes().all(is_blank);
        // … and by an item that is not empty.
        if in_paragraph && is_empty || !after.is_empty() && !after.starts_with([' ', '\t']) {
            return None;
        }
        self.advance(digits + 1);
        // More white space than that belongs to the content.
        let padding = if is_empty || self.indent() > TOO_FAR { 1 } else { self.indent() };
        self.skip_columns(padding);
        Some(digits + 1 + padding)
    }

    /// What is left without its white space.
    fn content(&self) -> &'t str {
        self.rest.trim_start_matches([' ', '\t'])
    }

    /// Consumes ASCII characters, each a column wide.
    fn advance(&mut self, characters: usize) {
        self.rest = &self.rest[characters..];
        self.start += characters;
        self.column += characters;
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// How many columns a space or tab takes at this column.
fn width(byte: u8, column: usize) -> usize {
    if byte == b'\t' { TAB_STOP - column % TAB_STOP } else { 1 }
}

fn is_heading(content: &str) -> bool {
    let text = content.trim_start_matches('#');
    let level = content.len() - text.len();
    (1..=6).contains(&level) && (text.is_empty() || text.starts_with([' ', '\t']))
}

fn fence(content: &str) -> Option<Fence> {
    let marker = content.chars().next().filter(|marker| matches!(marker, '`' | '~'))?;
    let info = content.trim_start_matches(marker);
    let length = content.len() - info.len();
    // Otherwise it is the beginning of a code span.
    let is_fence = length >= 3 && !(marker == '`' && info.contains('`'));
    is_fence.then_some(Fence { marker, length })
}

fn is_underline(content: &str) -> bool {
    let line = content.trim_end_matches([' ', '\t']);
    ['=', '-'].iter().any(|marker| !line.is_empty() && line.chars().all(|c| c == *marker))
}

fn is_thematic_break(content: &str) -> bool {
    let Some(marker) = content.bytes().next().filter(|marker| matches!(marker, b'*' | b'-' | b'_')) else {
        return false;
    };
    content.bytes().all(|byte| byte == marker || is_blank(byte))
        && content.bytes().filter(|byte| *byte == marker).count() >= 3
}
