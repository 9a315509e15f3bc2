//! Signing (RFC 5849 §3).

use std::{collections::BTreeSet, sync::Arc};

use valetkey_http::Request;
use valetkey_proto::{
    Call, Env, ErrorKind, Event, Flow, Party, Reason, Step, Timestamp,
    crypto::{CryptoProvider, HashAlgorithm, RemoteKey, SignatureAlgorithm, SigningKey, SystemRandom},
    oauth1::{ClientCredentials, Part, SignatureMethod, Signer, Stamp, TokenCredentials, Transmission},
    oauth2::resource::ResourceRequest,
};

use super::{FORM, base_string, client, header, request, sign, signer};
use crate::transcript::World;

fn refused(signer: &Signer, request: Request, reason: Reason) -> String {
    let error = sign(signer, request).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Usage, reason), "{error}");
    error.to_string()
}

#[test]
fn o1_1_every_method_signs_in_every_place() {
    let remote = |algorithm| SigningKey::Remote(RemoteKey::new("k", algorithm));
    for method in [
        SignatureMethod::HmacSha1,
        SignatureMethod::HmacSha256,
        SignatureMethod::HmacSha512,
        SignatureMethod::Plaintext,
    ] {
        for place in [Transmission::Header, Transmission::Body, Transmission::Query] {
            let signer = signer().method(method.clone()).transmission(place);
            let signed = sign(&signer, request("POST", "https://a.example/?q=1", FORM, "f=2")).unwrap();
            assert_eq!(signer.explain(&signed, &CryptoProvider::ring()).unwrap().is_right(), Some(true));
            let places = [
                signed.headers().contains_key("authorization"),
                signed.body().starts_with(b"f=2&oauth_"),
                signed.uri().query().unwrap().starts_with("q=1&oauth_"),
            ];
            assert_eq!(
                places,
                [Transmission::Header, Transmission::Body, Transmission::Query].map(|p| p == place)
            );
        }
    }
    for (algorithm, name) in [
        (SignatureAlgorithm::RsaSha1, "RSA-SHA1"),
        (SignatureAlgorithm::Rs256, "RSA-SHA256"),
        (SignatureAlgorithm::Rs512, "RSA-SHA512"),
    ] {
        assert_eq!(SignatureMethod::rsa(remote(algorithm)).unwrap().name(), name);
    }
    assert!(!format!("{:?}", signer()).contains("cs"));
}

#[test]
fn o1_2_forms_are_told_by_their_type_and_nothing_else_is_read() {
    let parameters = |media_type: &str, method: &str| {
        base_string(&signer(), request(method, "https://a.example/", media_type, "a=1")).contains("&a%3D1%26")
    };
    for media_type in
        [FORM, "application/x-www-form-urlencoded; charset=utf-8", "APPLICATION/X-WWW-FORM-URLENCODED ;x"]
    {
        for method in ["POST", "PUT", "GET", "DELETE", "REPORT"] {
            assert!(parameters(media_type, method), "{media_type} {method}");
        }
    }
    for media_type in [
        "",
        "text/plain",
        "application/json",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencodedx",
    ] {
        assert!(!parameters(media_type, "POST"), "{media_type}");
    }
}

#[test]
fn o1_3_the_parameters_are_these() {
    let signed = sign(&signer(), request("GET", "https://a.example/", "", "")).unwrap();
    let names: Vec<_> = header(&signed).parameters().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(
        names,
        [
            "oauth_consumer_key",
            "oauth_token",
            "oauth_signature_method",
            "oauth_version",
            "oauth_timestamp",
            "oauth_nonce",
            "oauth_signature"
        ]
    );
    let bare = Signer::new(client()).without_version();
    let signed = sign(&bare, request("GET", "https://a.example/", "", "")).unwrap();
    let header = header(&signed);
    assert!(header.get("oauth_version").is_none() && header.get("oauth_token").is_none());
}

