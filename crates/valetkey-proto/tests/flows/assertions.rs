//! Authentication by assertion, and assertions as a grant.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use valetkey_http::{Failure, FailureKind, Request, Sent};
use valetkey_proto::{
    Call, ErrorKind, Event, Exchange, Flow, Party, Reason, Step,
    crypto::{CryptoProvider, PrivateKey, RemoteKey, Signature, SignatureAlgorithm, SigningKey},
    form::Parameters,
    jose::{
        Jwk, VerifyingKeys,
        jwt::{Expected, Kind, Validator},
    },
    oauth2::{
        assertion::{Assertion, SelfSigned, ServiceAccount},
        client::{AssertionKey, ClientAuth, ClientId, ClientMetadata},
        grant::{ClientCredentialsGrant, JwtBearerGrant},
        server::{Issuer, ServerMetadata},
    },
};

use crate::transcript::{START, World, answer, json as answered};

const P256: &str = r#"{"kty":"EC","crv":"P-256","x":"Rxw-dYxJBChbun5TEY7Q9SSt6wdX0lvS-Oew1236cUw",
    "y":"3VIPesqKi5F6zDf1HejwybvjrYWDgucC3CWhLQn3qFg","d":"EjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJCrze8"}"#;
const RSA: &str = include_str!("../jose/keys/rsa.pkcs8.pem");
const SECRET: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const TOKEN: &str = r#"{"access_token":"at","token_type":"Bearer"}"#;
const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

fn key(file: &str, algorithm: SignatureAlgorithm) -> SigningKey {
    PrivateKey::parse(file.as_bytes()).unwrap().signing_key(algorithm, &CryptoProvider::ring()).unwrap()
}

fn p256() -> SigningKey {
    key(P256, SignatureAlgorithm::Es256)
}

fn remote(name: &str) -> SigningKey {
    SigningKey::Remote(RemoteKey::new(name, SignatureAlgorithm::Es256))
}

fn issuer() -> Issuer {
    Issuer::parse("https://as.example/t").unwrap()
}

fn server() -> ServerMetadata {
    ServerMetadata::new(issuer()).with_token_endpoint("https://as.example/token").unwrap()
}

fn party(auth: &ClientAuth) -> valetkey_proto::Result<Arc<Party>> {
    Party::client(issuer(), &ClientId::parse("app").unwrap(), auth).map(Arc::new)
}

fn credentials(auth: &ClientAuth) -> Call<ClientCredentialsGrant> {
    let client = ClientMetadata::new("app").unwrap().with_auth(auth.clone());
    Call::new(ClientCredentialsGrant::new(&server(), &client).unwrap(), party(auth).unwrap())
}

/// Has a message signed by the key that is elsewhere in name only.
fn sign(message: &[u8]) -> Vec<u8> {
    let SigningKey::Local(signer) = p256() else { panic!("a key that is here") };
    let mut signature = Signature::new();
    signer.sign(message, &mut signature).unwrap();
    signature.as_ref().to_vec()
}

/// Steps a flow until it sends, through waits and signatures.
fn sent<E: Exchange>(call: &mut Call<E>, world: &mut World, mut event: Event) -> Request {
    loop {
        event = match call.step(event, &world.env()).unwrap() {
            Step::Send(request, _) => return request,
            Step::Wait(time) => {
                world.now = world.now + time;
                Event::Go
            }
            Step::Sign(signing) => Event::Signed(Ok(sign(&signing.message))),
            Step::Done(_) => panic!("done"),
        };
    }
}

fn first<E: Exchange>(mut call: Call<E>) -> Request {
    sent(&mut call, &mut World::new(), Event::Go)
}

fn form(request: &Request) -> Vec<(String, String)> {
    let body = std::str::from_utf8(request.body()).unwrap();
    let form = Parameters::parse(body).unwrap();
    form.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn value(request: &Request, name: &str) -> String {
    let found = form(request).into_iter().find(|(known, _)| known == name);
    found.unwrap_or_else(|| panic!("no {name}")).1
}

/// Header and claims of a JWT.
fn read(jwt: &str) -> [Value; 2] {
    let mut parts = jwt.split('.');
    std::array::from_fn(|_| {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts.next().unwrap()).unwrap()).unwrap()
    })
}

fn verifying() -> VerifyingKeys {
    let jwk = Jwk::parse(P256).unwrap();
    jwk.verifying_key(SignatureAlgorithm::Es256, &CryptoProvider::ring()).unwrap().into()
}

