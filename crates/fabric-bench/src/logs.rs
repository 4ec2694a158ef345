//! What the server logs, so that a scenario can count lines.

use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// Lines that are kept at most between two calls of [`Logs::take`].
const MAX_LINES: usize = 100_000;

/// The server's log from `debug` on. Clones are the same log.
#[derive(Debug, Clone, Default)]
pub struct Logs {
    lines: Arc<Mutex<Vec<Line>>>,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How grave it is.
    pub level: Level,
    /// Message and fields, `name=value`.
    pub text: String,
}

impl Logs {
    /// The log of this process. The first call begins it.
    pub fn of_process() -> Self {
        static LOGS: OnceLock<Logs> = OnceLock::new();
        let begin = || {
            let logs = Self::default();
            let subscriber = tracing_subscriber::registry().with(Capture(logs.clone()));
            // Who has a subscriber already sees no lines here, and scenarios that count them say so.
            let _ = tracing::subscriber::set_global_default(subscriber);
            logs
        };
        LOGS.get_or_init(begin).clone()
    }

    /// The lines since the last call.
    pub fn take(&self) -> Vec<Line> {
        std::mem::take(&mut self.lines.lock())
    }

    /// How many lines since the last [`Logs::take`] hold this text.
    pub fn count(&self, text: &str) -> usize {
        self.lines.lock().iter().filter(|line| line.text.contains(text)).count()
    }
}

struct Capture(Logs);

fn is_ours(metadata: &Metadata<'_>) -> bool {
    let ours = ["actix_socketio", "fabric_realtime", "fabric_domain", "fabric_store"];
    *metadata.level() <= Level::DEBUG && ours.iter().any(|prefix| metadata.target().starts_with(prefix))
}

impl<S: Subscriber> Layer<S> for Capture {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if is_ours(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        is_ours(metadata)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        let mut lines = self.0.lines.lock();
        if lines.len() < MAX_LINES {
            lines.push(Line { level: *event.metadata().level(), text: text.0 });
        }
    }
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Writing to a string cannot fail.
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?} "),
            name => write!(self.0, "{name}={value:?} "),
        };
    }
}