/// The hash of the body that is sent, and the signature.
fn body_hash(signer: &Signer, media_type: &str, body: &str) -> (Option<String>, String) {
    let signed = sign(signer, request("POST", "https://a.example/", media_type, body)).unwrap();
    let header = header(&signed);
    (header.get("oauth_body_hash").map(str::to_owned), header.get("oauth_signature").unwrap().to_owned())
}

#[test]
fn o1_4_a_body_hash_is_sent_for_what_is_no_form() {
    let signer = signer().body_hash(HashAlgorithm::Sha1);
    let hash = |media_type: &str, body: &str| body_hash(&signer, media_type, body).0;
    // The example of draft-eaton-oauth-bodyhash §5.
    assert_eq!(hash("text/plain", "Hello World!").as_deref(), Some("Lve95gjOVATpfV8EL5X4nxwjKHE="));
    assert_eq!(hash("", "").as_deref(), Some("2jmj7l5rSw0yVb/vlWAYkK/YBwk="));
    assert_eq!(hash(FORM, "a=1"), None);
}

#[test]
fn s_o1_11_a_body_that_is_no_form_is_covered_by_its_hash_alone() {
    let signature = |signer: &Signer, body: &str| body_hash(signer, "application/json", body).1;
    let (plain, hashing) = (signer(), signer().body_hash(HashAlgorithm::Sha256));
    assert_eq!(signature(&plain, "{\"to\":1}"), signature(&plain, "{\"to\":2}"), "RFC 5849 §3.4.1.3.1");
    assert_ne!(signature(&hashing, "{\"to\":1}"), signature(&hashing, "{\"to\":2}"));
}

#[test]
fn o1_5_the_base_string_uri_is_scheme_host_port_and_path() {
    let uri = |url: &str| {
        let request = request("GET", url, "", "");
        signer().explain(&request, &CryptoProvider::ring()).unwrap().base_string_uri().to_owned()
    };
    for (url, expected) in [
        ("HTTP://EXAMPLE.com:80/r%20v/X?id=123", "http://example.com/r%20v/X"),
        ("https://www.example.net:8080/?q=1", "https://www.example.net:8080/"),
        ("https://a.example:/", "https://a.example/"),
        ("https://[2001:DB8::1]:443/", "https://[2001:db8::1]/"),
        ("https://[2001:DB8::1]:/a", "https://[2001:db8::1]/a"),
        ("http://[::1]:443/", "http://[::1]:443/"),
        ("https://a.example?x=1", "https://a.example/"),
        ("https://a.example/a/../b/./c%2Fd;p=1", "https://a.example/a/../b/./c%2Fd;p=1"),
        ("https://user:pw@a.example/", "https://a.example/"),
        ("https://a.example/p#fragment", "https://a.example/p"),
    ] {
        assert_eq!(uri(url), expected, "{url}");
    }
    for url in
        ["http://eg.com:0/", "http://eg.com:65536/", "/path", "ftp://a.example/", "https://a;b.example/"]
    {
        assert!(refused(&signer(), request("GET", url, "", ""), Reason::InvalidUrl).is_ascii(), "{url}");
    }
    // What the request says of its host goes before its URL, and what the program says before both.
    let mut sent = request("GET", "https://10.0.0.1:8443/", "", "");
    sent.headers_mut().insert("host", "API.example:443".parse().unwrap());
    let crypto = CryptoProvider::ring();
    assert_eq!(signer().explain(&sent, &crypto).unwrap().base_string_uri(), "https://api.example/");
    let proxied = signer().host("outside.example:8000").unwrap();
    assert_eq!(proxied.explain(&sent, &crypto).unwrap().base_string_uri(), "https://outside.example:8000/");
}

