//! OAuth 2.0 against real servers: oidc-provider and Authlib.
//!
//! `tests/interop/up.sh -- cargo test -p valetkey-tests --test interop_oauth2` starts them and says in the
//! environment where they are. Without, each test says that it is skipped.

#![expect(clippy::print_stdout, reason = "a skipped test says so, and a failing one how far it got")]

#[path = "interop/backend.rs"]
mod adapter;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::select;
use http::StatusCode;
use valetkey::{
    BoxError, Client, ClientBuilder, ErrorCode, ErrorKind, Reason, RemoteSigner, Session, Signing,
    crypto::{CryptoProvider, PrivateKey, RemoteKey, Signature, SignatureAlgorithm, SigningKey},
    oauth2::{
        assertion::Assertion,
        client::{AssertionKey, ClientAuth},
        grant::RefreshTokenGrant,
        server::Issuer,
    },
    secret::RefreshToken,
};
use valetkey_http::{Backend, Failure, Limits, Request, Response, Task};

const SECRET: &str = "interop-secret-0123456789-0123456789-0123456789-0123456789-abcdef";
const SPECIAL_SECRET: &str = "p@ss:w/o+r%d &=\"?~{}";
const CALLBACK: &str = "http://127.0.0.1:9999/cb";

/// Where the issuer of oidc-provider is that demands nonces in proofs.
const WITH_NONCES: &str = "/dpop-nonce";

/// A server under test: where it is, and how a user gets through its pages.
struct Server {
    issuer: String,
    backend: Arc<dyn Backend>,
    robot: Robot,
}

#[derive(Clone, Copy, PartialEq)]
enum Robot {
    /// oidc-provider has a page that visits a URL as a browser would, and says where it ended.
    Page,
    /// Authlib's authorization endpoint answers at once.
    Redirect,
}

impl Server {
    fn oidc_provider() -> Option<Self> {
        Self::named("VALETKEY_OP", Robot::Page)
    }

    fn authlib() -> Option<Self> {
        Self::named("VALETKEY_AUTHLIB", Robot::Redirect)
    }

    fn named(variable: &str, robot: Robot) -> Option<Self> {
        let issuer = variable_of(variable)?;
        Some(Self { issuer, backend: adapter::backend(None), robot })
    }

    fn client(&self, id: &str) -> ClientBuilder {
        Client::builder(Arc::clone(&self.backend))
            .discover(&self.issuer)
            .id(id)
            .redirect_uri(CALLBACK)
            .api(&self.issuer)
    }

    async fn get(&self, url: &str) -> Response {
        let request = http::Request::get(url).body(Bytes::new()).expect("a request");
        self.backend.send(request, Limits::default()).await.expect("an answer")
    }

    /// Visits a page as the user's browser, and says where it ended.
    async fn visit(&self, url: &str) -> String {
        match self.robot {
            Robot::Page => {
                let url: String = form_urlencoded::byte_serialize(url.as_bytes()).collect();
                let base = self.issuer.trim_end_matches(WITH_NONCES);
                let response = self.get(&format!("{base}/__robot?url={url}")).await;
                let page: serde_json::Value = serde_json::from_slice(response.body()).expect("JSON");
                page["location"].as_str().expect("a callback").to_owned()
            }
            Robot::Redirect => {
                let response = self.get(url).await;
                response.headers()["location"].to_str().expect("a callback").to_owned()
            }
        }
    }

    /// Signs the user in. oidc-provider gives a refresh token for `offline_access` with consent.
    async fn sign_in(&self, client: &Client, user: &str) -> valetkey::Result<Session> {
        let request = client.authorize().scope("openid offline_access api:read");
        let request = request.parameter("prompt", "consent").parameter("login_hint", user);
        let (url, pending) = request.start().await?;
        let callback = self.visit(url.as_str()).await;
        client.redeem(pending, &callback).await
    }

