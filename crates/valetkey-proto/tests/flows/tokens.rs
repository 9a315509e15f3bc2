//! Transcripts of whole flows: the requests that are expected, the answers that come back.

use std::sync::Arc;

use crate::transcript::{START, World, answer, json, play, play_call};
use valetkey_proto::{
    Call, ErrorKind, Party, Reason,
    oauth2::{
        authorization::{AuthorizationRequest, PendingAuthorization},
        client::{ClientAuth, ClientMetadata},
        grant::{AuthorizationCodeGrant, ClientCredentialsGrant, RefreshTokenGrant},
        server::{Discovery, Issuer, ServerMetadata},
        token::{Strictness, TokenRecord, TokenResponse, TokenSet},
    },
    secret::RefreshToken,
};

const DOCUMENT: &str = r#"{"issuer":"https://as.example/t","authorization_endpoint":"https://as.example/a",
    "token_endpoint":"https://as.example/token","authorization_response_iss_parameter_supported":true}"#;

fn server() -> ServerMetadata {
    ServerMetadata::parse(&Issuer::parse("https://as.example/t").unwrap(), &DOCUMENT.into()).unwrap()
}

fn client() -> ClientMetadata {
    let client = ClientMetadata::new("app").unwrap().with_auth(ClientAuth::secret_basic("secret"));
    client.with_redirect_uri("https://app.example/cb").unwrap()
}

fn party() -> Arc<Party> {
    Arc::new(Party::client(server().issuer().clone(), client().id(), client().auth()).unwrap())
}

fn begin() -> (String, PendingAuthorization) {
    let request = AuthorizationRequest::new(&server(), &client()).unwrap().with_scope("openid read").unwrap();
    let (url, pending) = request.start(&World::new().env()).unwrap();
    (url.as_str().to_owned(), pending)
}

/// The real callback of [`begin`], whose randomness repeats.
fn callback() -> String {
    let (url, _) = begin();
    let state = url.split("&state=").nth(1).unwrap().split('&').next().unwrap();
    format!("https://app.example/cb?code=c0de&state={state}&iss=https%3A%2F%2Fas.example%2Ft")
}