#[test]
fn o1_6_the_header_has_the_protocol_parameters_alone_and_a_realm_unsigned() {
    let signer = signer().realm("Photos \"of\" \\mine").unwrap();
    let signed = sign(&signer, request("GET", "https://a.example/?a=1", "", "")).unwrap();
    let value = &signed.headers()["authorization"];
    assert!(value.is_sensitive());
    let text = value.to_str().unwrap();
    assert!(
        text.starts_with("OAuth realm=\"Photos \\\"of\\\" \\\\mine\", oauth_consumer_key=\"ck\", "),
        "{text}"
    );
    assert_eq!(header(&signed).realm(), Some("Photos \"of\" \\mine"));
    assert!(!text.contains("a=\"1\""));
    let without = sign(&super::signer(), request("GET", "https://a.example/?a=1", "", "")).unwrap();
    assert_eq!(header(&without).get("oauth_signature"), header(&signed).get("oauth_signature"));
}

#[test]
fn o1_7_query_and_body_are_appended_to() {
    let query = signer().transmission(Transmission::Query);
    for (url, start) in [
        ("https://A.example/p?b=%7e&a", "https://A.example/p?b=%7e&a&oauth_consumer_key=ck&"),
        ("https://a.example/p?", "https://a.example/p?oauth_consumer_key=ck&"),
        ("https://a.example", "https://a.example/?oauth_consumer_key=ck&"),
    ] {
        let signed = sign(&query, request("GET", url, "", "")).unwrap();
        let url = signed.uri().to_string();
        assert!(url.starts_with(start), "{url}");
        assert!(url.rsplit_once('&').unwrap().1.starts_with("oauth_signature="), "{url}");
    }
    let body = signer().transmission(Transmission::Body);
    let mut sent = request("POST", "https://a.example/", "", "");
    sent.headers_mut().insert("content-length", "0".parse().unwrap());
    let signed = sign(&body, sent).unwrap();
    assert_eq!(signed.headers()["content-type"], FORM);
    assert_eq!(signed.headers()["content-length"].to_str().unwrap(), signed.body().len().to_string());
    assert!(signed.body().starts_with(b"oauth_consumer_key=ck&"));
}

#[test]
fn o1_8_any_query_is_signed_as_it_is() {
    for (query, expected) in [
        ("foo[bar]=x'y", "foo%255Bbar%255D%3Dx%2527y%26"),
        ("a=%zz&b=%4", "a%3D%2525zz%26b%3D%25254%26"),
        ("a=1;b=2", "a%3D1%253Bb%253D2%26"),
        ("&&a&a=&", "a%3D%26a%3D%26"),
        ("b=2&a=+", "a%3D%2520%26b%3D2%26"),
        ("realm=x", "realm%3Dx"),
    ] {
        let url = format!("https://a.example/?{query}");
        let base = base_string(&signer(), request("GET", &url, "", ""));
        assert!(base.contains(expected), "{query}: {base}");
        let signed = sign(&signer(), request("GET", &url, "", "")).unwrap();
        assert_eq!(signed.uri().to_string(), url);
    }
}

#[test]
fn t1_bodies_are_never_touched() {
    for (media_type, body) in [
        ("application/json", "{\"a\":1}"),
        ("multipart/form-data; boundary=x", "--x--"),
        (FORM, "a=1&b=%7e"),
        ("", "raw\0"),
    ] {
        for place in [Transmission::Header, Transmission::Query] {
            let signer = signer().transmission(place).body_hash(HashAlgorithm::Sha256);
            let mut sent = request("POST", "https://a.example/", media_type, body);
            sent.headers_mut().insert("x-mine", "1".parse().unwrap());
            sent.extensions_mut().insert("mine");
            *sent.version_mut() = http::Version::HTTP_2;
            let signed = sign(&signer, sent).unwrap();
            assert_eq!(signed.body(), body.as_bytes());
            assert_eq!(signed.headers()["x-mine"], "1");
            assert_eq!(
                (signed.version(), signed.extensions().get::<&str>()),
                (http::Version::HTTP_2, Some(&"mine"))
            );
        }
    }
}

