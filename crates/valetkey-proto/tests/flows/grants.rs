//! Tokens for tokens, for SAML assertions, by grants of the program's own, and by grants of old.

use std::sync::Arc;

use valetkey_http::{Failure, FailureKind, Request, Sent};
use valetkey_proto::{
    Call, ErrorKind, Event, Exchange, Flow, Party, Reason, Result, Retry, Step, Timestamp,
    form::{Form, Parameters},
    oauth2::{
        authorization::{AuthorizationRequest, Callback, PendingAuthorization, ResponseMode, ResponseType},
        client::{ClientAuth, ClientId, ClientMetadata},
        grant::{
            ClientCredentialsGrant, ExtensionGrant, GitHubActionsTokenRequest, JwtBearerGrant,
            SamlBearerGrant, TokenExchangeGrant, TokenExchangeResponse, TokenTypeIdentifier, TypedToken,
            legacy::PasswordGrant,
        },
        server::{Issuer, ServerMetadata},
        token::{GrantedScope, TokenSet, TokenType},
    },
    secret::{AccessToken, Secret},
};

use crate::transcript::{START, World, json};

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

fn issuer() -> Issuer {
    Issuer::parse("https://as.example").unwrap()
}

fn server() -> ServerMetadata {
    let server = ServerMetadata::new(issuer()).with_token_endpoint("https://as.example/token").unwrap();
    server.with_authorization_endpoint("https://as.example/authorize").unwrap()
}

fn party(auth: &ClientAuth) -> Arc<Party> {
    Arc::new(Party::client(issuer(), &ClientId::parse("app").unwrap(), auth).unwrap())
}

fn jwt(token: &str) -> TypedToken {
    TypedToken::new(Secret::new(token), TokenTypeIdentifier::Jwt)
}

fn first<E: Exchange>(exchange: E, auth: &ClientAuth) -> Request {
    match Call::new(exchange, party(auth)).step(Event::Go, &World::new().env()).unwrap() {
        Step::Send(request, _) => request,
        step => panic!("should send, not {step:?}"),
    }
}

/// Whether this is sent and nothing else, in this order.
#[track_caller]
fn sends(request: &Request, pairs: &[(&str, &str)]) {
    let mut form = Form::new();
    for (name, value) in pairs {
        form.push(name, value);
    }
    assert_eq!(std::str::from_utf8(request.body()).unwrap(), form.expose());
}

/// The answer to an exchange.
fn exchanged(grant: TokenExchangeGrant, body: &str) -> Result<TokenExchangeResponse> {
    let (mut call, world) = (Call::new(grant, party(&ClientAuth::none())), World::new());
    let _ = call.step(Event::Go, &world.env())?;
    match call.step(Event::Response(json(200, body)), &world.env())? {
        Step::Done(issued) => Ok(issued),
        _ => panic!("should be done"),
    }
}

fn plain() -> TokenExchangeGrant {
    TokenExchangeGrant::new(&server(), jwt("s")).unwrap()
}

#[test]
fn s_tx_02_an_exchange_says_whose_tokens_they_are_and_what() {
    let grant = plain()
        .with_actor(TypedToken::access_token(&AccessToken::bearer("a&b").unwrap()))
        .with_requested_token_type(TokenTypeIdentifier::AccessToken)
        .with_audience("urn:one")
        .with_audience("https://two.example/?x=1")
        .with_scope("read write")
        .unwrap()
        .with_parameter("resource", "https://api.example/1")
        .unwrap()
        .with_parameter("resource", "https://api.example/2")
        .unwrap();
    assert!(!format!("{grant:?}").contains("a&b"));
    let expected = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", "s"),
        ("subject_token_type", JWT),
        ("actor_token", "a&b"),
        ("actor_token_type", ACCESS_TOKEN),
        ("requested_token_type", ACCESS_TOKEN),
        ("audience", "urn:one"),
        ("audience", "https://two.example/?x=1"),
        ("scope", "read write"),
        ("resource", "https://api.example/1"),
        ("resource", "https://api.example/2"),
        ("client_id", "app"),
    ];
    sends(&first(grant, &ClientAuth::none()), &expected);
    let least = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", "s"),
        ("subject_token_type", JWT),
    ];
    sends(&first(plain(), &ClientAuth::unnamed()), &least);
    for name in ["subject_token", "actor_token", "actor_token_type", "requested_token_type", "grant_type"] {
        assert_eq!(
            plain().with_parameter(name, "x").unwrap_err().reason(),
            Reason::ReservedParameter,
            "{name}"
        );
    }
}

