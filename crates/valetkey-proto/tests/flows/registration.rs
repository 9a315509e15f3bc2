//! Registration and its management: what is sent, what the answers mean, and what a server must not get away with.

use valetkey_http::{Failure, FailureKind, Request, Sent};
use valetkey_proto::{
    Advice, Call, ErrorKind, Event, Flow, Reason, Result, Step, Timestamp,
    crypto::SignatureAlgorithm,
    oauth2::{
        endpoint::registration::{
            ApplicationType, DeleteRequest, ReadRequest, Registration, RegistrationMetadata,
            RegistrationRequest, UpdateRequest,
        },
        server::{Issuer, ServerMetadata},
    },
    secret::AccessToken,
};

use crate::transcript::{START, World, answer, json, play, play_call};

const CALLBACK: &str = "https://app.example/cb";
const CREATED: &str = r#"{
    "client_id":"s6BhdRkqt3","client_secret":"canary-secret","client_secret_expires_at":0,
    "client_id_issued_at":1699999990,"registration_access_token":"canary.token",
    "registration_client_uri":"https://as.example/register/s6BhdRkqt3",
    "redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"client_secret_post"
}"#;

fn server() -> ServerMetadata {
    let issuer = Issuer::parse("https://as.example").unwrap();
    let document = r#"{"issuer":"https://as.example","registration_endpoint":"https://as.example/register"}"#;
    ServerMetadata::parse(&issuer, &document.into()).unwrap()
}

fn metadata() -> RegistrationMetadata {
    RegistrationMetadata::new().with_redirect_uri(CALLBACK).unwrap()
}

fn request() -> RegistrationRequest {
    RegistrationRequest::new(&server(), metadata()).unwrap()
}

const SENT: &str = concat!(
    "POST https://as.example/register ",
    r#"{"application_type":"web","redirect_uris":["https://app.example/cb"]}"#
);

/// What comes of this answer to a registration.
fn registered(status: u16, body: &str) -> Result<Registration> {
    play_call(|| Call::anonymous(request()), &[(SENT, json(status, body))])
}

fn first<F: Flow>(mut flow: F) -> Request {
    match flow.step(Event::Go, &World::new().env()).unwrap() {
        Step::Send(request, _) => request,
        _ => panic!("a request comes first"),
    }
}

#[test]
fn s_md_13_a_client_is_registered_read_changed_and_deleted() {
    let registration = registered(201, CREATED).unwrap();
    assert_eq!(registration.id().as_str(), "s6BhdRkqt3");
    assert_eq!(registration.secret_expires_at(), None);
    assert_eq!(registration.issued_at(), Some(Timestamp::from_secs(1_699_999_990)));
    assert_eq!(registration.application_type(), ApplicationType::Web);
    let client = registration.client_at(CALLBACK, START).unwrap();
    assert_eq!((client.auth().name(), client.id().as_str()), ("client_secret_post", "s6BhdRkqt3"));

    // The server changes the token, and repeats neither the secret nor where it is managed.
    let read = ReadRequest::new(&registration).unwrap();
    assert_eq!(first(Call::anonymous(read.clone())).headers()["authorization"], "Bearer canary.token");
    let said = r#"{"client_id":"s6BhdRkqt3","registration_access_token":"canary.second",
        "redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"client_secret_post"}"#;
    let line = ("GET https://as.example/register/s6BhdRkqt3", json(200, said));
    let read = play(|| Call::anonymous(read.clone()), &[line]).unwrap();
    assert_eq!(read.management().unwrap().1.expose(), "canary.second");
    assert_eq!(read.secret().unwrap().expose(), "canary-secret");

    let other = metadata().with_client_name("New").unwrap();
    let update = UpdateRequest::new(&read, other).unwrap();
    let sent = first(Call::anonymous(update.clone()));
    assert_eq!(sent.headers()["content-type"], "application/json");
    assert_eq!(sent.headers()["authorization"], "Bearer canary.second");
    let line = concat!(
        "PUT https://as.example/register/s6BhdRkqt3 ",
        r#"{"application_type":"web","client_id":"s6BhdRkqt3","client_name":"New","client_secret":"canary-secret","#,
        r#""redirect_uris":["https://app.example/cb"]}"#
    );
    let said = r#"{"client_id":"s6BhdRkqt3","client_secret":"canary-third","client_secret_expires_at":0,
        "client_name":"Newer","redirect_uris":["https://app.example/cb"]}"#;
    let updated = play(|| Call::anonymous(update.clone()), &[(line, json(200, said))]).unwrap();
    assert_eq!(updated.secret().unwrap().expose(), "canary-third");
    assert_eq!(updated.metadata().client_name(None), Some("Newer"));
    assert_eq!(updated.changed().collect::<Vec<_>>(), ["client_name"]);

    let delete = DeleteRequest::new(&updated).unwrap();
    let line = ("DELETE https://as.example/register/s6BhdRkqt3", answer(204, "", ""));
    play(|| Call::anonymous(delete.clone()), &[line]).unwrap();
}

