//! The tokens that are held: what a session keeps of one response and the next.

use std::{sync::Arc, time::Duration};

use super::{Kept, TokenResponse, TokenType};
use crate::{
    error::{Error, ErrorKind, Reason, Result},
    oauth2::{AuthorizationDetails, Requested, Scope, binding::KeptKey, step_up::Operation},
    oidc::IdToken,
    secret::{AccessToken, RefreshToken},
    time::Timestamp,
};

/// The tokens of one grant: an access token, how long it lives, and what renews it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSet {
    access_token: AccessToken,
    issued_at: Timestamp,
    lifetime: Option<Duration>,
    refresh_token: Option<RefreshToken>,
    scope: GrantedScope,
    key: Option<KeptKey>,
    id_token: Option<IdToken>,
    requested: Requested,
    details: Option<AuthorizationDetails>,
    kept: Option<Arc<Kept>>,
}

/// The scope that was granted (RFC 6749 §5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the server either said or did not")]
pub enum GrantedScope {
    /// The server did not say, which means: what was asked for. `None` if nothing was.
    Requested(Option<Scope>),
    /// The server said. It may be less than was asked for, or more.
    Explicit(Scope),
}

impl GrantedScope {
    /// The scope, whoever said it.
    #[must_use]
    pub fn scope(&self) -> Option<&Scope> {
        match self {
            Self::Requested(scope) => scope.as_ref(),
            Self::Explicit(scope) => Some(scope),
        }
    }
}

/// The longest time before its expiry at which a token is no longer used.
const EARLY: Duration = Duration::from_secs(10);
/// The longest time before its expiry at which other tokens are wanted, and what of a lifetime that is at most.
const AHEAD: Duration = Duration::from_secs(60);
/// A token is used for this long at least, whatever its lifetime: one that is said to be expired when it is issued
/// would otherwise be renewed for every request.
const LEAST: Duration = Duration::from_secs(1);
/// How far in the future a token may have been issued: clocks differ, and are stepped.
const SKEW: Duration = Duration::from_secs(60);

impl TokenSet {
    /// The tokens of a first response; `requested` is the scope that was asked for.
    ///
    /// # Errors
    ///
    /// `Protocol`: [`Reason::UnsupportedTokenType`] unless the token is a bearer token.
    pub fn of(response: &TokenResponse, requested: Option<&Scope>) -> Result<Self> {
        Self::held(response, requested, None)
    }

    /// The tokens of a first response to a request with a proof of this key ([`Call::with_dpop`](crate::Call::with_dpop)).
    ///
    /// # Errors
    ///
    /// `Untrusted`: [`Reason::TokenNotBound`] for a bearer token, which anybody could use (RFC 9449 §5). `Protocol`:
    /// [`Reason::UnsupportedTokenType`] for another type.
    pub fn bound(response: &TokenResponse, requested: Option<&Scope>, key: &KeptKey) -> Result<Self> {
        Self::held(response, requested, Some(key))
    }

    fn held(response: &TokenResponse, requested: Option<&Scope>, key: Option<&KeptKey>) -> Result<Self> {
        match (response.token_type(), key) {
            (TokenType::Bearer, None) | (TokenType::Dpop, Some(_)) => {}
            (TokenType::Bearer, Some(_)) => {
                return Err(Error::new(ErrorKind::Untrusted, Reason::TokenNotBound));
            }
            (TokenType::Dpop | TokenType::NotApplicable | TokenType::Other(_), _) => {
                return Err(Error::new(ErrorKind::Protocol, Reason::UnsupportedTokenType));
            }
        }
        Ok(Self {
            kept: response.kept().cloned().map(Arc::new),
            key: key.cloned(),
            id_token: None,
            requested: Requested::new().with_scope(requested.cloned()),
            details: None,
            access_token: response.access_token().clone(),
            issued_at: response.asked_at(),
            lifetime: response.lifetime(),
            refresh_token: response.refresh_token().cloned(),
            scope: match response.scope() {
                Some(scope) => GrantedScope::Explicit(scope.clone()),
                None => GrantedScope::Requested(requested.cloned()),
            },
        })
    }

