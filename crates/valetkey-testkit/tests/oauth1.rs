//! The OAuth 1.0a side, asked by a client made by hand: what it sends is written out, so that the provider
//! is judged and nothing else.

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Method, Request, StatusCode, header::CONTENT_TYPE};
use ring::{digest, hmac};
use valetkey_http::{Backend, Limits, Response};
use valetkey_testkit::{
    Fault, Place, Provider, User, VisitError, block_on, fault, faults,
    oauth1::{Confirmation, Denial, Errors, RegisteredClient, Rules, SignatureMethod},
};

const KEY: &str = "dpf43f3p2l4k3l03";
const SECRET: &str = "kd94hf93k423kf44";
const CB: &str = "https://client.test/cb";
/// The virtual clock's beginning.
const NOW: u64 = 1_893_456_000;

type Form = BTreeMap<String, String>;

fn form(text: &[u8]) -> Form {
    form_urlencoded::parse(text).into_owned().collect()
}

/// RFC 5849 §3.6.
fn encoded(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// A request of a client that signs with HMAC-SHA1 and sends the protocol parameters in the header.
struct Signed<'a> {
    provider: &'a Provider,
    method: Method,
    path: &'a str,
    /// What is signed beside the protocol parameters, decoded.
    query: &'a [(&'a str, &'a str)],
    form: Option<&'a [(&'a str, &'a str)]>,
    secrets: (&'a str, &'a str),
    protocol: Vec<(String, String)>,
}

impl<'a> Signed<'a> {
    fn new(provider: &'a Provider, method: Method, path: &'a str, token: Option<&'a Form>) -> Self {
        let mut protocol = vec![
            ("oauth_consumer_key".to_owned(), KEY.to_owned()),
            ("oauth_nonce".into(), format!("nonce-{}", provider.transcript().len())),
            ("oauth_signature_method".into(), "HMAC-SHA1".into()),
            ("oauth_timestamp".into(), NOW.to_string()),
        ];
        protocol.extend(token.map(|token| ("oauth_token".into(), token["oauth_token"].clone())));
        let secret = token.map_or("", |token| &token["oauth_token_secret"]);
        Self { provider, method, path, query: &[], form: None, secrets: (SECRET, secret), protocol }
    }

    /// Sets a protocol parameter; an empty value removes it.
    fn set(mut self, name: &str, value: &str) -> Self {
        self.protocol.retain(|(known, _)| known != name);
        if !value.is_empty() {
            self.protocol.push((name.into(), value.into()));
        }
        self
    }

    fn base_string(&self) -> String {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let more = self.query.iter().chain(self.form.unwrap_or_default()).map(owned);
        let all = self.protocol.iter().cloned().chain(more);
        let mut all: Vec<_> = all.map(|(name, value)| (encoded(&name), encoded(&value))).collect();
        all.sort();
        let all: Vec<_> = all.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let url = self.provider.oauth1(self.path);
        format!("{}&{}&{}", self.method, encoded(&url), encoded(&all.join("&")))
    }

    fn signature(&self) -> String {
        let key = format!("{}&{}", encoded(self.secrets.0), encoded(self.secrets.1));
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes());
        STANDARD.encode(hmac::sign(&key, self.base_string().as_bytes()))
    }

    /// The request, signed.
    fn signed(self) -> Request<Bytes> {
        let signature = self.signature();
        self.set("oauth_signature", &signature).unsigned(Bytes::new(), None)
    }

    fn send(self) -> Response {
        let provider = self.provider;
        block_on(provider.send(self.signed(), Limits::default())).unwrap()
    }

    fn send_as_it_is(self, body: Bytes, kind: Option<&str>) -> Response {
        let provider = self.provider;
        block_on(provider.send(self.unsigned(body, kind), Limits::default())).unwrap()
    }

    /// The request with the form as its body, or else this one.
    fn unsigned(self, body: Bytes, kind: Option<&str>) -> Request<Bytes> {
        let header: Vec<_> =
            self.protocol.iter().map(|(name, value)| format!("{name}=\"{}\"", encoded(value))).collect();
        let pairs = |pairs: &[(&str, &str)]| {
            form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
        };
        let query = if self.query.is_empty() { String::new() } else { format!("?{}", pairs(self.query)) };
        let mut request = Request::builder()
            .method(self.method)
            .uri(format!("{}{query}", self.provider.oauth1(self.path)))
            .header("authorization", format!("OAuth realm=\"x\", {}", header.join(", ")));
        let form = self.form.map(|form| (Bytes::from(pairs(form)), "application/x-www-form-urlencoded"));
        let (body, kind) = form.map_or((body, kind), |(body, kind)| (body, Some(kind)));
        if let Some(kind) = kind {
            request = request.header(CONTENT_TYPE, kind);
        }
        request.body(body).unwrap()
    }
}

