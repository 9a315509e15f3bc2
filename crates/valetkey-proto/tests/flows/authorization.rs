//! The user's trip: what the URL carries, what a callback may be, and what a sealed sign-in survives.

use std::{collections::HashSet, time::Duration};

use crate::transcript::World;
use valetkey_proto::{
    ErrorCode, ErrorKind, Reason, Timestamp,
    crypto::SystemRandom,
    form::Parameters,
    oauth2::{
        authorization::{AuthorizationRequest, AuthorizationResponse, Callback, PendingAuthorization},
        client::{ClientId, ClientMetadata},
        server::{Issuer, ServerMetadata},
    },
    seal::{SealingKey, SealingKeys},
};

const CALLBACK: &str = "https://app.example/cb?keep=1";

fn request(names_issuer: bool) -> AuthorizationRequest {
    let server = ServerMetadata::new(Issuer::parse("https://as.example").unwrap());
    let mut server = server.with_authorization_endpoint("https://as.example/authorize?tenant=1").unwrap();
    if names_issuer {
        server = server.with_issuer_in_responses();
    }
    let client = ClientMetadata::new("my app").unwrap().with_redirect_uri(CALLBACK).unwrap();
    AuthorizationRequest::new(&server, &client).unwrap()
}

/// A sign-in, and its state.
fn begin(names_issuer: bool) -> (PendingAuthorization, String) {
    let (url, pending) = request(names_issuer).start(&World::new().env()).unwrap();
    let state = url.as_str().split("&state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    (pending, state)
}

#[test]
fn the_url_keeps_the_query_of_the_endpoint_and_takes_no_reserved_parameter() {
    let request =
        request(false).with_scope("a b").unwrap().with_parameter("ui_locales", "de en&x=1").unwrap();
    let (url, _) = request.start(&World::new().env()).unwrap();
    let start = "https://as.example/authorize?tenant=1&response_type=code&client_id=my+app\
        &redirect_uri=https%3A%2F%2Fapp.example%2Fcb%3Fkeep%3D1&scope=a+b&ui_locales=de+en%26x%3D1&state=";
    assert!(url.as_str().starts_with(start), "{url}");
    assert!(!url.as_str().contains("nonce"), "no nonce without openid");
    assert!(!format!("{url:?}").contains("state"));
    for name in
        ["state", "nonce", "code_challenge", "request_uri", "response_type", "ui_locales", "tenant", "scope"]
    {
        let error = request.clone().with_parameter(name, "x").unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Usage, Reason::ReservedParameter), "{name}");
    }
    assert!(request.with_scope("c").is_err());
}

#[test]
fn s_net_08_nothing_that_is_set_can_inject() {
    for scope in ["a\r\nb", "a\"b", "a\\b", "é", "a\u{0}", "a\tb", "\u{2028}"] {
        assert_eq!(request(false).with_scope(scope).unwrap_err().reason(), Reason::InvalidValue, "{scope:?}");
    }
    for id in ["", "a\r\nb", "a\0", &"x".repeat(4000)] {
        assert_eq!(ClientId::parse(id).unwrap_err().reason(), Reason::InvalidValue);
    }
    let hostile = "x\r\nSet-Cookie: a=b\0&client_id=evil#%0d%0a\u{2028}";
    let (url, _) =
        request(false).with_parameter(hostile, hostile).unwrap().start(&World::new().env()).unwrap();
    assert!(url.as_str().bytes().all(|byte| matches!(byte, 0x21..=0x7e)) && !url.as_str().contains('#'));
    assert_eq!(url.as_str().matches("&client_id=").count(), 1);
}

#[test]
fn s_az_03_every_sign_in_has_its_own_state_and_verifier() {
    let random = SystemRandom::new();
    let world = World::new();
    let env = valetkey_proto::Env { random: &random, ..world.env() };
    let mut seen = HashSet::new();
    let request = request(false).with_scope("openid").unwrap();
    for _ in 0..20_000 {
        let (url, _) = request.start(&env).unwrap();
        for name in ["&state=", "&code_challenge=", "&nonce="] {
            let text = url.as_str().split(name).nth(1).unwrap().split('&').next().unwrap();
            assert!(
                text.len() == 43
                    && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
            );
            assert!(seen.insert(text.to_owned()), "twice: {name}");
        }
    }
}