    /// Tokens that were kept by another library or in another form: a bearer token, and when it expires, if that is known.
    /// What renews it, and its scope, are added by [`with_refresh_token`](Self::with_refresh_token) and
    /// [`with_scope`](Self::with_scope).
    ///
    /// ```
    /// use valetkey_proto::{
    ///     Timestamp,
    ///     oauth2::{client::ClientId, server::Issuer, token::{TokenRecord, TokenSet}},
    ///     secret::{AccessToken, RefreshToken},
    /// };
    ///
    /// let now = Timestamp::from_secs(1_700_000_000); // in a program: `SystemTime::now().into()`
    /// let token = AccessToken::bearer("mF_9.B5f-4.1JqM").expect("it was one before");
    /// let tokens = TokenSet::of_parts(token, Some(Timestamp::from_secs(1_700_001_000)), now)
    ///     .with_refresh_token(RefreshToken::new("8xLOxBtZp8"));
    ///
    /// // `valetkey::Client::restore` makes a session of it.
    /// let record = TokenRecord::new(Issuer::parse("https://as.example")?, ClientId::parse("my-app")?, 0, tokens);
    /// assert!(!record.tokens().is_expired(now));
    /// # Ok::<(), valetkey_proto::Error>(())
    /// ```
    #[must_use]
    pub fn of_parts(access_token: AccessToken, expires_at: Option<Timestamp>, now: Timestamp) -> Self {
        // When it was issued is not known: now, or so long ago that it is renewed as early as others. Records have whole
        // seconds.
        let lifetime = expires_at.map(|end| Duration::from_secs((end - now).as_secs()).max(10 * EARLY));
        let issued_at = expires_at.zip(lifetime).map_or(now, |(end, lifetime)| end - lifetime);
        Self::restored(access_token, issued_at, lifetime, None, GrantedScope::Requested(None), None)
    }

    /// The same tokens, with this to renew them.
    #[must_use]
    pub fn with_refresh_token(mut self, refresh_token: RefreshToken) -> Self {
        self.refresh_token = Some(refresh_token);
        self
    }

    /// The same tokens, of this scope.
    #[must_use]
    pub fn with_scope(mut self, scope: Scope) -> Self {
        self.scope = GrantedScope::Explicit(scope);
        self
    }

    /// A bearer token that no server issued ([`SelfSigned`](crate::oauth2::assertion::SelfSigned)).
    pub(crate) fn made_here(access_token: AccessToken, issued_at: Timestamp, lifetime: Duration) -> Self {
        let scope = GrantedScope::Requested(None);
        Self::restored(access_token, issued_at, Some(lifetime), None, scope, None)
    }

    /// These tokens, renewed: what the response leaves out stays as it is (RFC 6749 §6).
    ///
    /// # Errors
    ///
    /// As [`TokenSet::of`], or [`TokenSet::bound`] if these are bound to a key: new ones are bound to the same.
    pub fn renewed(&self, response: &TokenResponse) -> Result<Self> {
        let mut renewed = Self::held(response, None, self.key.as_ref())?;
        if renewed.refresh_token.is_none() {
            renewed.refresh_token.clone_from(&self.refresh_token);
        }
        if renewed.scope.scope().is_none() {
            renewed.scope.clone_from(&self.scope);
        }
        renewed.id_token.clone_from(&self.id_token);
        renewed.kept = self.kept_and(renewed.kept);
        let mut renewed = renewed.with_requested(self.requested.clone(), response)?;
        if renewed.details.is_none() {
            renewed.details.clone_from(&self.details);
        }
        Ok(renewed)
    }

    /// These tokens with what renews them now, and the access token for this part of what was granted.
    pub(super) fn parted(&self, part: &Requested, response: &TokenResponse) -> Result<(Self, Self)> {
        let mut tokens = Self::held(response, part.scope(), self.key.as_ref())?;
        let mut whole = self.clone();
        whole.refresh_token = tokens.refresh_token.take().or(whole.refresh_token);
        whole.kept = self.kept_and(tokens.kept.take());
        if tokens.scope.scope().is_none() {
            tokens.scope.clone_from(&self.scope);
        }
        Ok((whole, tokens.with_requested(part.clone(), response)?))
    }

    /// What the provider gave before, and what it gave now.
    fn kept_and(&self, newer: Option<Arc<Kept>>) -> Option<Arc<Kept>> {
        match (&self.kept, newer) {
            (Some(kept), Some(newer)) => {
                let mut kept = (**kept).clone();
                kept.extend(&newer);
                Some(Arc::new(kept))
            }
            (kept, newer) => newer.or_else(|| kept.clone()),
        }
    }