    /// The status of an API that wants the scope `api:read`.
    async fn call_api(&self, session: &Session) -> StatusCode {
        let path = if self.robot == Robot::Page { "/api/whoami?scope=api:read" } else { "/oauth2/api" };
        let request =
            http::Request::get(format!("{}{path}", self.issuer)).body(Bytes::new()).expect("a request");
        session.send(request).await.expect("an answer").status()
    }
}

/// The private key of this name that clients have at both servers, to sign by this algorithm.
fn client_key(kid: &str, algorithm: SignatureAlgorithm) -> Option<SigningKey> {
    let folder = variable_of("VALETKEY_INTEROP_KEYS")?;
    let set = std::fs::read(format!("{folder}/client.jwks.json")).expect("the clients' keys");
    let set: serde_json::Value = serde_json::from_slice(&set).expect("JSON");
    let known = set["keys"].as_array().expect("keys").iter().find(|key| key["kid"] == kid);
    let key = PrivateKey::parse(known.expect("a key of this name").to_string().as_bytes()).expect("a key");
    Some(key.signing_key(algorithm, &CryptoProvider::ring()).expect("a key for this algorithm"))
}

/// A key that answers from a task of its own.
#[derive(Debug)]
struct Elsewhere(SigningKey);

#[async_trait::async_trait]
impl RemoteSigner for Elsewhere {
    async fn sign(&self, signing: &Signing) -> Result<Vec<u8>, BoxError> {
        let SigningKey::Local(signer) = self.0.clone() else { return Err("no key".into()) };
        let message = signing.message.clone();
        let (reply, answer) = futures_channel::oneshot::channel();
        std::thread::spawn(move || {
            let mut signature = Signature::new();
            reply.send(signer.sign(&message, &mut signature).map(|()| signature.as_ref().to_vec()))
        });
        Ok(answer.await??)
    }
}

/// What `up.sh` says, or nothing, and then the test is skipped aloud.
fn variable_of(name: &str) -> Option<String> {
    let value = std::env::var(name).ok();
    if value.is_none() {
        println!("skipped: {name} is not set; run it through tests/interop/up.sh");
    }
    value
}

/// Sign-in, API, renewal, and the reuse that ends it all.
async fn whole_life(server: &Server, client: ClientBuilder) {
    let client = client.build().await.expect("discovery");
    let session = server.sign_in(&client, "alice").await.expect("a sign-in");
    assert_eq!(server.call_api(&session).await, StatusCode::OK);

    let first = session.tokens().await.expect("tokens");
    let second = session.refresh().await.expect("a renewal");
    assert_ne!(first.access_token(), second.access_token());
    let used = first.refresh_token().expect("a refresh token");
    assert_ne!(Some(used), second.refresh_token(), "the server rotates");
    assert_eq!(server.call_api(&session).await, StatusCode::OK);

    let error = reuse(&client, used).await;
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::RefreshDenied));
    assert_eq!(error.response().map(|response| response.code().clone()), Some(ErrorCode::InvalidGrant));
}

async fn reuse(client: &Client, used: &RefreshToken) -> valetkey::Error {
    let server = client.server().await.expect("metadata");
    let grant = RefreshTokenGrant::new(&server, used.clone()).expect("a token endpoint");
    client.call(grant).await.expect_err("a reuse is refused")
}

async fn refused_sign_in(server: &Server) {
    let client = server.client("basic").secret(SECRET).build().await.expect("discovery");
    let error = server.sign_in(&client, "deny").await.expect_err("the user refused");
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::AuthorizationDenied));
    assert_eq!(error.response().map(|response| response.code().clone()), Some(ErrorCode::AccessDenied));
}

async fn service(server: &Server) {
    let client = server.client("m2m").secret(SECRET).build().await.expect("discovery");
    let session = client.client_credentials().scope("api:read").session().expect("a confidential client");
    assert_eq!(server.call_api(&session).await, StatusCode::OK);
    let first = session.tokens().await.expect("tokens");
    assert_ne!(first.access_token(), session.refresh().await.expect("another").access_token());
    assert_eq!(server.call_api(&session).await, StatusCode::OK);

    let wrong = server.client("m2m").secret("wrong").build().await.expect("discovery");
    let session = wrong.client_credentials().session().expect("a confidential client");
    let error = session.tokens().await.expect_err("a wrong secret");
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::RequestDenied));
    assert_eq!(error.response().map(|response| response.code().clone()), Some(ErrorCode::InvalidClient));
}

