//! What a program hands in: whatever it is, it cannot change what is sent beside it.

use std::sync::Arc;

use crate::transcript::{START, World};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use valetkey_http::Request;
use valetkey_proto::{
    Call, Draft, Env, ErrorKind, Event, Exchange, Flow, Party, Reason, Result, Retry, Step, Timestamp,
    endpoint::{Endpoint, Origin, RedirectUri},
    form::{Form, Parameters},
    oauth2::{
        authorization::{AuthorizationRequest, PendingAuthorization},
        client::{ClientAuth, ClientId, ClientMetadata},
        grant::{AuthorizationCodeGrant, ClientCredentialsGrant, RefreshTokenGrant},
        resource::ResourceRequest,
        server::{Issuer, ServerMetadata, WellKnown},
    },
    seal::{SealingKey, SealingKeys},
    secret::{AccessToken, RefreshToken},
};

/// What would break out of a header, a URL or a form.
const HOSTILE: [&str; 14] = [
    "a\r\nb: c",
    "a\nb",
    "a\0b",
    "a\u{7f}b",
    "a\u{2028}b",
    "a\u{85}b",
    "a\"b",
    "a\\b",
    "a<b>c",
    "a&client_id=evil",
    "a%0d%0ab",
    "a#b",
    "a b+c%d",
    "ä\u{10ffff}",
];

fn issuer() -> Issuer {
    Issuer::parse("https://as.example").unwrap()
}

fn server() -> ServerMetadata {
    let server = ServerMetadata::new(issuer()).with_authorization_endpoint("https://as.example/authorize");
    server.unwrap().with_token_endpoint("https://as.example/token").unwrap()
}

fn client(auth: ClientAuth) -> ClientMetadata {
    ClientMetadata::new("app").unwrap().with_auth(auth).with_redirect_uri("https://app.example/cb").unwrap()
}

/// The first request of a call.
fn first<E: Exchange>(exchange: E, party: Party) -> Result<Request> {
    match Call::new(exchange, Arc::new(party)).step(Event::Go, &World::new().env())? {
        Step::Send(request, _) => Ok(request),
        _ => panic!("nothing to wait for"),
    }
}

fn refresh(token: &str) -> RefreshTokenGrant {
    RefreshTokenGrant::new(&server(), RefreshToken::new(token)).unwrap()
}

fn credentials() -> ClientCredentialsGrant {
    ClientCredentialsGrant::new(&server(), &client(ClientAuth::secret_post("s"))).unwrap()
}

