//! For which APIs tokens are asked, and what for in detail: on every request, through the browser's trip, and in what is
//! kept.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use valetkey_proto::{
    Call, ErrorKind, Event, Exchange, Flow, Party, Reason, Result, Step,
    crypto::{RemoteKey, SignatureAlgorithm, SigningKey},
    oauth2::{
        AuthorizationDetail, AuthorizationDetails, Requested, ResourceIndicator, Scope,
        assertion::Assertion,
        authorization::{AuthorizationRequest, PendingAuthorization, RequestObject},
        client::{ClientAuth, ClientMetadata},
        endpoint::{introspection::IntrospectionResponse, registration::RegistrationMetadata},
        grant::{
            AuthorizationCodeGrant, ClientCredentialsGrant, DeviceAuthorizationRequest, DeviceCodeGrant,
            JwtBearerGrant, RefreshTokenGrant,
        },
        server::{Issuer, ServerMetadata},
        token::{Strictness, TokenRecord, TokenResponse, TokenSet},
    },
    seal::{SealingKey, SealingKeys},
    secret::{RefreshToken, Secret},
};

use crate::transcript::{START, World, json};

const A: &str = "https://a.example/";
const B: &str = "urn:b";
const DETAILS: &str = r#"[{"amount":"1","type":"payment"},{"type":"accounts"}]"#;
/// The three of them in a form.
const SENT: &str = "resource=https%3A%2F%2Fa.example%2F&resource=urn%3Ab&authorization_details=\
    %5B%7B%22amount%22%3A%221%22%2C%22type%22%3A%22payment%22%7D%2C%7B%22type%22%3A%22accounts%22%7D%5D";

fn server() -> ServerMetadata {
    ServerMetadata::new(Issuer::parse("https://as.example").unwrap())
        .with_authorization_endpoint("https://as.example/authorize")
        .unwrap()
        .with_token_endpoint("https://as.example/token")
        .unwrap()
        .with_endpoint("device_authorization_endpoint", "https://as.example/device_authorization")
        .unwrap()
}

fn client() -> ClientMetadata {
    let client = ClientMetadata::new("app").unwrap().with_auth(ClientAuth::secret_basic("secret"));
    client.with_redirect_uri("https://app.example/cb").unwrap()
}

fn resource(text: &str) -> ResourceIndicator {
    ResourceIndicator::parse(text).unwrap()
}

fn details() -> AuthorizationDetails {
    AuthorizationDetails::parse(DETAILS).unwrap()
}

fn asked() -> AuthorizationRequest {
    let request = AuthorizationRequest::new(&server(), &client()).unwrap().with_scope("read").unwrap();
    let request = request.with_resource(resource(A)).unwrap().with_resource(resource(B)).unwrap();
    request.with_authorization_details(details()).unwrap()
}

/// The body of the first request, or what is asked to be signed.
fn first(exchange: impl Exchange) -> Result<String> {
    match Call::new(exchange, Arc::new(Party::anonymous())).step(Event::Go, &World::new().env())? {
        Step::Send(request, _) => Ok(String::from_utf8(request.body().to_vec()).unwrap()),
        _ => panic!("a request"),
    }
}

fn received(pending: PendingAuthorization, url: &str) -> AuthorizationCodeGrant {
    let state = url.split("&state=").nth(1).unwrap().split('&').next().unwrap();
    let received = pending.receive(format!("https://app.example/cb?code=c&state={state}")).unwrap();
    let scope = Scope::parse("read").unwrap();
    assert_eq!(received.requested(), requested().with_scope(scope));
    AuthorizationCodeGrant::new(&server(), received).unwrap()
}

fn requested() -> Requested {
    let requested = Requested::new().with_resource(resource(A)).unwrap().with_resource(resource(B)).unwrap();
    requested.with_authorization_details(details())
}

