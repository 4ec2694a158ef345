//! One connection and what it needs, whatever is spoken on it: no namespaces, rooms or HTTP.

mod admission;
mod conn;
mod hub;
mod lane;
mod request;
mod shared;
mod sweeper;
mod work;
mod worker;

pub(crate) use conn::{Conn, Upper};
pub(crate) use hub::{App, Hub, Refused};
pub(crate) use lane::Lane;
pub(crate) use request::{Request, address, query};
