//! Periodic checks: tokens that end or are revoked, typing that ends, wakes that have arrived.

use std::sync::{Arc, Weak};
use std::time::Duration;

use fabric_api::realtime::{SessionExpiring, event};
use fabric_domain::model::Timestamp;
use fabric_domain::ports::Identity;
use fabric_domain::services::{Guild, ServiceError};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::broadcast::encode;
use crate::hub::Hub;
use crate::session::{SocketSession, TokenState};

/// How often everything is looked at that is in memory.
const TICK: Duration = Duration::from_secs(1);
/// How often Center is asked whether the tokens of connected sockets still hold. The client of Center remembers
/// its answers, so it is asked about once a minute for each token.
const ASK_EVERY: Duration = Duration::from_secs(5);

/// Starts the tasks. Hub and guild are held weakly: the store holds the hub as its publisher, and a guild that ends
/// is to let go of both.
pub(crate) fn start(hub: &Arc<Hub>, guild: &Arc<Guild>) {
    let (hub, guild) = (Arc::downgrade(hub), Arc::downgrade(guild));
    tokio::spawn(watch(hub.clone(), guild.clone()));
    // Of its own: a Center that hangs delays nothing else.
    tokio::spawn(watch_revocations(hub, guild));
}

fn every(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks
}

async fn watch(hub: Weak<Hub>, guild: Weak<Guild>) {
    let mut ticks = every(TICK);
    loop {
        ticks.tick().await;
        let (Some(hub), Some(guild)) = (hub.upgrade(), guild.upgrade()) else { break };
        let now = guild.now();
        hub.measure();
        check_tokens(&hub, now);
        hub.expire_parked(now);
        settle_arrived(&hub);
        note_settled(&hub, &guild).await;
        hub.expire_typing(now).await;
    }
}

/// A token is looked at when a socket connects; whoever is shut out after that is to be out soon (spec/5 section 4). One
/// after another, so that Center is not asked about all at once.
async fn watch_revocations(hub: Weak<Hub>, guild: Weak<Guild>) {
    let mut ticks = every(ASK_EVERY);
    loop {
        ticks.tick().await;
        let Some(hub) = hub.upgrade() else { break };
        // Weak, as asking may take long: nothing that ends meanwhile is to be kept.
        let mut sessions = Vec::new();
        hub.audience.sessions.each_connected(|session| sessions.push(Arc::downgrade(session)));
        drop(hub);
        for session in sessions {
            let Some(token) = session.upgrade().map(|session| session.token()) else { continue };
            let Some(identity) = guild.upgrade().map(|guild| guild.identify(&token)) else { return };
            check_revoked(&session, &token, identity.await);
        }
    }
}

/// Shuts out whose token does not stand for them any more.
fn check_revoked(session: &Weak<SocketSession>, token: &str, identity: Result<Identity, ServiceError>) {
    let Some(session) = session.upgrade() else { return };
    let holds = match identity {
        Ok(identity) => identity.user_id == *session.user(),
        Err(ServiceError::Refused(_)) => false,
        // Says nothing of the token: while Center is away nobody is shut out.
        Err(_) => true,
    };
    if !holds {
        session.revoke(token);
    }
}

/// Wakes whose arrival became known are settled.
fn settle_arrived(hub: &Hub) {
    for station in hub.audience.stations() {
        station.settle(|user, channel, seq| hub.settled.settle(channel, user, seq));
    }
}

/// Notes which wakes have arrived. Until then they count as owed: should the process end before, they are sent again,
/// and clients drop what they have by id.
pub(crate) async fn note_settled(hub: &Hub, guild: &Guild) {
    let settled = hub.settled.all();
    if settled.is_empty() {
        return;
    }
    match guild.settle_wakes(settled.clone()).await {
        Ok(()) => hub.settled.forget(settled),
        Err(error) => tracing::warn!(%error, "cannot store settled wakes: will retry"),
    }
}

/// Sockets whose token is about to end are told so; those whose token has ended are disconnected.
fn check_tokens(hub: &Hub, now: Timestamp) {
    hub.audience.sessions.each_connected(|session| match session.token_state(now) {
        TokenState::Fine => {}
        TokenState::Expiring(at) => {
            let notice = SessionExpiring { expires_at: at.into() };
            // Without an offset: who comes back has a fresh token.
            let notice = encode(event::SESSION_EXPIRING, &notice, None);
            if let (Some(line), Some(notice)) = (session.line(), notice) {
                // Closed, if it fails.
                let _ = line.send(&notice);
            }
        }
        TokenState::Expired => session.disconnect(),
    });
}
