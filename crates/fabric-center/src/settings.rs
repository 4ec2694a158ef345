//! Configuration: `fabric-center.toml` and the environment (`FABRIC_BACKEND_CENTER_…`), which wins.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use fabric_serverkit::Secret;
use fabric_serverkit::program::{ConfigError, LogFormat, SettingsSource};
use fabric_serverkit::web::TrustedProxies;
use serde::Deserialize;
use thiserror::Error;

const SOURCE: SettingsSource =
    SettingsSource { prefix: "FABRIC_BACKEND_CENTER", default_file: "fabric-center.toml" };

/// How Center runs. In the environment every field has its name in capitals after
/// `FABRIC_BACKEND_CENTER_`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Address to listen on. Default `0.0.0.0`.
    pub bind: IpAddr,
    /// Port to listen on; 0 lets the system choose. Default 7001.
    pub port: u16,
    /// The database. Default `sqlite://fabric-center.db`; the file is created when absent.
    pub db_url: String,
    /// Signs the tokens; at least 32 bytes. When absent, one is made on the first start and stored in the
    /// database.
    pub jwt_secret: Option<Secret>,
    /// `iss` of every token. Default `fabric-center`.
    pub issuer: String,
    /// Life of an access token, in seconds. Default 900.
    pub access_token_seconds: u32,
    /// Life of a guild access token, in seconds. Default 900.
    pub guild_token_seconds: u32,
    /// Life of a refresh token, in days; each use starts anew. Default 30.
    pub refresh_token_days: u32,
    /// Whether anybody may register a user. Default false: only guild nodes may.
    pub open_registration: bool,
    /// Whether a program on this machine may register a guild node without a key. Default false.
    pub loopback_registration: bool,
    /// Comma list of origins that browsers may call from; empty allows all. `null` (a desktop shell) is
    /// always allowed.
    pub cors_origins: String,
    /// Attempts to sign in per minute from one address; 0 is no limit. Default 600.
    pub logins_per_minute_per_address: u32,
    /// Attempts to sign in per minute for one account from one address, so that a stranger locks nobody out; 0 is no
    /// limit. Default 30.
    pub logins_per_minute_per_account: u32,
    /// Connections that one address may have at a time; past it the one that has kept Center waiting for longest is
    /// ended. 0 is no limit. Default 500.
    pub connections_per_address: u32,
    /// Comma list of addresses or networks whose `X-Forwarded-For` or `Forwarded` names the client. Without it a proxy
    /// is one client.
    pub trusted_proxies: TrustedProxies,
    /// Log filter, for example `info` or `fabric_center=debug`. Default `info`.
    pub log: String,
    /// `text` or `json`. Default `text`.
    pub log_format: LogFormat,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            bind: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            port: 7001,
            db_url: "sqlite://fabric-center.db".to_owned(),
            jwt_secret: None,
            issuer: "fabric-center".to_owned(),
            access_token_seconds: 15 * 60,
            guild_token_seconds: 15 * 60,
            refresh_token_days: 30,
            open_registration: false,
            loopback_registration: false,
            cors_origins: String::new(),
            logins_per_minute_per_address: 600,
            logins_per_minute_per_account: 30,
            connections_per_address: 500,
            trusted_proxies: TrustedProxies::default(),
            log: "info".to_owned(),
            log_format: LogFormat::Text,
        }
    }
}

/// The configuration cannot be read.
#[derive(Debug, Error)]
#[error("configuration: {0}")]
pub struct SettingsError(#[from] ConfigError);

impl Settings {
    /// Reads `file` (or `fabric-center.toml`, when it is there) and the environment.
    pub fn load(file: Option<&Path>) -> Result<Self, SettingsError> {
        Self::read(file, None)
    }

    /// The names of all environment variables that are read; each also with `_FILE`.
    pub fn variables() -> Vec<String> {
        SOURCE.variables::<Self>()
    }

    /// As [`Settings::load`]; a map replaces the environment in tests.
    fn read(
        file: Option<&Path>,
        environment: Option<HashMap<String, String>>,
    ) -> Result<Self, SettingsError> {
        Ok(SOURCE.read(file, environment)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(vars: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let env = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Settings::read(None, Some(env))
    }

    #[test]
    fn nothing_configured_is_the_default() {
        assert_eq!(read(&[]).unwrap(), Settings::default());
    }

    #[test]
    fn the_environment_sets_every_kind_of_field() {
        let settings = read(&[
            ("FABRIC_BACKEND_CENTER_BIND", "127.0.0.1"),
            ("FABRIC_BACKEND_CENTER_PORT", "0"),
            ("FABRIC_BACKEND_CENTER_DB_URL", "sqlite:///data/center.db"),
            ("FABRIC_BACKEND_CENTER_JWT_SECRET", "0123456789abcdef0123456789abcdef"),
            ("FABRIC_BACKEND_CENTER_OPEN_REGISTRATION", "true"),
            ("FABRIC_BACKEND_CENTER_LOG_FORMAT", "json"),
            ("FABRIC_BACKEND_CENTER_CORS_ORIGINS", ""),
            ("FABRIC_BACKEND_GUILD_PORT", "9"),
        ])
        .unwrap();
        assert_eq!((settings.bind, settings.port), (Ipv4Addr::LOCALHOST.into(), 0));
        assert_eq!(settings.jwt_secret, Some(Secret::from("0123456789abcdef0123456789abcdef")));
        assert!(settings.open_registration);
        assert_eq!(settings.log_format, LogFormat::Json);
    }

    #[test]
    fn a_wrong_value_is_refused_without_showing_secrets() {
        let error = read(&[
            ("FABRIC_BACKEND_CENTER_PORT", "many"),
            ("FABRIC_BACKEND_CENTER_JWT_SECRET", "hush-hush-hush"),
        ])
        .unwrap_err();
        assert!(error.to_string().contains("port"), "{error}");
        assert!(!error.to_string().contains("hush"), "{error}");
    }
}
