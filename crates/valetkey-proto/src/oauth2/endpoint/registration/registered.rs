//! What a server says of a client that it registered (RFC 7591 §3.2.1, RFC 7592 §3).

use std::fmt;

use serde_json::{Map, Number, Value};

use super::{ApplicationType, RegistrationMetadata, metadata::OF_THE_SERVER};
use crate::{
    endpoint::Endpoint,
    error::{Error, ErrorKind, Reason, Result},
    oauth2::{
        client::{ClientAuth, ClientId, ClientMetadata},
        server::Issuer,
    },
    response::{
        members::{members, read_into},
        value::Text,
    },
    secret::{AccessToken, ClientSecret, Wipe},
    time::Timestamp,
};

/// A client as a server has registered it. It belongs to that server and is of no use at any other.
///
/// Keep it: with it go the client's secret, and the token by which the registration is managed. See
/// [`to_text`](Self::to_text).
///
/// ```
/// use valetkey_proto::{Timestamp, oauth2::endpoint::registration::Registration};
///
/// let text = r#"{"v":"1","issuer":"https://as.example","client_id":"s6BhdRkqt3","client_secret":"cf136dc3c1fc93f3",
///     "client_secret_expires_at":1893456000,"metadata":{"redirect_uris":["https://my-app.example/cb"]}}"#;
/// let registration = Registration::parse(text)?;
/// let client = registration.client_at("https://my-app.example/cb", Timestamp::from_secs(1_700_000_000))?;
/// assert_eq!(client.auth().name(), "client_secret_basic");
///
/// let too_late = registration.client(Timestamp::from_secs(1_893_456_000)).unwrap_err();
/// assert_eq!(too_late.reason(), valetkey_proto::Reason::ClientExpired);
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Registration {
    pub(super) issuer: Issuer,
    pub(super) id: ClientId,
    pub(super) secret: Option<ClientSecret>,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) issued_at: Option<Timestamp>,
    pub(super) token: Option<AccessToken>,
    /// As the server named it; whether it can be used is seen when it is.
    pub(super) uri: Option<Box<str>>,
    pub(super) metadata: RegistrationMetadata,
    pub(super) changed: Vec<Box<str>>,
}

members! {
    /// What the server alone says.
    struct Wire {
        client_id: Text<'de>,
        client_secret: Text<'de>,
        client_secret_expires_at: Number,
        client_id_issued_at: Number,
        registration_access_token: Text<'de>,
        registration_client_uri: Text<'de>,
    }
}

impl Registration {
    /// Reads an answer to a request that asked for this metadata. What the answer says counts (RFC 7591 §3.2.1).
    pub(super) fn read(issuer: &Issuer, asked: &RegistrationMetadata, text: &str) -> Result<Self> {
        let mut wire = Wire::default();
        read_into(&mut wire, text)?;
        let missing = |name| Error::new(ErrorKind::Protocol, Reason::MissingParameter).with_detail(name);
        let malformed = |name| Error::new(ErrorKind::Protocol, Reason::Malformed).with_detail(name);
        let id = wire.client_id.ok_or_else(|| missing("client_id"))?;
        let id = ClientId::parse(&id).map_err(|_| malformed("client_id"))?;
        let token = wire.registration_access_token.map(|token| AccessToken::bearer(&token));
        let (metadata, changed) = merge(asked, text)?;
        let time = |number: Option<Number>, name| {
            number.map(|number| timestamp(&number).ok_or_else(|| malformed(name))).transpose()
        };
        Ok(Self {
            issuer: issuer.clone(),
            id,
            secret: wire.client_secret.filter(|text| !text.is_empty()).map(|text| ClientSecret::new(&*text)),
            // RFC 7591 §3.2.1: 0 is never.
            expires_at: time(wire.client_secret_expires_at, "client_secret_expires_at")?
                .filter(|time| time.as_secs() != 0),
            issued_at: time(wire.client_id_issued_at, "client_id_issued_at")?,
            token: token
                .map(|token| token.ok_or_else(|| malformed("registration_access_token")))
                .transpose()?,
            uri: wire.registration_client_uri.map(|uri| (*uri).into()),
            metadata,
            changed,
        })
    }

    /// Reads the answer to a later request: what it does not repeat stays as it was.
    pub(super) fn renewed(&self, asked: &RegistrationMetadata, text: &str) -> Result<Self> {
        let new = Self::read(&self.issuer, asked, text)?;
        if new.id != self.id {
            return Err(Error::new(ErrorKind::Untrusted, Reason::SubjectMismatch).with_detail("client_id"));
        }
        let keeps_secret = new.secret.is_none();
        Ok(Self {
            expires_at: if keeps_secret { new.expires_at.or(self.expires_at) } else { new.expires_at },
            secret: new.secret.or_else(|| self.secret.clone()),
            issued_at: new.issued_at.or(self.issued_at),
            token: new.token.or_else(|| self.token.clone()),
            uri: new.uri.or_else(|| self.uri.clone()),
            ..new
        })
    }

    /// The server that registered it.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The name that the server knows it by.
    #[must_use]
    pub fn id(&self) -> &ClientId {
        &self.id
    }

    /// The secret, if it was given one.
    #[must_use]
    pub fn secret(&self) -> Option<&ClientSecret> {
        self.secret.as_ref()
    }

    /// When the secret expires; `None` if it never does.
    #[must_use]
    pub fn secret_expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    /// When the name was given.
    #[must_use]
    pub fn issued_at(&self) -> Option<Timestamp> {
        self.issued_at
    }