/// What a server of this issuer says of a client's assertion.
fn judge(audience: &str, assertion: &str) -> Result<(), Reason> {
    let (world, validator) = (World::new(), Validator::new(Kind::ClientAssertion, "app", audience));
    let verdict = validator.validate(assertion, &verifying(), &Expected::new(), &world.env());
    verdict.map(drop).map_err(|error| error.reason())
}

#[test]
fn s_tk_05_an_assertion_is_for_the_issuer_alone_and_for_a_minute() {
    for key in [p256(), remote("kms/1")] {
        let request = first(credentials(&ClientAuth::private_key_jwt(key)));
        let names: Vec<_> = form(&request).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["grant_type", "client_id", "client_assertion_type", "client_assertion"]);
        assert_eq!(value(&request, "client_assertion_type"), TYPE);
        assert!(request.headers().get("authorization").is_none());
        let assertion = value(&request, "client_assertion");
        judge("https://as.example/t", &assertion).unwrap();
        let [header, mut claims] = read(&assertion);
        assert_eq!(header, json!({"alg": "ES256"}));
        let jti = claims["jti"].take();
        assert_eq!(URL_SAFE_NO_PAD.decode(jti.as_str().unwrap()).unwrap().len(), 32);
        let now = START.as_secs();
        let expected = json!({"iss": "app", "sub": "app", "aud": "https://as.example/t", "jti": null,
            "iat": now, "exp": now + 60});
        assert_eq!(claims, expected, "one audience, as a text");
    }
}

#[test]
fn s_tk_05_an_assertion_that_one_server_gets_is_worthless_at_another() {
    // A server that says that the other's token endpoint is its own, and gets there what is meant for it.
    let document = r#"{"issuer":"https://evil.example","token_endpoint":"https://as.example/token"}"#;
    let evil = Issuer::parse("https://evil.example").unwrap();
    let server = ServerMetadata::parse(&evil, &document.into()).unwrap();
    let auth = ClientAuth::private_key_jwt(p256());
    let client = ClientMetadata::new("app").unwrap().with_auth(auth.clone());
    let party = Party::client(server.issuer().clone(), client.id(), &auth).unwrap();
    let request = first(Call::new(ClientCredentialsGrant::new(&server, &client).unwrap(), party.into()));
    let assertion = value(&request, "client_assertion");
    for audience in ["https://as.example/t", "https://as.example/token"] {
        assert_eq!(judge(audience, &assertion), Err(Reason::AudienceMismatch), "{audience}");
    }
}

#[test]
fn s_tk_05_keys_and_secrets_sign_by_what_they_are() {
    let secret = |algorithm| AssertionKey::secret(algorithm, SECRET);
    let rsa = |algorithm| AssertionKey::new(key(RSA, algorithm)).with_kid("2026").with_typ();
    let typ = "client-authentication+jwt";
    for (key, method, header) in [
        (secret(SignatureAlgorithm::Hs256), "client_secret_jwt", json!({"alg": "HS256"})),
        (secret(SignatureAlgorithm::Hs384), "client_secret_jwt", json!({"alg": "HS384"})),
        (secret(SignatureAlgorithm::Hs512), "client_secret_jwt", json!({"alg": "HS512"})),
        (
            rsa(SignatureAlgorithm::Ps256),
            "private_key_jwt",
            json!({"alg": "PS256", "kid": "2026", "typ": typ}),
        ),
        (
            rsa(SignatureAlgorithm::Rs384),
            "private_key_jwt",
            json!({"alg": "RS384", "kid": "2026", "typ": typ}),
        ),
    ] {
        let auth = ClientAuth::assertion(key);
        assert!(auth.is_confidential() && auth.name() == method);
        let request = first(credentials(&auth));
        assert_eq!(read(&value(&request, "client_assertion"))[0], header);
        assert!(!String::from_utf8_lossy(request.body()).contains(SECRET));
    }
    let short = [
        ClientAuth::secret_jwt("0123456789abcdef0123456789abcde"),
        ClientAuth::assertion(AssertionKey::secret(SignatureAlgorithm::Hs512, &SECRET[1..])),
    ];
    for auth in short {
        let error = party(&auth).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::InvalidKey), "{error}");
    }
    for algorithm in [SignatureAlgorithm::HmacSha1, SignatureAlgorithm::Rs256] {
        let error = party(&ClientAuth::assertion(secret(algorithm))).unwrap_err();
        assert_eq!(error.reason(), Reason::UnsupportedAlgorithm, "{algorithm}");
    }
    let shown = format!("{:?} {:?}", ClientAuth::secret_jwt(SECRET), secret(SignatureAlgorithm::Hs256));
    assert!(!shown.contains(SECRET) && shown.starts_with("ClientAuth(client_secret_jwt)"), "{shown}");
}

