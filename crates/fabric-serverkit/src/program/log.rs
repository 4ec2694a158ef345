//! Log lines.

use std::fmt::{self, Write as _};
use std::io::IsTerminal as _;

use serde::Deserialize;
use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::format::{FormatFields, Writer, debug_fn};

/// What is no HTTP is answered, and is nobody's error here; anybody could fill the log with it.
const QUIET: &str = "actix_http::h1::dispatcher=off";

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines.
    Json,
}

/// Starts logging to standard error: standard output is for answers. A filter that cannot be read counts as `info`.
/// A second start in one process changes nothing.
///
/// Whatever is logged stays on its line: line feeds, the escapes of terminals and what turns text round are shown as
/// `\u{…}`, so that nobody who chooses a value can write a line.
pub fn start_log(filter: &str, format: LogFormat) {
    let filter = EnvFilter::try_new(format!("{QUIET},{filter}"))
        .unwrap_or_else(|_| EnvFilter::new(format!("{QUIET},info")));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = match format {
        LogFormat::Text => {
            builder.with_ansi(std::io::stderr().is_terminal()).fmt_fields(one_line()).try_init()
        }
        // JSON escapes by itself.
        LogFormat::Json => builder.json().try_init(),
    };
}

/// Fields as `name=value`, the message without a name, and nothing in them that leaves the line.
fn one_line() -> impl for<'w> FormatFields<'w> + Send + Sync + 'static {
    debug_fn(|writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug| {
        match field.name() {
            "message" => {}
            name => write!(writer, "{name}=")?,
        }
        write!(OneLine(writer), "{value:?}")
    })
    .delimited(" ")
}

/// Writes what stays on a line.
struct OneLine<'a, 'w>(&'a mut Writer<'w>);

impl fmt::Write for OneLine<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(leaves_the_line) {
            let (plain, from) = rest.split_at(at);
            self.0.write_str(plain)?;
            let mut chars = from.chars();
            for character in chars.by_ref().take(1) {
                write!(self.0, "{}", character.escape_default())?;
            }
            rest = chars.as_str();
        }
        self.0.write_str(rest)
    }
}

/// Control characters, other line breaks, and what changes the direction of text.
fn leaves_the_line(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{61c}')
        || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn nobody_who_chooses_a_value_writes_a_line() {
        let lines = Lines::default();
        let log = tracing_subscriber::fmt()
            .with_writer(lines.clone())
            .with_ansi(false)
            .without_time()
            .fmt_fields(one_line())
            .finish();
        let forged = "/x\n2026-01-01 ERROR forged\r\u{1b}[2J\u{202e}\u{85}\u{2028}é";
        tracing::subscriber::with_default(log, || {
            tracing::info!(path = forged, shown = %forged, debugged = ?forged, "the message is {forged}");
            let _span = tracing::info_span!("a span", value = %forged).entered();
            tracing::warn!(number = 7, "the second");
        });
        let written = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert_eq!(written.lines().count(), 2, "{written}");
        assert!(!written.replace('\n', "").contains(leaves_the_line), "{written:?}");
        let first = written.lines().next().unwrap();
        assert!(first.contains(r"the message is /x\n2026-01-01 ERROR forged\r\u{1b}[2J"), "{first}");
        assert!(first.contains(r"shown=/x\n2026") && first.contains('é'), "{first}");
        assert!(written.contains("the second number=7"), "{written}");
    }
}
