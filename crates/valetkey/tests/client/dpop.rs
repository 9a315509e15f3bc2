//! Tokens that are bound to keys (RFC 9449): sign-ins, APIs, renewals, records, and servers that mean ill.

use std::time::Duration;

use async_trait::async_trait;
use valetkey::{
    Advice, BoxError, Client, ClientBuilder, ErrorKind, NoReplay, Reason, RemoteSigner, Session, Signing,
    TokenRecord, Verdict,
    crypto::{CryptoProvider, PrivateKey, RemoteKey, Signature, SignatureAlgorithm, SigningKey},
    oauth2::server::{Issuer, ServerMetadata},
    seal::{SealingKey, SealingKeys},
};
use valetkey_http::Backend;
use valetkey_testkit::{Provider, block_on};

use crate::{
    get,
    guard::{Guard, Nonces},
    renewal::HOUR,
    sign_in,
};

fn builder(guard: &Guard, provider: &Provider) -> ClientBuilder {
    Client::builder(guard.clone())
        .random(provider.random())
        .discover(&provider.issuer())
        .id("app")
        .secret("app-secret")
        .redirect_uri("https://client.test/cb")
        .api(&provider.issuer())
}

fn setup(nonces: Nonces) -> (Provider, Guard, Client) {
    let provider = Provider::new();
    let guard = Guard::new(&provider, nonces);
    let client = block_on(builder(&guard, &provider).dpop().build()).unwrap();
    (provider, guard, client)
}

fn call(session: &Session, provider: &Provider) -> valetkey::Result<u16> {
    block_on(session.send(get(provider.api("me")))).map(|response| response.status().as_u16())
}

fn key(algorithm: SignatureAlgorithm) -> SigningKey {
    let crypto = CryptoProvider::ring();
    PrivateKey::generate(algorithm, &crypto).unwrap().signing_key(algorithm, &crypto).unwrap()
}

#[test]
fn s_dp_05_every_session_has_a_key_of_its_own_and_keeps_it() {
    for nonces in [Nonces::None, Nonces::Demanded, Nonces::Rotating] {
        let (provider, guard, client) = setup(nonces);
        let first = sign_in(&client, &provider).unwrap();
        let second = sign_in(&client, &provider).unwrap();
        for session in [&first, &second] {
            assert_eq!(call(session, &provider).unwrap(), 200, "{nonces:?}");
            assert_eq!(call(session, &provider).unwrap(), 200, "{nonces:?}");
            block_on(session.refresh()).unwrap();
            assert_eq!(call(session, &provider).unwrap(), 200, "{nonces:?}");
            assert!(session.bearer().is_none(), "worth nothing without a proof");
        }
        let state = guard.state();
        let [one, two, one_again, two_again] = &state.thumbprints[..] else { panic!("four token responses") };
        assert!(one == one_again && two == two_again && one != two, "{nonces:?}");
        // The first request to each of the two places is refused, and no other.
        let more = usize::from(nonces != Nonces::None);
        match nonces {
            // What the token endpoint names is the newest nonce of the origin, and the API then wants another.
            Nonces::Rotating => assert!(state.asked[0] <= 8 && state.asked[1] <= 12, "{:?}", state.asked),
            _ => {
                assert!(state.asked[0] <= 4 + 4 * more && state.asked[1] <= 6 + 6 * more, "{:?}", state.asked)
            }
        }
    }
}

#[test]
fn s_dp_03_a_demand_for_ever_ends_with_an_error() {
    for nonces in [Nonces::ForEver, Nonces::Huge] {
        let (provider, guard, client) = setup(Nonces::None);
        let session = sign_in(&client, &provider).unwrap();
        guard.state().nonces = nonces;
        guard.state().asked = [0; 2];
        let most = if nonces == Nonces::ForEver { 2 } else { 1 };
        let error = call(&session, &provider).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::NonceDemanded), "{nonces:?}");
        assert_eq!(guard.state().asked, [0, most]);
        let error = block_on(session.refresh()).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::NonceDemanded), "{nonces:?}");
        assert_eq!(guard.state().asked, [most, most]);
        let error = sign_in(&client, &provider).unwrap_err();
        assert_eq!(error.reason(), Reason::NonceDemanded);
        assert!(!format!("{error:?} {error}").contains("nnnn"));
        // The refresh token was not taken: the session goes on when the server does.
        guard.state().nonces = Nonces::Demanded;
        provider.advance(2 * HOUR);
        assert_eq!(call(&session, &provider).unwrap(), 200, "{nonces:?}");
    }
}

#[test]
fn s_tk_09_a_downgrade_to_bearer_is_refused() {
    let (provider, guard, client) = setup(Nonces::None);
    let session = sign_in(&client, &provider).unwrap();
    guard.state().downgrades = true;
    let error = sign_in(&client, &provider).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Untrusted, Reason::TokenNotBound));
    let asked = guard.state().asked;
    let error = block_on(session.refresh()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Untrusted, Reason::TokenNotBound));
    assert_eq!(error.advice(), Advice::Reauthorize);
    // The refresh token may be used up: it is not sent again.
    assert!(block_on(session.refresh()).is_err());
    assert_eq!(guard.state().asked, [asked[0] + 1, asked[1]]);
    assert_eq!(call(&session, &provider).unwrap(), 200, "the old token is still good");
}

