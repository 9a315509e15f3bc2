//! Tokens that are bound to keys (RFC 9449): sign-ins, APIs, renewals, records, and servers that mean ill.

use std::time::Duration;

use async_trait::async_trait;
use valetkey::{
    Advice, BoxError, Client, ErrorKind, NoReplay, Reason, RemoteSigner, Session, Signing, TokenRecord,
    Verdict,
    crypto::{CryptoProvider, PrivateKey, RemoteKey, Signature, SignatureAlgorithm, SigningKey},
    oauth2::server::{Issuer, ServerMetadata},
    seal::{SealingKey, SealingKeys},
};
use valetkey_http::Backend;
use valetkey_testkit::{Dpop, DpopNonces, Effect, Expect, Fault, Member, Place, Provider, block_on};

use crate::{
    builder, get,
    renewal::{HOUR, call},
    sign_in,
};

/// A provider that gives no token without a proof, and a client whose sessions have keys.
fn setup(nonces: DpopNonces) -> (Provider, Client) {
    let provider = Provider::builder().dpop(Dpop::Demanded).dpop_nonces(nonces).build();
    let client = block_on(builder(&provider).dpop().build()).unwrap();
    (provider, client)
}

/// How many requests there were since then, for tokens and to the API.
fn asked_since(provider: &Provider, before: [usize; 2]) -> [usize; 2] {
    let [tokens, api] = asked(provider);
    [tokens - before[0], api - before[1]]
}

fn asked(provider: &Provider) -> [usize; 2] {
    [provider.count(Place::Token), provider.count(Place::Resource)]
}

fn thumbprint(session: &Session) -> String {
    block_on(session.tokens()).unwrap().key().unwrap().thumbprint().to_owned()
}

fn key(algorithm: SignatureAlgorithm) -> SigningKey {
    let crypto = CryptoProvider::ring();
    PrivateKey::generate(algorithm, &crypto).unwrap().signing_key(algorithm, &crypto).unwrap()
}

/// A place that demands this nonce, whatever comes.
fn demands(at: Place, nonce: &str) -> Fault {
    let nonce: &'static str = nonce.to_owned().leak();
    let (status, header, body): (_, (&'static str, &'static str), &'static [u8]) = match at {
        Place::Token => (400, ("content-type", "application/json"), b"{\"error\":\"use_dpop_nonce\"}"),
        _ => (401, ("www-authenticate", "DPoP error=\"use_dpop_nonce\""), b""),
    };
    let headers = Vec::leak(vec![header, ("dpop-nonce", nonce)]);
    Fault::new("of-this-test", at, Effect::Answer { status, headers, body }, Expect::Accepted)
}

#[test]
fn s_dp_05_every_session_has_a_key_of_its_own_and_keeps_it() {
    for nonces in [DpopNonces::Off, DpopNonces::Both, DpopNonces::Rotating] {
        let (provider, client) = setup(nonces);
        let [first, second] = [sign_in(&client, &provider).unwrap(), sign_in(&client, &provider).unwrap()];
        for session in [&first, &second] {
            let before = thumbprint(session);
            assert_eq!(call(session, &provider).unwrap(), 200, "{nonces:?}");
            assert_eq!(call(session, &provider).unwrap(), 200, "{nonces:?}");
            block_on(session.refresh()).unwrap();
            assert_eq!(call(session, &provider).unwrap(), 200, "{nonces:?}");
            assert!(session.bearer().is_none(), "worth nothing without a proof");
            assert_eq!(thumbprint(session), before);
        }
        assert_ne!(thumbprint(&first), thumbprint(&second));
        // At each of the two places the first request of all is refused, and no other, be there a new nonce every time.
        let more = usize::from(nonces != DpopNonces::Off);
        assert_eq!(asked(&provider), [4 + more, 6 + more], "{nonces:?}");
        // Nonces that are no longer good cost one request at each place.
        provider.renew_dpop_nonces();
        let before = asked(&provider);
        block_on(first.refresh()).unwrap();
        assert_eq!(call(&first, &provider).unwrap(), 200);
        assert_eq!(asked_since(&provider, before), [1 + more, 1 + more], "{nonces:?}");
    }
}

