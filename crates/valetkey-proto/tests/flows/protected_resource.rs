//! What APIs say about themselves.

use http::HeaderMap;
use valetkey_http::{Addresses, Limits, Response};
use valetkey_proto::{
    Call, ErrorKind, Event, Flow, Reason, Result, Step,
    oauth2::{
        protected_resource::{ResourceIdentifier, ResourceMetadata, ResourceMetadataRequest},
        server::{Discovery, Issuer},
    },
};

use crate::transcript::{World, answer, json, play_call};

const RESOURCE: &str = "https://api.example/v1";
const WELL_KNOWN: &str = "https://api.example/.well-known/oauth-protected-resource/v1";

fn resource() -> ResourceIdentifier {
    ResourceIdentifier::parse(RESOURCE).unwrap()
}

fn parse(document: &str) -> Result<ResourceMetadata> {
    ResourceMetadata::parse(&resource(), &document.to_owned().into())
}

fn fetch(response: Response) -> Result<ResourceMetadata> {
    let request = || Call::anonymous(ResourceMetadataRequest::new(&resource()).unwrap());
    play_call(request, &[(&format!("GET {WELL_KNOWN}"), response)])
}

fn challenged(challenge: &str) -> Result<ResourceMetadataRequest> {
    let headers = HeaderMap::from_iter([(http::header::WWW_AUTHENTICATE, challenge.parse().unwrap())]);
    ResourceMetadataRequest::challenged(&resource(), &headers)
}

