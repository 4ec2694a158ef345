//! [`CenterClient`]: the port [`IdentityCenter`] over HTTP.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use backon::{ExponentialBuilder, Retryable as _};
use fabric_api::center::{
    Admin, Introspect, Introspection, Member, Node, RegisterNode, ResolveNames, ResolvedNames,
};
use fabric_domain::model::{GuildId, GuildMember, UserId, UserKind};
use fabric_domain::ports::{CenterError, Clock, Identity, IdentityCenter};
use moka::future::Cache;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest as _, Sha256};
use tokio::task::JoinHandle;

use crate::api::Api;
use crate::cached::{Answer, Cached};
use crate::config::{BuildError, Config};

/// A longer text is no token: Center need not be asked.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// A longer name is nobody's.
const MAX_NAME_CHARS: usize = 254;

/// So many names of that length fit into the longest body that Center takes.
const NAMES_PER_CALL: usize = 50;

/// A guild node's view of Center. Cheap to clone; all clones share caches and circuit breaker.
#[derive(Clone)]
pub struct CenterClient(Arc<Inner>);

struct Inner {
    config: Config,
    clock: Arc<dyn Clock>,
    api: Api,
    /// By hash of the token: of fixed length, and no token lies around in memory.
    tokens: Cached<[u8; 32], Option<Identity>>,
    admin: Cached<(), Option<UserId>>,
    members: Cached<(), Arc<[GuildMember]>>,
    names: Cache<String, Answer<Option<UserId>>>,
}

impl std::fmt::Debug for CenterClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CenterClient").field("config", &self.0.config).finish_non_exhaustive()
    }
}

impl CenterClient {
    /// Makes the client; Center is not asked anything yet.
    pub fn new(config: Config, clock: Arc<dyn Clock>) -> Result<Self, BuildError> {
        let api = Api::new(&config, Arc::clone(&clock))?;
        let longest = |ttl: Duration| ttl.saturating_add(config.grace).saturating_add(Duration::from_secs(1));
        Ok(Self(Arc::new(Inner {
            tokens: Cached::new(Arc::clone(&clock), config.capacity, longest(config.token_ttl)),
            admin: Cached::new(Arc::clone(&clock), 1, longest(config.admin_ttl)),
            members: Cached::new(Arc::clone(&clock), 1, longest(config.members_ttl)),
            names: Cache::builder()
                .max_capacity(config.capacity)
                .time_to_live(longest(config.name_ttl))
                .build(),
            api,
            clock,
            config,
        })))
    }

    /// The guild that this node serves.
    pub fn node_id(&self) -> &GuildId {
        &self.0.config.node_id
    }

    /// Whether Center answers; for readiness. Goes through the circuit breaker as every call does.
    pub async fn check(&self) -> Result<(), CenterError> {
        self.0.api.get::<HealthAnswer>("/healthz").await.map(|_| ())
    }

    /// Forgets the admin: the next question goes to Center.
    pub async fn forget_admin(&self) {
        self.0.admin.forget(&()).await;
    }

    /// Tells Center the guild's name and where it listens; once.
    pub async fn register(&self, name: Option<&str>, endpoint: &str) -> Result<Node, CenterError> {
        let node_id = self.0.config.node_id.clone();
        let body = RegisterNode { node_id, name: name.map(str::to_owned), endpoint: endpoint.to_owned() };
        self.0.api.post("/nodes/register", &body).await
    }

    /// As [`CenterClient::register`], again and again until Center has taken it, without blocking anybody. The task ends
    /// by itself, or when the handle's `abort` is called.
    pub fn register_in_background(&self, name: Option<&str>, endpoint: &str) -> JoinHandle<()> {
        let (client, name, endpoint) = (self.clone(), name.map(str::to_owned), endpoint.to_owned());
        tokio::spawn(async move {
            let config = &client.0.config;
            let pauses = ExponentialBuilder::new()
                .with_min_delay(config.register_pause)
                .with_max_delay(config.register_pause_most)
                .without_max_times()
                .with_jitter();
            let registered = (|| client.register(name.as_deref(), &endpoint)).retry(pauses).notify(
                |error: &CenterError, again_in: Duration| {
                    tracing::warn!(%error, ?again_in, "this node is not registered at Center yet");
                },
            );
            if registered.await.is_ok() {
                tracing::info!(node_id = %config.node_id, "registered at Center");
            }
        })
    }
}

/// What Center would not even read is nobody's token, and no reason to say that Center fails.
fn can_be_a_token(token: &str) -> bool {
    !token.trim().is_empty() && token.len() <= MAX_TOKEN_BYTES && !token.chars().any(char::is_control)
}

fn can_be_a_name(name: &str) -> bool {
    name.chars().count() <= MAX_NAME_CHARS && !name.chars().any(char::is_control)
}

/// Any JSON object: that Center answers is all that counts.
#[derive(serde::Deserialize)]
struct HealthAnswer {}

impl Inner {
    fn answer<V>(&self, value: V, fresh_for: Duration) -> Answer<V> {
        let fresh_until = self.clock.now().plus(fresh_for);
        Answer { value, fresh_until, usable_until: fresh_until.plus(self.config.grace) }
    }

