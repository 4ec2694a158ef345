//! Presences as users last reported them.

use fabric_domain::model::{Presence, UserId};
use sea_orm::{ConnectionTrait, EntityTrait};

use crate::error::DatabaseError;
use crate::schema::convert;
use crate::schema::entity::presence;

/// One user's presence.
pub(crate) async fn one(db: &impl ConnectionTrait, user: &UserId) -> Result<Option<Presence>, DatabaseError> {
    let row = presence::Entity::find_by_id(user.as_str()).one(db).await?;
    Ok(row.map(convert::presence))
}

/// Everybody's presence.
pub(crate) async fn all(db: &impl ConnectionTrait) -> Result<Vec<Presence>, DatabaseError> {
    let rows = presence::Entity::find().all(db).await?;
    Ok(rows.into_iter().map(convert::presence).collect())
}
