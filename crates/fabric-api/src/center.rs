//! Center's requests and answers (spec/5): users, sessions, guild nodes, introspection.
//!
//! Names on the wire are `camelCase`; instants are ISO-8601 UTC with milliseconds. Requests are read
//! leniently (unknown fields are ignored); what a field may hold is checked by Center, which names every
//! bad one in its answer.

use std::collections::BTreeMap;
use std::fmt;

pub use fabric_domain::model::UserKind;
use fabric_domain::model::{GuildId, UserId};
use serde::{Deserialize, Serialize};

use crate::fields::{Fields, FromFields};
use crate::{IsoTime, Open};

/// Header with which a guild node shows its key. `Authorization: Bearer fnk_…` means the same.
pub const NODE_KEY_HEADER: &str = "x-fabric-node-key";

/// The most names that one [`ResolveNames`] may ask for.
pub const MAX_NAMES: usize = 200;

/// The most characters of a user id or node id.
pub const MAX_ID_CHARS: usize = UserId::MAX_CHARS;

/// Body of `POST /auth/register`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Register {
    /// Matched without case; unique.
    pub email: String,
    /// Kept only as an Argon2id hash.
    pub password: String,
    /// Display name; the email when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl fmt::Debug for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Register")
            .field("email", &self.email)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Body of `POST /auth/login`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Login {
    /// Matched without case.
    pub email: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("email", &self.email).finish_non_exhaustive()
    }
}

/// Body of `POST /auth/agent/login`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentLogin {
    /// `fak_…`
    pub api_key: String,
}

impl fmt::Debug for AgentLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentLogin").finish_non_exhaustive()
    }
}

/// Body of `POST /auth/refresh`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refresh {
    /// The newest refresh token of the session; every use spends it.
    pub refresh_token: String,
}

impl fmt::Debug for Refresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refresh").finish_non_exhaustive()
    }
}

/// A user, to themselves and to those who made them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Opaque, up to 80 characters.
    pub id: UserId,
    /// As it was given.
    pub email: String,
    /// Display name.
    pub name: String,
    /// In a session: `agent` when it was opened with an API key. Elsewhere: `agent` when the user has a
    /// live API key.
    pub kind: Open<UserKind>,
}

/// Answer to both logins and to `POST /auth/refresh`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// JWT for Center itself.
    pub access_token: String,
    /// Spent by its first use.
    pub refresh_token: String,
    /// Who signed in.
    pub user: User,
    /// The guilds the user has joined.
    pub guilds: Vec<Guild>,
    /// One token for each of them.
    pub guild_access_tokens: Vec<GuildAccessToken>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("user", &self.user)
            .field("guilds", &self.guilds)
            .finish_non_exhaustive()
    }
}

/// A guild as its members see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Guild {
    /// The node's id, which is the guild's id.
    pub node_id: GuildId,
    /// Display name.
    pub name: String,
    /// Where the node listens, without `/api`.
    pub endpoint: String,
    /// `active`. A client must not use a guild with a status that it does not know.
    pub status: String,
    /// What the guild is for, if anybody said so.
    pub purpose: Option<String>,
}

/// Lets its bearer into one guild.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GuildAccessToken {
    /// The guild.
    pub guild_node_id: GuildId,
    /// JWT whose audience is that node.
    pub token: String,
}

impl fmt::Debug for GuildAccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuildAccessToken").field("guild_node_id", &self.guild_node_id).finish_non_exhaustive()
    }
}

/// Body of `PATCH /auth/me`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateMe {
    /// The new display name.
    pub name: String,
}

/// Answer to `GET /auth/me/guilds` and to joining a guild.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MyGuilds {
    /// The guilds the user has joined.
    pub guilds: Vec<Guild>,
    /// A fresh token for each of them.
    pub guild_access_tokens: Vec<GuildAccessToken>,
}

/// Body of `POST /auth/me/guilds/join`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JoinGuild {
    /// The guild.
    pub node_id: GuildId,
    /// For guilds that are not open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invite_code: Option<String>,
}

/// A row of `GET /auth/guilds/:nodeId/members`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// The user.
    pub id: UserId,
    /// Display name.
    pub name: String,
    /// For the node itself and for the admin only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// `agent` when the user has a live API key.
    pub kind: Open<UserKind>,
    /// Whether they may sign in. The disabled are listed to the node only, so that history keeps their names.
    #[serde(default = "yes")]
    pub active: bool,
}

fn yes() -> bool {
    true
}

/// Body of `POST /auth/resolve-names`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolveNames {
    /// Whose members are meant.
    pub node_id: GuildId,
    /// Names or emails, at most [`MAX_NAMES`].
    pub names: Vec<String>,
}

/// Answer to [`ResolveNames`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedNames {
    /// By name as it was asked. Unknown and ambiguous names are absent.
    pub resolved: BTreeMap<String, UserId>,
}

/// Body of `POST /auth/introspect`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Introspect {
    /// A guild access token.
    pub token: String,
}

impl fmt::Debug for Introspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspect").finish_non_exhaustive()
    }
}

/// Answer to [`Introspect`]: `{"active":false}`, or `{"active":true, …}` with everything below.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "FlatIntrospection", into = "FlatIntrospection")]
pub enum Introspection {
    /// Bad, expired, revoked, or meant for another node: which of these is nobody's business.
    Inactive,
    /// A live token of the asking node.
    Active(TokenOwner),
}

/// Whom a guild access token stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenOwner {
    /// The user.
    pub user_id: UserId,
    /// Display name, as it is now.
    pub name: String,
    /// Of the session in which the token was made.
    pub kind: UserKind,
    /// The node it is for.
    pub guild_node_id: GuildId,
    /// When the token ends.
    pub expires_at: IsoTime,
}

