//! RFC 5849: requests in, signatures out. Whatever is not an output of signing is asked of the explanation.

mod rsa;

use bytes::Bytes;
use http::{HeaderValue, Method, Uri, header::AUTHORIZATION};
use serde_json::Value;
use valetkey_http::Request;
use valetkey_proto::{
    Reason, Timestamp,
    crypto::{CryptoProvider, HashAlgorithm, SignatureAlgorithm},
    oauth1::{
        Authorization, ClientCredentials, Explanation, SignatureMethod, Signer, Stamp, TokenCredentials,
        Transmission, percent_encode,
    },
};

use super::{
    case::Case,
    check::{Answer, Checks, Stop},
    request::{Pairs, decode, pairs, same_pairs},
};

const FORM: &str = "application/x-www-form-urlencoded";

pub(crate) fn percent_encoding(case: &Case) -> Answer {
    let checks = Checks::of(case);
    let octets = match case.text("bytes_hex") {
        Some(hex) => {
            let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal digits");
            (0..hex.len()).step_by(2).map(byte).collect()
        }
        None => case.text("text").expect("a text").as_bytes().to_vec(),
    };
    checks.same("encoded", percent_encode(octets));
    checks.done()
}

pub(crate) fn base_string_uri(case: &Case) -> Answer {
    let checks = Checks::of(case);
    let request = request(&Method::GET, case.text("url").expect("a URL"), None)?;
    let explanation = plain_signer()?.explain(&request, &CryptoProvider::ring())?;
    checks.same("base_uri", explanation.base_string_uri());
    checks.done()
}

pub(crate) fn normalization(case: &Case) -> Answer {
    let checks = Checks::of(case);
    let form =
        form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs(&case.input["params"])).finish();
    let request = request(&Method::POST, "https://api.example/", Some(&form))?;
    checks.same(
        "normalized",
        plain_signer()?.explain(&request, &CryptoProvider::ring())?.normalized_parameters(),
    );
    checks.done()
}

pub(crate) fn parameter_sources(case: &Case) -> Answer {
    let checks = Checks::of(case);
    let url = format!("https://api.example/?{}", case.text("query").unwrap_or_default());
    let mut request = request(&Method::POST, &url, None)?;
    *request.body_mut() = Bytes::from(case.text("body").unwrap_or_default().to_owned());
    for (member, name) in [("content_type", "content-type"), ("authorization", "authorization")] {
        if let Some(value) = case.text(member) {
            request.headers_mut().insert(name, HeaderValue::from_str(value).expect("a field value"));
        }
    }
    let explanation = plain_signer()?.explain(&request, &CryptoProvider::ring())?;
    if let Some(expected) = checks.expected("params") {
        same_pairs(&checks, "the base string", owned(&explanation), pairs(expected));
    }
    checks.done()
}

pub(crate) fn sign_primitives(case: &Case) -> Answer {
    let checks = Checks::of(case);
    let signature =
        signer(case)?.signature(case.text("base_string").expect("a base string"), &CryptoProvider::ring())?;
    checks.same("signature", signature.expose());
    checks.done()
}

pub(crate) fn body_hash(case: &Case) -> Answer {
    if case.has("url") {
        return signature(case);
    }
    let checks = Checks::of(case);
    let algorithm = match case.text("hash") {
        Some("SHA1") | None => HashAlgorithm::Sha1,
        Some("SHA256") => HashAlgorithm::Sha256,
        Some("SHA512") => HashAlgorithm::Sha512,
        Some(other) => return Err(Stop::unanswered(other)),
    };
    let mut request = request(&Method::POST, "https://api.example/", None)?;
    *request.body_mut() = Bytes::from(case.text("body").unwrap_or_default().to_owned());
    let media_type = case.text("content_type").unwrap_or("text/plain").parse().expect("a media type");
    request.headers_mut().insert("content-type", media_type);
    let signed = plain_signer()?.body_hash(algorithm).sign_with(
        request,
        Stamp::new(Timestamp::from_secs(1), "n")?,
        &CryptoProvider::ring(),
    )?;
    let hash =
        parameters(&signed).into_iter().find(|(name, _)| name == "oauth_body_hash").map(|(_, value)| value);
    checks.same("include", hash.is_some());
    checks.same("body_hash", hash);
    checks.done()
}

