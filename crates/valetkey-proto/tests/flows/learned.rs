//! URLs that are learned from the network: what they may say, and what requests to them demand.

use valetkey_http::{Addresses, Failure, FailureKind, Limits, Sent};
use valetkey_proto::{
    Call, Error, ErrorKind, Event, Flow, Reason, Step,
    oauth2::{
        client::{ClientAuth, ClientMetadata},
        endpoint::registration::{ReadRequest, RegistrationMetadata, RegistrationRequest},
        grant::ClientCredentialsGrant,
        server::{Discovery, Issuer, JwksRequest, ServerMetadata},
    },
    oidc::webfinger::{Identifier, WebFingerRequest},
};

use crate::transcript::{World, answer, json};

/// Hosts that say by themselves that they are inside.
const INSIDE: [&str; 25] = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "169.254.169.254",
    "0xa9fea9fe",
    "10.0.0.1:8443",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "0.0.0.0",
    "255.255.255.255",
    "[::1]",
    "[::]",
    "[fe80::1]",
    "[fd00:ec2::254]",
    "[::ffff:10.0.0.1]",
    "[::10.0.0.1]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:a00:1::1]",
    "localhost",
    "localhost.",
    "sub.localhost",
    "LOCALHOST:8443",
];

fn issuer(text: &str) -> Issuer {
    Issuer::parse(text).unwrap()
}

fn server(issuer: &Issuer, name: &str, url: &str) -> valetkey_proto::Result<ServerMetadata> {
    let document = format!(r#"{{"issuer":"{}","{name}":"{url}"}}"#, issuer.as_str());
    ServerMetadata::parse(issuer, &document.into())
}

fn refused(error: &Error, name: &str) {
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Untrusted, Reason::AddressNotAllowed), "{name}");
    assert!(error.to_string().contains(name), "{error}");
}

/// What the first request of a flow demands.
fn demanded(mut flow: impl Flow) -> Addresses {
    match flow.step(Event::Go, &World::new().env()) {
        Ok(Step::Send(_, demand)) => {
            assert_eq!(demand.limits(Limits::default()).addresses, demand.addresses);
            demand.addresses
        }
        _ => panic!("nothing is sent"),
    }
}

#[test]
fn s_net_10_no_issuer_that_is_outside_names_what_is_inside() {
    for outside in ["https://as.example", "https://8.8.8.8", "https://[2606:4700::1111]"] {
        let issuer = issuer(outside);
        for host in INSIDE {
            let url = format!("https://{host}/x");
            for name in ["authorization_endpoint", "token_endpoint"] {
                refused(&server(&issuer, name, &url).unwrap_err(), name);
            }
            // Of these, whoever does not need them is not hindered.
            for name in ["jwks_uri", "userinfo_endpoint", "registration_endpoint", "revocation_endpoint"] {
                refused(&server(&issuer, name, &url).unwrap().endpoint(name).unwrap_err(), name);
            }
            assert!(JwksRequest::new(&server(&issuer, "jwks_uri", &url).unwrap()).is_err());
        }
        for loopback in ["http://127.0.0.1:8080/", "http://localhost/", "http://[::1]/"] {
            refused(&server(&issuer, "token_endpoint", loopback).unwrap_err(), "token_endpoint");
        }
    }
}

#[test]
fn s_net_10_an_issuer_that_is_inside_names_what_is_inside() {
    for inside in ["http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]", "https://10.1.2.3"] {
        for host in INSIDE {
            let url = format!("https://{host}/jwks");
            let server = server(&issuer(inside), "jwks_uri", &url).unwrap();
            assert_eq!(server.endpoint("jwks_uri").unwrap().addresses(), Addresses::Any, "{inside} {host}");
        }
    }
}

#[test]
fn v_ssrf_3_another_host_than_the_issuers_must_be_public_when_it_is_looked_up() {
    for (url, addresses) in [
        ("https://as.example/jwks", Addresses::Any),
        ("https://AS.example:8443/jwks", Addresses::Any),
        ("https://keys.as.example/jwks", Addresses::Public),
        ("https://as.example.evil.example/jwks", Addresses::Public),
        ("https://as.example./jwks", Addresses::Public),
        ("https://8.8.8.8/jwks", Addresses::Public),
    ] {
        let server = server(&issuer("https://as.example"), "jwks_uri", url).unwrap();
        assert_eq!(demanded(Call::anonymous(JwksRequest::new(&server).unwrap())), addresses, "{url}");
    }
    let issuer = issuer("https://as.example");
    let server = server(&issuer, "token_endpoint", "https://tokens.example/").unwrap();
    let client = ClientMetadata::new("app").unwrap().with_auth(ClientAuth::secret_post("s"));
    let grant = ClientCredentialsGrant::new(&server, &client).unwrap();
    assert_eq!(demanded(Call::anonymous(grant)), Addresses::Public);
    // What the program writes down is its own.
    let server = server.with_endpoint("jwks_uri", "https://10.0.0.1/jwks").unwrap();
    assert_eq!(demanded(Call::anonymous(JwksRequest::new(&server).unwrap())), Addresses::Any);
    assert_eq!(demanded(Discovery::new(&issuer).unwrap()), Addresses::Any);
}

