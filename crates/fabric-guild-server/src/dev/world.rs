//! Center and the guild in one process, with a person, agents and channels in them.

use std::error::Error;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use fabric_api::guild::CreateChannel;
use fabric_center::Center;
use fabric_center_client::CenterClient;
use fabric_client::GuildClient;
use fabric_client::agent::{AgentConnection, Options};
use fabric_domain::model::{ChannelType, FileRules, UserId};
use fabric_serverkit::program::LogFormat;
use fabric_serverkit::system::{SystemClock, secret_bytes};
use fabric_serverkit::web::TrustedProxies;
use fabric_serverkit::{Secret, private};
use serde::{Deserialize, Serialize};

use super::DevOptions;
use super::agents::Persona;
use super::settings::{AGENTS, GUILD_NAME, NODE_ID, PERSON, Person, ROUNDTABLE};
use crate::Node;
use crate::config::Settings;

/// An error of any kind: it goes to the terminal as it is.
pub(super) type DevError = Box<dyn Error + Send + Sync>;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// How often the demo channels are tried.
const TRIES: u32 = 4;
/// How long agents may take until they are in their channels.
const AGENTS_READY: Duration = Duration::from_secs(30);

/// A running demo.
pub(super) struct World {
    pub(super) center_url: String,
    pub(super) guild_url: String,
    pub(super) system_key: String,
    pub(super) password: String,
    center: ServerHandle,
    node: Node,
    agents: Vec<AgentConnection>,
}

/// Keys that are shown once and needed again at the next start.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Keys {
    node: Option<String>,
    system: Option<String>,
    /// With which the person signs in.
    password: Option<String>,
    agents: Vec<String>,
}

impl Keys {
    fn load(path: &Path) -> Result<Self, DevError> {
        match fs::read(path) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error.into()),
        }
    }

    fn save(&self, path: &Path) -> Result<(), DevError> {
        Ok(private::replace(path, &serde_json::to_vec_pretty(self)?)?)
    }
}

impl World {
    pub(super) async fn start(options: &DevOptions) -> Result<Self, DevError> {
        private::create_folder(&options.data_dir)?;
        let keys_path = options.data_dir.join("dev-keys.json");
        let mut keys = Keys::load(&keys_path)?;

        let (center, center_handle, center_url) = start_center(options).await?;
        let password = match keys.password.clone() {
            Some(kept) => kept,
            None if center.list_users().await?.iter().any(|user| user.user.email == PERSON.email) => {
                return Err(
                    "the demo in the data folder is an older one's: remove the folder (.fabric)".into()
                );
            }
            None => hex::encode(secret_bytes::<12>()),
        };
        keys.password = Some(password.clone());
        // Before there is an account with it.
        keys.save(&keys_path)?;
        let person = ensure_user(&center, PERSON, &password).await?;
        center.set_admin(PERSON.email).await?;
        let mut agents = Vec::new();
        for agent in AGENTS {
            // They sign in with their keys: nobody knows this one.
            agents.push((agent, ensure_user(&center, agent, &hex::encode(secret_bytes::<16>())).await?));
        }
        // A database that was thrown away takes its keys with it.
        let is_fresh = keys.agents.len() != AGENTS.len() || !is_known(&center_url, &keys.agents).await;
        if is_fresh {
            keys.agents.clear();
            for agent in AGENTS {
                keys.agents.push(center.create_api_key(agent.email, "dev").await?);
            }
        }
        let guild_url = format!("http://127.0.0.1:{}", options.guild_port);
        keys.node = Some(node_key(&center, &guild_url, keys.node.filter(|_| !is_fresh)).await?);
        for user in agents.iter().map(|(_, id)| id).chain([&person]) {
            center.add_member(NODE_ID, user.as_str()).await?;
        }
        let system_key = keys.system.get_or_insert_with(|| hex::encode(secret_bytes::<16>())).clone();
        keys.save(&keys_path)?;

        let settings = guild_settings(options, &center_url, &keys);
        let client = CenterClient::new(settings.center(), Arc::new(SystemClock))?;
        let node = Node::start(&settings, Arc::new(client)).await?;
        let guild_url = format!("http://{}", node.address());
        center.register_node_with(NODE_ID, GUILD_NAME, &guild_url, Some(true)).await?;

        let mut world = Self {
            center_url,
            guild_url,
            system_key,
            password,
            center: center_handle,
            node,
            agents: Vec::new(),
        };
        let ids: Vec<UserId> = agents.iter().map(|(_, id)| id.clone()).collect();
        world.ensure_channels(&person, &ids).await?;
        if !options.no_agents {
            let connection = fabric_client::Center::new(&world.center_url)?;
            for ((agent, _), key) in agents.iter().zip(&keys.agents) {
                let persona = Persona::new(agent.name, &agents);
                let guild = NODE_ID.into();
                world.agents.push(AgentConnection::start(
                    connection.clone(),
                    key,
                    guild,
                    persona,
                    Options::default(),
                ));
            }
            let ready = async {
                for agent in &world.agents {
                    agent.wait_live().await;
                }
            };
            tokio::time::timeout(AGENTS_READY, ready).await.map_err(|_| "the demo agents do not connect")?;
        }
        Ok(world)
    }