#[test]
fn t12_a_media_type_with_parameters_is_a_form() {
    let plain = base_string(&signer(), request("POST", "https://a.example/", FORM, "a=1"));
    let typed =
        request("POST", "https://a.example/", "application/x-www-form-urlencoded; charset=utf-8", "a=1");
    assert_eq!(base_string(&signer(), typed), plain);
}

#[test]
fn t13_an_apostrophe_is_signed() {
    assert!(
        base_string(&signer(), request("GET", "https://a.example/?q='", "", "")).ends_with("%26q%3D%2527")
    );
}

#[test]
fn t14_user_information_is_not_signed() {
    let plain = base_string(&signer(), request("GET", "https://a.example/", "", ""));
    assert_eq!(base_string(&signer(), request("GET", "https://user:pw@a.example/", "", "")), plain);
}

#[test]
fn t15_a_body_hash_is_asked_for_or_not_there() {
    let sent = || request("POST", "https://a.example/", "application/json", "{}");
    assert!(!base_string(&signer(), sent()).contains("oauth_body_hash"));
    assert!(base_string(&signer().body_hash(HashAlgorithm::Sha1), sent()).contains("oauth_body_hash"));
}

#[test]
fn t16_parameters_occur_once_wherever_they_go() {
    for place in [Transmission::Body, Transmission::Query] {
        let signer = signer().transmission(place);
        let header = base_string(&super::signer(), request("POST", "https://a.example/?q=1", FORM, "f=2"));
        assert_eq!(base_string(&signer, request("POST", "https://a.example/?q=1", FORM, "f=2")), header);
        let signed = sign(&signer, request("POST", "https://a.example/?q=1", FORM, "f=2")).unwrap();
        refused(&signer, signed, Reason::AlreadyAuthorized);
    }
}

#[test]
fn s_o1_01_plaintext_goes_over_tls_or_loopback_alone() {
    let signer = signer().method(SignatureMethod::Plaintext);
    for url in ["http://a.example/", "http://127.0.0.1.a.example/", "http://localhost@a.example/"] {
        refused(&signer, request("GET", url, "", ""), Reason::InsecureUrl);
    }
    // Naming another host does not make the way private.
    let mut dressed = request("GET", "http://a.example/", "", "");
    dressed.headers_mut().insert("host", "localhost".parse().unwrap());
    refused(&signer, dressed, Reason::InsecureUrl);
    refused(
        &signer.clone().host("localhost").unwrap(),
        request("GET", "http://a.example/", "", ""),
        Reason::InsecureUrl,
    );
    for url in ["https://a.example/", "http://127.0.0.1:8080/", "http://[::1]/", "http://localhost/"] {
        let signed = sign(&signer, request("GET", url, "", "")).unwrap();
        assert_eq!(header(&signed).get("oauth_signature"), Some("cs&ts"));
    }
    assert!(sign(&super::signer(), request("GET", "http://a.example/", "", "")).is_ok(), "a MAC may");
}

#[test]
fn s_o1_02_no_nonce_comes_twice_and_the_time_is_the_clocks() {
    let random = SystemRandom::new();
    let crypto = CryptoProvider::ring();
    let signer = signer();
    let uri = "https://a.example/".parse().unwrap();
    let headers = http::HeaderMap::new();
    let mut nonces = BTreeSet::new();
    for second in 1..=20_000 {
        let env = Env {
            now: Timestamp::from_secs(1_700_000_000 + second / 1000),
            random: &random,
            crypto: &crypto,
        };
        let value = signer.authorization(&http::Method::GET, &uri, &headers, b"", &env).unwrap();
        let text = value.to_str().unwrap();
        let nonce = text.split("oauth_nonce=\"").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(nonce.len(), 32);
        assert!(
            nonces.insert(nonce.to_owned())
                && text.contains(&format!("oauth_timestamp=\"{}\"", env.now.as_secs()))
        );
    }
    let mut world = World::new();
    for before in [0, -1, i64::MIN] {
        world.now = Timestamp::from_millis(before);
        let error = signer.sign(request("GET", "https://a.example/", "", ""), &world.env()).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Usage, Reason::InvalidValue));
    }
    let mut world = World::new();
    world.random.fails = true;
    let error = signer.sign(request("GET", "https://a.example/", "", ""), &world.env()).unwrap_err();
    assert_eq!(error.reason(), Reason::RandomFailed);
    refused_stamp();
}

