//! JSON as half of the world writes it. A text that was cut in the middle of an emoji ends in half of one; JavaScript
//! and Python write it as `"\ud83d"`, which is valid JSON (RFC 8259 section 8.2), but no Rust string can hold it.

/// The JSON text with the escape of U+FFFD in place of each escape of a surrogate that has no other half, as
/// `String.prototype.toWellFormed` and every UTF-8 encoder have it. `None`: there is none.
///
/// Whether the text is JSON at all is the parser's affair: what is no escape stays as it is.
pub fn well_formed(json: &[u8]) -> Option<Vec<u8>> {
    const REPLACEMENT: &[u8; ESCAPE] = b"\\ufffd";
    let mut mended: Option<Vec<u8>> = None;
    let mut at = 0;
    while let Some(found) = json[at..].iter().position(|byte| *byte == b'\\') {
        at += found;
        at += match unit(&json[at..]) {
            // A backslash and what it escapes, so that the `u` of `\\u` begins nothing.
            None => 2.min(json.len() - at),
            Some(Unit::High) if unit(&json[at + ESCAPE..]) == Some(Unit::Low) => 2 * ESCAPE,
            Some(Unit::High | Unit::Low) => {
                let mended = mended.get_or_insert_with(|| json.to_vec());
                mended[at..at + ESCAPE].copy_from_slice(REPLACEMENT);
                ESCAPE
            }
            Some(Unit::Other) => ESCAPE,
        };
    }
    mended
}

/// The length of `\uXXXX`.
const ESCAPE: usize = 6;

/// What stands behind `\u`: one unit of UTF-16.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    High,
    Low,
    Other,
}

/// The escape that the text begins with.
fn unit(json: &[u8]) -> Option<Unit> {
    let digits = json.strip_prefix(b"\\u")?.get(..4)?;
    let value =
        digits.iter().try_fold(0, |value, digit| Some(value * 16 + char::from(*digit).to_digit(16)?))?;
    Some(match value {
        0xd800..=0xdbff => Unit::High,
        0xdc00..=0xdfff => Unit::Low,
        _ => Unit::Other,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(json: &str) -> String {
        let json = well_formed(json.as_bytes()).unwrap_or_else(|| json.into());
        serde_json::from_slice(&json).unwrap()
    }

    #[test]
    fn half_an_emoji_becomes_the_replacement_character() {
        for (json, expected) in [
            (r#""cut \ud83d""#, "cut \u{fffd}"),
            (r#""cut \uD83D here""#, "cut \u{fffd} here"),
            (r#""\ude00""#, "\u{fffd}"),
            (r#""\ude00\ud83d""#, "\u{fffd}\u{fffd}"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}😀"),
            (r#""\ud83d\u0041""#, "\u{fffd}A"),
            (r#""\ud83d\\ude00""#, "\u{fffd}\\ude00"),
            (r#""\ud83d\n""#, "\u{fffd}\n"),
        ] {
            assert_eq!(read(json), expected, "{json}");
        }
    }

    #[test]
    fn everything_else_stays_as_it_is() {
        for json in [
            "",
            "\\",
            r#""\ud83d\ude00""#,
            r#""\\ud83d""#,
            r#""\\\\ud83d""#,
            r#""\u00e9 \" \n""#,
            r#""\ud83""#,
            r#""\u"#,
            r#""\ud8zz""#,
        ] {
            assert_eq!(well_formed(json.as_bytes()), None, "{json}");
        }
    }

    proptest! {
        #[test]
        fn it_reads_as_what_utf_16_makes_of_it(units in proptest::collection::vec(
            prop_oneof![0xd800..0xe000_u16, any::<u16>(), 0x20..0x7f_u16], 0..12,
        )) {
            let escapes = units.iter().map(|unit| format!("\\u{unit:04x}")).collect::<Vec<_>>().concat();
            prop_assert_eq!(read(&format!("\"{escapes}\"")), String::from_utf16_lossy(&units));
        }

        #[test]
        fn no_bytes_are_too_odd(json in proptest::collection::vec(
            prop_oneof![Just(b'\\'), Just(b'u'), Just(b'd'), Just(b'8'), any::<u8>()], 0..40,
        )) {
            if let Some(mended) = well_formed(&json) {
                prop_assert_eq!(mended.len(), json.len());
                prop_assert_eq!(well_formed(&mended), None);
            }
        }
    }
}
