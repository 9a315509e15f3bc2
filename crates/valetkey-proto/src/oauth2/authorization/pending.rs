//! What is kept while the user is away.

use std::{fmt, sync::Arc, time::Duration};

use serde_json::value::RawValue;

use crate::{
    endpoint::RedirectUri,
    error::{Error, ErrorKind, Reason, Result},
    flow::Env,
    form::Parameters,
    oauth2::{
        Requested, Scope,
        authorization::{
            AuthorizationResponse, Callback, CodeVerifier, ResponseType,
            request::{Asked, Otherwise},
            response_type::Awaited,
        },
        binding::KeptKey,
        client::ClientId,
        profile::LeftOut,
        server::Issuer,
        token::{Kept, TokenResponse},
    },
    random::TEXT,
    record,
    response::{
        from_parts,
        members::{members, read},
        value::{Text, Texts},
    },
    seal::{Label, SealingKeys},
    secret::{AuthorizationCode, Secret, Wipe, Wiped, same},
    time::Timestamp,
};

/// Declares a random text of 256 bits that is wiped when dropped.
macro_rules! random_text {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name([u8; TEXT]);

        impl $name {
            pub(crate) fn of(text: [u8; TEXT]) -> Self {
                Self(text)
            }

            /// The text itself.
            #[must_use]
            pub fn expose(&self) -> &str {
                std::str::from_utf8(&self.0).unwrap_or_default()
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                self.0.wipe();
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                same(&self.0, &other.0)
            }
        }

        impl Eq for $name {}

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "([redacted])"))
            }
        }
    )*};
}

random_text! {
    /// What ties a callback to the sign-in that it ends (RFC 6749 §10.12).
    State;
    /// What ties an ID token to the sign-in that it came of (OpenID Connect Core §15.5.2).
    Nonce;
}

/// A sign-in whose user is away at the server.
///
/// It is consumed by [`receive`](Self::receive) and cannot be cloned, so that a state is used once. Keep it in
/// memory, or [`seal`](Self::seal) it into a cookie of the browser that began the sign-in.
///
/// # Security
///
/// Whoever holds the callback must not be able to choose the pending authorization that it is matched with:
/// bind it to the browser (RFC 9700 §4.7.1), by a cookie or by a store that is asked with the browser's secret.
pub struct PendingAuthorization {
    pub(super) asked: Arc<Asked>,
    pub(super) state: State,
    pub(super) verifier: CodeVerifier,
    pub(super) nonce: Option<Nonce>,
    pub(super) created: Timestamp,
}

/// How far in the future a sealed text may come from: the clocks of two machines.
const SKEW: Duration = Duration::from_secs(60);

/// Refuses a sign-in that began too long ago, or in the future.
pub(crate) fn check_age(created: Timestamp, now: Timestamp) -> Result<()> {
    if now - created > PendingAuthorization::LIFETIME || created - now > SKEW {
        return Err(Error::new(ErrorKind::Expired, Reason::PendingExpired));
    }
    Ok(())
}

/// What sealed texts of this kind are for.
const PURPOSE: &str = "authorization";

impl PendingAuthorization {
    /// How long a user may be away: ten minutes.
    pub const LIFETIME: Duration = Duration::from_secs(600);