    /// The same tokens, together with all that was asked for, of which this was the response: if that was authorization
    /// details, what it says of them is read.
    ///
    /// # Errors
    ///
    /// As [`TokenResponse::authorization_details`].
    pub fn with_requested(mut self, requested: Requested, response: &TokenResponse) -> Result<Self> {
        self.details = match requested.authorization_details() {
            Some(_) => response.authorization_details()?,
            None => None,
        };
        self.requested = requested;
        Ok(self)
    }

    /// Tokens out of a record.
    pub(super) fn restored(
        access_token: AccessToken,
        issued_at: Timestamp,
        lifetime: Option<Duration>,
        refresh_token: Option<RefreshToken>,
        scope: GrantedScope,
        key: Option<KeptKey>,
    ) -> Self {
        let (requested, details) = (Requested::new(), None);
        Self {
            access_token,
            issued_at,
            lifetime,
            refresh_token,
            scope,
            key,
            id_token: None,
            requested,
            details,
            kept: None,
        }
    }

    /// What was asked for and granted, out of a record.
    pub(super) fn with_request_kept(
        mut self,
        requested: Requested,
        details: Option<AuthorizationDetails>,
    ) -> Self {
        (self.requested, self.details) = (requested, details);
        self
    }

    /// The same tokens, of which it is forgotten that they were asked for because of this operation; `None` if they were
    /// not. A program says so when the operation succeeds, so that its user may be asked again another time.
    #[must_use]
    pub fn without_step_ups(&self, operation: &Operation) -> Option<Self> {
        let step_ups = self.requested.step_ups()?.without(operation)?;
        Some(Self { requested: self.requested.clone().with_step_ups(step_ups), ..self.clone() })
    }

    /// The same tokens, together with who signed in, which was verified.
    #[must_use]
    pub fn with_id_token(mut self, id_token: IdToken) -> Self {
        self.id_token = Some(id_token);
        self
    }

    /// The same tokens, with what the provider gave besides.
    pub(super) fn with_kept(mut self, kept: Kept) -> Self {
        self.kept = (!kept.is_empty()).then(|| Arc::new(kept));
        self
    }

    /// What the provider gave beside the tokens, at sign-in or later, by the names of its profile
    /// ([`ProviderProfile`](crate::oauth2::profile::ProviderProfile)).
    #[must_use]
    pub fn kept(&self) -> Option<&Kept> {
        self.kept.as_deref()
    }

    /// Who signed in, if it was asked for and verified.
    #[must_use]
    pub fn id_token(&self) -> Option<&IdToken> {
        self.id_token.as_ref()
    }

    /// The access token.
    #[must_use]
    pub fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    /// When the access token was asked for.
    #[must_use]
    pub fn issued_at(&self) -> Timestamp {
        self.issued_at
    }

    /// How long the access token lives from then, if the server said.
    #[must_use]
    pub fn lifetime(&self) -> Option<Duration> {
        self.lifetime
    }

