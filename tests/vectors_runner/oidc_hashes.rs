//! OpenID Connect Core §3.1.3.6: a token, code or state and an algorithm in, its hash out.

use valetkey_proto::{crypto::SignatureAlgorithm, jose::jwt::token_hash};

use super::{
    case::Case,
    check::{Answer, Checks, Stop},
    world::World,
};

pub(crate) fn run(case: &Case) -> Answer {
    let checks = Checks::of(case);
    let name = case.text("alg").expect("an algorithm");
    let algorithm = SignatureAlgorithm::parse(name).ok_or_else(|| Stop::refused("an unknown algorithm"))?;
    let hash = token_hash(algorithm, case.text("value").expect("a value"), &World::new().crypto);
    // How a whole token is refused for its hash is among the cases of ID tokens.
    if case.text("claim").is_some_and(|claim| claim != hash) {
        return Err(Stop::refused("another hash"));
    }
    checks.same("hash", hash);
    checks.same("ok", true);
    checks.done()
}
