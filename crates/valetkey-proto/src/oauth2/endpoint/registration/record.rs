//! A registration as a text that can be kept: versioned, with its own shape, apart from the types in use.

use serde_json::{Map, Value, json, value::RawValue};

use super::{Registration, RegistrationMetadata};
use crate::{
    error::{Error, ErrorKind, Reason, Result},
    oauth2::{client::ClientId, server::Issuer},
    record,
    response::{
        members::{members, read},
        value::Text,
    },
    secret::{AccessToken, ClientSecret, Secret},
    time::Timestamp,
};

members! {
    struct Wire {
        v: Text<'de>,
        issuer: Text<'de>,
        client_id: Text<'de>,
        client_secret: Text<'de>,
        client_secret_expires_at: i64,
        client_id_issued_at: i64,
        registration_access_token: Text<'de>,
        registration_client_uri: Text<'de>,
        metadata: &'de RawValue,
    }
}

impl Registration {
    /// The registration as a JSON object of version 1, to be kept.
    ///
    /// # Security
    ///
    /// The text holds the client's secret and the token that manages it. Keep it where only the program can read it.
    #[must_use]
    pub fn to_text(&self) -> Secret {
        let secs = |time: Option<Timestamp>| time.map(Timestamp::as_secs);
        Secret::new(record::write(json!({
            "v": "1",
            "issuer": self.issuer.as_str(),
            "client_id": self.id.as_str(),
            "client_secret": self.secret.as_ref().map(ClientSecret::expose),
            "client_secret_expires_at": secs(self.expires_at),
            "client_id_issued_at": secs(self.issued_at),
            "registration_access_token": self.token.as_ref().map(AccessToken::expose),
            "registration_client_uri": self.uri,
            "metadata": self.metadata.members,
        })))
    }

    /// Reads a text that [`to_text`](Self::to_text) wrote.
    ///
    /// # Errors
    ///
    /// `Store`: [`Reason::Malformed`] if it is no record of version 1, or has been changed into none.
    pub fn parse(text: &str) -> Result<Self> {
        let malformed = || Error::new(ErrorKind::Store, Reason::Malformed).with_detail("registration");
        let wire = read(text).map_err(|_| malformed())?;
        Self::of_wire(wire).ok_or_else(malformed)
    }

    fn of_wire(wire: Wire<'_>) -> Option<Self> {
        if *wire.v? != *"1" {
            return None;
        }
        let token = match wire.registration_access_token {
            Some(token) => Some(AccessToken::bearer(&token)?),
            None => None,
        };
        let metadata: Map<String, Value> = serde_json::from_str(wire.metadata?.get()).ok()?;
        Some(Self {
            issuer: Issuer::parse(&wire.issuer?).ok()?,
            id: ClientId::parse(&wire.client_id?).ok()?,
            secret: wire.client_secret.map(|text| ClientSecret::new(&*text)),
            expires_at: wire.client_secret_expires_at.map(Timestamp::from_secs),
            issued_at: wire.client_id_issued_at.map(Timestamp::from_secs),
            token,
            uri: wire.registration_client_uri.map(|uri| (*uri).into()),
            metadata: RegistrationMetadata::of(metadata),
            changed: Vec::new(),
        })
    }

    /// Whether this registration is of that server; a program that changes servers registers anew.
    ///
    /// # Errors
    ///
    /// `Store`: [`Reason::IssuerMismatch`].
    pub fn check(&self, issuer: &Issuer) -> Result<()> {
        if self.issuer == *issuer {
            Ok(())
        } else {
            Err(Error::new(ErrorKind::Store, Reason::IssuerMismatch).with_detail("registration"))
        }
    }
}