fn post<'a>(provider: &'a Provider, path: &'a str, token: Option<&'a Form>) -> Signed<'a> {
    Signed::new(provider, Method::POST, path, token)
}

fn get<'a>(provider: &'a Provider, token: &'a Form) -> Signed<'a> {
    Signed::new(provider, Method::GET, "api", Some(token))
}

fn ok(response: &Response) -> Form {
    assert_eq!(response.status(), StatusCode::OK, "{:?}", form(response.body()));
    form(response.body())
}

/// The status and the problem of a refusal.
fn problem(response: &Response) -> (u16, String) {
    (response.status().as_u16(), form(response.body())["oauth_problem"].clone())
}

fn refused(status: u16, problem: &str) -> (u16, String) {
    (status, problem.to_owned())
}

fn temporary(provider: &Provider, callback: &str) -> Form {
    ok(&post(provider, "request_token", None).set("oauth_callback", callback).send())
}

fn authorize_url(provider: &Provider, temporary: &Form) -> String {
    format!("{}?oauth_token={}", provider.oauth1("authorize"), temporary["oauth_token"])
}

fn visit(provider: &Provider, temporary: &Form) -> Form {
    let callback = provider.visit(authorize_url(provider, temporary)).unwrap();
    form(callback.strip_prefix(CB).unwrap().trim_start_matches('?').as_bytes())
}

fn redeem(provider: &Provider, temporary: &Form, verifier: &str) -> Response {
    post(provider, "access_token", Some(temporary)).set("oauth_verifier", verifier).send()
}

fn log_in(provider: &Provider) -> Form {
    let temporary = temporary(provider, CB);
    let callback = visit(provider, &temporary);
    assert_eq!(callback["oauth_token"], temporary["oauth_token"]);
    ok(&redeem(provider, &temporary, &callback["oauth_verifier"]))
}

fn with(rules: Rules) -> Provider {
    Provider::builder().oauth1(rules).build()
}

#[test]
fn a_login_and_a_call() {
    let provider = Provider::new();
    let token = log_in(&provider);
    let query = [("b5", "=%3D"), ("a3", "a"), ("c@", ""), ("a2", "r b"), ("a3", "2 é")];
    let data = [("ü", "é&="), ("b c", "+")];
    for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS] {
        let call = Signed::new(&provider, method.clone(), "api/photos/1", Some(&token));
        let answer = Signed { query: &query, form: Some(&data), ..call }.send();
        let seen: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
        assert_eq!((answer.status(), &seen["user"]), (StatusCode::OK, &"alice".into()), "{seen}");
        assert_eq!((&seen["method"], &seen["path"]), (&method.as_str().into(), &"photos/1".into()));
        assert_eq!(seen["args"], serde_json::json!(query));
        assert_eq!((&seen["form"], &seen["raw"]), (&serde_json::json!(data), &27.into()));
    }
    let places = [Place::TemporaryCredentials, Place::OwnerAuthorization, Place::TokenCredentials];
    assert_eq!(places.map(|place| provider.count(place)), [1, 1, 1]);
    assert_eq!((provider.count(Place::Resource), provider.count(Place::Elsewhere)), (5, 0));
    let transcript = provider.transcript();
    assert_eq!(transcript[0].oauth1_param("oauth_callback"), Some(CB));
    let shown = format!("{transcript:?}");
    assert!(shown.contains("OAuth ***") && !shown.contains(&token["oauth_token"]), "{shown}");
}

