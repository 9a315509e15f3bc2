//! OAuth 1.0a against a server that somebody else wrote: Authlib's, or any with the same paths.
//!
//! `tests/interop/up.sh -- cargo test -p valetkey-tests --test interop_oauth1` starts Authlib's. For another, say in the
//! environment where it is (`VALETKEY_OAUTH1_BASE`), what it signs by (`VALETKEY_OAUTH1_METHODS`, by commas), the RSA key
//! of its consumers (`VALETKEY_OAUTH1_RSA_KEY`), and which cases it cannot do (`VALETKEY_OAUTH1_SKIP`, by commas: a case
//! is skipped if its name contains one of them). Without a server, all is skipped, aloud.

#![expect(clippy::print_stdout, reason = "without a server, the suite says that it is skipped")]

#[path = "interop/backend.rs"]
mod adapter;

use std::{env, sync::Arc};

use bytes::Bytes;
use http::StatusCode;
use libtest_mimic::{Arguments, Failed, Trial};
use valetkey::{
    ErrorKind, Reason,
    oauth1::{Client, ClientBuilder, ClientCredentials, Session, SignatureMethod, Transmission},
};
use valetkey_http::{Backend, Limits, Request, Response};
use valetkey_proto::crypto::{SignatureAlgorithm, SigningKey};

const CALLBACK: &str = "http://127.0.0.1:9999/cb";

/// The consumers of the server; the second is hard to encode.
const CONSUMERS: [(&str, &str, &str); 2] =
    [("plain", "dpf43f3p2l4k3l03", "kd94hf93k423kf44"), ("awkward", "weird key+&=%", "sécret &=+%/~")];

const TRANSMISSIONS: [Transmission; 3] = [Transmission::Header, Transmission::Body, Transmission::Query];

fn main() {
    let variable = |name: &str| env::var(name).ok();
    let base = variable("VALETKEY_OAUTH1_BASE").or_else(|| variable("VALETKEY_AUTHLIB"));
    let Some(base) = base else {
        println!(
            "skipped: VALETKEY_OAUTH1_BASE and VALETKEY_AUTHLIB are not set; see tests/interop_oauth1.rs"
        );
        return;
    };
    let methods = variable("VALETKEY_OAUTH1_METHODS");
    let methods = methods.as_deref().unwrap_or("HMAC-SHA1,HMAC-SHA256,HMAC-SHA512,RSA-SHA1,PLAINTEXT");
    let skipped = variable("VALETKEY_OAUTH1_SKIP").unwrap_or_default();
    let is_skipped = |name: &str| skipped.split(',').any(|part| !part.is_empty() && name.contains(part));

    let mut trials = Vec::new();
    for method in methods.split(',') {
        let method = method_of(method);
        for (kind, key, secret) in CONSUMERS {
            let consumer = Consumer { base: base.clone(), method: method.clone(), key, secret };
            let prefix = format!("{}::{kind}", method.name());
            for transmission in TRANSMISSIONS {
                let consumer = consumer.clone();
                let test = move || with_runtime(consumer.signs_in_and_calls(transmission));
                trials.push(Trial::test(format!("{prefix}::callback::{transmission:?}"), test));
            }
            let pin = consumer.clone();
            trials.push(Trial::test(format!("{prefix}::pin"), move || with_runtime(pin.carries_a_pin())));
            trials.push(Trial::test(format!("{prefix}::denial"), move || {
                with_runtime(consumer.gets_a_refusal())
            }));
        }
    }
    let trials = trials.into_iter().map(|trial| {
        let is_skipped = is_skipped(trial.name());
        trial.with_ignored_flag(is_skipped)
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit();
}

fn with_runtime(test: impl Future<Output = Result<(), Failed>>) -> Result<(), Failed> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test)
}

fn method_of(name: &str) -> SignatureMethod {
    let rsa = |algorithm| {
        let path = env::var("VALETKEY_OAUTH1_RSA_KEY")
            .or_else(|_| env::var("VALETKEY_INTEROP_KEYS").map(|folder| format!("{folder}/rsa1.key")));
        let key = std::fs::read(path.expect("VALETKEY_OAUTH1_RSA_KEY")).expect("a key");
        let signer = valetkey_rsa::signer(algorithm, &key).expect("a key");
        SignatureMethod::rsa(SigningKey::Local(signer)).expect("a method")
    };
    match name {
        "HMAC-SHA1" => SignatureMethod::HmacSha1,
        "HMAC-SHA256" => SignatureMethod::HmacSha256,
        "HMAC-SHA512" => SignatureMethod::HmacSha512,
        "PLAINTEXT" => SignatureMethod::Plaintext,
        "RSA-SHA1" => rsa(SignatureAlgorithm::RsaSha1),
        "RSA-SHA256" => rsa(SignatureAlgorithm::Rs256),
        "RSA-SHA512" => rsa(SignatureAlgorithm::Rs512),
        other => panic!("{other} is no signature method"),
    }
}