#[tokio::test]
async fn oidc_provider_with_every_client_authentication() {
    let Some(server) = Server::oidc_provider() else { return };
    for (id, auth) in [
        ("basic", ClientAuth::secret_basic(SECRET)),
        ("basic-special", ClientAuth::secret_basic(SPECIAL_SECRET)),
        ("post", ClientAuth::secret_post(SECRET)),
        ("public", ClientAuth::none()),
    ] {
        println!("{id}");
        whole_life(&server, server.client(id).auth(auth)).await;
    }
    let native = server.client("native").redirect_uri("http://127.0.0.1:43210/cb");
    whole_life(&server, native).await;
}

/// The algorithms of `private_key_jwt`, each with its client at oidc-provider and the name of its key.
const SIGNERS: [(&str, &str, SignatureAlgorithm); 5] = [
    ("pkjwt-rs256", "rp-rsa", SignatureAlgorithm::Rs256),
    ("pkjwt-ps256", "rp-rsa", SignatureAlgorithm::Ps256),
    ("pkjwt-es256", "rp-p256", SignatureAlgorithm::Es256),
    ("pkjwt-es384", "rp-p384", SignatureAlgorithm::Es384),
    ("pkjwt-eddsa", "rp-ed25519", SignatureAlgorithm::EdDsa),
];

#[tokio::test]
async fn s_tk_05_oidc_provider_takes_assertions_by_every_algorithm() {
    let Some(server) = Server::oidc_provider() else { return };
    for (id, kid, algorithm) in SIGNERS {
        let Some(key) = client_key(kid, algorithm) else { return };
        println!("{id}");
        let auth = ClientAuth::assertion(AssertionKey::new(key).with_kid(kid));
        whole_life(&server, server.client(id).auth(auth.clone())).await;
        let client = server.client(id).auth(auth).build().await.expect("discovery");
        let session = client.client_credentials().scope("api:read").session().expect("a confidential client");
        assert_eq!(server.call_api(&session).await, StatusCode::OK);
    }
    whole_life(&server, server.client("secret-jwt").auth(ClientAuth::secret_jwt(SECRET))).await;
    for algorithm in [SignatureAlgorithm::Hs384, SignatureAlgorithm::Hs512] {
        let auth = ClientAuth::assertion(AssertionKey::secret(algorithm, SECRET));
        whole_life(&server, server.client("secret-jwt").auth(auth)).await;
    }
}

#[tokio::test]
async fn oidc_provider_takes_what_a_key_elsewhere_has_signed() {
    let Some(server) = Server::oidc_provider() else { return };
    let Some(key) = client_key("rp-p256", SignatureAlgorithm::Es256) else { return };
    let name = SigningKey::Remote(RemoteKey::new("kms/rp-p256", SignatureAlgorithm::Es256));
    let auth = ClientAuth::assertion(AssertionKey::new(name).with_kid("rp-p256"));
    whole_life(&server, server.client("pkjwt-es256").auth(auth).signer(Elsewhere(key))).await;
}

#[tokio::test]
async fn s_tk_06_oidc_provider_takes_its_token_endpoint_as_the_audience_of_a_key_of_its_own() {
    let Some(server) = Server::oidc_provider() else { return };
    let Some(key) = client_key("rp-p256", SignatureAlgorithm::Es256) else { return };
    let (issuer, endpoint) =
        (Issuer::parse(&server.issuer).expect("an issuer"), format!("{}/token", server.issuer));
    let key = AssertionKey::new(key).with_audience_token_endpoint(&issuer, &endpoint).expect("held once");
    let client = server.client("pkjwt-es256").auth(ClientAuth::assertion(key.with_kid("rp-p256")));
    whole_life(&server, client).await;
}

