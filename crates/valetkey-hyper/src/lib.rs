//! Carries valetkey's requests over hyper, rustls and tokio.
//!
//! [`HyperBackend`] implements [`Backend`](valetkey_http::Backend): it sends a request at most once,
//! follows no redirect, keeps to the [`Limits`](valetkey_http::Limits) of the send, and says of each
//! failure how far the request got.
//!
//! ```
//! use bytes::Bytes;
//! use valetkey_http::{Backend, Limits};
//! use valetkey_hyper::HyperBackend;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let server = std::net::TcpListener::bind("127.0.0.1:0")?;
//! # let url = format!("http://{}/", server.local_addr()?);
//! # std::thread::spawn(move || {
//! #     use std::io::{Read, Write};
//! #     let (mut connection, _) = server.accept().unwrap();
//! #     connection.read(&mut [0; 4096]).unwrap();
//! #     connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").unwrap();
//! # });
//! let backend = HyperBackend::new()?;
//! let request = http::Request::get(url).body(Bytes::new())?;
//! let response = backend.send(request, Limits::default()).await?;
//! assert_eq!(response.body(), "hello");
//! # Ok(())
//! # }
//! ```
//!
//! # Trust and features
//!
//! TLS is rustls on ring. The root certificates are Mozilla's, compiled in by the default feature
//! `webpki-roots`; the feature `platform-roots` adds `Builder::platform_roots`, which takes the
//! system's. Certificates of one's own go in as PEM ([`Builder::extra_roots`], [`Builder::only_roots`], [`Builder::identity`]).
//!
//! Everything of tokio's is behind the default feature `tokio`. What is left without it is [`runtime`], of which
//! adapters for other runtimes are made.
//!
//! # What it does not do
//!
//! It stores no cookies, decompresses nothing, and adds no header but `Host`, `User-Agent` and what frames
//! a body. A request with an empty body goes without `Content-Length` unless it has one. Proxies are HTTP
//! proxies that are spoken to in plain text and make tunnels; SOCKS and proxies behind TLS are refused
//! when the backend is built.
//!
//! A request to [public addresses](valetkey_http::Addresses::Public) alone goes on a connection of its own, to an address
//! that was checked. Through a proxy, it is the proxy that looks the name up: only an address in the URL is checked here.
//!
//! When a server closes a kept connection just as a request leaves on it, hyper's pool loses about one request of fifteen
//! thousand: neither sent again nor failed, it ends with the deadline for the response's head. What must not be sent twice
//! goes on a connection of its own, where that does not happen.
//!
//! On the pool of connections a failure after the connection stood is
//! [`Sent::Maybe`](valetkey_http::Sent::Maybe), even if not a byte had left; on a connection of its own it
//! is exact.

mod body;
mod builder;
mod carrier;
mod connect;
mod fault;
mod fresh;
mod no_proxy;
mod nursery;
mod pool;
mod proxy;
pub mod runtime;
mod tls;
#[cfg(feature = "tokio")]
mod tokio;

#[cfg(feature = "tokio")]
pub use self::tokio::{HyperBackend, Tokio};
pub use builder::BuildError;

/// Sets up a [`HyperBackend`]; from [`HyperBackend::builder`].
#[cfg(feature = "tokio")]
pub type Builder = runtime::Builder<Tokio>;