    /// Whose users sign in.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.asked.issuer
    }

    /// When the sign-in began.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// Whether a callback carries the state of this sign-in, compared in constant time.
    ///
    /// A listener asks this first, so that a forged callback does not cost the user the login. It says nothing
    /// of the rest, which [`receive`](Self::receive) checks.
    #[must_use]
    pub fn matches(&self, callback: &Callback) -> bool {
        callback.parameters(self.asked.awaited.mode).is_ok_and(|parameters| self.is_ours(&parameters))
    }

    /// Whether these parameters carry the state, unless the provider refuses that there is one.
    fn is_ours(&self, parameters: &Parameters) -> bool {
        match self.asked.otherwise.left_out.state {
            // None was sent, so that a state is somebody else's.
            true => {
                let says = |name| parameters.contains(name);
                (says(self.code_name()) || says("error")) && !says("state")
            }
            false => parameters.is("state", &self.state.0),
        }
    }

    /// The name of the code in callbacks.
    fn code_name(&self) -> &str {
        self.asked.otherwise.code.as_deref().unwrap_or("code")
    }

    /// Takes what the browser brought back, and ends the sign-in, whatever it is.
    ///
    /// In this order: where and how it arrived, that nothing occurs twice, nothing that was not asked for, state, issuer,
    /// the server's error, the code and whatever else was asked for.
    ///
    /// It can be done once; after an error, too, a new sign-in begins:
    ///
    /// ```compile_fail,E0382
    /// use valetkey_proto::{Result, oauth2::authorization::PendingAuthorization};
    ///
    /// fn receive_twice(pending: PendingAuthorization) -> Result<()> {
    ///     if pending.receive("/cb?code=a&state=b").is_err() {
    ///         pending.receive("/cb?code=c&state=d")?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// `Untrusted`: [`Reason::RedirectUriMismatch`], [`Reason::UnexpectedToken`], [`Reason::StateMismatch`],
    /// [`Reason::IssuerMismatch`], [`Reason::IssuerMissing`]. `Protocol`: [`Reason::ResponseModeMismatch`],
    /// [`Reason::DuplicateParameter`], [`Reason::TooLarge`], [`Reason::Malformed`],
    /// [`Reason::MissingParameter`] without a code. `Denied`: [`Reason::AuthorizationDenied`].
    pub fn receive(self, callback: impl Into<Callback>) -> Result<AuthorizationResponse> {
        let callback = callback.into();
        let Awaited { response_type, mode, .. } = self.asked.awaited;
        callback.check(mode, &self.asked.redirect_uri)?;
        let parameters = callback.parameters(mode)?;
        refuse_other_responses(response_type, &parameters)?;
        if !self.is_ours(&parameters) {
            return Err(Error::new(ErrorKind::Untrusted, Reason::StateMismatch));
        }
        self.check_issuer(&parameters)?;
        let part = |name| parameters.get(name);
        if let Some(refused) = from_parts(part("error"), part("error_description"), part("error_uri")) {
            return Err(Error::new(ErrorKind::Denied, Reason::AuthorizationDenied).with_response(refused));
        }
        let required = |is_asked: bool, name: &'static str, theirs: &str| {
            let missing = || Error::new(ErrorKind::Protocol, Reason::MissingParameter).with_detail(name);
            if is_asked { parameters.get(theirs).map(Some).ok_or_else(missing) } else { Ok(None) }
        };
        let code = required(response_type.has_code(), "code", self.code_name())?.map(AuthorizationCode::new);
        let id_token = required(response_type.has_id_token(), "id_token", "id_token")?.map(Secret::new);
        // It was issued later, but nobody knows when.
        let token = match required(response_type.has_token(), "access_token", "access_token")? {
            Some(_) => Some(TokenResponse::of_callback(&parameters, self.created)?),
            None => None,
        };
        let mut kept = Kept::default();
        for name in &self.asked.otherwise.keep {
            if let Some(value) = part(name) {
                kept.keep(name, value);
            }
        }
        let Self { asked, verifier, nonce, state, .. } = self;
        Ok(AuthorizationResponse { asked, code, id_token, token, verifier, nonce, state, kept })
    }

    /// RFC 9207 §2.4: compared byte for byte, in errors too. An ID token beside the code names the issuer as well, and is
    /// verified before the code is used; some servers leave it at that.
    fn check_issuer(&self, parameters: &Parameters) -> Result<()> {
        let is_named_elsewhere = self.asked.awaited.response_type.has_id_token();
        let must_be_named = self.asked.expects_issuer && !is_named_elsewhere;
        match parameters.get("iss") {
            Some(issuer) if issuer == self.asked.issuer.as_str() => Ok(()),
            None if !parameters.contains("iss") && !must_be_named => Ok(()),
            None if !parameters.contains("iss") => {
                Err(Error::new(ErrorKind::Untrusted, Reason::IssuerMissing))
            }
            Some(_) | None => Err(Error::new(ErrorKind::Untrusted, Reason::IssuerMismatch)),
        }
    }

    /// Writes it as a text, for a store from which it is taken once. A browser gets it [sealed](Self::seal).
    ///
    /// # Security
    ///
    /// Whoever has the text and the callback can end the sign-in.
    #[must_use]
    pub fn to_text(self) -> Secret {
        Secret::new(self.record())
    }

    /// Reads a text of this issuer and client that [`to_text`](Self::to_text) wrote.
    ///
    /// # Errors
    ///
    /// `Store`: [`Reason::Malformed`]. `Expired`: [`Reason::PendingExpired`] after ten minutes.
    pub fn parse(text: &str, issuer: &Issuer, client: &ClientId, now: Timestamp) -> Result<Self> {
        let malformed =
            || Error::new(ErrorKind::Store, Reason::Malformed).with_detail("pending authorization");
        let pending = Self::of_record(text, issuer, client).ok_or_else(malformed)?;
        check_age(pending.created, now)?;
        Ok(pending)
    }

    /// Seals it into a text of a few hundred characters, for a cookie. It can be opened for ten minutes.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::RandomFailed`].
    ///
    /// # Security
    ///
    /// A sealed text can be opened again and again until it expires: a copied cookie together with its callback
    /// begins the exchange anew, and the server then refuses the code. A store from which it is taken once closes
    /// that. Set the cookie `Secure`, `HttpOnly`, `SameSite=Lax`, and clear it at the callback.
    pub fn seal(self, keys: &SealingKeys, env: &Env<'_>) -> Result<Secret> {
        let record = Wiped::new(self.record());
        let Asked { issuer, client, .. } = &*self.asked;
        let label = Label { purpose: PURPOSE, server: issuer.as_str(), client: client.as_str() };
        keys.seal(&label, &record, env)
    }

    /// Opens a sealed text of this issuer and client.
    ///
    /// # Errors
    ///
    /// `Untrusted`: [`Reason::SealBroken`] if it was changed, or sealed by another key or for another purpose,
    /// issuer or client. `Expired`: [`Reason::PendingExpired`] after ten minutes.
    pub fn open(
        text: &str,
        issuer: &Issuer,
        client: &ClientId,
        keys: &SealingKeys,
        env: &Env<'_>,
    ) -> Result<Self> {
        let label = Label { purpose: PURPOSE, server: issuer.as_str(), client: client.as_str() };
        let record = keys.open(&label, text, env)?;
        let broken = || Error::new(ErrorKind::Untrusted, Reason::SealBroken);
        let pending = Self::of_record(&record, issuer, client).ok_or_else(broken)?;
        check_age(pending.created, env.now)?;
        Ok(pending)
    }

    /// Version 1 of the record, or version 2, which has a key; issuer and client are in the seal's label.
    fn record(&self) -> String {
        let key = self.asked.key.as_ref();
        let mut members = serde_json::json!({
            "v": if key.is_some() { "2" } else { "1" },
            "redirect_uri": self.asked.redirect_uri.as_str(),
            "expects_issuer": self.asked.expects_issuer,
            "scope": self.asked.scope.as_ref().map(Scope::as_str),
            "state": self.state.expose(),
            "verifier": self.verifier.expose(),
            "nonce": self.nonce.as_ref().map(Nonce::expose),
            "created": self.created.as_millis(),
        });
        // Most sign-ins ask for a code alone, and a cookie should be short.
        let awaited = &self.asked.awaited;
        if let (true, Some(members)) = (*awaited != Awaited::default(), members.as_object_mut()) {
            members.insert("response_type".to_owned(), awaited.response_type.as_str().into());
            members.insert("response_mode".to_owned(), awaited.mode.as_str().into());
            members.insert("max_age".to_owned(), awaited.max_age.map(|age| age.as_secs()).into());
        }
        if let (true, Some(members)) = (self.asked.otherwise != Otherwise::default(), members.as_object_mut())
        {
            members.extend(self.asked.otherwise.members());
        }
        if let (false, Some(members)) = (self.asked.acr.is_empty(), members.as_object_mut()) {
            members.insert("acr".to_owned(), self.asked.acr.iter().map(|acr| &**acr).collect());
        }
        if let Some(members) = members.as_object_mut() {
            members
                .extend(self.asked.requested.to_value().map(|requested| ("requested".to_owned(), requested)));
            members.extend(key.into_iter().flat_map(KeptKey::members));
        }
        record::write(members)
    }

    fn of_record(record: &str, issuer: &Issuer, client: &ClientId) -> Option<Self> {
        let record: Record<'_> = read(record).ok()?;
        let random = |text: Text<'_>| <[u8; TEXT]>::try_from(text.as_bytes()).ok();
        let key = KeptKey::of_members(&record.v?, record.dpop_jkt.as_deref(), record.dpop_key.as_deref())?;
        let asked = Asked {
            issuer: issuer.clone(),
            client: client.clone(),
            redirect_uri: RedirectUri::parse(&record.redirect_uri?).ok()?,
            expects_issuer: record.expects_issuer?,
            scope: record.scope.map(|scope| Scope::tolerant(&scope)),
            key,
            awaited: Awaited::of_names(
                record.response_type.as_deref(),
                record.response_mode.as_deref(),
                record.max_age,
            )?,
            acr: record.acr.map(|Texts(values)| values).unwrap_or_default(),
            requested: Requested::of_record(record.requested)?,
            otherwise: Otherwise {
                left_out: LeftOut {
                    pkce: record.no_pkce.unwrap_or(false),
                    state: record.no_state.unwrap_or(false),
                    nonce: record.no_nonce.unwrap_or(false),
                },
                code: record.code.map(|Text(name)| name.into()),
                keep: record.keep.map(|Texts(names)| names).unwrap_or_default(),
            },
        };
        Some(Self {
            asked: Arc::new(asked),
            state: State::of(random(record.state?)?),
            verifier: CodeVerifier::parse(&record.verifier?).ok()?,
            nonce: match record.nonce {
                Some(nonce) => Some(Nonce::of(random(nonce)?)),
                None => None,
            },
            created: Timestamp::from_millis(record.created?),
        })
    }
}

