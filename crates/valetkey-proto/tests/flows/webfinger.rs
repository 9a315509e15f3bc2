//! From what a user types to an issuer.

use valetkey_proto::{
    Call, ErrorKind, Reason, Result,
    oauth2::server::Issuer,
    oidc::webfinger::{Identifier, WebFingerRequest},
};

use crate::transcript::{answer, json, play_call};

const ASKED: &str = "GET https://example.com/.well-known/webfinger?resource=acct%3Ajoe%40example.com\
    &rel=http%3A%2F%2Fopenid.net%2Fspecs%2Fconnect%2F1.0%2Fissuer";

fn ask(body: &str) -> Result<Issuer> {
    let identifier = Identifier::parse("joe@example.com").unwrap();
    let request = WebFingerRequest::new(&identifier, Identifier::has_public_name).unwrap();
    play_call(|| Call::anonymous(request.clone()), &[(ASKED, answer(200, "application/jrd+json", body))])
}

#[test]
fn s_md_14_what_a_user_types_is_normalised() {
    for (typed, resource, host) in [
        ("joe@example.com", "acct:joe@example.com", "example.com"),
        (" joe@example.com ", "acct:joe@example.com", "example.com"),
        ("acct:joe@example.com", "acct:joe@example.com", "example.com"),
        ("ACCT:joe@example.com", "acct:joe@example.com", "example.com"),
        (
            "acct:juliet%40capulet.example@shop.example",
            "acct:juliet%40capulet.example@shop.example",
            "shop.example",
        ),
        ("joe@example.com#x", "acct:joe@example.com", "example.com"),
        ("https://example.com/joe", "https://example.com/joe", "example.com"),
        ("https://example.com", "https://example.com/", "example.com"),
        ("https://example.com?x=1", "https://example.com/?x=1", "example.com"),
        ("example.com", "https://example.com/", "example.com"),
        ("example.com/joe?a#b", "https://example.com/joe?a", "example.com"),
        ("example.com:8080", "https://example.com:8080/", "example.com:8080"),
        ("http://127.0.0.1:4400/joe", "http://127.0.0.1:4400/joe", "127.0.0.1:4400"),
    ] {
        let identifier = Identifier::parse(typed).expect(typed);
        assert_eq!((identifier.resource(), identifier.host()), (resource, host), "{typed}");
    }
}

#[test]
fn s_md_14_nothing_else_is_an_identifier() {
    for typed in [
        "",
        " ",
        "=joe",
        "@joe",
        "!joe",
        "xri://=joe",
        "joe@",
        "@example.com",
        "acct:joe",
        "acct:@example.com",
        "http://example.com/joe",
        "mailto:joe@example.com",
        "ftp://example.com",
        "javascript:alert(1)",
        "joe@example.com:8080",
        "https://joe:pw@example.com/",
        "joe@exam ple.com",
        "joe@example.com\r\nx: y",
        "joe@evil.example/x",
        "joe@evil.example?x",
        "jo\"e@example.com",
        "j\u{f6}@example.com",
        "https://example.com@evil.example/",
        "joe@[::1",
        "file:///etc/passwd",
    ] {
        let error = Identifier::parse(typed).expect_err(typed);
        assert_eq!(error.kind(), ErrorKind::Usage, "{typed}");
        assert!(typed.len() < 3 || !error.to_string().contains(typed), "{error}");
    }
    assert!(Identifier::parse(&format!("{}@example.com", "x".repeat(3000))).is_err());
}

#[test]
fn s_md_14_no_host_is_asked_that_may_not_be() {
    for (typed, is_public) in [
        ("joe@example.com", true),
        ("joe@example.com.", true),
        ("example.com:8443", true),
        ("joe@localhost", false),
        ("joe@app.localhost", false),
        ("joe@intranet", false),
        ("joe@printer.local", false),
        ("joe@metadata.google.internal", false),
        ("joe@router.home.arpa", false),
        ("joe@169.254.169.254", false),
        ("joe@0x7f.1", false),
        ("joe@2130706433", false),
        ("https://[::1]/", false),
        ("https://10.0.0.1:8080/joe", false),
        ("http://127.0.0.1/", false),
    ] {
        let identifier = Identifier::parse(typed).expect(typed);
        assert_eq!(identifier.has_public_name(), is_public, "{typed}");
        let outcome = WebFingerRequest::new(&identifier, Identifier::has_public_name);
        assert_eq!(outcome.is_ok(), is_public, "{typed}");
        if let Err(error) = outcome {
            assert_eq!((error.kind(), error.reason()), (ErrorKind::Usage, Reason::OriginNotAllowed));
        }
        assert!(
            WebFingerRequest::new(&identifier, |_| true).is_ok()
                && WebFingerRequest::new(&identifier, |_| false).is_err()
        );
    }
    let shown = format!("{:?}", Identifier::parse("joe@example.com").unwrap());
    assert!(!shown.contains("joe"), "{shown}");
}

#[test]
fn s_md_14_only_the_issuer_of_this_subject_is_read() {
    let rel = "http://openid.net/specs/connect/1.0/issuer";
    let of = |subject: &str, links: &str| format!(r#"{{{subject}"links":[{links}]}}"#);
    let link = |rel: &str, href: &str| format!(r#"{{"rel":"{rel}","href":"{href}"}}"#);
    let own = r#""subject":"acct:joe@example.com","#;
    let op = link(rel, "https://op.example");
    assert_eq!(ask(&of(own, &op)).unwrap().as_str(), "https://op.example");
    assert_eq!(ask(&of("", &op)).unwrap().as_str(), "https://op.example");
    // The first is the best; what else is linked is passed over.
    let links =
        [link("avatar", "https://x.example"), op.clone(), link(rel, "https://second.example")].join(",");
    assert_eq!(ask(&of(own, &links)).unwrap().as_str(), "https://op.example");
    for (body, reason) in [
        (of(r#""subject":"acct:eve@example.com","#, &op), Reason::SubjectMismatch),
        (of(r#""subject":"acct:Joe@example.com","#, &op), Reason::SubjectMismatch),
        (
            of(own, &link("http://openid.net/specs/connect/1.0/ISSUER", "https://op.example")),
            Reason::MissingParameter,
        ),
        (of(own, ""), Reason::MissingParameter),
        (of(own, &link(rel, "http://op.example")), Reason::InsecureUrl),
        (of(own, &link(rel, "https://op.example?x")), Reason::InvalidUrl),
        (of(own, &format!(r#"{{"rel":"{rel}"}}"#)), Reason::InvalidUrl),
        (of(own, "7"), Reason::Malformed),
        (
            of(own, &format!(r#"{{"rel":"x","rel":"{rel}","href":"https://op.example"}}"#)),
            Reason::DuplicateParameter,
        ),
        (format!("{{{own}\"links\":{{}}}}"), Reason::Malformed),
        ("[]".to_owned(), Reason::Malformed),
    ] {
        assert_eq!(ask(&body).unwrap_err().reason(), reason, "{body}");
    }
    let many = vec![link("x", "https://x.example"); 2000].join(",");
    assert_eq!(ask(&of(own, &format!("{many},{op}"))).unwrap_err().reason(), Reason::MissingParameter);
}

#[test]
fn s_md_14_a_redirect_of_the_host_is_not_followed() {
    let identifier = Identifier::parse("joe@example.com").unwrap();
    let request = || WebFingerRequest::new(&identifier, |_| true).unwrap();
    let error = play_call(|| Call::anonymous(request()), &[(ASKED, json(302, "{}"))]).unwrap_err();
    assert_eq!(error.reason(), Reason::UnexpectedRedirect);
}
