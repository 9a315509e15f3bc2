//! An ID token that is validated with keys at hand, in valetkey, in jsonwebtoken on RustCrypto and in openidconnect, and
//! the signature alone by ring; a DPoP proof, in valetkey, in jsonwebtoken, and its signature alone.

#[path = "../../../goals/contender.rs"]
mod contender;
#[expect(dead_code, reason = "all is measured")]
#[path = "../../../goals/rounds.rs"]
mod rounds;
#[path = "../../../goals/stopwatch.rs"]
mod stopwatch;
#[expect(dead_code, reason = "AWS-LC is measured by the goals")]
#[path = "../../../goals/tokens.rs"]
mod tokens;
#[expect(dead_code, reason = "here is no flow")]
#[path = "../../../goals/world.rs"]
mod world;

use contender::Contender;
use openidconnect::{
    ClientId, IssuerUrl, Nonce,
    core::{CoreIdToken, CoreIdTokenVerifier, CoreJwsSigningAlgorithm},
};
use rounds::{Rounds, fastest};
use tokens::{Case, NONCE};
use world::{CLIENT_ID, ISSUER};

fn main() {
    tokens::assert_alike();
    let names = ["openidconnect, RS256", "openidconnect, ES256", "openidconnect, EdDSA"];
    for (case, name) in tokens::cases().iter().zip(names) {
        report([case.ours(), by_openidconnect(name, case), case.jsonwebtoken(), case.ring()]);
    }
    report([tokens::proof(), tokens::proof_by_jsonwebtoken(), tokens::proof_by_ring()]);
}

fn report<const N: usize>(mut contenders: [Contender; N]) {
    let times = fastest(&Rounds::MEASURE, &mut contenders);
    for (contender, time) in contenders.iter().zip(times) {
        println!(
            "{:<32} {time:>8.0} ns/op, {:>6.2} times valetkey's, which is {:.3} of it",
            contender.name,
            time / times[0],
            times[0] / time
        );
    }
}

/// Parsed and verified, claims and all.
fn by_openidconnect(name: &'static str, case: &Case) -> Contender {
    let keys = serde_json::from_str(&case.keys).expect("keys");
    let issuer = IssuerUrl::new(ISSUER.to_owned()).expect("an issuer");
    let algorithms = [
        CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
        CoreJwsSigningAlgorithm::EcdsaP256Sha256,
        CoreJwsSigningAlgorithm::EdDsa,
    ];
    let verifier = CoreIdTokenVerifier::new_public_client(ClientId::new(CLIENT_ID.to_owned()), issuer, keys)
        .set_allowed_algs(algorithms);
    let nonce = Nonce::new(NONCE.to_owned());
    let token = case.token.clone();
    Contender::new(
        name,
        || (),
        move |()| {
            let token: CoreIdToken = token.parse().expect("a token");
            token.into_claims(&verifier, &nonce).expect("a good token")
        },
    )
}
