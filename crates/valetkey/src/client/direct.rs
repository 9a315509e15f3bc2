//! Tokens that come without a browser: sessions that ask for them again, and those whose user is then known.

use std::sync::Arc;

use valetkey_proto::{
    Exchange, Result,
    oauth2::{
        Requested, Scope,
        binding::Dpop,
        token::{TokenResponse, TokenSet},
    },
};

use super::{Client, binding::hold, relation::Relation};
use crate::session::{Asking, Renewal, Session};

fn is_openid(scope: Option<&Scope>) -> bool {
    scope.is_some_and(|scope| scope.contains("openid"))
}

impl Client {
    /// A session that asks for its first token when it is first needed, and for every other one anew.
    pub(super) fn asking(self, asking: impl Asking + 'static) -> Result<Session> {
        let dpop = self.new_key(self.known()?.server())?;
        Ok(Session::new(self, Renewal::Asking(Arc::new(asking)), None, dpop))
    }

    /// Asks for tokens by this grant.
    pub(super) async fn ask(
        &self,
        relation: &Relation,
        grant: impl Exchange<Output = TokenResponse> + Send,
        requested: Requested,
        dpop: Option<&Dpop>,
    ) -> Result<TokenSet> {
        let response = self.call_as(relation, grant, dpop.cloned()).await?;
        hold(&response, requested.scope(), dpop)?.with_requested(requested, &response)
    }

    /// A session of what came, renewed by its refresh token. If the scope `openid` was asked for, it says who the user is.
    pub(super) async fn signed_in(
        &self,
        relation: &Arc<Relation>,
        response: &TokenResponse,
        requested: Requested,
        dpop: Option<Dpop>,
    ) -> Result<Session> {
        let asks_who = is_openid(requested.scope());
        let tokens = hold(response, requested.scope(), dpop.as_ref())?.with_requested(requested, response)?;
        let user = match asks_who {
            true => Some(self.polled(relation, response).await?),
            false => None,
        };
        Ok(self.session(tokens, user, dpop))
    }
}

impl Relation {
    /// Whether it can be known who signs in, if that is asked for: nobody signs in if it could not be verified.
    pub(super) fn check_for(&self, requested: Option<&Scope>) -> Result<()> {
        if is_openid(requested) { self.reading().check(self.server()) } else { Ok(()) }
    }
}
