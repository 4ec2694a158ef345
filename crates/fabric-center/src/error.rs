//! Why a use case was refused.

use fabric_domain::model::FieldError;
use sea_orm::DbErr;
use thiserror::Error;

/// Why a use case was refused. [`Error::code`] is the stable name on the wire.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// Every field that is wrong.
    #[error("{}", listed(.0))]
    Invalid(Vec<FieldError>),
    /// No `Authorization: Bearer …`.
    #[error("missing bearer token")]
    MissingToken,
    /// Bad, expired or revoked access token.
    #[error("invalid token")]
    InvalidToken,
    /// Wrong email or password, a bad API key, or a disabled user: the answer does not tell which.
    #[error("invalid credentials")]
    InvalidCredentials,
    /// Unknown, expired, spent or revoked refresh token.
    #[error("invalid refresh token")]
    InvalidRefreshToken,
    /// The route is for guild nodes.
    #[error("missing or invalid node key")]
    InvalidNodeKey,
    /// May be seen, but not done.
    #[error("{0}")]
    Forbidden(&'static str),
    /// Without a node key nobody registers here.
    #[error("registration is closed; ask the operator for an account")]
    RegistrationClosed,
    /// The guild is not open.
    #[error("this guild can be joined by invite only")]
    InviteRequired,
    /// No such guild, or none that the caller may see.
    #[error("guild not found")]
    GuildNotFound,
    /// No user with that email or id.
    #[error("user not found")]
    UserNotFound,
    /// The user has no live API key of that description.
    #[error("API key not found")]
    ApiKeyNotFound,
    /// Somebody else has this email.
    #[error("this email is already registered")]
    EmailTaken,
    /// Too many attempts to sign in.
    #[error("too many attempts; try again in {retry_after_seconds} s")]
    RateLimited {
        /// When the next attempt is allowed.
        retry_after_seconds: u64,
    },
    /// Too many others are signing in right now.
    #[error("too many sign-ins at once; try again later")]
    Overloaded,
    /// The database failed.
    #[error("database error: {0}")]
    Database(#[from] DbErr),
    /// Something that should not happen.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Error {
    /// The stable name of the error on the wire.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "validation_failed",
            Self::MissingToken => "missing_bearer_token",
            Self::InvalidToken => "invalid_token",
            Self::InvalidCredentials => "invalid_credentials",
            Self::InvalidRefreshToken => "invalid_refresh_token",
            Self::InvalidNodeKey => "invalid_node_key",
            Self::Forbidden(_) => "forbidden",
            Self::RegistrationClosed => "registration_closed",
            Self::InviteRequired => "invite_required",
            Self::GuildNotFound => "guild_not_found",
            Self::UserNotFound => "user_not_found",
            Self::ApiKeyNotFound => "api_key_not_found",
            Self::EmailTaken => "email_taken",
            Self::RateLimited { .. } => "rate_limited",
            Self::Overloaded => "overloaded",
            Self::Database(_) | Self::Internal(_) => "internal_error",
        }
    }
}

fn listed(bad: &[FieldError]) -> String {
    let lines: Vec<_> = bad.iter().map(|bad| format!("{} {}", bad.field, bad.message)).collect();
    lines.join("; ")
}

/// Why Center could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A setting that cannot be used.
    #[error("setting {name}: {problem}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The database could not be opened or migrated.
    #[error("database: {0}")]
    Database(#[from] DbErr),
    /// The database's file could not be created.
    #[error("cannot create the database file {path}: {source}")]
    File {
        /// Which file.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The first secret could not be made.
    #[error(transparent)]
    Start(#[from] Error),
}
