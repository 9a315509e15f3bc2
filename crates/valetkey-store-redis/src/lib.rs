#![doc = include_str!("../README.md")]

mod fault;
mod link;
mod record;
mod scripts;
mod store;

pub use redis;

pub use store::RedisStore;
