#![doc = include_str!("../README.md")]

#[cfg(not(any(feature = "curl", feature = "h1-no-tls")))]
compile_error!("valetkey-surf needs an HTTP client below surf: the feature `curl` or `h1-no-tls`");

mod backend;
mod body;
mod builder;
mod contain;
mod convert;
#[cfg(feature = "curl")]
mod curl_client;
#[cfg(feature = "h1-no-tls")]
mod h1_client;

pub use backend::SurfBackend;
pub use builder::{BuildError, Builder};
