//! Which client is asking (RFC 6749 §2.3): exactly one method, and one that it may use.

use std::time::SystemTime;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderValue, StatusCode, header::AUTHORIZATION};

use crate::{
    assertion::check,
    jose::{Jwt, Key, SYMMETRIC},
    message::{Asked, Params, Refusal},
    settings::{AuthMethod, RegisteredClient, Settings},
    state::State,
};

/// What the type of an assertion is (RFC 7523 §2.2).
const JWT: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The id of the client that sent this form, once it has proved who it is.
pub(super) fn authenticate(state: &mut State, asked: Asked<'_>, form: &Params) -> Result<String, Refusal> {
    let mut headers = asked.headers.get_all(AUTHORIZATION).iter();
    let (header, secret) = (headers.next(), form.get("client_secret"));
    let asserts = ["client_assertion", "client_assertion_type"].iter().any(|name| form.get(name).is_some());
    if [header.is_some(), secret.is_some(), asserts].iter().filter(|way| **way).count() > 1 {
        return Err(Refusal::request("two ways of client authentication"));
    }
    if headers.next().is_some() {
        return Err(Refusal::request("two Authorization headers"));
    }
    if asserts {
        return by_assertion(state, form, asked.now);
    }
    let presented = match (header, secret) {
        (Some(header), _) => basic(header, form)?,
        (None, Some(secret)) => Presented {
            method: AuthMethod::Post,
            id: form.need("client_id")?.into(),
            secret: Some(secret.into()),
        },
        (None, None) => match form.get("client_id") {
            Some(id) => Presented { method: AuthMethod::None, id: id.into(), secret: None },
            None => return Err(refused(AuthMethod::None)),
        },
    };
    let settings = &state.settings;
    let known = settings
        .client(&presented.id)
        .filter(|client| is_allowed(settings, client, presented.method) && client.secret == presented.secret);
    known.map(|client| client.id.clone()).ok_or_else(|| refused(presented.method))
}

fn is_allowed(settings: &Settings, client: &RegisteredClient, method: AuthMethod) -> bool {
    settings.methods.contains(&method) && client.methods.contains(&method)
}

/// A JWT that the client has made of its key or its secret (RFC 7523 §2.2 and §3).
fn by_assertion(state: &mut State, form: &Params, now: SystemTime) -> Result<String, Refusal> {
    if form.need("client_assertion_type")? != JWT {
        return Err(Refusal::request("the type of the assertion is not known"));
    }
    let invalid = |why| Refusal::new("invalid_client", why);
    let jwt = Jwt::parse(form.need("client_assertion")?).ok_or_else(|| invalid("the assertion is no JWT"))?;
    let id = jwt.text("sub").ok_or_else(|| invalid("the assertion has no subject"))?;
    if form.get("client_id").is_some_and(|named| named != id) {
        return Err(Refusal::request("client_id is not the client that authenticated"));
    }
    let settings = &state.settings;
    let client = settings.client(id).ok_or_else(|| invalid("the client is unknown"))?;
    let is_symmetric = SYMMETRIC.contains(&jwt.algorithm());
    let method = if is_symmetric { AuthMethod::SecretJwt } else { AuthMethod::PrivateKeyJwt };
    if !is_allowed(settings, client, method) {
        return Err(invalid("the client may not authenticate like this"));
    }
    let secret = || client.secret.iter().map(|secret| Key::Secret(secret.as_bytes().to_vec())).collect();
    let keys: Vec<Key> = if is_symmetric { secret() } else { client.keys.clone() };
    check(state, &jwt, id, &keys, now).map_err(invalid)?;
    Ok(id.to_owned())
}

struct Presented {
    method: AuthMethod,
    id: String,
    secret: Option<String>,
}

/// Both parts are form-decoded after the split at the first colon (RFC 6749 §2.3.1).
fn basic(header: &HeaderValue, form: &Params) -> Result<Presented, Refusal> {
    let refuse = || refused(AuthMethod::Basic);
    let (scheme, credentials) =
        header.to_str().ok().and_then(|header| header.split_once(' ')).ok_or_else(refuse)?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return Err(refuse());
    }
    let decoded = STANDARD.decode(credentials).ok().and_then(|text| String::from_utf8(text).ok());
    let decoded = decoded.ok_or_else(refuse)?;
    let (id, secret) = decoded.split_once(':').ok_or_else(refuse)?;
    let (id, secret) = (form_decoded(id).ok_or_else(refuse)?, form_decoded(secret).ok_or_else(refuse)?);
    if form.get("client_id").is_some_and(|named| named != id) {
        return Err(Refusal::request("client_id is not the client that authenticated"));
    }
    Ok(Presented { method: AuthMethod::Basic, id, secret: Some(secret) })
}

/// One value, decoded as in a form; `None` if it has characters that an encoder must not leave.
fn form_decoded(text: &str) -> Option<String> {
    if text.contains(['&', '=']) {
        return None;
    }
    let mut pairs = form_urlencoded::parse(text.as_bytes());
    Some(pairs.next().map_or_else(String::new, |(name, _)| name.into_owned()))
}

/// A client that tried by header is answered 401 with a challenge, another 400 (RFC 6749 §5.2).
fn refused(method: AuthMethod) -> Refusal {
    let refusal = Refusal::new("invalid_client", "the client is unknown or did not prove who it is");
    match method {
        AuthMethod::Basic => Refusal {
            status: StatusCode::UNAUTHORIZED,
            challenge: Some(HeaderValue::from_static("Basic realm=\"valetkey-testkit\", charset=\"UTF-8\"")),
            ..refusal
        },
        AuthMethod::Post | AuthMethod::None | AuthMethod::PrivateKeyJwt | AuthMethod::SecretJwt => refusal,
    }
}
