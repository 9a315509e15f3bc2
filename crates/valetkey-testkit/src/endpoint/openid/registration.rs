//! Where clients register (RFC 7591), and change what they registered (RFC 7592).

use http::{Method, StatusCode, header::CACHE_CONTROL};
use serde_json::{Map, Value, json};

use super::bearer;
use crate::{
    jose::Key,
    message::{Answer, Asked, Refusal},
    openid::{OpenIdOfClient, Registration, ResponseType, SubjectType},
    settings::{AuthMethod, RegisteredClient},
    state::State,
};

/// RFC 7591 §3.
pub(crate) fn register(state: &mut State, asked: Asked<'_>) -> Result<Answer, Refusal> {
    let initial = state.settings.openid.as_ref().and_then(|openid| openid.initial_access_token.as_deref());
    if initial.is_some_and(|initial| bearer(&asked) != Some(initial)) {
        return Err(unauthorized());
    }
    let metadata = metadata(asked)?;
    let id = format!("client-{}", state.random.text());
    let secret = format!("secret-{}", state.random.text());
    let client = client(id, secret, &metadata)?;
    Ok(answer(state, client, metadata, StatusCode::CREATED))
}

/// RFC 7592 §2. Each change brings a new token, and the one before is good no longer.
pub(crate) fn manage(state: &mut State, asked: Asked<'_>) -> Result<Answer, Refusal> {
    let id = asked.path.rsplit('/').next().unwrap_or("").to_owned();
    let known = state.openid.registrations.get(&id).filter(|known| bearer(&asked) == Some(&known.token));
    let known = known.cloned().ok_or_else(unauthorized)?;
    let current = state.settings.client(&id).cloned().ok_or_else(unauthorized)?;
    if asked.method == Method::DELETE {
        state.openid.registrations.remove(&id);
        state.settings.clients.retain(|client| client.id != id);
        return Ok(Answer::empty(StatusCode::NO_CONTENT));
    }
    if asked.method == Method::GET {
        return Ok(answer(state, current, known.metadata, StatusCode::OK));
    }
    let mut metadata = metadata(asked)?;
    if metadata.get("client_id").and_then(Value::as_str) != Some(&id) {
        return Err(invalid("client_id is not this client's"));
    }
    let secret = current.secret.unwrap_or_default();
    if metadata.get("client_secret").is_some_and(|own| own.as_str() != Some(&secret)) {
        return Err(invalid("a client does not choose its secret"));
    }
    for name in ["registration_access_token", "registration_client_uri", "client_id_issued_at"] {
        if metadata.contains_key(name) {
            return Err(invalid("what the server sets was sent"));
        }
    }
    metadata.retain(|name, _| !name.starts_with("client_secret") && name != "client_id");
    let secret = if secret.is_empty() { format!("secret-{}", state.random.text()) } else { secret };
    let client = client(id, secret, &metadata)?;
    Ok(answer(state, client, metadata, StatusCode::OK))
}

/// Keeps the client, and says what was registered.
fn answer(
    state: &mut State,
    client: RegisteredClient,
    metadata: Map<String, Value>,
    status: StatusCode,
) -> Answer {
    let (id, token) = (client.id.clone(), format!("rat-{}", state.random.text()));
    let mut body = Value::Object(metadata.clone());
    body["client_id"] = id.clone().into();
    if let Some(secret) = &client.secret {
        body["client_secret"] = secret.clone().into();
        body["client_secret_expires_at"] = 0.into();
    }
    body["registration_access_token"] = token.clone().into();
    body["registration_client_uri"] = state.settings.issuer.url(&format!("/register/{id}")).into();
    state.settings.clients.retain(|known| known.id != id);
    state.settings.clients.push(client);
    state.openid.registrations.insert(id, Registration { token, metadata });
    Answer::json(status, &body).with(CACHE_CONTROL, "no-store")
}

fn metadata(asked: Asked<'_>) -> Result<Map<String, Value>, Refusal> {
    let mut metadata: Map<String, Value> =
        serde_json::from_slice(asked.body).map_err(|_| invalid("the body is no JSON object"))?;
    // Null is as good as left out (RFC 7592 §2.2), and what is left out has a default (RFC 7591 §2).
    metadata.retain(|_, value| !value.is_null());
    let defaults = [
        ("token_endpoint_auth_method", json!("client_secret_basic")),
        ("grant_types", json!(["authorization_code"])),
        ("response_types", json!(["code"])),
        ("id_token_signed_response_alg", json!("RS256")),
    ];
    for (name, value) in defaults {
        metadata.entry(name).or_insert(value);
    }
    Ok(metadata)
}

