//! Words as indexes keep them: ASCII letters and digits only, at least three and at most 80 of them, none a word
//! of any language. So no database's own idea of words, stop words or least lengths ever decides.

use std::fmt::Write as _;

use crate::model::{ChannelId, UserId};

/// The longest word that is kept as it is, in characters of its token.
const WHOLE: usize = 64;
/// How much of a longer one is kept beside its hash: as far as prefixes are told apart.
const KEPT: usize = 60;

/// What an index finds by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Token {
    /// `[a-z0-9]`, 3 to 80 characters.
    pub text: String,
    /// Whether all tokens that begin with it are meant.
    pub is_prefix: bool,
}

impl Token {
    pub(super) fn accepts(&self, token: &str) -> bool {
        if self.is_prefix { token.starts_with(&self.text) } else { token == self.text }
    }
}

/// The token of a word.
pub(super) fn of_word(word: &str) -> String {
    let (tag, code) = code(word);
    if code.len() <= WHOLE {
        return format!("{tag}{code}");
    }
    format!("{tag}{}{:016x}", &code[..KEPT], hash(word))
}

/// The tokens of all words that begin so. Beyond 60 characters (ASCII) or 30 bytes they are not told apart.
pub(super) fn of_prefix(prefix: &str) -> Vec<Token> {
    let token = |tag: &str, code: &str| Token {
        text: format!("{tag}{}", &code[..code.len().min(KEPT)]),
        is_prefix: true,
    };
    let (tag, code) = code(prefix);
    let mut tokens = vec![token(tag, &code)];
    if tag == PLAIN {
        // What follows may be of another script.
        tokens.push(token(CODED, &hex(prefix)));
    }
    tokens
}

/// The token of every message of a channel. Another channel may have the same, though it is unlikely.
pub fn of_channel(id: &ChannelId) -> Token {
    Token { text: format!("zc{:016x}", hash(id.as_str())), is_prefix: false }
}

/// The token of every message of an author. Another author may have the same, though it is unlikely.
pub fn of_author(id: &UserId) -> Token {
    Token { text: format!("za{:016x}", hash(id.as_str())), is_prefix: false }
}

const PLAIN: &str = "zz";
const CODED: &str = "zx";

/// A beginning of a word has a beginning of its code.
fn code(word: &str) -> (&'static str, String) {
    if word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
        (PLAIN, word.to_owned())
    } else {
        (CODED, hex(word))
    }
}

fn hex(word: &str) -> String {
    word.bytes().fold(String::with_capacity(word.len() * 2), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// FNV-1a: stored, so it must never change.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