    /// Whether the secret has expired, so that the client must be registered anew or its registration be read.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.secret.is_some() && self.expires_at.is_some_and(|time| time <= now)
    }

    /// What it is registered with: what the server said, and what was asked for where it said nothing.
    #[must_use]
    pub fn metadata(&self) -> &RegistrationMetadata {
        &self.metadata
    }

    /// The names of the members that the server registered otherwise than they were asked for.
    pub fn changed(&self) -> impl Iterator<Item = &str> {
        self.changed.iter().map(|name| &**name)
    }

    /// What it is registered as: web unless it was said (OpenID Connect Registration §2).
    #[must_use]
    pub fn application_type(&self) -> ApplicationType {
        match self.metadata.text("application_type") {
            Some("native") => ApplicationType::Native,
            Some(_) | None => ApplicationType::Web,
        }
    }

    /// Where the registration is managed (RFC 7592 §3), and with what.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::MissingEndpoint`] if the server lets nobody manage it. Otherwise as [`Endpoint::learned`].
    pub fn management(&self) -> Result<(Endpoint, &AccessToken)> {
        let missing =
            || Error::new(ErrorKind::Config, Reason::MissingEndpoint).with_detail("registration_client_uri");
        let (Some(uri), Some(token)) = (&self.uri, &self.token) else { return Err(missing()) };
        let endpoint = Endpoint::learned(&self.issuer, uri);
        Ok((endpoint.map_err(|error| error.with_detail("registration_client_uri"))?, token))
    }

    /// The client that signs users in and gets tokens.
    ///
    /// It authenticates as it is registered, by its secret. One that has a key is registered with
    /// `private_key_jwt`: give it the key by [`ClientMetadata::with_auth`].
    ///
    /// # Errors
    ///
    /// `Expired`: [`Reason::ClientExpired`] if the secret has. `Config`: [`Reason::MissingClientAuthentication`] if it
    /// is registered with a secret and was given none.
    pub fn client(&self, now: Timestamp) -> Result<ClientMetadata> {
        if self.is_expired(now) {
            return Err(Error::new(ErrorKind::Expired, Reason::ClientExpired));
        }
        let secret = || {
            self.secret
                .clone()
                .ok_or_else(|| Error::new(ErrorKind::Config, Reason::MissingClientAuthentication))
        };
        let auth = match (self.metadata.text("token_endpoint_auth_method"), &self.secret) {
            (Some("client_secret_post"), _) => ClientAuth::secret_post(secret()?),
            (Some("client_secret_jwt"), _) => ClientAuth::secret_jwt(secret()?),
            (Some("client_secret_basic"), _) => ClientAuth::secret_basic(secret()?),
            // RFC 7591 §2: without a method, it is Basic.
            (None, Some(secret)) => ClientAuth::secret_basic(secret.clone()),
            (Some(_), _) | (None, None) => ClientAuth::none(),
        };
        Ok(ClientMetadata::new(self.id.as_str())?.with_auth(auth))
    }

    /// The same client, to whom the browser comes back at this redirect URI.
    ///
    /// # Errors
    ///
    /// As [`client`](Self::client) and [`RedirectUri::parse`](crate::endpoint::RedirectUri::parse); `Untrusted`:
    /// [`Reason::RedirectUriMismatch`] if the server registered others, whatever was asked for.
    pub fn client_at(&self, redirect_uri: &str, now: Timestamp) -> Result<ClientMetadata> {
        if !self.metadata.redirect_uris().contains(&redirect_uri) {
            return Err(
                Error::new(ErrorKind::Untrusted, Reason::RedirectUriMismatch).with_detail("not registered")
            );
        }
        self.client(now)?.with_redirect_uri(redirect_uri)
    }
}

/// The metadata of an answer upon what was asked for, and the names of what differs.
fn merge(asked: &RegistrationMetadata, text: &str) -> Result<(RegistrationMetadata, Vec<Box<str>>)> {
    let malformed = |_| Error::new(ErrorKind::Protocol, Reason::Malformed);
    let mut said: Map<String, Value> = serde_json::from_str(text).map_err(malformed)?;
    for name in OF_THE_SERVER {
        if let Some(Value::String(text)) = said.get_mut(name) {
            text.wipe();
        }
        said.remove(name);
    }
    said.retain(|_, value| !value.is_null());
    let mut members = asked.to_send();
    let mut changed = Vec::new();
    for (name, value) in said {
        if members.get(&name).is_some_and(|known| !is_same(known, &value)) {
            changed.push(name.as_str().into());
        }
        members.insert(name, value);
    }
    Ok((RegistrationMetadata::of(members), changed))
}

/// Whether two values say the same: lists are sets.
fn is_same(left: &Value, right: &Value) -> bool {
    match (left.as_array(), right.as_array()) {
        (Some(left), Some(right)) => {
            left.len() == right.len() && left.iter().all(|element| right.contains(element))
        }
        _ => left == right,
    }
}

/// Seconds since 1970, none before.
fn timestamp(number: &Number) -> Option<Timestamp> {
    let secs = number.as_i64().or_else(|| number.as_f64().map(|secs| secs as i64))?;
    (secs >= 0).then(|| Timestamp::from_secs(secs))
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration")
            .field("issuer", &self.issuer)
            .field("id", &self.id)
            .field("secret_expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}
