//! Signing a user in on a device without a browser (RFC 8628).

use std::{fmt, sync::Arc};

use valetkey_proto::{
    Result, Timestamp,
    oauth2::{
        binding::Dpop,
        grant::{DeviceAuthorizationRequest, DeviceAuthorizationResponse, DeviceCodeGrant, DevicePolling},
    },
};

use super::{
    Client,
    relation::Relation,
    wishes::{Wishes, wishes},
};
use crate::{run::run, session::Session};

/// What is asked of a user who signs in elsewhere. [`start`](Self::start) gets a code for them.
#[derive(Clone, Debug)]
#[must_use]
pub struct Device {
    client: Client,
    wishes: Wishes,
}

wishes!(Device);

impl Client {
    /// Begins to sign a user in by a browser elsewhere: on a television, in a terminal.
    ///
    /// ```
    /// # use valetkey::Client;
    /// # use valetkey_testkit::{Provider, block_on};
    /// # block_on(async {
    /// # let provider = Provider::new();
    /// # let client = Client::builder(provider.clone()).discover("https://issuer.test").id("native").build().await?;
    /// let login = client.device().scope("read").start().await?;
    /// println!("Go to {} and type {}", login.verification_uri(), login.user_code());
    /// let session = login.wait().await?;
    /// # let _ = session;
    /// # Ok::<(), valetkey::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn device(&self) -> Device {
        Device { client: self.clone(), wishes: self.wishes() }
    }
}

impl Device {
    /// Gets a code for the user.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::MissingEndpoint`](crate::Reason::MissingEndpoint) if the server has no such way, or with the scope
    /// `openid` names no keys; [`Reason::InvalidValue`](crate::Reason::InvalidValue) in the scope. `Denied`:
    /// [`Reason::RequestDenied`](crate::Reason::RequestDenied). `Protocol`: whatever is wrong with the answer, such as a page
    /// that is not on `https`. Otherwise what discovery ends with, if the metadata is too old.
    pub async fn start(self) -> Result<DeviceLogin> {
        let client = self.client;
        let relation = client.relation().await?;
        let request = self.wishes.put(
            DeviceAuthorizationRequest::new(relation.server())?,
            DeviceAuthorizationRequest::with_scope,
            DeviceAuthorizationRequest::with_parameter,
        )?;
        relation.check_for(request.scope())?;
        let wishes = self.wishes;
        let dpop = client.new_key(relation.server())?;
        let response = client.call_as(&relation, request, None).await?;
        Ok(DeviceLogin { client, relation, wishes, dpop, response })
    }
}

/// A user is to sign in elsewhere: show what there is to show, and [`wait`](Self::wait).
///
/// # Security
///
/// As [`DeviceAuthorizationResponse`]: show the code always, also beside a picture of the whole URL.
#[must_use]
pub struct DeviceLogin {
    client: Client,
    relation: Arc<Relation>,
    wishes: Wishes,
    dpop: Option<Dpop>,
    response: DeviceAuthorizationResponse,
}

impl DeviceLogin {
    /// What the user types: visible ASCII and blanks, at most 64.
    #[must_use]
    pub fn user_code(&self) -> &str {
        self.response.user_code()
    }

    /// Where the user types it: `https`, or `http` on loopback.
    #[must_use]
    pub fn verification_uri(&self) -> &str {
        self.response.verification_uri()
    }

    /// The same with the code in it, if the server has that: for a picture that a telephone reads.
    #[must_use]
    pub fn verification_uri_complete(&self) -> Option<&str> {
        self.response.verification_uri_complete()
    }

    /// Until when the user may come.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.response.expires_at()
    }

    /// Waits until the user has decided. If the scope `openid` was asked for, the ID token is verified, and the session has an
    /// [`identity`](Session::identity).
    ///
    /// The server is asked as often as it said, and less often when it says so or cannot be reached. Drop the future to give
    /// up.
    ///
    /// # Errors
    ///
    /// As [`DevicePolling`]: `Denied` with [`Reason::AuthorizationDenied`](crate::Reason::AuthorizationDenied) if the user said
    /// no, `Expired` with [`Reason::PendingExpired`](crate::Reason::PendingExpired) if the user did not come in time. What is
    /// wrong with the tokens, as [`Client::redeem`] has it.
    pub async fn wait(self) -> Result<Session> {
        // In a box, so that the futures of callers do not carry all of it.
        Box::pin(self.poll()).await
    }

    async fn poll(self) -> Result<Session> {
        let Self { client, relation, wishes, dpop, response } = self;
        let mut grant =
            DeviceCodeGrant::new(relation.server(), &response)?.with_strictness(client.strictness());
        let requested = wishes.requested()?;
        for resource in requested.resources() {
            grant = grant.with_resource(resource.clone())?;
        }
        let polling = DevicePolling::new(grant, Arc::clone(relation.party())).with_dpop(dpop.clone());
        let response = run(polling, client.runtime()).await?;
        client.signed_in(&relation, &response, requested, dpop).await
    }
}

impl fmt::Debug for DeviceLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceLogin")
            .field("client", &self.client)
            .field("response", &self.response)
            .finish_non_exhaustive()
    }
}