/// [`Introspection`] as it is on the wire: one object whose other fields depend on a boolean, which serde
/// cannot use as a tag.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FlatIntrospection {
    active: bool,
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    owner: Option<TokenOwner>,
}

impl From<FlatIntrospection> for Introspection {
    fn from(flat: FlatIntrospection) -> Self {
        // An active token without an owner is no answer to rely on; it lets nobody in.
        match flat.owner {
            Some(owner) if flat.active => Self::Active(owner),
            _ => Self::Inactive,
        }
    }
}

impl From<Introspection> for FlatIntrospection {
    fn from(answer: Introspection) -> Self {
        match answer {
            Introspection::Inactive => Self { active: false, owner: None },
            Introspection::Active(owner) => Self { active: true, owner: Some(owner) },
        }
    }
}

/// Answer to `GET /auth/admin-email`, or `null`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Admin {
    /// Their email.
    pub email: String,
    /// Their id.
    pub user_id: UserId,
}

/// Body of `POST /nodes/register`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisterNode {
    /// Up to 80 characters, no white space and no `/`.
    pub node_id: GuildId,
    /// Display name. Absent: a known node keeps its name, a new one is called by its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `http://…` or `https://…`, without `/api`.
    pub endpoint: String,
}

/// A guild node: a row of `GET /nodes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// The node's id, which is the guild's id.
    pub node_id: GuildId,
    /// Display name.
    pub name: String,
    /// Where it listens.
    pub endpoint: String,
    /// See [`Guild::status`].
    pub status: String,
    /// What the guild is for, if anybody said so.
    pub purpose: Option<String>,
    /// Whether anybody may join.
    pub open: bool,
    /// First registration.
    pub created_at: IsoTime,
    /// Last change of name or endpoint.
    pub updated_at: IsoTime,
}

/// Answer to [`RegisterNode`]: the row and, the first time only, the node's key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisteredNode {
    /// The row.
    #[serde(flatten)]
    pub node: Node,
    /// `fnk_…`; shown once, Center keeps only its hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<String>,
}

impl fmt::Debug for RegisteredNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisteredNode").field("node", &self.node).finish_non_exhaustive()
    }
}

/// More than any token or password has; what they hold is checked where they are used.
const MAX_SECRET_CHARS: usize = 8_192;
/// The most characters of an email, a name and an invite code.
const MAX_TEXT_CHARS: usize = 254;

impl FromFields for Login {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let email = fields.required_text("email", MAX_TEXT_CHARS);
        let password = fields.required_text("password", MAX_SECRET_CHARS);
        Some(Self { email: email?, password: password? })
    }
}

impl FromFields for AgentLogin {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self { api_key: fields.required_text("apiKey", MAX_SECRET_CHARS)? })
    }
}

impl FromFields for Refresh {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self { refresh_token: fields.required_text("refreshToken", MAX_SECRET_CHARS)? })
    }
}

impl FromFields for JoinGuild {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let node_id = fields.required_text("nodeId", MAX_ID_CHARS);
        let invite_code = fields.text_up_to("inviteCode", MAX_TEXT_CHARS);
        Some(Self { node_id: node_id?.into(), invite_code })
    }
}

impl FromFields for ResolveNames {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let node_id = fields.required_text("nodeId", MAX_ID_CHARS);
        let names = fields.texts("names");
        match &names {
            None if !fields.is_bad("names") => fields.complain("names", "is required"),
            Some(names) if names.len() > MAX_NAMES => {
                fields.complain("names", format!("must have at most {MAX_NAMES} entries"));
            }
            _ => {}
        }
        Some(Self { node_id: node_id?.into(), names: names? })
    }
}

impl FromFields for Introspect {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self { token: fields.required_text("token", MAX_SECRET_CHARS)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fabric_domain::model::Timestamp;

    #[test]
    fn an_inactive_token_has_no_other_field() {
        assert_eq!(serde_json::to_string(&Introspection::Inactive).unwrap(), r#"{"active":false}"#);
        assert_eq!(
            serde_json::from_str::<Introspection>(r#"{"active":false}"#).unwrap(),
            Introspection::Inactive
        );
    }

    #[test]
    fn an_active_token_goes_there_and_back_with_milliseconds() {
        let answer = Introspection::Active(TokenOwner {
            user_id: "u".into(),
            name: "Ada".into(),
            kind: UserKind::Agent,
            guild_node_id: "g".into(),
            expires_at: IsoTime(Timestamp(1_769_850_000_007)),
        });
        let text = serde_json::to_string(&answer).unwrap();
        assert!(text.contains(r#""expiresAt":"2026-01-31T09:00:00.007Z""#), "{text}");
        assert!(text.contains(r#""active":true"#) && text.contains(r#""kind":"agent""#), "{text}");
        assert_eq!(serde_json::from_str::<Introspection>(&text).unwrap(), answer);
    }

    #[test]
    fn active_without_an_owner_lets_nobody_in() {
        assert_eq!(
            serde_json::from_str::<Introspection>(r#"{"active":true}"#).unwrap(),
            Introspection::Inactive
        );
    }

    #[test]
    fn secrets_do_not_reach_debug_output() {
        let login = Login { email: "a@b.example".into(), password: "hush-hush".into() };
        assert!(!format!("{login:?}").contains("hush"));
        let key = AgentLogin { api_key: "fak_hush".into() };
        assert!(!format!("{key:?}").contains("hush"));
    }
}