#[test]
fn s_tk_06_a_key_for_a_token_endpoint_is_good_at_one_server() {
    let legacy =
        |key| AssertionKey::new(key).with_audience_token_endpoint(&issuer(), "https://as.example/token");
    let auth = ClientAuth::assertion(legacy(p256()).unwrap());
    let assertion = value(&first(credentials(&auth)), "client_assertion");
    judge("https://as.example/token", &assertion).unwrap();
    assert_eq!(judge("https://as.example/t", &assertion), Err(Reason::AudienceMismatch));

    // Two issuers, one key.
    let other = Issuer::parse("https://other.example").unwrap();
    let error = Party::client(other, &ClientId::parse("app").unwrap(), &auth).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::IssuerMismatch));
    let (shared, also_held) = (p256(), p256());
    let held = also_held.clone();
    let error = legacy(also_held).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::InvalidKey), "{held:?}");
    legacy(shared).unwrap();

    // The endpoint is the one that was written down, whatever the server says of itself.
    let moved = ServerMetadata::new(issuer()).with_token_endpoint("https://victim.example/token").unwrap();
    let client = ClientMetadata::new("app").unwrap().with_auth(auth.clone());
    let grant = ClientCredentialsGrant::new(&moved, &client).unwrap();
    let request = first(Call::new(grant, party(&auth).unwrap()));
    assert_eq!(read(&value(&request, "client_assertion"))[1]["aud"], "https://as.example/token");
    let insecure =
        AssertionKey::new(p256()).with_audience_token_endpoint(&issuer(), "http://as.example/token");
    assert_eq!(insecure.unwrap_err().reason(), Reason::InsecureUrl);
}

#[test]
fn s_tk_07_an_issuer_that_its_document_does_not_name_is_no_audience() {
    for named in
        ["https://as.example/t/", "https://as.example", "https://AS.example/t", "https://evil.example"]
    {
        let document = json!({"issuer": named, "token_endpoint": "https://as.example/token"}).to_string();
        let error = ServerMetadata::parse(&issuer(), &document.into()).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Untrusted, Reason::IssuerMismatch), "{named}");
    }
}

#[test]
fn s_tk_02_what_authenticates_already_is_not_authenticated_again() {
    for name in ["client_secret", "client_assertion", "client_assertion_type"] {
        struct Own(&'static str);

        impl Exchange for Own {
            type Output = ();

            fn retry(&self) -> valetkey_proto::Retry {
                valetkey_proto::Retry::NEVER
            }

            fn request(&self, _: &valetkey_proto::Env<'_>) -> valetkey_proto::Result<valetkey_proto::Draft> {
                let mut form = valetkey_proto::form::Form::new();
                form.push("client_id", "app").push(self.0, "x");
                Ok(valetkey_proto::Draft::post(server().token_endpoint()?, form))
            }

            fn response(
                &self,
                _: valetkey_http::Response,
                _: valetkey_proto::Timestamp,
                _: &valetkey_proto::Env<'_>,
            ) -> valetkey_proto::Result<()> {
                Ok(())
            }
        }

        let party = party(&ClientAuth::private_key_jwt(p256())).unwrap();
        let error =
            Call::new(Own(name), Arc::clone(&party)).step(Event::Go, &World::new().env()).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Usage, Reason::AlreadyAuthorized), "{name}");
        // An id of its own is left as it is, and is not said twice.
        let request = first(Call::new(Own("other"), party));
        assert_eq!(value(&request, "client_id"), "app");
    }
}

/// The assertions of five attempts: refused for a while, broken off, unsent.
fn attempts<E: Exchange>(mut call: Call<E>, name: &str) -> Vec<Value> {
    let mut world = World::new();
    let mut event = Event::Go;
    let lost = |sent| Event::Failure(Failure::new(sent, FailureKind::Closed));
    let mut seen = Vec::new();
    for attempt in 0..5 {
        let request = sent(&mut call, &mut world, event);
        seen.push(read(&value(&request, name))[1].clone());
        world.now = world.now + Duration::from_secs(1);
        event = match attempt {
            0 => Event::Response(answer(502, "text/html", "<p>")),
            1 => lost(Sent::Maybe),
            2 => lost(Sent::Nothing),
            _ => Event::Response(answered(503, "{}")),
        };
    }
    seen
}

