//! Who is in the guild that is measured, at every target.

/// The guild that is measured.
pub(super) const GUILD: &str = "bench";
/// Users that there are.
pub(super) const USERS: usize = 10_000;
/// Users whose sockets are connected: more sockets than that are second and third ones of the same users.
pub(super) const MOST_USERS: usize = 1_000;
const _: () = assert!(MOST_USERS <= USERS, "Center knows them all");

/// The `number`th user.
pub(super) fn user(number: usize) -> String {
    format!("u{number}")
}

/// The token of a user, at every target.
pub(super) fn token_of(user: &str) -> String {
    format!("token-{user}")
}

/// Whose token this is.
pub(super) fn user_of(token: &str) -> Option<&str> {
    token.strip_prefix("token-")
}
