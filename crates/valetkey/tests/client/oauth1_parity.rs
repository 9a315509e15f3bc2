//! What users of requests-oauthlib (RO), requests-oauth (RH) and Authlib (AL) do by OAuth 1.0a, done here.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use valetkey::{
    ErrorKind, Reason,
    oauth1::{
        Client, ClientBuilder, ClientCredentials, SignatureMethod, Signer, TokenCredentials, Transmission,
        Verifier,
    },
};
use valetkey_http::{Backend, Request, backend_fn};
use valetkey_proto::{
    crypto::{CryptoProvider, HashAlgorithm},
    oauth1::{self as core, Authorization},
};
use valetkey_testkit::{Place, Provider, block_on, oauth1};

use crate::{
    get,
    oauth1::{CALLBACK, builder, by_callback, known, photos, sign_in},
};

const FORM: &str = "application/x-www-form-urlencoded";

fn credentials() -> ClientCredentials {
    ClientCredentials::new("dpf43f3p2l4k3l03", "kd94hf93k423kf44").expect("credentials")
}

fn token() -> TokenCredentials {
    TokenCredentials::new("nnch734d00sl2jdk", "pfkkdhi9sl3r4s00").expect("credentials")
}

fn post(media_type: &str, body: &'static str) -> Request {
    let request =
        http::Request::post("https://api.test/photos?size=original&size=").header("content-type", media_type);
    request.body(Bytes::from_static(body.as_bytes())).expect("a request")
}

/// What was signed, if it is right.
fn explained(request: &Request) -> core::Explanation {
    let signer = core::Signer::new(credentials()).token(token());
    let explanation = signer.explain(request, &CryptoProvider::ring()).expect("an explanation");
    assert_eq!(explanation.is_right(), Some(true), "{}", explanation.base_string());
    explanation
}

fn header(request: &Request) -> Authorization {
    Authorization::parse(request.headers()["authorization"].to_str().expect("ASCII")).expect("a header")
}

/// A backend that answers by what it is asked, and keeps that.
fn scripted(answer: fn(&Request) -> http::Response<Bytes>) -> (impl Backend, Arc<Mutex<Vec<Request>>>) {
    let seen = Arc::<Mutex<Vec<Request>>>::default();
    let kept = Arc::clone(&seen);
    let backend = backend_fn(move |request: Request, _| {
        let response = answer(&request);
        kept.lock().unwrap().push(request);
        async move { Ok(response) }
    });
    (backend, seen)
}

fn on(backend: impl Backend) -> ClientBuilder {
    Client::builder(backend)
        .credentials(credentials())
        .temporary_credentials("https://api.test/request_token")
        .authorization("https://api.test/authorize?lang=de")
        .token_credentials("https://api.test/access_token")
        .redirect_uri(CALLBACK)
        .api("https://api.test")
}

fn answer(status: u16, body: &'static str) -> http::Response<Bytes> {
    let response = http::Response::builder().status(status).header("content-type", FORM);
    response.body(Bytes::from_static(body.as_bytes())).expect("a response")
}

#[test]
fn ro_10_and_al_3_a_signer_alone_signs_what_others_send() {
    let signer = Signer::new(credentials()).token(token());
    let signed = signer.sign(post("application/x-www-form-urlencoded; charset=utf-8", "a=b&c=d+e")).unwrap();
    assert_eq!(signed.body(), "a=b&c=d+e");
    let names: Vec<_> = explained(&signed).parameters().map(|(name, _)| name.to_owned()).collect();
    assert!(["a", "c", "size"].iter().all(|name| names.iter().any(|known| known == name)), "{names:?}");
    let signed = signer.sign(post("application/json", "{\"a\":\"b&c=d\"}")).unwrap();
    assert_eq!(signed.body(), "{\"a\":\"b&c=d\"}");
    assert!(explained(&signed).parameters().all(|(name, _)| name != "oauth_body_hash"));
    let hashing =
        Signer::from(core::Signer::new(credentials()).token(token()).body_hash(HashAlgorithm::Sha1));
    let signed = hashing.sign(post("application/json", "{}")).unwrap();
    assert_eq!(header(&signed).get("oauth_body_hash"), Some("vyGp6PvFo4RvsFtPoIWeCReyIC8="));
    let value = signer
        .authorization(
            &http::Method::GET,
            &"https://api.test/".parse().unwrap(),
            &http::HeaderMap::new(),
            b"",
        )
        .unwrap();
    assert!(value.is_sensitive() && value.to_str().unwrap().starts_with("OAuth oauth_consumer_key="));
}