#[test]
fn a_callback_may_arrive_in_several_shapes() {
    for shape in [
        "https://app.example/cb?keep=1&code=c&state=S",
        "https://APP.example:443/cb?code=c&keep=1&state=S",
        "/cb?keep=1&state=S&code=c",
        "/cb?keep=1&state=S&code=c&unknown=x&error=",
        "https://app.example/cb?keep=1&code=c&state=S#_=_",
        "https://app.example/cb?keep=1&code=c&state=S#",
    ] {
        let (pending, state) = begin(false);
        let callback = Callback::uri(shape.replace('S', &state));
        assert!(pending.matches(&callback), "{shape}");
        let received = pending.receive(callback).expect(shape);
        assert_eq!(received.issuer().as_str(), "https://as.example");
    }
}

/// Receives a callback with `S` for the state, and says why it was refused.
fn refused(names_issuer: bool, shape: &str) -> (ErrorKind, Reason) {
    let (pending, state) = begin(names_issuer);
    let error = pending.receive(shape.replace('S', &state)).expect_err(shape);
    assert!(!format!("{error} {error:?}").contains(&state), "the state is in the error of {shape}");
    (error.kind(), error.reason())
}

#[test]
fn s_az_05_and_16_the_state_is_exact() {
    for shape in ["", "&state=", "&state=x", "&state=SS", "&state=S%20", "&STATE=S"] {
        let shape = format!("/cb?keep=1&code=c{shape}");
        assert_eq!(refused(false, &shape), (ErrorKind::Untrusted, Reason::StateMismatch), "{shape}");
    }
    // An error of somebody else's is not shown either.
    assert_eq!(refused(false, "/cb?keep=1&error=access_denied&state=x").1, Reason::StateMismatch);
    let long = format!("/cb?keep=1&state=S&code={}", "x".repeat(100 << 10));
    assert_eq!(refused(false, &long), (ErrorKind::Protocol, Reason::TooLarge));
    let many = (0..100).map(|index| format!("&p{index}=1")).collect::<String>();
    assert_eq!(refused(false, &format!("/cb?keep=1&state=S&code=c{many}")).1, Reason::TooLarge);
    for piece in ["&a=1", "x"] {
        let huge = format!("/cb?keep=1&state=S&code=c{}", piece.repeat((1 << 20) / piece.len()));
        assert_eq!(refused(false, &huge).1, Reason::TooLarge);
        let (pending, state) = begin(false);
        assert!(!pending.matches(&Callback::uri(huge.replace('S', &state))), "not even looked at");
    }
}

#[test]
fn s_az_09_the_issuer_is_compared_byte_for_byte() {
    let iss = |text: &str| format!("/cb?keep=1&code=c&state=S&iss={text}");
    for text in ["https%3A%2F%2Fas.example", "https://as.example"] {
        let (pending, state) = begin(true);
        assert!(pending.receive(iss(text).replace('S', &state)).is_ok());
    }
    for names_issuer in [true, false] {
        for text in [
            "",
            "https://evil.example",
            "https://AS.example",
            "https://as.example/",
            "https://as.example:443",
        ] {
            let why = (ErrorKind::Untrusted, Reason::IssuerMismatch);
            assert_eq!(refused(names_issuer, &iss(text)), why, "{text}");
        }
        let error = "/cb?keep=1&error=access_denied&error_description=phish&state=S&iss=https://evil.example";
        assert_eq!(refused(names_issuer, error).1, Reason::IssuerMismatch);
        let twice = format!("{}&iss=https://as.example", iss("https://as.example"));
        assert_eq!(refused(names_issuer, &twice).1, Reason::DuplicateParameter);
    }
    assert_eq!(refused(true, "/cb?keep=1&code=c&state=S"), (ErrorKind::Untrusted, Reason::IssuerMissing));
}

