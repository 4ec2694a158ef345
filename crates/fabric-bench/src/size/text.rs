//! Text that is distributed as people's is: few words are everywhere, most are rare.

use crate::rng::Rng;

/// How many different words there are.
const WORDS: usize = 50_000;
/// Syllables of which words are made.
const SYLLABLES: [&str; 32] = [
    "ka", "lo", "mi", "ren", "ta", "vu", "sel", "or", "di", "pan", "qui", "es", "ther", "no", "bra", "fi",
    "gol", "hu", "jen", "ly", "mar", "ne", "po", "ru", "st", "tri", "un", "wo", "xi", "ya", "zen", "ch",
];

/// The word of this rank, from 0; each rank has another one.
pub(super) fn word(rank: usize) -> String {
    let mut word = String::new();
    let mut left = rank + 1;
    while left > 0 {
        word.push_str(SYLLABLES[left % SYLLABLES.len()]);
        left /= SYLLABLES.len();
    }
    // What is made of syllables may be made in two ways.
    format!("{word}{}", ["", "s", "en", "ly"][rank % 4])
}

/// A word that stands only where it was put.
pub(super) const RARE: &str = "quetzalcoatlus";

/// Words, made once.
#[derive(Debug)]
pub(super) struct Vocabulary(Vec<String>);

impl Vocabulary {
    pub(super) fn new() -> Self {
        Self((0..WORDS).map(word).collect())
    }

    /// Any word: the chance of a rank is inversely proportional to it.
    fn any(&self, rng: &mut Rng) -> &str {
        let chance = f64::from(u32::try_from(rng.below(1 << 30)).unwrap_or_default()) / f64::from(1 << 30);
        let rank = (chance * f64::from(50_000_u32).ln()).exp();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and 50,000")]
        let rank = rank as usize - 1;
        &self.0[rank.min(WORDS - 1)]
    }

    /// A message: mostly a sentence or two, now and then a long answer.
    pub(super) fn message(&self, rng: &mut Rng) -> String {
        let words = match rng.below(100) {
            0 => 200 + rng.below(300),
            1..=20 => 20 + rng.below(40),
            _ => 2 + rng.below(14),
        };
        let mut text = String::with_capacity(words * 7);
        for place in 0..words {
            if place > 0 {
                text.push(' ');
            }
            text.push_str(self.any(rng));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_word_is_common_and_the_rare_one_is_nowhere() {
        let (vocabulary, mut rng) = (Vocabulary::new(), Rng::new(1));
        let texts: Vec<String> = (0..2_000).map(|_| vocabulary.message(&mut rng)).collect();
        let with =
            |word: &str| texts.iter().filter(|text| text.split(' ').any(|other| other == word)).count();
        assert!(with(&word(1)) > 200, "{}", with(&word(1)));
        assert!(with(&word(2_000)) < 50, "{}", with(&word(2_000)));
        assert_eq!(with(RARE), 0);
    }
}
