//! Assertions: of clients, of service accounts, and as tokens; signed here and elsewhere.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header::AUTHORIZATION};
use serde_json::{Value, json};
use valetkey::{
    BoxError, Client, ErrorCode, ErrorKind, Reason, RemoteSigner, Result, Signing, blocking,
    crypto::{CryptoProvider, PrivateKey, RemoteKey, Signature, SignatureAlgorithm, SigningKey},
    oauth2::{
        assertion::{Assertion, ServiceAccount},
        client::{AssertionKey, ClientAuth},
        server::Issuer,
    },
};
use valetkey_http::{Backend, Response, backend_fn};
use valetkey_testkit::{
    Audience, AuthMethod, Dpop, DpopNonces, Effect, Entry, Expect, Fault, HMAC_SECRET, Member, Place,
    Provider, RegisteredClient, SERVICE_ACCOUNT, block_on, fault,
    keys::{self, TestKey},
};

use crate::{builder, get, sign_in};

fn key(key: TestKey) -> SigningKey {
    let algorithm = SignatureAlgorithm::parse(key.algorithm()).unwrap();
    let parsed = PrivateKey::parse(key.pem().as_bytes()).unwrap();
    parsed.signing_key(algorithm, &CryptoProvider::ring()).unwrap()
}

fn signed(provider: &Provider, auth: ClientAuth) -> Result<Client> {
    block_on(builder_of(provider, "signed").auth(auth).build())
}

fn builder_of(provider: &Provider, id: &str) -> valetkey::ClientBuilder {
    let builder = Client::builder(provider.clone()).random(provider.random()).discover(&provider.issuer());
    builder.id(id).redirect_uri("https://client.test/cb").api(&provider.issuer())
}

/// Answers a moment later, as a KMS does.
#[derive(Debug)]
struct Kms(Provider);

#[async_trait::async_trait]
impl RemoteSigner for Kms {
    async fn sign(&self, signing: &Signing) -> std::result::Result<Vec<u8>, BoxError> {
        if signing.key.name() != "kms/es256" {
            return Err("no such key".into());
        }
        Backend::sleep(&self.0, Duration::from_millis(20)).await;
        let SigningKey::Local(signer) = key(keys::es256()) else { panic!("a key that is here") };
        let mut signature = Signature::new();
        signer.sign(&signing.message, &mut signature)?;
        Ok(signature.as_ref().to_vec())
    }
}

fn remote(name: &str) -> SigningKey {
    SigningKey::Remote(RemoteKey::new(name, SignatureAlgorithm::Es256))
}

/// The claims of the assertions in the token requests.
fn assertions(provider: &Provider, name: &str) -> Vec<Value> {
    let claims = |entry: &Entry| entry.param(name).map(claims_of);
    provider.transcript().iter().filter(|entry| entry.place() == Place::Token).filter_map(claims).collect()
}