#[test]
fn s_md_13_what_the_server_says_counts_and_not_what_was_asked_for() {
    let evil = r#"{"client_id":"c","redirect_uris":["https://evil.example/cb"],"application_type":"native"}"#;
    let registration = registered(200, evil).unwrap();
    assert_eq!(registration.metadata().redirect_uris(), ["https://evil.example/cb"]);
    assert_eq!(registration.changed().collect::<Vec<_>>(), ["application_type", "redirect_uris"]);
    assert_eq!(registration.application_type(), ApplicationType::Native);
    let error = registration.client_at(CALLBACK, START).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Untrusted, Reason::RedirectUriMismatch));
    // A server that says little keeps what was asked for.
    let terse = registered(201, r#"{"client_id":"c"}"#).unwrap();
    assert_eq!(terse.client_at(CALLBACK, START).unwrap().auth().name(), "none");
    assert_eq!(terse.changed().count(), 0);
}

#[test]
fn s_md_13_a_secret_that_has_expired_is_said() {
    let past = r#"{"client_id":"c","client_secret":"s","client_secret_expires_at":1699999999}"#;
    let registration = registered(201, past).unwrap();
    assert!(registration.is_expired(START));
    let error = registration.client(START).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Expired, Reason::ClientExpired));
    let future = past.replace("1699999999", "1700000001.5");
    let registration = registered(201, &future).unwrap();
    assert!(!registration.is_expired(START) && registration.is_expired(Timestamp::from_secs(1_700_000_001)));
    for bad in ["-1", "\"never\"", "[0]", "true"] {
        let body = past.replace("1699999999", bad);
        let error = registered(201, &body).unwrap_err();
        assert_eq!(error.reason(), Reason::Malformed, "{bad}");
        assert!(error.to_string().contains("client_secret_expires_at"), "{error}");
    }
    assert!(!registered(201, &past.replace("1699999999", "1e300")).unwrap().is_expired(START));
}

