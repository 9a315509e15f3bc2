//! What users of oauthlib (OL) have it prepare, prepared here: URLs, requests for tokens, and the way back. Where the outcome
//! must be another than there, the test says so.

use std::sync::Arc;

use valetkey_http::Request;
use valetkey_proto::{
    Call, ErrorCode, ErrorKind, Event, Exchange, Flow, Party, Reason, Step,
    crypto::CryptoProvider,
    form::MEDIA_TYPE,
    oauth2::{
        authorization::{
            AuthorizationRequest, AuthorizationResponse, CodeChallengeMethod, CodeVerifier,
            PendingAuthorization,
        },
        client::{ClientAuth, ClientMetadata},
        endpoint::{ShownToken, revocation::RevocationRequest},
        grant::{
            AuthorizationCodeGrant, ClientCredentialsGrant, DeviceAuthorizationRequest, DeviceCodeGrant,
            ExtensionGrant, RefreshTokenGrant,
        },
        profile::ProviderProfile,
        server::{Issuer, ServerMetadata},
        token::TokenSet,
    },
    secret::{AccessToken, RefreshToken, Secret},
};

use crate::transcript::{World, json, play_call, short};

const CALLBACK: &str = "https://app.example/cb";

fn server() -> ServerMetadata {
    ServerMetadata::new(Issuer::parse("https://as.example").unwrap())
        .with_authorization_endpoint("https://as.example/authorize?x=1")
        .unwrap()
        .with_token_endpoint("https://as.example/token")
        .unwrap()
        .with_endpoint("revocation_endpoint", "https://as.example/revoke")
        .unwrap()
        .with_endpoint("device_authorization_endpoint", "https://as.example/device")
        .unwrap()
}

