//! Sessions for a part of what was granted: one API of several, or less scope.

use std::{
    fmt,
    sync::{Arc, PoisonError, Weak},
    time::Duration,
};

use valetkey_proto::{
    Error, ErrorCode, ErrorKind, Reason, Result, Timestamp,
    oauth2::{
        AuthorizationDetails, Requested,
        token::{TokenRecord, TokenSet},
    },
};

use super::{Grant, Session};
use crate::{client::Wishes, remembered::Remembered, sync::Mutex};

/// What of a grant a session is for, if it is not for all of it.
pub(super) struct Part {
    requested: Requested,
    /// Why the server gives no tokens for it, and until when it is not asked again.
    refusal: Remembered,
}

/// The parts of a grant that somebody holds.
#[derive(Default)]
pub(super) struct Parts(Mutex<Vec<Weak<Part>>>);

/// How long a server is not asked again for a part that it has refused.
const REFUSED: Duration = Duration::from_secs(60);

impl Part {
    pub(super) fn requested(&self) -> &Requested {
        &self.requested
    }
}

/// The tokens of a record for this part, or for all.
pub(super) fn tokens_for<'a>(part: Option<&Part>, record: &'a TokenRecord) -> Option<&'a Arc<TokenSet>> {
    match part {
        None => Some(record.tokens()),
        Some(part) => record.part(part.requested()),
    }
}

impl Grant {
    /// Takes note of a failure, if it is about what was asked for alone: this part, or all.
    pub(super) fn note_refusal(&self, part: Option<&Part>, error: &Error, now: Timestamp) {
        if is_of_a_part(error) {
            part.map_or_else(|| &self.rare().refusal, |part| &part.refusal).remember(error, now, REFUSED);
        }
    }

    /// Why the server is not asked for this now.
    pub(super) fn refusal(&self, part: Option<&Part>, now: Timestamp) -> Option<Error> {
        let known = part.map(|part| &part.refusal).or_else(|| self.rare.get().map(|rare| &rare.refusal));
        known?.failure(now).map(|(error, _)| error)
    }
}

impl Parts {
    /// The part for which this is asked: the same one for all who ask for the same.
    fn part(&self, requested: Requested) -> Arc<Part> {
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parts.retain(|part| part.strong_count() > 0);
        let known = parts.iter().filter_map(Weak::upgrade).find(|part| *part.requested() == requested);
        known.unwrap_or_else(|| {
            let part = Arc::new(Part { requested, refusal: Remembered::default() });
            parts.push(Arc::downgrade(&part));
            part
        })
    }
}

/// Whether a refusal is of what was asked for, and says nothing of the refresh token: others may ask for something else.
pub(super) fn is_of_a_part(error: &Error) -> bool {
    let code = error.response().map(|response| response.code());
    matches!(
        code,
        Some(ErrorCode::InvalidScope | ErrorCode::InvalidTarget | ErrorCode::InvalidAuthorizationDetails)
    )
}

/// What a session is to be for. Made by [`Session::narrow`].
#[must_use]
#[derive(Clone)]
pub struct Narrow {
    session: Session,
    wishes: Wishes,
}

impl Session {
    /// A session for a part of what was granted: for one API of several (RFC 8707 §2.2), for less scope (RFC 6749 §6), or for
    /// some of the details (RFC 9396 §6). It has an access token of its own and shares all else: one refresh token renews all of
    /// them, one at a time, and they are kept together.
    ///
    /// So a token that one API gets to see is worth nothing to the next.
    ///
    /// ```
    /// # use valetkey::Client;
    /// # use valetkey_testkit::{Provider, block_on};
    /// # block_on(async {
    /// # let provider = Provider::new();
    /// # let client = Client::builder(provider.clone()).discover("https://issuer.test").id("app").secret("app-secret")
    /// #     .redirect_uri("https://client.test/cb").api("https://issuer.test/").build().await?;
    /// let sign_in = client.authorize().scope("mail calendar");
    /// let sign_in = sign_in.resource("https://mail.example/").resource("https://calendar.example/");
    /// let (url, pending) = sign_in.start().await?;
    /// let session = client.redeem(pending, provider.visit(&url).expect("the user approves")).await?;
    ///
    /// let mail = session.narrow().resource("https://mail.example/").scope("mail").session()?;
    /// let calendar = session.narrow().resource("https://calendar.example/").scope("calendar").session()?;
    /// assert_ne!(mail.tokens().await?.access_token(), calendar.tokens().await?.access_token());
    /// # Ok::<(), valetkey::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn narrow(&self) -> Narrow {
        Narrow { session: self.clone(), wishes: Wishes::default() }
    }
}

impl Narrow {
    /// Of this scope, which must be within what was granted.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.wishes.scope = Some(scope.into());
        self
    }

    /// For this API. May be said several times; if it is not, it is for the APIs of the grant.
    pub fn resource(mut self, resource: impl Into<String>) -> Self {
        self.wishes.resources.push(resource.into());
        self
    }

    /// For these details, which must be among those that were granted.
    pub fn authorization_details(mut self, details: AuthorizationDetails) -> Self {
        self.wishes.details = Some(details);
        self
    }

    /// The session. Nothing is asked yet: what the server does not grant, its first use says.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::MissingRefreshToken`] for a session that no refresh token renews, of which another one can be asked for
    /// as it was. `Config`: as [`Scope::parse`](valetkey_proto::oauth2::Scope::parse) and
    /// [`ResourceIndicator::parse`](valetkey_proto::oauth2::ResourceIndicator::parse).
    pub fn session(self) -> Result<Session> {
        let whole = self.session.tokens.get().filter(|_| self.session.is_users());
        let whole = whole.ok_or_else(|| Error::new(ErrorKind::Usage, Reason::MissingRefreshToken))?;
        let mut part = self.wishes.requested()?;
        if part.resources().is_empty() {
            // So that the token goes where that of the whole may go, and nowhere else.
            for resource in whole.tokens().requested().resources() {
                part = part.with_resource(resource.clone())?;
            }
        }
        let part = Some(self.session.grant.rare().parts.part(part));
        Ok(Session { part, ..self.session })
    }
}

impl fmt::Debug for Narrow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Narrow").field("wishes", &self.wishes).finish_non_exhaustive()
    }
}