fn claims_of(jwt: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(jwt.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

fn all_differ(claims: &[Value]) -> bool {
    let names: HashSet<_> = claims.iter().map(|claims| claims["jti"].as_str().unwrap()).collect();
    names.len() == claims.len()
}

#[test]
fn s_tk_05_every_key_signs_in_and_stays_signed_in() {
    let keys = [keys::rs256(), keys::ps256(), keys::es256(), keys::ed_dsa()];
    let auths = keys.map(|known| ("signed", ClientAuth::private_key_jwt(key(known))));
    let secret = |algorithm| ("hmac", ClientAuth::assertion(AssertionKey::secret(algorithm, HMAC_SECRET)));
    let secrets =
        [SignatureAlgorithm::Hs256, SignatureAlgorithm::Hs384, SignatureAlgorithm::Hs512].map(secret);
    for (id, auth) in auths.into_iter().chain(secrets) {
        let provider = Provider::new();
        let client = block_on(builder_of(&provider, id).auth(auth.clone()).build()).unwrap();
        let session = sign_in(&client, &provider).unwrap();
        block_on(session.refresh()).unwrap();
        assert_eq!(block_on(session.send(get(provider.api("me")))).unwrap().status(), 200, "{auth:?}");
        let service = client.client_credentials().scope("read").session().unwrap();
        assert_eq!(block_on(service.send(get(provider.api("me")))).unwrap().status(), 200, "{auth:?}");
        let sent = assertions(&provider, "client_assertion");
        assert!(sent.len() == 3 && all_differ(&sent));
        assert!(sent.iter().all(|claims| claims["aud"] == provider.issuer().as_str()));
    }
    let provider = Provider::new();
    let stranger = signed(&provider, ClientAuth::private_key_jwt(key(keys::other_es256()))).unwrap();
    let error = block_on(stranger.client_credentials().session().unwrap().tokens()).unwrap_err();
    assert_eq!(error.response().map(|response| response.code().clone()), Some(ErrorCode::InvalidClient));
}

#[test]
fn t18_a_retry_is_not_taken_for_a_replay() {
    for auth in
        [ClientAuth::private_key_jwt(key(keys::es256())), ClientAuth::private_key_jwt(remote("kms/es256"))]
    {
        for row in ["token-503-retry-after", "token-dropped"] {
            let provider = Provider::new();
            let builder = builder_of(&provider, "signed").auth(auth.clone()).signer(Kms(provider.clone()));
            let client = block_on(builder.build()).unwrap();
            provider.set_fault(fault(row).times(1));
            block_on(client.client_credentials().session().unwrap().tokens()).unwrap();
            let sent = assertions(&provider, "client_assertion");
            assert!(sent.len() == 2 && all_differ(&sent), "{row}: {sent:?}");
        }
    }
}

#[test]
fn t18_a_demand_for_a_nonce_is_answered_with_another_assertion_and_another_proof() {
    let es256 = keys::es256();
    let proving = RemoteKey::new("kms/es256", SignatureAlgorithm::Es256).with_public_jwk(&es256.public_jwk());
    for (auth_key, proof_key) in [
        (key(es256), None),
        (remote("kms/es256"), None),
        (remote("kms/es256"), Some(SigningKey::Remote(proving))),
    ] {
        let provider = Provider::builder().dpop(Dpop::Demanded).dpop_nonces(DpopNonces::Token).build();
        let builder = builder_of(&provider, "signed").auth(ClientAuth::private_key_jwt(auth_key));
        let builder = match proof_key {
            Some(key) => builder.dpop_key(key),
            None => builder.dpop(),
        };
        let client = block_on(builder.signer(Kms(provider.clone())).build()).unwrap();
        let session = sign_in(&client, &provider).unwrap();
        provider.renew_dpop_nonces();
        block_on(session.refresh()).unwrap();

        let asked: Vec<_> =
            provider.transcript().into_iter().filter(|entry| entry.place() == Place::Token).collect();
        let statuses: Vec<_> = asked.iter().filter_map(Entry::status).collect();
        assert_eq!(statuses, [400, 200, 400, 200]);
        let proof = |entry: &Entry| claims_of(entry.headers().get("dpop")?.to_str().ok()?).into();
        let proofs: Vec<Value> = asked.iter().filter_map(proof).collect();
        let sent = assertions(&provider, "client_assertion");
        assert!(proofs.len() == 4 && all_differ(&proofs), "{proofs:?}");
        assert!(sent.len() == 4 && all_differ(&sent), "{sent:?}");
        // The first renewal still has the nonce of the sign-in.
        let nonces: Vec<_> = proofs.iter().map(|claims| claims["nonce"].as_str()).collect();
        assert!(nonces[0].is_none() && nonces[1] == nonces[2], "{nonces:?}");
        assert!(nonces[1].is_some() && nonces[3].is_some() && nonces[1] != nonces[3], "{nonces:?}");
    }
}

#[test]
fn a_key_that_is_elsewhere_signs_and_a_signer_that_fails_sends_nothing() {
    let provider = Provider::new();
    let auth = |name| ClientAuth::assertion(AssertionKey::new(remote(name)).with_kid("p256").with_typ());
    let builder = builder_of(&provider, "signed").auth(auth("kms/es256")).signer(Kms(provider.clone()));
    let client = block_on(builder.build()).unwrap();
    let session = sign_in(&client, &provider).unwrap();
    block_on(session.refresh()).unwrap();
    assert_eq!(block_on(session.send(get(provider.api("me")))).unwrap().status(), 200);
    let mark = provider.mark();
    let other = builder_of(&provider, "signed").auth(auth("kms/other")).signer(Kms(provider.clone()));
    for builder in [other, builder_of(&provider, "signed").auth(auth("kms/es256"))] {
        let client = block_on(builder.build()).unwrap();
        let error = block_on(client.client_credentials().session().unwrap().tokens()).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::SigningFailed));
    }
    assert!(provider.requests_since(mark).iter().all(|entry| entry.place() == Place::Metadata));
}