/// The same server, with something of its own.
fn peculiar(knobs: &str) -> ServerMetadata {
    let profile = ProviderProfile::from_json(&format!(r#"{{ "name": "p", {knobs} }}"#)).unwrap();
    server().with_profile(&profile).unwrap()
}

fn client(auth: ClientAuth) -> ClientMetadata {
    ClientMetadata::new("app").unwrap().with_auth(auth).with_redirect_uri(CALLBACK).unwrap()
}

fn begin(server: &ServerMetadata) -> (String, PendingAuthorization) {
    let request = AuthorizationRequest::new(server, &client(ClientAuth::none())).unwrap();
    let (url, pending) = request.with_scope("a b").unwrap().start(&World::new().env()).unwrap();
    (url.into(), pending)
}

fn state_in(url: &str) -> &str {
    url.split("state=").nth(1).unwrap().split('&').next().unwrap()
}

/// A callback that was received, with a code.
fn received() -> AuthorizationResponse {
    let (url, pending) = begin(&server());
    pending.receive(format!("{CALLBACK}?code=c0de&state={}", state_in(&url))).unwrap()
}

/// What goes out of this exchange, by a client that authenticates like this.
fn sent<E: Exchange>(exchange: E, auth: &ClientAuth) -> Request {
    let client = client(auth.clone());
    let party = Party::client(server().issuer().clone(), client.id(), client.auth()).unwrap();
    match Call::new(exchange, Arc::new(party)).step(Event::Go, &World::new().env()) {
        Ok(Step::Send(request, _)) => request,
        other => panic!("{other:?}"),
    }
}

/// The body of it.
fn form<E: Exchange>(exchange: E, auth: &ClientAuth) -> String {
    String::from_utf8(sent(exchange, auth).body().to_vec()).unwrap()
}

#[test]
fn ol_2_an_authorization_url_keeps_the_endpoints_query_and_its_order() {
    let request = AuthorizationRequest::new(&server(), &client(ClientAuth::none())).unwrap();
    let request = request.with_scope("a b").unwrap();
    let request = request.with_parameter("prompt", "login").unwrap().with_parameter("display", "").unwrap();
    let (url, _) = request.start(&World::new().env()).unwrap();
    let names: Vec<_> = url
        .as_str()
        .split_once('?')
        .unwrap()
        .1
        .split('&')
        .map(|piece| piece.split('=').next().unwrap())
        .collect();
    // What is empty is left out, and the scope is where it was said.
    assert_eq!(
        names,
        [
            "x",
            "response_type",
            "client_id",
            "redirect_uri",
            "scope",
            "prompt",
            "state",
            "code_challenge_method",
            "code_challenge"
        ]
    );
    let start = "https://as.example/authorize?x=1&response_type=code&client_id=app\
                 &redirect_uri=https%3A%2F%2Fapp.example%2Fcb&scope=a+b&prompt=login&state=";
    assert!(url.as_str().starts_with(start), "{url}");
    assert_eq!(state_in(url.as_str()).len(), 43, "256 bits, and not thirty characters");
    // A parameter occurs once (RFC 6749 §3.1).
    let twice = request.with_parameter("x", "2").unwrap_err();
    assert_eq!((twice.kind(), twice.reason()), (ErrorKind::Usage, Reason::ReservedParameter));
}

#[test]
fn ol_3_a_url_without_a_state_is_for_a_profile_that_says_so() {
    // There, `prepare_request_uri` leaves the state to the caller. Here it is never forgotten, and not chosen either.
    assert!(begin(&server()).0.contains("&state="));
    let request = AuthorizationRequest::new(&server(), &client(ClientAuth::none())).unwrap();
    assert_eq!(request.with_parameter("state", "mine").unwrap_err().reason(), Reason::ReservedParameter);
    assert!(!begin(&peculiar(r#""authorize": { "state": "off" }"#)).0.contains("state="));
}

#[test]
fn ol_4_a_token_request_is_made_of_the_whole_redirect_url() {
    let (url, pending) = begin(&server());
    let received = pending.receive(format!("{CALLBACK}?state={}&code=c%2F1", state_in(&url))).unwrap();
    let request = sent(AuthorizationCodeGrant::new(&server(), received).unwrap(), &ClientAuth::none());
    let expected = "POST https://as.example/token grant_type=authorization_code&code=c%2F1\
                    &redirect_uri=https%3A%2F%2Fapp.example%2Fcb&code_verifier=";
    assert!(short(&request).starts_with(expected), "{}", short(&request));
    assert_eq!(request.headers()["content-type"], MEDIA_TYPE);
    assert_eq!(request.headers()["accept"], "application/json");
}

#[test]
fn ol_5_a_form_says_who_the_client_is_as_it_was_told() {
    let grant = || AuthorizationCodeGrant::new(&server(), received()).unwrap();
    let names = |auth: &ClientAuth| {
        let form = form(grant(), auth);
        form.split('&').map(|piece| piece.split('=').next().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    let common = "grant_type code redirect_uri code_verifier";
    // `include_client_id`, with a secret and without one.
    assert_eq!(names(&ClientAuth::none()), format!("{common} client_id"));
    assert_eq!(names(&ClientAuth::secret_post("s")), format!("{common} client_id client_secret"));
    assert_eq!(names(&ClientAuth::secret_basic("s")), common);
    assert_eq!(names(&ClientAuth::secret_basic_and_id("s")), format!("{common} client_id"));
    // An empty secret is no parameter (RFC 6749 §3.2): there, it is sent.
    assert_eq!(names(&ClientAuth::secret_post("")), format!("{common} client_id"));
    // What the caller adds follows, and cannot be what the grant says.
    let more = grant().with_parameter("audience", "x y").unwrap();
    assert!(form(more, &ClientAuth::none()).contains("&audience=x+y&client_id=app"));
    let another = grant().with_parameter("client_id", "other").unwrap_err();
    assert_eq!((another.kind(), another.reason()), (ErrorKind::Usage, Reason::ReservedParameter));
}

#[test]
fn ol_6_a_redirect_is_read_in_the_order_state_error_code() {
    let back = |query: &str| {
        let (url, pending) = begin(&server());
        pending.receive(format!("{CALLBACK}?{}", query.replace("STATE", state_in(&url))))
    };
    back("code=c&state=STATE").unwrap();
    for (query, kind, reason) in [
        ("error=access_denied&code=c&state=other", ErrorKind::Untrusted, Reason::StateMismatch),
        ("error=access_denied&code=c", ErrorKind::Untrusted, Reason::StateMismatch),
        ("error=access_denied&code=c&state=STATE", ErrorKind::Denied, Reason::AuthorizationDenied),
        ("state=STATE", ErrorKind::Protocol, Reason::MissingParameter),
    ] {
        let error = back(query).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (kind, reason), "{query}");
    }
    let refused = back("error=access_denied&error_description=not+now&state=STATE").unwrap_err();
    let response = refused.response().unwrap();
    assert_eq!((response.code(), response.description()), (&ErrorCode::AccessDenied, Some("not now")));
    // A redirect to loopback need not be https: there, it is refused.
    let local = client(ClientAuth::none()).with_redirect_uri("http://127.0.0.1:8080/cb").unwrap();
    let (url, pending) =
        AuthorizationRequest::new(&server(), &local).unwrap().start(&World::new().env()).unwrap();
    pending.receive(format!("http://127.0.0.1:8080/cb?code=c&state={}", state_in(url.as_str()))).unwrap();
}

#[test]
fn ol_11_a_refresh_asks_for_what_it_is_told_and_by_the_name_that_is_wanted() {
    let grant = |server: &ServerMetadata| RefreshTokenGrant::new(server, RefreshToken::new("rt")).unwrap();
    let post = ClientAuth::secret_post("s");
    // Nothing is asked for unless it is said, which is all that was granted (RFC 6749 §6): there, the first scope is sent.
    let plain = "grant_type=refresh_token&refresh_token=rt&client_id=app&client_secret=s";
    assert_eq!(form(grant(&server()), &post), plain);
    let less = grant(&server()).with_scope("a").unwrap().with_parameter("audience", "x").unwrap();
    let expected =
        "grant_type=refresh_token&refresh_token=rt&scope=a&audience=x&client_id=app&client_secret=s";
    assert_eq!(form(less, &post), expected);
    // `refresh_token_key`.
    let renamed = peculiar(r#""refresh": { "rename": { "refresh_token": "access_token" } }"#);
    assert_eq!(form(grant(&renamed), &post), plain.replacen("&refresh_token", "&access_token", 1));
}

#[test]
fn ol_12_a_revocation_hints_at_what_the_token_is_or_at_nothing() {
    let body = |token: ShownToken| {
        let request = sent(RevocationRequest::new(&server(), token).unwrap(), &ClientAuth::none());
        short(&request).replace("POST https://as.example/revoke ", "")
    };
    let access = AccessToken::bearer("t").unwrap();
    assert_eq!(body((&access).into()), "token=t&token_type_hint=access_token&client_id=app");
    assert_eq!(body((&RefreshToken::new("t")).into()), "token=t&token_type_hint=refresh_token&client_id=app");
    assert_eq!(body(Secret::new("t").into()), "token=t&client_id=app");
}

#[test]
fn ol_13_and_t11_a_challenge_is_the_hash_of_its_verifier() {
    // RFC 7636, Appendix B.
    let verifier = CodeVerifier::parse("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk").unwrap();
    let challenge = verifier.challenge(&CryptoProvider::ring());
    assert_eq!(challenge.as_str(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    for (length, is_one) in [(42, false), (43, true), (128, true), (129, false)] {
        assert_eq!(CodeVerifier::parse(&"x".repeat(length)).is_ok(), is_one, "{length}");
    }
}

#[test]
fn t11_the_method_is_s256_and_the_verifier_never_its_own_challenge() {
    assert!(begin(&server()).0.contains("&code_challenge_method=S256&code_challenge="));
    assert_eq!(CodeChallengeMethod::parse("plain").unwrap_err().reason(), Reason::PkceUnsupported);
    let (url, _) = begin(&server());
    let challenge = url.split("code_challenge=").nth(1).unwrap();
    let sent = form(AuthorizationCodeGrant::new(&server(), received()).unwrap(), &ClientAuth::none());
    let verifier = sent.split("code_verifier=").nth(1).unwrap().split('&').next().unwrap();
    let hashed = CodeVerifier::parse(verifier).unwrap().challenge(&CryptoProvider::ring());
    assert!(verifier != challenge && hashed.as_str() == challenge);
}

#[test]
fn ol_15_a_code_that_came_in_another_way_is_a_grant_of_the_programs_own() {
    // As by `WebApplicationClient(code=…)`: of a telephone's own sign-in, say. No state ties it to anything here.
    let grant = ExtensionGrant::new(&server(), "authorization_code").unwrap();
    let grant = grant.with_secret("code", &Secret::new("c/1")).unwrap();
    let expected = "grant_type=authorization_code&code=c%2F1&client_id=app&client_secret=s";
    assert_eq!(form(grant, &ClientAuth::secret_post("s")), expected);
}

#[test]
fn ol_18_a_service_names_itself_by_its_secret_alone_unless_it_is_told_otherwise() {
    let body = |auth: ClientAuth| {
        let grant = ClientCredentialsGrant::new(&server(), &client(auth.clone())).unwrap();
        form(grant.with_scope("a b").unwrap(), &auth)
    };
    assert_eq!(body(ClientAuth::secret_basic("s")), "grant_type=client_credentials&scope=a+b");
    let both = body(ClientAuth::secret_basic_and_id("s"));
    assert_eq!(both, "grant_type=client_credentials&scope=a+b&client_id=app");
    let posted = body(ClientAuth::secret_post("s"));
    assert_eq!(posted, "grant_type=client_credentials&scope=a+b&client_id=app&client_secret=s");
}

#[test]
fn t5_a_secret_is_encoded_before_it_is_put_into_the_header() {
    let header = |auth: ClientAuth| {
        let grant = ClientCredentialsGrant::new(&server(), &client(auth.clone())).unwrap();
        sent(grant, &auth).headers()["authorization"].to_str().unwrap().to_owned()
    };
    // `app:se%3Acret%2F+%25` (RFC 6749 §2.3.1); as it is only by name.
    assert_eq!(header(ClientAuth::secret_basic("se:cret/ %")), "Basic YXBwOnNlJTNBY3JldCUyRislMjU=");
    assert_eq!(header(ClientAuth::secret_basic_raw("se:cret/ %")), "Basic YXBwOnNlOmNyZXQvICU=");
    assert_eq!(header(ClientAuth::secret_basic("")), "Basic YXBwOg==");
}

#[test]
fn ol_20_a_device_asks_in_a_form_and_its_secret_is_in_no_url() {
    let auth = ClientAuth::secret_post("s3cret");
    let client = client(auth.clone());
    let party = Arc::new(Party::client(server().issuer().clone(), client.id(), &auth).unwrap());
    let request = || DeviceAuthorizationRequest::new(&server()).unwrap().with_scope("tv").unwrap();
    // There, the request is a URL with the secret in it.
    let asked = "POST https://as.example/device scope=tv&client_id=app&client_secret=s3cret";
    let answer = json(
        200,
        r#"{"device_code":"d","user_code":"U-1","verification_uri":"https://as.example/d","expires_in":600}"#,
    );
    let device = play_call(|| Call::new(request(), Arc::clone(&party)), &[(asked, answer)]).unwrap();
    assert_eq!((device.user_code(), device.verification_uri()), ("U-1", "https://as.example/d"));
    let poll = form(DeviceCodeGrant::new(&server(), &device).unwrap(), &auth);
    let expected = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code=d\
                    &client_id=app&client_secret=s3cret";
    assert_eq!(poll, expected);
}

#[test]
fn ol_21_and_t10_http_is_for_loopback_and_there_is_no_switch() {
    for url in ["http://localhost/a", "http://127.0.0.1:8080/a", "http://[::1]/a", "https://as.example/a"] {
        server().with_authorization_endpoint(url).unwrap().with_token_endpoint(url).unwrap();
    }
    for url in ["http://as.example/token", "http://localhost.evil.example/token", "http://10.0.0.1/token"] {
        for error in [
            server().with_token_endpoint(url).unwrap_err(),
            server().with_authorization_endpoint(url).unwrap_err(),
        ] {
            assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::InsecureUrl), "{url}");
        }
    }
}

#[test]
fn t10_an_environment_variable_lets_nothing_through() {
    // Tests share their environment: the program is asked again, with the variable of oauthlib set.
    let name = "parity_requests::ol_21_and_t10_http_is_for_loopback_and_there_is_no_switch";
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name])
        .env("OAUTHLIB_INSECURE_TRANSPORT", "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
fn t17_a_type_of_token_that_is_none_is_refused_at_once_or_named_by_a_profile() {
    let hold = |server: &ServerMetadata| {
        let auth = ClientAuth::secret_basic("s");
        let client = client(auth.clone());
        let party = Arc::new(Party::client(server.issuer().clone(), client.id(), &auth).unwrap());
        let grant = || Call::new(ClientCredentialsGrant::new(server, &client).unwrap(), Arc::clone(&party));
        let answer = json(200, r#"{"access_token":"at","token_type":"User Access Token"}"#);
        let asked = "POST https://as.example/token grant_type=client_credentials";
        TokenSet::of(&play_call(grant, &[(asked, answer)]).unwrap(), None)
    };
    // There, such a token is kept, and fails when it is first used.
    let error = hold(&server()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Protocol, Reason::UnsupportedTokenType));
    hold(&peculiar(r#""answer": { "token_types": { "user access token": "Bearer" } }"#)).unwrap();
}