#[test]
fn s_md_07_a_document_is_of_the_api_that_was_asked_byte_for_byte() {
    let good = r#"{"resource":"https://api.example/v1","authorization_servers":["https://as.example/t"],
        "resource_name":"An API","bearer_methods_supported":["header"],"scopes_supported":["a","b"],
        "resource_signing_alg_values_supported":["ES256"],"dpop_signing_alg_values_supported":["ES256"],
        "tls_client_certificate_bound_access_tokens":true,"authorization_details_types_supported":["x"],
        "jwks_uri":"https://api.example/jwks","resource_policy_uri":"https://api.example/policy","x":7}"#;
    let metadata = fetch(json(200, good)).unwrap();
    assert_eq!((metadata.resource().as_str(), metadata.name()), (RESOURCE, Some("An API")));
    assert_eq!(metadata.server(None).unwrap().as_str(), "https://as.example/t");
    assert!(metadata.scopes().eq(["a", "b"]) && metadata.authorization_details_types().eq(["x"]));
    assert!(metadata.binds_to_certificates() && !metadata.demands_dpop());
    assert_eq!(metadata.supports_bearer_method("body"), Some(false));
    assert_eq!(
        (metadata.supports_dpop("ES256"), metadata.supports_signing("RS256")),
        (Some(true), Some(false))
    );
    assert_eq!(metadata.endpoint("jwks_uri").unwrap().as_str(), "https://api.example/jwks");
    assert_eq!(metadata.endpoint("resource_tos_uri").unwrap_err().reason(), Reason::MissingEndpoint);
    assert_eq!(metadata.extra::<u8>("x"), Some(7));

    for other in [
        "https://api.example",
        "https://api.example/",
        "https://api.example/v1/",
        "https://API.example/v1",
        "https://api.example:443/v1",
        "https://api.example/%761",
        "https://api.example/v1?",
        "https://evil.example/v1",
        "http://api.example/v1",
        "",
    ] {
        let error = fetch(json(200, &format!(r#"{{"resource":"{other}"}}"#))).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Untrusted, Reason::IssuerMismatch), "{other}");
    }
    for (document, reason) in [
        ("{}", Reason::MissingParameter),
        (r#"{"resource":null}"#, Reason::MissingParameter),
        (r#"{"resource":["https://api.example/v1"]}"#, Reason::Malformed),
        (
            r#"{"resource":"https://evil.example","resource":"https://api.example/v1"}"#,
            Reason::DuplicateParameter,
        ),
        (r#"[{"resource":"https://api.example/v1"}]"#, Reason::Malformed),
    ] {
        assert_eq!(fetch(json(200, document)).unwrap_err().reason(), reason, "{document}");
    }
    let mut elsewhere = answer(302, "", "");
    elsewhere.headers_mut().insert("location", "https://evil.example/".parse().unwrap());
    assert_eq!(fetch(elsewhere).unwrap_err().reason(), Reason::UnexpectedRedirect);
    assert_eq!(fetch(answer(200, "text/html", "<p>")).unwrap_err().reason(), Reason::UnexpectedMediaType);
}

#[test]
fn s_md_05_every_member_of_an_apis_metadata_is_checked() {
    let with = |member: &str, value: &str| {
        parse(&format!(r#"{{"resource":"https://api.example/v1","{member}":{value}}}"#))
    };
    for member in ["authorization_servers", "scopes_supported", "bearer_methods_supported"] {
        assert!(with(member, "null").is_ok() && with(member, "[]").is_ok());
        for wrong in ["1", "\"x\"", "{}", "[1]", "[null]", "true"] {
            let error = with(member, wrong).unwrap_err();
            assert_eq!(error.reason(), Reason::Malformed, "{member} {wrong}");
            assert!(error.to_string().contains(member), "{error}");
        }
    }
    assert_eq!(
        with("dpop_bound_access_tokens_required", "\"true\"").unwrap_err().reason(),
        Reason::Malformed
    );
    // Of these, whoever does not need them is not hindered.
    for (wrong, reason) in [("7", Reason::Malformed), ("\"http://api.example/\"", Reason::InsecureUrl)] {
        assert_eq!(with("jwks_uri", wrong).unwrap().endpoint("jwks_uri").unwrap_err().reason(), reason);
    }
}

#[test]
fn s_md_11_which_server_is_for_the_program_to_say() {
    let of = |servers: &str| {
        parse(&format!(r#"{{"resource":"https://api.example/v1","authorization_servers":{servers}}}"#))
    };
    let none = of("[]").unwrap();
    assert_eq!(none.server(None).unwrap_err().reason(), Reason::MissingEndpoint);
    let two = of(r#"["https://a.example","https://b.example"]"#).unwrap();
    assert_eq!(two.server(None).unwrap_err().kind(), ErrorKind::Usage);
    assert_eq!(two.server(Some("https://b.example")).unwrap().as_str(), "https://b.example");
    assert_eq!(two.server(Some("https://b.example/")).unwrap_err().reason(), Reason::IssuerMismatch);
    for (servers, reason) in [
        (r#"["http://a.example"]"#, Reason::InsecureUrl),
        (r#"["https://a.example?x"]"#, Reason::InvalidUrl),
        (r#"["https://a.example#x"]"#, Reason::InvalidUrl),
        (r#"["https://u@a.example"]"#, Reason::InvalidUrl),
        (r#"["https://a.example","javascript:alert(1)"]"#, Reason::InvalidUrl),
        (r#"[""]"#, Reason::InvalidUrl),
    ] {
        let error = of(servers).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Protocol, reason), "{servers}");
    }
    let many = |count: usize| of(&format!("[{}]", vec!["\"https://a.example\""; count].join(",")));
    assert!(many(32).is_ok());
    assert_eq!(many(33).unwrap_err().reason(), Reason::TooLarge);
}

#[test]
fn s_net_10_an_api_that_is_outside_names_nothing_that_is_inside() {
    for inside in
        ["https://127.0.0.1", "https://169.254.169.254", "https://[::ffff:10.0.0.1]", "http://localhost:1"]
    {
        let document = format!(r#"{{"resource":"{RESOURCE}","authorization_servers":["{inside}"]}}"#);
        assert_eq!(parse(&document).unwrap_err().reason(), Reason::AddressNotAllowed, "{inside}");
        let document = format!(r#"{{"resource":"{RESOURCE}","jwks_uri":"{inside}/jwks"}}"#);
        let error = parse(&document).unwrap().endpoint("jwks_uri").unwrap_err();
        assert_eq!(error.reason(), Reason::AddressNotAllowed, "{inside}");
        let error = challenged(&format!("Bearer resource_metadata=\"{inside}/x\"")).unwrap_err();
        assert_eq!(error.reason(), Reason::AddressNotAllowed, "{inside}");
    }
    let document = format!(
        r#"{{"resource":"{RESOURCE}","authorization_servers":["https://as.example","https://api.example/as"]}}"#
    );
    let metadata = parse(&document).unwrap();
    let demanded =
        |issuer: &Issuer| match Discovery::new(issuer).unwrap().step(Event::Go, &World::new().env()) {
            Ok(Step::Send(_, demand)) => demand.limits(Limits::default()).addresses,
            _ => panic!("nothing is sent"),
        };
    let addresses = metadata.authorization_servers().iter().map(demanded);
    assert!(addresses.eq([Addresses::Public, Addresses::Any]), "another host, and the API's own");
    let inside = ResourceIdentifier::parse("http://127.0.0.1:8080/api").unwrap();
    let document =
        r#"{"resource":"http://127.0.0.1:8080/api","authorization_servers":["http://127.0.0.1:9"]}"#;
    assert!(ResourceMetadata::parse(&inside, &document.into()).is_ok());
}

#[test]
fn s_md_08_a_challenge_names_a_document_on_the_apis_own_origin() {
    let named = challenged(&format!("Basic, DPoP algs=\"ES256\", Bearer resource_metadata=\"{WELL_KNOWN}\""))
        .unwrap();
    let document = format!(r#"{{"resource":"{RESOURCE}"}}"#);
    let expected = format!("GET {WELL_KNOWN}");
    assert!(play_call(|| Call::anonymous(named.clone()), &[(&expected, json(200, &document))]).is_ok());
    let spoofed = json(200, r#"{"resource":"https://victim.example"}"#);
    let error = play_call(|| Call::anonymous(named.clone()), &[(&expected, spoofed)]).unwrap_err();
    assert_eq!(error.reason(), Reason::IssuerMismatch);

    for (url, reason) in [
        ("https://evil.example/doc", Reason::OriginNotAllowed),
        ("https://api.example:8443/doc", Reason::OriginNotAllowed),
        ("https://api.example.evil.example/doc", Reason::OriginNotAllowed),
        ("http://api.example/doc", Reason::InsecureUrl),
        ("https://api.example@evil.example/doc", Reason::InvalidUrl),
        ("/doc", Reason::InvalidUrl),
        ("", Reason::InvalidUrl),
    ] {
        let error = challenged(&format!("Bearer resource_metadata=\"{url}\"")).unwrap_err();
        assert_eq!(error.reason(), reason, "{url}");
    }
    assert_eq!(challenged("Bearer error=\"invalid_token\"").unwrap_err().reason(), Reason::MissingParameter);
    assert_eq!(challenged("Bearer resource_metadata=\"").unwrap_err().reason(), Reason::Malformed);
    // Who knows the place says so; it is a learned one all the same.
    let known = ResourceMetadataRequest::at(&resource(), "https://docs.example/doc").unwrap();
    assert_eq!(known.url().addresses(), Addresses::Public);
}
