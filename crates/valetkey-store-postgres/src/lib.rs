#![doc = include_str!("../README.md")]

mod connect;
mod fault;
mod link;
mod statements;
mod store;

pub use deadpool_postgres;

pub use store::PostgresStore;
