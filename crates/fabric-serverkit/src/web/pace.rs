//! How slow a client may be.

use std::time::Duration;

/// How slow a client may be: it has `grace`, and then a second for so many bytes that have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// For everything that takes time without bytes that come.
    pub grace: Duration,
    /// The least bytes a second.
    pub bytes_per_second: u64,
}

impl Pace {
    /// How long a client may take for so many bytes.
    pub fn allowed(self, received: u64) -> Duration {
        self.grace + Duration::from_secs(received / self.bytes_per_second.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_its_grace_and_a_second_for_so_many_bytes() {
        let pace = Pace { grace: Duration::from_secs(5), bytes_per_second: 100 };
        assert_eq!(pace.allowed(0), Duration::from_secs(5));
        assert_eq!(pace.allowed(1_000), Duration::from_secs(15));
        assert_eq!(Pace { bytes_per_second: 0, ..pace }.allowed(3), Duration::from_secs(8));
    }
}