#[test]
fn s_dp_03_a_demand_for_ever_ends_with_an_error() {
    for (nonce, most) in [("again", 2), (&"n".repeat(15 << 10), 1), ("", 1), ("a b", 1)] {
        let (provider, client) = setup(DpopNonces::Off);
        let session = sign_in(&client, &provider).unwrap();
        provider.set_fault(demands(Place::Resource, nonce));
        let before = asked(&provider);
        let error = call(&session, &provider).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::NonceDemanded));
        assert_eq!(asked_since(&provider, before), [0, most]);
        provider.set_fault(demands(Place::Token, nonce));
        let error = block_on(session.refresh()).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::NonceDemanded));
        assert_eq!(asked_since(&provider, before), [most, most]);
        let error = sign_in(&client, &provider).unwrap_err();
        assert_eq!(error.reason(), Reason::NonceDemanded);
        assert!(!format!("{error:?} {error}").contains("nnnn"));
        // The refresh token was not taken: the session goes on when the server does.
        provider.clear_faults();
        provider.advance(2 * HOUR);
        assert_eq!(call(&session, &provider).unwrap(), 200);
    }
}

#[test]
fn s_tk_09_a_downgrade_to_bearer_is_refused() {
    let (provider, client) = setup(DpopNonces::Off);
    let session = sign_in(&client, &provider).unwrap();
    const BEARER: &[Member] = &[Member::Set("token_type", b"\"Bearer\"")];
    provider.set_fault(Fault::new("of-this-test", Place::Token, Effect::Json(BEARER), Expect::Accepted));
    let error = sign_in(&client, &provider).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Untrusted, Reason::TokenNotBound));
    let before = asked(&provider);
    let error = block_on(session.refresh()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Untrusted, Reason::TokenNotBound));
    assert_eq!(error.advice(), Advice::Reauthorize);
    // The refresh token may be used up: it is not sent again.
    assert!(block_on(session.refresh()).is_err());
    assert_eq!(asked_since(&provider, before), [1, 0]);
    assert_eq!(call(&session, &provider).unwrap(), 200, "the old token is still good");
    // A server that knows nothing of proofs gives bearer tokens, too.
    let provider = Provider::new();
    let client = block_on(builder(&provider).dpop().build()).unwrap();
    assert_eq!(sign_in(&client, &provider).unwrap_err().reason(), Reason::TokenNotBound);
}

#[test]
fn s_tk_22_a_refused_token_is_renewed_and_nonces_do_not_multiply_requests() {
    for nonces in [DpopNonces::Off, DpopNonces::Both, DpopNonces::Rotating] {
        let (provider, client) = setup(nonces);
        let session = sign_in(&client, &provider).unwrap();
        assert_eq!(call(&session, &provider).unwrap(), 200);
        let before = asked(&provider);
        provider.revoke_access_tokens();
        provider.renew_dpop_nonces();
        assert_eq!(call(&session, &provider).unwrap(), 200, "{nonces:?}");
        let [tokens, api] = asked_since(&provider, before);
        assert!(tokens <= 2 && api <= 4, "{nonces:?} {tokens} {api}");
    }
}

#[test]
fn s_dp_04_a_restored_session_goes_on_with_its_key() {
    let (provider, client) = setup(DpopNonces::Both);
    let session = sign_in(&client, &provider).unwrap();
    let (before, record) = (thumbprint(&session), session.record().unwrap());
    let record = TokenRecord::parse(record.to_text().expose()).unwrap();
    // Another process, whose client was told of no key.
    let other = block_on(builder(&provider).build()).unwrap();
    let session = other.restore(record).unwrap();
    assert_eq!(call(&session, &provider).unwrap(), 200);
    provider.advance(2 * HOUR);
    assert_eq!(call(&session, &provider).unwrap(), 200);
    assert_eq!(thumbprint(&session), before);
}

#[test]
fn s_dp_04_a_key_of_the_programs_own_is_missed_where_it_is_not() {
    let (provider, _) = setup(DpopNonces::Both);
    let own = key(SignatureAlgorithm::EdDsa);
    let client = || block_on(builder(&provider).dpop_key(own.clone()).build()).unwrap();
    let session = sign_in(&client(), &provider).unwrap();
    assert_eq!(call(&session, &provider).unwrap(), 200);
    let record = session.record().unwrap();
    let restored = client().restore(record.clone()).unwrap();
    assert_eq!(call(&restored, &provider).unwrap(), 200);
    block_on(restored.refresh()).unwrap();
    let strangers = [
        builder(&provider).dpop_key(key(SignatureAlgorithm::EdDsa)),
        builder(&provider).dpop(),
        builder(&provider),
    ];
    for stranger in strangers {
        let error = block_on(stranger.build()).unwrap().restore(record.clone()).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::KeyMissing));
    }
}

