//! What a process needs.

mod log;
mod settings;
mod signal;

pub use config::ConfigError;
pub use log::{LogFormat, start_log};
pub use settings::SettingsSource;
pub use signal::stop_signal;
