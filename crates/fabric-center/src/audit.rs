//! A row for every change: who did what to which. Written in the transaction of the change itself.

use std::fmt;

use fabric_domain::model::Timestamp;
use fabric_serverkit::system::new_uuid;
use sea_orm::ActiveValue::Set;
use sea_orm::{ConnectionTrait, EntityTrait as _};

use crate::entity::audit_entry;
use crate::error::Error;

/// Who asks for a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Actor {
    /// Somebody at the machine: command line, or the program that runs Center in its process.
    Operator,
    /// A caller without credentials on this machine.
    Loopback,
    /// A caller without credentials.
    Anonymous,
    /// A signed-in user.
    User(String),
    /// A guild node.
    Node(String),
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator => f.write_str("operator"),
            Self::Loopback => f.write_str("loopback"),
            Self::Anonymous => f.write_str("anonymous"),
            Self::User(id) => write!(f, "user:{id}"),
            Self::Node(id) => write!(f, "node:{id}"),
        }
    }
}

/// Writes the row. `detail` must not hold a secret.
pub(crate) async fn record(
    db: &impl ConnectionTrait,
    now: Timestamp,
    actor: &Actor,
    action: &'static str,
    target: &str,
    detail: Option<String>,
) -> Result<(), Error> {
    tracing::info!(%actor, action, target, detail, "audit");
    let row = audit_entry::ActiveModel {
        id: Set(new_uuid(now)),
        at: Set(now.0),
        actor: Set(actor.to_string()),
        action: Set(action.to_owned()),
        target: Set(target.to_owned()),
        detail: Set(detail),
    };
    audit_entry::Entity::insert(row).exec_without_returning(db).await?;
    Ok(())
}
