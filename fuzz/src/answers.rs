//! What servers answer: challenges, token responses, errors, metadata.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use valetkey_http::{Addresses, Response, Unframed};
use valetkey_proto::{
    Advice, Call, Error, ErrorKind, Event, Flow, Party, Step, Timestamp,
    header::Challenge,
    oauth2::{
        authorization::AuthorizationRequest,
        client::{ClientAuth, ClientMetadata},
        grant::ClientCredentialsGrant,
        protected_resource::{ResourceIdentifier, ResourceMetadata},
        server::{Issuer, ServerMetadata, WellKnown},
        token::{Strictness, TokenRecord, TokenResponse, TokenSet},
    },
    sasl::Mechanism,
};

use crate::{
    urls::assert_safe,
    world::{START, World},
};

/// The longest lifetime that is kept.
const TEN_YEARS: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Cuts off the first line.
fn line(data: &[u8]) -> (&[u8], &[u8]) {
    let end = data.iter().position(|&byte| byte == b'\n').unwrap_or(data.len());
    (&data[..end], data.get(end + 1..).unwrap_or_default())
}

/// An answer of these bytes: `STATUS TYPE` in the first line, `!` behind the status if its end is not
/// known, and the body in the rest.
fn answer(data: &[u8]) -> Response {
    let (head, body) = line(data);
    let blank = head.iter().position(|&byte| byte == b' ').unwrap_or(head.len());
    let (status, media_type) = head.split_at(blank);
    let mut response = Response::new(Bytes::copy_from_slice(body));
    let digits = status.strip_suffix(b"!").unwrap_or(status);
    *response.status_mut() = StatusCode::from_bytes(digits).unwrap_or(StatusCode::OK);
    if digits.len() < status.len() {
        response.extensions_mut().insert(Unframed::new());
    }
    add(response.headers_mut(), CONTENT_TYPE, media_type.get(1..).unwrap_or_default());
    response
}

fn add(headers: &mut HeaderMap, name: HeaderName, value: &[u8]) {
    if let Ok(value) = HeaderValue::from_bytes(value)
        && !value.is_empty()
    {
        headers.append(name, value);
    }
}

/// `WWW-Authenticate`: each line is a field.
///
/// What is read keeps within the bounds, and is the same when it is written and read again.
pub fn challenge(data: &[u8]) {
    let mut headers = HeaderMap::new();
    data.split(|&byte| byte == b'\n').for_each(|field| add(&mut headers, WWW_AUTHENTICATE, field));
    let Ok(challenges) = Challenge::parse_all(&headers) else { return };
    assert!(challenges.len() <= 16);
    for challenge in &challenges {
        assert!(challenge.is(challenge.scheme()) && !challenge.scheme().is_empty());
        assert!(challenge.parameters().count() <= 32);
        for (name, value) in challenge.parameters() {
            assert_eq!(challenge.parameter(&name.to_ascii_uppercase()), Some(value), "a name occurs twice");
        }
    }
    let written = challenges.iter().map(write).collect::<Vec<_>>().join(", ");
    // What is not UTF-8 grows when it is replaced.
    if !challenges.is_empty() && written.len() <= 16 << 10 {
        let field = HeaderValue::from_bytes(written.as_bytes()).expect("it came from fields");
        let again = Challenge::parse_all(&HeaderMap::from_iter([(WWW_AUTHENTICATE, field)]));
        assert_eq!(again.expect("well-formed"), challenges);
    }
}

/// Writes a challenge as RFC 9110 §11.6.1 has it, each value as a quoted string.
fn write(challenge: &Challenge) -> String {
    let quoted = |(name, value): (&str, &str)| {
        format!("{name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
    };
    let rest = match challenge.token68() {
        Some(token68) => token68.to_owned(),
        None => challenge.parameters().map(quoted).collect::<Vec<_>>().join(","),
    };
    format!("{} {rest}", challenge.scheme()).trim_end().to_owned()
}

/// A challenge of SASL: as it is, and put into base64.
///
/// It keeps its bound, a refusal has a status, and neither it nor any error brings a control character onto a terminal.
pub fn sasl(data: &[u8]) {
    for text in [String::from_utf8_lossy(data).into_owned(), STANDARD.encode(data)] {
        let refusal = match Mechanism::XOauth2.refusal(&text) {
            Ok(refusal) => refusal,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Protocol);
                assert_harmless(&error);
                continue;
            }
        };
        assert!(text.len() <= 8 << 10 && !refusal.status().is_empty());
        assert!(!format!("{refusal:?}").contains(|character: char| character.is_control()));
        assert!(refusal.schemes().all(|scheme| !scheme.is_empty()));
        assert!(refusal.scope().is_none_or(|scope| scope.iter().count() > 0));
        let error = Error::from(refusal.clone());
        assert!(matches!(error.kind(), ErrorKind::Denied | ErrorKind::Server));
        assert_eq!(error.response().map(|refused| refused.code()), Some(refusal.code()));
        assert_harmless(&error);
    }
}