pub(crate) fn authorization_header(case: &Case) -> Answer {
    let checks = Checks::of(case);
    match case.text("op") {
        Some("parse") => {
            let read = Authorization::parse(case.text("header").expect("a field value"))?;
            checks.same("realm", read.realm().map_or(Value::Null, Value::from));
            let read: serde_json::Map<_, _> =
                read.parameters().map(|(name, value)| (name.to_owned(), value.into())).collect();
            checks.same("params", read);
            checks.done()
        }
        Some("render") => {
            let mut written = Authorization::new();
            if let Some(realm) = case.text("realm") {
                written = written.with_realm(realm)?;
            }
            for (name, value) in case.input["params"].as_object().expect("parameters") {
                written = written.with_parameter(name, value.as_str().expect("a text"));
            }
            let header = written.to_header()?;
            checks.holds("header", |expected| {
                let pieces = |text: &str| {
                    let mut pieces: Vec<_> =
                        text.trim_start_matches("OAuth ").split(", ").map(str::to_owned).collect();
                    pieces.sort();
                    (text.starts_with("OAuth "), pieces)
                };
                pieces(expected.as_str().expect("a text")) == pieces(header.to_str().expect("ASCII"))
            });
            checks.pass_over("order");
            checks.done()
        }
        Some("transmit") => signature(case),
        other => Err(Stop::unanswered(other.unwrap_or_default())),
    }
}

/// Signs a whole request, and compares all that is said of it.
pub(crate) fn signature(case: &Case) -> Answer {
    let checks = Checks::of(case);
    let (signer, request, stamp) = (signer(case)?, case_request(case)?, stamp(case)?);
    let (method, body) = (request.method().clone(), request.body().clone());
    let crypto = CryptoProvider::ring();
    let signed = match signer.sign_with(request.clone(), stamp.clone(), &crypto) {
        // Secrets are sent over TLS alone; the signature knows nothing of the URL.
        Err(error)
            if error.reason() == Reason::InsecureUrl
                && case.text("signature_method") == Some("PLAINTEXT") =>
        {
            let uri = request.uri().clone();
            let mut secure = request;
            *secure.uri_mut() = uri.to_string().replacen("http:", "https:", 1).parse().expect("a URL");
            let mut signed = signer.sign_with(secure, stamp, &crypto)?;
            *signed.uri_mut() = uri;
            signed
        }
        signed => signed?,
    };
    let explanation = signer.explain(&signed, &crypto)?;
    if explanation.is_right() != Some(true) {
        checks.wrong("the explanation is not about this request");
    }
    if *signed.method() != method || (!via(case, "body") && *signed.body() != body) {
        checks.wrong("signing changed the request");
    }
    checks.same("base_uri", explanation.base_string_uri());
    checks.same("normalized", explanation.normalized_parameters());
    checks.same("base_string", explanation.base_string());
    checks.holds("signing_key", |expected| {
        let (client, token) = expected.as_str().and_then(|key| key.split_once('&')).expect("a key");
        explanation.signing_key() == format!("[{} bytes]&[{} bytes]", client.len(), token.len())
    });
    let sent = parameters(&signed);
    let value = |name: &str| sent.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    checks.same("signature", value("oauth_signature"));
    if let Some(expected) = checks.expected("oauth_params").and_then(Value::as_object) {
        let expected =
            expected.iter().map(|(name, value)| (name.clone(), value.as_str().expect("a text").to_owned()));
        let sent = sent.iter().filter(|(name, _)| name.starts_with("oauth_")).cloned().collect();
        same_pairs(&checks, "the request", sent, expected.collect());
    }
    checks.pass_over("rule");
    checks.done()
}