#[test]
fn s_tk_06_an_old_server_gets_its_endpoint_from_a_key_of_its_own() {
    let provider = Provider::builder().audience(Audience::TokenEndpoint).build();
    let plain = signed(&provider, ClientAuth::private_key_jwt(key(keys::es256()))).unwrap();
    let error = block_on(plain.client_credentials().session().unwrap().tokens()).unwrap_err();
    assert_eq!(error.reason(), Reason::RequestDenied);

    let legacy = |issuer: &str| {
        let (issuer, endpoint) = (Issuer::parse(issuer).unwrap(), format!("{}/token", provider.issuer()));
        AssertionKey::new(key(keys::es256())).with_audience_token_endpoint(&issuer, &endpoint).unwrap()
    };
    let own = signed(&provider, ClientAuth::assertion(legacy(&provider.issuer()))).unwrap();
    block_on(own.client_credentials().session().unwrap().tokens()).unwrap();

    // One key at two issuers: there is no such client.
    let error = signed(&provider, ClientAuth::assertion(legacy("https://other.test"))).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::IssuerMismatch));
}

#[test]
fn s_tk_07_nothing_is_signed_for_an_issuer_that_its_document_does_not_name() {
    for row in ["metadata-issuer-other-host", "metadata-issuer-slash", "metadata-issuer-case"] {
        let provider = Provider::builder().fault(fault(row)).build();
        let error = signed(&provider, ClientAuth::private_key_jwt(key(keys::es256()))).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Untrusted, Reason::IssuerMismatch), "{row}");
        assert_eq!(provider.count(Place::Token), 0, "{row}");
    }
}

#[test]
fn metadata_decides_how_a_secret_is_shown_and_never_what_the_program_decided() {
    let provider = Provider::builder().auth_methods([AuthMethod::SecretJwt]).build();
    let client = block_on(builder_of(&provider, "hmac").secret(HMAC_SECRET).build()).unwrap();
    block_on(client.client_credentials().session().unwrap().tokens()).unwrap();
    let shown =
        format!("{:?}", provider.transcript().iter().map(|entry| entry.form().to_vec()).collect::<Vec<_>>());
    assert!(!shown.contains(HMAC_SECRET) && shown.contains("client_assertion"));

    // The first of the HMACs that it lists, and HS256 if it lists none.
    for (listed, algorithm) in
        [("[\"RS256\",\"HS512\",\"HS384\"]", "HS384"), ("[\"RS256\"]", "HS256"), ("null", "HS256")]
    {
        let listed = Vec::leak(vec![Member::Set(
            "token_endpoint_auth_signing_alg_values_supported",
            listed.as_bytes(),
        )]);
        let fault = Fault::new("of-this-test", Place::Metadata, Effect::Json(listed), Expect::Accepted);
        let provider = Provider::builder().auth_methods([AuthMethod::SecretJwt]).fault(fault).build();
        let client = block_on(builder_of(&provider, "hmac").secret(HMAC_SECRET).build()).unwrap();
        block_on(client.client_credentials().session().unwrap().tokens()).unwrap();
        let asked = provider.transcript().pop().unwrap();
        let header = asked.param("client_assertion").unwrap().split('.').next().unwrap();
        let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
        assert_eq!(header["alg"], algorithm);
    }

    // Whatever the server would rather have.
    let provider = Provider::builder().auth_methods([AuthMethod::Post]).build();
    let client = block_on(builder_of(&provider, "hmac").auth(ClientAuth::secret_jwt(HMAC_SECRET)).build());
    block_on(client.unwrap().client_credentials().session().unwrap().tokens()).unwrap_err();
    let asked = provider.transcript().pop().unwrap();
    assert!(asked.param("client_assertion").is_some() && asked.param("client_secret").is_none());

    let error = block_on(builder(&provider).auth(ClientAuth::none()).build()).unwrap_err();
    assert_eq!(error.reason(), Reason::InvalidValue, "both a secret and another way");
}