#[test]
fn a_pin_is_read_from_the_page() {
    let provider = Provider::new();
    let temporary = temporary(&provider, "oob");
    let url = authorize_url(&provider, &temporary);
    let mark = provider.mark();
    let twice = format!("{url}&oauth_token=x");
    assert!(matches!(provider.pin(twice), Err(VisitError::Page { .. })));
    let pin = provider.pin(&url).unwrap();
    provider.assert_quiet_since(mark);
    assert!(pin.len() == 7 && pin.bytes().all(|byte| byte.is_ascii_digit()), "{pin}");
    assert!(matches!(provider.pin(url), Err(VisitError::Page { .. })), "one decision, one PIN");
    ok(&redeem(&provider, &temporary, &pin));
    let elsewhere = self::temporary(&provider, CB);
    assert_eq!(provider.pin(authorize_url(&provider, &elsewhere)), Err(VisitError::Elsewhere));
}

#[test]
fn a_human_decides_once_on_a_page() {
    let provider = Provider::builder().user(User::interactive()).build();
    let temporary = temporary(&provider, "oob");
    let Err(VisitError::Page { html, .. }) = provider.visit(authorize_url(&provider, &temporary)) else {
        panic!("no page")
    };
    let (_, rest) = html.split_once("name=\"ticket\" value=\"").unwrap();
    let body = format!("ticket={}&user=bob&decision=approve", rest.split_once('"').unwrap().0);
    let decide = || {
        let request = Request::post(provider.oauth1("authorize/decision"))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Bytes::from(body.clone()));
        block_on(provider.send(request.unwrap(), Limits::default())).unwrap()
    };
    let page = decide();
    assert!(page.status() == StatusCode::OK && decide().status() == StatusCode::BAD_REQUEST);
    let page = String::from_utf8_lossy(page.body()).into_owned();
    let pin = page.split_once("<code id=pin>").unwrap().1.split_once('<').unwrap().0;
    let token = ok(&redeem(&provider, &temporary, pin));
    let answer = get(&provider, &token).send();
    assert!(String::from_utf8_lossy(answer.body()).contains("\"user\":\"bob\""));
}

#[test]
fn a_refusal_comes_in_two_dialects() {
    for (denial, expected) in [(Denial::Problem, "oauth_problem"), (Denial::Denied, "denied")] {
        let provider =
            Provider::builder().oauth1(Rules::default().denial(denial)).user(User::refuses()).build();
        let temporary = temporary(&provider, CB);
        let callback = visit(&provider, &temporary);
        assert!(callback.contains_key(expected) && !callback.contains_key("oauth_verifier"), "{callback:?}");
        assert_eq!(problem(&redeem(&provider, &temporary, "v")), refused(401, "permission_denied"));
    }
}

#[test]
fn temporary_credentials_are_good_for_one_attempt_and_their_own_verifier() {
    let provider = Provider::new();
    let unasked = temporary(&provider, CB);
    assert_eq!(problem(&redeem(&provider, &unasked, "v")), refused(401, "permission_unknown"));
    for (verifier, expected) in [("wrong", "verifier_invalid"), ("", "parameter_absent")] {
        let temporary = temporary(&provider, CB);
        let right = visit(&provider, &temporary)["oauth_verifier"].clone();
        assert_eq!(problem(&redeem(&provider, &temporary, verifier)).1, expected);
        assert_eq!(problem(&redeem(&provider, &temporary, &right)), refused(401, "token_rejected"));
    }
    let late = temporary(&provider, CB);
    provider.advance(Duration::from_secs(600));
    assert!(matches!(provider.visit(authorize_url(&provider, &late)), Err(VisitError::Page { .. })));
    let unregistered = post(&provider, "request_token", None).set("oauth_callback", "https://evil.test/");
    assert_eq!(problem(&unregistered.set("oauth_timestamp", &(NOW + 600).to_string()).send()).0, 400);
}

