//! What the token endpoint makes of grants that are registered one by one (RFC 8693, RFC 7522, RFC 6749 §4.3 and §4.5).

use std::time::SystemTime;

use serde_json::json;

use crate::{
    grant::Grant,
    message::{Params, Refusal},
    state::{GrantId, State},
};

/// What comes of such a grant.
pub(super) struct Granted {
    pub(super) grant: GrantId,
    pub(super) scope: String,
    pub(super) has_refresh_token: bool,
    /// What was issued, if the answer says so (RFC 8693 §2.2.1).
    pub(super) issued: Option<Issued>,
}

/// What comes of an exchange.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Issued {
    pub(super) token_type: &'static str,
    /// Whether an API takes it.
    pub(super) is_access_token: bool,
}

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// What can be issued.
const ISSUED: [Issued; 4] = [
    Issued { token_type: ACCESS_TOKEN, is_access_token: true },
    Issued { token_type: "urn:ietf:params:oauth:token-type:jwt", is_access_token: false },
    Issued { token_type: "urn:ietf:params:oauth:token-type:id_token", is_access_token: false },
    Issued { token_type: "urn:ietf:params:oauth:token-type:saml2", is_access_token: false },
];

/// Parameters of which there may be several (RFC 8693 §2.1).
pub(super) fn may_repeat(form: &Params) -> &'static [&'static str] {
    if form.get("grant_type") == Some(Grant::TokenExchange.name()) {
        &["audience", "resource"]
    } else {
        &["resource"]
    }
}

/// The grant of this name, if this client may use it; otherwise why not.
pub(super) fn granted(
    state: &mut State,
    client: &str,
    form: &Params,
    now: SystemTime,
) -> Result<Granted, Refusal> {
    let name = form.need("grant_type")?;
    let known = [Grant::TokenExchange, Grant::SamlBearer, Grant::Password];
    let registered = state.settings.client(client).map(|client| client.grants.clone()).unwrap_or_default();
    let Some(grant) = registered.into_iter().find(|grant| grant.name() == name) else {
        let is_known = known.iter().any(|grant| grant.name() == name);
        return Err(if is_known {
            Refusal::new("unauthorized_client", "the client may not use this grant")
        } else {
            Refusal::new("unsupported_grant_type", "the grant type is not supported")
        });
    };
    match grant {
        Grant::TokenExchange => exchange(state, client, form, now),
        Grant::SamlBearer => {
            let user = outside(state, form.need("assertion")?)?;
            Ok(alone(state, client, &user, form))
        }
        Grant::Password => password(state, client, form),
        Grant::Extension(_) => {
            let granted = alone(state, client, "alice", form);
            Ok(Granted { has_refresh_token: true, ..granted })
        }
        Grant::Implicit => Err(Refusal::new("unsupported_grant_type", "this grant is not for this endpoint")),
    }
}

/// An access token in the user's name and nothing else.
fn alone(state: &mut State, client: &str, user: &str, form: &Params) -> Granted {
    let scope = form.get("scope").unwrap_or("").to_owned();
    let grant = state.add_grant(client, Some(user), &scope);
    Granted { grant, scope, has_refresh_token: false, issued: None }
}

/// Whose token of somebody else's this is.
fn outside(state: &State, token: &str) -> Result<String, Refusal> {
    let known = state.settings.outside_tokens.iter().find(|(known, _)| known == token);
    known.map(|(_, user)| user.clone()).ok_or_else(|| Refusal::grant("the token is not known here"))
}

/// RFC 6749 §4.3.
fn password(state: &mut State, client: &str, form: &Params) -> Result<Granted, Refusal> {
    let (user, password) = (form.need("username")?, form.need("password")?);
    let passwords = &state.settings.passwords;
    if !passwords.iter().any(|(known, its)| known == user && its == password) {
        return Err(Refusal::grant("the name or the password is wrong"));
    }
    let granted = alone(state, client, user, form);
    Ok(Granted { has_refresh_token: true, ..granted })
}

/// RFC 8693 §2.1.
fn exchange(state: &mut State, client: &str, form: &Params, now: SystemTime) -> Result<Granted, Refusal> {
    let subject = shown(state, form, ["subject_token", "subject_token_type"], now)?;
    let subject = subject.ok_or_else(|| Refusal::request("subject_token is missing"))?;
    let actor = shown(state, form, ["actor_token", "actor_token_type"], now)?;
    let requested = form.get("requested_token_type").unwrap_or(ACCESS_TOKEN);
    let issued = ISSUED.into_iter().find(|known| known.token_type == requested);
    let issued = issued.ok_or_else(|| Refusal::request("requested_token_type is not supported"))?;
    let granted = alone(state, client, &subject, form);
    state.act(granted.grant, actor);
    Ok(Granted { issued: Some(issued), ..granted })
}

/// Who a token is about; none if there is none. The type is there if the token is, and only then.
fn shown(
    state: &State,
    form: &Params,
    [token, token_type]: [&str; 2],
    now: SystemTime,
) -> Result<Option<String>, Refusal> {
    let (token, token_type) = match (form.get(token), form.get(token_type)) {
        (None, None) => return Ok(None),
        (Some(token), Some(token_type)) => (token, token_type),
        (Some(_), None) | (None, Some(_)) => {
            return Err(Refusal::request("a token and its type come together"));
        }
    };
    if token_type != ACCESS_TOKEN {
        return outside(state, token).map(Some);
    }
    let access = state.access(token, now).ok_or_else(|| Refusal::request("the access token is not good"))?;
    let grant = state.grant(access.grant);
    Ok(Some(grant.user.clone().unwrap_or_else(|| grant.client.clone())))
}

/// Says in the answer what was issued; what is no access token gets a type that says so.
pub(super) fn say(body: &mut serde_json::Value, issued: Issued) {
    body["issued_token_type"] = json!(issued.token_type);
    if !issued.is_access_token {
        body["token_type"] = json!("N_A");
    }
}
