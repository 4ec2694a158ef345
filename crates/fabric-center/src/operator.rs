//! What somebody at the machine can do: the command line, and a program that runs Center in its process. Nobody asks
//! them for credentials, since they could as well open the database.

use fabric_api::center::{Admin, Node, RegisteredNode, User, UserKind};

use crate::audit::Actor;
use crate::center::Center;
use crate::error::Error;
use crate::guilds::NodeDetails;
use crate::users::{ListedUser, NewUser, find_by_email, to_user};
use crate::values::{Checks, DisplayName, Email, Endpoint, NodeId, Password};

impl Center {
    /// Creates a user; the name is the email when absent.
    pub async fn create_user(&self, email: &str, password: &str, name: Option<&str>) -> Result<User, Error> {
        self.register_user(&Actor::Operator, new_user(email, password, name)?).await
    }

    /// The user with this email; created when there is none. An existing one is left as they are.
    pub async fn ensure_user(&self, email: &str, password: &str, name: Option<&str>) -> Result<User, Error> {
        if let Some(row) = find_by_email(&self.0.db, email).await? {
            return Ok(to_user(row, UserKind::Human));
        }
        self.create_user(email, password, name).await
    }

    /// Every user, oldest first.
    pub async fn list_users(&self) -> Result<Vec<ListedUser>, Error> {
        self.all_users().await
    }

    /// Keeps a user out, at once: sessions, refresh tokens and guild tokens end.
    pub async fn disable_user(&self, email: &str) -> Result<User, Error> {
        self.disable(&Actor::Operator, email).await
    }

    /// Makes a key (`fak_…`) with which the user can sign in as an agent; it cannot be shown again.
    pub async fn create_api_key(&self, email: &str, label: &str) -> Result<String, Error> {
        let mut checks = Checks::default();
        let label = checks.take("label", DisplayName::parse(label));
        self.make_api_key(&Actor::Operator, email, &checks.finish(label)?).await
    }

    /// Ends the user's live keys (all, or those with that label) and the sessions opened with them. Says how many keys.
    pub async fn revoke_api_keys(&self, email: &str, label: Option<&str>) -> Result<usize, Error> {
        self.end_api_keys(&Actor::Operator, email, label).await
    }

    /// Makes this user the only admin.
    pub async fn set_admin(&self, email: &str) -> Result<Admin, Error> {
        self.make_admin(&Actor::Operator, email).await
    }

    /// Takes the admin's office away. Says whether somebody had it.
    pub async fn clear_admin(&self) -> Result<bool, Error> {
        Ok(self.remove_admin(&Actor::Operator).await?.is_some())
    }

    /// The admin, if there is one.
    pub async fn admin(&self) -> Result<Option<Admin>, Error> {
        self.current_admin().await
    }

    /// Registers a guild node, or changes the name and endpoint of a known one. The answer has the node's key the first
    /// time only.
    pub async fn register_node(
        &self,
        node_id: &str,
        name: &str,
        endpoint: &str,
    ) -> Result<RegisteredNode, Error> {
        self.enrol_node(&Actor::Operator, node_details(node_id, name, endpoint)?).await
    }

    /// As [`Center::register_node`], and says whether anybody may join; `None` leaves that as it is (a new node
    /// is open).
    pub async fn register_node_with(
        &self,
        node_id: &str,
        name: &str,
        endpoint: &str,
        open: Option<bool>,
    ) -> Result<RegisteredNode, Error> {
        let details = NodeDetails { open, ..node_details(node_id, name, endpoint)? };
        self.enrol_node(&Actor::Operator, details).await
    }

    /// Gives the node another key (`fnk_…`); the former one ends at once.
    pub async fn rotate_node_key(&self, node_id: &str) -> Result<String, Error> {
        self.change_node_key(&Actor::Operator, node_id).await
    }

    /// Whether this is the node's key.
    pub async fn is_node_key(&self, node_id: &str, key: &str) -> Result<bool, Error> {
        match self.node_by_key(key).await {
            Ok(node) => Ok(node.id == node_id),
            Err(Error::InvalidNodeKey) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Every guild node, by id.
    pub async fn list_nodes(&self) -> Result<Vec<Node>, Error> {
        self.all_nodes().await
    }

    /// Makes a user a member of a guild, open or not; again is no change. Says whether it was one.
    pub async fn add_member(&self, node_id: &str, user_id: &str) -> Result<bool, Error> {
        self.enter_guild(&Actor::Operator, node_id, user_id).await
    }
}

fn new_user(email: &str, password: &str, name: Option<&str>) -> Result<NewUser, Error> {
    let mut checks = Checks::default();
    let email = checks.take("email", Email::parse(email));
    let password = checks.take("password", Password::parse(password));
    let name = name.map(|name| checks.take("name", DisplayName::parse(name)));
    let new = email.zip(password).map(|(email, password)| NewUser { email, password, name: name.flatten() });
    checks.finish(new)
}

fn node_details(node_id: &str, name: &str, endpoint: &str) -> Result<NodeDetails, Error> {
    let mut checks = Checks::default();
    let id = checks.take("nodeId", NodeId::parse(node_id));
    let name = checks.take("name", DisplayName::parse(name));
    let endpoint = checks.take("endpoint", Endpoint::parse(endpoint));
    let details = id.zip(name).zip(endpoint).map(|((id, name), endpoint)| NodeDetails {
        id,
        name: Some(name),
        endpoint,
        open: None,
    });
    checks.finish(details)
}
