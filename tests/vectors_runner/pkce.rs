//! RFC 7636: verifier and method in, challenge out.

use valetkey_proto::oauth2::authorization::{CodeChallengeMethod, CodeVerifier};

use super::{
    case::Case,
    check::{Answer, Checks},
    world::World,
};

pub(crate) fn run(case: &Case) -> Answer {
    let checks = Checks::of(case);
    CodeChallengeMethod::parse(case.text("method").unwrap_or("S256"))?;
    let verifier = CodeVerifier::parse(case.text("verifier").expect("a verifier"))?;
    checks.same("challenge", verifier.challenge(&World::new().crypto).as_str());
    checks.done()
}
