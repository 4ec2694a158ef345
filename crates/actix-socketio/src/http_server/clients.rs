//! Who is connected by HTTP, what they hold, and how long they are waited for.

use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::network;

/// What HTTP clients may hold of a server. Connections that became websockets are not among them.
///
/// Where there is no room for somebody new, who has kept the server waiting for longest has to go: a connection that
/// rests, sends its body, or takes its answer. One for which the server is still working (a long poll, say) never is.
#[derive(Clone)]
#[non_exhaustive]
pub struct ClientLimits {
    /// Connections altogether. Default 10,000; 0 for any number.
    pub connections: usize,
    /// Connections of one address, or of one IPv6 network (/64). Default 500; 0 for any number.
    pub per_address: usize,
    /// Bytes of bodies and answers that are held until their clients have sent or read the rest. Default 64 MiB.
    pub held_bytes: usize,
    /// How long a client may stop in the middle of a body. Default 75 s.
    pub body_stall: Duration,
    /// How long a client may take nothing of its answer. Default 30 s.
    pub answer_stall: Duration,
    /// How many bytes of a body or an answer a client moves a second, once its time to stop has passed. Default 4 KiB.
    pub bytes_per_second: u64,
    /// Addresses without a limit of their own: proxies, which speak for many.
    pub unlimited: Option<Arc<dyn Fn(IpAddr) -> bool + Send + Sync>>,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            per_address: 500,
            held_bytes: 64 * 1024 * 1024,
            body_stall: Duration::from_secs(75),
            answer_stall: Duration::from_secs(30),
            bytes_per_second: 4 * 1024,
            unlimited: None,
        }
    }
}

impl fmt::Debug for ClientLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientLimits")
            .field("connections", &self.connections)
            .field("per_address", &self.per_address)
            .finish_non_exhaustive()
    }
}

/// What a connection is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// The client's next request.
    Rest,
    /// The rest of a body.
    Body,
    /// The server.
    Work,
    /// The client, to take its answer.
    Answer,
}

impl Phase {
    fn of(number: u8) -> Self {
        [Self::Rest, Self::Body, Self::Work, Self::Answer][usize::from(number & 3)]
    }
}

/// One HTTP connection. In requests it is found by `conn_data::<Arc<Client>>()`.
pub struct Client {
    number: u64,
    address: Option<IpAddr>,
    clients: Weak<Clients>,
    phase: AtomicU8,
    /// When the phase began, in milliseconds of [`Clients::now`].
    since: AtomicU64,
    /// When bytes were moved last, or the phase began.
    progress: AtomicU64,
    /// How many bytes were moved since.
    moved: AtomicU64,
    held: AtomicUsize,
    ended: AtomicBool,
    waker: AtomicWaker,
}

impl Client {
    /// The connection goes over into another phase.
    pub(super) fn enter(&self, phase: Phase) {
        let Some(clients) = self.clients.upgrade() else { return };
        let now = clients.now();
        self.phase.store(phase as u8, Ordering::Relaxed);
        self.since.store(now, Ordering::Relaxed);
        self.progress.store(now, Ordering::Relaxed);
        self.moved.store(0, Ordering::Relaxed);
    }

    pub(super) fn phase(&self) -> Phase {
        Phase::of(self.phase.load(Ordering::Relaxed))
    }

    /// So many bytes were read or written.
    pub(super) fn moved(&self, bytes: usize) {
        let Some(clients) = self.clients.upgrade() else { return };
        self.moved.fetch_add(bytes as u64, Ordering::Relaxed);
        self.progress.store(clients.now(), Ordering::Relaxed);
    }

    /// Whether the connection is to be given up. Otherwise the task is woken when it is.
    pub(super) fn is_ended(&self, task: &std::task::Waker) -> bool {
        self.waker.register(task);
        self.ended.load(Ordering::Acquire)
    }

    fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Says that so many bytes are held for this client until what is returned is dropped. Clients that keep the server
    /// waiting have to go when too much is held altogether.
    ///
    /// # Errors
    ///
    /// When there is no room all the same. Nothing is held then.
    pub fn hold(self: &Arc<Self>, bytes: usize) -> Result<Held, NoRoom> {
        let mut held = Held { client: Arc::clone(self), bytes: 0 };
        held.grow(bytes)?;
        Ok(held)
    }

    fn is_overdue(&self, now: u64, clients: &Clients) -> bool {
        let limits = &clients.limits;
        let stall = match self.phase() {
            Phase::Work => return false,
            Phase::Rest => {
                let rested = now.saturating_sub(self.since.load(Ordering::Relaxed));
                return clients.rest.is_some_and(|rest| u128::from(rested) > rest.as_millis());
            }
            Phase::Body => limits.body_stall,
            Phase::Answer => limits.answer_stall,
        };
        let stall = u64::try_from(stall.as_millis()).unwrap_or(u64::MAX);
        let earned =
            self.moved.load(Ordering::Relaxed).saturating_mul(1_000) / limits.bytes_per_second.max(1);
        now.saturating_sub(self.progress.load(Ordering::Relaxed)) > stall
            || now.saturating_sub(self.since.load(Ordering::Relaxed)) > stall.saturating_add(earned)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("number", &self.number)
            .field("phase", &self.phase())
            .finish_non_exhaustive()
    }
}

