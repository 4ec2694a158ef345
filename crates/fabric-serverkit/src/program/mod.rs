//! What a process needs.

mod health;
mod log;
mod names;
mod open_files;
mod settings;
mod signal;

pub use config::ConfigError;
pub use health::{HealthError, check_health};
pub use log::{LogFormat, start_log};
pub use open_files::raise_open_files;
pub use settings::SettingsSource;
pub use signal::stop_signal;
