//! The store on real databases: files, and servers that the tests start themselves.

#[macro_use]
mod databases;
mod archive;
mod batches;
mod connections;
mod contract;
mod damaged;
#[cfg(unix)]
mod files;
mod first_edition;
mod indexes;
mod indexing;
mod lanes;
mod migrations;
mod same_answers;
mod search;
mod stepped;
mod sweeping;
mod walk;