fn code() -> AuthorizationCodeGrant {
    let request = AuthorizationRequest::new(&server(), &client(ClientAuth::none())).unwrap();
    let (url, pending) = request.start(&World::new().env()).unwrap();
    let state = url.as_str().split("&state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let received = pending.receive(format!("https://app.example/cb?code=c&state={state}")).unwrap();
    AuthorizationCodeGrant::new(&server(), received).unwrap()
}

/// The form of a request, each name once, in printable ASCII.
fn form(request: &Request) -> Vec<(String, String)> {
    assert!(request.body().iter().all(|byte| matches!(byte, 0x21..=0x7e)), "{:?}", request.body());
    let read = Parameters::parse(std::str::from_utf8(request.body()).unwrap()).expect("each name once");
    read.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn s_net_08_what_goes_into_a_form_stays_in_its_parameter() {
    for hostile in HOSTILE {
        for auth in [ClientAuth::secret_post(hostile), ClientAuth::none()] {
            let id = ClientId::parse("app").unwrap();
            let party = || Party::client(issuer(), &id, &auth).unwrap();
            let sent = [
                first(refresh(hostile).with_parameter(hostile, hostile).unwrap(), party()).unwrap(),
                first(credentials().with_parameter(hostile, hostile).unwrap(), party()).unwrap(),
                first(code().with_parameter(hostile, hostile).unwrap(), party()).unwrap(),
            ];
            for request in &sent {
                assert_eq!(request.uri(), "https://as.example/token");
                assert_eq!(
                    form(request).iter().filter(|(name, _)| *name == *hostile).count(),
                    1,
                    "{hostile:?}"
                );
                assert!(form(request).contains(&("client_id".to_owned(), "app".to_owned())));
            }
        }
    }
}

#[test]
fn s_net_08_what_cannot_be_encoded_is_refused() {
    let is_scope =
        |text: &str| text.bytes().all(|byte| matches!(byte, 0x20 | 0x21 | 0x23..=0x5b | 0x5d..=0x7e));
    for hostile in HOSTILE {
        let scopes = [
            refresh("r").with_scope(hostile).map(drop),
            credentials().with_scope(hostile).map(drop),
            AuthorizationRequest::new(&server(), &client(ClientAuth::none()))
                .and_then(|request| request.with_scope(hostile))
                .map(drop),
        ];
        assert!(scopes.iter().all(|taken| taken.is_ok() == is_scope(hostile)), "{hostile:?}");
        let has_control = hostile.chars().any(char::is_control);
        assert_eq!(ClientId::parse(hostile).is_err(), has_control, "{hostile:?}");
        let is_uri = hostile.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\#".contains(&byte));
        let url = format!("https://as.example/{hostile}");
        assert_eq!(Endpoint::parse(&url).is_ok(), is_uri, "{url:?}");
        assert_eq!(Issuer::parse(&url).is_ok(), is_uri, "{url:?}");
        assert_eq!(RedirectUri::parse(&url).is_ok(), is_uri, "{url:?}");
        assert_eq!(
            issuer().metadata_url(&WellKnown::Application(hostile.into())).is_ok(),
            is_uri,
            "{hostile:?}"
        );
        assert_eq!(
            AccessToken::bearer(hostile).is_some(),
            hostile.bytes().all(|byte| byte.is_ascii_graphic())
        );
        for url in [format!("https://{hostile}.example"), format!("https://as.example:{hostile}")] {
            assert!(is_uri || (Origin::parse(&url).is_err() && Issuer::parse(&url).is_err()), "{url:?}");
        }
    }
    for empty in [refresh("r").with_parameter("", "x").map(drop), code().with_parameter("", "x").map(drop)] {
        assert_eq!(empty.unwrap_err().reason(), Reason::InvalidValue);
    }
}

#[test]
fn s_tk_01_no_parameter_is_set_twice() {
    for name in ["audience", "x y", "a&b"] {
        let error = credentials().with_parameter(name, "1").unwrap().with_parameter(name, "2").unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Usage, Reason::ReservedParameter), "{name}");
        assert!(refresh("r").with_parameter(name, "1").unwrap().with_parameter(name, "1").is_err());
        assert!(code().with_parameter(name, "1").unwrap().with_parameter(name, "").is_err());
    }
    // There may be several resources (RFC 8707 §2).
    let request =
        credentials().with_parameter("resource", "x:a").unwrap().with_parameter("resource", "x:b").unwrap();
    let sent = first(request, Party::anonymous()).unwrap();
    assert_eq!(sent.body(), "grant_type=client_credentials&resource=x%3Aa&resource=x%3Ab");
    // An empty value is none, and a name is none that only ends like another.
    let request = credentials().with_parameter("x", "").unwrap().with_parameter("xx", "1").unwrap();
    let request = request.with_parameter("x", "2").unwrap();
    let sent = first(request, Party::anonymous()).unwrap();
    assert_eq!(sent.body(), "grant_type=client_credentials&xx=1&x=2");
}

/// An endpoint of the program's own, which brings what authentication would add.
struct Own {
    header: Option<&'static str>,
    parameter: &'static str,
}

impl Exchange for Own {
    type Output = ();

    fn retry(&self) -> Retry {
        Retry::NEVER
    }

    fn request(&self, _: &Env<'_>) -> Result<Draft> {
        let mut form = Form::new();
        form.push(self.parameter, "own");
        let mut draft = Draft::post(&Endpoint::parse("https://as.example/own")?, form);
        if let Some(header) = self.header {
            draft.headers_mut().insert("authorization", header.parse().unwrap());
        }
        Ok(draft)
    }

    fn response(&self, _: valetkey_http::Response, _: Timestamp, _: &Env<'_>) -> Result<()> {
        Ok(())
    }
}

#[test]
fn s_tk_02_a_second_authentication_is_refused() {
    let id = ClientId::parse("app").unwrap();
    let origins: Arc<[Origin]> = Arc::new([Origin::parse("https://as.example").unwrap()]);
    let bearer = || Party::bearer(issuer(), AccessToken::bearer("t").unwrap(), Arc::clone(&origins));
    let as_client = |auth: &ClientAuth| Party::client(issuer(), &id, auth).unwrap();
    let auths = [
        ClientAuth::none(),
        ClientAuth::secret_basic("s"),
        ClientAuth::secret_basic_raw("s"),
        ClientAuth::secret_post("s"),
    ];
    let parties = || auths.iter().map(as_client).chain([bearer()]);
    for party in parties() {
        let error = first(Own { header: Some("Basic eDp5"), parameter: "x" }, party).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Usage, Reason::AlreadyAuthorized));
    }
    for auth in &auths {
        for parameter in ["client_secret", "client_assertion", "client_id"] {
            let outcome = first(Own { header: None, parameter }, as_client(auth));
            // Beside a header the id proves nothing, and some servers want it there.
            let is_name = parameter == "client_id" && auth.name() == "client_secret_basic";
            let reason = outcome.map_err(|error| error.reason()).err();
            assert_eq!(reason, (!is_name).then_some(Reason::AlreadyAuthorized), "{auth:?} {parameter}");
        }
    }
    for party in parties() {
        first(Own { header: None, parameter: "client_identity" }, party).unwrap();
    }
    first(Own { header: Some("Basic eDp5"), parameter: "client_secret" }, Party::anonymous()).unwrap();
}

