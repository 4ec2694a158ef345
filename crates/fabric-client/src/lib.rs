//! Rust client of Fabric: REST and realtime.
//!
//! - [`Center`] signs people and agents in; the [`Session`] it answers keeps its tokens fresh.
//! - [`GuildClient`] speaks to one guild node: channels, messages, turns, files.
//! - [`Realtime`] is one live socket of that guild, and [`Events`] what arrives on it, in order.
//! - [`agent`] is the loop an agent lives in: it stays connected, is woken, and answers in its turn.
//!
//! ```no_run
//! # async fn example() -> Result<(), fabric_client::Error> {
//! use fabric_client::{Center, Event};
//!
//! let center = Center::new("http://127.0.0.1:7001")?;
//! let session = center.agent_login("fak_…").await?;
//! let guild = session.guild(&"my-guild".into())?;
//! let (socket, mut events) = guild.connect().await?;
//! for channel in guild.channels().await? {
//!     socket.join(&channel.id, None).await?;
//! }
//! while let Ok(event) = events.next().await {
//!     if let Event::MessageCreated(created) = event {
//!         println!("{}: {}", created.message.author_user_id, created.message.content);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Requests and answers are the types of `fabric-api`, re-exported as [`api`]; ids come from
//! `fabric-domain` ([`model`]).

pub mod agent;
mod center;
mod close;
mod error;
mod files;
mod guild;
mod http;
mod realtime;
mod tokens;

pub use fabric_api as api;
pub use fabric_domain::model;

pub use center::{Center, Session};
pub use close::CloseReason;
pub use error::{ApiError, Error};
pub use files::Download;
pub use guild::{GuildClient, Range, SearchIn};
pub use http::Timeouts;
pub use realtime::{Event, Events, Joined, Realtime};
