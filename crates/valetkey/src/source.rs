//! Where tokens come from that a program shows for others: a file, a command, the environment, another session.
//!
//! A source is asked anew for every exchange, so that a token that somebody else renews is always the present one. What
//! goes wrong with one is said by its name and the cause, and never with anything that it gave.
//!
//! ```
//! use valetkey::{oauth2::grant::{TokenTypeIdentifier, TypedToken}, secret::Secret, source};
//!
//! let workload = source::File::kubernetes();
//! let pipeline = source::Variable::new("CI_JOB_JWT");
//! let cloud = source::Command::new("cloud-cli").args(["auth", "print-identity-token"]);
//! let own = source::from_fn(async || {
//!     Ok(TypedToken::new(Secret::new("from a vault"), TokenTypeIdentifier::Jwt))
//! });
//! # let _ = (workload, pipeline, cloud, own);
//! ```
//!
//! What is not there: the service of Azure DevOps, which wants a `POST` of its own, and the caches that executables of
//! Google's may write to a file. A function does for them.

mod command;
mod file;
mod github_actions;
mod variable;

use std::{
    fmt,
    io::{self, Read},
    sync::Arc,
};

use async_trait::async_trait;
use futures_channel::oneshot;
use valetkey_proto::{
    Error, ErrorKind, Reason, Result,
    oauth2::grant::{TokenTypeIdentifier, TypedToken},
};
use zeroize::Zeroizing;

pub use command::Command;
pub use file::File;
pub use github_actions::GitHubActions;
pub use variable::Variable;

use crate::{Runtime, Session};

/// Something that has a token.
///
/// ```
/// use valetkey::{Result, Runtime, oauth2::grant::{TokenTypeIdentifier, TypedToken}, secret::Secret, source::TokenSource};
///
/// /// A vault of one's own.
/// struct Vault;
///
/// #[async_trait::async_trait]
/// impl TokenSource for Vault {
///     async fn token(&self, _: &Runtime) -> Result<TypedToken> {
///         Ok(TypedToken::new(Secret::new("eyJhbGciOi…"), TokenTypeIdentifier::Jwt))
///     }
/// }
/// ```
#[async_trait]
pub trait TokenSource: Send + Sync {
    /// The present token. A source that asks for it by HTTP has the client's backend in the runtime.
    ///
    /// # Errors
    ///
    /// Whatever it fails with. Make no error of the token, or of anything that may hold it.
    async fn token(&self, runtime: &Runtime) -> Result<TypedToken>;
}

#[async_trait]
impl<S: TokenSource + ?Sized> TokenSource for Arc<S> {
    async fn token(&self, runtime: &Runtime) -> Result<TypedToken> {
        (**self).token(runtime).await
    }
}

/// The same token every time.
#[async_trait]
impl TokenSource for TypedToken {
    async fn token(&self, _: &Runtime) -> Result<Self> {
        Ok(self.clone())
    }
}

/// The access token of a session, of whatever client, renewed if need be.
#[async_trait]
impl TokenSource for Session {
    async fn token(&self, _: &Runtime) -> Result<TypedToken> {
        Ok(TypedToken::access_token(self.tokens().await?.access_token()))
    }
}

/// A source that is a function.
pub fn from_fn<F, T>(function: F) -> FromFn<F>
where
    F: Fn() -> T + Send + Sync,
    T: Future<Output = Result<TypedToken>> + Send,
{
    FromFn(function)
}

/// What [`from_fn`] makes.
pub struct FromFn<F>(F);

#[async_trait]
impl<F, T> TokenSource for FromFn<F>
where
    F: Fn() -> T + Send + Sync,
    T: Future<Output = Result<TypedToken>> + Send,
{
    async fn token(&self, _: &Runtime) -> Result<TypedToken> {
        (self.0)().await
    }
}

impl<F> fmt::Debug for FromFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FromFn")
    }
}

/// The most that is read of a source, in bytes.
const MAX: usize = 64 << 10;

/// What a source's text is made into.
#[derive(Clone, Debug)]
struct Reading {
    token_type: TokenTypeIdentifier,
    /// The member of a JSON object that the token is in.
    member: Option<String>,
}

impl Reading {
    fn plain(token_type: TokenTypeIdentifier) -> Self {
        Self { token_type, member: None }
    }

    /// The token in what a source gave, of which at most one byte too many was read.
    fn token(&self, source: &dyn fmt::Display, given: &[u8]) -> Result<TypedToken> {
        const TOO_LARGE: &str = "larger than 64 KiB";
        if given.len() > MAX {
            return Err(failed(source, &TOO_LARGE));
        }
        let text = std::str::from_utf8(given).map_err(|_| failed(source, &"not UTF-8"))?;
        let token = match &self.member {
            Some(member) => TypedToken::parse_json(text, member, self.token_type.clone()),
            None => TypedToken::parse(text, self.token_type.clone()),
        };
        token.map_err(|error| match error.reason() {
            Reason::MissingParameter => failed(source, &"no token in it"),
            Reason::TooLarge => failed(source, &TOO_LARGE),
            _ => failed(source, &"what is in it is no token"),
        })
    }
}

/// Reads all there is, or one byte more than there may be, into memory that is wiped and never moved.
fn read_all(from: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX + 2));
    from.take(MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Says of what a text is made into a token.
macro_rules! reading {
    ($name:ident) => {
        impl $name {
            /// Says what the token is, in place of a JWT.
            #[must_use]
            pub fn token_type(mut self, token_type: TokenTypeIdentifier) -> Self {
                self.reading.token_type = token_type;
                self
            }

            /// Takes the token out of this member of a JSON object.
            #[must_use]
            pub fn json(mut self, member: impl Into<String>) -> Self {
                self.reading.member = Some(member.into());
                self
            }
        }
    };
}
use reading;

/// Why a source gave nothing, by its name.
fn failed(source: &dyn fmt::Display, cause: &dyn fmt::Display) -> Error {
    Error::new(ErrorKind::Store, Reason::SourceFailed).with_detail(format!("{source}: {cause}"))
}

/// Does what may block on a thread of its own, so that no executor is held up.
async fn on_thread<T: Send + 'static>(
    name: impl fmt::Display,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let (sender, receiver) = oneshot::channel();
    let thread = std::thread::Builder::new().name("token source".to_owned());
    // Whoever asked may have gone away.
    let spawned = thread.spawn(move || drop(sender.send(work())));
    spawned.map_err(|error| failed(&name, &error.kind()))?;
    receiver.await.unwrap_or_else(|_| Err(failed(&name, &"its thread ended")))
}
