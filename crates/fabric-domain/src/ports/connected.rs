//! Who has a live socket.

use crate::model::UserId;

/// Knows which users are connected.
pub trait ConnectedUsers: Send + Sync {
    /// Whether this user has a live socket.
    fn is_connected(&self, user: &UserId) -> bool;

    /// Everybody who has one.
    fn connected(&self) -> Vec<UserId>;
}
