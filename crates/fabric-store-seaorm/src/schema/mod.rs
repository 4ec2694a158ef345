//! The database itself: how it is opened, how its schema is brought up to date, its tables, and how their rows become
//! the domain's types.

pub(crate) mod connect;
pub(crate) mod convert;
pub(crate) mod entity;
pub mod migrate;
