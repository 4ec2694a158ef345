//! Guild nodes and their members.

use std::collections::{BTreeMap, HashMap};

use fabric_api::center::{Guild, GuildAccessToken, Member, MyGuilds, Node, RegisteredNode};
use fabric_domain::model::{Timestamp, UserId};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Query, SelectStatement};
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, ConnectionTrait, EntityTrait as _, IntoActiveModel as _,
    QueryFilter as _, QueryOrder as _,
};

use crate::audit::{Actor, record};
use crate::center::Center;
use crate::entity::{membership, node, user};
use crate::error::Error;
use crate::secret::{NODE_KEY_PREFIX, fingerprint, new_token};
use crate::sessions::SignedIn;
use crate::users::{agents, kind_of};
use crate::values::{DisplayName, Endpoint, NodeId, email_key};

/// The only status so far.
const ACTIVE: &str = "active";

/// A guild node to be, or what it says of itself at its next start.
#[derive(Debug, Clone)]
pub(crate) struct NodeDetails {
    pub(crate) id: NodeId,
    /// `None`: a known node keeps its name, a new one is called by its id.
    pub(crate) name: Option<DisplayName>,
    pub(crate) endpoint: Endpoint,
    /// `Some`: changes whether anybody may join.
    pub(crate) open: Option<bool>,
}

impl Center {
    /// Registers a node, or brings the row of a known one up to date. Only the first time there is a key in the answer.
    pub(crate) async fn enrol_node(
        &self,
        actor: &Actor,
        details: NodeDetails,
    ) -> Result<RegisteredNode, Error> {
        let now = self.now();
        let tx = self.write().await?;
        let known = node::Entity::find_by_id(details.id.as_str()).one(&tx).await?;
        // A node may vouch for a new one, but not speak for another.
        if known.is_some() && matches!(actor, Actor::Node(caller) if caller != details.id.as_str()) {
            return Err(Error::Forbidden("a node can only change its own registration"));
        }
        let registered = match known {
            Some(row) => update_node(&tx, now, actor, row, &details).await?,
            None => insert_node(&tx, now, actor, &details).await?,
        };
        tx.commit().await?;
        Ok(registered)
    }

    /// Gives the node another key; the former one ends at once.
    pub(crate) async fn change_node_key(&self, actor: &Actor, node_id: &str) -> Result<String, Error> {
        let now = self.now();
        let key = new_token(NODE_KEY_PREFIX);
        let tx = self.write().await?;
        let row = node::Entity::find_by_id(node_id).one(&tx).await?.ok_or(Error::GuildNotFound)?;
        let mut change = row.into_active_model();
        change.key_hash = Set(fingerprint(&key));
        change.update(&tx).await?;
        record(&tx, now, actor, "node.key_rotated", node_id, None).await?;
        tx.commit().await?;
        Ok(key)
    }

    /// Every node, by id.
    pub(crate) async fn all_nodes(&self) -> Result<Vec<Node>, Error> {
        let rows = node::Entity::find().order_by_asc(node::Column::Id).all(&self.0.db).await?;
        Ok(rows.into_iter().map(to_node).collect())
    }

    /// The node with this key.
    pub(crate) async fn node_by_key(&self, key: &str) -> Result<node::Model, Error> {
        let found =
            node::Entity::find().filter(node::Column::KeyHash.eq(fingerprint(key))).one(&self.0.db).await?;
        found.ok_or(Error::InvalidNodeKey)
    }

    /// The caller's guilds, with fresh tokens for them.
    pub(crate) async fn my_guilds(&self, who: &SignedIn) -> Result<MyGuilds, Error> {
        let mine = Query::select()
            .column(membership::Column::NodeId)
            .from(membership::Entity)
            .and_where(membership::Column::UserId.eq(who.user.id.as_str()))
            .to_owned();
        let nodes = node::Entity::find()
            .filter(node::Column::Id.in_subquery(mine))
            .order_by_asc(node::Column::Id)
            .all(&self.0.db)
            .await?;
        let now = self.now();
        let token = |node: &node::Model| {
            let token =
                self.0.signer.guild(who.bearer(), &node.id, now, self.0.settings.guild_token_seconds)?;
            Ok(GuildAccessToken { guild_node_id: node.id.as_str().into(), token })
        };
        let guild_access_tokens = nodes.iter().map(token).collect::<Result<_, Error>>()?;
        Ok(MyGuilds { guilds: nodes.into_iter().map(to_guild).collect(), guild_access_tokens })
    }