#[test]
fn a_nonce_is_good_once_and_a_timestamp_for_five_minutes() {
    let provider = Provider::new();
    let token = log_in(&provider);
    let call = |nonce: &str, timestamp: u64| {
        let call = get(&provider, &token).set("oauth_nonce", nonce);
        call.set("oauth_timestamp", &timestamp.to_string()).send()
    };
    assert_eq!(call("n", NOW).status(), StatusCode::OK);
    assert_eq!(problem(&call("n", NOW)), refused(401, "nonce_used"));
    assert_eq!(call("n", NOW + 300).status(), StatusCode::OK, "another timestamp");
    assert_eq!(call("n", NOW - 300).status(), StatusCode::OK);
    for timestamp in [NOW - 301, NOW + 301] {
        let answer = call("m", timestamp);
        assert_eq!(problem(&answer), refused(401, "timestamp_refused"));
        let window = &form(answer.body())["oauth_acceptable_timestamps"];
        assert_eq!(*window, format!("{}-{}", NOW - 300, NOW + 300));
    }
    // Whoever cannot sign cannot use a nonce up.
    let forged = Signed { secrets: (SECRET, "guess"), ..get(&provider, &token).set("oauth_nonce", "mine") };
    assert_eq!(problem(&forged.send()), refused(401, "signature_invalid"));
    assert_eq!(call("mine", NOW).status(), StatusCode::OK);
}

#[test]
fn what_is_wrong_with_a_request_is_said() {
    let provider = Provider::new();
    let token = log_in(&provider);
    for (name, value, expected) in [
        ("oauth_consumer_key", "", refused(400, "parameter_absent")),
        ("oauth_consumer_key", "nobody", refused(401, "consumer_key_unknown")),
        ("oauth_token", "", refused(400, "parameter_absent")),
        ("oauth_token", "nothing", refused(401, "token_rejected")),
        ("oauth_nonce", "", refused(400, "parameter_absent")),
        ("oauth_timestamp", "", refused(400, "parameter_absent")),
        ("oauth_timestamp", "+1", refused(400, "parameter_rejected")),
        ("oauth_timestamp", "0", refused(400, "parameter_rejected")),
        ("oauth_signature_method", "", refused(400, "parameter_absent")),
        ("oauth_signature_method", "HMAC-MD5", refused(400, "signature_method_rejected")),
        ("oauth_version", "2.0", refused(400, "version_rejected")),
        ("oauth_unheard_of", "x", refused(400, "parameter_rejected")),
    ] {
        assert_eq!(problem(&get(&provider, &token).set(name, value).send()), expected, "{name}={value}");
    }
    let answer = get(&provider, &token).set("oauth_version", "1.0").send();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(
        problem(&get(&provider, &token).send_as_it_is(Bytes::new(), None)),
        refused(400, "parameter_absent")
    );
    let mut twice = get(&provider, &token);
    twice.protocol.push(("oauth_version".into(), "1.0".into()));
    twice.protocol.push(("oauth_version".into(), "1.0".into()));
    assert_eq!(problem(&twice.send()), refused(400, "parameter_rejected"));
    let two_places = Signed { query: &[("oauth_version", "1.0")], ..get(&provider, &token) };
    assert_eq!(problem(&two_places.send()), refused(400, "parameter_rejected"));
}

