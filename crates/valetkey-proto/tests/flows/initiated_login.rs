//! Sign-ins that somebody else begins.

use bytes::Bytes;
use valetkey_http::Request;
use valetkey_proto::{
    Reason, Result,
    endpoint::Origin,
    oauth2::{
        authorization::AuthorizationRequest,
        client::ClientMetadata,
        server::{Issuer, ServerMetadata},
    },
    oidc::initiated_login::InitiatedLogin,
};

use crate::transcript::World;

fn get(query: &str) -> Request {
    http::Request::get(format!("/login?{query}")).body(Bytes::new()).unwrap()
}

fn post(media_type: &str, body: &str) -> Request {
    let request = http::Request::post("/login").header("content-type", media_type);
    request.body(Bytes::copy_from_slice(body.as_bytes())).unwrap()
}

fn parse(request: &Request) -> Result<InitiatedLogin> {
    let issuers =
        ["https://op.example", "https://other.example/tenant"].map(|text| Issuer::parse(text).unwrap());
    InitiatedLogin::parse(request, &issuers, &[Origin::parse("https://app.example").unwrap()])
}

const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

#[test]
fn s_md_16_a_sign_in_begins_at_a_configured_server() {
    let all =
        "iss=https%3A%2F%2Fop.example&login_hint=joe%40x&target_link_uri=https%3A%2F%2Fapp.example%2Fa%3Fb";
    for request in [get(all), post(FORM, all)] {
        let login = parse(&request).unwrap();
        assert_eq!((login.issuer().as_str(), login.login_hint()), ("https://op.example", Some("joe@x")));
        assert_eq!(login.target().unwrap().as_str(), "https://app.example/a?b");
        assert!(!format!("{login:?}").contains("joe"));
    }
    let login = parse(&get("iss=https%3A%2F%2Fop.example&login_hint=joe%26state%3Devil")).unwrap();
    let server = ServerMetadata::new(Issuer::parse("https://op.example").unwrap());
    let server = server.with_authorization_endpoint("https://op.example/authorize").unwrap();
    let client = ClientMetadata::new("app").unwrap().with_redirect_uri("https://app.example/cb").unwrap();
    let request = AuthorizationRequest::new(&server, &client).unwrap().with_scope("openid").unwrap();
    let (url, _) = login.apply(request.clone()).unwrap().start(&World::new().env()).unwrap();
    assert!(url.as_str().contains("&login_hint=joe%26state%3Devil&state="), "{}", url.as_str());
    let other = parse(&get("iss=https%3A%2F%2Fother.example%2Ftenant")).unwrap();
    assert_eq!(other.apply(request).unwrap_err().reason(), Reason::IssuerMismatch);
}

#[test]
fn s_md_16_an_unknown_issuer_or_a_foreign_target_is_refused() {
    let op = "iss=https%3A%2F%2Fop.example";
    for (query, reason) in [
        ("", Reason::MissingParameter),
        ("iss=", Reason::MissingParameter),
        ("login_hint=joe", Reason::MissingParameter),
        ("iss=https%3A%2F%2Fop.example%2F", Reason::IssuerMismatch),
        ("iss=https%3A%2F%2FOP.example", Reason::IssuerMismatch),
        ("iss=https%3A%2F%2F169.254.169.254", Reason::IssuerMismatch),
        ("iss=http%3A%2F%2Fop.example", Reason::IssuerMismatch),
        (&format!("{op}&{op}"), Reason::DuplicateParameter),
        (&format!("{op}&target_link_uri=https%3A%2F%2Fevil.example"), Reason::RedirectUriMismatch),
        (
            &format!("{op}&target_link_uri=https%3A%2F%2Fapp.example.evil.example"),
            Reason::RedirectUriMismatch,
        ),
        (
            &format!("{op}&target_link_uri=https%3A%2F%2Fapp.example%40evil.example"),
            Reason::RedirectUriMismatch,
        ),
        (&format!("{op}&target_link_uri=http%3A%2F%2Fapp.example"), Reason::RedirectUriMismatch),
        (&format!("{op}&target_link_uri=%2F%2Fevil.example"), Reason::RedirectUriMismatch),
        (&format!("{op}&target_link_uri=javascript%3Aalert(1)"), Reason::RedirectUriMismatch),
        (
            &format!("{op}&target_link_uri=https%3A%2F%2Fapp.example%5C%40evil.example"),
            Reason::RedirectUriMismatch,
        ),
        (&format!("{op}&login_hint={}", "x".repeat(17_000)), Reason::TooLarge),
    ] {
        assert_eq!(parse(&get(query)).unwrap_err().reason(), reason, "{query:.80}");
        assert_eq!(parse(&post(FORM, query)).unwrap_err().reason(), reason, "{query:.80}");
    }
    assert_eq!(parse(&post("text/plain", op)).unwrap_err().reason(), Reason::UnexpectedMediaType);
    let mut put = post(FORM, op);
    *put.method_mut() = http::Method::PUT;
    assert_eq!(parse(&put).unwrap_err().reason(), Reason::Malformed);
    // The query of a POST says nothing.
    let mut posted = post(FORM, "");
    *posted.uri_mut() = format!("/login?{op}").parse().unwrap();
    assert_eq!(parse(&posted).unwrap_err().reason(), Reason::MissingParameter);
}