#[test]
fn s_tk_03_basic_credentials_are_form_encoded_first() {
    // T5: `se:cret/ %` sent as it is, is another secret to a server that follows RFC 6749 §2.3.1.
    for (id, secret, encoded) in [
        ("s6BhdRkqt3", "7Fjfp0ZBr1KtDRbnfVdmIw", "s6BhdRkqt3:7Fjfp0ZBr1KtDRbnfVdmIw"),
        ("a:b", "se:cret/ %", "a%3Ab:se%3Acret%2F+%25"),
        ("app", "a+b&c=d", "app:a%2Bb%26c%3Dd"),
        ("https://app.example/id", "ä€", "https%3A%2F%2Fapp.example%2Fid:%C3%A4%E2%82%AC"),
        ("app", "-._~", "app:-._~"),
        ("app", "", "app:"),
    ] {
        let id = ClientId::parse(id).unwrap();
        let sent = |auth: &ClientAuth| first(refresh("r"), Party::client(issuer(), &id, auth)?);
        let header = |request: &Request| request.headers()["authorization"].to_str().unwrap().to_owned();
        let basic = sent(&ClientAuth::secret_basic(secret)).unwrap();
        assert_eq!(header(&basic), format!("Basic {}", STANDARD.encode(encoded)));
        assert!(form(&basic).iter().all(|(name, _)| !name.starts_with("client_")), "once is enough");
        // As a choice, for servers which do not decode; a colon would then end the id too early.
        let raw = sent(&ClientAuth::secret_basic_raw(secret));
        assert_eq!(raw.is_err(), id.as_str().contains(':'), "{id:?}");
        if let Ok(raw) = raw {
            assert_eq!(
                header(&raw),
                format!("Basic {}", STANDARD.encode(format!("{}:{secret}", id.as_str())))
            );
        }
        let post = form(&sent(&ClientAuth::secret_post(secret)).unwrap());
        let posted = post.iter().find(|(name, _)| name == "client_secret").map(|(_, value)| value.as_str());
        assert_eq!(posted.unwrap_or_default(), secret);
    }
}

#[test]
fn s_tk_04_no_secret_is_in_a_url() {
    for auth in [ClientAuth::none(), ClientAuth::secret_basic("s3cret"), ClientAuth::secret_post("s3cret")] {
        let party = || Party::client(issuer(), &ClientId::parse("app").unwrap(), &auth).unwrap();
        let sent = [first(code(), party()), first(refresh("r"), party()), first(credentials(), party())];
        for request in sent.map(Result::unwrap) {
            assert_eq!(request.uri(), "https://as.example/token");
            assert_eq!((request.method().as_str(), request.uri().query()), ("POST", None));
        }
        let secret = client(auth.clone());
        let (url, _) =
            AuthorizationRequest::new(&server(), &secret).unwrap().start(&World::new().env()).unwrap();
        assert!(!url.as_str().contains("s3cret") && !url.as_str().contains("code_verifier"), "{url}");
    }
}

#[test]
fn s_tk_20_a_bearer_token_goes_in_the_header_alone() {
    let origins: Arc<[Origin]> = Arc::new([Origin::parse("https://api.example").unwrap()]);
    let bearer = || Party::bearer(issuer(), AccessToken::bearer("t0ken").unwrap(), Arc::clone(&origins));
    let request = || {
        let request = http::Request::post("https://api.example/a?b=c").header("content-type", "text/plain");
        request.body(Bytes::from_static(b"d=e")).unwrap()
    };
    let sent = first(ResourceRequest::new(request()), bearer()).unwrap();
    assert_eq!(sent.headers()["authorization"], "Bearer t0ken");
    assert!(sent.headers()["authorization"].is_sensitive());
    assert_eq!(
        (sent.uri().to_string().as_str(), &sent.body()[..]),
        ("https://api.example/a?b=c", &b"d=e"[..])
    );
    for own in ["Bearer other", "Basic x", ""] {
        let mut request = request();
        request.headers_mut().insert("authorization", own.parse().unwrap());
        let error = first(ResourceRequest::new(request), bearer()).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Usage, Reason::AlreadyAuthorized));
    }
}