    /// When the access token expires, if the server said.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.lifetime.map(|lifetime| self.issued_at + lifetime)
    }

    /// When the access token should be renewed, if the server said how long it lives: a little before it expires,
    /// by 10 s or a tenth of its lifetime, whichever is less, so that it does not expire under way; and not within
    /// a second of being issued.
    #[must_use]
    pub fn stale_at(&self) -> Option<Timestamp> {
        self.lifetime.map(|lifetime| self.issued_at + (lifetime - EARLY.min(lifetime / 10)).max(LEAST))
    }

    /// When other tokens are wanted, while these are still used: a minute before they expire, or a tenth of their lifetime,
    /// whichever is less, and by up to half of that earlier. How much earlier is drawn by who holds them, from 0 for nothing
    /// to 255, so that not all who got tokens at the same moment ask at the same moment again. Tokens that live for a minute
    /// or less are used until they [should be renewed](Self::stale_at).
    ///
    /// ```
    /// use std::time::Duration;
    /// use valetkey_proto::{Timestamp, oauth2::token::TokenSet, secret::AccessToken};
    ///
    /// let issued = Timestamp::from_secs(1_700_000_000);
    /// let token = AccessToken::bearer("mF_9.B5f-4.1JqM").expect("it was one before");
    /// let tokens = TokenSet::of_parts(token, Some(issued + Duration::from_secs(3600)), issued);
    /// assert_eq!(tokens.renew_at(0), Some(issued + Duration::from_secs(3540)));
    /// assert_eq!(tokens.renew_at(255), Some(issued + Duration::from_secs(3510)));
    /// assert_eq!(tokens.stale_at(), Some(issued + Duration::from_secs(3590)));
    /// ```
    #[must_use]
    pub fn renew_at(&self, draw: u8) -> Option<Timestamp> {
        let lifetime = self.lifetime?;
        if lifetime <= AHEAD {
            return self.stale_at();
        }
        let ahead = AHEAD.min(lifetime / 10);
        Some(self.issued_at + (lifetime - ahead - ahead * u32::from(draw) / 510))
    }

    /// Whether the access token should be renewed at this time: it will soon expire, or has been issued in the
    /// future, so that its age cannot be known.
    #[must_use]
    pub fn is_stale(&self, now: Timestamp) -> bool {
        self.stale_at().is_some_and(|stale_at| now >= stale_at) || self.issued_at - now > SKEW
    }

    /// Whether the access token has expired at this time.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at().is_some_and(|expires_at| now >= expires_at.max(self.issued_at + LEAST))
    }

    /// What renews the access token.
    #[must_use]
    pub fn refresh_token(&self) -> Option<&RefreshToken> {
        self.refresh_token.as_ref()
    }

    /// The key that the tokens are bound to (RFC 9449 §6), as it is kept with them; `None` for bearer tokens.
    #[must_use]
    pub fn key(&self) -> Option<&KeptKey> {
        self.key.as_ref()
    }

    /// The scope that was granted.
    #[must_use]
    pub fn scope(&self) -> &GrantedScope {
        &self.scope
    }

    /// What was asked for.
    #[must_use]
    pub fn requested(&self) -> &Requested {
        &self.requested
    }

    /// What the access token is good for in detail, if it was asked for and the server said (RFC 9396 §7). It may be less
    /// than was [asked for](Self::requested), or have more said of it, such as the accounts that the user chose.
    #[must_use]
    pub fn authorization_details(&self) -> Option<&AuthorizationDetails> {
        self.details.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(lifetime: Option<u64>) -> TokenSet {
        TokenSet::restored(
            AccessToken::bearer("t").unwrap(),
            Timestamp::from_secs(1000),
            lifetime.map(Duration::from_secs),
            None,
            GrantedScope::Requested(None),
            None,
        )
    }

    #[test]
    fn r_clock_tokens_are_renewed_a_little_early_and_never_at_once() {
        for (lifetime, stale_after, expired_after) in
            [(3600, 3_590_000, 3_600_000), (20, 18_000, 20_000), (2, 1800, 2000), (0, 1000, 1000)]
        {
            let tokens = tokens(Some(lifetime));
            let at = |millis: i64| Timestamp::from_millis(1_000_000 + millis);
            assert!(!tokens.is_stale(at(stale_after - 1)) && tokens.is_stale(at(stale_after)), "{lifetime}");
            assert!(
                !tokens.is_expired(at(expired_after - 1)) && tokens.is_expired(at(expired_after)),
                "{lifetime}"
            );
        }
    }

    #[test]
    fn r_herd_other_tokens_are_wanted_early_and_not_by_all_at_once() {
        for (lifetime, last, first) in [
            (86_400, 86_340_000, 86_310_000),
            (300, 270_000, 255_000),
            (61, 54_900, 51_850),
            (60, 54_000, 54_000),
        ] {
            let tokens = tokens(Some(lifetime));
            let at = |millis: i64| Some(Timestamp::from_millis(1_000_000 + millis));
            assert_eq!((tokens.renew_at(0), tokens.renew_at(255)), (at(last), at(first)), "{lifetime}");
            assert!((0..=255).all(|draw| tokens.renew_at(draw) <= tokens.stale_at()), "{lifetime}");
        }
        for lifetime in [0, 1, 59, u64::MAX / 2] {
            let tokens = tokens(Some(lifetime));
            assert!(tokens.renew_at(255) <= tokens.stale_at() && tokens.renew_at(0) <= tokens.stale_at());
        }
        assert_eq!(tokens(None).renew_at(0), None);
    }

    #[test]
    fn r_clock_an_unknown_lifetime_does_not_end_and_a_token_from_the_future_is_doubted() {
        let unknown = tokens(None);
        assert!(!unknown.is_stale(Timestamp::from_millis(i64::MAX)) && unknown.expires_at().is_none());
        for tokens in [tokens(None), tokens(Some(3600))] {
            let day_before = Timestamp::from_secs(1000) - Duration::from_secs(86_400);
            assert!(tokens.is_stale(day_before) && !tokens.is_expired(day_before));
            assert!(!tokens.is_stale(Timestamp::from_secs(950)), "within the skew");
        }
    }
}
