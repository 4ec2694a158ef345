//! Log lines.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

const QUIET: &str = "actix_http::h1::dispatcher=off";

/// Starts logging to standard error. A filter that cannot be read counts as `info`.
pub(crate) fn start(filter: &str, format: LogFormat) {
    // What is no HTTP is answered, and is nobody's error here; anybody could fill the log with it.
    let filter = EnvFilter::try_new(format!("{QUIET},{filter}"))
        .unwrap_or_else(|_| EnvFilter::new(format!("{QUIET},info")));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // A second start (tests run several nodes in a process) changes nothing.
    let _ = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}