#[test]
fn s_jw_09_a_short_secret_signs_in_if_that_is_said_and_an_empty_one_never() {
    let short = RegisteredClient::confidential("short", "s3cret").auth_methods([AuthMethod::SecretJwt]);
    let provider = Provider::builder().client(short).build();
    let client = |secret: &str, is_said: bool| {
        let key = AssertionKey::secret(SignatureAlgorithm::Hs256, secret);
        let key = if is_said { key.with_short_secret() } else { key };
        block_on(builder_of(&provider, "short").auth(ClientAuth::assertion(key)).build())
    };
    for (secret, is_said) in [("s3cret", false), ("", false), ("", true)] {
        let error = client(secret, is_said).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::InvalidKey));
    }
    assert_eq!(provider.count(Place::Token), 0);
    block_on(client("s3cret", true).unwrap().client_credentials().session().unwrap().tokens()).unwrap();
}

fn robot(key: SigningKey) -> Assertion {
    Assertion::new(key, SERVICE_ACCOUNT).unwrap().with_subject("alice").unwrap()
}

#[test]
fn al_12_a_session_renews_itself_by_another_assertion() {
    let provider = Provider::new();
    let bare = builder_of(&provider, "robot").auth(ClientAuth::unnamed());
    let authenticated = builder_of(&provider, "app").secret("app-secret");
    for (builder, signing) in [(bare, key(keys::rs256())), (authenticated, remote("kms/es256"))] {
        let mark = provider.mark();
        let client = block_on(builder.signer(Kms(provider.clone())).build()).unwrap();
        let session = client.jwt_bearer(robot(signing)).scope("read").session().unwrap();
        assert_eq!(block_on(session.send(get(provider.api("me")))).unwrap().status(), 200);
        let first = block_on(session.tokens()).unwrap();
        assert!(first.refresh_token().is_none());
        provider.advance(Duration::from_secs(3601));
        assert_eq!(block_on(session.send(get(provider.api("me")))).unwrap().status(), 200);
        provider.revoke_access_tokens();
        assert_eq!(block_on(session.send(get(provider.api("me")))).unwrap().status(), 200);
        let asked = provider.requests_since(mark);
        let asked = asked.iter().filter(|entry| entry.place() == Place::Token);
        let sent: Vec<_> = asked.map(|entry| claims_of(entry.param("assertion").unwrap())).collect();
        assert!(sent.len() == 3 && all_differ(&sent), "{sent:?}");
        assert!(sent.iter().all(|claims| claims["aud"] == provider.issuer().as_str()));
        assert_eq!(session.record().unwrap().generation(), 2);
    }
    let client = block_on(builder_of(&provider, "robot").auth(ClientAuth::unnamed()).build()).unwrap();
    let stranger = client.jwt_bearer(robot(key(keys::other_es256()))).session().unwrap();
    let error = block_on(stranger.tokens()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::RequestDenied));
    assert_eq!(error.response().map(|response| response.code().clone()), Some(ErrorCode::InvalidGrant));
    assert!(client.jwt_bearer(robot(key(keys::es256()))).scope("bad\"scope").session().is_err());
}

#[test]
fn t18_a_grant_that_is_sent_again_is_another() {
    let provider = Provider::new();
    let client = block_on(builder_of(&provider, "robot").auth(ClientAuth::unnamed()).build()).unwrap();
    provider.set_fault(fault("token-dropped").times(2));
    block_on(client.jwt_bearer(robot(key(keys::ed_dsa()))).session().unwrap().tokens()).unwrap();
    let sent = assertions(&provider, "assertion");
    assert!(sent.len() == 3 && all_differ(&sent));
}