/// Too much is held for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too much is waiting for other clients")]
pub struct NoRoom;

/// Bytes that are held for a client.
#[derive(Debug)]
pub struct Held {
    client: Arc<Client>,
    bytes: usize,
}

impl Held {
    /// So many more bytes are held.
    ///
    /// # Errors
    ///
    /// As [`Client::hold`].
    pub fn grow(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let Some(clients) = self.client.clients.upgrade() else { return Ok(()) };
        clients.hold(&self.client, bytes)?;
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(clients) = self.client.clients.upgrade() {
            clients.release(&self.client, self.bytes);
        }
    }
}

/// Every HTTP connection of a server.
pub(super) struct Clients {
    limits: ClientLimits,
    /// How long a connection may rest.
    rest: Option<Duration>,
    begun: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next: u64,
    count: usize,
    held: usize,
    /// Those that have not ended, by address.
    addresses: HashMap<Option<IpAddr>, HashMap<u64, Arc<Client>>>,
}

impl State {
    fn all(&self) -> impl Iterator<Item = &Arc<Client>> {
        self.addresses.values().flat_map(HashMap::values)
    }

    fn remove(&mut self, client: &Client) {
        if let Some(list) = self.addresses.get_mut(&client.address) {
            if list.remove(&client.number).is_some() {
                self.count -= 1;
                // What it holds will be gone in a moment.
                self.held -= client.held.swap(0, Ordering::Relaxed);
            }
            if list.is_empty() {
                self.addresses.remove(&client.address);
            }
        }
    }

    fn end(&mut self, client: &Client) {
        self.remove(client);
        client.end();
    }
}

/// Who has kept the server waiting for longest.
fn slowest<'a>(clients: impl Iterator<Item = &'a Arc<Client>>) -> Option<Arc<Client>> {
    clients
        .filter(|client| client.phase() != Phase::Work)
        // Of two in the same millisecond, the one that came first.
        .min_by_key(|client| (client.progress.load(Ordering::Relaxed), client.number))
        .cloned()
}

