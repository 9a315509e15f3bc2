//! Carries valetkey's requests over reqwest, which most programs have already.
//!
//! [`ReqwestBackend`] implements [`Backend`](valetkey_http::Backend): it sends a request at most once, follows no
//! redirect, keeps to the [`Limits`](valetkey_http::Limits) of the send, and says of each failure how far the request
//! got.
//!
//! ```
//! use bytes::Bytes;
//! use valetkey_http::{Backend, Limits};
//! use valetkey_reqwest::ReqwestBackend;
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
//! // Proxies, user agent, resolver: whatever reqwest can be told.
//! let backend = ReqwestBackend::builder()
//!     .client(|| reqwest::Client::builder().user_agent("my-app/1.0"))
//!     .bundled_roots()
//!     .build()?;
//! let request = http::Request::get(url).body(Bytes::new())?;
//! let response = backend.send(request, Limits::default()).await?;
//! assert_eq!(response.body(), "hello");
//! # Ok(())
//! # }
//! ```
//!
//! # Your settings, and those that are made here
//!
//! Settings of your own come in as a function that makes a [`reqwest::ClientBuilder`]: it is called three
//! times, because requests that must not be sent twice want connections of their own, and those to hosts that must be
//! public their own lookup. Whatever it says, no redirect is followed,
//! nothing is sent again, no `Referer` is added, nothing is decompressed, and there is a deadline for connecting.
//!
//! A finished [`reqwest::Client`] can be told none of that: [`ReqwestBackend::from_client`] takes one that shows that it
//! follows no redirect, and names what remains unknown.
//!
//! # Trust and features
//!
//! By default TLS is rustls on ring with Mozilla's root certificates, compiled in. Certificates of one's own go in as
//! PEM (`Builder::extra_roots`, `Builder::only_roots`, `Builder::identity`). This TLS speaks HTTP/1.1. A `ClientBuilder`
//! of your own keeps its own TLS, unless you choose certificates here.
//!
//! Without the feature `rustls`, which is on by default, TLS is whatever reqwest's features say in your program, and
//! failures of TLS are [`FailureKind::Connect`](valetkey_http::FailureKind::Connect).
//!
//! # What it does not do
//!
//! * It adds `Accept: */*` to requests without `Accept`, as reqwest does, and no other header but `Host`, what frames a
//!   body, and what your `ClientBuilder` says. A request with an empty body goes without `Content-Length` unless it has
//!   one.
//! * reqwest rewrites URLs: dot segments, `%2e%2e`, `'`, raw UTF-8. Such a URL is refused with
//!   [`FailureKind::Config`](valetkey_http::FailureKind::Config) and not sent otherwise than it was signed.
//! * The deadline for connecting is the backend's ([`Builder::connect_timeout`]), not that of a send, which counts as a
//!   part of [`Limits::head`](valetkey_http::Limits::head).
//! * A request to [public addresses](valetkey_http::Addresses::Public) alone goes on a connection of its own, to an
//!   address that the system's resolver found and that was checked, even if your settings have another resolver. Through a
//!   proxy that looks names up itself, and on a client that was made elsewhere ([`ReqwestBackend::from_client`]), only an
//!   address in the URL is checked.
//! * A response head of more than 100 fields, or of some 400 KiB, is
//!   [`FailureKind::TooLarge`](valetkey_http::FailureKind::TooLarge) whatever the limits of the send allow.
//! * A failure after the connection stood is [`Sent::Maybe`](valetkey_http::Sent::Maybe), even if not a byte had left.

mod backend;
mod builder;
mod fault;
mod resolve;
#[cfg(feature = "rustls")]
mod tls;

pub use backend::ReqwestBackend;
pub use builder::{BuildError, Builder};