    /// Joins an open guild; joining again changes nothing.
    pub(crate) async fn join_guild(&self, who: &SignedIn, node_id: &str) -> Result<MyGuilds, Error> {
        let node = node::Entity::find_by_id(node_id).one(&self.0.db).await?.ok_or(Error::GuildNotFound)?;
        if !node.is_open && !self.is_member(node_id, &who.user.id).await? {
            return Err(Error::InviteRequired);
        }
        self.enter_guild(&who.actor(), node_id, &who.user.id).await?;
        self.my_guilds(who).await
    }

    /// Makes a user a member of a guild; again is no change. Says whether it was one.
    pub(crate) async fn enter_guild(
        &self,
        actor: &Actor,
        node_id: &str,
        user_id: &str,
    ) -> Result<bool, Error> {
        let now = self.now();
        let tx = self.write().await?;
        if node::Entity::find_by_id(node_id).one(&tx).await?.is_none() {
            return Err(Error::GuildNotFound);
        }
        if user::Entity::find_by_id(user_id).one(&tx).await?.is_none() {
            return Err(Error::UserNotFound);
        }
        let row = membership::ActiveModel {
            node_id: Set(node_id.to_owned()),
            user_id: Set(user_id.to_owned()),
            created_at: Set(now.0),
        };
        let inserted = membership::Entity::insert(row)
            .on_conflict_do_nothing_on([membership::Column::NodeId, membership::Column::UserId])
            .exec_without_returning(&tx)
            .await?;
        let is_new = matches!(inserted, sea_orm::TryInsertResult::Inserted(1));
        if is_new {
            record(&tx, now, actor, "guild.joined", node_id, Some(user_id.to_owned())).await?;
        }
        tx.commit().await?;
        Ok(is_new)
    }

    /// Whether the user has joined the guild.
    pub(crate) async fn is_member(&self, node_id: &str, user_id: &str) -> Result<bool, Error> {
        let row = membership::Entity::find_by_id((node_id.to_owned(), user_id.to_owned()));
        Ok(row.one(&self.0.db).await?.is_some())
    }

    /// Everybody in the guild who may still sign in, by name; `with_disabled` the others too.
    pub(crate) async fn guild_members(
        &self,
        node_id: &str,
        with_emails: bool,
        with_disabled: bool,
    ) -> Result<Vec<Member>, Error> {
        let mut rows = self.all_member_rows(node_id).await?;
        rows.retain(|row| with_disabled || row.disabled_at.is_none());
        let agents = agents(&self.0.db, Some(member_ids(node_id))).await?;
        let member = |row: user::Model| Member {
            kind: kind_of(&row.id, &agents).into(),
            id: row.id.into(),
            name: row.name,
            email: with_emails.then_some(row.email),
            active: row.disabled_at.is_none(),
        };
        Ok(rows.into_iter().map(member).collect())
    }

    /// Ids of members by name or email. An exact name goes before one that differs in case only; whoever is then still
    /// one of several is absent, as the unknown are.
    pub(crate) async fn resolve_names(
        &self,
        node_id: &str,
        names: &[String],
    ) -> Result<BTreeMap<String, UserId>, Error> {
        let rows = self.member_rows(node_id).await?;
        let mut exact: HashMap<&str, Found<'_>> = HashMap::new();
        let mut caseless: HashMap<String, Found<'_>> = HashMap::new();
        for row in &rows {
            exact.entry(row.name.trim()).or_default().add(&row.id);
            caseless.entry(email_key(&row.name)).or_default().add(&row.id);
            caseless.entry(row.email_key.clone()).or_default().add(&row.id);
        }
        let find = |name: &String| {
            let found = match exact.get(name.trim()) {
                // Somebody's name may be somebody else's email.
                Some(by_name) if !name.contains('@') => by_name,
                _ => caseless.get(&email_key(name))?,
            };
            Some((name.clone(), UserId::new(found.only()?)))
        };
        Ok(names.iter().filter_map(find).collect())
    }

