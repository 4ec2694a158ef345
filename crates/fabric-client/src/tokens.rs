//! Where a guild client takes its token from.

use std::fmt;
use std::sync::Arc;

use crate::account::Account;
use crate::error::Error;
use crate::model::GuildId;

/// Where a guild client takes its token from.
#[derive(Clone)]
pub(crate) enum Tokens {
    /// Always the same.
    Fixed(Arc<str>),
    /// The account's token for this guild.
    Account(Arc<Account>, GuildId),
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fixed(_) => "Fixed",
            Self::Account(..) => "Account",
        })
    }
}

impl Tokens {
    /// A token that is good for a while.
    pub(crate) async fn get(&self) -> Result<Arc<str>, Error> {
        match self {
            Self::Fixed(token) => Ok(token.clone()),
            Self::Account(account, guild) => account.guild_token(guild, None).await,
        }
    }

    /// A token other than `refused`; `None` where there is no other to be had.
    pub(crate) async fn instead_of(&self, refused: &str) -> Result<Option<Arc<str>>, Error> {
        match self {
            Self::Fixed(_) => Ok(None),
            Self::Account(account, guild) => account.guild_token(guild, Some(refused)).await.map(Some),
        }
    }

    /// A token fetched just now, as for a new socket.
    pub(crate) async fn fresh(&self) -> Result<Arc<str>, Error> {
        match self {
            Self::Fixed(token) => Ok(token.clone()),
            Self::Account(account, guild) => account.fresh_guild_token(guild).await,
        }
    }
}
