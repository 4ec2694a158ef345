//! Users, their API keys, and the admin.

use std::collections::HashSet;

use fabric_api::center::{Admin, User, UserKind};
use fabric_domain::model::Timestamp;
use fabric_serverkit::system::new_uuid;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{OnConflict, SelectStatement};
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, ConnectionTrait, EntityTrait as _, IntoActiveModel as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, SqlErr,
};
use serde::Serialize;

use crate::audit::{Actor, record};
use crate::center::Center;
use crate::entity::{api_key, session, setting, user};
use crate::error::Error;
use crate::secret::{AGENT_KEY_PREFIX, fingerprint, new_token};
use crate::values::{DisplayName, Email, Password, email_key};

/// A user as the operator sees them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedUser {
    /// Who it is.
    #[serde(flatten)]
    pub user: User,
    /// Whether they are the admin.
    pub admin: bool,
    /// Whether they are kept out.
    pub disabled: bool,
}

/// A user to be.
#[derive(Debug, Clone)]
pub(crate) struct NewUser {
    pub(crate) email: Email,
    pub(crate) password: Password,
    pub(crate) name: Option<DisplayName>,
}

impl Center {
    /// Registers a user.
    pub(crate) async fn register_user(&self, actor: &Actor, new: NewUser) -> Result<User, Error> {
        let password_hash = self.0.passwords.hash(&new.password).await?;
        let now = self.now();
        let row = user::Model {
            id: new_uuid(now),
            email_key: new.email.key(),
            name: new.name.unwrap_or_else(|| DisplayName::from(&new.email)).as_str().to_owned(),
            email: new.email.as_str().to_owned(),
            password_hash,
            disabled_at: None,
            created_at: now.0,
            updated_at: now.0,
        };
        let tx = self.write().await?;
        user::Entity::insert(row.clone().into_active_model()).exec_without_returning(&tx).await.map_err(
            |error| match error.sql_err() {
                Some(SqlErr::UniqueConstraintViolation(_)) => Error::EmailTaken,
                _ => Error::from(error),
            },
        )?;
        record(&tx, now, actor, "user.created", &row.id, None).await?;
        tx.commit().await?;
        Ok(to_user(row, UserKind::Human))
    }

    /// Gives the user another name.
    pub(crate) async fn rename(&self, user: &user::Model, name: &DisplayName) -> Result<user::Model, Error> {
        let now = self.now();
        let tx = self.write().await?;
        let mut row = user.clone().into_active_model();
        row.name = Set(name.as_str().to_owned());
        row.updated_at = Set(now.0);
        let renamed = row.update(&tx).await?;
        record(&tx, now, &Actor::User(user.id.clone()), "user.renamed", &user.id, None).await?;
        tx.commit().await?;
        Ok(renamed)
    }

    /// Every user, oldest first.
    pub(crate) async fn all_users(&self) -> Result<Vec<ListedUser>, Error> {
        let admin = admin_id(&self.0.db).await?;
        let agents = agents(&self.0.db, None).await?;
        let rows = user::Entity::find().order_by_asc(user::Column::Id).all(&self.0.db).await?;
        let listed = rows.into_iter().map(|row| ListedUser {
            admin: admin.as_ref() == Some(&row.id),
            disabled: row.disabled_at.is_some(),
            user: {
                let kind = kind_of(&row.id, &agents);
                to_user(row, kind)
            },
        });
        Ok(listed.collect())
    }

    /// Keeps a user out: no sign-in, no refresh, no live token.
    pub(crate) async fn disable(&self, actor: &Actor, email: &str) -> Result<User, Error> {
        let now = self.now();
        let tx = self.write().await?;
        let row = find_by_email(&tx, email).await?.ok_or(Error::UserNotFound)?;
        let mut change = row.clone().into_active_model();
        change.disabled_at = Set(Some(row.disabled_at.unwrap_or(now.0)));
        change.updated_at = Set(now.0);
        let row = change.update(&tx).await?;
        let sessions = session::Column::UserId.eq(row.id.as_str());
        revoke_sessions(&tx, sessions, now).await?;
        record(&tx, now, actor, "user.disabled", &row.id, None).await?;
        tx.commit().await?;
        Ok(to_user(row, UserKind::Human))
    }

    /// Makes a key with which the user can sign in as an agent. Only its hash is kept.
    pub(crate) async fn make_api_key(
        &self,
        actor: &Actor,
        email: &str,
        label: &DisplayName,
    ) -> Result<String, Error> {
        let now = self.now();
        let key = new_token(AGENT_KEY_PREFIX);
        let tx = self.write().await?;
        let owner = find_by_email(&tx, email).await?.ok_or(Error::UserNotFound)?;
        let row = api_key::ActiveModel {
            id: Set(new_uuid(now)),
            user_id: Set(owner.id.clone()),
            label: Set(label.as_str().to_owned()),
            key_hash: Set(fingerprint(&key)),
            created_at: Set(now.0),
            revoked_at: Set(None),
        };
        api_key::Entity::insert(row).exec_without_returning(&tx).await?;
        record(&tx, now, actor, "api_key.created", &owner.id, Some(label.as_str().to_owned())).await?;
        tx.commit().await?;
        Ok(key)
    }

