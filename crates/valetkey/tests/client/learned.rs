//! What a server names on another host than its own is asked for at public addresses alone.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use valetkey::{
    Client, ClientBuilder, ErrorKind, Reason, Runtime, oauth2::endpoint::registration::RegistrationMetadata,
};
use valetkey_http::{Addresses, Backend, Failure, FailureKind, Limits, Sent, backend_fn};
use valetkey_testkit::block_on;

/// The hosts that were asked, and at which addresses.
type Asked = Arc<Mutex<Vec<(String, Addresses)>>>;

/// A server whose endpoint for tokens is on another host, which leads inside.
fn server(asked: &Asked) -> impl Backend + use<> {
    let asked = Arc::clone(asked);
    backend_fn(move |request: valetkey_http::Request, limits: Limits| {
        let host = request.uri().host().unwrap_or_default().to_owned();
        asked.lock().unwrap().push((host.clone(), limits.addresses));
        async move {
            let body = match host.as_str() {
                "issuer.test" => {
                    r#"{"issuer":"https://issuer.test","token_endpoint":"https://tokens.test/token",
                        "registration_endpoint":"https://tokens.test/register"}"#
                }
                _ if limits.addresses == Addresses::Public => {
                    return Err(Failure::new(Sent::Nothing, FailureKind::AddressRefused));
                }
                _ => r#"{"access_token":"at","token_type":"Bearer","expires_in":60}"#,
            };
            let mut response = http::Response::new(Bytes::from_static(body.as_bytes()));
            response.headers_mut().insert("content-type", "application/json".parse().unwrap());
            Ok(response)
        }
    })
}

fn builder(asked: &Asked) -> ClientBuilder {
    Client::builder(server(asked)).discover("https://issuer.test").id("app").secret("s")
}

/// Has a token be fetched.
fn token(builder: ClientBuilder) -> valetkey::Result<()> {
    block_on(async {
        let session = builder.build().await?.client_credentials().session()?;
        session.tokens().await.map(drop)
    })
}

#[test]
fn s_net_10_another_host_than_the_issuers_is_asked_at_public_addresses() {
    let asked = Asked::default();
    let error = token(builder(&asked)).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Untrusted, Reason::AddressNotAllowed));
    assert_eq!(error.was_sent(), Some(Sent::Nothing));
    let expected =
        [("issuer.test".to_owned(), Addresses::Any), ("tokens.test".to_owned(), Addresses::Public)];
    assert_eq!(*asked.lock().unwrap(), expected, "once each");
}

#[test]
fn s_net_10_a_program_inside_says_that_it_is() {
    let asked = Asked::default();
    token(builder(&asked).allow_private_addresses()).unwrap();
    assert_eq!(asked.lock().unwrap().last(), Some(&("tokens.test".to_owned(), Addresses::Any)));

    // And one that wants nothing but the Internet gets it.
    let mut limits = Limits::default();
    limits.addresses = Addresses::Public;
    assert!(token(builder(&asked).limits(limits).allow_private_addresses()).is_err());
    assert!(asked.lock().unwrap().iter().skip(2).all(|(_, addresses)| *addresses == Addresses::Public));
}

#[test]
fn s_net_10_registration_keeps_to_it_too() {
    let asked = Asked::default();
    let register = |runtime| {
        block_on(async {
            let registrar = valetkey::Registrar::discover(runtime, "https://issuer.test").await?;
            let metadata = RegistrationMetadata::new().with_redirect_uri("https://client.test/cb")?;
            registrar.register(metadata).await.map(drop)
        })
    };
    let error = register(Runtime::new(server(&asked))).unwrap_err();
    assert_eq!(error.reason(), Reason::AddressNotAllowed);
    let error = register(Runtime::new(server(&asked)).with_private_addresses()).unwrap_err();
    assert_ne!(error.reason(), Reason::AddressNotAllowed, "it is asked, and answers nonsense");
}