#[test]
fn s_ri_01_every_request_says_each_resource_by_itself() {
    let answer =
        r#"{"device_code":"d","user_code":"u","verification_uri":"https://as.example/d","expires_in":9}"#;
    let request = DeviceAuthorizationRequest::new(&server()).unwrap();
    let device = request.response(json(200, answer), START, &World::new().env()).unwrap();
    macro_rules! sent {
        ($($grant:expr),*) => {[$({
            let grant = $grant.unwrap().with_resource(resource(A)).unwrap().with_parameter("resource", B).unwrap();
            let grant = grant.with_resource(resource(A)).unwrap();
            let grant = grant.with_authorization_details(details()).unwrap();
            assert!(grant.clone().with_authorization_details(details()).is_err());
            let error = grant.clone().with_parameter("authorization_details", "[]").unwrap_err();
            assert_eq!((error.kind(), error.reason()), (ErrorKind::Usage, Reason::ReservedParameter));
            for bad in ["https://a.example/#x", "/x", "https://u@a.example/"] {
                assert_eq!(grant.clone().with_parameter("resource", bad).unwrap_err().reason(), Reason::InvalidUrl);
            }
            first(grant).unwrap()
        }),*]};
    }
    let bodies = sent!(
        ClientCredentialsGrant::new(&server(), &client()),
        RefreshTokenGrant::new(&server(), RefreshToken::new("r")),
        DeviceAuthorizationRequest::new(&server()),
        DeviceCodeGrant::new(&server(), &device),
        JwtBearerGrant::given(&server(), Secret::new("jwt"))
    );
    for body in bodies {
        assert!(body.ends_with(SENT), "{body}");
    }
    // A JWT that is made here is signed later, and sent with the same.
    let key = SigningKey::Remote(RemoteKey::new("k", SignatureAlgorithm::Es256));
    let grant = JwtBearerGrant::new(&server(), Assertion::new(key, "robot").unwrap()).unwrap();
    let grant = grant.with_resource(resource(B)).unwrap();
    let step = Call::new(grant, Arc::new(Party::anonymous())).step(Event::Go, &World::new().env()).unwrap();
    assert!(matches!(step, Step::Sign(_)));
}

#[test]
fn s_ri_01_the_exchange_of_a_code_asks_for_what_the_sign_in_asked_for_or_for_some_of_it() {
    let world = World::new();
    let (url, pending) = asked().start(&world.env()).unwrap();
    assert!(url.as_str().ends_with(SENT), "{url}");
    let body = first(received(pending, url.as_str())).unwrap();
    assert!(body.contains("&resource=https%3A%2F%2Fa.example%2F&resource=urn%3Ab"), "{body}");
    assert!(!body.contains("authorization_details"), "the server knows what was granted");

    let (url, pending) = asked().start(&world.env()).unwrap();
    let narrower = received(pending, url.as_str()).with_resource(resource(B)).unwrap();
    let body = first(narrower).unwrap();
    assert!(body.contains("resource=urn%3Ab") && !body.contains("a.example%2F"), "{body}");

    let request = asked();
    let twice = request.clone().with_authorization_details(details()).unwrap_err();
    assert_eq!((twice.kind(), twice.reason()), (ErrorKind::Usage, Reason::ReservedParameter));
    for (name, bad) in [("resource", "#frag"), ("authorization_details", "{}")] {
        assert_eq!(request.clone().with_parameter(name, bad).unwrap_err().kind(), ErrorKind::Config);
    }
}

#[test]
fn s_ri_01_a_sealed_sign_in_keeps_what_it_asked_for() {
    let world = World::new();
    let keys = SealingKeys::new(SealingKey::new([7; 32]));
    let (url, pending) = asked().start(&world.env()).unwrap();
    let sealed = pending.seal(&keys, &world.env()).unwrap();
    let (issuer, id) = (server().issuer().clone(), client().id().clone());
    let opened = PendingAuthorization::open(sealed.expose(), &issuer, &id, &keys, &world.env()).unwrap();
    assert!(first(received(opened, url.as_str())).unwrap().contains("resource=urn%3Ab"));
}

