#![doc = include_str!("../README.md")]

mod account;
pub mod agent;
mod center;
mod close;
mod error;
mod files;
mod guild;
mod http;
mod realtime;
mod session;
mod token;
mod tokens;

pub use fabric_api as api;
pub use fabric_domain::model;

pub use center::Center;
pub use close::CloseReason;
pub use error::{ApiError, Error};
pub use files::Download;
pub use guild::{GuildClient, Range, SearchIn};
pub use http::Timeouts;
pub use realtime::{Event, Events, Joined, Realtime};
pub use session::Session;
