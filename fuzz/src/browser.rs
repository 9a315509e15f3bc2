//! What browsers bring: callbacks, forms, sealed cookies.

use std::{collections::BTreeSet, sync::OnceLock};

use valetkey_proto::{
    ErrorKind,
    form::{Form, MAX_PARAMETERS, Parameters},
    oauth2::{
        authorization::{AuthorizationRequest, Callback, PendingAuthorization},
        client::{ClientId, ClientMetadata},
        server::{Issuer, ServerMetadata},
        token::TokenRecord,
    },
    seal::{SealingKey, SealingKeys},
};

use crate::world::World;

const ISSUER: &str = "https://as.example";
const CLIENT: &str = "client";

/// A sign-in, and its state.
fn begin(names_issuer: bool) -> (PendingAuthorization, String) {
    let server = ServerMetadata::new(Issuer::parse(ISSUER).expect("an issuer"));
    let mut server = server.with_authorization_endpoint("https://as.example/authorize").expect("an endpoint");
    if names_issuer {
        server = server.with_issuer_in_responses();
    }
    let client = ClientMetadata::new(CLIENT).expect("a client");
    let client = client.with_redirect_uri("https://app.example/cb?keep=1").expect("a redirect URI");
    let request = AuthorizationRequest::new(&server, &client).expect("a request");
    let (url, pending) = request.start(&World::new().env()).expect("randomness");
    let query = Parameters::parse(url.as_str().split_once('?').expect("a query").1).expect("a form");
    (pending, query.get("state").expect("a state").to_owned())
}

/// A callback, in which `$` stands for the state.
///
/// It is taken only at the redirect URI, with the state as a parameter, and in the right issuer's name.
pub fn callback(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for names_issuer in [false, true] {
        let (pending, state) = begin(names_issuer);
        let text = text.replace('$', &state);
        // The pieces of the query, read by another reader than the one that is tried.
        let query = text.split('#').next().and_then(|uri| uri.split_once('?')).map_or("", |(_, it)| it);
        let pieces: Vec<_> = query.split('&').map(decoded).collect();
        let has = |name: &str, value: &str| pieces.contains(&format!("{name}={value}").into_bytes());
        let names_another = || pieces.iter().any(|piece| piece.starts_with(b"iss=") || piece == b"iss");
        let callback = Callback::uri(text.as_str());
        let matches = pending.matches(&callback);
        assert!(!matches || has("state", &state), "{text}");
        match pending.receive(callback) {
            Ok(response) => {
                assert!(matches && has("keep", "1"), "{text}");
                assert!(has("iss", ISSUER) || !names_issuer && !names_another(), "{text}");
                assert_eq!(response.issuer().as_str(), ISSUER);
                let page = text.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
                let port = page.strip_prefix("https://app.example").and_then(|it| it.strip_suffix("/cb"));
                let is_https = port.is_some_and(|it| it.trim_start_matches([':', '0']) == "443");
                assert!(page == "/cb" || is_https || matches!(port, Some("" | ":")), "{text}");
            }
            Err(error) => {
                // The server's own words may quote it.
                let is_shown = || format!("{error} {error:?}").contains(&state);
                assert!(error.response().is_some() || !is_shown(), "the state is shown");
                assert!(error.kind() != ErrorKind::Denied || matches, "somebody else's refusal: {text}");
            }
        }
    }
}

/// Decodes percent sequences and `+`, and leaves what is broken.
fn decoded(text: &str) -> Vec<u8> {
    let mut rest = text.as_bytes();
    let mut out = Vec::with_capacity(rest.len());
    while let Some((&first, tail)) = rest.split_first() {
        let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let (byte, left) = match (first, escaped) {
            (b'%', Some(byte)) => (byte, &tail[2..]),
            (b'+', _) => (b' ', tail),
            _ => (first, tail),
        };
        out.push(byte);
        rest = left;
    }
    out
}

/// A form: read, written and read again; then the lines of the text as names and values, written and read.
pub fn form(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(parameters) = Parameters::parse(text) {
        let names: BTreeSet<_> = parameters.iter().map(|(name, _)| name).collect();
        assert!(names.len() == parameters.iter().count() && names.len() <= MAX_PARAMETERS);
        assert_read_back(parameters.iter());
    }
    let lines: Vec<_> = text.split('\n').collect();
    let mut names = BTreeSet::new();
    let pairs = lines.chunks_exact(2).map(|pair| (pair[0], pair[1]));
    let pairs: Vec<_> = pairs.filter(|(name, _)| names.insert(*name)).take(MAX_PARAMETERS).collect();
    assert_read_back(pairs.into_iter());
}

fn assert_read_back<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) {
    let pairs: Vec<_> = pairs.filter(|(_, value)| !value.is_empty()).collect();
    let mut form = Form::new();
    for (name, value) in &pairs {
        form.push(name, value);
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%+&=".contains(&byte);
    assert!(form.expose().bytes().all(is_plain), "{}", form.expose());
    let again = Parameters::parse(form.expose()).expect("what was written can be read");
    assert_eq!(again.iter().collect::<Vec<_>>(), pairs);
    assert!(pairs.iter().all(|(name, value)| again.get(name) == Some(value)));
}

/// A sealed sign-in: any text, and a real one that is changed. Two bytes say where the real one is changed,
/// and the rest into what.
///
/// Nothing but the real one opens.
pub fn sealed(data: &[u8]) {
    static SEALED: OnceLock<String> = OnceLock::new();
    let keys = SealingKeys::new(SealingKey::new([8; 32])).with_former(SealingKey::new([7; 32]));
    let sealed = SEALED.get_or_init(|| {
        let sealing = SealingKeys::new(SealingKey::new([7; 32]));
        begin(true).0.seal(&sealing, &World::new().env()).expect("randomness").expose().to_owned()
    });
    let (issuer, client) =
        (Issuer::parse(ISSUER).expect("an issuer"), ClientId::parse(CLIENT).expect("an id"));
    let opens = |text: &str| {
        let world = World::new();
        let tokens = TokenRecord::open(text, &issuer, &client, &keys, &world.env());
        assert!(tokens.is_err(), "sealed for another purpose");
        PendingAuthorization::open(text, &issuer, &client, &keys, &world.env()).is_ok()
    };
    assert!(opens(sealed), "the real one opens");
    if let Ok(text) = std::str::from_utf8(data) {
        assert!(text == sealed || !opens(text));
        for text in [format!("vk1.{text}"), format!("{sealed}{text}"), format!("{text}{sealed}")] {
            assert!(text == *sealed || !opens(&text), "{text}");
        }
    }
    let [high, low, written @ ..] = data else { return };
    let at = usize::from(u16::from_be_bytes([*high, *low])) % sealed.len();
    let mut changed = sealed.clone().into_bytes();
    changed.iter_mut().skip(at).zip(written).for_each(|(slot, byte)| *slot = *byte);
    if let Ok(changed) = String::from_utf8(changed) {
        assert!(changed == *sealed || !opens(&changed), "{changed}");
    }
}