#[test]
fn s_tx_01_what_was_issued_is_said_and_is_what_was_asked_for() {
    let body = |issued: &str, token_type: &str| {
        format!(
            r#"{{"access_token":"t","issued_token_type":{issued},"token_type":"{token_type}","expires_in":60}}"#
        )
    };
    let asked = || plain().with_requested_token_type(TokenTypeIdentifier::AccessToken);
    let access = body(&format!("{ACCESS_TOKEN:?}"), "Bearer");
    for grant in [plain(), asked()] {
        let issued = exchanged(grant, &access).unwrap();
        assert_eq!(*issued.issued_token_type(), TokenTypeIdentifier::AccessToken);
        assert_eq!(issued.expires_at(), Some(Timestamp::from_secs(START.as_secs() + 60)));
        let tokens = TokenSet::of(issued.tokens().unwrap(), None).unwrap();
        assert_eq!(tokens.access_token().header(), "Bearer t");
    }
    let other = body(&format!("{JWT:?}"), "Bearer");
    assert!(exchanged(plain(), &other).unwrap().tokens().is_some());
    for (issued, reason) in [
        (other, Reason::UnsupportedTokenType),
        (body("\"\"", "Bearer"), Reason::UnsupportedTokenType),
        (body("\"access_token\"", "Bearer"), Reason::UnsupportedTokenType),
        (body("null", "Bearer"), Reason::MissingParameter),
        (body("1", "Bearer"), Reason::Malformed),
        (r#"{"access_token":"t","token_type":"Bearer"}"#.to_owned(), Reason::MissingParameter),
    ] {
        let error = exchanged(asked(), &issued).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Protocol, reason), "{issued}");
        assert_eq!(error.status().map(|status| status.as_u16()), Some(200));
    }
}

#[test]
fn s_tx_01_what_is_no_access_token_is_a_secret_and_no_bearer() {
    for (issued, token_type) in [(JWT, "N_A"), (JWT, "n_a"), ("urn:example:ticket", "N_A")] {
        let body = format!(
            r#"{{"access_token":"canary","issued_token_type":"{issued}","token_type":"{token_type}"}}"#
        );
        let answered = exchanged(plain(), &body).unwrap();
        assert!(answered.tokens().is_none() && *answered.token_type() == TokenType::NotApplicable);
        assert!(!format!("{answered:?}").contains("canary"));
        // It is the subject of the next exchange.
        let next = answered.token();
        assert_eq!((next.expose(), next.token_type().as_str()), ("canary", issued));
        let request = first(TokenExchangeGrant::new(&server(), next).unwrap(), &ClientAuth::none());
        assert!(String::from_utf8_lossy(request.body()).contains("&subject_token=canary&"));
        assert!(!request.headers().contains_key("authorization"));
    }
    // A refresh token goes to no API either, whatever its type is said to be.
    let body = r#"{"access_token":"rt","issued_token_type":"urn:ietf:params:oauth:token-type:refresh_token","token_type":"Bearer"}"#;
    assert!(exchanged(plain(), body).unwrap().tokens().is_none());
}

