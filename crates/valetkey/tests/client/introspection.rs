//! What a server says about the tokens that an API is shown.

use valetkey::{
    Client, ClientBuilder, ErrorCode, ErrorKind, Reason,
    crypto::{ContentEncryption, CryptoProvider, KeyManagement, SignatureAlgorithm},
    jose::jwe::{Decrypter, Encrypter},
    secret::Secret,
};
use valetkey_http::Backend;
use valetkey_proto::Env;
use valetkey_testkit::{Effect, Expect, Fault, Member, OpenId, Place, Provider, block_on, faults};

use crate::{builder, client, sign_in};

/// An API, which is a client of the server, too.
fn api(provider: &Provider) -> ClientBuilder {
    builder(provider).id("service").secret("service-secret")
}

fn build(builder: ClientBuilder) -> Client {
    block_on(builder.build()).expect("the provider is well")
}

#[test]
fn s_in_01_a_token_is_what_its_server_says() {
    let provider = Provider::new();
    let (client, api) = (client(&provider), build(api(&provider)));
    let session = sign_in(&client, &provider).unwrap();
    let tokens = block_on(session.tokens()).unwrap();
    let said = block_on(api.introspect(tokens.access_token())).unwrap();
    let token = said.active().unwrap();
    assert_eq!((token.client_id(), token.username()), (Some("app"), Some("alice")));
    assert_eq!((token.token_type(), token.issuer()), (Some("Bearer"), Some("https://issuer.test")));
    assert!(token.scope().unwrap().contains("read") && !token.is_bound());
    assert!(block_on(api.introspect(tokens.refresh_token().unwrap())).unwrap().is_active());
    assert!(!block_on(api.introspect(Secret::new("nobody's"))).unwrap().is_active());
}

#[test]
fn s_in_02_nothing_is_kept_of_what_was_said() {
    let provider = Provider::new();
    let (client, api) = (client(&provider), build(api(&provider)));
    let session = sign_in(&client, &provider).unwrap();
    let tokens = block_on(session.tokens()).unwrap();
    assert!(block_on(api.introspect(tokens.access_token())).unwrap().is_active());
    // From the next question on.
    block_on(session.revoke()).unwrap();
    assert!(!block_on(api.introspect(tokens.access_token())).unwrap().is_active());
    assert!(!block_on(api.introspect(tokens.refresh_token().unwrap())).unwrap().is_active());
}

#[test]
fn s_in_01_a_bound_token_says_to_which_key() {
    let provider = Provider::builder().dpop(valetkey_testkit::Dpop::Offered).build();
    let client = build(builder(&provider).dpop());
    let session = sign_in(&client, &provider).unwrap();
    let tokens = block_on(session.tokens()).unwrap();
    let said = block_on(build(api(&provider)).introspect(tokens.access_token())).unwrap();
    let token = said.active().unwrap();
    assert!(token.is_bound() && token.confirmation("jkt").is_some_and(|thumbprint| thumbprint.len() == 43));
}

#[test]
fn s_in_01_nobody_asks_without_authentication() {
    let provider = Provider::new();
    let public = Client::builder(provider.clone()).discover(&provider.issuer()).id("native");
    let error = block_on(build(public).introspect(Secret::new("found"))).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::RequestDenied));
    assert_eq!(*error.response().unwrap().code(), ErrorCode::InvalidClient);
}

#[test]
fn s_f2_10_a_signed_answer_is_verified_by_the_servers_keys() {
    let provider = Provider::builder().openid(OpenId::new()).build();
    let api = build(api(&provider).introspection_algorithm(SignatureAlgorithm::Rs256));
    let session = sign_in(&client(&provider), &provider).unwrap();
    let tokens = block_on(session.tokens()).unwrap();
    let said = block_on(api.introspect(tokens.access_token())).unwrap();
    assert_eq!(said.active().unwrap().username(), Some("alice"));
    assert_eq!(provider.count(Place::Keys), 1);

    // A server that has new keys is asked for them.
    provider.rotate_keys();
    provider.advance(std::time::Duration::from_secs(31));
    assert!(block_on(api.introspect(tokens.access_token())).unwrap().is_active());
    assert_eq!(provider.count(Place::Keys), 2);

    // What is not signed is not believed.
    const PLAIN: &[u8] = br#"{"active":true,"sub":"admin"}"#;
    let headers = &[("content-type", "application/json")];
    let plain = Effect::Answer { status: 200, headers, body: PLAIN };
    provider.set_fault(Fault::new("introspection-plain", Place::Introspection, plain, Expect::Accepted));
    let error = block_on(api.introspect(tokens.access_token())).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Untrusted, Reason::KindMismatch));
}