#[test]
fn a_body_hash_is_checked_if_there_is_one() {
    let provider = Provider::new();
    let token = log_in(&provider);
    let body = Bytes::from_static(b"{\"a\":1}");
    for algorithm in [&digest::SHA1_FOR_LEGACY_USE_ONLY, &digest::SHA256, &digest::SHA512] {
        let hash = STANDARD.encode(digest::digest(algorithm, &body));
        for (sent, status) in [(body.clone(), 200), (Bytes::from_static(b"{\"a\":2}"), 401)] {
            let call = post(&provider, "api", Some(&token)).set("oauth_body_hash", &hash);
            let signature = call.signature();
            let call = call.set("oauth_signature", &signature);
            assert_eq!(call.send_as_it_is(sent, Some("application/json")).status(), status);
        }
    }
    let hash = STANDARD.encode(digest::digest(&digest::SHA256, b"a=1"));
    let call = post(&provider, "api", Some(&token)).set("oauth_body_hash", &hash);
    assert_eq!(Signed { form: Some(&[("a", "1")]), ..call }.send().status(), 400, "a form has none");
}

#[test]
fn plaintext_is_for_https_and_loopback() {
    for (issuer, status) in
        [("https://issuer.test", 200), ("http://127.0.0.1:1", 200), ("http://issuer.test", 400)]
    {
        let provider = Provider::builder().issuer(issuer).build();
        let call = post(&provider, "request_token", None).set("oauth_callback", "oob");
        let call = call.set("oauth_signature_method", "PLAINTEXT").set("oauth_nonce", "");
        let call = call.set("oauth_timestamp", "").set("oauth_signature", &format!("{SECRET}&"));
        assert_eq!(call.send_as_it_is(Bytes::new(), None).status(), status, "{issuer}");
    }
}

#[test]
fn before_revision_a_the_callback_comes_with_the_user() {
    let provider = with(Rules::default().verifier(false).confirmation(Confirmation::LeftOut));
    let temporary = ok(&post(&provider, "request_token", None).send());
    assert_eq!(temporary.len(), 2, "{temporary:?}");
    let url = format!("{}&oauth_callback={}", authorize_url(&provider, &temporary), encoded(CB));
    let callback = provider.visit(url).unwrap();
    assert_eq!(callback, format!("{CB}?oauth_token={}", temporary["oauth_token"]));
    ok(&post(&provider, "access_token", Some(&temporary)).send());
}

#[test]
fn a_session_handle_renews_a_token() {
    let provider = with(Rules::default().sessions(Duration::from_secs(60)));
    let token = log_in(&provider);
    assert_eq!(token["oauth_expires_in"], "60");
    provider.advance(Duration::from_secs(60));
    assert_eq!(problem(&get(&provider, &token).send()), refused(401, "token_expired"));
    let renew =
        |handle: &str| post(&provider, "access_token", Some(&token)).set("oauth_session_handle", handle);
    assert_eq!(problem(&renew("other").send()), refused(401, "token_rejected"));
    let next = ok(&renew(&token["oauth_session_handle"]).send());
    assert_eq!(get(&provider, &next).send().status(), StatusCode::OK);
    assert_eq!(problem(&renew(&token["oauth_session_handle"]).send()), refused(401, "token_rejected"));
    provider.revoke_access_tokens();
    assert_eq!(problem(&get(&provider, &next).send()), refused(401, "token_expired"));
    provider.revoke_grants();
    assert_eq!(problem(&get(&provider, &next).send()), refused(401, "token_rejected"));
}

#[test]
fn a_password_buys_a_token_only_where_it_may() {
    let provider = with(Rules::default().xauth("alice", "pässword"));
    let ask = |password| {
        let data =
            [("x_auth_mode", "client_auth"), ("x_auth_username", "alice"), ("x_auth_password", password)];
        Signed { form: Some(&data), ..post(&provider, "access_token", None) }.send()
    };
    assert_eq!(problem(&ask("other")), refused(401, "permission_denied"));
    let token = ok(&ask("pässword"));
    assert_eq!(get(&provider, &token).send().status(), StatusCode::OK);
    let strict = Provider::new();
    let data = [("x_auth_mode", "client_auth"), ("x_auth_username", "alice"), ("x_auth_password", "")];
    let answer = Signed { form: Some(&data), ..post(&strict, "access_token", None) }.send();
    assert_eq!(problem(&answer), refused(401, "permission_denied"));
}