fn refused_stamp() {
    for nonce in ["", "a\r\nb"] {
        assert!(Stamp::new(Timestamp::from_secs(1), nonce).is_err());
    }
    let sent = request("GET", "https://a.example/", "", "");
    let error = signer().sign_with(sent, Stamp::none(), &CryptoProvider::ring()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Usage, Reason::InvalidValue));
}

#[test]
fn s_o1_03_duplicates_stay_and_are_sorted_by_their_encoded_bytes() {
    let sent = request("POST", "https://a.example/?a=2&%C3%A9=1&a-=3&a=2", FORM, "a=1&z=%7E&aa&a=%26");
    let base = base_string(&signer(), sent);
    let expected = "POST&https%3A%2F%2Fa.example%2F&%25C3%25A9%3D1%26a%3D%2526%26a%3D1%26a%3D2%26a%3D2%26a-%3D3%26aa%3D%26oauth_";
    assert!(base.starts_with(expected), "{base}");
    assert!(base.ends_with("%26z%3D~"), "{base}");
    // The example of RFC 5849 §3.4.1.1.
    let signer = Signer::new(ClientCredentials::new("9djdj82h48djs9d2", "j49sk3j29djd").unwrap())
        .token(TokenCredentials::new("kkk9d7dh3k39sjv7", "dh893hdasih9").unwrap())
        .without_version();
    let sent =
        request("POST", "http://example.com/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b", FORM, "c2&a3=2+q");
    let stamp = Stamp::new(Timestamp::from_secs(137_131_201), "7d8f3e4a").unwrap();
    let signed = signer.sign_with(sent, stamp, &CryptoProvider::ring()).unwrap();
    assert_eq!(header(&signed).get("oauth_signature"), Some("r6/TJjbCOr97/+UU0NsvSne7s5g="));
}

#[test]
fn s_o1_04_parameters_go_to_one_place() {
    let body = signer().transmission(Transmission::Body);
    for (method, media_type, text) in
        [("GET", FORM, "a=1"), ("HEAD", "", ""), ("POST", "application/json", "{}"), ("POST", "", "raw")]
    {
        refused(&body, request(method, "https://a.example/", media_type, text), Reason::InvalidValue);
    }
    let env = World::new();
    let headers = http::HeaderMap::new();
    let uri = "https://a.example/".parse().unwrap();
    let error = body.authorization(&http::Method::POST, &uri, &headers, b"", &env.env()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Usage, Reason::InvalidValue));
    let mut twice = request("GET", "https://a.example/", "", "");
    twice.headers_mut().insert("authorization", "Bearer x".parse().unwrap());
    refused(&signer(), twice, Reason::AlreadyAuthorized);
    for url in ["https://a.example/?oauth_token=x", "https://a.example/?a=1&o%61uth_nonce"] {
        assert!(refused(&signer(), request("GET", url, "", ""), Reason::AlreadyAuthorized).contains("query"));
    }
    let sent = request("POST", "https://a.example/", FORM, "oauth_signature=x");
    assert!(refused(&signer(), sent, Reason::AlreadyAuthorized).contains("form"));
}