#[test]
fn ro_11_a_session_has_its_credentials_and_takes_kept_ones() {
    let provider = Provider::new();
    let client = by_callback(&provider);
    assert!(client.two_legged().credentials().is_none(), "nobody is signed in");
    let session = sign_in(&client, &provider).unwrap();
    let kept = session.credentials().unwrap();
    let again = client
        .session(TokenCredentials::new(kept.identifier().expose(), kept.shared_secret().expose()).unwrap());
    assert_eq!(photos(&again, &provider).unwrap(), photos(&session, &provider).unwrap());
}

#[test]
fn ro_12_the_first_request_has_the_callback_and_the_realm_and_no_later_one_has_the_callback() {
    let provider = Provider::new();
    let client = known(&provider).redirect_uri(CALLBACK).realm("photos printers").build().unwrap();
    photos(&sign_in(&client, &provider).unwrap(), &provider).unwrap();
    let transcript = provider.transcript();
    let signed: Vec<_> =
        transcript.iter().filter(|entry| entry.place() != Place::OwnerAuthorization).collect();
    assert_eq!(signed[0].oauth1_param("oauth_callback"), Some(CALLBACK));
    assert!(signed[1..].iter().all(|entry| entry.oauth1_param("oauth_callback").is_none()));
    for entry in signed {
        let header = entry.headers()["authorization"].to_str().unwrap();
        assert!(header.starts_with("OAuth realm=\"photos printers\", "), "{header}");
    }
}

#[test]
fn ro_13_the_url_names_the_temporary_credentials_first() {
    let (backend, _) =
        scripted(|_| answer(200, "oauth_token=t&oauth_token_secret=s&oauth_callback_confirmed=true"));
    let client = on(backend).build().unwrap();
    let (url, _) = block_on(client.authorize().parameter("force_login", "true").start()).unwrap();
    assert_eq!(url.as_str(), "https://api.test/authorize?lang=de&oauth_token=t&force_login=true");
}

#[test]
fn ro_14_and_ro_15_a_callback_brings_token_and_verifier_or_is_refused() {
    let provider = Provider::new();
    let client = by_callback(&provider);
    for (callback, reason) in [
        (CALLBACK.to_owned(), Reason::StateMismatch),
        (format!("{CALLBACK}?oauth_verifier=v"), Reason::StateMismatch),
    ] {
        let (_, pending) = block_on(client.authorize().start()).unwrap();
        let error = block_on(client.redeem(pending, callback.as_str())).unwrap_err();
        assert_eq!(error.reason(), reason, "{callback}: {error}");
    }
    let (url, pending) = block_on(client.authorize().start()).unwrap();
    let callback = provider.visit(&url).unwrap();
    let (without, _) = callback.split_once("&oauth_verifier").expect("a verifier");
    let error = block_on(client.redeem(pending, without)).unwrap_err();
    assert_eq!(error.reason(), Reason::MissingParameter);
    assert!(error.to_string().contains("oauth_verifier"), "{error}");
    assert_eq!(provider.count(Place::TokenCredentials), 0);
    // The verifier is in one request: the pending sign-in is gone with it, by type.
    sign_in(&client, &provider).unwrap();
    let transcript = provider.transcript();
    assert_eq!(transcript.iter().filter(|entry| entry.oauth1_param("oauth_verifier").is_some()).count(), 1);
}

#[test]
fn ro_16_and_al_2_refusals_forms_json_and_blanks() {
    let (backend, _) = scripted(|_| answer(401, "oauth_problem=consumer_key_unknown"));
    let error = block_on(on(backend).build().unwrap().authorize().start()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::RequestDenied));
    assert_eq!(error.status().map(|status| status.as_u16()), Some(401));
    let (backend, _) = scripted(|_| answer(200, "oauth_callback_confirmed=true"));
    let error = block_on(on(backend).build().unwrap().authorize().start()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Protocol, Reason::MissingParameter));
    for body in [
        "oauth_token=t&oauth_token_secret=s&oauth_callback_confirmed=true\r\n",
        "{\"oauth_token\":\"t\",\"oauth_token_secret\":\"s\",\"oauth_callback_confirmed\":\"true\"}",
    ] {
        let backend = backend_fn(move |_: Request, _| async move { Ok(answer(200, body)) });
        let (url, _) = block_on(on(backend).build().unwrap().authorize().start()).expect(body);
        assert!(url.as_str().ends_with("oauth_token=t"), "{url:?}");
    }
}

