//! One connection and what it needs, whatever is spoken on it: no namespaces, rooms or HTTP.

mod admission;
mod conn;
mod connections;
mod job_queue;
mod pulse;
mod request;
mod shared;
mod sweeper;
mod wire;
mod work;
mod worker;

pub(crate) use conn::{Conn, Upper};
pub(crate) use connections::{App, Connections, Refused};
pub(crate) use job_queue::JobQueue;
pub(crate) use request::{Request, address, query};
pub(crate) use wire::{Taken, WebSocket};
pub use worker::{Worker, WorkerGone, WorkerId};
