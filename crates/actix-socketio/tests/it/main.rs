//! A real server on a free port, and raw clients that say exactly what they want.

mod client;
mod client_limits;
mod handshake;
mod hostile;
mod polling;
mod server;
mod session;
mod sockets;
mod websocket;
mod wire;
mod workers;