/// A token response, read leniently and strictly.
///
/// A token can be sent, its lifetime is at most ten years, `Debug` shows no token, and what is read strictly
/// is what is read leniently with nothing to forgive.
pub fn token_response(data: &[u8]) {
    let response = answer(data);
    let lenient = TokenResponse::parse(&response, START, Strictness::Lenient);
    let strict = TokenResponse::parse(&response, START, Strictness::Strict);
    match (&lenient, &strict) {
        (Ok(lenient), Ok(strict)) => {
            assert!(lenient.quirks().is_empty() && strict.quirks().is_empty());
            assert_eq!(lenient.access_token(), strict.access_token());
            assert_eq!(format!("{lenient:?}"), format!("{strict:?}"));
        }
        (Ok(lenient), Err(_)) => assert!(!lenient.quirks().is_empty()),
        (Err(_), Ok(_)) => panic!("strict takes what lenient refuses"),
        (Err(error), Err(_)) => assert_harmless(error),
    }
    let Ok(tokens) = lenient else { return };
    let header = tokens.access_token().header();
    let scheme: &[u8] = if tokens.access_token().is_bound() { b"DPoP " } else { b"Bearer " };
    let sent = header.as_bytes().strip_prefix(scheme).expect("the scheme");
    assert!(!sent.is_empty() && sent.iter().all(u8::is_ascii_graphic) && header.is_sensitive());
    assert_eq!(sent, tokens.access_token().expose().as_bytes());
    assert!(tokens.lifetime().is_none_or(|lifetime| lifetime <= TEN_YEARS));
    assert!(tokens.expires_at().is_none_or(|time| (START..=START + TEN_YEARS).contains(&time)));
    assert!(tokens.refresh_token().is_none_or(|token| !token.expose().is_empty()));
    let refresh_token = tokens.refresh_token().map_or("", |token| token.expose());
    for secret in [tokens.access_token().expose(), refresh_token] {
        assert_hidden(secret, &tokens);
    }
    let _ = tokens.extra::<String>("x");
    if let Ok(set) = TokenSet::of(&tokens, None) {
        for time in [i64::MIN, 0, START.as_millis(), i64::MAX] {
            let _ = set.is_stale(Timestamp::from_millis(time));
        }
        let renewed = set.renewed(&tokens).expect("the same type");
        assert_eq!(renewed, set);
        let issuer = Issuer::parse("https://as.example").expect("an issuer");
        let client = ClientMetadata::new("client").expect("a client");
        assert_kept(&TokenRecord::new(issuer, client.id().clone(), 7, set));
    }
}

/// A record of tokens out of a store.
///
/// What is taken can be asked anything, and is the same when it is written and read again.
pub fn stored(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let record = match TokenRecord::parse(text) {
        Ok(record) => record,
        Err(error) => return assert_harmless(&error),
    };
    let tokens = record.tokens();
    assert!(tokens.access_token().header().is_sensitive());
    assert!(tokens.stale_at().is_some() == tokens.expires_at().is_some());
    for time in [i64::MIN, 0, START.as_millis(), i64::MAX] {
        let time = Timestamp::from_millis(time);
        // Within its first second a token is taken for living, whatever its lifetime.
        assert!(!tokens.is_expired(time) || tokens.is_stale(time));
    }
    assert_kept(&record);
    assert_kept(&record.renewed(TokenSet::clone(tokens)));
}

fn assert_kept(record: &TokenRecord) {
    let text = record.to_text();
    let again = TokenRecord::parse(text.expose()).expect("what was written can be read");
    again.check(record.issuer(), record.client()).expect("the same issuer and client");
    assert_eq!((again.generation(), again.tokens()), (record.generation(), record.tokens()));
}

/// A secret is not in `Debug`, unless it is a piece of what `Debug` always shows or of what is no secret.
fn assert_hidden(secret: &str, tokens: &TokenResponse) {
    const SHAPE: &str = "TokenResponse { token_type: , lifetime: , \
        refresh_token: Some(RefreshToken([redacted])), scope: , quirks: , .. }";
    let public = [
        format!("{:?}", tokens.scope()),
        format!("{:?}", tokens.token_type()),
        format!("{:?}", tokens.lifetime()),
        format!("{:?}", tokens.quirks()),
    ];
    let shown = public.iter().fold(format!("{tokens:?}"), |shown, public| shown.replace(public, " "));
    assert!(SHAPE.contains(secret) || !shown.contains(secret), "{tokens:?}");
}

/// An error is one line of visible text, of bounded length.
fn assert_harmless(error: &Error) {
    for text in [error.to_string(), format!("{error:?}")] {
        assert!(!text.contains(|character: char| character.is_control()), "{text:?}");
        assert!(text.len() < 64 << 10);
    }
    if let Some(response) = error.response() {
        let texts = [Some(response.code().as_str()), response.description(), response.uri()];
        assert!(texts.into_iter().flatten().all(|text| text.len() <= 1024));
    }
    assert!(!format!("{error:?} {error}").contains("canary-secret"));
}

