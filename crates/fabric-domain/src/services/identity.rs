//! Who is asking (spec/3 section 3).

use std::sync::Arc;

use super::{Guild, ServiceError};
use crate::model::{Refusal, UserId};
use crate::ports::Identity;

impl Guild {
    /// Whom a token stands for: the one place where tokens are looked up. The future holds only what asks Center, so
    /// that a Center that hangs keeps no guild alive.
    ///
    /// # Errors
    ///
    /// [`Refusal::InvalidToken`] when it is bad, expired or meant for another node; [`ServiceError::Center`] when
    /// Center cannot be asked, which says nothing of the token.
    pub fn identify(
        &self,
        token: &str,
    ) -> impl Future<Output = Result<Identity, ServiceError>> + Send + use<> {
        let (center, token) = (Arc::clone(&self.ports.center), token.to_owned());
        async move { center.introspect(&token).await?.ok_or(ServiceError::Refused(Refusal::InvalidToken)) }
    }

    /// Whether this user has a live socket.
    pub fn is_connected(&self, user: &UserId) -> bool {
        self.ports.connected.is_connected(user)
    }
}
