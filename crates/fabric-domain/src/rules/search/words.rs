//! The words of a text, and where they stand in it.

use std::collections::VecDeque;
use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use super::fold::{Class, class, fold};

/// A word, or a character that is searched for by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    /// Folded.
    pub(super) text: String,
    /// In the text, in bytes.
    pub(super) span: Range<usize>,
    /// Whether it is a character of a script that does not put spaces between words.
    pub(super) unspaced: bool,
}

/// The pieces of a text, in its order.
pub(super) struct Pieces<'a> {
    content: &'a str,
    at: usize,
    /// The word that is being read.
    word: Option<Piece>,
    ready: VecDeque<Piece>,
}

impl<'a> Pieces<'a> {
    pub(super) fn of(content: &'a str) -> Self {
        Self { content, at: 0, word: None, ready: VecDeque::new() }
    }

    /// Reads one user-perceived character.
    fn step(&mut self) {
        let start = self.at;
        let bytes = &self.content.as_bytes()[start..];
        // Most characters are these; with nothing but ASCII behind it, no accent can follow.
        if bytes[0].is_ascii() && bytes.get(1).is_none_or(u8::is_ascii) {
            self.at += 1;
            self.take(char::from(bytes[0].to_ascii_lowercase()), &(start..self.at));
            return;
        }
        let cluster = self.content[start..].graphemes(true).next().unwrap_or_default();
        self.at += cluster.len();
        for c in fold(cluster).chars() {
            self.take(c, &(start..self.at));
        }
    }

    fn take(&mut self, c: char, span: &Range<usize>) {
        match class(c) {
            Class::Letter => {
                let word = self.word.get_or_insert_with(|| Piece {
                    text: String::new(),
                    span: span.clone(),
                    unspaced: false,
                });
                word.text.push(c);
                word.span.end = span.end;
            }
            Class::Mark => {
                let before =
                    self.word.as_mut().or(self.ready.back_mut()).filter(|piece| piece.span.end == span.end);
                if let Some(before) = before {
                    before.text.push(c);
                }
            }
            Class::Unspaced | Class::Symbol => {
                self.ready.extend(self.word.take());
                let unspaced = class(c) == Class::Unspaced;
                self.ready.push_back(Piece { text: c.to_string(), span: span.clone(), unspaced });
            }
            Class::Separator => self.ready.extend(self.word.take()),
        }
    }
}

impl Iterator for Pieces<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Some(piece);
            }
            if self.at == self.content.len() {
                return self.word.take();
            }
            self.step();
        }
    }
}

/// What a text is found by: its words, its pictograms, and of scripts without spaces each character and each
/// pair of neighbours, whose places do not matter otherwise.
pub(super) fn findable(content: &str) -> impl Iterator<Item = Piece> {
    let mut before: Option<Piece> = None;
    Pieces::of(content).flat_map(move |piece| {
        let pair = before.take().and_then(|before| joined(&before, &piece));
        before = piece.unspaced.then(|| piece.clone());
        std::iter::once(piece).chain(pair)
    })
}

/// Two neighbours of a script without spaces.
pub(super) fn joined(one: &Piece, two: &Piece) -> Option<Piece> {
    let neighbours = one.unspaced && two.unspaced && one.span.end >= two.span.start;
    neighbours.then(|| Piece {
        text: format!("{}{}", one.text, two.text),
        span: one.span.start..two.span.end,
        unspaced: true,
    })
}
