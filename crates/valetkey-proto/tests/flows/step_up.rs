//! APIs that want more: what becomes of it, and of APIs that always want more.

use std::time::Duration;

use http::{Method, Response};
use valetkey_proto::{
    ErrorKind, Reason, Result,
    oauth2::{
        Requested, ResourceIndicator, Scope,
        authorization::{AuthorizationRequest, PendingAuthorization},
        client::ClientMetadata,
        server::{Issuer, ServerMetadata},
        step_up::{Demand, Operation, StepUp},
        token::{Strictness, TokenRecord, TokenResponse, TokenSet},
    },
    seal::{SealingKey, SealingKeys},
};

use crate::transcript::{START, World, json};

fn answered(status: u16, challenge: &str) -> Response<()> {
    Response::builder().status(status).header("www-authenticate", challenge).body(()).unwrap()
}

fn demand(status: u16, challenge: &str) -> Demand {
    Demand::of(&answered(status, challenge)).unwrap().expect("a demand")
}

fn scope(text: &str) -> Demand {
    demand(403, &format!("Bearer error=\"insufficient_scope\", scope=\"{text}\""))
}

fn user(parameters: &str) -> Demand {
    demand(401, &format!("Bearer error=\"insufficient_user_authentication\"{parameters}"))
}

/// Tokens of which this was asked and granted.
fn tokens(asked: &str, granted: &str) -> TokenSet {
    let body = format!(r#"{{"access_token":"at","token_type":"Bearer","scope":"{granted}"}}"#);
    let response = TokenResponse::parse(&json(200, &body), START, Strictness::Lenient).unwrap();
    TokenSet::of(&response, Some(&Scope::parse(asked).unwrap())).unwrap()
}

/// Tokens of a sign-in whose ID token says this.
fn identified(tokens: &TokenSet, claims: &str) -> TokenSet {
    let issuer = Issuer::parse("https://as.example").unwrap();
    let text = TokenRecord::new(issuer, client().id().clone(), 0, tokens.clone()).to_text();
    let part = |json: &str| {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        URL_SAFE_NO_PAD.encode(json)
    };
    let claims = format!(r#"{{"iss":"https://as.example","sub":"alice","aud":"app"{claims}}}"#);
    let jwt = format!("{}.{}.c2ln", part(r#"{"alg":"ES256"}"#), part(&claims));
    let mut record: serde_json::Value = serde_json::from_str(text.expose()).unwrap();
    record["id_token"] = jwt.into();
    TokenSet::clone(TokenRecord::parse(&record.to_string()).unwrap().tokens())
}

fn operation(path: &str) -> Operation {
    Operation::of(&Method::POST, &format!("https://api.example{path}").parse().unwrap(), &World::new().env())
}

fn next(demand: &Demand, held: &TokenSet) -> Result<StepUp> {
    StepUp::new(demand, held, &operation("/a"), &World::new().env())
}

fn client() -> ClientMetadata {
    ClientMetadata::new("app").unwrap().with_redirect_uri("https://app.example/cb").unwrap()
}

fn request() -> AuthorizationRequest {
    let server = ServerMetadata::new(Issuer::parse("https://as.example").unwrap());
    let server = server.with_authorization_endpoint("https://as.example/authorize").unwrap();
    AuthorizationRequest::new(&server, &client()).unwrap()
}

/// The trip through the browser, sealed in a cookie, and tokens of this scope.
fn trip(step_up: &StepUp, granted: &str) -> TokenSet {
    let world = World::new();
    let keys = SealingKeys::new(SealingKey::new([7; 32]));
    let (url, pending) = step_up.put(request()).unwrap().start(&world.env()).unwrap();
    let sealed = pending.seal(&keys, &world.env()).unwrap();
    let (issuer, client) = (pending_issuer(), client());
    let pending =
        PendingAuthorization::open(sealed.expose(), &issuer, client.id(), &keys, &world.env()).unwrap();
    let state = url.as_str().split("&state=").nth(1).unwrap().split('&').next().unwrap();
    let received = pending.receive(format!("https://app.example/cb?code=c&state={state}")).unwrap();
    let body = format!(r#"{{"access_token":"at","token_type":"Bearer","scope":"{granted}"}}"#);
    let response = TokenResponse::parse(&json(200, &body), START, Strictness::Lenient).unwrap();
    let held = TokenSet::of(&response, received.requested_scope()).unwrap();
    held.with_requested(received.requested(), &response).unwrap()
}

fn pending_issuer() -> Issuer {
    Issuer::parse("https://as.example").unwrap()
}

#[test]
fn s_tk_22_what_was_granted_and_what_is_demanded_is_asked_for() {
    let held = tokens("openid offline_access read declined", "read more");
    let step_up = next(&scope("write read"), &held).unwrap();
    // What the user declined is not asked for again, and what is no API's stays.
    assert_eq!(step_up.scope(), Some(&Scope::parse("openid offline_access read more write").unwrap()));
    let both = user(", acr_values=\"gold silver\", max_age=\"300\", scope=\"write\"");
    let step_up = next(&both, &held).unwrap();
    assert_eq!(step_up.acr_values().collect::<Vec<_>>(), ["gold", "silver"]);
    assert_eq!(step_up.max_age(), Some(Duration::from_secs(300)));
    let (url, _) = step_up.put(request()).unwrap().start(&World::new().env()).unwrap();
    for part in ["&scope=read+more+openid+offline_access+write&", "&acr_values=gold+silver&max_age=300&"] {
        assert!(url.as_str().contains(part), "{url}");
    }
    for said in
        [request().with_scope("x"), request().with_acr_values(&["x"]), request().with_max_age(Duration::ZERO)]
    {
        assert_eq!(step_up.put(said.unwrap()).unwrap_err().reason(), Reason::ReservedParameter);
    }
}

#[test]
fn s_tk_22_the_same_apis_and_details_are_asked_for() {
    let response = json(200, r#"{"access_token":"at","token_type":"Bearer"}"#);
    let response = TokenResponse::parse(&response, START, Strictness::Lenient).unwrap();
    let requested = Requested::new().with_resource(ResourceIndicator::parse("urn:a").unwrap()).unwrap();
    let held = TokenSet::of(&response, None).unwrap().with_requested(requested, &response).unwrap();
    let step_up = next(&scope("write"), &held).unwrap();
    let other = request().with_resource(ResourceIndicator::parse("urn:b").unwrap()).unwrap();
    let (url, _) = step_up.put(other).unwrap().start(&World::new().env()).unwrap();
    assert!(url.as_str().ends_with("&resource=urn%3Aa&resource=urn%3Ab"), "{url}");
    assert_eq!(trip(&step_up, "write").requested().resources().len(), 1);
}

#[test]
fn s_tk_22_only_an_answer_that_demands_more_is_a_demand() {
    for (status, challenge) in [
        (401, "Bearer"),
        (401, "Bearer error=\"invalid_token\", scope=\"write\""),
        (403, "Basic realm=\"x\", error=\"insufficient_scope\", scope=\"write\""),
        (200, "Bearer error=\"insufficient_scope\", scope=\"write\""),
        (400, "Bearer error=\"insufficient_scope\", scope=\"write\""),
        (500, "Bearer error=\"insufficient_scope\", scope=\"write\""),
    ] {
        assert_eq!(Demand::of(&answered(status, challenge)).unwrap(), None, "{status} {challenge}");
    }
    assert_eq!(Demand::of(&Response::builder().status(403).body(()).unwrap()).unwrap(), None);
    // Some say it by the other status, and beside other challenges.
    for (status, challenge) in [
        (401, "Bearer error=insufficient_scope, scope=write"),
        (403, "Negotiate, DPoP algs=\"ES256\", error=\"insufficient_scope\", scope=\"write\""),
    ] {
        assert_eq!(demand(status, challenge).scope().map(Scope::as_str), Some("write"));
    }
}

#[test]
fn s_tk_22_what_no_scope_class_or_time_is_is_refused() {
    let wrong = |challenge: &str| Demand::of(&answered(401, challenge)).unwrap_err();
    for parameters in [
        ", max_age=\"-1\"",
        ", max_age=\"+1\"",
        ", max_age=\"1.5\"",
        ", max_age=\"soon\"",
        ", max_age=\"18446744073709551616\"",
        ", max_age=\"99999999999999999999999999\"",
        ", scope=\"a\\\\b\"",
        ", scope=\"a\\\"b\"",
        ", scope=\"\u{e9}\"",
        ", scope=\"a\tb\"",
        ", acr_values=\"\u{e9}\"",
        ", acr_values=\"a\tb\"",
        ", scope=\"a\", scope=\"b\"",
        ", scope=\"unfinished",
    ] {
        let challenge = http::HeaderValue::from_bytes(
            format!("Bearer error=\"insufficient_user_authentication\"{parameters}").as_bytes(),
        );
        let answer = Response::builder().status(401).header("www-authenticate", challenge.unwrap()).body(());
        let error = Demand::of(&answer.unwrap()).expect_err(parameters);
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Protocol, Reason::Malformed), "{parameters}");
    }
    for name in ["scope", "acr_values"] {
        for large in ["x".repeat(4000), "x ".repeat(33)] {
            let challenge = format!("Bearer error=\"insufficient_user_authentication\", {name}=\"{large}\"");
            assert_eq!(wrong(&challenge).reason(), Reason::TooLarge, "{name}");
        }
    }
    assert_eq!(user(", max_age=\"18446744073709551615\"").max_age(), Some(Duration::from_secs(u64::MAX)));
}

#[test]
fn s_tk_22_nobody_is_asked_for_what_the_tokens_have() {
    let futile = |demand: &Demand, held: &TokenSet| {
        let error = next(demand, held).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::StepUpFutile));
    };
    let held = tokens("read", "read write");
    futile(&scope("write"), &held);
    futile(&demand(403, "Bearer error=\"insufficient_scope\""), &held);
    futile(&user(""), &held);
    let golden = identified(&held, r#","acr":"gold","auth_time":1699999990"#);
    futile(&user(", acr_values=\"platinum gold\""), &golden);
    futile(&user(", acr_values=\"gold\", max_age=\"60\""), &golden);
    futile(&user(", max_age=\"18446744073709551615\""), &golden);
    // One that is needed is asked for, and so is what nobody knows.
    for demanded in [
        user(", acr_values=\"gold\", max_age=\"5\""),
        user(", max_age=\"0\""),
        user(", acr_values=\"platinum\""),
    ] {
        assert!(next(&demanded, &golden).is_ok());
    }
    assert!(next(&user(", acr_values=\"gold\""), &held).is_ok());
    // Nor does an empty answer of a server that granted nothing hide that something is missing.
    assert!(next(&scope("write"), &tokens("write", "")).is_ok());
}

#[test]
fn s_tk_22_an_api_that_demands_for_ever_ends_after_two_rounds() {
    // Something else each time, alternating between statuses.
    let mut held = tokens("read", "read");
    for (round, demanded) in [scope("a"), user(", acr_values=\"x\"")].iter().enumerate() {
        let step_up = next(demanded, &held).unwrap_or_else(|error| panic!("round {round}: {error}"));
        held = trip(&step_up, "read a");
    }
    for demanded in [scope("b"), user(", acr_values=\"y\""), user(", max_age=\"0\"")] {
        let error = next(&demanded, &held).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::StepUpExhausted));
    }
    // A renewal and a record do not make it forgotten.
    let response = json(200, r#"{"access_token":"at2","token_type":"Bearer"}"#);
    let renewed =
        held.renewed(&TokenResponse::parse(&response, START, Strictness::Lenient).unwrap()).unwrap();
    let record = TokenRecord::new(pending_issuer(), client().id().clone(), 1, renewed);
    let read = TokenRecord::parse(record.to_text().expose()).unwrap();
    assert_eq!(read.tokens(), record.tokens());
    assert_eq!(next(&scope("b"), read.tokens()).unwrap_err().reason(), Reason::StepUpExhausted);
    // The query is no other operation, and what is one has rounds of its own.
    let world = World::new();
    let of = |url: &str| Operation::of(&Method::POST, &url.parse().unwrap(), &world.env());
    assert_eq!(of("https://API.example:443/a?x=1"), operation("/a"));
    assert!(StepUp::new(&scope("b"), &held, &of("https://api.example/b"), &world.env()).is_ok());
    assert_ne!(
        Operation::of(&Method::GET, &"https://api.example/a".parse().unwrap(), &world.env()),
        operation("/a")
    );
    // What succeeds is forgotten.
    assert_eq!(held.without_step_ups(&operation("/b")), None);
    let forgotten = held.without_step_ups(&operation("/a")).unwrap();
    assert!(!forgotten.requested().was_stepped_up() && next(&scope("b"), &forgotten).is_ok());
}

#[test]
fn s_tk_22_many_operations_have_an_end_too() {
    let mut held = tokens("read", "read");
    let mut rounds = 0;
    let error = loop {
        let operation = operation(&format!("/{rounds}"));
        match StepUp::new(&scope(&format!("s{rounds}")), &held, &operation, &World::new().env()) {
            Ok(step_up) => held = trip(&step_up, "read"),
            Err(error) => break error,
        }
        rounds += 1;
    };
    assert_eq!((rounds, error.reason()), (8, Reason::StepUpExhausted));
}

#[test]
fn s_tk_22_what_was_just_asked_for_and_not_granted_is_not_asked_for_again() {
    let held = tokens("read", "read");
    let declined = trip(&next(&scope("write"), &held).unwrap(), "read");
    assert_eq!(next(&scope("write"), &declined).unwrap_err().reason(), Reason::StepUpFutile);
    assert!(next(&scope("write admin"), &declined).is_ok(), "something new is");

    let weak = trip(&next(&user(", acr_values=\"gold\""), &held).unwrap(), "read");
    assert_eq!(next(&user(", acr_values=\"gold\""), &weak).unwrap_err().reason(), Reason::StepUpFutile);
    let weak = identified(&weak, r#","acr":"bronze","auth_time":1699999990"#);
    let error = next(&user(", acr_values=\"gold\""), &weak).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::AuthenticationMismatch));
    // Who comes back for another reason is to be authenticated no less than before.
    let step_up = next(&user(", acr_values=\"silver\", max_age=\"5\""), &weak).unwrap();
    assert_eq!(step_up.acr_values().collect::<Vec<_>>(), ["silver", "gold"]);
    assert_eq!(next(&scope("write"), &weak).unwrap().acr_values().collect::<Vec<_>>(), ["gold"]);
}