#[test]
fn s_az_01_tokens_and_other_modes_are_refused() {
    for (shape, reason) in [
        ("/cb?keep=1#access_token=t&state=S", Reason::UnexpectedToken),
        ("/cb?keep=1&code=c&state=S#id_token=t", Reason::UnexpectedToken),
        ("/cb?keep=1&code=c&access_token=t&state=S", Reason::UnexpectedToken),
        ("/cb?keep=1#code=c&state=S", Reason::ResponseModeMismatch),
        ("/cb?keep=1&response=e.e.e", Reason::ResponseModeMismatch),
        ("/cb?keep=1&code=c&code=c&state=S", Reason::DuplicateParameter),
        ("/cb?keep=1&code=c&error=access_denied&error=x&state=S", Reason::DuplicateParameter),
        ("/cb?keep=1&state=S", Reason::MissingParameter),
        ("/cb?keep=1&state=S&code=", Reason::MissingParameter),
        ("/cb?keep=1&state=S&code=%ff", Reason::Malformed),
        ("/other?keep=1&state=S&code=c", Reason::RedirectUriMismatch),
        ("/cb?state=S&code=c", Reason::RedirectUriMismatch),
        ("http://app.example/cb?keep=1&state=S&code=c", Reason::RedirectUriMismatch),
        ("https://evil.example/cb?keep=1&state=S&code=c", Reason::RedirectUriMismatch),
        ("https://app.example@evil.example/cb?keep=1&state=S&code=c", Reason::RedirectUriMismatch),
        ("https://app.example/cb/?keep=1&state=S&code=c", Reason::RedirectUriMismatch),
        ("", Reason::RedirectUriMismatch),
    ] {
        assert_eq!(refused(false, shape).1, reason, "{shape}");
    }
    let (pending, state) = begin(false);
    let error = pending.receive(Callback::form(format!("code=c&state={state}"))).unwrap_err();
    assert_eq!(error.reason(), Reason::ResponseModeMismatch, "S-AZ-22");
}

#[test]
fn a_refusal_carries_the_servers_words() {
    let (pending, state) = begin(false);
    let callback =
        format!("/cb?keep=1&error=access_denied&error_description=not+today%1b&code=c&state={state}");
    let error = pending.receive(callback).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::AuthorizationDenied));
    assert_eq!(error.response().unwrap().code(), &ErrorCode::AccessDenied);
    assert_eq!(error.to_string(), "authorization was refused: access_denied (not today\\u{1b})");
}

#[test]
fn s_az_17_words_from_the_front_channel_are_shown_harmless() {
    for (words, shown) in [
        ("%1b%5b31mred%07", "\\u{1b}[31mred\\u{7}"),
        ("a%0d%0aSet-Cookie:+b", "a\\u{d}\\u{a}Set-Cookie: b"),
        ("%e2%80%ae%e2%80%a8", "\\u{202e}\\u{2028}"),
        ("%00", "\\u{0}"),
    ] {
        let (pending, state) = begin(false);
        let callback =
            format!("/cb?keep=1&error=x{words}&error_description={words}&error_uri={words}&state={state}");
        let error = pending.receive(callback).unwrap_err();
        assert_eq!(error.to_string(), format!("authorization was refused: x{shown} ({shown})"));
        assert!(format!("{error:?}").bytes().all(|byte| matches!(byte, b' '..=b'~')), "{error:?}");
    }
    let (pending, state) = begin(false);
    let long = "x".repeat(8000);
    let error = pending
        .receive(format!("/cb?keep=1&error={long}&error_description={long}&state={state}"))
        .unwrap_err();
    assert!(error.to_string().len() < 2200, "{}", error.to_string().len());
}

/// Implemented once for every type, and once more for one that can be cloned: a call is then ambiguous.
trait NotClone<Which> {
    const HOLDS: bool = true;
}

struct Cloneable;
impl<T> NotClone<()> for T {}
impl<T: Clone> NotClone<Cloneable> for T {}