fn client(id: String, secret: String, metadata: &Map<String, Value>) -> Result<RegisteredClient, Refusal> {
    let text = |name: &str| metadata.get(name).and_then(Value::as_str).map(str::to_owned);
    let method = text("token_endpoint_auth_method").unwrap_or_default();
    let methods = [
        AuthMethod::Basic,
        AuthMethod::Post,
        AuthMethod::None,
        AuthMethod::PrivateKeyJwt,
        AuthMethod::SecretJwt,
    ];
    let method = methods.into_iter().find(|known| known.name() == method);
    let method = method.ok_or_else(|| invalid("token_endpoint_auth_method is not supported"))?;
    if texts(metadata, "response_types")?.iter().any(|name| ResponseType::parse(name).is_none()) {
        return Err(invalid("a response type is not supported"));
    }
    let redirect_uris = texts(metadata, "redirect_uris")?;
    if redirect_uris.is_empty() || redirect_uris.iter().any(|uri| !uri.contains(':') || uri.contains('#')) {
        return Err(Refusal::new("invalid_redirect_uri", "redirect_uris are missing or not absolute"));
    }
    let keys = match metadata.get("jwks") {
        None => Vec::new(),
        Some(jwks) => Key::of_jwks(&jwks.to_string()).ok_or_else(|| invalid("jwks cannot be read"))?,
    };
    let has_secret = !matches!(method, AuthMethod::None | AuthMethod::PrivateKeyJwt);
    Ok(RegisteredClient {
        secret: has_secret.then_some(secret),
        redirect_uris,
        methods: vec![method],
        keys,
        openid: openid(metadata)?,
        ..RegisteredClient::public(id)
    })
}

/// OpenID Connect Registration §2, and the metadata of the logout specifications.
fn openid(metadata: &Map<String, Value>) -> Result<OpenIdOfClient, Refusal> {
    let text = |name: &str| metadata.get(name).and_then(Value::as_str).map(str::to_owned);
    let known = |algorithm: Option<String>| match algorithm {
        Some(name) if !super::super::metadata::SIGNED_BY.contains(&name.as_str()) => {
            Err(invalid("the algorithm is not supported"))
        }
        algorithm => Ok(algorithm),
    };
    Ok(OpenIdOfClient {
        id_token_alg: known(text("id_token_signed_response_alg"))?.unwrap_or_default(),
        user_info_alg: known(text("userinfo_signed_response_alg"))?,
        request_object_alg: text("request_object_signing_alg"),
        subject_type: match text("subject_type").as_deref() {
            None | Some("public") => SubjectType::Public,
            Some("pairwise") => SubjectType::Pairwise,
            Some(_) => return Err(invalid("subject_type is not known")),
        },
        request_uris: texts(metadata, "request_uris")?,
        post_logout_redirect_uris: texts(metadata, "post_logout_redirect_uris")?,
        back_channel_logout_uri: text("backchannel_logout_uri"),
        front_channel_logout_uri: text("frontchannel_logout_uri"),
        initiate_login_uri: text("initiate_login_uri"),
    })
}

/// A member that is a list of texts.
fn texts(metadata: &Map<String, Value>, name: &str) -> Result<Vec<String>, Refusal> {
    let Some(value) = metadata.get(name) else { return Ok(Vec::new()) };
    let texts = value.as_array().and_then(|all| all.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
    let texts = texts.ok_or_else(|| invalid("a list of texts is none"))?;
    Ok(texts.into_iter().map(str::to_owned).collect())
}

fn invalid(why: &'static str) -> Refusal {
    Refusal::new("invalid_client_metadata", why)
}

fn unauthorized() -> Refusal {
    Refusal {
        status: StatusCode::UNAUTHORIZED,
        challenge: Some(http::HeaderValue::from_static("Bearer error=\"invalid_token\"")),
        ..Refusal::new("invalid_token", "the registration access token is missing or not good any more")
    }
}