#[test]
fn dialects_and_clients_are_set() {
    let rules = Rules::default()
        .client(RegisteredClient::new(KEY, "").callback("https://other.test/"))
        .signature_methods([SignatureMethod::HmacSha1])
        .confirmation(Confirmation::Capitalised)
        .errors(Errors::Plain)
        .media_type("text/html")
        .two_legged(true);
    let provider = with(rules);
    let call = || Signed { secrets: ("", ""), ..post(&provider, "request_token", None) };
    let answer = call().set("oauth_callback", "https://other.test/").send();
    assert_eq!(ok(&answer)["oauth_callback_confirmed"], "True");
    assert_eq!(answer.headers()[CONTENT_TYPE], "text/html");
    let answer = call().set("oauth_consumer_key", "x").send();
    assert_eq!(
        (answer.status(), answer.headers()[CONTENT_TYPE].as_bytes()),
        (StatusCode::UNAUTHORIZED, &b"text/plain"[..])
    );
    assert_eq!(answer.headers()["www-authenticate"], "OAuth realm=\"https://issuer.test\"");
    let answer = Signed { secrets: ("", ""), ..Signed::new(&provider, Method::GET, "api", None) }.send();
    assert!(String::from_utf8_lossy(answer.body()).contains("\"user\":null"));
}

/// A login by hand; `None` where an answer or a callback is not what it should be.
fn try_to_log_in(provider: &Provider) -> Option<Form> {
    let read = |request: Request<Bytes>| {
        let answer = block_on(provider.send(request, Limits::default())).ok()?;
        let form = form(answer.body());
        ["oauth_token", "oauth_token_secret"].iter().all(|name| form.contains_key(*name)).then_some(form)
    };
    let temporary = read(post(provider, "request_token", None).set("oauth_callback", CB).signed())?;
    let callback = provider.visit(authorize_url(provider, &temporary)).ok()?;
    let callback = form(callback.split_once('?')?.1.as_bytes());
    let verifier = callback.get("oauth_verifier")?;
    read(post(provider, "access_token", Some(&temporary)).set("oauth_verifier", verifier).signed())
}

#[test]
fn every_fault_happens() {
    let places = [Place::TemporaryCredentials, Place::OwnerAuthorization, Place::TokenCredentials];
    let rows: Vec<_> = faults().filter(|fault| places.contains(&fault.at)).collect();
    assert!(rows.len() > 80, "{}", rows.len());
    for fault in rows {
        let provider = Provider::builder().fault(*fault).build();
        try_to_log_in(&provider);
        assert_eq!(provider.faults_happened(), 1, "{}", fault.name);
    }
}

#[test]
fn what_faults_make_of_answers() {
    let provider = Provider::new();
    let ask = |fault: Fault| {
        provider.set_fault(fault);
        let request = post(&provider, "request_token", None).set("oauth_callback", CB).signed();
        block_on(provider.send(request, Limits::default())).unwrap()
    };
    let unconfirmed = ask(fault("temporary-unconfirmed"));
    assert_eq!(form(unconfirmed.body()).len(), 2);
    let answer = ask(fault("temporary-as-json"));
    let object: Form = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!((object.len(), &answer.headers()[CONTENT_TYPE]), (3, &"application/json".parse().unwrap()));
    let half = ask(fault("temporary-half-unframed"));
    assert!(half.body().len() < unconfirmed.body().len() && !half.headers().contains_key("content-length"));
    provider.clear_faults();
    let temporary = temporary(&provider, CB);
    provider.set_fault(fault("oauth1-denied"));
    assert_eq!(
        visit(&provider, &temporary),
        Form::from([("denied".into(), temporary["oauth_token"].clone())])
    );
}