    /// On a machine that has much to do just then, Center may be too slow for the guild once.
    async fn ensure_channels(&self, person: &UserId, agents: &[UserId]) -> Result<(), DevError> {
        let mut tries = 1;
        loop {
            let done = ensure_channels(&self.sign_in().await?, person, agents).await;
            let may_pass = |error: &DevError| {
                error.downcast_ref::<fabric_client::Error>().is_some_and(fabric_client::Error::is_transient)
            };
            match done {
                Err(error) if may_pass(&error) && tries < TRIES => {
                    tries += 1;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                done => return done,
            }
        }
    }

    /// The person's client.
    pub(super) async fn sign_in(&self) -> Result<GuildClient, DevError> {
        let center = fabric_client::Center::new(&self.center_url)?;
        let session = center.login(PERSON.email, &self.password).await?;
        Ok(session.guild(&NODE_ID.into())?)
    }

    pub(super) async fn stop(self) {
        for agent in self.agents {
            agent.stop().await;
        }
        self.node.stop().await;
        self.center.stop(true).await;
    }
}

async fn start_center(options: &DevOptions) -> Result<(Center, ServerHandle, String), DevError> {
    let database = options.data_dir.join("center.db");
    let center = Center::open(fabric_center::Settings {
        bind: LOOPBACK,
        port: options.center_port,
        db_url: format!("sqlite://{}", database.display()),
        open_registration: true,
        loopback_registration: true,
        ..fabric_center::Settings::default()
    })
    .await?;
    let (server, address) = center.server().map_err(|error| {
        format!(
            "Center cannot listen on 127.0.0.1:{}: {error} (choose with --center-port)",
            options.center_port
        )
    })?;
    let handle = server.handle();
    tokio::spawn(server);
    Ok((center, handle, format!("http://{address}")))
}

fn guild_settings(options: &DevOptions, center_url: &str, keys: &Keys) -> Settings {
    let database = options.data_dir.join("guild.db");
    Settings {
        center_base_url: center_url.to_owned(),
        center_api_key: Secret::from(keys.node.clone().unwrap_or_default()),
        node_id: NODE_ID.to_owned(),
        port: options.guild_port,
        bind: LOOPBACK,
        db_url: format!("sqlite://{}", database.display()).into(),
        db_sync: true,
        cors_origins: Vec::new(),
        commands_sync_key: Secret::from(keys.system.clone().unwrap_or_default()),
        edit_window_seconds: 900,
        retention_days: 30,
        connects_per_second: 20,
        connections_per_address: 500,
        trusted_proxies: TrustedProxies::default(),
        sockets_per_user: 100,
        metrics_bind: None,
        content_max_chars: 1_000_000,
        file_dir: options.data_dir.join("files"),
        files: FileRules::default(),
        public_endpoint: format!("http://127.0.0.1:{}", options.guild_port),
        log: String::new(),
        log_format: LogFormat::Text,
    }
}

/// Whether these API keys sign in.
async fn is_known(center_url: &str, keys: &[String]) -> bool {
    let Ok(center) = fabric_client::Center::new(center_url) else { return false };
    for key in keys {
        if center.agent_login(key).await.is_err() {
            return false;
        }
    }
    true
}

/// The node's key: the kept one, the one of the first registration, or a new one when the kept one is lost.
async fn node_key(center: &Center, endpoint: &str, kept: Option<String>) -> Result<String, DevError> {
    let registered = center.register_node_with(NODE_ID, GUILD_NAME, endpoint, Some(true)).await?;
    Ok(match registered.api_key.or(kept) {
        Some(key) => key,
        None => center.rotate_node_key(NODE_ID).await?,
    })
}

async fn ensure_user(center: &Center, person: Person, password: &str) -> Result<UserId, DevError> {
    let user = center.ensure_user(person.email, password, Some(person.name)).await?;
    Ok(user.id)
}

/// A channel of every type; those that are there already stay as they are.
async fn ensure_channels(guild: &GuildClient, person: &UserId, agents: &[UserId]) -> Result<(), DevError> {
    let existing = guild.channels().await?;
    let channel =
        |name: &str, channel_type| CreateChannel::new(NODE_ID.into(), name, channel_type, agents.to_vec());
    let wanted = [
        // The person stands outside the rotation: nobody waits for them, and they may always speak.
        CreateChannel {
            purpose: Some("Agents speak in turn here".to_owned()),
            bypass_user_ids: vec![person.clone()],
            ..channel(ROUNDTABLE, ChannelType::Discuss)
        },
        CreateChannel { bypass_user_ids: vec![person.clone()], ..channel("workshop", ChannelType::Work) },
        CreateChannel { is_public: true, ..channel("lobby", ChannelType::General) },
        channel("reports", ChannelType::Report),
        CreateChannel { on_duty: agents.get(1).cloned(), ..channel("helpdesk", ChannelType::Triage) },
        CreateChannel {
            listeners: agents.get(2).cloned().into_iter().collect(),
            ..channel("radio", ChannelType::Custom)
        },
        CreateChannel { is_public: true, ..channel("news", ChannelType::Announce) },
        CreateChannel::new(NODE_ID.into(), "Mira", ChannelType::Dm, agents.iter().take(1).cloned().collect()),
    ];
    for new in wanted {
        if !existing.iter().any(|row| row.name == new.name && row.channel_type == new.channel_type) {
            guild.create_channel(&new).await?;
        }
    }
    Ok(())
}