#[test]
fn connections_to_an_api_are_kept() {
    let origins: Arc<[Origin]> = Arc::new([Origin::parse("https://api.example").unwrap()]);
    let party = Party::bearer(issuer(), AccessToken::bearer("t0ken").unwrap(), origins);
    let request = http::Request::get("https://api.example/").body(Bytes::new()).unwrap();
    let mut call = Call::new(ResourceRequest::new(request), Arc::new(party));
    let Ok(Step::Send(_, demand)) = call.step(Event::Go, &World::new().env()) else { panic!("not sent") };
    assert!(!demand.fresh);
}

#[test]
fn s_net_09_without_randomness_nothing_begins() {
    let mut world = World::new();
    world.random.fails = true;
    let failed = (ErrorKind::Config, Reason::RandomFailed);
    let request = AuthorizationRequest::new(&server(), &client(ClientAuth::none())).unwrap();
    let error = request.start(&world.env()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), failed);
    let error = SealingKey::generate(&world.random).unwrap_err();
    assert_eq!((error.kind(), error.reason()), failed);
    let (_, pending) = request.start(&World::new().env()).unwrap();
    let error = pending.seal(&SealingKeys::new(SealingKey::new([7; 32])), &world.env()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), failed);
}

#[test]
fn s_net_09_a_clock_at_its_ends_breaks_nothing() {
    let keys = SealingKeys::new(SealingKey::new([7; 32]));
    let world = World::new();
    let id = ClientId::parse("app").unwrap();
    let times =
        [Timestamp::from_millis(i64::MIN), Timestamp::from_secs(0), START, Timestamp::from_millis(i64::MAX)];
    let request = AuthorizationRequest::new(&server(), &client(ClientAuth::none())).unwrap();
    for then in times {
        let at = |now: Timestamp| Env { now, ..world.env() };
        let (_, pending) = request.start(&at(then)).unwrap();
        assert_eq!(pending.created(), then);
        let sealed = pending.seal(&keys, &at(then)).unwrap();
        for now in times {
            let opened = PendingAuthorization::open(sealed.expose(), &issuer(), &id, &keys, &at(now));
            assert_eq!(opened.is_ok(), now == then, "{then:?} {now:?}");
        }
        let mut call = Call::anonymous(credentials());
        assert!(matches!(call.step(Event::Go, &at(then)), Ok(Step::Send(..))));
        let answer = crate::transcript::json(200, r#"{"access_token":"t","expires_in":3600}"#);
        let Ok(Step::Done(response)) = call.step(Event::Response(answer), &at(then)) else {
            panic!("{then:?}")
        };
        assert!(response.expires_at().unwrap() >= then);
    }
}

#[test]
fn s_md_02_an_issuer_is_a_plain_https_url() {
    for good in
        ["https://as.example", "https://as.example/", "https://as.example:8443/t/%2F", "http://127.0.0.1:80"]
    {
        assert_eq!(Issuer::parse(good).expect(good).as_str(), good);
    }
    for bad in [
        "https://as.example?x",
        "https://as.example/?",
        "https://as.example/#f",
        "https://as.example#",
        "https://user@as.example",
        "http://as.example",
        "as.example",
        "//as.example",
        "urn:issuer",
        "",
    ] {
        assert_eq!(Issuer::parse(bad).expect_err(bad).kind(), ErrorKind::Config);
    }
}

#[test]
fn s_md_04_metadata_is_asked_for_where_the_issuer_is() {
    for (issuer, appended, inserted) in [
        (
            "https://as.example",
            "/.well-known/openid-configuration",
            "/.well-known/oauth-authorization-server",
        ),
        (
            "https://as.example/",
            "/.well-known/openid-configuration",
            "/.well-known/oauth-authorization-server",
        ),
        (
            "https://as.example/t",
            "/t/.well-known/openid-configuration",
            "/.well-known/oauth-authorization-server/t",
        ),
        (
            "https://as.example/t/u/",
            "/t/u/.well-known/openid-configuration",
            "/.well-known/oauth-authorization-server/t/u",
        ),
        (
            "https://as.example/a%2Fb/..",
            "/a%2Fb/../.well-known/openid-configuration",
            "/.well-known/oauth-authorization-server/a%2Fb/..",
        ),
        (
            "https://as.example//evil.example",
            "//evil.example/.well-known/openid-configuration",
            "/.well-known/oauth-authorization-server//evil.example",
        ),
    ] {
        let issuer = Issuer::parse(issuer).unwrap();
        let origin = Origin::parse("https://as.example").unwrap();
        for (document, path) in [(WellKnown::OpenId, appended), (WellKnown::AuthorizationServer, inserted)] {
            let url = issuer.metadata_url(&document).unwrap();
            assert_eq!((url.origin(), url.uri().path()), (origin.clone(), path), "{issuer}");
        }
    }
}
