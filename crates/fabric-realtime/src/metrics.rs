//! What the realtime side tells of itself. Operators find these names in docs/operations.md, which a test
//! compares.

use actix_socketio::DisconnectReason;
use fabric_domain::model::WakeReason;
use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

const SOCKETS: &str = "fabric_realtime_sockets";
const PARKED: &str = "fabric_realtime_parked_sessions";
const QUEUED: &str = "fabric_realtime_queued_commits";
const LAG: &str = "fabric_realtime_lag_seconds";
const DELIVERIES: &str = "fabric_realtime_deliveries_total";
const WAKES: &str = "fabric_realtime_wakes_total";
const RECOVERIES: &str = "fabric_realtime_recoveries_total";
const DISCONNECTS: &str = "fabric_realtime_disconnects_total";

/// Handles of one hub; they cost an atomic operation each, or nothing where nobody records.
pub(crate) struct Metrics {
    /// Connected sockets.
    pub(crate) sockets: Gauge,
    /// Sessions whose connection is lost and may come back.
    pub(crate) parked: Gauge,
    /// Commits that wait to be delivered.
    pub(crate) queued: Gauge,
    /// From a commit's being handed over to its being on the sockets' queues, in seconds.
    pub(crate) lag: Histogram,
    /// Events put on live sockets as they happened.
    pub(crate) deliveries: Counter,
    /// Connections whose session was still there, and those whose was not.
    pub(crate) recovered: Counter,
    pub(crate) lost: Counter,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        describe_gauge!(SOCKETS, "Connected sockets");
        describe_gauge!(PARKED, "Sessions whose connection is lost and may come back");
        describe_gauge!(QUEUED, "Commits that wait to be delivered");
        describe_histogram!(
            LAG,
            "Seconds from a commit being handed over to it being queued for every socket"
        );
        describe_counter!(DELIVERIES, "Events put on sockets as they happened");
        describe_counter!(WAKES, "Users woken on at least one socket, by reason");
        describe_counter!(RECOVERIES, "Sockets that came back to their session, or found it gone");
        describe_counter!(DISCONNECTS, "Sockets that were disconnected, by reason");
        Self {
            sockets: gauge!(SOCKETS),
            parked: gauge!(PARKED),
            queued: gauge!(QUEUED),
            lag: histogram!(LAG),
            deliveries: counter!(DELIVERIES),
            recovered: counter!(RECOVERIES, "outcome" => "recovered"),
            lost: counter!(RECOVERIES, "outcome" => "lost"),
        }
    }
}

/// So many users were woken on at least one socket.
pub(crate) fn woken(reason: WakeReason, users: u64) {
    counter!(WAKES, "reason" => reason.as_str()).increment(users);
}

/// A socket is gone.
pub(crate) fn disconnected(reason: DisconnectReason) {
    counter!(DISCONNECTS, "reason" => reason.as_str()).increment(1);
}
