//! Configuration: `fabric-guild.toml`, and the environment (`FABRIC_BACKEND_GUILD_…`), which wins (spec/3 section 2).

mod database;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use fabric_domain::model::{FileRules, GuildId, Quota};
use fabric_serverkit::Secret;
use fabric_serverkit::program::{ConfigError, LogFormat, SettingsSource};
use fabric_serverkit::web::TrustedProxies;
use serde::Deserialize;
use thiserror::Error;

pub use database::DatabaseUrl;

const PREFIX: &str = "FABRIC_BACKEND_GUILD";
const SOURCE: SettingsSource = SettingsSource { prefix: PREFIX, default_file: "fabric-guild.toml" };

/// How a node runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Center's address.
    pub center_base_url: String,
    /// This node's key at Center.
    pub center_api_key: Secret,
    /// This node's id, which is the guild's.
    pub node_id: String,
    /// Port to listen on; 0 lets the system choose. Default 7002.
    pub port: u16,
    /// Address to listen on. Default `0.0.0.0`.
    pub bind: IpAddr,
    /// The database: `sqlite:`, `mysql:` or `postgres:`. Default `sqlite://fabric-guild.db`; the file is
    /// created when absent.
    pub db_url: DatabaseUrl,
    /// Whether pending migrations run at start-up; without it an old schema is refused. Default true.
    pub db_sync: bool,
    /// Origins that web pages may call from; empty allows all.
    pub cors_origins: Vec<String>,
    /// The secret of system posts; empty lets nobody post as the guild.
    pub commands_sync_key: Secret,
    /// How long a message may be edited, in seconds; 0 = for ever. Default 900.
    pub edit_window_seconds: u32,
    /// How long texts of deleted messages are kept before they are erased, in days; 0 = not at all. Default 30.
    pub retention_days: u32,
    /// The most characters of a message. Default 1,000,000.
    pub content_max_chars: usize,
    /// Where the bytes of files are kept. Default `./files`; made when absent.
    pub file_dir: PathBuf,
    /// Limits of files: `FILE_MAX_BYTES` (default 104,857,600), `FILE_TTL_DAYS` (7; 0 = for ever),
    /// `FILE_QUOTA_BYTES` and `FILE_USER_QUOTA_BYTES` (0 = no limit).
    pub files: FileRules,
    /// Connections that one address may open each second, and 25 times as many at once; 0 = no limit. Default 20.
    pub connects_per_second: u32,
    /// HTTP connections that one address may have at a time; past it the one that has kept the node waiting for longest
    /// is ended. 0 = no limit. Default 500.
    pub connections_per_address: u32,
    /// Addresses and networks whose `X-Forwarded-For` or `Forwarded` names the client; without it a proxy is one
    /// client.
    pub trusted_proxies: TrustedProxies,
    /// Sockets that one user may have at a time; 0 = no limit. Default 100.
    pub sockets_per_user: u32,
    /// What is registered at Center. Default `http://localhost:PORT`.
    pub public_endpoint: String,
    /// Log filter, for example `info` or `fabric_realtime=debug`. Default `info`.
    pub log: String,
    /// How log lines look. Default `text`.
    pub log_format: LogFormat,
    /// Where `GET /metrics` is answered; `None`, the default, records nothing.
    pub metrics_bind: Option<SocketAddr>,
}

/// Why there is no configuration.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// Settings that have no default are not given.
    #[error("missing configuration: {}", .0.join(", "))]
    Missing(Vec<String>),
    /// Settings that cannot be meant together, or a value that means nothing.
    #[error("contradictory configuration: {0}")]
    Contradiction(String),
    /// A value cannot be read.
    #[error(transparent)]
    Invalid(#[from] ConfigError),
}

/// What the file and the environment say.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Given {
    center_base_url: Option<String>,
    center_api_key: Option<Secret>,
    node_id: Option<String>,
    port: Option<u16>,
    bind: Option<IpAddr>,
    db_url: Option<DatabaseUrl>,
    db_type: Option<String>,
    db_host: Option<String>,
    db_port: Option<u16>,
    db_user: Option<String>,
    db_password: Option<Secret>,
    db_name: Option<String>,
    db_sync: Option<bool>,
    cors_origins: Option<String>,
    commands_sync_key: Option<Secret>,
    edit_window_seconds: Option<u32>,
    retention_days: Option<u32>,
    content_max_chars: Option<usize>,
    file_dir: Option<PathBuf>,
    file_max_bytes: Option<u64>,
    file_ttl_days: Option<u32>,
    file_quota_bytes: Option<u64>,
    file_user_quota_bytes: Option<u64>,
    connects_per_second: Option<u32>,
    connections_per_address: Option<u32>,
    trusted_proxies: Option<TrustedProxies>,
    sockets_per_user: Option<u32>,
    public_endpoint: Option<String>,
    log: Option<String>,
    log_format: Option<LogFormat>,
    metrics_bind: Option<String>,
}

