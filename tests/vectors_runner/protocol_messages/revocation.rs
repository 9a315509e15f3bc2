//! Tokens that are given back (RFC 7009).

use valetkey_proto::{
    Advice, Call,
    oauth2::endpoint::{ShownToken, revocation::RevocationRequest},
    secret::{AccessToken, RefreshToken, Secret},
};

use super::{
    super::{
        case::Case,
        check::{Answer, Checks, Stop},
        world::World,
    },
    check_request, client_of,
    openid::{answer, server_with},
};

/// The token of a case, of the kind that its hint says.
pub(super) fn token(case: &Case) -> Result<ShownToken, Stop> {
    let text = case.text("token").unwrap_or("45ghiukldjahdnhzdauz");
    Ok(match case.text("token_type_hint") {
        None => Secret::new(text).into(),
        Some("refresh_token") => (&RefreshToken::new(text)).into(),
        Some("access_token") => {
            let token =
                AccessToken::bearer(text).ok_or_else(|| Stop::refused("this token cannot be sent"))?;
            (&token).into()
        }
        Some(other) => return Err(Stop::unanswered(format!("the hint {other}"))),
    })
}

fn revocation(case: &Case) -> Result<RevocationRequest, Stop> {
    let endpoint = case.text("endpoint").unwrap_or("https://as.example/revoke");
    Ok(RevocationRequest::new(&server_with("revocation_endpoint", endpoint)?, token(case)?)?)
}

pub(super) fn request(case: &Case) -> Answer {
    let request = World::new().first_request(Call::new(revocation(case)?, client_of(case)?))?;
    check_request(case, &request, &[])
}

pub(super) fn response(case: &Case) -> Answer {
    let checks = Checks::of(case);
    let outcome = World::new().play(Call::new(revocation(case)?, client_of(case)?), &answer(case));
    let Err(error) = outcome else {
        checks.same("ok", true);
        return checks.done();
    };
    if case.expected.is_empty() {
        return Err(error.into());
    }
    checks.same("ok", false);
    checks.same("error", error.response().map(|refused| refused.code().as_str()));
    checks.same("retryable", matches!(error.advice(), Advice::RetryAfter(_)));
    // Whatever is an error has revoked nothing.
    checks.same("token_still_valid", true);
    checks.done()
}