#[test]
fn s_tk_22_a_refused_token_is_renewed_and_nonces_do_not_multiply_requests() {
    for nonces in [Nonces::None, Nonces::Rotating] {
        let (provider, guard, client) = setup(nonces);
        let session = sign_in(&client, &provider).unwrap();
        assert_eq!(call(&session, &provider).unwrap(), 200);
        guard.state().asked = [0; 2];
        provider.revoke_access_tokens();
        assert_eq!(call(&session, &provider).unwrap(), 200, "{nonces:?}");
        let asked = guard.state().asked;
        assert!(asked[0] <= 2 && asked[1] <= 4, "{nonces:?} {asked:?}");
    }
}

#[test]
fn s_dp_04_a_restored_session_goes_on_with_its_key() {
    let (provider, guard, client) = setup(Nonces::Demanded);
    let record = sign_in(&client, &provider).unwrap().record().unwrap();
    let record = TokenRecord::parse(record.to_text().expose()).unwrap();
    // Another process, whose client was told of no key.
    let other = block_on(builder(&guard, &provider).build()).unwrap();
    let session = other.restore(record).unwrap();
    assert_eq!(call(&session, &provider).unwrap(), 200);
    provider.advance(2 * HOUR);
    assert_eq!(call(&session, &provider).unwrap(), 200);
    let state = guard.state();
    assert!(state.thumbprints.len() == 2 && state.thumbprints[0] == state.thumbprints[1]);
}

#[test]
fn s_dp_04_a_key_of_the_programs_own_is_missed_where_it_is_not() {
    let provider = Provider::new();
    let guard = Guard::new(&provider, Nonces::Demanded);
    let own = key(SignatureAlgorithm::EdDsa);
    let client = || block_on(builder(&guard, &provider).dpop_key(own.clone()).build()).unwrap();
    let session = sign_in(&client(), &provider).unwrap();
    assert_eq!(call(&session, &provider).unwrap(), 200);
    let record = session.record().unwrap();
    let restored = client().restore(record.clone()).unwrap();
    assert_eq!(call(&restored, &provider).unwrap(), 200);
    block_on(restored.refresh()).unwrap();
    let strangers = [
        builder(&guard, &provider).dpop_key(key(SignatureAlgorithm::EdDsa)),
        builder(&guard, &provider).dpop(),
        builder(&guard, &provider),
    ];
    for stranger in strangers {
        let error = block_on(stranger.build()).unwrap().restore(record.clone()).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::KeyMissing));
    }
}

#[test]
fn s_dp_04_a_sign_in_that_is_sealed_carries_its_key() {
    let provider = Provider::new();
    let guard = Guard::new(&provider, Nonces::None);
    let client = || {
        let keys = SealingKeys::new(SealingKey::new([7; 32]));
        block_on(builder(&guard, &provider).dpop().sealing_keys(keys).build()).unwrap()
    };
    let (url, pending) = block_on(client().authorize().start()).unwrap();
    let jkt = url.as_str().split("&dpop_jkt=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let sealed = client().seal(pending).unwrap();
    // The process that the browser comes back to is another one.
    let other = client();
    let pending = other.unseal(sealed.expose()).unwrap();
    let session = block_on(other.redeem(pending, provider.visit(&url).unwrap())).unwrap();
    assert_eq!(guard.state().thumbprints, [jkt]);
    assert_eq!(call(&session, &provider).unwrap(), 200);
}

#[test]
fn s_dp_03_requests_that_others_send_have_proofs_too() {
    for (nonces, expected) in [(Nonces::None, 1), (Nonces::Demanded, 2), (Nonces::Rotating, 2)] {
        let (provider, guard, client) = setup(nonces);
        let session = sign_in(&client, &provider).unwrap();
        guard.state().asked = [0; 2];
        let mut request = get(provider.api("me"));
        let send = |request: &http::Request<bytes::Bytes>| {
            let sent = request.clone();
            block_on(guard.send(sent, valetkey_http::Limits::default())).unwrap()
        };
        let mut answers = Vec::new();
        loop {
            let attached = block_on(session.attach(&mut request)).unwrap();
            let response = send(&request);
            answers.push(response.status().as_u16());
            if block_on(session.learn(&attached, &response)).unwrap() == Verdict::Final {
                break;
            }
        }
        assert_eq!((answers.last(), answers.len()), (Some(&200), expected), "{nonces:?}");
        // A proof of somebody else's is not replaced.
        let mut foreign = get(provider.api("me"));
        foreign.headers_mut().insert("dpop", "mine".parse().unwrap());
        let error = block_on(session.attach(&mut foreign)).unwrap_err();
        assert_eq!(error.reason(), Reason::AlreadyAuthorized);
        // And a loop at a server that is never content ends.
        guard.state().nonces = Nonces::ForEver;
        guard.state().asked = [0; 2];
        let error = loop {
            let attached = block_on(session.attach(&mut request)).unwrap();
            let response = send(&request);
            match block_on(session.learn(&attached, &response)) {
                Ok(verdict) => assert_eq!(verdict, Verdict::Again),
                Err(error) => break error,
            }
        };
        assert_eq!((error.reason(), guard.state().asked), (Reason::NonceDemanded, [0, 2]));
    }
}

#[test]
fn s_dp_03_what_must_not_be_sent_twice_is_not_for_a_nonce_either() {
    let (provider, guard, client) = setup(Nonces::Demanded);
    let session = sign_in(&client, &provider).unwrap();
    guard.state().asked = [0; 2];
    let mut request = get(provider.api("me"));
    request.extensions_mut().insert(NoReplay);
    let error = block_on(session.send(request.clone())).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::NotReplayed));
    assert_eq!(guard.state().asked, [0, 1]);
    // The nonce was learned all the same.
    assert_eq!(block_on(session.send(request)).unwrap().status(), 200);
}