#[test]
fn what_a_program_sets_cannot_inject_and_is_named() {
    let named = |error: valetkey_proto::Error| {
        assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
        error.to_string()
    };
    for bad in ["a\r\nx: y", "\0", "a\u{7f}", &"x".repeat(10_000)] {
        assert!(named(ClientCredentials::new(bad, "s").unwrap_err()).contains("client identifier"));
        assert!(named(ClientCredentials::new("k", bad).unwrap_err()).contains("client shared secret"));
        assert!(named(TokenCredentials::new(bad, "s").unwrap_err()).contains("token identifier"));
        assert!(named(TokenCredentials::new("t", bad).unwrap_err()).contains("token shared secret"));
        assert!(named(signer().realm(bad).unwrap_err()).contains("realm"));
        assert!(named(signer().host(bad).unwrap_err()).contains("host"));
        assert!(named(signer().parameter("oauth_callback", bad).unwrap_err()).contains("protocol parameter"));
    }
    assert!(named(ClientCredentials::new("", "s").unwrap_err()).contains("client identifier"));
    assert!(named(signer().parameter("a", "b").unwrap_err()).contains("name of a protocol parameter"));
    assert_eq!(signer().parameter("oauth_nonce", "b").unwrap_err().reason(), Reason::ReservedParameter);
    for body in ["a=%zz", "a b", "a=\u{e9}", "a=1\n"] {
        let sent = request("POST", "https://a.example/", FORM, body);
        assert!(refused(&signer(), sent, Reason::InvalidValue).contains("form body"), "{body:?}");
    }
}

#[test]
fn a_difference_is_found_where_it_is() {
    let crypto = CryptoProvider::ring();
    let signed = sign(&signer(), request("GET", "https://a.example/?a=1&b=2", "", "")).unwrap();
    let explanation = signer().explain(&signed, &crypto).unwrap();
    let ours = explanation.base_string();
    assert_eq!(explanation.difference(ours), None);
    for (from, to, part) in [
        ("GET", "PUT", Part::Method),
        ("https", "http", Part::Uri),
        ("b%3D2", "b%3D3", Part::Parameter("b".into())),
        ("oauth_token%3Dtk", "oauth_token%3Dtk2", Part::Parameter("oauth_token".into())),
    ] {
        let difference = explanation.difference(&ours.replace(from, to)).unwrap();
        assert_eq!(*difference.part(), part);
    }
    assert_eq!(*explanation.difference("").unwrap().part(), Part::Method);
    let other = signer().token(TokenCredentials::new("tk", "other").unwrap());
    let explanation = other.explain(&signed, &crypto).unwrap();
    assert_eq!((explanation.is_right(), explanation.signing_key()), (Some(false), "[2 bytes]&[5 bytes]"));
    assert!(!format!("{explanation:?}").contains("tk"));
}

#[test]
fn a_remote_key_signs_an_api_request_in_a_flow() {
    let key = SigningKey::Remote(RemoteKey::new("hsm/7", SignatureAlgorithm::RsaSha1));
    let signer = signer().method(SignatureMethod::rsa(key).unwrap());
    let error = sign(&signer, request("GET", "https://a.example/", "", "")).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::UnsupportedAlgorithm));
    for place in [Transmission::Header, Transmission::Body, Transmission::Query] {
        let party = Arc::new(Party::oauth1(signer.clone().transmission(place)));
        let exchange = ResourceRequest::new(request("POST", "https://a.example/?q=1", FORM, "f=2"));
        let mut call = Call::new(exchange, party);
        let world = World::new();
        let Step::Sign(signing) = call.step(Event::Go, &world.env()).unwrap() else {
            panic!("nothing to sign")
        };
        assert_eq!(signing.key.name(), "hsm/7");
        let signed = call.step(Event::Signed(Ok(vec![0xfb; 256])), &world.env()).unwrap();
        let Step::Send(request, _) = signed else { panic!("nothing to send") };
        let explanation = signer.explain(&request, &CryptoProvider::ring()).unwrap();
        assert_eq!(explanation.base_string().as_bytes(), &signing.message[..]);
        assert!(explanation.base_string().contains("q%3D1") && explanation.base_string().contains("f%3D2"));
    }
}