#[test]
fn s_f2_10_an_encrypted_answer_is_decrypted_and_verified() {
    let provider = Provider::builder().openid(OpenId::new()).real_clock().build();
    let (crypto, secret) = (CryptoProvider::ring(), [9; 32]);
    let (algorithm, encryption) = (KeyManagement::A256GcmKw, ContentEncryption::A256Gcm);
    // The provider's answers about tokens, encrypted on their way.
    let encrypting = {
        let provider = provider.clone();
        valetkey_http::backend_fn(move |request: valetkey_http::Request, limits: valetkey_http::Limits| {
            let (provider, is_here) = (provider.clone(), request.uri().path() == "/introspect");
            async move {
                let mut response = provider.send(request, limits).await?;
                if is_here {
                    let env = Env {
                        now: provider.now().into(),
                        random: &*provider.random(),
                        crypto: &CryptoProvider::ring(),
                    };
                    let encrypter = Encrypter::secret(&secret, algorithm, encryption, env.crypto).unwrap();
                    let text = String::from_utf8_lossy(response.body()).into_owned();
                    *response.body_mut() = encrypter.encrypt(&text, &env).unwrap().into();
                }
                Ok(response)
            }
        })
    };
    let session = sign_in(&client(&provider), &provider).unwrap();
    let tokens = block_on(session.tokens()).unwrap();
    let decrypter = || Decrypter::secret(&secret, algorithm, encryption, &crypto).unwrap();
    let builder =
        Client::builder(encrypting).discover("https://issuer.test").id("service").secret("service-secret");
    // Signed by RS256, unless something else is said.
    let api_of_encrypted = build(builder.introspection_decrypter(decrypter()));
    let said = block_on(api_of_encrypted.introspect(tokens.access_token())).unwrap();
    assert_eq!(said.active().unwrap().username(), Some("alice"));
    // What everybody on the way could read is not taken.
    let plain = build(api(&provider).introspection_decrypter(decrypter()));
    assert_eq!(block_on(plain.introspect(tokens.access_token())).unwrap_err().kind(), ErrorKind::Protocol);
}

#[test]
fn s_in_01_no_server_that_misbehaves_is_believed() {
    let rows: Vec<_> = faults().filter(|fault| fault.at == Place::Introspection).collect();
    assert!(rows.len() >= 12, "{}", rows.len());
    for fault in rows {
        let provider = Provider::new();
        let session = sign_in(&client(&provider), &provider).unwrap();
        let tokens = block_on(session.tokens()).unwrap();
        let api = build(api(&provider));
        provider.set_fault(*fault);
        let outcome = block_on(api.introspect(tokens.access_token()));
        match (&outcome, fault.expect) {
            (Ok(said), Expect::Accepted) => assert!(said.is_active(), "{}", fault.name),
            (Err(error), Expect::Rejected { kind, reason }) => {
                assert_eq!((error.kind(), error.reason()), (kind, reason), "{}", fault.name);
            }
            _ => panic!("{}: {outcome:?}", fault.name),
        }
        assert!(provider.faults_happened() > 0 && provider.count(Place::Elsewhere) == 0, "{}", fault.name);
    }
}

#[test]
fn a_server_without_the_endpoint_is_named() {
    let without = Effect::Json(&[Member::Remove("introspection_endpoint")]);
    let without = Fault::new("no-introspection", Place::Metadata, without, Expect::Accepted);
    let provider = Provider::builder().fault(without).build();
    let error = block_on(build(api(&provider)).introspect(Secret::new("found"))).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::MissingEndpoint));
}