/// A client of the server under test.
#[derive(Clone)]
struct Consumer {
    base: String,
    method: SignatureMethod,
    key: &'static str,
    secret: &'static str,
}

impl Consumer {
    fn client(&self, backend: &Arc<dyn Backend>) -> Result<ClientBuilder, Failed> {
        Ok(Client::builder(Arc::clone(backend))
            .credentials(ClientCredentials::new(self.key, self.secret)?)
            .method(self.method.clone())
            .temporary_credentials(&format!("{}/oauth1/request_token", self.base))
            .authorization(&format!("{}/oauth1/authorize", self.base))
            .token_credentials(&format!("{}/oauth1/access_token", self.base))
            .api(&self.base))
    }

    async fn signs_in_and_calls(self, transmission: Transmission) -> Result<(), Failed> {
        let backend = adapter::backend(None);
        let client = self.client(&backend)?.transmission(transmission).redirect_uri(CALLBACK).build()?;
        let (url, pending) = client.authorize().parameter("user", "bob").start().await?;
        let answer = get(&backend, url.as_str()).await?;
        let callback = answer.headers().get("location").ok_or("no callback")?.to_str()?;
        let session = client.redeem(pending, callback).await?;
        self.calls(&session, transmission).await
    }

    /// A GET, a form and JSON. Parameters in the body want a form, and the rest is then refused unsent.
    async fn calls(&self, session: &Session, transmission: Transmission) -> Result<(), Failed> {
        let url = format!("{}/oauth1/api/p?b5=%3D%253D&a3=a&c%40=&a2=r%20b&a3=2%20q&x=%C3%A9", self.base);
        let request = |media_type, body: &'static str| {
            http::Request::post(&url)
                .header("content-type", media_type)
                .body(Bytes::from_static(body.as_bytes()))
        };
        let form = request("application/x-www-form-urlencoded; charset=utf-8", "z=1+2&%C3%BC=%26%3D&z=")?;
        let json = request("application/json", "{\"a\":\"b&c\"}")?;
        let page = http::Request::get(&url).body(Bytes::new())?;
        for (request, is_form) in [(form, true), (json, false), (page, false)] {
            let outcome = session.send(request).await;
            if transmission == Transmission::Body && !is_form {
                let kind = outcome.err().ok_or("it was sent")?.kind();
                check(kind == ErrorKind::Usage, || format!("{kind:?}"))?;
                continue;
            }
            let answer = outcome?;
            let said = String::from_utf8_lossy(answer.body()).into_owned();
            check(answer.status() == StatusCode::OK, || said.clone())?;
            let seen: serde_json::Value = serde_json::from_str(&said)?;
            check(seen["user"] == "bob", || said.clone())?;
            check(!is_form || said.contains("&="), || said)?;
        }
        Ok(())
    }

    async fn carries_a_pin(self) -> Result<(), Failed> {
        let backend = adapter::backend(None);
        let client = self.client(&backend)?.build()?;
        let (url, pending) = client.authorize().start().await?;
        let answer = get(&backend, url.as_str()).await?;
        let session = client.redeem_pin(pending, &verifier(&answer).ok_or("no PIN")?).await?;
        let request = http::Request::get(format!("{}/oauth1/api", self.base)).body(Bytes::new())?;
        let status = session.send(request).await?.status();
        check(status == StatusCode::OK, || status.to_string())
    }

    async fn gets_a_refusal(self) -> Result<(), Failed> {
        let backend = adapter::backend(None);
        let client = self.client(&backend)?.redirect_uri(CALLBACK).build()?;
        let (url, pending) = client.authorize().parameter("deny", "1").start().await?;
        let answer = get(&backend, url.as_str()).await?;
        let callback = answer.headers().get("location").ok_or("no callback")?.to_str()?;
        let error = client.redeem(pending, callback).await.err().ok_or("it was taken")?;
        check((error.kind(), error.reason()) == (ErrorKind::Denied, Reason::AuthorizationDenied), || {
            format!("{error:?} of {callback}")
        })
    }
}

/// What the user copies: the PIN on a page or, where a server goes on to the consumer's registered callback all the
/// same, as Authlib does, the verifier in the browser's address.
fn verifier(answer: &Response) -> Option<String> {
    if let Some(location) = answer.headers().get("location") {
        let (_, query) = location.to_str().ok()?.split_once('?')?;
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        return pairs.find(|(name, _)| name == "oauth_verifier").map(|(_, verifier)| verifier.into_owned());
    }
    let page = String::from_utf8_lossy(answer.body());
    let (pin, _) = page.split_once("id=pin>")?.1.split_once('<')?;
    Some(pin.to_owned())
}

async fn get(backend: &Arc<dyn Backend>, url: &str) -> Result<Response, Failed> {
    let request: Request = http::Request::get(url).body(Bytes::new())?;
    Ok(backend.send(request, Limits::default()).await?)
}

fn check(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(otherwise().into()) }
}