#[test]
fn s_dp_01_a_server_that_takes_no_such_proofs_is_no_server_for_this_client() {
    let provider = Provider::new();
    let guard = Guard::new(&provider, Nonces::None);
    let server = |algorithms: &str| {
        let issuer = provider.issuer();
        let document = format!(
            r#"{{"issuer":"{issuer}","authorization_endpoint":"{issuer}/authorize","token_endpoint":"{issuer}/token",
                "dpop_signing_alg_values_supported":{algorithms}}}"#
        );
        ServerMetadata::parse(&Issuer::parse(&issuer).unwrap(), &document.into()).unwrap()
    };
    let builder = |algorithms| builder(&guard, &provider).server(server(algorithms));
    for builder in
        [builder(r#"["RS256"]"#).dpop(), builder(r#"["ES256"]"#).dpop_key(key(SignatureAlgorithm::EdDsa))]
    {
        let error = block_on(builder.build()).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::UnsupportedAlgorithm));
    }
    for builder in [
        builder(r#"["Ed25519"]"#).dpop(),
        builder(r#"["ES384"]"#).dpop(),
        builder(r#"["EdDSA"]"#).dpop_key(key(SignatureAlgorithm::EdDsa)),
    ] {
        let session = sign_in(&block_on(builder.build()).unwrap(), &provider).unwrap();
        assert_eq!(call(&session, &provider).unwrap(), 200);
    }
}

/// A key that is elsewhere.
#[derive(Debug)]
struct Safe(SigningKey);

#[async_trait]
impl RemoteSigner for Safe {
    async fn sign(&self, signing: &Signing) -> Result<Vec<u8>, BoxError> {
        assert_eq!(signing.key.name(), "safe/1");
        let SigningKey::Local(signer) = &self.0 else { return Err("elsewhere".into()) };
        let mut signature = Signature::new();
        signer.sign(&signing.message, &mut signature)?;
        Ok(signature.as_ref().to_vec())
    }
}

#[test]
fn s_dp_05_a_key_that_is_elsewhere_proves_as_well() {
    let provider = Provider::new();
    let guard = Guard::new(&provider, Nonces::Demanded);
    let here = key(SignatureAlgorithm::Es256);
    let remote = RemoteKey::new("safe/1", SignatureAlgorithm::Es256);
    let remote = SigningKey::Remote(remote.with_public_jwk(here.public_jwk().unwrap()));
    let client = block_on(builder(&guard, &provider).dpop_key(remote).signer(Safe(here)).build()).unwrap();
    let session = sign_in(&client, &provider).unwrap();
    assert_eq!(call(&session, &provider).unwrap(), 200);
    block_on(session.refresh()).unwrap();
    assert_eq!(call(&session, &provider).unwrap(), 200);
    let mut request = get(provider.api("me"));
    let attached = block_on(session.attach(&mut request)).unwrap();
    let response = block_on(guard.send(request, valetkey_http::Limits::default())).unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(block_on(session.learn(&attached, &response)).unwrap(), Verdict::Final);
}

#[test]
fn a_service_and_a_blocking_program_have_keys_too() {
    let provider = Provider::new();
    let guard = Guard::new(&provider, Nonces::Demanded);
    let service = Client::builder(guard.clone()).discover(&provider.issuer()).id("service");
    let service = service.secret("service-secret").api(&provider.issuer()).dpop();
    let client = valetkey::blocking::Client::build(service).unwrap();
    let session = client.client_credentials().scope("read").session().unwrap();
    for _ in 0..2 {
        assert_eq!(session.send(get(provider.api("me"))).unwrap().status(), 200);
        provider.advance(2 * HOUR + Duration::from_secs(1));
    }
    let state = guard.state();
    assert!(state.thumbprints.len() == 2 && state.thumbprints[0] == state.thumbprints[1]);
}
