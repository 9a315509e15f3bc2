//! Carries valetkey's requests over hyper and rustls on smol's sockets: for smol, async-std, and any other executor.
//!
//! [`SmolBackend`] implements [`Backend`](valetkey_http::Backend) with the code of `valetkey-hyper`, so that it keeps
//! connections, speaks HTTP/2, goes through proxies and tells failures apart as that crate does. Sockets and timers
//! are those of `async-io`, which has a thread of its own: any executor may poll, and so may a thread that has none.
//! The tasks of the backend go to smol's global executor, or to the one that [`Smol::spawning`] is given.
//!
//! ```
//! use bytes::Bytes;
//! use valetkey_http::{Backend, Limits};
//! use valetkey_smol::SmolBackend;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let server = std::net::TcpListener::bind("127.0.0.1:0")?;
//! # let url = format!("http://{}/", server.local_addr()?);
//! # std::thread::spawn(move || {
//! #     use std::io::{Read, Write};
//! #     let (mut connection, _) = server.accept().unwrap();
//! #     connection.read(&mut [0; 4096]).unwrap();
//! #     connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").unwrap();
//! # });
//! smol::block_on(async {
//!     let backend = SmolBackend::new()?;
//!     let request = http::Request::get(url).body(Bytes::new())?;
//!     let response = backend.send(request, Limits::default()).await?;
//!     assert_eq!(response.body(), "hello");
//!     Ok(())
//! })
//! # }
//! ```
//!
//! # On async-std
//!
//! async-std is no longer maintained. Its programs need not change their executor for this backend, which shares no
//! code with it:
//!
//! ```
//! use valetkey_smol::{Smol, SmolBackend};
//!
//! let smol = Smol::spawning(|task| drop(async_std::task::spawn(task)));
//! let backend = SmolBackend::builder().runtime(smol).build()?;
//! # drop(backend);
//! # Ok::<(), valetkey_smol::BuildError>(())
//! ```
//!
//! # Trust, features and limits
//!
//! TLS is rustls on ring. The root certificates are Mozilla's, compiled in by the default feature `webpki-roots`; the
//! feature `platform-roots` adds `Builder::platform_roots`, which takes the system's. What the backend does not do is
//! what `valetkey-hyper` does not do. hyper-util and hyper-rustls have tokio compiled in for its traits and channels;
//! none of its runtimes, timers or sockets is made.
//!
//! A host with several addresses is tried at the next one a quarter of a second after the last, or when that failed,
//! with IPv6 and IPv4 in turn (RFC 8305).

mod backend;
mod connect;
mod runtime;
mod stream;

pub use backend::SmolBackend;
pub use runtime::{Smol, Timers};
pub use stream::Stream;
pub use valetkey_hyper::BuildError;

/// Sets up a [`SmolBackend`]; from [`SmolBackend::builder`].
pub type Builder = valetkey_hyper::runtime::Builder<Smol>;
