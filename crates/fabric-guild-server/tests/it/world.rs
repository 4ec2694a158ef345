//! A Center in the test's own process, users, and the guild's real binary, which can be killed and started
//! again on the same database.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use async_trait::async_trait;
use fabric_api::guild::CreateChannel;
use fabric_client::model::{ChannelId, ChannelType, SettingsPatch, UserId};
use fabric_client::{Error, GuildClient};
use fabric_domain::decisions::Commit;
use fabric_domain::model::Presence;
use fabric_domain::ports::Publisher;
use fabric_store_seaorm::{Options, SqlStore};
use fabric_testkit::TestClock;
use fabric_testkit::servers::{Guarded, free_port};

pub(crate) const NODE_ID: &str = "faults";

pub(crate) struct World {
    /// Clients of four users.
    pub(crate) users: Vec<GuildClient>,
    pub(crate) ids: Vec<UserId>,
    db_url: String,
    port: u16,
    command: Command,
    server: Option<Guarded>,
    center: ServerHandle,
    _folder: tempfile::TempDir,
}

/// Where the load is.
#[derive(Debug, Clone)]
pub(crate) struct Rooms {
    /// Everybody is a member and speaks in turn, or outside of it.
    pub(crate) channel: ChannelId,
    /// A public one, which is joined and left.
    pub(crate) lobby: ChannelId,
}

impl World {
    /// Everything but the guild's server, which will work on `server_url`, the address by which it reaches the
    /// database at `db_url`.
    pub(crate) async fn start(db_url: &str, server_url: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let center = fabric_center::Center::open(fabric_center::Settings {
            bind: [127, 0, 0, 1].into(),
            port: 0,
            db_url: format!("sqlite://{}", folder.path().join("center.db").display()),
            ..fabric_center::Settings::default()
        })
        .await
        .expect("Center opens");
        let (server, address) = center.server().expect("a port for Center");
        let handle = server.handle();
        tokio::spawn(server);
        let center_url = format!("http://{address}");

        let port = free_port();
        let guild_url = format!("http://127.0.0.1:{port}");
        let node = center.register_node_with(NODE_ID, "Faults", &guild_url, Some(true)).await;
        let key = node.expect("the node is new").api_key.expect("its key");
        let (mut users, mut ids) = (Vec::new(), Vec::new());
        let connection = fabric_client::Center::new(&center_url).expect("its address");
        for name in ["ada", "ben", "cyd", "dan"] {
            let (email, password) = (format!("{name}@example.org"), "correct horse battery staple");
            let user = center.ensure_user(&email, password, Some(name)).await.expect("a user");
            center.add_member(NODE_ID, user.id.as_str()).await.expect("a membership");
            let session = connection.login(&email, password).await.expect("a session");
            users.push(session.guild(&NODE_ID.into()).expect("a client"));
            ids.push(user.id);
        }

        let mut command = Command::new(env!("CARGO_BIN_EXE_fabric-guild-server"));
        // Nothing of the surroundings, and no configuration file.
        command.current_dir(folder.path()).envs([
            ("FABRIC_BACKEND_GUILD_CENTER_BASE_URL", center_url.as_str()),
            ("FABRIC_BACKEND_GUILD_CENTER_API_KEY", &key),
            ("FABRIC_BACKEND_GUILD_NODE_ID", NODE_ID),
            ("FABRIC_BACKEND_GUILD_BIND", "127.0.0.1"),
            ("FABRIC_BACKEND_GUILD_PORT", &port.to_string()),
            ("FABRIC_BACKEND_GUILD_PUBLIC_ENDPOINT", &guild_url),
            ("FABRIC_BACKEND_GUILD_DB_URL", server_url),
            ("FABRIC_BACKEND_GUILD_LOG", "info"),
        ]);
        let db_url = db_url.to_owned();
        Self { users, ids, db_url, port, command, server: None, center: handle, _folder: folder }
    }