#[test]
fn ro_17_a_redirect_on_the_origin_is_signed_anew_if_that_was_asked_for() {
    for transmission in [Transmission::Header, Transmission::Query] {
        let moved = |request: &Request| {
            if request.uri().path().ends_with('/') {
                return answer(200, "");
            }
            // As servers do: a slash is missing, the query stays.
            let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
            let mut response = answer(301, "");
            let location = format!("{}/{query}", request.uri().path());
            response.headers_mut().insert("location", location.parse().unwrap());
            response
        };
        let (backend, seen) = scripted(moved);
        let client = on(backend).transmission(transmission).build().unwrap();
        let answered = block_on(client.session(token()).send(get("https://api.test/me?a=b"))).unwrap();
        assert_eq!(
            (answered.status().as_u16(), seen.lock().unwrap().len()),
            (301, 1),
            "not unless it is said"
        );

        let (backend, seen) = scripted(moved);
        let client = on(backend).transmission(transmission).follow_redirects(3).build().unwrap();
        let answered = block_on(client.session(token()).send(get("https://api.test/me?a=b"))).unwrap();
        assert_eq!(answered.status(), 200);
        let seen = seen.lock().unwrap();
        assert_eq!((seen.len(), seen[1].uri().path()), (2, "/me/"));
        let nonces: BTreeSet<_> = seen.iter().map(|request| nonce(&explained(request))).collect();
        assert_eq!(nonces.len(), 2, "each has its own");
    }
}

#[test]
fn ro_17_redirects_end() {
    let (backend, seen) = scripted(|_| {
        let mut response = answer(307, "");
        response.headers_mut().insert("location", "/again".parse().unwrap());
        response
    });
    let client = on(backend).follow_redirects(3).build().unwrap();
    let answered = block_on(client.session(token()).send(get("https://api.test/"))).unwrap();
    assert_eq!((answered.status().as_u16(), seen.lock().unwrap().len()), (307, 4));
    let (backend, seen) = scripted(|_| {
        let mut response = answer(307, "");
        response.headers_mut().insert("location", "https://evil.test/".parse().unwrap());
        response
    });
    let client = on(backend).follow_redirects(3).api("https://evil.test").build().unwrap();
    let answered = block_on(client.session(token()).send(get("https://api.test/"))).unwrap();
    assert_eq!((answered.status().as_u16(), seen.lock().unwrap().len()), (307, 1), "never across origins");
}

fn nonce(explanation: &core::Explanation) -> String {
    let mut parameters = explanation.parameters();
    parameters.find(|(name, _)| *name == "oauth_nonce").expect("a nonce").1.to_owned()
}

#[test]
fn rh_1_and_rh_8_one_signer_for_any_number_of_requests_with_or_without_a_token() {
    let (with, without) = (Signer::new(credentials()).token(token()), Signer::new(credentials()));
    let nonces: BTreeSet<_> =
        (0..100).map(|_| nonce(&explained(&with.sign(get("https://api.test/photos")).unwrap()))).collect();
    assert_eq!(nonces.len(), 100);
    let signed = without.sign(get("https://api.test/photos")).unwrap();
    assert_eq!(header(&signed).get("oauth_token"), None);
}

#[test]
fn rh_2_and_rh_3_the_header_may_have_an_empty_realm_and_the_rest_goes_where_it_is_said() {
    let signer = |transmission| core::Signer::new(credentials()).token(token()).transmission(transmission);
    let empty = Signer::from(signer(Transmission::Header).realm("").unwrap());
    let signed = empty.sign(get("https://api.test/")).unwrap();
    assert!(signed.headers()["authorization"].to_str().unwrap().starts_with("OAuth realm=\"\", oauth_"));
    let signed = Signer::from(signer(Transmission::Query)).sign(get("https://api.test/?a=b")).unwrap();
    assert!(signed.uri().query().unwrap().starts_with("a=b&oauth_consumer_key="));
    let body = Signer::from(signer(Transmission::Body));
    let signed = body.sign(post(FORM, "a=b")).unwrap();
    assert!(signed.body().starts_with(b"a=b&oauth_consumer_key="));
    explained(&signed);
    // Never moved into the query, as some do, with the body emptied.
    let error = body.sign(post("application/json", "{}")).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Usage, Reason::InvalidValue));
}

#[test]
fn rh_4_callback_and_verifier_are_protocol_parameters() {
    let provider = Provider::new();
    sign_in(&by_callback(&provider), &provider).unwrap();
    let transcript = provider.transcript();
    for (place, name) in
        [(Place::TemporaryCredentials, "oauth_callback"), (Place::TokenCredentials, "oauth_verifier")]
    {
        let entry = transcript.iter().find(|entry| entry.place() == place).unwrap();
        assert!(entry.oauth1_param(name).is_some() && entry.form().is_empty() && entry.query().is_empty());
    }
}