#[tokio::test]
async fn oidc_provider_refuses_another_key() {
    let Some(server) = Server::oidc_provider() else { return };
    let Some(key) = client_key("rp-p384", SignatureAlgorithm::Es384) else { return };
    let client = server.client("pkjwt-es256").auth(ClientAuth::private_key_jwt(key)).build().await;
    let session = client.expect("discovery").client_credentials().session().expect("a confidential client");
    let error = session.tokens().await.expect_err("another key");
    assert_eq!(error.response().map(|response| response.code().clone()), Some(ErrorCode::InvalidClient));
}

#[tokio::test]
async fn s_tk_05_authlib_takes_assertions() {
    let Some(server) = Server::authlib() else { return };
    // Authlib's server takes two of them.
    for (_, kid, algorithm) in [SIGNERS[0], SIGNERS[2]] {
        let Some(key) = client_key(kid, algorithm) else { return };
        let auth = ClientAuth::assertion(AssertionKey::new(key).with_kid(kid));
        let client = server.client("pkjwt").auth(auth).build().await.expect("discovery");
        let session = client.client_credentials().scope("api:read").session().expect("a confidential client");
        assert_eq!(server.call_api(&session).await, StatusCode::OK, "{kid}");
        session.refresh().await.expect("another assertion");
    }
    let client = server.client("secret-jwt").auth(ClientAuth::secret_jwt(SECRET)).build().await;
    let session = client.expect("discovery").client_credentials().scope("api:read").session();
    assert_eq!(server.call_api(&session.expect("a confidential client")).await, StatusCode::OK);
}

#[tokio::test]
async fn al_12_authlib_takes_an_assertion_as_a_grant() {
    let Some(server) = Server::authlib() else { return };
    let Some(key) = client_key("rp-rsa", SignatureAlgorithm::Rs256) else { return };
    let assertion = Assertion::new(key, "jwt-bearer").expect("a key for JOSE").with_kid("rp-rsa");
    let assertion = assertion.with_subject("alice").expect("no other subject");
    for auth in [ClientAuth::unnamed(), ClientAuth::secret_basic(SECRET)] {
        let client = server.client("jwt-bearer").auth(auth).build().await.expect("discovery");
        let session = client.jwt_bearer(assertion.clone()).scope("api:read").session().expect("a scope");
        assert_eq!(server.call_api(&session).await, StatusCode::OK);
        let first = session.tokens().await.expect("tokens");
        let second = session.refresh().await.expect("another assertion");
        assert!(first.access_token() != second.access_token() && second.refresh_token().is_none());
        assert_eq!(server.call_api(&session).await, StatusCode::OK);
    }
}

/// Where oidc-provider runs, or its issuer that demands nonces in proofs.
fn oidc_provider_with_dpop(demands_nonces: bool) -> Option<Server> {
    let server = Server::oidc_provider()?;
    let path = if demands_nonces { WITH_NONCES } else { "" };
    Some(Server { issuer: format!("{}{path}", server.issuer), ..server })
}

/// The status of the userinfo endpoint, which takes tokens that are bound to keys.
async fn call_userinfo(server: &Server, session: &Session) -> StatusCode {
    let request = http::Request::get(format!("{}/me", server.issuer)).body(Bytes::new()).expect("a request");
    session.send(request).await.expect("an answer").status()
}