    async fn ask_about_token(&self, token: &str) -> Result<Answer<Option<Identity>>, CenterError> {
        let answer = self.api.post("/auth/introspect", &Introspect { token: token.to_owned() }).await?;
        Ok(match answer {
            Introspection::Active(owner) if owner.guild_node_id == self.config.node_id => {
                let ends = owner.expires_at.0;
                let identity =
                    Identity { user_id: owner.user_id, name: owner.name, kind: owner.kind, expires_at: ends };
                let Answer { value, fresh_until, usable_until } =
                    self.answer(Some(identity), self.config.token_ttl);
                // Nothing makes a token live longer than it says itself.
                Answer { value, fresh_until: fresh_until.min(ends), usable_until: usable_until.min(ends) }
            }
            Introspection::Active(_) | Introspection::Inactive => {
                let answer = self.answer(None, self.config.refused_ttl);
                Answer { usable_until: answer.fresh_until, ..answer }
            }
        })
    }

    async fn ask_for_admin(&self) -> Result<Answer<Option<UserId>>, CenterError> {
        let admin: Option<Admin> = self.api.get("/auth/admin-email").await?;
        let ttl = if admin.is_some() { self.config.admin_ttl } else { self.config.no_admin_ttl };
        let answer = self.answer(admin.map(|admin| admin.user_id), ttl);
        Ok(Answer { usable_until: answer.fresh_until, ..answer })
    }

    async fn ask_for_members(&self) -> Result<Answer<Arc<[GuildMember]>>, CenterError> {
        let node_id = utf8_percent_encode(self.config.node_id.as_str(), NON_ALPHANUMERIC);
        let members: Vec<Member> = self.api.get(&format!("/auth/guilds/{node_id}/members")).await?;
        let members = members.into_iter().map(|member| GuildMember {
            user_id: member.id,
            name: member.name,
            // Of a kind that came after this version: whoever it is, what is true of agents is the safer guess.
            kind: member.kind.known().copied().unwrap_or(UserKind::Agent),
            is_active: member.active,
        });
        Ok(self.answer(members.collect(), self.config.members_ttl))
    }

    /// Asks Center about these names and remembers what it says, also that it knows nobody of that name.
    async fn ask_for_names(&self, names: &[&String]) -> Result<HashMap<String, UserId>, CenterError> {
        let mut found = HashMap::new();
        for names in names.chunks(NAMES_PER_CALL) {
            let names: Vec<String> = names.iter().map(|name| (*name).clone()).collect();
            let body = ResolveNames { node_id: self.config.node_id.clone(), names };
            let mut answer: ResolvedNames = self.api.post("/auth/resolve-names", &body).await?;
            for name in body.names {
                let owner = answer.resolved.remove(&name);
                let ttl = if owner.is_some() { self.config.name_ttl } else { self.config.refused_ttl };
                self.names.insert(name.clone(), self.answer(owner.clone(), ttl)).await;
                found.extend(owner.map(|owner| (name, owner)));
            }
        }
        Ok(found)
    }
}

#[async_trait]
impl IdentityCenter for CenterClient {
    async fn introspect(&self, token: &str) -> Result<Option<Identity>, CenterError> {
        if !can_be_a_token(token) {
            return Ok(None);
        }
        let key = Sha256::digest(token.as_bytes()).into();
        self.0.tokens.get(key, self.0.ask_about_token(token)).await
    }

    /// While Center cannot be asked, those names are resolved that are known from before; none known is an error.
    async fn resolve_names(&self, names: &[String]) -> Result<HashMap<String, UserId>, CenterError> {
        let now = self.0.clock.now();
        let mut found = HashMap::new();
        // Known from before, but to be asked about again.
        let mut stale = HashMap::new();
        let mut unknown = Vec::new();
        let mut seen = HashSet::new();
        for name in names.iter().filter(|name| can_be_a_name(name) && seen.insert(*name)) {
            match self.0.names.get(name).await {
                Some(Answer { value, fresh_until, .. }) if now < fresh_until => {
                    found.extend(value.map(|owner| (name.clone(), owner)));
                }
                Some(Answer { value: Some(owner), usable_until, .. }) if now < usable_until => {
                    stale.insert(name.clone(), owner);
                    unknown.push(name);
                }
                _ => unknown.push(name),
            }
        }
        match self.0.ask_for_names(&unknown).await {
            Ok(answer) => found.extend(answer),
            Err(error) => {
                found.extend(stale);
                if found.is_empty() {
                    return Err(error);
                }
            }
        }
        Ok(found)
    }

    async fn admin(&self) -> Option<UserId> {
        if let Some(known) = self.0.admin.fresh(&()).await {
            return known;
        }
        // Every post wants to know, so nobody waits for long; the question goes on, for those who come later.
        let inner = Arc::clone(&self.0);
        let asking = tokio::spawn(async move { inner.admin.get((), inner.ask_for_admin()).await });
        let answer = tokio::time::timeout(self.0.config.admin_patience, asking).await;
        answer.ok()?.ok()?.ok().flatten()
    }

    async fn members(&self) -> Result<Arc<[GuildMember]>, CenterError> {
        self.0.members.get((), self.0.ask_for_members()).await
    }

    async fn members_now(&self) -> Result<Arc<[GuildMember]>, CenterError> {
        self.0.members.renew((), self.0.ask_for_members()).await
    }
}
