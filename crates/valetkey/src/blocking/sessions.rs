//! Sessions in a store, without async.

use std::{convert::Infallible, fmt};

use valetkey_http::block_on;
use valetkey_proto::{Result, oauth2::authorization::PendingAuthorization, oidc::IdToken, secret::Secret};

use super::{Client, Session};
use crate::{KeepAlive, store::Store};

impl Client {
    /// The sessions that this store keeps for the accounts of this client at its server.
    pub fn sessions(&self, store: impl Store) -> Sessions {
        Sessions(self.0.sessions(store))
    }
}

/// The sessions of a client's accounts, in a store; see [`crate::Sessions`].
///
/// ```
/// use valetkey::{blocking::Client, store::MemoryStore};
/// # use valetkey_testkit::Provider;
/// # let provider = Provider::new();
/// # let client = valetkey::Client::builder(provider.clone()).discover("https://issuer.test").id("app").secret("app-secret");
/// # let client = Client::build(client.redirect_uri("https://client.test/cb"))?;
/// let sessions = client.sessions(MemoryStore::new()); // or a `FileStore`
/// // A user is sent to the server, with the ticket in a cookie,
/// let (url, pending) = client.authorize().scope("read").start()?;
/// let ticket = sessions.park(pending)?;
/// # let callback = provider.visit(&url).expect("the user approves");
/// // and comes back.
/// let session = client.redeem(sessions.unpark(ticket.expose())?, callback)?;
/// sessions.save("alice", &session)?;
/// // In another process, or after a restart:
/// let session = sessions.open("alice")?.expect("she is signed in");
/// session.tokens()?;
/// sessions.log_out("alice")?;
/// assert!(sessions.open("alice")?.is_none());
/// # Ok::<(), valetkey::Error>(())
/// ```
#[derive(Clone)]
pub struct Sessions(crate::Sessions);

impl Sessions {
    /// Keeps a session for this account, in the place of an older one.
    ///
    /// # Errors
    ///
    /// As [`crate::Sessions::save`].
    pub fn save(&self, account: &str, session: &Session) -> Result<()> {
        block_on(self.0.save(account, &session.0))
    }

    /// The session of this account; `None` if there is none, or somebody logged out.
    ///
    /// # Errors
    ///
    /// As [`crate::Sessions::open`].
    pub fn open(&self, account: &str) -> Result<Option<Session>> {
        Ok(block_on(self.0.open(account))?.map(Session))
    }

    /// The accounts that are signed in, in order.
    ///
    /// # Errors
    ///
    /// As [`crate::Sessions::accounts`].
    pub fn accounts(&self) -> Result<Vec<String>> {
        block_on(self.0.accounts())
    }

    /// Signs an account out, everywhere; the ID token, if there is one, is for [`Client::logout`].
    ///
    /// # Errors
    ///
    /// As [`crate::Sessions::log_out`].
    pub fn log_out(&self, account: &str) -> Result<Option<IdToken>> {
        block_on(self.0.log_out(account))
    }

    /// Keeps a sign-in under way while the user is away, and returns what the browser is to bring back.
    ///
    /// # Errors
    ///
    /// As [`crate::Sessions::park`].
    pub fn park(&self, pending: PendingAuthorization) -> Result<Secret> {
        block_on(self.0.park(pending))
    }

    /// Takes back what [`park`](Self::park) kept, once.
    ///
    /// # Errors
    ///
    /// As [`crate::Sessions::unpark`].
    pub fn unpark(&self, ticket: &str) -> Result<PendingAuthorization> {
        block_on(self.0.unpark(ticket))
    }

    /// Keeps grants alive that nobody uses, on this thread, which is taken for good; see [`crate::Sessions::keep_alive`].
    pub fn keep_alive(&self, how: KeepAlive) -> Infallible {
        block_on(self.0.keep_alive(how))
    }
}

impl From<crate::Sessions> for Sessions {
    fn from(sessions: crate::Sessions) -> Self {
        Self(sessions)
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
