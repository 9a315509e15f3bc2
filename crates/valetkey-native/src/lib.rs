//! Sign-in for programs on the user's machine: command lines and desktop programs (RFC 8252).
//!
//! ```text
//!   bind ──▶ Client ──▶ authorize ──▶ announce the URL ──▶ browser ──▶ wait ──▶ redeem
//!    └ redirect_uri ┘                                                   └ LoopbackListener: from here
//!                                                                         to the answer, the port is open
//! ```
//!
//! The browser is the user's own (RFC 8252 §8.12), and it comes back to a port of this machine that is open
//! while the sign-in lasts and no longer. [`LoopbackListener`] waits there, on a thread of its own, so that it
//! works under any runtime or none. What else knocks on the port, by accident or on purpose, is turned away
//! and does not cost the user the sign-in.
//!
//! ```
//! # use std::{io::{Read, Write}, net::TcpStream};
//! # use valetkey_testkit::{Provider, User, block_on};
//! # let provider = Provider::builder().real_clock().build();
//! # let _served = block_on(provider.serve())?;
//! # let issuer = provider.issuer();
//! # let robot = move |url: &valetkey::oauth2::authorization::AuthorizationUrl| {
//! #     let callback = provider.visit(url.as_str()).unwrap();
//! #     let (host, target) = callback.strip_prefix("http://").unwrap().split_once('/').unwrap();
//! #     let (host, mut target) = (host.to_owned(), format!("/{target}"));
//! #     std::thread::spawn(move || for _ in 0..2 {
//! #         let mut stream = TcpStream::connect(&host).unwrap();
//! #         write!(stream, "GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
//! #         let mut answer = String::new();
//! #         stream.read_to_string(&mut answer).unwrap();
//! #         target = answer.split("Location: ").nth(1).unwrap_or("").lines().next().unwrap_or("").to_owned();
//! #     });
//! # };
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! use valetkey::Client;
//! use valetkey_hyper::HyperBackend;
//! use valetkey_native::{LoopbackListener, NativeLogin};
//!
//! // The listener comes first: the client must know where the browser is to come back to.
//! let listener = LoopbackListener::builder().path("/cb").bind()?;
//! let client = Client::builder(HyperBackend::new()?)
//!     .discover(&issuer)                          // "https://issuer.example"
//!     .id("native")                               // public: a program that users have keeps no secret
//!     .redirect_uri(listener.redirect_uri())
//!     .build()
//!     .await?;
//!
//! let login = NativeLogin::new(listener).announce(|url| println!("open this in your browser: {url}"));
//! # let login = login.browser(robot);
//! let session = login.sign_in(&client, client.authorize().scope("read")).await?;
//! # let _ = session;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Security
//!
//! A program that is shipped to its users is a public client (RFC 8252 §8.5): give the client no secret.
//! PKCE is always used, so that whoever sees the callback on its way cannot redeem the code.

mod browser;
mod listener;
mod login;

pub use browser::{BrowserError, can_open_browser, open_browser};
pub use listener::{ListenerBuilder, LoopbackListener};
pub use login::NativeLogin;