#[test]
fn t18_every_attempt_has_an_assertion_of_its_own() {
    let assertion = |key| Assertion::new(key, "robot").unwrap().with_subject("alice").unwrap();
    let grant = |key, auth: &ClientAuth| {
        Call::new(JwtBearerGrant::new(&server(), assertion(key)).unwrap(), party(auth).unwrap())
    };
    for key in [p256, || remote("kms/1")] {
        let auth = ClientAuth::private_key_jwt(key());
        for seen in [
            attempts(credentials(&auth), "client_assertion"),
            attempts(grant(key(), &auth), "client_assertion"),
            attempts(grant(key(), &auth), "assertion"),
            attempts(grant(key(), &ClientAuth::unnamed()), "assertion"),
        ] {
            for (at, claims) in seen.iter().enumerate() {
                assert!(seen[at + 1..].iter().all(|later| later["jti"] != claims["jti"]), "a jti twice");
            }
            let iat = |at: usize| seen[at]["iat"].as_i64().unwrap();
            assert!(iat(4) >= iat(0) + 4, "each is of its own time");
        }
    }
}

#[test]
fn a_spurious_go_asks_for_the_same_signature_and_a_signer_that_fails_ends_it() {
    let world = World::new();
    let mut call = credentials(&ClientAuth::private_key_jwt(remote("kms/1")));
    let mut messages = Vec::new();
    for _ in 0..2 {
        let Step::Sign(signing) = call.step(Event::Go, &world.env()).unwrap() else { panic!("to be signed") };
        assert_eq!(signing.key.name(), "kms/1");
        messages.push(signing.message);
    }
    assert_eq!(messages[0], messages[1]);
    let error = call.step(Event::Signed(Err("canary".into())), &world.env()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::SigningFailed));
    assert!(!format!("{error:?} {error}").contains("canary"));
}

#[test]
fn ol_19_a_grant_says_what_it_was_told_with_the_types_it_was_told() {
    let assertion = Assertion::new(p256(), "robot").unwrap().with_subject("alice@example.com").unwrap();
    let assertion = assertion.with_text("scope", "a b").unwrap().with_number("level", 3).unwrap();
    let assertion = assertion.with_texts("groups", &["x"]).unwrap().with_json("deep", r#"{"is":[true,1.5]}"#);
    let assertion = assertion.unwrap().with_kid("2026").with_lifetime(Duration::from_secs(3600));
    let assertion = assertion.with_backdating(Duration::from_secs(30)).with_not_before();
    let grant = JwtBearerGrant::new(&server(), assertion.clone()).unwrap().with_scope("read write").unwrap();
    let grant = grant.with_parameter("audience", "api").unwrap();
    let request = first(Call::new(grant, party(&ClientAuth::unnamed()).unwrap()));
    let names: Vec<_> = form(&request).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["grant_type", "scope", "audience", "assertion"], "nobody is named");
    assert_eq!(value(&request, "grant_type"), "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let [header, mut claims] = read(&value(&request, "assertion"));
    assert_eq!(header, json!({"alg": "ES256", "typ": "JWT", "kid": "2026"}));
    claims["jti"].take();
    let issued = START.as_secs() - 30;
    let expected = json!({"iss": "robot", "sub": "alice@example.com", "aud": "https://as.example/t",
        "scope": "a b", "level": 3, "groups": ["x"], "deep": {"is": [true, 1.5]}, "jti": null,
        "iat": issued, "nbf": issued, "exp": issued + 3600});
    assert_eq!(claims, expected);

    // What is typed passes for nothing else.
    let typed = JwtBearerGrant::new(&server(), assertion.with_typ()).unwrap();
    let typed = value(&first(Call::new(typed, party(&ClientAuth::none()).unwrap())), "assertion");
    let world = World::new();
    let validate = |kind| {
        let validator = Validator::new(kind, "robot", "https://as.example/t");
        validator.validate(&typed, &verifying(), &Expected::new(), &world.env()).map(drop)
    };
    validate(Kind::AuthorizationGrant).unwrap();
    assert_eq!(validate(Kind::ClientAssertion).unwrap_err().reason(), Reason::KindMismatch);

    let error = |made: valetkey_proto::Result<Assertion>| made.unwrap_err().reason();
    let plain = || Assertion::new(p256(), "robot").unwrap();
    for name in ["iss", "sub", "aud", "jti", "iat", "exp", "nbf"] {
        assert_eq!(error(plain().with_number(name, 1)), Reason::ReservedParameter, "{name}");
    }
    assert_eq!(error(plain().with_text("a", "1").unwrap().with_number("a", 1)), Reason::ReservedParameter);
    assert_eq!(error(plain().with_json("a", "{")), Reason::InvalidValue);
    let grant = JwtBearerGrant::new(&server(), plain()).unwrap();
    assert_eq!(grant.with_parameter("assertion", "x").unwrap_err().reason(), Reason::ReservedParameter);
}

#[test]
fn an_assertion_of_others_is_sent_once() {
    let grant = JwtBearerGrant::given(&server(), "e30.e30.c2ln".into()).unwrap();
    let (mut world, party) = (World::new(), party(&ClientAuth::secret_post("s")).unwrap());
    let mut call = Call::new(grant, party);
    let request = sent(&mut call, &mut world, Event::Go);
    assert_eq!(value(&request, "assertion"), "e30.e30.c2ln");
    assert_eq!(value(&request, "client_secret"), "s");
    let lost = Event::Failure(Failure::new(Sent::Maybe, FailureKind::Closed));
    assert_eq!(call.step(lost, &world.env()).unwrap_err().reason(), Reason::OutcomeUnknown);
}

/// What an account signs: its header, its claims without the `jti`, and where it goes.
fn signs(account: &ServiceAccount) -> ([Value; 2], Option<Request>) {
    let [header, mut claims];
    let mut request = None;
    if account.is_token() {
        let mut flow = SelfSigned::new(account.assertion().clone());
        let Step::Done(tokens) = flow.step(Event::Go, &World::new().env()).unwrap() else {
            panic!("no token")
        };
        [header, claims] = read(tokens.access_token().expose());
        assert_eq!(tokens.expires_at().map(|time| time.as_secs()), claims["exp"].as_i64());
        assert!(account.server().token_endpoint().is_err());
    } else {
        let auth = ClientAuth::unnamed();
        let party = Party::client(account.server().issuer().clone(), account.id(), &auth).unwrap();
        let grant = JwtBearerGrant::new(account.server(), account.assertion().clone()).unwrap();
        let sent = first(Call::new(grant, party.into()));
        let names: Vec<_> = form(&sent).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["grant_type", "assertion"]);
        [header, claims] = read(&value(&sent, "assertion"));
        request = Some(sent);
    }
    claims.as_object_mut().unwrap().remove("jti").expect("a jti");
    ([header, claims], request)
}

