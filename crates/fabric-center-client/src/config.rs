//! How a guild node reaches Center.

use std::time::Duration;

use fabric_domain::model::GuildId;
use fabric_serverkit::Secret;
use thiserror::Error;

/// How a guild node reaches Center, and how long it relies on what it was told.
#[derive(Debug, Clone)]
pub struct Config {
    /// Center's address, with or without `/api` at the end.
    pub base_url: String,
    /// The node's key (`fnk_…`).
    pub api_key: Secret,
    /// The node's id, which is the guild's id.
    pub node_id: GuildId,
    /// A call takes no longer, its retry included. Default 3 s.
    pub timeout: Duration,
    /// How long a confirmed token is not asked about again. Default 60 s: so soon is a revoked user out.
    pub token_ttl: Duration,
    /// How long a refused token is not asked about again. Default 5 s.
    pub refused_ttl: Duration,
    /// How long confirmed tokens and known names outlive that while Center cannot be asked. Default 5 min.
    pub grace: Duration,
    /// How long a name's owner is remembered. Default 15 s, as the list of members: whoever gave a name up is not to
    /// be woken in place of its new owner. Unknown names are remembered for
    /// [`Config::refused_ttl`]: their owners may be about to join.
    pub name_ttl: Duration,
    /// How long the list of members is remembered. Default 15 s: whoever has just joined wants to be seen, and whoever
    /// was disabled is to be passed over within a minute.
    pub members_ttl: Duration,
    /// How long the admin is remembered. Default one day.
    pub admin_ttl: Duration,
    /// How long it is remembered that there is no admin. Default 1 min: somebody is about to set one.
    pub no_admin_ttl: Duration,
    /// How long anybody waits to hear who the admin is; until Center has answered there is none. Default 1 s.
    pub admin_patience: Duration,
    /// The most tokens and the most names that are remembered. Default 20,000.
    pub capacity: u64,
    /// So many failures in a row open the circuit breaker. Default 3.
    pub breaker_failures: u32,
    /// So long is Center left alone then. Default 5 s.
    pub breaker_pause: Duration,
    /// First pause between attempts to register; doubled up to [`Config::register_pause_most`]. Default 1 s.
    pub register_pause: Duration,
    /// Default 1 min.
    pub register_pause_most: Duration,
}

impl Config {
    /// The defaults of the specification.
    pub fn new(base_url: impl Into<String>, api_key: impl Into<Secret>, node_id: impl Into<GuildId>) -> Self {
        Self {
            base_url: base_url.into(),
            api_key: api_key.into(),
            node_id: node_id.into(),
            timeout: Duration::from_secs(3),
            token_ttl: Duration::from_mins(1),
            refused_ttl: Duration::from_secs(5),
            grace: Duration::from_mins(5),
            name_ttl: Duration::from_secs(15),
            members_ttl: Duration::from_secs(15),
            admin_ttl: Duration::from_hours(24),
            no_admin_ttl: Duration::from_mins(1),
            admin_patience: Duration::from_secs(1),
            capacity: 20_000,
            breaker_failures: 3,
            breaker_pause: Duration::from_secs(5),
            register_pause: Duration::from_secs(1),
            register_pause_most: Duration::from_mins(1),
        }
    }
}

/// The client cannot be made from this configuration.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Center's address is no `http` or `https` address.
    #[error("Center's address is not an http:// or https:// address")]
    BaseUrl,
    /// The key has characters that no header can carry.
    #[error("the node's key has characters that it cannot have")]
    ApiKey,
    /// No TLS, for example.
    #[error("HTTP client: {0}")]
    Http(#[from] reqwest::Error),
}