#[test]
fn an_account_at_google_by_its_file() {
    // As Google does, it wants its token endpoint as the audience.
    let provider = Provider::builder().audience(Audience::TokenEndpoint).build();
    let file = json!({"type": "service_account", "client_email": SERVICE_ACCOUNT, "private_key_id": "rsa",
        "private_key": keys::rs256().pem(), "token_uri": format!("{}/token", provider.issuer())});
    let account = ServiceAccount::google(&file.to_string(), "read", &CryptoProvider::ring()).unwrap();
    let account = account.with_subject("alice").unwrap();
    let build = || Client::builder(provider.clone()).service_account(&account).api(&provider.issuer());
    let session = block_on(build().build()).unwrap().service_account(&account).unwrap();
    assert_eq!(block_on(session.send(get(provider.api("me")))).unwrap().status(), 200);
    let entry = provider.transcript().into_iter().find(|entry| entry.place() == Place::Token).unwrap();
    let names: Vec<_> = entry.form().iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["grant_type", "assertion"], "and nothing was asked before it");
    assert_eq!(provider.count(Place::Metadata), 0);

    let other = block_on(builder(&provider).build()).unwrap().service_account(&account).unwrap_err();
    assert_eq!((other.kind(), other.reason()), (ErrorKind::Config, Reason::IssuerMismatch));
    let client = blocking::Client::build(build()).unwrap();
    let session = client.service_account(&account).unwrap();
    assert_eq!(session.send(get(provider.api("me"))).unwrap().status(), 200);
    let session = client.jwt_bearer(account.assertion().clone()).scope("read").session().unwrap();
    session.tokens().unwrap();
}

#[test]
fn a_token_that_is_made_here_is_made_anew_when_it_is_refused_or_old() {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = Arc::clone(&seen);
    let backend = move || {
        let heard = Arc::clone(&heard);
        backend_fn(move |request, _| {
            let value = request.headers()[AUTHORIZATION].to_str().unwrap().to_owned();
            assert_eq!(request.uri(), "https://api.github.com/app");
            let mut heard = heard.lock().unwrap();
            let mut response = Response::new(Bytes::new());
            // The first token is refused.
            if heard.is_empty() {
                *response.status_mut() = StatusCode::UNAUTHORIZED;
                response.headers_mut().insert("www-authenticate", HeaderValue::from_static("Bearer"));
            }
            heard.push(value);
            async { Ok(response) }
        })
    };
    let account = ServiceAccount::github_app("12345", key(keys::rs256())).unwrap();
    let client = block_on(Client::builder(backend()).service_account(&account).build()).unwrap();
    let session = client.service_account(&account).unwrap();
    for _ in 0..3 {
        assert_eq!(block_on(session.send(get("https://api.github.com/app"))).unwrap().status(), 200);
    }
    let tokens: Vec<_> = seen.lock().unwrap().iter().map(|value| value.replace("Bearer ", "")).collect();
    assert_eq!(tokens.len(), 4);
    assert!(tokens[0] != tokens[1] && tokens[1] == tokens[2], "one is made for the one that was refused");
    let claims = claims_of(&tokens[1]);
    assert_eq!(claims["iss"], "12345");
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 600);
    let error = block_on(session.send(get("https://evil.test/app"))).unwrap_err();
    assert_eq!(error.reason(), Reason::OriginNotAllowed);

    // In virtual time: by a key that is elsewhere, and again when it has expired.
    let provider = Provider::new();
    let client = block_on(builder_of(&provider, "robot").signer(Kms(provider.clone())).build()).unwrap();
    let session = client.self_signed(robot(remote("kms/es256")));
    let first = block_on(session.tokens()).unwrap();
    assert_eq!(block_on(session.tokens()).unwrap(), first);
    provider.advance(Duration::from_secs(300));
    assert_ne!(block_on(session.tokens()).unwrap(), first);
    assert_eq!(provider.count(Place::Token), 0, "no server is asked");
}
