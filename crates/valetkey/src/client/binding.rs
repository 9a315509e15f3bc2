//! Whether the tokens of a client are bound to keys, and to which.

use std::sync::Arc;

use valetkey_proto::{
    Result,
    oauth2::Scope,
    oauth2::{
        binding::{Dpop, KeptKey},
        server::ServerMetadata,
        token::{TokenResponse, TokenSet},
    },
};

use super::Client;

/// What the program said of keys.
#[derive(Clone)]
pub(super) enum Binding {
    /// Each session has a key of its own.
    PerSession,
    /// All sessions have this one.
    Own(Dpop),
}

impl Binding {
    /// Whether this server takes proofs of such keys, as far as it says.
    pub(super) fn check(&self, server: &ServerMetadata) -> Result<()> {
        match self {
            Self::PerSession => Dpop::algorithm_for(server).map(drop),
            Self::Own(dpop) => dpop.clone().fitted_to(server).map(drop),
        }
    }
}

impl Client {
    /// The key for a new grant, if tokens are bound to keys.
    pub(crate) fn new_key(&self, server: &ServerMetadata) -> Result<Option<Dpop>> {
        let dpop = match &self.0.origination.binding {
            None => return Ok(None),
            Some(Binding::PerSession) => Dpop::generate_for(server, self.0.runtime.env().crypto)?,
            Some(Binding::Own(dpop)) => dpop.clone().fitted_to(server)?,
        };
        Ok(Some(dpop.with_nonces(Arc::clone(&self.0.nonces))))
    }

    /// The key that these tokens are bound to, if they are.
    pub(crate) fn key_of(&self, tokens: &TokenSet) -> Result<Option<Dpop>> {
        tokens.key().map(|kept| self.kept_key(kept, self.known()?.server())).transpose()
    }

    /// The key that a code or tokens are bound to: the one that was kept with them, or the client's.
    pub(crate) fn kept_key(&self, kept: &KeptKey, server: &ServerMetadata) -> Result<Dpop> {
        let dpop = match &self.0.origination.binding {
            Some(Binding::Own(dpop)) if dpop.kept() == kept => dpop.clone(),
            Some(_) | None => Dpop::restored(kept, self.0.runtime.env().crypto)?,
        };
        dpop.with_nonces(Arc::clone(&self.0.nonces)).fitted_to(server)
    }
}

/// The tokens of a first response, bound to this key if there is one.
pub(super) fn hold(
    response: &TokenResponse,
    requested: Option<&Scope>,
    dpop: Option<&Dpop>,
) -> Result<TokenSet> {
    match dpop {
        Some(dpop) => TokenSet::bound(response, requested, dpop.kept()),
        None => TokenSet::of(response, requested),
    }
}
