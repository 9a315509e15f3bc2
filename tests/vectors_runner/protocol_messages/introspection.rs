//! What servers say about tokens (RFC 7662).

use serde_json::Value;
use valetkey_proto::{Call, oauth2::endpoint::introspection::IntrospectionRequest};

use super::{
    super::{
        case::Case,
        check::{Answer, Checks},
        world::World,
    },
    client_of,
    openid::{answer, server_with},
    revocation::token,
};

pub(super) fn response(case: &Case) -> Answer {
    let checks = Checks::of(case);
    let server = server_with("introspection_endpoint", "https://as.example/introspect")?;
    let call = Call::new(IntrospectionRequest::new(&server, token(case)?)?, client_of(case)?);
    // The tokens of the cases are good at the time that they were written for.
    let said = World::at(1_562_262_700).play(call, &answer(case))?;
    checks.same("active", said.is_active());
    let Some(token) = said.active() else { return checks.done() };
    checks.same("aud", token.audience().map(Value::from).collect::<Vec<_>>());
    checks.same("cnf", token.extra::<Value>("cnf").unwrap_or_default());
    checks.done()
}