#[tokio::test]
async fn s_dp_04_oidc_provider_binds_tokens_to_keys() {
    for demands_nonces in [false, true] {
        let Some(server) = oidc_provider_with_dpop(demands_nonces) else { return };
        for (id, auth) in [("dpop", ClientAuth::secret_basic(SECRET)), ("dpop-public", ClientAuth::none())] {
            println!("{id}, nonces: {demands_nonces}");
            let builder = || server.client(id).auth(auth.clone());
            let client = builder().dpop().build().await.expect("discovery");
            let session = server.sign_in(&client, "alice").await.expect("a sign-in");
            assert_eq!(call_userinfo(&server, &session).await, StatusCode::OK);
            let first = session.tokens().await.expect("tokens");
            assert!(first.access_token().is_bound() && first.key().is_some());
            let second = session.refresh().await.expect("a renewal");
            assert_ne!(first.access_token(), second.access_token());
            assert_eq!(first.key(), second.key());
            assert_eq!(call_userinfo(&server, &session).await, StatusCode::OK);

            // Another process goes on with the key of the record; without the key nothing goes on.
            let record = session.record().expect("tokens");
            let restored = builder().build().await.expect("discovery").restore(record).expect("its key");
            restored.refresh().await.expect("a renewal");
            assert_eq!(call_userinfo(&server, &restored).await, StatusCode::OK);
            let tokens = restored.tokens().await.expect("tokens");
            let bearer = format!("Bearer {}", tokens.access_token().expose());
            let request = http::Request::get(format!("{}/me", server.issuer)).header("authorization", bearer);
            let request = request.body(Bytes::new()).expect("a request");
            let answer = server.backend.send(request, Limits::default()).await.expect("an answer");
            assert_ne!(answer.status(), StatusCode::OK);
        }
    }
}

#[tokio::test]
async fn s_dp_04_oidc_provider_refuses_another_key() {
    let Some(server) = oidc_provider_with_dpop(false) else { return };
    let client = |key: &SigningKey| {
        server.client("dpop-public").auth(ClientAuth::none()).dpop_key(key.clone()).build()
    };
    let crypto = CryptoProvider::ring();
    let key = |algorithm| {
        let key = PrivateKey::generate(algorithm, &crypto).expect("a key");
        key.signing_key(algorithm, &crypto).expect("a key that signs")
    };
    for algorithm in [SignatureAlgorithm::Es256, SignatureAlgorithm::Es384, SignatureAlgorithm::EdDsa] {
        let (ours, other) = (key(algorithm), key(algorithm));
        let first = client(&ours).await.expect("discovery");
        let session = server.sign_in(&first, "alice").await.expect("a sign-in");
        assert_eq!(call_userinfo(&server, &session).await, StatusCode::OK, "{algorithm}");
        // The code is bound to the key, too.
        let request = first.authorize().scope("openid").parameter("login_hint", "alice");
        let (url, pending) = request.start().await.expect("a sign-in");
        let callback = server.visit(url.as_str()).await;
        let stranger = client(&other).await.expect("discovery");
        let error = stranger.redeem(pending, &callback).await.expect_err("another key");
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::KeyMissing));
    }
}

#[tokio::test]
async fn oidc_provider_binds_tokens_of_a_service() {
    let Some(server) = oidc_provider_with_dpop(true) else { return };
    let client = server.client("dpop").secret(SECRET).dpop().build().await.expect("discovery");
    let session = client.client_credentials().scope("api:read").session().expect("a confidential client");
    let first = session.tokens().await.expect("tokens");
    assert!(first.access_token().is_bound());
    assert_eq!(session.refresh().await.expect("another").key(), first.key());
}

#[tokio::test]
async fn s_tk_09_oidc_provider_binds_no_token_that_is_not_asked_to() {
    let Some(server) = oidc_provider_with_dpop(false) else { return };
    // A client that must have its tokens bound is refused without a proof.
    let client = server.client("dpop").secret(SECRET).build().await.expect("discovery");
    let error = server.sign_in(&client, "alice").await.expect_err("no proof");
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::RequestDenied));
}

#[tokio::test]
async fn oidc_provider_ends_the_family_after_a_reuse() {
    let Some(server) = Server::oidc_provider() else { return };
    let client = server.client("basic").secret(SECRET).build().await.expect("discovery");
    let session = server.sign_in(&client, "alice").await.expect("a sign-in");
    let used = session.tokens().await.expect("tokens");
    session.refresh().await.expect("a renewal");
    reuse(&client, used.refresh_token().expect("a refresh token")).await;
    let error = session.refresh().await.expect_err("the family is dead");
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::RefreshDenied));
    assert_eq!(error.advice(), valetkey::Advice::Reauthorize);
}

#[tokio::test]
async fn oidc_provider_refuses_as_the_user_does() {
    let Some(server) = Server::oidc_provider() else { return };
    refused_sign_in(&server).await;
}