fn via(case: &Case, place: &str) -> bool {
    case.text("via") == Some(place)
}

/// The parameters that were sent, wherever they are.
fn parameters(signed: &Request) -> Pairs {
    let header = signed.headers().get(AUTHORIZATION).map(|value| value.to_str().expect("ASCII"));
    let header = header.map(|value| Authorization::parse(value).expect("what we wrote ourselves"));
    let mut all: Pairs = Vec::new();
    if let Some(header) = header {
        all.extend(header.parameters().map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
    all.extend(decode(signed.uri().query().unwrap_or_default()));
    if signed.headers().get("content-type").is_some_and(|value| value == FORM) {
        all.extend(decode(std::str::from_utf8(signed.body()).expect("a form")));
    }
    all
}

fn owned(explanation: &Explanation) -> Pairs {
    explanation.parameters().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn plain_signer() -> Result<Signer, Stop> {
    Ok(Signer::new(ClientCredentials::new("key", "secret")?))
}

fn signer(case: &Case) -> Result<Signer, Stop> {
    let secret = |name: &str| case.text(name).unwrap_or_default();
    // The primitives have no client.
    let identifier = case.text("consumer_key").unwrap_or("key");
    let mut signer =
        Signer::new(ClientCredentials::new(identifier, secret("consumer_secret"))?).method(method(case)?);
    if case.has("token") || case.has("token_secret") {
        let token = TokenCredentials::new(case.text("token").unwrap_or("token"), secret("token_secret"))?;
        signer = signer.token(token);
    }
    // The primitives have none either.
    if case.has("url") && !case.has("version") {
        signer = signer.without_version();
    }
    signer = match case.text("via") {
        Some("body") => signer.transmission(Transmission::Body),
        Some("query") => signer.transmission(Transmission::Query),
        Some(_) | None => signer,
    };
    for (name, value) in case.input.get("oauth").and_then(Value::as_object).into_iter().flatten() {
        signer = signer.parameter(name, value.as_str().expect("a text"))?;
    }
    Ok(signer)
}

fn method(case: &Case) -> Result<SignatureMethod, Stop> {
    let rsa = |algorithm| rsa::method(case, algorithm);
    match case.text("signature_method").expect("a method") {
        "HMAC-SHA1" => Ok(SignatureMethod::HmacSha1),
        "HMAC-SHA256" => Ok(SignatureMethod::HmacSha256),
        "HMAC-SHA512" => Ok(SignatureMethod::HmacSha512),
        "PLAINTEXT" => Ok(SignatureMethod::Plaintext),
        "RSA-SHA1" => rsa(SignatureAlgorithm::RsaSha1),
        "RSA-SHA256" => rsa(SignatureAlgorithm::Rs256),
        "RSA-SHA512" => rsa(SignatureAlgorithm::Rs512),
        other => Err(Stop::unanswered(other)),
    }
}

fn case_request(case: &Case) -> Result<Request, Stop> {
    let method = case.text("method").expect("a method").parse().expect("a method");
    request(&method, case.text("url").expect("a URL"), case.text("form_body"))
}

fn request(method: &Method, url: &str, form: Option<&str>) -> Result<Request, Stop> {
    let uri: Uri = url.parse().map_err(Stop::refused)?;
    let mut request = Request::new(Bytes::new());
    *request.method_mut() = method.clone();
    *request.uri_mut() = uri;
    if let Some(form) = form {
        *request.body_mut() = Bytes::from(form.to_owned());
        request.headers_mut().insert("content-type", HeaderValue::from_static(FORM));
    }
    Ok(request)
}

fn stamp(case: &Case) -> Result<Stamp, Stop> {
    match (case.text("timestamp"), case.text("nonce")) {
        (Some(timestamp), Some(nonce)) => {
            Ok(Stamp::new(Timestamp::from_secs(timestamp.parse().map_err(Stop::refused)?), nonce)?)
        }
        _ => Ok(Stamp::none()),
    }
}
