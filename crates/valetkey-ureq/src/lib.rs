//! Carries valetkey's requests over ureq, for programs without async.
//!
//! [`UreqBackend`] implements [`Backend`](valetkey_http::Backend): it sends a request at most once, follows no
//! redirect, keeps to the [`Limits`](valetkey_http::Limits) of the send as far as is said below, and says of each
//! failure how far the request got.
//!
//! **It blocks.** The futures of its `send` and `sleep` do all their work when they are first polled, and are ready
//! then: they hold up the thread that polls them, and dropping them cancels nothing. Use it with
//! `valetkey::blocking`, or with [`block_on`](valetkey_http::block_on) as here, on threads that may wait. Never hand
//! it to a client that is used from async code: one slow server would hold up an executor's thread, and with it
//! everything else that runs there. Async programs have `valetkey-hyper` and the others.
//!
//! ```
//! use bytes::Bytes;
//! use valetkey_http::{Backend, Limits, block_on};
//! use valetkey_ureq::UreqBackend;
//!
//! # let server = std::net::TcpListener::bind("127.0.0.1:0")?;
//! # let url = format!("http://{}/", server.local_addr()?);
//! # std::thread::spawn(move || {
//! #     use std::io::{Read, Write};
//! #     let (mut connection, _) = server.accept().unwrap();
//! #     connection.read(&mut [0; 4096]).unwrap();
//! #     connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").unwrap();
//! # });
//! let backend = UreqBackend::new()?;
//! let request = http::Request::get(url).body(Bytes::new())?;
//! let response = block_on(backend.send(request, Limits::default()))?;
//! assert_eq!(response.body(), "hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Trust
//!
//! TLS is rustls on ring. The root certificates are Mozilla's, compiled in. Certificates of one's own go in as PEM
//! ([`Builder::extra_roots`], [`Builder::only_roots`], [`Builder::identity`]).
//!
//! # What it does not do
//!
//! It speaks HTTP/1.1, stores no cookies, asks for no compression, and adds no header but `Host` and what frames a
//! body. (If another crate of the program enables ureq's features for compression, a body that is compressed all the
//! same is unpacked.) It has no executor: what a session does by itself is done by the next thread that asks.
//!
//! A request to [public addresses](valetkey_http::Addresses::Public) alone goes on a connection of its own, to an address
//! that was checked. Through a proxy that looks names up itself, only an address in the URL is checked here.
//!
//! Deadlines, beyond which nothing waits:
//!
//! * [`Limits::total`](valetkey_http::Limits::total) and [`Limits::idle`](valetkey_http::Limits::idle) are exact.
//! * [`Limits::connect`](valetkey_http::Limits::connect) counts the lookup, and then the connection with its proxy and
//!   TLS, each anew.
//! * [`Limits::head`](valetkey_http::Limits::head) counts sending the head, sending the body, and waiting for the
//!   answer's head, each anew.
//!
//! [`Sent::Nothing`](valetkey_http::Sent::Nothing) is said if no connection could be made, and of a request with a body
//! if that body was not begun. Otherwise a failure is [`Sent::Maybe`](valetkey_http::Sent::Maybe), even if not a byte had
//! left. A connection that is reset in the middle of a body without length counts as that body's end; such bodies are
//! marked [`Unframed`](valetkey_http::Unframed) in any case. An answer with more header fields than ureq reads is
//! [`FailureKind::Protocol`](valetkey_http::FailureKind::Protocol), not `TooLarge`.

mod backend;
mod builder;
mod connect;
mod fault;

pub use backend::UreqBackend;
pub use builder::{BuildError, Builder};
