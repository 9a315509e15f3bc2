//! Where clients send the browser to sign out (OpenID Connect RP-Initiated Logout §2).

use http::{Method, StatusCode};

use super::super::page;
use crate::{
    jose::Jwt,
    message::{Answer, Asked, Params},
    openid::Keyring,
    state::State,
};

/// The browser goes back only to a URI that the client of the hint, or the named one, has registered (§3).
pub(crate) fn answer(state: &mut State, asked: Asked<'_>) -> Answer {
    let refuse = |why| page::error(StatusCode::BAD_REQUEST, why);
    let params = if asked.method == Method::POST {
        asked.form().unwrap_or_default()
    } else {
        Params::parse(asked.query.as_bytes())
    };
    if params.duplicate().is_some() {
        return refuse("a parameter occurs twice");
    }
    let hinted = match params.get("id_token_hint").map(|hint| client_of(state, hint)) {
        None => None,
        Some(Some(client)) => Some(client),
        Some(None) => return refuse("id_token_hint is not an ID token of this server"),
    };
    let named = params.get("client_id").map(str::to_owned);
    if hinted.is_some() && named.is_some() && hinted != named {
        return refuse("id_token_hint is of another client than client_id");
    }
    let client = hinted.or(named).and_then(|id| state.settings.client(&id));
    let uri = match params.get("post_logout_redirect_uri") {
        None => None,
        Some(uri) => {
            let known = client.is_some_and(|client| {
                client.openid.post_logout_redirect_uris.iter().any(|known| known == uri)
            });
            if !known {
                return refuse("post_logout_redirect_uri is not registered for this client");
            }
            Some(uri)
        }
    };
    state.end_session();
    let back = uri.map(|uri| match params.get("state") {
        Some(text) => {
            let joint = if uri.contains('?') { '&' } else { '?' };
            let mut query = form_urlencoded::Serializer::new(String::new());
            format!("{uri}{joint}{}", query.append_pair("state", text).finish())
        }
        None => uri.to_owned(),
    });
    back.map_or_else(page::signed_out, |back| Answer::see_other(&back))
}

/// The client that an ID token is for. It may have expired (§2).
fn client_of(state: &State, hint: &str) -> Option<String> {
    let jwt = Jwt::parse(hint)?;
    let client = jwt.text("aud").filter(|_| jwt.text("iss") == Some(&state.settings.issuer.text))?;
    let secret = state.settings.client(client)?.secret.as_ref();
    let secret = secret.map(|secret| crate::jose::Key::Secret(secret.as_bytes().to_vec()));
    let mut keys = Keyring::ever().into_iter().chain(secret);
    keys.any(|key| jwt.is_signed_by(&key)).then(|| client.to_owned())
}