#[test]
fn s_dp_04_a_sign_in_that_is_sealed_carries_its_key() {
    let (provider, _) = setup(DpopNonces::Off);
    let client = || {
        let keys = SealingKeys::new(SealingKey::new([7; 32]));
        block_on(builder(&provider).dpop().sealing_keys(keys).build()).unwrap()
    };
    let (url, pending) = block_on(client().authorize().start()).unwrap();
    let jkt = url.as_str().split("&dpop_jkt=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let sealed = client().seal(pending).unwrap();
    // The process that the browser comes back to is another one.
    let other = client();
    let pending = other.unseal(sealed.expose()).unwrap();
    let session = block_on(other.redeem(pending, provider.visit(&url).unwrap())).unwrap();
    assert_eq!(thumbprint(&session), jkt);
    assert_eq!(call(&session, &provider).unwrap(), 200);
}

#[test]
fn s_dp_03_requests_that_others_send_have_proofs_too() {
    for (nonces, expected) in [(DpopNonces::Off, 1), (DpopNonces::Both, 2), (DpopNonces::Rotating, 2)] {
        let (provider, client) = setup(nonces);
        let session = sign_in(&client, &provider).unwrap();
        let mut request = get(provider.api("me"));
        let send = |request: &http::Request<bytes::Bytes>| {
            let sent = request.clone();
            block_on(provider.send(sent, valetkey_http::Limits::default())).unwrap()
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
        provider.set_fault(demands(Place::Resource, "again"));
        let before = asked(&provider);
        let error = loop {
            let attached = block_on(session.attach(&mut request)).unwrap();
            let response = send(&request);
            match block_on(session.learn(&attached, &response)) {
                Ok(verdict) => assert_eq!(verdict, Verdict::Again),
                Err(error) => break error,
            }
        };
        assert_eq!(error.reason(), Reason::NonceDemanded);
        assert_eq!(asked_since(&provider, before), [0, 2]);
    }
}

#[test]
fn s_dp_03_what_must_not_be_sent_twice_is_not_for_a_nonce_either() {
    let (provider, client) = setup(DpopNonces::Both);
    let session = sign_in(&client, &provider).unwrap();
    let before = asked(&provider);
    let mut request = get(provider.api("me"));
    request.extensions_mut().insert(NoReplay);
    let error = block_on(session.send(request.clone())).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::NotReplayed));
    assert_eq!(asked_since(&provider, before), [0, 1]);
    // The nonce was learned all the same.
    assert_eq!(block_on(session.send(request)).unwrap().status(), 200);
}

#[test]
fn s_dp_01_a_server_that_takes_no_such_proofs_is_no_server_for_this_client() {
    let (provider, _) = setup(DpopNonces::Off);
    let server = |algorithms: &str| {
        let issuer = provider.issuer();
        let document = format!(
            r#"{{"issuer":"{issuer}","authorization_endpoint":"{issuer}/authorize","token_endpoint":"{issuer}/token",
                "dpop_signing_alg_values_supported":{algorithms}}}"#
        );
        ServerMetadata::parse(&Issuer::parse(&issuer).unwrap(), &document.into()).unwrap()
    };
    let builder = |algorithms| builder(&provider).server(server(algorithms));
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
        assert!(block_on(builder.build()).is_ok());
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
    let (provider, _) = setup(DpopNonces::Both);
    let here = key(SignatureAlgorithm::Es256);
    let remote = RemoteKey::new("safe/1", SignatureAlgorithm::Es256);
    let remote = SigningKey::Remote(remote.with_public_jwk(here.public_jwk().unwrap()));
    let client = block_on(builder(&provider).dpop_key(remote).signer(Safe(here)).build()).unwrap();
    let session = sign_in(&client, &provider).unwrap();
    assert_eq!(call(&session, &provider).unwrap(), 200);
    block_on(session.refresh()).unwrap();
    assert_eq!(call(&session, &provider).unwrap(), 200);
    let mut request = get(provider.api("me"));
    let attached = block_on(session.attach(&mut request)).unwrap();
    let response = block_on(provider.send(request, valetkey_http::Limits::default())).unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(block_on(session.learn(&attached, &response)).unwrap(), Verdict::Final);
}

#[test]
fn a_service_and_a_blocking_program_have_keys_too() {
    let (provider, _) = setup(DpopNonces::Both);
    let service = Client::builder(provider.clone()).discover(&provider.issuer()).id("service");
    let service = service.secret("service-secret").api(&provider.issuer()).dpop();
    let client = valetkey::blocking::Client::build(service).unwrap();
    let session = client.client_credentials().scope("read").session().unwrap();
    let mut keys = Vec::new();
    for _ in 0..2 {
        assert_eq!(session.send(get(provider.api("me"))).unwrap().status(), 200);
        keys.push(session.tokens().unwrap().key().cloned());
        provider.advance(2 * HOUR + Duration::from_secs(1));
    }
    assert!(keys[0].is_some() && keys[0] == keys[1]);
}
