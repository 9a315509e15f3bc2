//! Random requests, signed here and by oauthlib: the signatures are the same.
//!
//! `tests/interop/up.sh -- cargo test -p valetkey-tests --test oauth1_differential` has a Python with oauthlib, and says
//! where it is. Without, the test says that it is skipped. `VALETKEY_DIFFERENTIAL` says how many requests; `20000` is
//! the long run. `VALETKEY_DIFFERENTIAL_SEED` makes others. `foreign/oauth1_signatures.jsonl` has some with oauthlib's
//! signatures, which need no Python; `VALETKEY_DIFFERENTIAL_RECORD` writes it anew.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use bytes::Bytes;
use serde_json::json;
use valetkey_http::Request;
use valetkey_proto::{
    Timestamp,
    crypto::{CryptoProvider, HashAlgorithm},
    oauth1::{Authorization, ClientCredentials, SignatureMethod, Signer, Stamp, TokenCredentials},
    random::SecureRandom,
};
use valetkey_testkit::Provider;

const FORM: &str = "application/x-www-form-urlencoded";
const TIME: i64 = 1_137_242_000;

#[test]
fn s_o1_03_random_requests_are_signed_as_oauthlib_signs_them() {
    let Ok(python) = std::env::var("VALETKEY_FOREIGN_PYTHON") else {
        println!("skipped: VALETKEY_FOREIGN_PYTHON is not set");
        return;
    };
    let number =
        |name: &str, other| std::env::var(name).map_or(other, |text| text.parse().expect("a number"));
    let count = number("VALETKEY_DIFFERENTIAL", 1000);
    let random = Random(Provider::builder().seed(number("VALETKEY_DIFFERENTIAL_SEED", 1)).build().random());

    let cases: Vec<Case> = (0..count).map(|_| Case::random(&random)).collect();
    let theirs = oauthlib(&python, &cases);
    assert_eq!(theirs.len(), cases.len(), "oauthlib answered each");
    if std::env::var_os("VALETKEY_DIFFERENTIAL_RECORD").is_some() {
        let line = |(case, signature): (&Case, &String)| format!("{}\n", case.to_json(Some(signature)));
        let lines: String = cases.iter().zip(&theirs).map(line).collect();
        std::fs::write(recorded(), lines).expect("a file");
    }
    let others: Vec<_> =
        cases.iter().zip(&theirs).filter(|(case, theirs)| case.signature() != **theirs).collect();
    for (case, theirs) in others.iter().take(10) {
        println!("{theirs} instead of {}: {}", case.signature(), case.to_json(None));
    }
    assert!(others.is_empty(), "{} of {count} requests were signed otherwise", others.len());
    println!("{count} requests were signed alike");
}

#[test]
fn s_o1_03_recorded_requests_are_signed_as_oauthlib_signed_them() {
    let text = std::fs::read_to_string(recorded()).expect("a recording");
    let mut count = 0;
    for line in text.lines() {
        let value = serde_json::from_str(line).expect("JSON");
        let (case, signature) = Case::from_json(&value).expect("a case");
        assert_eq!(case.signature(), signature, "{line}");
        count += 1;
    }
    assert!(count >= 200, "{count}");
}

fn recorded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("foreign/oauth1_signatures.jsonl")
}

/// A request, and who signs it.
struct Case {
    method: String,
    url: String,
    media_type: Option<String>,
    body: String,
    signature_method: SignatureMethod,
    nonce: String,
    key: String,
    secret: String,
    token: String,
    token_secret: String,
}

impl Case {
    fn random(random: &Random) -> Self {
        // oauthlib signs no GET that has a body.
        let method = random.pick(&["GET", "POST", "PUT", "DELETE", "PATCH"]);
        let (media_type, body) = match random.below(3) {
            _ if method == "GET" => (None, String::new()),
            0 => (Some(FORM), random.form()),
            1 => (Some("application/json"), "{\"a\":\"b&c=d\"}".to_owned()),
            _ => (None, String::new()),
        };
        let signature_method = match random.below(4) {
            0 => SignatureMethod::HmacSha1,
            1 => SignatureMethod::HmacSha256,
            2 => SignatureMethod::HmacSha512,
            _ => SignatureMethod::Plaintext,
        };
        // PLAINTEXT shows its secrets, and is refused here but over TLS; oauthlib does not mind.
        let schemes: &[_] = match signature_method {
            SignatureMethod::Plaintext => &["https", "HTTPS"],
            _ => &["http", "https", "HTTP", "HTTPS"],
        };
        Self {
            method: method.to_owned(),
            url: random.url(schemes),
            media_type: media_type.map(str::to_owned),
            body,
            signature_method,
            nonce: random.text(1),
            key: random.text(1),
            secret: random.text(0),
            token: random.text(1),
            token_secret: random.text(0),
        }
    }

    fn signature(&self) -> String {
        let client = ClientCredentials::new(&self.key, self.secret.as_str()).expect("credentials");
        let token =
            TokenCredentials::new(self.token.as_str(), self.token_secret.as_str()).expect("credentials");
        let mut signer = Signer::new(client).token(token).method(self.signature_method.clone());
        // oauthlib sends a hash of every body that is no form, unasked.
        if self.media_type.as_deref().is_some_and(|media_type| media_type != FORM) {
            signer = signer.body_hash(HashAlgorithm::Sha1);
        }
        let stamp = Stamp::new(Timestamp::from_secs(TIME), &self.nonce).expect("a stamp");
        let signed = signer.sign_with(self.request(), stamp, &CryptoProvider::ring()).expect("signs");
        let header = signed.headers()["authorization"].to_str().expect("ASCII");
        let header = Authorization::parse(header).expect("a header");
        valetkey_proto::oauth1::percent_encode(header.get("oauth_signature").expect("a signature"))
    }

