//! RFC 9110 §11.6.1: field values in, challenges out.

use http::{HeaderMap, HeaderValue, header::WWW_AUTHENTICATE};
use serde_json::{Map, Value};
use valetkey_proto::header::Challenge;

use super::{
    case::Case,
    check::{Answer, Checks, Stop, short},
};

pub(crate) fn run(case: &Case) -> Answer {
    let checks = Checks::of(case);
    let mut headers = HeaderMap::new();
    for value in case.input["headers"].as_array().expect("a list of field values") {
        let value = value.as_str().expect("a field value");
        headers.append(WWW_AUTHENTICATE, HeaderValue::from_bytes(value.as_bytes()).map_err(Stop::refused)?);
    }
    let challenges = Challenge::parse_all(&headers)?;
    if let Some(expected) = checks.expected("challenges") {
        let expected = expected.as_array().expect("a list of challenges");
        if expected.len() != challenges.len() {
            checks.wrong(format!("there are {} challenges, not {}", challenges.len(), expected.len()));
        }
        for (expected, challenge) in expected.iter().zip(&challenges) {
            compare(&checks, expected, challenge);
        }
    }
    checks.done()
}

/// Compares the members that are given.
fn compare(checks: &Checks<'_>, expected: &Value, challenge: &Challenge) {
    let parameters: Map<_, _> =
        challenge.parameters().map(|(name, value)| (name.to_owned(), Value::from(value))).collect();
    for (name, expected) in expected.as_object().expect("a challenge") {
        let actual = match name.as_str() {
            "scheme" => Value::from(challenge.scheme()),
            "params" => Value::from(parameters.clone()),
            "token68" => challenge.token68().map_or(Value::Null, Value::from),
            _ => panic!("what is {name}?"),
        };
        if actual != *expected {
            checks.wrong(format!("{name} is {}, not {}", short(&actual), short(expected)));
        }
    }
}