impl Clients {
    pub(super) fn new(limits: ClientLimits, rest: Option<Duration>) -> Arc<Self> {
        Arc::new(Self { limits, rest, begun: Instant::now(), state: Mutex::default() })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A connection was accepted; `None` where there is no room for it. To be ended by [`Self::leave`].
    pub(super) fn enter(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Arc<Client>> {
        let is_limited = |address| self.limits.unlimited.as_ref().is_none_or(|unlimited| !unlimited(address));
        let is_limited = address.map(|address| address.to_canonical()).is_some_and(is_limited);
        let address = address.map(network);
        let mut state = self.state.lock();
        if self.limits.per_address > 0
            && is_limited
            && let Some(list) = state.addresses.get(&address)
            && list.len() >= self.limits.per_address
        {
            let slowest = slowest(list.values())?;
            state.end(&slowest);
        }
        if self.limits.connections > 0 && state.count >= self.limits.connections {
            let slowest = slowest(state.all())?;
            state.end(&slowest);
        }
        let now = self.now();
        state.next += 1;
        let client = Arc::new(Client {
            number: state.next,
            address,
            clients: Arc::downgrade(self),
            phase: AtomicU8::new(Phase::Rest as u8),
            since: AtomicU64::new(now),
            progress: AtomicU64::new(now),
            moved: AtomicU64::new(0),
            held: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        });
        state.count += 1;
        state.addresses.entry(address).or_default().insert(client.number, Arc::clone(&client));
        Some(client)
    }

    /// The connection is gone, or became a websocket.
    pub(super) fn leave(&self, client: &Client) {
        self.state.lock().remove(client);
    }

    fn hold(&self, holder: &Arc<Client>, bytes: usize) -> Result<(), NoRoom> {
        let mut state = self.state.lock();
        if holder.ended.load(Ordering::Relaxed) {
            return Err(NoRoom);
        }
        // Of those who keep the server waiting the holder is none: it comes with more, or has just been answered.
        while state.held + bytes > self.limits.held_bytes {
            let others = state
                .all()
                .filter(|client| !Arc::ptr_eq(client, holder) && client.held.load(Ordering::Relaxed) > 0);
            let slowest = slowest(others).ok_or(NoRoom)?;
            state.end(&slowest);
        }
        state.held += bytes;
        holder.held.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    fn release(&self, holder: &Client, bytes: usize) {
        let mut state = self.state.lock();
        // Of one that has left nothing counts any more.
        let counted = holder.held.load(Ordering::Relaxed).min(bytes);
        holder.held.fetch_sub(counted, Ordering::Relaxed);
        state.held -= counted;
    }

    /// Ends the connections whose clients took too long.
    pub(super) fn sweep(&self) {
        let now = self.now();
        let mut state = self.state.lock();
        let overdue: Vec<_> = state.all().filter(|client| client.is_overdue(now, self)).cloned().collect();
        for client in overdue {
            state.end(&client);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clients(limits: ClientLimits) -> Arc<Clients> {
        Clients::new(limits, Some(Duration::from_secs(100)))
    }

    fn limits() -> ClientLimits {
        ClientLimits { connections: 4, per_address: 2, held_bytes: 100, ..ClientLimits::default() }
    }

    fn enter(clients: &Arc<Clients>, n: u8) -> Option<Arc<Client>> {
        clients.enter(Some([10, 0, 0, n].into()))
    }

    fn ended(client: &Client) -> bool {
        client.ended.load(Ordering::Relaxed)
    }

    #[tokio::test(start_paused = true)]
    async fn who_kept_the_server_waiting_for_longest_makes_room_at_its_own_address() {
        let clients = clients(limits());
        let other = enter(&clients, 2).unwrap();
        let first = enter(&clients, 1).unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        let second = enter(&clients, 1).unwrap();
        first.moved(1);
        tokio::time::advance(Duration::from_secs(1)).await;
        second.moved(1);
        let third = enter(&clients, 1).unwrap();
        assert!(ended(&first) && !ended(&second) && !ended(&third) && !ended(&other));
    }

    #[tokio::test(start_paused = true)]
    async fn one_for_which_the_server_works_is_never_ended_for_another() {
        let clients = clients(limits());
        let working = [1, 1].map(|n| enter(&clients, n).unwrap());
        for client in &working {
            client.enter(Phase::Work);
        }
        assert!(enter(&clients, 1).is_none());
        let resting = [2, 2].map(|n| enter(&clients, n).unwrap());
        let newcomer = enter(&clients, 3).unwrap();
        assert_eq!(resting.iter().filter(|client| ended(client)).count(), 1, "of all there may be four");
        clients.leave(&newcomer);
        tokio::time::advance(Duration::from_hours(1)).await;
        clients.sweep();
        assert!(!working.iter().any(|client| ended(client)));
    }

    #[tokio::test]
    async fn a_proxy_and_a_limit_of_0_are_any_number_and_an_ipv6_network_is_one_address() {
        let proxies = ClientLimits {
            connections: 0,
            unlimited: Some(Arc::new(|address| address.is_loopback())),
            ..limits()
        };
        let clients = clients(proxies);
        let many: Vec<_> = (0..50).map(|_| clients.enter(Some([127, 0, 0, 1].into())).unwrap()).collect();
        assert!(!many.iter().any(|client| ended(client)));
        let network = ["2001:db8:1:2::1", "2001:db8:1:2:ffff::2", "2001:db8:1:2::3"];
        let three = network.map(|text| clients.enter(text.parse().ok()).unwrap());
        assert_eq!(three.iter().filter(|client| ended(client)).count(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_held_is_bounded_and_who_stands_still_has_to_go_for_it() {
        let clients = clients(limits());
        let (slow, fast) = (enter(&clients, 1).unwrap(), enter(&clients, 2).unwrap());
        slow.enter(Phase::Body);
        let of_slow = slow.hold(60).unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        fast.enter(Phase::Body);
        let mut of_fast = fast.hold(40).unwrap();
        of_fast.grow(50).unwrap();
        assert!(ended(&slow) && !ended(&fast));
        assert_eq!(of_fast.grow(11), Err(NoRoom), "nobody else is left to go");
        drop(of_slow);
        assert_eq!(clients.state.lock().held, 90, "what the other held was no more counted");
        drop(of_fast);
        assert_eq!(clients.state.lock().held, 0);
        drop(fast.hold(100).unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_and_an_answer_have_their_time_and_a_second_for_so_many_bytes() {
        let pace = ClientLimits {
            body_stall: Duration::from_secs(10),
            answer_stall: Duration::from_secs(5),
            bytes_per_second: 1_000,
            connections: 0,
            per_address: 0,
            ..limits()
        };
        let clients = clients(pace);
        let [stalled, slow, steady, resting] = [1; 4].map(|n| enter(&clients, n).unwrap());
        stalled.enter(Phase::Body);
        slow.enter(Phase::Answer);
        steady.enter(Phase::Body);
        for _ in 0..12 {
            tokio::time::advance(Duration::from_secs(1)).await;
            slow.moved(1);
            steady.moved(1_000);
            clients.sweep();
        }
        assert!(ended(&stalled) && ended(&slow) && !ended(&steady) && !ended(&resting));
        tokio::time::advance(Duration::from_secs(100)).await;
        clients.sweep();
        assert!(ended(&resting));
    }
}