#[tokio::test]
async fn oidc_provider_knows_a_service() {
    let Some(server) = Server::oidc_provider() else { return };
    service(&server).await;
}

#[tokio::test]
async fn oidc_provider_lets_a_token_expire_and_renews_it() {
    let Some(server) = Server::oidc_provider() else { return };
    let client = server.client("basic-short").secret(SECRET).build().await.expect("discovery");
    let session = server.sign_in(&client, "alice").await.expect("a sign-in");
    assert_eq!(server.call_api(&session).await, StatusCode::OK);
    let old = session.tokens().await.expect("tokens");
    // The token of this client lives for two seconds, by the server's own clock.
    server.backend.sleep(Duration::from_millis(2500)).await;
    let request = http::Request::get(format!("{}/api/whoami", server.issuer));
    let request = request.header("authorization", old.access_token().header()).body(Bytes::new());
    let answer =
        server.backend.send(request.expect("a request"), Limits::default()).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert!(answer.headers()["www-authenticate"].to_str().expect("text").contains("invalid_token"));
    // The session knows, and renews it.
    assert_eq!(server.call_api(&session).await, StatusCode::OK);
    assert_ne!(session.tokens().await.expect("tokens").access_token(), old.access_token());
}

#[tokio::test]
async fn oidc_provider_over_tls_with_a_private_ca() {
    let (Some(issuer), Some(keys)) = (variable_of("VALETKEY_OP_TLS"), variable_of("VALETKEY_INTEROP_KEYS"))
    else {
        return;
    };
    let ca = std::fs::read(format!("{keys}/ca.pem")).expect("the CA's certificate");
    let backend = adapter::backend(Some(ca));
    let server = Server { issuer, backend, robot: Robot::Page };
    whole_life(&server, server.client("basic").secret(SECRET)).await;

    let server = Server { backend: adapter::backend(None), ..server };
    let error = server.client("basic").build().await.expect_err("the CA is not known");
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Transport, Reason::Unreachable));
    assert_eq!(error.was_sent(), Some(valetkey_http::Sent::Nothing));
}

#[tokio::test]
async fn authlib_with_every_client_authentication() {
    let Some(server) = Server::authlib() else { return };
    for (id, auth) in [
        ("basic", ClientAuth::secret_basic(SECRET)),
        ("basic-special", ClientAuth::secret_basic_raw(SPECIAL_SECRET)),
        ("post", ClientAuth::secret_post(SECRET)),
        ("public", ClientAuth::none()),
    ] {
        println!("{id}");
        whole_life(&server, server.client(id).auth(auth)).await;
    }
}

#[tokio::test]
async fn t5_authlib_does_not_decode_basic_credentials() {
    let Some(server) = Server::authlib() else { return };
    let encoded = server.client("basic-special").auth(ClientAuth::secret_basic(SPECIAL_SECRET));
    let error =
        server.sign_in(&encoded.build().await.expect("discovery"), "alice").await.expect_err("not decoded");
    assert_eq!(error.response().map(|response| response.code().clone()), Some(ErrorCode::InvalidClient));
}

#[tokio::test]
async fn authlib_refuses_as_the_user_does() {
    let Some(server) = Server::authlib() else { return };
    refused_sign_in(&server).await;
}

#[tokio::test]
async fn authlib_knows_a_service() {
    let Some(server) = Server::authlib() else { return };
    service(&server).await;
}

#[tokio::test]
async fn authlib_refuses_a_revoked_token() {
    let Some(server) = Server::authlib() else { return };
    let client =
        server.client("post").auth(ClientAuth::secret_post(SECRET)).build().await.expect("discovery");
    let session = server.sign_in(&client, "alice").await.expect("a sign-in");
    let revoke = format!("{}/oauth2/revoke", server.issuer);
    let tokens = session.tokens().await.expect("tokens");
    let form = format!("token={}&client_id=post&client_secret={SECRET}", tokens.access_token().expose());
    let request = http::Request::post(revoke).header("content-type", "application/x-www-form-urlencoded");
    let request = request.body(Bytes::from(form)).expect("a request");
    let answer = server.backend.send(request, Limits::default()).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
    // The API says 401, and Authlib has revoked the refresh token along with the access token.
    let request = http::Request::get(format!("{}/oauth2/api", server.issuer)).body(Bytes::new());
    let error = session.send(request.expect("a request")).await.expect_err("all is revoked");
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::RefreshDenied));
}

