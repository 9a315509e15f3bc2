//! RFC 6749 §2.3.1 and RFC 7523: how a client's id and secret, or an assertion, are put into a request.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;
use valetkey_http::{Request, Response};
use valetkey_proto::{
    Call, Draft, Env, Exchange, Party, Result, Retry, Timestamp,
    crypto::{PrivateKey, SignatureAlgorithm, SigningKey},
    endpoint::Endpoint,
    form::Form,
    jose::{
        Jwk, VerifyingKeys,
        jws::Unverified,
        jwt::{ClaimSet, Kind, Writer},
    },
    oauth2::{
        client::{ClientAuth, ClientId},
        grant::{JwtBearerGrant, SamlBearerGrant},
        server::{Issuer, ServerMetadata},
    },
};

use super::{
    case::Case,
    check::{Answer, Checks, Stop},
    request::{Pairs, basic_halves, compare, decode, pairs, party},
    world::World,
};

pub(crate) fn run(case: &Case) -> Answer {
    match (case.text("op"), case.text("grant")) {
        (Some("sign_assertion"), _) => return sign(case),
        (Some("verify_assertion"), _) => return verify(case),
        (Some("assertion"), _) => return assertion(case),
        (_, Some("urn:ietf:params:oauth:grant-type:jwt-bearer")) => return grant(case),
        (_, Some("urn:ietf:params:oauth:grant-type:saml2-bearer")) => return saml(case),
        _ => {}
    }
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

/// The order in which the claims of these cases are written.
const ORDER: [&str; 6] = ["iss", "sub", "aud", "jti", "exp", "iat"];

fn sign(case: &Case) -> Answer {
    let (checks, world) = (Checks::of(case), World::new());
    let algorithm = case.text("alg").and_then(SignatureAlgorithm::parse).expect("an algorithm");
    let secret = case.text("secret").expect("a secret").as_bytes();
    let writer = Writer::new(Kind::ClientAssertion, SigningKey::secret(algorithm, secret, &world.crypto)?)?;
    let mut claims = ClaimSet::new();
    for name in ORDER {
        claims.json(name, &case.input["claims"][name].to_string())?;
    }
    checks.same("jwt", writer.sign(&claims)?);
    checks.done()
}

fn verify(case: &Case) -> Answer {
    let (checks, world) = (Checks::of(case), World::new());
    let jwk = Jwk::parse(&case.input["jwk"].to_string())?;
    let keys = VerifyingKeys::from(jwk.verifying_key(SignatureAlgorithm::Rs256, &world.crypto)?);
    let jws = Unverified::parse(case.text("jwt").expect("a JWT"))?.verify(&keys)?;
    checks.same("claims", serde_json::from_slice::<Value>(jws.payload()).expect("JSON"));
    checks.done()
}

/// A key that was made for tests.
const KEY: &str = r#"{"kty":"EC","crv":"P-256","x":"Rxw-dYxJBChbun5TEY7Q9SSt6wdX0lvS-Oew1236cUw",
    "y":"3VIPesqKi5F6zDf1HejwybvjrYWDgucC3CWhLQn3qFg","d":"EjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJCrze8"}"#;

fn assertion(case: &Case) -> Answer {
    let (checks, world) = (Checks::of(case), World::new());
    let key = PrivateKey::parse(KEY.as_bytes())?.signing_key(SignatureAlgorithm::Es256, &world.crypto)?;
    let issuer = Issuer::parse(case.text("issuer").expect("an issuer"))?;
    let id = ClientId::parse(case.text("client_id").expect("a client id"))?;
    let party = Party::client(issuer, &id, &ClientAuth::private_key_jwt(key))?;
    let request = world.first_request(Call::new(Plain::of(&Pairs::new())?, party.into()))?;
    compare(&checks, &request, &[]);
    let claims = claims(&request);
    for name in ["iss", "sub"] {
        checks.same(name, claims[name].clone());
    }
    checks.holds("aud_one_of", |audiences| {
        audiences.as_array().is_some_and(|list| list.contains(&claims["aud"]))
    });
    checks.holds("requires", |names| {
        let names = names.as_array().map(Vec::as_slice).unwrap_or_default();
        names.iter().all(|name| !claims[name.as_str().expect("a name")].is_null())
    });
    checks.same("client_assertion_type", parameter(&request, "client_assertion_type"));
    checks.done()
}

fn parameter(request: &Request, name: &str) -> String {
    let form = decode(std::str::from_utf8(request.body()).expect("a form"));
    form.into_iter().find(|(known, _)| known == name).expect("the parameter").1
}

/// The claims of the assertion in a request, which was not verified.
fn claims(request: &Request) -> Value {
    let assertion = parameter(request, "client_assertion");
    let payload = URL_SAFE_NO_PAD.decode(assertion.split('.').nth(1).expect("a payload")).expect("base64url");
    serde_json::from_slice(&payload).expect("JSON")
}

fn grant(case: &Case) -> Answer {
    let mut grant = JwtBearerGrant::given(&server()?, case.text("assertion").expect("an assertion").into())?;
    if let Some(scope) = case.text("scope") {
        grant = grant.with_scope(scope)?;
    }
    unnamed(case, grant)
}

fn saml(case: &Case) -> Answer {
    let mut grant = SamlBearerGrant::new(&server()?, case.text("assertion").expect("an assertion").into())?;
    if let Some(scope) = case.text("scope") {
        grant = grant.with_scope(scope)?;
    }
    unnamed(case, grant)
}

fn server() -> Result<ServerMetadata, Stop> {
    let server = ServerMetadata::new(Issuer::parse("https://as.example")?);
    Ok(server.with_token_endpoint("https://as.example/token")?)
}

/// The request of a client that is known by its assertion alone.
fn unnamed(case: &Case, grant: impl Exchange) -> Answer {
    let checks = Checks::of(case);
    let issuer = Issuer::parse("https://as.example")?;
    let party = Party::client(issuer, &ClientId::parse("c1")?, &ClientAuth::unnamed())?;
    compare(&checks, &World::new().first_request(Call::new(grant, party.into()))?, &[]);
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
