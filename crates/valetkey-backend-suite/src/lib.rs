#![doc = include_str!("../README.md")]

mod cases;
mod fault_proxy;
mod received;
mod run;
mod scene;
pub mod server;
mod subject;
pub mod tls;
mod verdict;

pub use fault_proxy::{Direction, Fault, FaultProxy, How};
pub use received::Received;
pub use run::{cases, check, run, trials};
pub use subject::{Exception, Outcome, Setup, Subject};
