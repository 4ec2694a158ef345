//! The client against a server that does what each test tells it to.

mod agent;
mod fake;
mod realtime;
mod rest;