    async fn member_rows(&self, node_id: &str) -> Result<Vec<user::Model>, Error> {
        let mut rows = self.all_member_rows(node_id).await?;
        rows.retain(|row| row.disabled_at.is_none());
        Ok(rows)
    }

    async fn all_member_rows(&self, node_id: &str) -> Result<Vec<user::Model>, Error> {
        let rows = user::Entity::find()
            .filter(user::Column::Id.in_subquery(member_ids(node_id)))
            .order_by_asc(user::Column::Name)
            .order_by_asc(user::Column::Id)
            .all(&self.0.db)
            .await?;
        Ok(rows)
    }
}

async fn insert_node(
    db: &impl ConnectionTrait,
    now: Timestamp,
    actor: &Actor,
    details: &NodeDetails,
) -> Result<RegisteredNode, Error> {
    let key = new_token(NODE_KEY_PREFIX);
    let row = node::Model {
        id: details.id.as_str().to_owned(),
        name: details.name.as_ref().map_or(details.id.as_str(), DisplayName::as_str).to_owned(),
        endpoint: details.endpoint.as_str().to_owned(),
        status: ACTIVE.to_owned(),
        purpose: None,
        is_open: details.open.unwrap_or(true),
        key_hash: fingerprint(&key),
        created_at: now.0,
        updated_at: now.0,
    };
    node::Entity::insert(row.clone().into_active_model()).exec_without_returning(db).await?;
    record(db, now, actor, "node.registered", &row.id, Some(row.endpoint.clone())).await?;
    Ok(RegisteredNode { node: to_node(row), api_key: Some(key) })
}

/// Every start of a node comes here: what is as it was is not written.
async fn update_node(
    db: &impl ConnectionTrait,
    now: Timestamp,
    actor: &Actor,
    mut row: node::Model,
    details: &NodeDetails,
) -> Result<RegisteredNode, Error> {
    let open = details.open.unwrap_or(row.is_open);
    let name = details.name.as_ref().map_or(row.name.as_str(), DisplayName::as_str).to_owned();
    let endpoint = details.endpoint.as_str();
    if row.name != name || row.endpoint != endpoint || row.is_open != open {
        let mut change = row.into_active_model();
        change.name = Set(name);
        change.endpoint = Set(endpoint.to_owned());
        change.is_open = Set(open);
        change.updated_at = Set(now.0);
        row = change.update(db).await?;
        record(db, now, actor, "node.updated", &row.id, Some(row.endpoint.clone())).await?;
    }
    Ok(RegisteredNode { node: to_node(row), api_key: None })
}

/// Who has a name: nobody yet, one user, or several.
#[derive(Debug, Default)]
enum Found<'a> {
    #[default]
    Nobody,
    One(&'a str),
    Several,
}

impl<'a> Found<'a> {
    fn add(&mut self, id: &'a str) {
        *self = match self {
            Self::Nobody => Self::One(id),
            Self::One(same) if *same == id => Self::One(id),
            Self::One(_) | Self::Several => Self::Several,
        };
    }

    fn only(&self) -> Option<&'a str> {
        match self {
            Self::One(id) => Some(id),
            Self::Nobody | Self::Several => None,
        }
    }
}

/// Ids of the guild's members, as a sub-select.
fn member_ids(node_id: &str) -> SelectStatement {
    Query::select()
        .column(membership::Column::UserId)
        .from(membership::Entity)
        .and_where(membership::Column::NodeId.eq(node_id))
        .to_owned()
}

fn to_guild(row: node::Model) -> Guild {
    Guild {
        node_id: row.id.into(),
        name: row.name,
        endpoint: row.endpoint,
        status: row.status,
        purpose: row.purpose,
    }
}

fn to_node(row: node::Model) -> Node {
    Node {
        node_id: row.id.into(),
        name: row.name,
        endpoint: row.endpoint,
        status: row.status,
        purpose: row.purpose,
        open: row.is_open,
        created_at: Timestamp(row.created_at).into(),
        updated_at: Timestamp(row.updated_at).into(),
    }
}