#[test]
fn s_tk_01_a_sign_in_from_the_url_to_renewed_tokens() {
    let (url, _) = begin();
    let prefix = "https://as.example/a?response_type=code&client_id=app\
        &redirect_uri=https%3A%2F%2Fapp.example%2Fcb&scope=openid+read&state=";
    assert!(url.starts_with(prefix), "{url}");
    assert!(url.contains("&code_challenge_method=S256&code_challenge=") && url.contains("&nonce="), "{url}");

    let exchange = || {
        let (_, pending) = begin();
        let received = pending.receive(callback()).unwrap();
        Call::new(AuthorizationCodeGrant::new(&server(), received).unwrap(), party())
    };
    let verifier = "ISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0-P0A";
    let asked = format!(
        "POST https://as.example/token grant_type=authorization_code&code=c0de\
         &redirect_uri=https%3A%2F%2Fapp.example%2Fcb&code_verifier={verifier}"
    );
    let given = r#"{"access_token":"at1","token_type":"bearer","expires_in":3600,"refresh_token":"rt1","extra":{"a":1}}"#;
    let response = play_call(exchange, &[(&asked, json(200, given))]).unwrap();
    assert_eq!(response.extra::<serde_json::Value>("extra").unwrap()["a"], 1);
    assert_eq!(response.extra::<String>("refresh_token").as_deref(), Some("rt1"));
    assert!(response.quirks().is_empty());
    let tokens = TokenSet::of(&response, None).unwrap();
    assert_eq!(tokens.expires_at(), Some(START + std::time::Duration::from_secs(3600)));

    let refresh = || {
        let grant = RefreshTokenGrant::new(&server(), RefreshToken::new("rt1")).unwrap();
        Call::new(grant, party())
    };
    let asked = "POST https://as.example/token grant_type=refresh_token&refresh_token=rt1";
    for (given, kept) in [
        (r#"{"access_token":"at2","token_type":"Bearer","refresh_token":"rt2"}"#, "rt2"),
        (r#"{"access_token":"at2","token_type":"Bearer"}"#, "rt1"),
        (r#"{"access_token":"at2","token_type":"Bearer","refresh_token":""}"#, "rt1"),
        (r#"{"access_token":"at2","token_type":"Bearer","refresh_token":null}"#, "rt1"),
    ] {
        let renewed = tokens.renewed(&play_call(refresh, &[(asked, json(200, given))]).unwrap()).unwrap();
        assert_eq!(renewed.access_token().expose(), "at2");
        assert_eq!(renewed.refresh_token().map(RefreshToken::expose), Some(kept), "S-TK-13: {given}");
    }
    let refused = json(400, r#"{"error":"invalid_grant","error_description":"used"}"#);
    let error = play_call(refresh, &[(asked, refused)]).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::RefreshDenied));
    assert_eq!(error.to_string(), "the server refused the refresh token (status 400): invalid_grant (used)");
}

#[test]
fn s_tk_19_client_credentials_are_for_confidential_clients() {
    let public = ClientMetadata::new("app").unwrap();
    let error = ClientCredentialsGrant::new(&server(), &public).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::MissingClientAuthentication));
    let grant = || {
        let grant = ClientCredentialsGrant::new(&server(), &client()).unwrap();
        Call::new(grant.with_scope("a b").unwrap().with_parameter("audience", "x y").unwrap(), party())
    };
    let asked = "POST https://as.example/token grant_type=client_credentials&scope=a+b&audience=x+y";
    let lines = [(asked, answer(502, "text/html", "<p>")), (asked, json(200, r#"{"access_token":"t"}"#))];
    assert_eq!(play_call(grant, &lines).unwrap().access_token().expose(), "t");
    for reserved in ["scope", "client_id", "client_secret", "grant_type", "client_assertion"] {
        let error = ClientCredentialsGrant::new(&server(), &client()).unwrap().with_parameter(reserved, "x");
        assert_eq!(error.unwrap_err().reason(), Reason::ReservedParameter);
    }
}

#[test]
fn s_md_03_discovery_looks_in_both_places() {
    let discover = || Discovery::new(&Issuer::parse("https://as.example/t").unwrap()).unwrap();
    let openid = "GET https://as.example/t/.well-known/openid-configuration";
    let oauth = "GET https://as.example/.well-known/oauth-authorization-server/t";
    assert!(play(discover, &[(openid, json(200, DOCUMENT))]).is_ok());
    assert!(play(discover, &[(openid, answer(404, "", "")), (oauth, json(200, DOCUMENT))]).is_ok());
    let neither = [(openid, answer(404, "text/html", "no")), (oauth, answer(403, "", ""))];
    let error = play(discover, &neither).unwrap_err();
    assert_eq!((error.kind(), error.status().unwrap().as_u16()), (ErrorKind::Server, 404), "the first error");
    // A document that cannot be trusted ends the search.
    let wrong = DOCUMENT.replace("example/t\"", "example/T\"");
    let error = play(discover, &[(openid, json(200, &wrong))]).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Untrusted, Reason::IssuerMismatch));
    let error = play(discover, &[(openid, answer(302, "", ""))]).unwrap_err();
    assert_eq!(error.reason(), Reason::UnexpectedRedirect);
}

#[test]
fn s_md_05_every_member_of_the_metadata_is_checked() {
    let issuer = Issuer::parse("https://as.example").unwrap();
    let parse = |members: &str| {
        let document = format!(r#"{{"issuer":"https://as.example"{members}}}"#);
        ServerMetadata::parse(&issuer, &document.into())
    };
    for (members, reason) in [
        (r#","token_endpoint":"http://as.example/token""#, Reason::InsecureUrl),
        (r#","token_endpoint":"https://user@as.example/token""#, Reason::InvalidUrl),
        (r#","token_endpoint":"/token""#, Reason::InvalidUrl),
        (r#","authorization_endpoint":"javascript:alert(1)""#, Reason::InvalidUrl),
        (r#","authorization_endpoint":"https://as.example/a#f""#, Reason::InvalidUrl),
        (r#","token_endpoint":7"#, Reason::Malformed),
        (r#","token_endpoint":["https://as.example"]"#, Reason::Malformed),
        (r#","code_challenge_methods_supported":"S256""#, Reason::Malformed),
        (r#","code_challenge_methods_supported":[1]"#, Reason::Malformed),
        (r#","authorization_response_iss_parameter_supported":"true""#, Reason::Malformed),
        (r#","issuer":"https://as.example""#, Reason::DuplicateParameter),
        (r#","x":1,"x":1"#, Reason::DuplicateParameter),
    ] {
        let error = parse(members).expect_err(members);
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Protocol, reason), "{members}");
    }
    let server = parse(r#","token_endpoint":null,"jwks_uri":"https://as.example/keys","n":3"#).unwrap();
    let error = server.token_endpoint().unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::MissingEndpoint));
    assert_eq!(server.extra::<String>("jwks_uri").as_deref(), Some("https://as.example/keys"));
    assert_eq!(
        (server.extra::<u8>("n"), server.extra::<String>("n"), server.extra::<u8>("m")),
        (Some(3), None, None)
    );
    assert!(server.supports_auth("client_secret_basic") && !server.supports_auth("client_secret_post"));
}

#[test]
fn s_md_05_whatever_a_member_is_it_is_read_or_named() {
    let issuer = Issuer::parse("https://as.example").unwrap();
    let long = format!("\"https://as.example/{}\"", "x".repeat(1 << 20));
    let values = [
        "17",
        "-1e300",
        "true",
        "{}",
        "[1,2]",
        "[[[]]]",
        "\"\"",
        "\"http://as.example\"",
        "\"http://localhost:80@evil.example\"",
        "\"http://127.0.0.1.evil.example\"",
        "\"http://[::ffff:1.2.3.4]\"",
        "\"https://user:pw@as.example\"",
        "\"https://as.example/#\"",
        "\"ftp://as.example\"",
        "\"file:///etc/passwd\"",
        long.as_str(),
    ];
    let urls = ["authorization_endpoint", "token_endpoint"];
    let lists =
        ["token_endpoint_auth_methods_supported", "code_challenge_methods_supported", "scopes_supported"];
    let others = ["authorization_response_iss_parameter_supported", "jwks_uri", "x"];
    for name in urls.iter().chain(&lists).chain(&others) {
        let parse = |value: &str| {
            let document = format!(r#"{{"issuer":"https://as.example","{name}":{value}}}"#);
            ServerMetadata::parse(&issuer, &document.into())
        };
        assert!(parse("null").is_ok(), "{name}: null is absent");
        for value in values {
            // Of what is not ours nothing is read; `true` is a switch's own.
            let is_fine = ["jwks_uri", "x"].contains(name) || (name == &others[0] && value == "true");
            match parse(value) {
                Ok(_) => assert!(is_fine, "{name}: {value:.40}"),
                Err(error) => {
                    assert!(!is_fine && error.kind() == ErrorKind::Protocol, "{name}: {value:.40}");
                    assert!(error.to_string().contains(name) && error.to_string().len() < 200, "{error}");
                }
            }
        }
    }
}

#[test]
fn s_az_04_without_s256_no_sign_in_begins() {
    for (methods, fine) in
        [("[\"plain\"]", false), ("[]", false), ("[\"plain\",\"S256\"]", true), ("null", true)]
    {
        let document = DOCUMENT.replace('}', &format!(",\"code_challenge_methods_supported\":{methods}}}"));
        let server = ServerMetadata::parse(server().issuer(), &document.into()).unwrap();
        match AuthorizationRequest::new(&server, &client()) {
            Ok(_) => assert!(fine, "{methods}"),
            Err(error) => assert!(!fine && error.reason() == Reason::PkceUnsupported, "{methods}"),
        }
    }
    // A server that says nothing of PKCE is asked all the same, with a state; whoever needs more can ask.
    assert_eq!(server().supports_challenge("S256"), None);
    let (url, _) = begin();
    assert!(url.contains("&state=") && url.contains("&code_challenge_method=S256"), "{url}");
    let text = DOCUMENT.replace('}', r#","code_challenge_methods_supported":"S256"}"#);
    let error = ServerMetadata::parse(server().issuer(), &text.into()).unwrap_err();
    assert_eq!(error.reason(), Reason::Malformed, "a text is no list");
}

#[test]
fn a_record_with_a_scope_that_no_client_could_ask_for_was_lost() {
    for scope in ["\\\"caf\u{e9}\\\"", "a\\tb", "a\\\\b", " a "] {
        let body = format!(r#"{{"access_token":"a","token_type":"bearer","scope":"{scope}"}}"#);
        let response = TokenResponse::parse(&json(200, &body), START, Strictness::Lenient).unwrap();
        let tokens = TokenSet::of(&response, None).unwrap();
        let issuer = Issuer::parse("https://as.example").unwrap();
        let record = TokenRecord::new(issuer, client().id().clone(), 1, tokens);
        let again = TokenRecord::parse(record.to_text().expose()).expect(scope);
        assert_eq!(again.tokens(), record.tokens(), "{scope}");
    }
}
