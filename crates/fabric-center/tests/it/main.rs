//! Center from outside: a real server on a real socket, and the built program.

mod cli;
mod connections;
mod guilds;
mod hostile;
mod nodes;
mod sessions;
mod storage;
mod support;
mod users;
