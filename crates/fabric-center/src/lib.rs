//! Fabric's identity hub (spec/5): users, sessions, agents' API keys, guild nodes and the tokens that let a
//! user into a guild.
//!
//! One set of use cases, all methods of [`Center`]; the HTTP routes (`http`) and the command line (`main.rs`) are
//! thin over them. Another program can run Center inside its own process:
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use fabric_center::{Center, Settings};
//!
//! let center = Center::open(Settings { port: 0, ..Settings::default() }).await?;
//! let (server, address) = center.server()?;
//! println!("Center listens on {address}");
//! server.await?;
//! # Ok(()) }
//! ```
//!
//! # Where to find what
//!
//! - who may sign in and for how long: `sessions.rs`, `tokens.rs`, `passwords.rs`, `limits.rs`
//! - users and their keys: `users.rs`; guild nodes and their members: `guilds.rs`
//! - what an operator can do at the machine: `operator.rs`
//! - tables: `migration.rs`, `entity.rs`; what a field may hold: `values.rs`

mod audit;
mod center;
mod entity;
mod error;
mod guilds;
mod http;
mod limits;
mod migration;
mod operator;
mod passwords;
mod secret;
mod sessions;
mod settings;
mod tokens;
mod users;
mod values;

pub use center::Center;
pub use error::{Error, OpenError};
pub use settings::{Settings, SettingsError};
pub use users::ListedUser;
pub use values::{DisplayName, Email, Endpoint, NodeId, Password};