#[test]
fn what_may_be_shown_once_is_sent_once() {
    let of = |token_type| {
        TokenExchangeGrant::new(&server(), TypedToken::new(Secret::new("s"), token_type)).unwrap().retry()
    };
    assert_eq!(of(TokenTypeIdentifier::AccessToken), Retry::REPEATABLE);
    assert_eq!(of(TokenTypeIdentifier::Other("urn:example:x".into())), Retry::REPEATABLE);
    for token_type in
        [TokenTypeIdentifier::RefreshToken, TokenTypeIdentifier::Saml1, TokenTypeIdentifier::Saml2]
    {
        let actor = TypedToken::new(Secret::new("a"), token_type.clone());
        assert_eq!((of(token_type), plain().with_actor(actor).retry()), (Retry::ONE_TIME, Retry::ONE_TIME));
    }
    let saml = SamlBearerGrant::new(&server(), Secret::new("PHM")).unwrap();
    let password = PasswordGrant::new(&server(), "u", Secret::new("p")).unwrap();
    let own = ExtensionGrant::new(&server(), "urn:example:own").unwrap();
    assert_eq!([saml.retry(), password.retry(), own.retry()], [Retry::ONE_TIME; 3]);
    assert_eq!(own.with_retry(Retry::NEVER).retry(), Retry::NEVER);

    // A password whose answer is lost is not tried again.
    let (mut call, world) = (Call::new(password, party(&ClientAuth::none())), World::new());
    let _ = call.step(Event::Go, &world.env()).unwrap();
    let lost = Failure::new(Sent::Maybe, FailureKind::Closed);
    let error = call.step(Event::Failure(lost), &world.env()).unwrap_err();
    assert_eq!(error.reason(), Reason::OutcomeUnknown);
}

#[test]
fn a_saml_assertion_is_a_grant_or_says_who_the_client_is() {
    let grant =
        SamlBearerGrant::new(&server(), Secret::new("PHNhbWxwOl-_")).unwrap().with_scope("read").unwrap();
    let expected = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:saml2-bearer"),
        ("assertion", "PHNhbWxwOl-_"),
        ("scope", "read"),
    ];
    sends(&first(grant.clone(), &ClientAuth::unnamed()), &expected);
    assert_eq!(grant.with_parameter("assertion", "x").unwrap_err().reason(), Reason::ReservedParameter);

    let auth = ClientAuth::saml_assertion("canary");
    assert!(auth.is_confidential() && auth.shared_secret().is_none());
    assert!(!format!("{auth:?} {:?}", party(&auth)).contains("canary"));
    let client = ClientMetadata::new("app").unwrap().with_auth(auth.clone());
    let request = first(ClientCredentialsGrant::new(&server(), &client).unwrap(), &auth);
    let expected = [
        ("grant_type", "client_credentials"),
        ("client_id", "app"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"),
        ("client_assertion", "canary"),
    ];
    sends(&request, &expected);
    assert!(!request.headers().contains_key("authorization"));
}

#[test]
fn a_grant_of_ones_own_sets_whatever_is_not_the_clients() {
    let own = || ExtensionGrant::new(&server(), "urn:example:own").unwrap();
    // Names that other grants set themselves are free here.
    let grant = own().with_secret("assertion", &Secret::new("canary")).unwrap();
    let grant = grant.with_parameter("subject_token", "s").unwrap().with_scope("read").unwrap();
    assert!(!format!("{grant:?}").contains("canary"));
    let expected = [
        ("grant_type", "urn:example:own"),
        ("scope", "read"),
        ("assertion", "canary"),
        ("subject_token", "s"),
        ("client_id", "app"),
    ];
    sends(&first(grant.clone(), &ClientAuth::none()), &expected);
    assert_eq!(grant.with_parameter("assertion", "x").unwrap_err().reason(), Reason::ReservedParameter);
    for name in
        ["client_id", "client_secret", "client_assertion", "client_assertion_type", "grant_type", "scope"]
    {
        assert_eq!(
            own().with_parameter(name, "x").unwrap_err().reason(),
            Reason::ReservedParameter,
            "{name}"
        );
    }
    assert_eq!(own().with_parameter("", "x").unwrap_err().reason(), Reason::InvalidValue);
    for bad in ["", "a b", "a\r\nb", "é", "password"] {
        let error = ExtensionGrant::new(&server(), bad).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Usage, Reason::InvalidValue), "{bad:?}");
    }
}