    /// Ends the user's live keys (all, or those with that label) and every session that was opened with them. Says how
    /// many keys that were.
    pub(crate) async fn end_api_keys(
        &self,
        actor: &Actor,
        email: &str,
        label: Option<&str>,
    ) -> Result<usize, Error> {
        let now = self.now();
        let tx = self.write().await?;
        let owner = find_by_email(&tx, email).await?.ok_or(Error::UserNotFound)?;
        let mut live = api_key::Entity::find()
            .filter(api_key::Column::UserId.eq(owner.id.as_str()))
            .filter(api_key::Column::RevokedAt.is_null());
        if let Some(label) = label {
            live = live.filter(api_key::Column::Label.eq(label));
        }
        let keys = live.all(&tx).await?;
        for key in &keys {
            let mut change = key.clone().into_active_model();
            change.revoked_at = Set(Some(now.0));
            change.update(&tx).await?;
            revoke_sessions(&tx, session::Column::ApiKeyId.eq(key.id.as_str()), now).await?;
            record(&tx, now, actor, "api_key.revoked", &owner.id, Some(key.label.clone())).await?;
        }
        if keys.is_empty() {
            return Err(Error::ApiKeyNotFound);
        }
        tx.commit().await?;
        Ok(keys.len())
    }

    /// Makes this user the only admin.
    pub(crate) async fn make_admin(&self, actor: &Actor, email: &str) -> Result<Admin, Error> {
        let now = self.now();
        let tx = self.write().await?;
        let chosen = find_by_email(&tx, email).await?.ok_or(Error::UserNotFound)?;
        if chosen.disabled_at.is_some() {
            return Err(Error::Forbidden("a disabled user cannot be the admin"));
        }
        let row =
            setting::ActiveModel { name: Set(setting::ADMIN.to_owned()), value: Set(chosen.id.clone()) };
        setting::Entity::insert(row)
            .on_conflict(
                OnConflict::column(setting::Column::Name).update_column(setting::Column::Value).to_owned(),
            )
            .exec_without_returning(&tx)
            .await?;
        record(&tx, now, actor, "admin.set", &chosen.id, None).await?;
        tx.commit().await?;
        Ok(Admin { email: chosen.email, user_id: chosen.id.into() })
    }

    /// Takes the admin's office away; says who had it.
    pub(crate) async fn remove_admin(&self, actor: &Actor) -> Result<Option<String>, Error> {
        let now = self.now();
        let tx = self.write().await?;
        let former = admin_id(&tx).await?;
        if let Some(former) = &former {
            setting::Entity::delete_by_id(setting::ADMIN).exec(&tx).await?;
            record(&tx, now, actor, "admin.cleared", former, None).await?;
        }
        tx.commit().await?;
        Ok(former)
    }

    /// The admin. A disabled one has no say.
    pub(crate) async fn current_admin(&self) -> Result<Option<Admin>, Error> {
        let Some(id) = admin_id(&self.0.db).await? else { return Ok(None) };
        let row = user::Entity::find_by_id(id).one(&self.0.db).await?;
        let row = row.filter(|row| row.disabled_at.is_none());
        Ok(row.map(|row| Admin { email: row.email, user_id: row.id.into() }))
    }

    /// Whether this user is the admin.
    pub(crate) async fn is_admin(&self, user_id: &str) -> Result<bool, Error> {
        Ok(admin_id(&self.0.db).await?.as_deref() == Some(user_id))
    }
}

/// The row, by email without case.
pub(crate) async fn find_by_email(
    db: &impl ConnectionTrait,
    email: &str,
) -> Result<Option<user::Model>, Error> {
    Ok(user::Entity::find().filter(user::Column::EmailKey.eq(email_key(email))).one(db).await?)
}

async fn admin_id(db: &impl ConnectionTrait) -> Result<Option<String>, Error> {
    Ok(setting::Entity::find_by_id(setting::ADMIN).one(db).await?.map(|row| row.value))
}

/// Ids of the users with a live API key; of those in `among`, when given.
pub(crate) async fn agents(
    db: &impl ConnectionTrait,
    among: Option<SelectStatement>,
) -> Result<HashSet<String>, Error> {
    let mut query = api_key::Entity::find()
        .select_only()
        .column(api_key::Column::UserId)
        .distinct()
        .filter(api_key::Column::RevokedAt.is_null());
    if let Some(among) = among {
        query = query.filter(api_key::Column::UserId.in_subquery(among));
    }
    Ok(query.into_tuple::<String>().all(db).await?.into_iter().collect())
}

/// What a listed user is.
pub(crate) fn kind_of(user_id: &str, agents: &HashSet<String>) -> UserKind {
    if agents.contains(user_id) { UserKind::Agent } else { UserKind::Human }
}

/// Ends the live sessions that match.
pub(crate) async fn revoke_sessions(
    db: &impl ConnectionTrait,
    which: sea_orm::sea_query::SimpleExpr,
    now: Timestamp,
) -> Result<(), Error> {
    session::Entity::update_many()
        .col_expr(session::Column::RevokedAt, now.0.into())
        .filter(which)
        .filter(session::Column::RevokedAt.is_null())
        .exec(db)
        .await?;
    Ok(())
}

/// The user as others see them.
pub(crate) fn to_user(row: user::Model, kind: UserKind) -> User {
    User { id: row.id.into(), email: row.email, name: row.name, kind: kind.into() }
}