impl Settings {
    /// Reads the file (the named one must be there, the default one may be) and the environment.
    pub fn load(file: Option<&Path>) -> Result<Self, SettingsError> {
        Self::read(file, None)
    }

    /// The names of all environment variables that are read; each also with `_FILE`.
    pub fn variables() -> Vec<String> {
        SOURCE.variables::<Given>()
    }

    /// As [`Settings::load`]; a map replaces the environment in tests.
    fn read(
        file: Option<&Path>,
        environment: Option<HashMap<String, String>>,
    ) -> Result<Self, SettingsError> {
        Self::complete(SOURCE.read(file, environment)?)
    }

    /// How this node reaches Center.
    pub(crate) fn center(&self) -> fabric_center_client::Config {
        let key = self.center_api_key.clone();
        fabric_center_client::Config::new(&self.center_base_url, key, GuildId::new(&self.node_id))
    }

    fn complete(given: Given) -> Result<Self, SettingsError> {
        let mut missing = Vec::new();
        let mut required = |name: &str, value: &str| {
            if value.trim().is_empty() {
                missing.push(format!("{PREFIX}_{name}"));
            }
        };
        let center_base_url = given.center_base_url.unwrap_or_default();
        let center_api_key = given.center_api_key.unwrap_or_default();
        let node_id = given.node_id.unwrap_or_default();
        required("CENTER_BASE_URL", &center_base_url);
        required("CENTER_API_KEY", center_api_key.expose());
        required("NODE_ID", &node_id);
        if !missing.is_empty() {
            return Err(SettingsError::Missing(missing));
        }
        let parts = database::Parts {
            kind: given.db_type,
            host: given.db_host,
            port: given.db_port,
            user: given.db_user,
            password: given.db_password,
            name: given.db_name,
        };
        let usual = FileRules::default();
        let files = FileRules {
            max_bytes: given.file_max_bytes.unwrap_or(usual.max_bytes),
            ttl_days: given.file_ttl_days.unwrap_or(usual.ttl_days),
            quota: Quota {
                guild: given.file_quota_bytes.unwrap_or(usual.quota.guild),
                user: given.file_user_quota_bytes.unwrap_or(usual.quota.user),
            },
            ..usual
        };
        let port = given.port.unwrap_or(7002);
        let origins = given.cors_origins.unwrap_or_default();
        Ok(Self {
            center_base_url,
            center_api_key,
            node_id,
            port,
            bind: given.bind.unwrap_or_else(|| [0, 0, 0, 0].into()),
            db_url: parts.url(given.db_url)?,
            db_sync: given.db_sync.unwrap_or(true),
            cors_origins: origins
                .split(',')
                .map(str::trim)
                .filter(|origin| !origin.is_empty())
                .map(str::to_owned)
                .collect(),
            commands_sync_key: given.commands_sync_key.unwrap_or_default(),
            edit_window_seconds: given.edit_window_seconds.unwrap_or(900),
            retention_days: given.retention_days.unwrap_or(30),
            content_max_chars: given.content_max_chars.unwrap_or(1_000_000),
            file_dir: given.file_dir.unwrap_or_else(|| PathBuf::from("files")),
            files,
            connects_per_second: given.connects_per_second.unwrap_or(20),
            connections_per_address: given.connections_per_address.unwrap_or(500),
            trusted_proxies: given.trusted_proxies.unwrap_or_default(),
            sockets_per_user: given.sockets_per_user.unwrap_or(100),
            public_endpoint: given.public_endpoint.unwrap_or_else(|| format!("http://localhost:{port}")),
            log: given.log.unwrap_or_else(|| "info".to_owned()),
            log_format: given.log_format.unwrap_or_default(),
            metrics_bind: metrics_bind(given.metrics_bind.as_deref())?,
        })
    }
}