#[test]
fn rh_5_a_nonce_has_128_bits_and_a_timestamp_seconds() {
    let signed = Signer::new(credentials()).sign(get("https://api.test/")).unwrap();
    let header = header(&signed);
    let nonce = header.get("oauth_nonce").unwrap();
    assert!(nonce.len() == 32 && nonce.bytes().all(|byte| byte.is_ascii_hexdigit()), "{nonce}");
    let timestamp: u64 = header.get("oauth_timestamp").unwrap().parse().unwrap();
    assert!((1_700_000_000..10_000_000_000).contains(&timestamp));
    assert_eq!(
        (header.get("oauth_version"), header.get("oauth_signature_method")),
        (Some("1.0"), Some("HMAC-SHA1"))
    );
}

#[test]
fn rh_6_all_values_of_a_name_are_signed_in_query_and_form() {
    let signed =
        Signer::new(credentials()).token(token()).sign(post(FORM, "size=large&size=%C3%A9")).unwrap();
    let explanation = explained(&signed);
    let sizes: Vec<_> =
        explanation.parameters().filter(|(name, _)| *name == "size").map(|(_, value)| value).collect();
    assert_eq!(
        sizes,
        ["", "%C3%A9", "large", "original"].map(|size| if size == "%C3%A9" { "é" } else { size })
    );
}

#[test]
fn rh_7_a_user_carries_a_pin_and_the_credentials_are_kept() {
    let provider = Provider::new();
    let client = known(&provider).build().unwrap();
    let (url, pending) = block_on(client.authorize().start()).unwrap();
    assert_eq!(provider.transcript()[0].oauth1_param("oauth_callback"), Some("oob"));
    let pin = provider.pin(&url).unwrap();
    Verifier::parse(&pin).unwrap();
    let session = block_on(client.redeem_pin(pending, &pin)).unwrap();
    let text = session.credentials().unwrap().to_text();
    let later = known(&provider).build().unwrap().session(TokenCredentials::parse(text.expose()).unwrap());
    photos(&later, &provider).unwrap();
}

#[test]
fn al_1_every_method_in_every_place_with_a_callback_of_each_client() {
    for method in [
        SignatureMethod::HmacSha1,
        SignatureMethod::HmacSha256,
        SignatureMethod::HmacSha512,
        SignatureMethod::Plaintext,
    ] {
        for transmission in [Transmission::Header, Transmission::Query] {
            let provider = Provider::new();
            let client = known(&provider).redirect_uri(CALLBACK).method(method.clone());
            let client = client.transmission(transmission).realm("r").build().unwrap();
            photos(&sign_in(&client, &provider).unwrap(), &provider).unwrap();
        }
        let provider = Provider::new();
        let client = known(&provider).redirect_uri(CALLBACK).method(method).transmission(Transmission::Body);
        let session = sign_in(&client.build().unwrap(), &provider).unwrap();
        let request = http::Request::post(provider.oauth1("api/photos")).header("content-type", FORM);
        let request = request.body(Bytes::from_static(b"a=b")).unwrap();
        assert_eq!(block_on(session.send(request)).unwrap().status(), 200);
    }
}

#[test]
fn a_client_without_a_user_calls_an_api_that_allows_it() {
    let provider = Provider::builder().oauth1(oauth1::Rules::default().two_legged(true)).build();
    let client = builder(&provider, "dpf43f3p2l4k3l03", "kd94hf93k423kf44").build().unwrap();
    let answered = block_on(client.two_legged().send(get(provider.oauth1("api/photos")))).unwrap();
    assert_eq!(answered.status(), 200, "{:?}", answered.body());
    let strict = Provider::new();
    let client = builder(&strict, "dpf43f3p2l4k3l03", "kd94hf93k423kf44").build().unwrap();
    assert_ne!(block_on(client.two_legged().send(get(strict.oauth1("api/photos")))).unwrap().status(), 200);
}

#[test]
fn t15_a_client_sends_a_body_hash_if_its_builder_says_so() {
    let (backend, seen) = scripted(|_| answer(200, ""));
    let session = on(backend).body_hash(HashAlgorithm::Sha256).build().unwrap().session(token());
    block_on(session.send(post("application/json", "{}"))).unwrap();
    let hash = header(&seen.lock().unwrap()[0]).get("oauth_body_hash").map(str::to_owned);
    assert_eq!(hash.as_deref(), Some("RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o="));
}
