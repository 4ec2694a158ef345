//! What a message is found by (spec/3 section 8): the same words on every database, because they are taken
//! here and a database only keeps them.
//!
//! - A word is a run of letters and digits. Case, accents, width and ligatures do not matter, nor do the vowel
//!   points of Hebrew and Arabic. Everything else separates words.
//! - Scripts that do not put spaces between words (ideographs, kana, Hangul, Thai, Lao, Khmer, Burmese) are
//!   found by single characters, and by pairs of neighbours.
//! - An emoji is a word, whatever its colour of skin.
//! - A query is words that must all occur, in any order. A `*` behind a word of two or more characters stands
//!   for any ending. There are no other operators, so nothing that is typed is an error of syntax.

mod fold;
mod snippet;
mod token;
mod words;

use std::collections::HashSet;

use thiserror::Error;

pub use snippet::Part;
pub use token::{Token, of_author as author_token, of_channel as channel_token};

use crate::model::{ChannelId, Message, UserId};
use words::{Piece, Pieces, findable, joined};

/// How many different words of one message are found; the first ones. Indexing must end in reasonable time.
pub const WORDS_MAX: usize = 50_000;
/// How many bytes the words of one message have at most, as they are kept. (`PostgreSQL` keeps less than 1 MiB.)
const KEPT_MAX: usize = 900_000;

/// Whether a message can ever be found: all can but the guild's acknowledgements of commands.
pub fn is_findable(message: &Message) -> bool {
    message.ack.is_none()
}

/// What is kept of a message, so that it can be found: tokens, each once, with spaces between them. `None` for
/// what is [never found](is_findable). Empty for a tombstone.
pub fn document(message: &Message) -> Option<String> {
    if !is_findable(message) {
        return None;
    }
    if message.deleted_at.is_some() {
        return Some(String::new());
    }
    Some(tokens(&message.channel_id, &message.author, &message.content))
}

/// What is kept of a message of this channel and author with this text.
pub fn tokens(channel: &ChannelId, author: &UserId, content: &str) -> String {
    let mut kept = token::of_channel(channel).text;
    kept.push(' ');
    kept.push_str(&token::of_author(author).text);
    let mut seen = HashSet::new();
    for token in findable(content).map(|piece| token::of_word(&piece.text)) {
        if seen.len() == WORDS_MAX || kept.len() + token.len() >= KEPT_MAX {
            break;
        }
        if !seen.contains(&token) {
            kept.push(' ');
            kept.push_str(&token);
            seen.insert(token);
        }
    }
    kept
}

/// Words to search for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// All of them must be there; each as any of its tokens.
    terms: Vec<Vec<Token>>,
}

/// Why a text is no query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum QueryError {
    /// It has neither letters nor digits nor emoji.
    #[error("must contain a word")]
    NoWord,
    /// It is too long.
    #[error("must have at most {} characters", Query::MAX_CHARS)]
    TooLong,
    /// It has too many words.
    #[error("must have at most {} words", Query::MAX_WORDS)]
    TooManyWords,
}

impl Query {
    /// The most characters of a query.
    pub const MAX_CHARS: usize = 256;
    /// The most different words of a query; of scripts without spaces, pairs of characters.
    pub const MAX_WORDS: usize = 64;

    /// Takes the words of what somebody typed.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        if text.chars().nth(Self::MAX_CHARS).is_some() {
            return Err(QueryError::TooLong);
        }
        let mut terms = Vec::new();
        let mut before: Option<(Piece, bool)> = None;
        for piece in Pieces::of(text) {
            let (former, pair) = match before.take() {
                Some((former, in_pair)) => {
                    let pair = joined(&former, &piece);
                    // A character that is in no pair is searched for by itself.
                    ((!in_pair && pair.is_none()).then_some(former), pair)
                }
                None => (None, None),
            };
            terms.extend(former.map(|alone| exactly(&alone)));
            terms.extend(pair.as_ref().map(exactly));
            if piece.unspaced {
                before = Some((piece, pair.is_some()));
            } else if text[piece.span.end..].starts_with('*') && piece.text.chars().nth(1).is_some() {
                terms.push(token::of_prefix(&piece.text));
            } else {
                terms.push(exactly(&piece));
            }
        }
        terms.extend(before.filter(|(_, in_pair)| !in_pair).map(|(alone, _)| exactly(&alone)));
        let mut seen = HashSet::new();
        terms.retain(|term| seen.insert(term.clone()));
        match terms.len() {
            0 => Err(QueryError::NoWord),
            words if words > Self::MAX_WORDS => Err(QueryError::TooManyWords),
            _ => Ok(Self { terms }),
        }
    }

    /// What an index is asked for: something of each.
    pub fn terms(&self) -> impl Iterator<Item = &[Token]> {
        self.terms.iter().map(Vec::as_slice)
    }

    /// Whether a message with this [`document`] is found.
    pub fn finds(&self, document: &str) -> bool {
        let kept: HashSet<&str> = document.split(' ').collect();
        self.terms.iter().all(|term| {
            term.iter().any(|wanted| {
                if wanted.is_prefix {
                    kept.iter().any(|token| wanted.accepts(token))
                } else {
                    kept.contains(wanted.text.as_str())
                }
            })
        })
    }

    /// The text around the first hit, at most about 200 characters on one line, and which parts of it are hits.
    pub fn snippet(&self, content: &str) -> Vec<Part> {
        snippet::of(self, content)
    }
}

fn exactly(piece: &Piece) -> Vec<Token> {
    vec![Token { text: token::of_word(&piece.text), is_prefix: false }]
}