/// Passes everything on, and remembers how the token endpoint answered.
struct Recorder {
    backend: Arc<dyn Backend>,
    answers: Mutex<Vec<StatusCode>>,
}

#[async_trait::async_trait]
impl Backend for Recorder {
    async fn send(&self, request: Request, limits: Limits) -> Result<Response, Failure> {
        let is_token_request = request.uri().path() == "/token";
        let outcome = self.backend.send(request, limits).await;
        if is_token_request {
            let status = outcome.as_ref().map_or(StatusCode::IM_A_TEAPOT, Response::status);
            self.answers.lock().expect("no panic").push(status);
        }
        outcome
    }

    async fn sleep(&self, time: Duration) {
        self.backend.sleep(time).await;
    }

    fn spawn(&self, task: Task) -> Result<(), Task> {
        self.backend.spawn(task)
    }
}

/// Two hundred tasks call through one session whose tokens live for two seconds; of each ten calls `dropped` are
/// given up on at some moment.
async fn herd(dropped: u64) {
    let Some(server) = Server::oidc_provider() else { return };
    if adapter::blocks() {
        println!("skipped: a backend that blocks has no two hundred callers at once");
        return;
    }
    let recorder = Arc::new(Recorder { backend: Arc::clone(&server.backend), answers: Mutex::default() });
    let server = Server { backend: Arc::<Recorder>::clone(&recorder), ..server };
    // A minute is what to run by hand; the checks of every commit have a few seconds.
    let seconds = std::env::var("VALETKEY_HERD_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    let client = server.client("basic-short").secret(SECRET).build().await.expect("discovery");
    let session = server.sign_in(&client, "alice").await.expect("a sign-in");
    let until = server.backend.now() + Duration::from_secs(seconds);
    let tasks: Vec<_> = (0..200_u64)
        .map(|task| {
            let (session, backend, issuer) =
                (session.clone(), Arc::clone(&server.backend), server.issuer.clone());
            tokio::spawn(async move {
                let mut calls = 0_u64;
                while backend.now() < until {
                    calls += 1;
                    let request = http::Request::get(format!("{issuer}/api/whoami")).body(Bytes::new());
                    let call = session.send(request.expect("a request"));
                    if (task + calls) % 10 < dropped {
                        // Dropped in mid-flight, at a moment that differs from call to call.
                        let moment =
                            backend.sleep(Duration::from_micros((task * 7919 + calls * 104_729) % 5000));
                        drop(select(Box::pin(call), moment).await);
                    } else {
                        assert_eq!(call.await.expect("an answer").status(), StatusCode::OK);
                    }
                    backend.sleep(Duration::from_millis(100)).await;
                }
                calls
            })
        })
        .collect();
    let mut calls = 0;
    for task in tasks {
        calls += task.await.expect("no call failed");
    }
    let answers = recorder.answers.lock().expect("no panic").clone();
    let generation = session.record().expect("tokens").generation();
    println!("{calls} calls in {seconds} s, {generation} generations, {} token requests", answers.len());
    assert!(answers.iter().all(StatusCode::is_success), "{answers:?}");
    assert_eq!(answers.len() as u64, generation + 1, "one request for each generation, and one for the code");
    assert!(generation + 1 >= seconds / 2, "the tokens did expire: {generation}");
    session.refresh().await.expect("the family lives");
}

#[tokio::test(flavor = "multi_thread")]
async fn r_herd_oidc_provider_sees_one_refresh_a_generation() {
    herd(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r_can_oidc_provider_sees_one_refresh_a_generation_though_callers_leave() {
    herd(1).await;
}