#[test]
fn s_ja_02_a_request_object_has_resources_as_a_list_and_details_as_objects() {
    let (url, _) = asked().with_request_object(RequestObject::unsigned()).start(&World::new().env()).unwrap();
    assert!(!url.as_str().contains("resource=") && !url.as_str().contains("authorization_details="));
    let object = url.as_str().split("&request=").nth(1).unwrap();
    let claims = URL_SAFE_NO_PAD.decode(object.split('.').nth(1).unwrap()).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["resource"], serde_json::json!([A, B]));
    assert_eq!(claims["authorization_details"].to_string(), DETAILS);

    let one = AuthorizationRequest::new(&server(), &client()).unwrap().with_resource(resource(A)).unwrap();
    let (url, _) = one.with_request_object(RequestObject::unsigned()).start(&World::new().env()).unwrap();
    let object = url.as_str().split("&request=").nth(1).unwrap();
    let claims = URL_SAFE_NO_PAD.decode(object.split('.').nth(1).unwrap()).unwrap();
    assert!(String::from_utf8(claims).unwrap().contains(r#""resource":"https://a.example/""#));
}

fn answer(members: &str) -> TokenResponse {
    let body = format!(r#"{{"access_token":"at","token_type":"Bearer","refresh_token":"rt"{members}}}"#);
    TokenResponse::parse(&json(200, &body), START, Strictness::Lenient).unwrap()
}

#[test]
fn rar_what_was_granted_is_read_beside_what_was_asked_for() {
    let hold = |members: &str| {
        let response = answer(members);
        TokenSet::of(&response, None).unwrap().with_requested(requested(), &response)
    };
    let same =
        hold(r#","authorization_details":[{"type":"accounts"},{"type":"payment","amount":"1"}]"#).unwrap();
    assert_eq!(same.authorization_details(), Some(&details()));
    let less = hold(r#","authorization_details":[{"type":"accounts","chosen":["x"]}]"#).unwrap();
    assert_ne!(less.authorization_details(), less.requested().authorization_details());
    assert_eq!(less.authorization_details().unwrap().of_kind("accounts").count(), 1);
    assert_eq!(hold("").unwrap().authorization_details(), None, "the server did not say");
    for bad in ["{}", r#""x""#, "[1]", "[{}]", r#"[{"type":7}]"#] {
        let error = hold(&format!(r#","authorization_details":{bad}"#)).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Protocol, Reason::Malformed), "{bad}");
    }
    let many = vec![r#"{"type":"a"}"#; 65].join(",");
    let error = hold(&format!(r#","authorization_details":[{many}]"#)).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Protocol, Reason::TooLarge));
    // Nobody who did not ask has to read it.
    let response = answer(r#","authorization_details":"x""#);
    assert!(TokenSet::of(&response, None).unwrap().with_requested(Requested::new(), &response).is_ok());
}

#[test]
fn s_ri_01_a_record_keeps_what_was_asked_for_and_granted_through_renewals() {
    let response = answer(r#","scope":"read","authorization_details":[{"type":"accounts"}]"#);
    let asked = requested().with_scope(Scope::parse("read write openid").unwrap());
    let tokens = TokenSet::of(&response, asked.scope()).unwrap().with_requested(asked, &response).unwrap();
    let renewed = tokens.renewed(&answer("")).unwrap();
    assert_eq!(renewed.requested(), tokens.requested());
    assert_eq!(renewed.authorization_details(), tokens.authorization_details());
    let other = tokens.renewed(&answer(r#","authorization_details":[{"type":"b"}]"#)).unwrap();
    assert_ne!(other.authorization_details(), tokens.authorization_details());

    let record = TokenRecord::new(server().issuer().clone(), client().id().clone(), 3, renewed);
    let text = record.to_text();
    let read = TokenRecord::parse(text.expose()).unwrap();
    assert_eq!(read.tokens(), record.tokens());
    assert!(text.expose().contains(r#""v":"1""#), "a program that knows only this keeps the members");
    // Members that are no longer said do not come back from the text that was read.
    let foreign = text.expose().replacen('{', r#"{"foreign":1,"#, 1);
    let plain = TokenSet::of(&answer(""), None).unwrap();
    let later = TokenRecord::parse(&foreign).unwrap().renewed(plain.clone());
    let later = TokenRecord::parse(later.to_text().expose()).unwrap();
    assert_eq!((&**later.tokens(), later.to_text().expose().contains("foreign")), (&plain, true));
    for (from, to) in [(A, "/relative"), (r#"[{"type":"accounts"}]"#, "7")] {
        let bad = text.expose().replace(from, to);
        assert_eq!(TokenRecord::parse(&bad).unwrap_err().reason(), Reason::Malformed, "{to}");
    }
}

#[test]
fn rar_what_servers_and_clients_say_of_types() {
    let issuer = Issuer::parse("https://as.example").unwrap();
    let document = r#"{"issuer":"https://as.example","authorization_details_types_supported":["payment"]}"#;
    let server = ServerMetadata::parse(&issuer, &Bytes::from_static(document.as_bytes())).unwrap();
    assert_eq!(server.authorization_details_types(), Some(vec!["payment".to_owned()]));
    assert_eq!(ServerMetadata::new(issuer).authorization_details_types(), None);
    let metadata = RegistrationMetadata::new().with_authorization_details_type("a");
    let metadata = metadata.with_authorization_details_type("b");
    assert_eq!(metadata.authorization_details_types(), ["a", "b"]);

    let said =
        r#"{"active":true,"authorization_details":[{"type":"payment","locations":["https://a.example"]}]}"#;
    let said = IntrospectionResponse::parse(said, START).unwrap();
    let granted = said.active().unwrap().authorization_details().unwrap().unwrap();
    let expected = AuthorizationDetail::new("payment").unwrap().with_location("https://a.example");
    assert_eq!(granted, AuthorizationDetails::new().with(expected).unwrap());
    let said = IntrospectionResponse::parse(r#"{"active":true,"authorization_details":{}}"#, START).unwrap();
    assert_eq!(said.active().unwrap().authorization_details().unwrap_err().reason(), Reason::Malformed);
}