    /// A further setting of the guild's server, by its name behind the prefix.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.command.env(format!("FABRIC_BACKEND_GUILD_{name}"), value);
    }

    /// Where the guild's server listens, on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Starts the guild's server and waits until it serves.
    pub(crate) fn boot(&mut self) {
        self.server = Some(Guarded::start(&self.command, "KILL", None, "the guild is served"));
    }

    /// As [`Self::boot`], but writing to a file beyond so many blocks of 512 bytes fails until the limit of the
    /// process is raised; answers its id.
    pub(crate) fn boot_with_small_files(&mut self, blocks: u32) -> String {
        // Without the signal, the write itself fails, as on a full disk.
        let script = r#"trap '' XFSZ; ulimit -S -f "$1"; shift; echo "process $$"; exec "$@""#;
        let mut limited = Command::new("/bin/sh");
        limited.args(["-c", script, "limited", &blocks.to_string()]).arg(self.command.get_program());
        limited.current_dir(self.command.get_current_dir().expect("a folder"));
        limited.envs(self.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        self.server = Some(Guarded::start(&limited, "KILL", None, "the guild is served"));
        let log = self.log();
        let id = log.lines().find_map(|line| line.strip_prefix("process ")).expect("its id");
        id.to_owned()
    }

    /// Runs a sub-command on the database at `db_url` to its end; answers what it says on standard output when it
    /// succeeds, and otherwise on standard error.
    pub(crate) fn run(&self, arguments: &[&str], db_url: &str) -> Result<String, String> {
        let output = self.sub_command(arguments, db_url).output().expect("the program can be run");
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(said(&output.stdout)) } else { Err(said(&output.stderr)) }
    }

    /// Runs a sub-command, and kills it after a while.
    pub(crate) async fn run_killed_after(&self, a_while: Duration, arguments: &[&str], db_url: &str) {
        let mut command = self.sub_command(arguments, db_url);
        let mut process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it can be run");
        tokio::time::sleep(a_while).await;
        process.kill().and_then(|()| process.wait()).expect("its end");
    }

    fn sub_command(&self, arguments: &[&str], db_url: &str) -> Command {
        let mut command = Command::new(self.command.get_program());
        command.current_dir(self.command.get_current_dir().expect("a folder"));
        command.envs(self.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("FABRIC_BACKEND_GUILD_DB_URL", db_url).args(arguments).stdin(Stdio::null());
        command
    }

    /// The server, and whoever looks beside it, will work on another database.
    pub(crate) fn move_to(&mut self, db_url: &str) {
        db_url.clone_into(&mut self.db_url);
        self.command.env("FABRIC_BACKEND_GUILD_DB_URL", db_url);
    }

    /// SIGKILL, and waits for the end of the process.
    pub(crate) fn kill(&mut self) {
        self.server = None;
    }

    /// SIGTERM, and the exit code.
    pub(crate) async fn terminate(&mut self) -> Option<i32> {
        let log = self.log();
        let server = self.server.take().expect("it runs");
        let (tell, told) = tokio::sync::oneshot::channel();
        // A thread of its own, so that a server that does not end fails the test instead of holding it.
        std::thread::spawn(move || tell.send(server.end("TERM")));
        let code = tokio::time::timeout(Duration::from_mins(2), told).await;
        code.unwrap_or_else(|_| panic!("it does not stop:\n{log}")).expect("the thread ends")
    }

    /// What the server has said since it was started.
    pub(crate) fn log(&self) -> String {
        self.server.as_ref().map(Guarded::log).unwrap_or_default()
    }

    /// A `discuss` channel in which ada and ben speak in turn, while cyd and dan are outside the rotation. A
    /// round of two has one permitted order, so the turn is a function of the messages.
    pub(crate) async fn channel(&self) -> ChannelId {
        let new = CreateChannel {
            bypass_user_ids: self.ids[2..].to_vec(),
            settings: SettingsPatch {
                turn_timeout_seconds: Some(0),
                offline_grace_seconds: Some(0),
                ..SettingsPatch::default()
            },
            ..CreateChannel::new(NODE_ID.into(), "faults", ChannelType::Discuss, self.ids[1..].to_vec())
        };
        self.create(&new).await
    }

    /// On a slow machine there may be one more of it, which does no harm.
    async fn create(&self, new: &CreateChannel) -> ChannelId {
        patiently(|| self.users[0].create_channel(new)).await.expect("a channel").id
    }

    /// That channel, and a lobby.
    pub(crate) async fn rooms(&self) -> Rooms {
        let lobby = CreateChannel {
            is_public: true,
            ..CreateChannel::new(NODE_ID.into(), "lobby", ChannelType::General, Vec::new())
        };
        Rooms { lobby: self.create(&lobby).await, channel: self.channel().await }
    }

    /// The database itself, beside the server and not through any proxy.
    pub(crate) async fn store(&self) -> SqlStore {
        // It leaves the index for searching to the server.
        let options = Options { index_by_hand: true, ..Options::default() };
        let clock = Arc::new(TestClock::default());
        let store = SqlStore::open_with(&self.db_url, false, clock, Arc::new(Nobody), options).await;
        store.expect("the database opens")
    }

    pub(crate) async fn stop(mut self) {
        self.kill();
        self.center.stop(false).await;
    }
}

/// Asks again for a minute while an answer is lost, or says that it may be given later: right after a start, the
/// server has to ask Center who each user is, and a machine may be slow.
pub(crate) async fn patiently<T, F>(ask: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let until = Instant::now() + Duration::from_mins(1);
    loop {
        match ask().await {
            Err(error) if (error.is_transient() || error.status() == Some(408)) && Instant::now() < until => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            answer => return answer,
        }
    }
}

/// Listens to nothing.
struct Nobody;

#[async_trait]
impl Publisher for Nobody {
    async fn publish(&self, _commit: Commit) {}

    async fn presence(&self, _presence: Presence) {}
}
