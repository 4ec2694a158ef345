//! Who has a live socket.

use crate::model::UserId;

/// Knows who is connected.
pub trait Online: Send + Sync {
    /// Whether this user has a live socket.
    fn is_online(&self, user: &UserId) -> bool;

    /// Everybody who has one.
    fn online(&self) -> Vec<UserId>;
}
