//! Characters that nobody sees, or that change how others are read.

/// Whether the character changes the direction in which those around it are read, so that `gnp.exe` can look like
/// `exe.png`: embeddings, overrides and isolates (UAX #9 section 2). Marks only say what letters say as well.
pub(super) fn turns_direction(char: char) -> bool {
    matches!(char, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Whether the character ends a line, or is none that is written at all.
pub(super) fn is_control(char: char) -> bool {
    char.is_control() || matches!(char, '\u{2028}' | '\u{2029}')
}

/// Whether the character only joins or varies those beside it. Persian and Hindi are written with joiners; families and
/// flags are several emoji with joiners and tags between them.
fn joins(char: char) -> bool {
    matches!(char,
        '\u{200C}' | '\u{200D}' | '\u{FE00}'..='\u{FE0F}' | '\u{E0020}'..='\u{E007F}' | '\u{E0100}'..='\u{E01EF}')
}

/// Whether nothing is seen of the character by itself: what Unicode calls ignorable by default, and what is blank
/// without being white space.
fn is_invisible(char: char) -> bool {
    joins(char)
        || matches!(char,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}'
            | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' | '\u{1BCA0}'..='\u{1BCA3}'
            | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

/// Whether there is anything to see in the text.
pub(super) fn is_visible(text: &str) -> bool {
    text.chars().any(|char| {
        !char.is_whitespace() && !is_control(char) && !turns_direction(char) && !is_invisible(char)
    })
}

/// Refuses what must not stand in the name of a user, a guild or a channel, and says what that is: people tell others
/// by their names, and read them in one line with other text.
///
/// # Errors
///
/// What is wrong, to be put behind the field's name.
pub fn check_name(name: &str) -> Result<(), &'static str> {
    if name.chars().any(is_control) {
        return Err("must not have line breaks or control characters");
    }
    if name.chars().any(turns_direction) {
        return Err("must not have characters that change the direction of writing");
    }
    if !is_visible(name) {
        return Err("must have something to see in it");
    }
    if name.chars().any(|char| is_invisible(char) && !joins(char)) {
        return Err("must not have invisible characters");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_script_are_names() {
        for name in [
            "Ada",
            "Zoë",
            "東京",
            "می‌خواهم",
            "क्‍ष",
            "👨‍👩‍👧",
            "🏴󠁧󠁢󠁥󠁮󠁧󠁿",
            "❤️",
            "שלום",
            "O’Neill & Söhne",
            "ada@example.org",
        ] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn nobody_is_called_what_cannot_be_seen_or_turns_other_text() {
        for (name, why) in [
            ("", "something to see"),
            (" \u{a0} ", "something to see"),
            ("\u{200D}\u{200C}", "something to see"),
            ("\u{200B}", "something to see"),
            ("\u{3164}", "something to see"),
            ("\u{2800}", "something to see"),
            ("Ada\u{200B}", "invisible"),
            ("A\u{AD}da", "invisible"),
            ("Ada\u{200F}", "invisible"),
            ("Ada\u{202E}", "direction"),
            ("\u{2067}Ada", "direction"),
            ("Ada\nAdmin", "control"),
            ("Ada\u{2028}Admin", "control"),
            ("Ada\u{7}", "control"),
            ("Ada\u{85}", "control"),
        ] {
            let refused = check_name(name).unwrap_err();
            assert!(refused.contains(why), "{name:?}: {refused}");
        }
    }
}
