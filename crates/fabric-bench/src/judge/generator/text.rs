//! What is read of a message without parsing it: its seq, and the number that the generator wrote into its
//! content.

use memchr::memmem;

/// A post, by the order in which posts were sent.
pub(in crate::judge) type PostNo = usize;

/// What stands before and after a post's number in its content.
const MARK: char = '~';
const DIGITS: usize = 10;

/// A message, as far as it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) seq: u64,
    pub(super) post: PostNo,
}

/// The content of a post, of `length` characters (or as few as it takes).
pub(super) fn content(post: PostNo, length: usize) -> String {
    let mark = format!("{MARK}{post:0DIGITS$}{MARK}");
    format!("{mark:x<length$}")
}

/// Finds both numbers. It remembers where they were, for the next message has them there, too.
#[derive(Debug)]
pub(super) struct Finder {
    seq: Place,
    mark: Place,
}

impl Default for Finder {
    fn default() -> Self {
        Self { seq: Place::of(b"\"seq\":"), mark: Place::of(b"\"content\":\"~") }
    }
}

impl Finder {
    pub(super) fn find(&mut self, text: &[u8]) -> Option<Found> {
        let seq = number(self.seq.after(text)?)?;
        let post = number(self.mark.after(text)?)?;
        Some(Found { seq, post: usize::try_from(post).ok()? })
    }

    /// The number behind `"seq":`.
    pub(super) fn seq(&mut self, text: &[u8]) -> Option<u64> {
        number(self.seq.after(text)?)
    }
}

#[derive(Debug)]
struct Place {
    needle: &'static [u8],
    finder: memmem::Finder<'static>,
    last: usize,
}

impl Place {
    fn of(needle: &'static [u8]) -> Self {
        Self { needle, finder: memmem::Finder::new(needle), last: 0 }
    }

    /// What follows the needle.
    fn after<'a>(&mut self, text: &'a [u8]) -> Option<&'a [u8]> {
        let is_there = text.get(self.last..).is_some_and(|rest| rest.starts_with(self.needle));
        if !is_there {
            self.last = self.finder.find(text)?;
        }
        text.get(self.last + self.needle.len()..)
    }
}

/// The number that a text begins with.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (digits > 0).then(|| text[..digits].iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_numbers_are_found_wherever_they_are() {
        let mut finder = Finder::default();
        for (seq, post, before) in [(7, 3, ""), (8, 4, ""), (1_234_567, 12, "\"id\":\"x\","), (9, 0, "")] {
            let text = format!("{{{before}\"seq\":{seq},\"content\":\"{}\"}}", content(post, 50));
            assert_eq!(finder.find(text.as_bytes()), Some(Found { seq, post }));
        }
        assert_eq!(finder.find(b"{\"seq\":1,\"content\":\"hi\"}"), None);
    }

    #[test]
    fn contents_have_the_length_that_is_asked_for() {
        assert_eq!(content(7, 20), "~0000000007~xxxxxxxx");
        assert_eq!(content(7, 3).len(), DIGITS + 2);
    }
}