#[test]
fn s_net_10_a_registration_is_managed_where_its_server_may_say() {
    let registered = |uri: &str| {
        let server = server(&issuer("https://as.example"), "registration_endpoint", "https://as.example/r");
        let metadata = RegistrationMetadata::new().with_redirect_uri("https://app.example/cb").unwrap();
        let mut call = Call::anonymous(RegistrationRequest::new(&server.unwrap(), metadata).unwrap());
        let body = format!(
            r#"{{"client_id":"c","registration_access_token":"t","registration_client_uri":"{uri}"}}"#
        );
        let world = World::new();
        drop(call.step(Event::Go, &world.env()).unwrap());
        match call.step(Event::Response(json(201, &body)), &world.env()) {
            Ok(Step::Done(registration)) => registration,
            _ => panic!("not registered"),
        }
    };
    for host in INSIDE {
        let error = ReadRequest::new(&registered(&format!("https://{host}/c"))).unwrap_err();
        refused(&error, "registration_client_uri");
    }
    for (uri, addresses) in
        [("https://as.example/c", Addresses::Any), ("https://other.example/c", Addresses::Public)]
    {
        let request = ReadRequest::new(&registered(uri)).unwrap();
        assert_eq!(demanded(Call::anonymous(request)), addresses, "{uri}");
    }
}

#[test]
fn v_ssrf_3_what_a_user_typed_leads_outside_and_so_does_all_that_comes_of_it() {
    let ask = |typed: &str| {
        let request = WebFingerRequest::new(&Identifier::parse(typed).unwrap(), |_| true).unwrap();
        Call::anonymous(request)
    };
    assert_eq!(demanded(ask("joe@example.com")), Addresses::Public);
    assert_eq!(demanded(ask("http://127.0.0.1:8080/joe")), Addresses::Any, "the program let it");

    let learn = |typed: &str, issuer: &str| {
        let (mut call, world) = (ask(typed), World::new());
        drop(call.step(Event::Go, &world.env()).unwrap());
        let rel = "http://openid.net/specs/connect/1.0/issuer";
        let body = format!(r#"{{"links":[{{"rel":"{rel}","href":"{issuer}"}}]}}"#);
        let answer = answer(200, "application/jrd+json", &body);
        match call.step(Event::Response(answer), &world.env())? {
            Step::Done(issuer) => Ok(issuer),
            _ => panic!("no issuer"),
        }
    };
    for host in INSIDE {
        let error: Error = learn("joe@example.com", &format!("https://{host}")).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Untrusted, Reason::AddressNotAllowed));
    }
    for named in ["https://example.com", "https://op.example"] {
        let learned = learn("joe@example.com", named).unwrap();
        assert_eq!(learned, issuer(named), "who it is does not depend on who said it");
        assert_eq!(demanded(Discovery::new(&learned).unwrap()), Addresses::Public);
        let server = server(&learned, "jwks_uri", &format!("{named}/jwks")).unwrap();
        assert_eq!(demanded(Call::anonymous(JwksRequest::new(&server).unwrap())), Addresses::Public);
    }
    let learned = learn("http://127.0.0.1:8080/joe", "http://127.0.0.1:9090").unwrap();
    assert_eq!(demanded(Discovery::new(&learned).unwrap()), Addresses::Any);
}

#[test]
fn s_net_10_an_address_that_was_refused_is_not_asked_again() {
    let url = "https://keys.example/jwks";
    let server = server(&issuer("https://as.example"), "jwks_uri", url).unwrap();
    let mut call = Call::anonymous(JwksRequest::new(&server).unwrap());
    let world = World::new();
    drop(call.step(Event::Go, &world.env()).unwrap());
    let failure = Failure::new(Sent::Nothing, FailureKind::AddressRefused);
    let error = call.step(Event::Failure(failure), &world.env()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Untrusted, Reason::AddressNotAllowed));
    assert!(!error.to_string().contains("keys.example"), "{error}");
}

#[test]
fn s_net_10_limits_of_the_program_are_never_loosened() {
    let server = server(&issuer("https://as.example"), "jwks_uri", "https://as.example/jwks").unwrap();
    let mut call = Call::anonymous(JwksRequest::new(&server).unwrap());
    let Ok(Step::Send(_, demand)) = call.step(Event::Go, &World::new().env()) else {
        panic!("nothing is sent")
    };
    let mut strict = Limits::default();
    strict.addresses = Addresses::Public;
    assert_eq!((demand.addresses, demand.limits(strict).addresses), (Addresses::Any, Addresses::Public));
}