/// An answer with an error to a token request: the head as [`token_response`] has it, then a line each for
/// `WWW-Authenticate` and `Retry-After`, then the body.
///
/// Whatever it is, it ends in tokens, a wait or one harmless error that names the status.
pub fn error_response(data: &[u8]) {
    let (head, rest) = line(data);
    let (challenge, rest) = line(rest);
    let (retry_after, body) = line(rest);
    let mut response = answer(&[head, b"\n", body].concat());
    let status = response.status();
    add(response.headers_mut(), WWW_AUTHENTICATE, challenge);
    add(response.headers_mut(), RETRY_AFTER, retry_after);

    let world = World::new();
    let mut call = client_credentials();
    assert!(matches!(call.step(Event::Go, &world.env()), Ok(Step::Send(..))));
    match call.step(Event::Response(response), &world.env()) {
        Ok(Step::Done(_)) => assert!(status.is_success()),
        Ok(Step::Wait(time)) => {
            assert!(status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS);
            assert!(time <= Duration::from_secs(30));
        }
        Ok(step) => panic!("{step:?}"),
        Err(error) => {
            assert_harmless(&error);
            let is_ours = matches!(error.kind(), ErrorKind::Protocol | ErrorKind::Transport);
            assert!(error.status() == Some(status) || is_ours, "{error:?}");
            assert!(error.response().is_none() || error.kind() == ErrorKind::Denied);
            if let Advice::RetryAfter(time) = error.advice() {
                assert!(time <= Duration::from_secs(3600));
            }
        }
    }
}

fn client_credentials() -> Call<ClientCredentialsGrant> {
    let issuer = Issuer::parse("https://as.example").expect("an issuer");
    let server = ServerMetadata::new(issuer.clone());
    let server = server.with_token_endpoint("https://as.example/token").expect("an endpoint");
    let client = ClientMetadata::new("client").expect("a client");
    let client = client.with_auth(ClientAuth::secret_basic("canary-secret"));
    let party = Party::client(issuer, client.id(), client.auth()).expect("a party");
    let grant = ClientCredentialsGrant::new(&server, &client).expect("a grant");
    Call::new(grant, party.into())
}

/// The metadata document of the API `https://api.example/v1`.
///
/// What is taken names this API and a few servers that are safe, and what is asked of them goes to public addresses.
pub fn resource_metadata(data: &[u8]) {
    let resource = ResourceIdentifier::parse("https://api.example/v1").expect("an API");
    let metadata = match ResourceMetadata::parse(&resource, &Bytes::copy_from_slice(data)) {
        Ok(metadata) => metadata,
        Err(error) => return assert_harmless(&error),
    };
    assert_eq!(metadata.extra::<String>("resource").as_deref(), Some("https://api.example/v1"));
    let _ = (metadata.scopes().count(), metadata.supports_dpop("ES256"), metadata.name().is_some());
    assert!(metadata.authorization_servers().len() <= 32);
    for issuer in metadata.authorization_servers() {
        let url = issuer.metadata_url(&WellKnown::AuthorizationServer).expect("an issuer");
        assert_safe(&url);
        let is_own = url.uri().host().is_some_and(|host| host.eq_ignore_ascii_case("api.example"));
        assert!(is_own || url.addresses() == Addresses::Public, "{issuer}");
        assert_eq!(metadata.server(Some(issuer.as_str())).expect("it is listed"), issuer);
    }
    for name in ["jwks_uri", "resource_documentation", "resource_policy_uri", "resource_tos_uri"] {
        match metadata.endpoint(name) {
            Ok(endpoint) => assert_safe(&endpoint),
            Err(error) => assert_harmless(&error),
        }
    }
}

/// The metadata document of `https://as.example`.
///
/// What is taken names this issuer and safe endpoints alone, and a sign-in that begins with it goes there.
pub fn metadata(data: &[u8]) {
    let issuer = Issuer::parse("https://as.example").expect("an issuer");
    let server = match ServerMetadata::parse(&issuer, &Bytes::copy_from_slice(data)) {
        Ok(server) => server,
        Err(error) => return assert_harmless(&error),
    };
    assert_eq!(server.issuer(), &issuer);
    let _ = (server.extra::<String>("jwks_uri"), server.supports_auth("none"), server.scopes().count());
    for endpoint in [server.token_endpoint(), server.authorization_endpoint()].into_iter().flatten() {
        assert_safe(endpoint);
    }
    let client = ClientMetadata::new("client").and_then(|it| it.with_redirect_uri("https://app.example/cb"));
    let Ok(request) = AuthorizationRequest::new(&server, &client.expect("a client")) else { return };
    assert_ne!(server.supports_challenge("S256"), Some(false));
    let (url, _) = request.start(&World::new().env()).expect("randomness");
    let endpoint = server.authorization_endpoint().expect("it was used").as_str();
    assert!(url.as_str().starts_with(endpoint) && url.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
    assert!(!url.as_str().contains('#') && url.as_str().contains("response_type=code&client_id=client&"));
}
