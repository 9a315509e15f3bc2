//! The base string and its parts, against the examples of the standards and the project's vectors.

use std::{fs, path::Path};

use http::{HeaderMap, HeaderValue, Uri, header::AUTHORIZATION, header::CONTENT_TYPE};
use serde_json::Value;

use super::{
    base_string::{base_string, encoded, normalized},
    params::{Pair, gather, header_params, of_scheme},
};
use crate::provider::origin;

/// The base string of a request, without anything between.
fn of(method: &str, url: &str, authorization: &str, form: Option<&str>) -> String {
    let mut headers = HeaderMap::new();
    if !authorization.is_empty() {
        headers.insert(AUTHORIZATION, HeaderValue::from_str(authorization).unwrap());
    }
    if form.is_some() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    }
    let uri: Uri = url.parse().unwrap();
    let found = gather(&headers, uri.query().unwrap_or(""), form.unwrap_or("").as_bytes()).unwrap();
    let pairs = found.into_iter().map(|(_, pair)| pair).filter(|(name, _)| name != b"oauth_signature");
    base_string(method, &origin(&uri), uri.path(), &pairs.collect::<Vec<_>>())
}

/// RFC 5849 §3.4.1.1, whose request is in §3.4.1.3.1.
#[test]
fn the_base_string_of_the_standard() {
    let header = "OAuth realm=\"Example\", oauth_consumer_key=\"9djdj82h48djs9d2\", \
                  oauth_token=\"kkk9d7dh3k39sjv7\", oauth_signature_method=\"HMAC-SHA1\", \
                  oauth_timestamp=\"137131201\", oauth_nonce=\"7d8f3e4a\", \
                  oauth_signature=\"djosJKDKJSD8743243%2Fjdk33klY%3D\"";
    let url = "http://EXAMPLE.COM:80/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b";
    let expected = "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D\
                    %25253D%26c%2540%3D%26c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a\
                    %26oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh\
                    3k39sjv7";
    assert_eq!(of("post", url, header, Some("c2&a3=2+q")), expected);
}

/// RFC 5849 §1.2, the request for the photograph.
#[test]
fn the_base_string_of_the_first_example() {
    let header = "OAuth realm=\"Photos\",\n oauth_consumer_key=\"dpf43f3p2l4k3l03\", \
                  oauth_token=\"nnch734d00sl2jdk\", oauth_signature_method=\"HMAC-SHA1\", \
                  oauth_timestamp=\"137131202\", oauth_nonce=\"chapoH\", \
                  oauth_signature=\"MdpQcU8iPSUjWoN%2FUDMsK2sui9I%3D\"";
    let url = "http://photos.example.net/photos?file=vacation.jpg&size=original";
    let base_string = of("GET", url, &header.replace('\n', ""), None);
    let key =
        ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, b"kd94hf93k423kf44&pfkkdhi9sl3r4s00");
    let tag = ring::hmac::sign(&key, base_string.as_bytes());
    let signature = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, tag);
    assert_eq!(signature, "MdpQcU8iPSUjWoN/UDMsK2sui9I=");
}

/// The cases of an area of the project's vectors; none where the crate stands alone.
fn cases(area: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../tests/vectors/{area}.json"));
    let Ok(text) = fs::read(path) else { return Vec::new() };
    let mut vectors: Value = serde_json::from_slice(&text).unwrap();
    serde_json::from_value(vectors["cases"].take()).unwrap()
}

#[test]
fn base_strings_of_the_vectors() {
    let mut done = 0;
    for case in cases("oauth1_signature") {
        let (input, text) = (&case["input"], |name: &str| case["input"][name].as_str());
        let (Some(expected), Some(url)) = (case["expected"]["base_string"].as_str(), text("url")) else {
            continue;
        };
        let fixed = ["consumer_key", "nonce", "signature_method", "timestamp", "token", "version"];
        let fixed = fixed.iter().filter_map(|name| Some((format!("oauth_{name}"), text(name)?.to_owned())));
        let more = input["oauth"].as_object().into_iter().flatten();
        let more = more.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
        let header = fixed
            .chain(more)
            .map(|(name, value)| format!("{}=\"{}\"", encoded(name.as_bytes()), encoded(value.as_bytes())));
        let header = format!("OAuth {}", header.collect::<Vec<_>>().join(","));
        // Whoever receives a request has its URL as it was sent: no fragment, and nothing but ASCII.
        if !url.is_ascii() || url.contains([' ', '#', '@', '^', '|', '{', '[']) || url.parse::<Uri>().is_err()
        {
            continue;
        }
        let method = text("method").unwrap();
        assert_eq!(of(method, url, &header, text("form_body")), expected, "{}", case["id"]);
        done += 1;
    }
    assert!(done == 0 || done > 20, "{done} are too few");
}

#[test]
fn parameters_of_the_vectors() {
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    for case in cases("oauth1_parameter_sources") {
        let (input, Some(expected)) = (&case["input"], case["expected"]["params"].as_array()) else {
            continue;
        };
        let mut headers = HeaderMap::new();
        for (name, value) in [(AUTHORIZATION, "authorization"), (CONTENT_TYPE, "content_type")] {
            if let Some(value) = input[value].as_str() {
                headers.insert(name, HeaderValue::from_str(value).unwrap());
            }
        }
        let found = gather(&headers, &text(&input["query"]), text(&input["body"]).as_bytes()).unwrap();
        let found = found.into_iter().map(|(_, pair)| pair).filter(|(name, _)| name != b"oauth_signature");
        let expected = expected.iter().map(|pair| [0, 1].map(|at| text(&pair[at]).into_bytes()).into());
        let sorted = |mut pairs: Vec<Pair>| {
            pairs.sort();
            pairs
        };
        assert_eq!(sorted(found.collect()), sorted(expected.collect()), "{}", case["id"]);
    }
    for case in cases("oauth1_authorization_header").iter().filter(|case| case["input"]["op"] == "parse") {
        let header = text(&case["input"]["header"]);
        let found = of_scheme(header.as_bytes()).and_then(header_params);
        assert_eq!(found.is_none(), case["reject"].is_string(), "{}", case["id"]);
        for (name, value) in found.unwrap_or_default() {
            let name = String::from_utf8(name).unwrap();
            assert_eq!(text(&case["expected"]["params"][name]).into_bytes(), value, "{}", case["id"]);
        }
    }
    for case in cases("oauth1_normalization") {
        let Some(expected) = case["expected"]["normalized"].as_str() else { continue };
        let pairs = case["input"]["params"].as_array().into_iter().flatten();
        let pairs: Vec<Pair> =
            pairs.map(|pair| [0, 1].map(|at| text(&pair[at]).into_bytes()).into()).collect();
        assert_eq!(normalized(&pairs), expected, "{}", case["id"]);
    }
}
