//! Whom an address stands for.

use std::net::IpAddr;

/// Whose limits an address counts for: its own, or its IPv6 network's (/64). Whoever has one IPv6 address has at least
/// the 2^64 of its network, so they count as one.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
    }
}