#[test]
fn service_accounts_say_what_their_providers_want_to_read() {
    let crypto = CryptoProvider::ring();
    let (now, rsa) = (START.as_secs(), || key(RSA, SignatureAlgorithm::Rs256));
    let file = json!({"type": "service_account", "project_id": "p", "private_key_id": "k1", "private_key": RSA,
        "client_email": "robot@p.iam.gserviceaccount.com", "client_id": "1",
        "token_uri": "https://oauth2.googleapis.com/token"});
    let google = |file: &Value| ServiceAccount::google(&file.to_string(), "a b", &crypto);
    let ([header, claims], request) = signs(&google(&file).unwrap().with_subject("alice@p.example").unwrap());
    assert_eq!(header, json!({"alg": "RS256", "typ": "JWT", "kid": "k1"}));
    let expected = json!({"iss": "robot@p.iam.gserviceaccount.com", "sub": "alice@p.example", "scope": "a b",
        "aud": "https://oauth2.googleapis.com/token", "iat": now, "exp": now + 300});
    assert_eq!(claims, expected);
    assert_eq!(request.unwrap().uri(), "https://oauth2.googleapis.com/token");

    let ([header, claims], _) = signs(&ServiceAccount::github_app("Iv1.8a61f9b3a7aba766", rsa()).unwrap());
    assert_eq!(header, json!({"alg": "RS256", "typ": "JWT"}));
    // At most ten minutes ahead.
    assert_eq!(claims, json!({"iss": "Iv1.8a61f9b3a7aba766", "iat": now - 60, "exp": now + 540}));

    let account =
        ServiceAccount::salesforce("consumer", "alice@example.com", "https://test.salesforce.com/", rsa());
    let ([_, claims], request) = signs(&account.unwrap());
    let expected = json!({"iss": "consumer", "sub": "alice@example.com", "aud": "https://test.salesforce.com",
        "iat": now, "exp": now + 180});
    assert_eq!(claims, expected);
    assert_eq!(request.unwrap().uri(), "https://test.salesforce.com/services/oauth2/token");

    for (account, name, host) in [
        ("myorg-account_1", "MYORG-ACCOUNT_1", "myorg-account-1"),
        ("xy12345.us-east-1", "XY12345", "xy12345.us-east-1"),
        ("acme-ab12.global", "ACME", "acme-ab12.global"),
    ] {
        let account = ServiceAccount::snowflake(account, "robot", rsa(), &crypto).unwrap();
        let ([_, claims], _) = signs(&account);
        // What `openssl rsa -pubout -outform DER | openssl dgst -sha256 -binary | base64` says of the key.
        let issuer = format!("{name}.ROBOT.SHA256:uZj2yRCuvJ0loIfoN1OFwe+nNMIwOuTBKBF11aoTL44=");
        assert_eq!(
            claims,
            json!({"iss": issuer, "sub": format!("{name}.ROBOT"), "iat": now, "exp": now + 3540})
        );
        assert_eq!(account.api(), Some(&*format!("https://{host}.snowflakecomputing.com")));
    }
}