    fn request(&self) -> Request {
        let mut request = http::Request::builder().method(self.method.as_str()).uri(&self.url);
        if let Some(media_type) = &self.media_type {
            request = request.header("content-type", media_type);
        }
        request.body(Bytes::from(self.body.clone())).expect("a request")
    }

    fn from_json(value: &serde_json::Value) -> Option<(Self, String)> {
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        let signature_method = match value["signature_method"].as_str()? {
            "HMAC-SHA1" => SignatureMethod::HmacSha1,
            "HMAC-SHA256" => SignatureMethod::HmacSha256,
            "HMAC-SHA512" => SignatureMethod::HmacSha512,
            "PLAINTEXT" => SignatureMethod::Plaintext,
            _ => return None,
        };
        let case = Self {
            method: text("method")?,
            url: text("url")?,
            media_type: text("media_type"),
            body: text("body")?,
            signature_method,
            nonce: text("nonce")?,
            key: text("key")?,
            secret: text("secret")?,
            token: text("token")?,
            token_secret: text("token_secret")?,
        };
        Some((case, text("signature")?))
    }

    fn to_json(&self, signature: Option<&str>) -> serde_json::Value {
        json!({
            "signature": signature,
            "method": self.method, "url": self.url, "media_type": self.media_type, "body": self.body,
            "signature_method": self.signature_method.name(), "timestamp": TIME.to_string(), "nonce": self.nonce,
            "key": self.key, "secret": self.secret, "token": self.token, "token_secret": self.token_secret,
        })
    }
}

/// The signatures of oauthlib, encoded as in the header.
fn oauthlib(python: &str, cases: &[Case]) -> Vec<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("foreign/oauth1_sign.py");
    let mut child = Command::new(python)
        .arg(script)
        .env("PYTHONIOENCODING", "utf-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python runs");
    let mut input = child.stdin.take().expect("a pipe");
    let lines: Vec<String> = cases.iter().map(|case| format!("{}\n", case.to_json(None))).collect();
    // Apart, since Python answers while it is asked.
    let writer =
        std::thread::spawn(move || lines.iter().try_for_each(|line| input.write_all(line.as_bytes())));
    let output = child.wait_with_output().expect("Python answers");
    writer.join().expect("no panic").expect("Python listens");
    String::from_utf8(output.stdout).expect("UTF-8").lines().map(str::to_owned).collect()
}

struct Random(Arc<dyn SecureRandom>);

impl Random {
    fn below(&self, end: usize) -> usize {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes).expect("seeded randomness");
        u32::from_be_bytes(bytes) as usize % end
    }

    fn pick(&self, of: &[&'static str]) -> &'static str {
        of[self.below(of.len())]
    }

    /// Text with all that is hard to encode.
    fn text(&self, least: usize) -> String {
        const CHARACTERS: [char; 32] = [
            'a', 'B', 'z', '0', '9', '-', '.', '_', '~', ' ', '+', '%', '&', '=', '/', '?', ':', '@', '!',
            '\'', '(', ')', '*', ',', ';', '$', '[', '"', '<', 'é', '字', '🔑',
        ];
        (0..least + self.below(9)).map(|_| CHARACTERS[self.below(CHARACTERS.len())]).collect()
    }

    fn url(&self, schemes: &[&'static str]) -> String {
        let scheme = self.pick(schemes);
        let host = self.pick(&["example.com", "EXAMPLE.com", "127.0.0.1", "[2001:db8::1]"]);
        let port = self.pick(&["", ":80", ":443", ":8080"]);
        let path = self.pick(&["", "/", "/a/b", "/r%20v/X", "/a%2Fb/", "/a;b=c/~d", "/%C3%A9"]);
        match self.below(4) {
            0 => format!("{scheme}://{host}{port}{path}"),
            _ => format!("{scheme}://{host}{port}{path}?{}", self.form()),
        }
    }

    /// Pairs, with names that come again, empty values, and either way to write a space.
    fn form(&self) -> String {
        let names: Vec<String> = (0..3).map(|_| self.text(1)).collect();
        let pairs = (0..1 + self.below(6)).map(|_| {
            let name = &names[self.below(names.len())];
            format!("{}={}", self.encoded(name), self.encoded(&self.text(0)))
        });
        pairs.collect::<Vec<_>>().join("&")
    }

    fn encoded(&self, text: &str) -> String {
        let is_plus = self.below(2) == 0;
        let is_bare = self.below(2) == 0;
        let mut encoded = String::new();
        for character in text.chars() {
            match character {
                ' ' if is_plus => encoded.push('+'),
                '~' | '!' | '*' | '(' | ')' | ',' | '/' | '?' | ':' | '@' if is_bare => {
                    encoded.push(character)
                }
                other => encoded.push_str(&valetkey_proto::oauth1::percent_encode(other.to_string())),
            }
        }
        encoded
    }
}
