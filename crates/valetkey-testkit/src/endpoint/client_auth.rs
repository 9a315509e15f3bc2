//! Which client is asking (RFC 6749 §2.3): exactly one method, and one that it may use.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderValue, StatusCode, header::AUTHORIZATION};

use crate::{
    message::{Asked, Params, Refusal},
    settings::{AuthMethod, Settings},
};

/// The id of the client that sent this form, once it has proved who it is.
pub(super) fn authenticate(settings: &Settings, asked: Asked<'_>, form: &Params) -> Result<String, Refusal> {
    let mut headers = asked.headers.get_all(AUTHORIZATION).iter();
    let presented = match (headers.next(), form.get("client_secret")) {
        (Some(_), Some(_)) => return Err(Refusal::request("two ways of client authentication")),
        (Some(header), None) if headers.next().is_none() => basic(header, form)?,
        (Some(_), None) => return Err(Refusal::request("two Authorization headers")),
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
    let known = settings.client(&presented.id).filter(|client| {
        let allowed = settings.methods.contains(&presented.method);
        allowed && client.methods.contains(&presented.method) && client.secret == presented.secret
    });
    known.map(|client| client.id.clone()).ok_or_else(|| refused(presented.method))
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
        AuthMethod::Post | AuthMethod::None => refusal,
    }
}
