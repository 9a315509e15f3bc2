//! A whole sign-in by OpenID Connect, for people: how many a second one processor does, and what share of it is the
//! signature. The provider runs in the same process, and its part, which includes signing, is in it.

use valetkey::{Client, crypto::SignatureAlgorithm};
use valetkey_http::block_on;
use valetkey_testkit::{OpenId, Provider, RegisteredClient};

use crate::{contender::Contender, rounds::Rounds, rounds::fastest, tokens};

/// Prints a line for each algorithm.
pub(crate) fn report(rounds: &Rounds) {
    let [rsa, p256, ed25519] = tokens::cases();
    let mut contenders = [
        sign_in("RS256", SignatureAlgorithm::Rs256),
        rsa.ring(),
        sign_in("ES256", SignatureAlgorithm::Es256),
        p256.ring(),
        sign_in("EdDSA", SignatureAlgorithm::EdDsa),
        ed25519.ring(),
    ];
    let times = fastest(rounds, &mut contenders);
    for (pair, name) in times.chunks_exact(2).zip(["RS256", "ES256", "EdDSA"]) {
        let [whole, signature] = pair else { unreachable!("two a case") };
        let (rate, share) = (1e9 / whole, 100.0 * signature / whole);
        println!("# OpenID sign-in {name}: {rate:.0} a second, {share:.1} % verifying the signature");
    }
}

/// URL, callback, code for tokens, and the ID token verified by kept keys.
fn sign_in(name: &'static str, algorithm: SignatureAlgorithm) -> Contender {
    let registered = RegisteredClient::confidential("rp", "secret")
        .redirect_uri("https://client.test/cb")
        .id_token_signed_by(name);
    let provider = Provider::builder().openid(OpenId::new()).client(registered).build();
    let client = Client::builder(provider.clone())
        .discover(&provider.issuer())
        .id("rp")
        .secret("secret")
        .redirect_uri("https://client.test/cb")
        .id_token_algorithm(algorithm)
        .build();
    let client = block_on(client).expect("a client");
    Contender::new(
        name,
        || (),
        move |()| {
            block_on(async {
                let (url, pending) = client.authorize().scope("openid").start().await.expect("a URL");
                let callback = provider.visit(&url).expect("the user approves");
                client.redeem(pending, callback).await.expect("a session")
            })
        },
    )
}