#[test]
fn what_is_no_service_account_is_refused_and_shows_no_key() {
    let crypto = CryptoProvider::ring();
    let file = json!({"type": "service_account", "private_key": RSA, "client_email": "r@p.example",
        "token_uri": "https://oauth2.googleapis.com/token"});
    let google = |file: &Value| ServiceAccount::google(&file.to_string(), "a", &crypto);
    let shown = format!("{:?}", google(&file).unwrap());
    assert!(!shown.contains("MII"), "{shown}");
    let changed = |name: &str, value: Value| {
        let mut file = file.clone();
        file[name] = value;
        let error = google(&file).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("MII"), "{error}");
        (error.kind(), error.reason())
    };
    let config = |reason| (ErrorKind::Config, reason);
    for name in ["type", "private_key", "client_email", "token_uri"] {
        assert_eq!(changed(name, Value::Null), config(Reason::InvalidKey), "{name}");
        assert_eq!(changed(name, json!(7)), config(Reason::InvalidKey), "{name}");
    }
    assert_eq!(changed("type", json!("authorized_user")), config(Reason::InvalidKey));
    assert_eq!(changed("private_key", json!(&RSA[..200])), config(Reason::InvalidKey));
    assert_eq!(changed("token_uri", json!("http://oauth2.example/token")), config(Reason::InsecureUrl));
    assert_eq!(changed("token_uri", json!("token")), config(Reason::InvalidUrl));
    assert!(ServiceAccount::google("no JSON", "a", &crypto).is_err());

    let es256 = ServiceAccount::github_app("1", p256()).unwrap_err();
    assert_eq!((es256.kind(), es256.reason()), config(Reason::UnsupportedAlgorithm));
    let unknown = SigningKey::Remote(RemoteKey::new("k", SignatureAlgorithm::Rs256));
    let error = ServiceAccount::snowflake("acme", "robot", unknown, &crypto).unwrap_err();
    assert_eq!((error.kind(), error.reason()), config(Reason::InvalidKey));
}

#[test]
fn a_token_that_is_made_here_is_signed_elsewhere() {
    let world = World::new();
    let mut flow = SelfSigned::new(Assertion::new(remote("kms/1"), "app").unwrap());
    let mut asked = Vec::new();
    for _ in 0..2 {
        let Step::Sign(signing) = flow.step(Event::Go, &world.env()).unwrap() else { panic!("to be signed") };
        asked.push(signing.message);
    }
    assert_eq!(asked[0], asked[1], "a spurious event changes nothing");
    let early = flow.step(Event::Response(answered(200, TOKEN)), &world.env()).unwrap_err();
    assert_eq!(early.reason(), Reason::OutOfTurn);
    let Step::Done(tokens) = flow.step(Event::Signed(Ok(sign(&asked[0]))), &world.env()).unwrap() else {
        panic!("signed")
    };
    let token = tokens.access_token().expose();
    assert!(token.as_bytes().starts_with(&asked[0]) && tokens.refresh_token().is_none());
    let again = flow.step(Event::Signed(Ok(vec![0])), &world.env()).unwrap_err();
    assert_eq!((again.kind(), again.reason()), (ErrorKind::Usage, Reason::OutOfTurn));
    let _ = flow.step(Event::Go, &world.env()).unwrap();
    let failed = flow.step(Event::Signed(Err("no".into())), &world.env()).unwrap_err();
    assert_eq!(failed.reason(), Reason::SigningFailed);
}