#[test]
fn ol_17_a_password_is_sent_in_the_form_and_nowhere_else() {
    let grant = || PasswordGrant::new(&server(), "johndoe", Secret::new("A3 ddj&3w é")).unwrap();
    assert!(!format!("{:?}", grant()).contains("A3 ddj"));
    let request = first(grant().with_scope("read").unwrap(), &ClientAuth::secret_basic("s"));
    let expected =
        [("grant_type", "password"), ("username", "johndoe"), ("password", "A3 ddj&3w é"), ("scope", "read")];
    sends(&request, &expected);
    assert!(request.headers()["authorization"].to_str().unwrap().starts_with("Basic "));
    assert_eq!(request.uri().query(), None);
    for name in ["username", "password", "scope", "grant_type"] {
        let error = grant().with_parameter(name, "x").unwrap_err();
        assert_eq!(error.reason(), Reason::ReservedParameter, "{name}");
    }
    assert!(PasswordGrant::new(&server(), "", Secret::new("p")).is_err());
    // No other grant takes its name.
    let other = JwtBearerGrant::given(&server(), Secret::new("a")).unwrap();
    assert!(other.with_parameter("grant_type", "password").is_err());
}

#[test]
fn the_service_of_github_actions_is_asked_over_https_alone() {
    let shown = || AccessToken::bearer("canary").unwrap();
    let new = |url: &str, audience| GitHubActionsTokenRequest::new(url, shown(), audience);
    let request = first(
        new("https://run.example/t?v=2", Some("https://as.example/?a&b")).unwrap(),
        &ClientAuth::unnamed(),
    );
    assert_eq!(request.uri().query(), Some("v=2&audience=https%3A%2F%2Fas.example%2F%3Fa%26b"));
    assert_eq!(request.headers()["authorization"], "Bearer canary");
    assert!(request.method() == http::Method::GET && request.body().is_empty());
    assert_eq!(
        first(new("https://run.example/t", None).unwrap(), &ClientAuth::unnamed()).uri().query(),
        None
    );
    for (url, reason) in [
        ("http://run.example/t", Reason::InsecureUrl),
        ("http://127.0.0.1:8080/t", Reason::InsecureUrl),
        ("https://user@run.example/t", Reason::InvalidUrl),
        ("file:///etc/passwd", Reason::InvalidUrl),
        ("", Reason::InvalidUrl),
    ] {
        let error = new(url, Some("a")).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, reason), "{url}");
    }
    for (status, body, reason) in [
        (200, r#"{"count":1}"#, Reason::MissingParameter),
        (200, r#"{"value":""}"#, Reason::MissingParameter),
        (200, r#"{"value":["a"]}"#, Reason::Malformed),
        (200, "[]", Reason::Malformed),
        (302, "", Reason::UnexpectedRedirect),
        (403, r#"{"message":"canary"}"#, Reason::UnexpectedStatus),
    ] {
        let (mut call, world) =
            (Call::new(new("https://run.example/", None).unwrap(), Party::anonymous().into()), World::new());
        let _ = call.step(Event::Go, &world.env()).unwrap();
        let error = call.step(Event::Response(json(status, body)), &world.env()).unwrap_err();
        assert_eq!(error.reason(), reason, "{body}");
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
}

/// Begins to sign in by the implicit grant; the state that was sent.
fn implicit() -> (String, PendingAuthorization, String) {
    let client = ClientMetadata::new("app").unwrap().with_redirect_uri("https://app.example/cb").unwrap();
    let request = AuthorizationRequest::new(&server(), &client).unwrap().with_scope("read write").unwrap();
    let request = request.with_response_type(ResponseType::LegacyToken).unwrap();
    let (url, pending) = request.start(&World::new().env()).unwrap();
    let url = String::from(url);
    let query = Parameters::parse(url.split_once('?').unwrap().1).unwrap();
    let state = query.get("state").unwrap().to_owned();
    (url, pending, state)
}

#[test]
fn ol_16_an_access_token_is_taken_out_of_the_fragment_with_state_and_scope() {
    let (url, pending, state) = implicit();
    let query = Parameters::parse(url.split_once('?').unwrap().1).unwrap();
    assert_eq!((query.get("response_type"), query.get("scope")), (Some("token"), Some("read write")));
    assert!(!query.contains("code_challenge") && !query.contains("nonce"));
    let received = pending
        .receive(format!("/cb#access_token=t&token_type=bearer&expires_in=60&scope=read&state={state}"))
        .unwrap();
    let token = received.token().unwrap();
    let tokens = TokenSet::of(token, received.requested_scope()).unwrap();
    assert_eq!(tokens.access_token().expose(), "t");
    assert!(matches!(tokens.scope(), GrantedScope::Explicit(scope) if scope.as_str() == "read"));
    assert!(tokens.refresh_token().is_none() && !received.response_type().has_code());

    // What the server leaves out of the scope is what was asked for.
    let (_, pending, state) = implicit();
    let received = pending.receive(format!("/cb#access_token=t&token_type=Bearer&state={state}")).unwrap();
    let tokens = TokenSet::of(received.token().unwrap(), received.requested_scope()).unwrap();
    assert!(matches!(tokens.scope(), GrantedScope::Requested(Some(scope)) if scope.as_str() == "read write"));
}

#[test]
fn ol_16_the_state_is_looked_at_before_the_token() {
    for (shape, kind, reason) in [
        ("/cb#access_token=t&token_type=Bearer&state=other", ErrorKind::Untrusted, Reason::StateMismatch),
        ("/cb#access_token=t&token_type=Bearer", ErrorKind::Untrusted, Reason::StateMismatch),
        ("/cb#state=other", ErrorKind::Untrusted, Reason::StateMismatch),
        ("/cb?access_token=t&token_type=Bearer&state=S", ErrorKind::Untrusted, Reason::UnexpectedToken),
        ("/cb#access_token=t&code=c&state=S", ErrorKind::Untrusted, Reason::UnexpectedToken),
        ("/cb#access_token=t&refresh_token=r&state=S", ErrorKind::Untrusted, Reason::UnexpectedToken),
        ("/cb#access_token=t&access_token=u&state=S", ErrorKind::Protocol, Reason::DuplicateParameter),
        ("/cb#token_type=Bearer&state=S", ErrorKind::Protocol, Reason::MissingParameter),
        ("/cb#access_token=a+b&state=S", ErrorKind::Protocol, Reason::Malformed),
        ("/cb#error=access_denied&state=S", ErrorKind::Denied, Reason::AuthorizationDenied),
        ("/other#access_token=t&state=S", ErrorKind::Untrusted, Reason::RedirectUriMismatch),
    ] {
        let (_, pending, state) = implicit();
        let error = pending.receive(shape.replace("=S", &format!("={state}"))).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (kind, reason), "{shape}");
    }
    let (_, pending, state) = implicit();
    let posted = Callback::form(format!("access_token=t&token_type=Bearer&state={state}"));
    assert_eq!(pending.receive(posted).unwrap_err().reason(), Reason::ResponseModeMismatch);
    let client = ClientMetadata::new("app").unwrap().with_redirect_uri("https://app.example/cb").unwrap();
    for mode in [ResponseMode::Query, ResponseMode::FormPost] {
        let request = AuthorizationRequest::new(&server(), &client).unwrap();
        let request = request.with_response_type(ResponseType::LegacyToken).unwrap();
        assert_eq!(
            request.with_response_mode(mode).unwrap_err().reason(),
            Reason::InvalidValue,
            "fragment alone"
        );
    }
}