/// An address, or `off`.
fn metrics_bind(given: Option<&str>) -> Result<Option<SocketAddr>, SettingsError> {
    match given {
        None | Some("off") => Ok(None),
        Some(address) => address.parse().map(Some).map_err(|_| {
            let problem =
                format!("{PREFIX}_METRICS_BIND is {address:?}: an address such as 127.0.0.1:9102, or off");
            SettingsError::Contradiction(problem)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given() -> Given {
        Given {
            center_base_url: Some("http://localhost:7001".to_owned()),
            center_api_key: Some(Secret::from("fnk_secret")),
            node_id: Some("n1".to_owned()),
            ..Given::default()
        }
    }

    #[test]
    fn missing_settings_are_named_each() {
        let error =
            Settings::complete(Given { node_id: Some("n1".to_owned()), ..Given::default() }).unwrap_err();
        assert_eq!(
            error.to_string(),
            "missing configuration: FABRIC_BACKEND_GUILD_CENTER_BASE_URL, FABRIC_BACKEND_GUILD_CENTER_API_KEY"
        );
        let blank = Settings::complete(Given { node_id: Some(" ".to_owned()), ..given() }).unwrap_err();
        assert_eq!(blank.to_string(), "missing configuration: FABRIC_BACKEND_GUILD_NODE_ID");
    }

    #[test]
    fn the_rest_has_the_defaults_of_the_specification() {
        let settings = Settings::complete(given()).unwrap();
        assert_eq!((settings.port, settings.bind.to_string()), (7002, "0.0.0.0".to_owned()));
        assert_eq!(settings.db_url.expose(), "sqlite://fabric-guild.db");
        assert_eq!((settings.edit_window_seconds, settings.content_max_chars), (900, 1_000_000));
        assert_eq!(settings.retention_days, 30);
        assert_eq!((settings.connects_per_second, settings.sockets_per_user), (20, 100));
        assert_eq!((settings.file_dir.to_str(), settings.files), (Some("files"), FileRules::default()));
        assert_eq!((settings.files.max_bytes, settings.files.ttl_days), (104_857_600, 7));
        assert_eq!(settings.public_endpoint, "http://localhost:7002");
        assert!(settings.db_sync && settings.cors_origins.is_empty());
    }

    #[test]
    fn the_environment_may_give_the_database_in_parts() {
        let env = [
            ("CENTER_BASE_URL", "http://localhost:7001"),
            ("CENTER_API_KEY", "fnk_secret"),
            ("NODE_ID", "n1"),
            ("DB_URL", ""),
            ("DB_TYPE", "mariadb"),
            ("DB_HOST", "db"),
            ("DB_PORT", "3307"),
            ("DB_USER", "fabric"),
            ("DB_PASSWORD", "hush"),
            ("DB_NAME", "guild"),
        ];
        let env = env.map(|(name, value)| (format!("{PREFIX}_{name}"), value.to_owned())).into();
        let settings = Settings::read(None, Some(env)).unwrap();
        assert_eq!(settings.db_url.expose(), "mysql://fabric:hush@db:3307/guild");
        assert!(!format!("{settings:?}").contains("hush"));
    }

    #[test]
    fn metrics_are_off_unless_an_address_is_given() {
        let bind = |address: Option<&str>| {
            let given = Given { metrics_bind: address.map(str::to_owned), ..given() };
            Settings::complete(given).map(|settings| settings.metrics_bind.map(|address| address.to_string()))
        };
        assert_eq!((bind(None).unwrap(), bind(Some("off")).unwrap()), (None, None));
        assert_eq!(bind(Some("[::1]:9102")).unwrap().as_deref(), Some("[::1]:9102"));
        assert!(bind(Some("9102")).unwrap_err().to_string().contains("METRICS_BIND"));
    }

    #[test]
    fn origins_are_a_comma_list() {
        let given =
            Given { cors_origins: Some(" https://a.example, https://b.example ,".to_owned()), ..given() };
        assert_eq!(
            Settings::complete(given).unwrap().cors_origins,
            ["https://a.example", "https://b.example"]
        );
    }

    #[test]
    fn secrets_are_never_printed() {
        let settings = Settings::complete(given()).unwrap();
        assert!(!format!("{settings:?}").contains("fnk_secret"));
    }
}
