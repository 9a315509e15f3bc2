//! Carries valetkey's requests over any tower service, and authorises the requests of others.
//!
//! Two things, in opposite directions:
//!
//! * [`TowerBackend`] is a [`Backend`](valetkey_http::Backend) made of a [`Service`](tower_service::Service) that sends
//!   requests: for programs whose HTTP client is a stack of layers.
//! * [`AuthorizeLayer`] and [`SignLayer`] are [`Layer`](tower_layer::Layer)s for such a stack: the first puts the access
//!   token of a [`Session`](valetkey::Session) into each request, the second signs each by OAuth 1.0a.
//!
//! ```
//! use bytes::Bytes;
//! use http_body_util::Full;
//! use valetkey_http::{Backend, Limits};
//! use valetkey_tower::TowerBackend;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // In a program, this is a client with layers around it.
//! let service = tower::service_fn(|_request: http::Request<Full<Bytes>>| async {
//!     Ok::<_, std::io::Error>(http::Response::new(Full::new(Bytes::from("hello"))))
//! });
//! let backend = TowerBackend::new(service, tokio::time::sleep)
//!     .spawner(|task| drop(tokio::spawn(task)));
//! let request = http::Request::get("https://api.example/").body(Bytes::new())?;
//! let response = backend.send(request, Limits::default()).await?;
//! assert_eq!(response.body(), "hello");
//! # Ok(())
//! # }
//! ```
//!
//! # What it does not do
//!
//! **It cannot look into a service.** [`TowerBackend`] calls it once for each send. Whether it then sends more than once,
//! follows redirects, adds credentials or decompresses is up to its layers, and it must do none of that:
//!
//! * Leave out layers that retry, and those that follow redirects. A code or a refresh token that is sent twice can
//!   cost the user the session, and one that is sent to where a server redirects is lost to it.
//! * Layers that limit, trace, count or time out are fine.
//!
//! [`Limits::fresh`](valetkey_http::Limits::fresh) and [`Limits::connect`](valetkey_http::Limits::connect) are the
//! service's to know: they are found in the [`Extensions`](http::Extensions) of the request, as its `Limits`. The other
//! limits are kept here.
//!
//! Of [`Limits::addresses`](valetkey_http::Limits::addresses), what a URL says by itself is refused here. What its name
//! leads to, and on which connection a request goes, is the service's to check
//! ([`Addresses::allows`](valetkey_http::Addresses::allows)), and few do: a program whose servers it does not know
//! better takes an adapter that does, such as `valetkey-hyper`.
//!
//! A service that is not ready has sent nothing; any other failure is [`Sent::Maybe`](valetkey_http::Sent::Maybe) and
//! [`FailureKind::Other`](valetkey_http::FailureKind::Other), unless it is a [`Failure`](valetkey_http::Failure)
//! already or [`TowerBackend::classify`] knows better. Sources are kept: if an error of the service prints a URL with
//! secrets, so does the failure.

mod authorize;
mod backend;
mod sign;

pub use authorize::{Authorize, AuthorizeLayer, Once, Repeat};
pub use backend::TowerBackend;
pub use sign::{Sign, SignLayer};
