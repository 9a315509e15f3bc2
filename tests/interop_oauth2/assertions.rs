//! Clients that authenticate by assertion, and assertions as grants.

use http::StatusCode;
use valetkey::{
    BoxError, ErrorCode, RemoteSigner, Signing,
    crypto::{CryptoProvider, PrivateKey, RemoteKey, Signature, SignatureAlgorithm, SigningKey},
    oauth2::{
        assertion::Assertion,
        client::{AssertionKey, ClientAuth},
        server::Issuer,
    },
};

use crate::{SECRET, Server, variable_of, whole_life};

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
    for (_, kid, algorithm) in SIGNERS {
        let Some(key) = client_key(kid, algorithm) else { return };
        let auth = ClientAuth::assertion(AssertionKey::new(key).with_kid(kid));
        let client = server.client("pkjwt").auth(auth).build().await.expect("discovery");
        let session = client.client_credentials().scope("api:read").session().expect("a confidential client");
        if !matches!(algorithm, SignatureAlgorithm::Rs256 | SignatureAlgorithm::Es256) {
            // Authlib's JOSE does not recommend the others, and its server refuses what that does not.
            let error = session.tokens().await.expect_err("not recommended");
            let response = error.response().expect("the server's words");
            assert_eq!(*response.code(), ErrorCode::InvalidClient, "{kid}: {error}");
            assert!(response.description().is_some_and(|words| words.contains("not recommended")), "{error}");
            continue;
        }
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