#[test]
fn s_md_13_a_registration_is_managed_over_https_alone() {
    for (uri, reason) in [
        ("http://as.example/register/c", Reason::InsecureUrl),
        // On this machine, the token and the request would be somebody else's.
        ("http://127.0.0.1:8080/register/c", Reason::AddressNotAllowed),
        ("http://localhost/register/c", Reason::AddressNotAllowed),
        ("https://user:pw@as.example/c", Reason::InvalidUrl),
        ("https://as.example/c#x", Reason::InvalidUrl),
        ("/register/c", Reason::InvalidUrl),
        ("file:///etc/passwd", Reason::InvalidUrl),
    ] {
        let body = CREATED.replace("https://as.example/register/s6BhdRkqt3", uri);
        // The client exists, and its owner must know of it.
        let registration = registered(201, &body).unwrap();
        let error = ReadRequest::new(&registration).unwrap_err();
        let is_inside = reason == Reason::AddressNotAllowed;
        let kind = if is_inside { ErrorKind::Untrusted } else { ErrorKind::Protocol };
        assert_eq!((error.kind(), error.reason()), (kind, reason), "{uri}");
        assert!(DeleteRequest::new(&registration).is_err() && registration.client(START).is_ok());
    }
    let nobody = registered(201, r#"{"client_id":"c"}"#).unwrap();
    assert_eq!(ReadRequest::new(&nobody).unwrap_err().reason(), Reason::MissingEndpoint);
}

#[test]
fn s_md_13_answers_that_describe_no_client_are_refused() {
    for (status, body, reason) in [
        (201, r#"{"client_secret":"s"}"#, Reason::MissingParameter),
        (201, r#"{"client_id":""}"#, Reason::Malformed),
        (201, r#"{"client_id":7}"#, Reason::Malformed),
        (201, r#"{"client_id":"a","client_id":"b"}"#, Reason::DuplicateParameter),
        (201, r#"{"client_id":"a","client_secret":1}"#, Reason::Malformed),
        (201, r#"{"client_id":"a","registration_access_token":"a\r\nb"}"#, Reason::Malformed),
        (202, r#"{"client_id":"a"}"#, Reason::UnexpectedStatus),
        (302, "{}", Reason::UnexpectedRedirect),
        (400, r#"{"error":"invalid_redirect_uri"}"#, Reason::RequestDenied),
        (201, "[]", Reason::Malformed),
    ] {
        assert_eq!(registered(status, body).unwrap_err().reason(), reason, "{status} {body}");
    }
    // Another client's description is not this one's.
    let registration = registered(201, CREATED).unwrap();
    let line = ("GET https://as.example/register/s6BhdRkqt3", json(200, r#"{"client_id":"other"}"#));
    let read = || Call::anonymous(ReadRequest::new(&registration).unwrap());
    let error = play(read, &[line]).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Untrusted, Reason::SubjectMismatch));
}

#[test]
fn s_md_13_a_client_is_not_registered_twice() {
    let mut call = Call::anonymous(request());
    let world = World::new();
    let Step::Send(_, demand) = call.step(Event::Go, &world.env()).unwrap() else { panic!("a request") };
    assert!(demand.fresh);
    let lost = Event::Failure(Failure::new(Sent::Maybe, FailureKind::Closed));
    let error = call.step(lost, &world.env()).unwrap_err();
    assert_eq!((error.reason(), error.advice()), (Reason::OutcomeUnknown, Advice::GiveUp));
}

#[test]
fn s_md_13_the_type_of_application_is_said() {
    for (uris, kind) in [
        (&["https://app.example/cb"][..], Some("web")),
        (&["com.example.app:/cb"], Some("native")),
        (&["http://127.0.0.1/cb", "http://[::1]/cb"], Some("native")),
        (&["https://app.example/cb", "com.example.app:/cb"], Some("web")),
        (&[], None),
    ] {
        let mut metadata = RegistrationMetadata::new();
        for uri in uris {
            metadata = metadata.with_redirect_uri(uri).unwrap();
        }
        let sent = first(Call::anonymous(RegistrationRequest::new(&server(), metadata).unwrap()));
        let sent: serde_json::Value = serde_json::from_slice(sent.body()).unwrap();
        assert_eq!(sent["application_type"].as_str(), kind, "{uris:?}");
    }
    let chosen = metadata().with_application_type(ApplicationType::Native).unwrap();
    let sent = first(Call::anonymous(RegistrationRequest::new(&server(), chosen).unwrap()));
    assert!(String::from_utf8_lossy(sent.body()).contains(r#""application_type":"native""#));
}

#[test]
fn s_md_13_an_initial_token_is_shown_and_no_secret_is() {
    let token = AccessToken::bearer("canary-initial").unwrap();
    let request = request().with_initial_access_token(token);
    assert_eq!(first(Call::anonymous(request.clone())).headers()["authorization"], "Bearer canary-initial");
    let registration = registered(201, CREATED).unwrap();
    let read = ReadRequest::new(&registration).unwrap();
    let update = UpdateRequest::new(&registration, metadata().with_software_statement("canary").unwrap());
    let shown = format!(
        "{request:?} {registration:?} {read:?} {update:?} {:?} {:?}",
        registration.metadata(),
        registration.to_text()
    );
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn s_md_10_a_registration_is_kept_whole_and_for_its_server_alone() {
    let registration = registered(201, CREATED).unwrap();
    let kept = Registration::parse(registration.to_text().expose()).unwrap();
    assert!(kept == registration);
    assert!(kept.check(&Issuer::parse("https://as.example").unwrap()).is_ok());
    let other = Issuer::parse("https://as.example/").unwrap();
    assert_eq!(kept.check(&other).unwrap_err().reason(), Reason::IssuerMismatch);
    let text = registration.to_text();
    for (from, to) in [
        (r#""v":"1""#, r#""v":"9""#),
        ("https://as.example\"", "http://as.example\""),
        (r#""client_id":"s6BhdRkqt3""#, r#""client_id":"""#),
        ("canary.token", "canary token"),
    ] {
        let changed = text.expose().replacen(from, to, 1);
        assert_ne!(changed, text.expose());
        let error = Registration::parse(&changed).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Store, Reason::Malformed), "{to}");
        assert!(!error.to_string().contains("canary"));
    }
}

#[test]
fn s_md_13_what_a_client_says_of_itself_is_checked_before_it_is_sent() {
    let new = RegistrationMetadata::new;
    assert!(new().with_jwks_uri("http://app.example/keys").is_err());
    assert!(new().with_redirect_uri("javascript:alert(1)").is_err());
    assert!(new().with_initiate_login_uri("https://app.example/login#x").is_err());
    assert!(new().with_text("client_secret", "s").is_err());
    assert!(new().with_json("", "1").is_err());
    assert!(new().with_json("x", "null").is_err() && new().with_json("x", "{").is_err());
    assert!(new().with_localized("client_name", "ja JP", "x").is_err());
    assert!(new().with_scope("a").unwrap().with_scope("b").is_err());
    assert!(
        new()
            .with_request_uri("https://app.example/ro.jwt#GkurKxf5T0Y-mnPFCHqWOMiZi4VS138cQO_V7PZHAdM")
            .is_ok()
    );
    assert!(new().with_request_uri(&format!("https://app.example/{}", "x".repeat(500))).is_err());
    let public =
        r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    let with_keys = new().with_jwks(public).unwrap();
    assert!(with_keys.clone().with_jwks_uri("https://app.example/keys").is_err());
    assert!(new().with_jwks_uri("https://app.example/keys").unwrap().with_jwks(public).is_err());
    assert_eq!(with_keys.member::<serde_json::Value>("jwks").unwrap()["keys"][0]["crv"], "Ed25519");
    for private in [
        r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
            "d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}]}"#,
        r#"{"keys":[{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ"}]}"#,
        r#"{"keys":[{"kty":"new","d":"x"}]}"#,
        r#"{"keys":[]}"#,
        r#"{"keys":["x"]}"#,
    ] {
        let error = new().with_jwks(private).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::InvalidKey), "{private}");
    }
    let named = new().with_userinfo_signed_response_alg(SignatureAlgorithm::EdDsa).unwrap();
    assert_eq!(named.text("userinfo_signed_response_alg"), Some("EdDSA"));
    let names = new().with_client_name("A").unwrap().with_localized("client_name", "de", "B").unwrap();
    assert_eq!((names.client_name(Some("de")), names.client_name(Some("fr"))), (Some("B"), Some("A")));
    assert_eq!(names.names().collect::<Vec<_>>(), ["client_name", "client_name#de"]);
}
