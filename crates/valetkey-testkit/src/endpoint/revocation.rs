//! The revocation endpoint (RFC 7009).

use http::StatusCode;

use super::client_auth::authenticate;
use crate::{
    message::{Answer, Asked, Refusal},
    state::State,
};

/// Which kind the token is, is found out by looking; the hint is not needed (RFC 7009 §2.1).
pub(super) fn answer(state: &mut State, asked: Asked<'_>) -> Result<Answer, Refusal> {
    let form = asked.form()?;
    if form.duplicate().is_some() {
        return Err(Refusal::request("a parameter occurs twice"));
    }
    let client = authenticate(state, asked, &form)?;
    let token = form.need("token")?;
    let refresh = state.refresh(token).map(|known| known.grant);
    let access = state.access_mut(token).map(|known| known.grant);
    if let Some(grant) = refresh.or(access)
        && state.grant(grant).client != client
    {
        return Err(Refusal::new("unauthorized_client", "the token belongs to another client"));
    }
    if let Some(grant) = refresh {
        // With a refresh token, all that came of its grant goes (RFC 7009 §2.1).
        state.revoke_grant(grant);
    } else if let Some(access) = state.access_mut(token) {
        access.revoked = true;
    }
    // A token that is unknown is as good as revoked (RFC 7009 §2.2).
    Ok(Answer::empty(StatusCode::OK))
}