members! {
    struct Record {
        v: Text<'de>,
        redirect_uri: Text<'de>,
        expects_issuer: bool,
        scope: Text<'de>,
        state: Text<'de>,
        verifier: Text<'de>,
        nonce: Text<'de>,
        created: i64,
        dpop_jkt: Text<'de>,
        dpop_key: Text<'de>,
        response_type: Text<'de>,
        response_mode: Text<'de>,
        max_age: u64,
        acr: Texts,
        requested: &'de RawValue,
        no_pkce: bool,
        no_state: bool,
        no_nonce: bool,
        code: Text<'de>,
        keep: Texts,
    }
}

impl Otherwise {
    /// What stands in records of it.
    fn members(&self) -> impl Iterator<Item = (String, serde_json::Value)> {
        let LeftOut { pkce, state, nonce } = self.left_out;
        let flags = [("no_pkce", pkce), ("no_state", state), ("no_nonce", nonce)];
        let flags = flags.into_iter().filter(|(_, is_said)| *is_said).map(|(name, _)| (name, true.into()));
        let code = self.code.as_deref().map(|name| ("code", name.into()));
        let keep: serde_json::Value = self.keep.iter().map(|name| &**name).collect();
        let keep = (!self.keep.is_empty()).then_some(("keep", keep));
        flags.chain(code).chain(keep).map(|(name, value)| (name.to_owned(), value))
    }
}

/// Refuses what was not asked for: codes, tokens (RFC 9700 §2.1.2) and JARM.
fn refuse_other_responses(asked: ResponseType, parameters: &Parameters) -> Result<()> {
    let unasked = [
        ("access_token", asked.has_token()),
        ("id_token", asked.has_id_token()),
        ("code", asked.has_code()),
        // RFC 6749 §4.2.2: never through the browser.
        ("refresh_token", false),
    ];
    if unasked.into_iter().any(|(name, is_asked)| !is_asked && parameters.contains(name)) {
        return Err(Error::new(ErrorKind::Untrusted, Reason::UnexpectedToken));
    }
    if parameters.contains("response") {
        return Err(Error::new(ErrorKind::Protocol, Reason::ResponseModeMismatch));
    }
    Ok(())
}

impl fmt::Debug for PendingAuthorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingAuthorization")
            .field("issuer", &self.asked.issuer)
            .field("client", &self.asked.client)
            .field("redirect_uri", &self.asked.redirect_uri)
            .field("created", &self.created)
            .finish_non_exhaustive()
    }
}
