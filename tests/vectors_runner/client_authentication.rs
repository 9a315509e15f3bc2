//! RFC 6749 §2.3.1: how a client's id and secret are put into a request.

use serde_json::Value;
use valetkey_http::Response;
use valetkey_proto::{Call, Draft, Env, Exchange, Result, Retry, Timestamp, endpoint::Endpoint, form::Form};

use super::{
    case::Case,
    check::{Answer, Checks, Stop},
    request::{Pairs, basic_halves, compare, decode, pairs, party},
    world::World,
};

pub(crate) fn run(case: &Case) -> Answer {
    let method = match (case.text("op"), case.input.get("auth")) {
        (Some("basic"), _) if case.input.get("raw") == Some(&Value::Bool(true)) => {
            "client_secret_basic (raw)"
        }
        (Some("basic"), _) => "client_secret_basic",
        (Some("request"), Some(Value::String(method))) => method,
        // A client has one method, so that two cannot even be asked for.
        (Some("request"), Some(Value::Array(methods))) if methods.len() > 1 => {
            return Err(Stop::refused("a client takes one method"));
        }
        (Some("request"), None) => {
            return Err(Stop::unanswered(format!("grant={}", case.text("grant").unwrap_or_default())));
        }
        (op, _) => return Err(Stop::unanswered(format!("op={}", op.unwrap_or_default()))),
    };
    let checks = Checks::of(case);
    let id = case.text("client_id").expect("a client id");
    let party = party(method, id, case.text("client_secret").unwrap_or_default())?;
    let form = case.input.get("form").map(pairs).unwrap_or_default();
    let request = World::new().first_request(Call::new(Plain::of(&form)?, party))?;
    compare(&checks, &request, &[]);

    let halves = basic_halves(&request);
    let half = |part: fn(&(String, String)) -> &String| halves.as_ref().map(part).cloned();
    checks.same("encoded_id", half(|(id, _)| id));
    checks.same("encoded_secret", half(|(_, secret)| secret));
    let decoded = halves.as_ref().map(|(id, secret)| vec![decoded(id), decoded(secret)]);
    checks.same("decoded_pair", decoded);
    // What another implementation sends: it escapes more than RFC 6749 Appendix B asks for.
    checks.pass_over("o4w_token");
    checks.done()
}

/// Undoes the form encoding of one value.
fn decoded(text: &str) -> String {
    decode(&format!("x={text}")).pop().unwrap_or_default().1
}

/// An endpoint that takes any form.
struct Plain {
    endpoint: Endpoint,
    form: Form,
}

impl Plain {
    fn of(pairs: &Pairs) -> Result<Self, Stop> {
        let mut form = Form::new();
        for (name, value) in pairs {
            form.push(name, value);
        }
        Ok(Self { endpoint: Endpoint::parse("https://as.example/token")?, form })
    }
}

impl Exchange for Plain {
    type Output = ();

    fn retry(&self) -> Retry {
        Retry::NEVER
    }

    fn request(&self, _: &Env<'_>) -> Result<Draft> {
        Ok(Draft::post(&self.endpoint, self.form.clone()))
    }

    fn response(&self, _: Response, _: Timestamp, _: &Env<'_>) -> Result<()> {
        Ok(())
    }
}
