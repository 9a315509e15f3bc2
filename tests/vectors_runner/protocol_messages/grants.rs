//! Tokens for tokens (RFC 8693), and for passwords (RFC 6749 §4.3).

use valetkey_proto::{
    Call,
    oauth2::grant::{TokenExchangeGrant, TokenTypeIdentifier, TypedToken, legacy::PasswordGrant},
    secret::Secret,
};

use super::{
    super::{
        case::Case,
        check::{Answer, Checks, Stop},
        world::World,
    },
    check_request, client_of, more,
    openid::answer,
    server, texts,
};

pub(super) fn password(case: &Case) -> Answer {
    let password = Secret::new(case.text("password").expect("a password"));
    let mut grant = PasswordGrant::new(&server(case)?, case.text("username").expect("a name"), password)?;
    if let Some(scope) = case.input.get("scope") {
        grant = grant.with_scope(&texts(scope).join(" "))?;
    }
    for (name, value) in more(case, &["username", "password", "scope"]) {
        grant = grant.with_parameter(&name, &value)?;
    }
    check_request(case, &World::new().first_request(Call::new(grant, client_of(case)?))?, &[])
}

/// A token and its type, which go together: they are one value.
fn token(case: &Case, name: &str) -> Result<Option<TypedToken>, Stop> {
    let token_type = case.text(&format!("{name}_type"));
    match (case.text(name), token_type) {
        (None, None) => Ok(None),
        (Some(token), Some(token_type)) => {
            Ok(Some(TypedToken::new(Secret::new(token), TokenTypeIdentifier::from(token_type))))
        }
        (Some(_), None) | (None, Some(_)) => Err(Stop::refused("a token has a type")),
    }
}

fn exchange(case: &Case) -> Result<TokenExchangeGrant, Stop> {
    let subject = token(case, "subject_token")?.ok_or_else(|| Stop::refused("no subject"))?;
    let mut grant = TokenExchangeGrant::new(&server(case)?, subject)?;
    if let Some(actor) = token(case, "actor_token")? {
        grant = grant.with_actor(actor);
    }
    if let Some(requested) = case.text("requested_token_type") {
        grant = grant.with_requested_token_type(requested.into());
    }
    for audience in case.input.get("audience").map(texts).unwrap_or_default() {
        grant = grant.with_audience(&audience);
    }
    if let Some(scope) = case.input.get("scope") {
        grant = grant.with_scope(&texts(scope).join(" "))?;
    }
    for resource in case.input.get("resource").map(texts).unwrap_or_default() {
        grant = grant.with_parameter("resource", &resource)?;
    }
    Ok(grant)
}

pub(super) fn exchange_request(case: &Case) -> Answer {
    check_request(case, &World::new().first_request(Call::new(exchange(case)?, client_of(case)?))?, &[])
}

pub(super) fn exchange_response(case: &Case) -> Answer {
    let checks = Checks::of(case);
    let subject = TypedToken::new(Secret::new("s"), TokenTypeIdentifier::Jwt);
    let grant = TokenExchangeGrant::new(&server(case)?, subject)?;
    let issued = World::new().play(Call::new(grant, client_of(case)?), &answer(case))?;
    checks.same("issued_token_type", issued.issued_token_type().as_str());
    checks.same("token_type", issued.token_type().as_str());
    let lifetime = issued.tokens().and_then(|tokens| tokens.lifetime());
    checks.same("expires_in", lifetime.map(|time| time.as_secs()));
    checks.same("access_token", issued.token().expose());
    checks.done()
}