#[test]
fn s_az_07_a_sign_in_that_failed_is_over_and_the_next_has_new_values() {
    // That `receive` consumes it, a doc test shows.
    const {
        assert!(
            <PendingAuthorization as NotClone<_>>::HOLDS && <AuthorizationResponse as NotClone<_>>::HOLDS
        );
    }
    let world = World::new();
    let request = request(false).with_scope("openid").unwrap();
    let values = |url: &str| {
        ["&state=", "&nonce=", "&code_challenge="]
            .map(|name| url.split(name).nth(1).unwrap().split('&').next().unwrap().to_owned())
    };
    let (first, pending) = request.start(&world.env()).unwrap();
    let [state, nonce, challenge] = values(first.as_str());
    let error = pending.receive(format!("/cb?keep=1&error=server_error&state={state}")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    let (again, pending) = request.start(&world.env()).unwrap();
    let [new_state, new_nonce, new_challenge] = values(again.as_str());
    assert!(state != new_state && nonce != new_nonce && challenge != new_challenge);
    let late = format!("/cb?keep=1&code=c&state={state}");
    assert_eq!(pending.receive(late).unwrap_err().reason(), Reason::StateMismatch);
}

#[test]
fn s_az_15_the_redirect_uri_is_sent_always_and_as_it_is() {
    for uri in [
        "https://App.Example/%7ecb?x=&y=%2F",
        "https://xn--bcher-kva.example:443/cb",
        "http://127.0.0.1:0/cb",
        "com.example.app:/cb",
    ] {
        let server = ServerMetadata::new(Issuer::parse("https://as.example").unwrap())
            .with_authorization_endpoint("https://as.example/authorize")
            .unwrap();
        let client = ClientMetadata::new("app").unwrap().with_redirect_uri(uri).unwrap();
        let request = AuthorizationRequest::new(&server, &client).unwrap();
        let (url, _) = request.start(&World::new().env()).unwrap();
        let query = Parameters::parse(url.as_str().split_once('?').unwrap().1).unwrap();
        assert_eq!(query.get("redirect_uri"), Some(uri));
    }
}

#[test]
fn s_az_18_no_scope_is_asked_for_unless_it_is_said() {
    for (scope, sent) in [(None, None), (Some(""), None), (Some("read"), Some("read"))] {
        let request = scope.map_or(Ok(request(false)), |scope| request(false).with_scope(scope)).unwrap();
        let (url, _) = request.start(&World::new().env()).unwrap();
        let query = Parameters::parse(url.as_str().split_once('?').unwrap().1).unwrap();
        assert_eq!((query.get("scope"), query.contains("nonce")), (sent, false));
    }
}

#[test]
fn s_az_05_a_forged_callback_is_told_apart_without_ending_the_sign_in() {
    let (pending, state) = begin(false);
    for forged in ["/cb?keep=1&code=evil&state=x", "/favicon.ico", "/cb", "%", "/cb?state=%ff"] {
        assert!(!pending.matches(&Callback::uri(forged)), "{forged}");
    }
    let real = Callback::uri(format!("/cb?keep=1&code=c&state={state}"));
    assert!(pending.matches(&real) && pending.receive(real).is_ok());
}

fn keys() -> SealingKeys {
    SealingKeys::new(SealingKey::new([7; 32]))
}

#[test]
fn a_sealed_sign_in_goes_on_elsewhere() {
    let world = World::new();
    let (pending, state) = begin(true);
    let sealed = pending.seal(&keys(), &world.env()).unwrap();
    assert!(sealed.expose().len() < 1024, "fits a cookie: {}", sealed.expose().len());
    let (issuer, id) = (Issuer::parse("https://as.example").unwrap(), ClientId::parse("my app").unwrap());
    let open = |text: &str, keys: &SealingKeys, now: Timestamp| {
        let env = valetkey_proto::Env { now, ..world.env() };
        PendingAuthorization::open(text, &issuer, &id, keys, &env)
    };
    let minutes = |minutes: u64| crate::transcript::START + Duration::from_secs(60 * minutes);
    let opened = open(sealed.expose(), &keys(), minutes(10)).unwrap();
    let callback = format!("/cb?keep=1&code=c&state={state}&iss=https://as.example");
    assert!(opened.receive(callback).is_ok());

    let rolled = SealingKeys::new(SealingKey::new([8; 32])).with_former(SealingKey::new([7; 32]));
    assert!(open(sealed.expose(), &rolled, crate::transcript::START).is_ok());
    for (now, why) in
        [(minutes(11), Reason::PendingExpired), (Timestamp::from_secs(0), Reason::PendingExpired)]
    {
        let error = open(sealed.expose(), &keys(), now).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Expired, why));
    }
    let other = SealingKeys::new(SealingKey::new([8; 32]));
    let mut changed = sealed.expose().to_owned();
    let last = changed.pop().unwrap();
    changed.push(if last == 'A' { 'B' } else { 'A' });
    for (text, keys) in [
        (sealed.expose(), &other),
        (changed.as_str(), &keys()),
        ("", &keys()),
        ("vk1.", &keys()),
        ("vk1.AAAA", &keys()),
        (&format!("vk1.{}", "A".repeat(100_000)), &keys()),
        (sealed.expose().trim_start_matches("vk1."), &keys()),
    ] {
        let error = open(text, keys, crate::transcript::START).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Untrusted, Reason::SealBroken));
    }
    for (issuer, id) in [("https://evil.example", "my app"), ("https://as.example", "other")] {
        let (issuer, id) = (Issuer::parse(issuer).unwrap(), ClientId::parse(id).unwrap());
        let error =
            PendingAuthorization::open(sealed.expose(), &issuer, &id, &keys(), &world.env()).unwrap_err();
        assert_eq!(error.reason(), Reason::SealBroken, "S-AZ-08");
    }
}
