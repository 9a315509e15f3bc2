//! TLS: who is trusted, and who the client is.

use std::sync::Arc;

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose};
use rustls::ServerConfig;
use valetkey_http::{FailureKind, Unframed};

use crate::{
    Setup,
    cases::{Case, both},
    scene::{Scene, get, post},
    server::{OK, Server},
    tls::{Authority, Identity, VERSIONS, named, present, self_signed},
    verdict::{Check, Far, answered, ensure, fails, insist, must_fail, rows},
};

pub(crate) const CASES: &[Case] = &[
    both("tls::a_certificate_that_holds", a_certificate_that_holds),
    both("tls::s_net_02_an_unknown_authority", s_net_02_an_unknown_authority),
    both("tls::s_net_02_self_signed", s_net_02_self_signed),
    both("tls::s_net_02_expired", s_net_02_expired),
    both("tls::s_net_02_not_yet_valid", s_net_02_not_yet_valid),
    both("tls::s_net_02_for_another_host", s_net_02_for_another_host),
    both("tls::s_net_02_for_another_purpose", s_net_02_for_another_purpose),
    both("tls::s_net_02_old_versions", s_net_02_old_versions),
    both("tls::s_net_02_no_tls_at_all", s_net_02_no_tls_at_all),
    both("tls::a_handshake_that_ends_early", a_handshake_that_ends_early),
    both("tls::a_body_that_ends_without_a_goodbye", a_body_that_ends_without_a_goodbye),
    both("tls::a_client_certificate", a_client_certificate),
    both("tls::no_client_certificate", no_client_certificate),
    both("tls::a_client_certificate_that_is_refused", a_client_certificate_that_is_refused),
];

const TLS: &[FailureKind] = &[FailureKind::Tls];

fn serve(scene: &Scene, config: Arc<ServerConfig>) -> Server {
    scene.serve(move |peer| peer.secured(&config).serve_ok())
}

/// A server with this certificate is not spoken to; the client trusts `authority`.
fn refused(scene: &Scene, authority: &Authority, identity: &Identity) -> Check {
    rows(VERSIONS, |version| {
        let server = serve(scene, present(identity, &[version]));
        let outcome = scene.trusting(authority)?.send(post(server.secure_url("/"), "code=1"))?;
        must_fail(outcome, TLS, Far::Nothing)?;
        insist(server.seen().is_empty(), || "a request arrived".to_owned())
    })
}

fn a_certificate_that_holds(scene: &Scene) -> Check {
    rows(VERSIONS, |version| {
        let authority = Authority::new();
        let server = serve(scene, present(&authority.issue("localhost"), &[version]));
        let client = scene.trusting(&authority)?;
        for _ in 0..3 {
            let answer = answered(client.send(get(server.secure_url("/")))?)?;
            ensure(answer.body() == "ok", "an answer over TLS", || format!("{:?}", answer.body()))?;
        }
        Ok(())
    })
}

fn s_net_02_an_unknown_authority(scene: &Scene) -> Check {
    let (known, unknown) = (Authority::new(), Authority::new());
    refused(scene, &known, &unknown.issue("localhost"))?;
    // Nor is one trusted that the backend was told nothing of.
    let server = serve(scene, unknown.server("localhost", &["http/1.1"]));
    let outcome = scene.client()?.send(post(server.secure_url("/"), "code=1"))?;
    must_fail(outcome, TLS, Far::Nothing)
}

fn s_net_02_self_signed(scene: &Scene) -> Check {
    refused(scene, &Authority::new(), &self_signed("localhost"))
}

fn described(scene: &Scene, change: impl FnOnce(&mut CertificateParams)) -> Check {
    let authority = Authority::new();
    let mut parameters = named("localhost");
    change(&mut parameters);
    refused(scene, &authority, &authority.issue_as(parameters))
}

fn s_net_02_expired(scene: &Scene) -> Check {
    described(scene, |parameters| parameters.not_after = rcgen::date_time_ymd(2020, 1, 1))
}

fn s_net_02_not_yet_valid(scene: &Scene) -> Check {
    described(scene, |parameters| parameters.not_before = rcgen::date_time_ymd(4000, 1, 1))
}

fn s_net_02_for_another_host(scene: &Scene) -> Check {
    rows(["other.test", "127.0.0.1", "local", "*.localhost"], |name| {
        let authority = Authority::new();
        refused(scene, &authority, &authority.issue(name))
    })
}

fn s_net_02_for_another_purpose(scene: &Scene) -> Check {
    let clients = vec![ExtendedKeyUsagePurpose::ClientAuth];
    described(scene, |parameters| parameters.extended_key_usages = clients)
}

/// A ServerHello (RFC 5246 §7.4.1.3) of the version `3.minor`, with a suite that every version has, and the alert
/// with which a server of that version refuses others (RFC 5246 §7.2): no library serves those any more.
fn recorded(minor: u8) -> [Vec<u8>; 2] {
    let mut body = vec![3, minor];
    body.extend([7; 32]);
    body.extend([0, 0xc0, 0x13, 0]);
    let length = u8::try_from(body.len()).expect("short");
    let hello = [vec![22, 3, minor, 0, length + 4, 2, 0, 0, length], body].concat();
    [hello, vec![21, 3, minor, 0, 2, 2, 70]]
}

fn s_net_02_old_versions(scene: &Scene) -> Check {
    rows([0, 1, 2].into_iter().flat_map(recorded), |record| {
        let heard = Arc::new(std::sync::Mutex::new(Vec::new()));
        let after = Arc::clone(&heard);
        let server = scene.serve(move |peer| {
            peer.read_some();
            peer.say(&record);
            let said = peer.await_end();
            after.lock().expect("unpoisoned").extend(said);
        });
        let outcome = scene.client()?.send(post(server.secure_url("/"), "code=1"))?;
        must_fail(outcome, TLS, Far::Nothing)?;
        ensure(server.is_left(), "a connection after its failure", || "it stays open".to_owned())?;
        // An alert, if anything: records of type 23 carry data (RFC 5246 §6.2.1).
        let heard = heard.lock().expect("unpoisoned");
        insist(heard.first() != Some(&23), || format!("it went on: {heard:?}"))
    })
}

fn s_net_02_no_tls_at_all(scene: &Scene) -> Check {
    rows(["HTTP/1.1 400 Bad Request\r\n\r\n", OK, "\0"], |answer| {
        let server = scene.serve(move |peer| {
            peer.read_some();
            peer.say(answer);
            peer.await_end();
        });
        let outcome = scene.client()?.send(post(server.secure_url("/"), "code=1"))?;
        if answer.len() > 1 {
            return must_fail(outcome, TLS, Far::Nothing);
        }
        Ok(())
    })
}

fn a_handshake_that_ends_early(scene: &Scene) -> Check {
    rows([false, true], |reset| {
        let server = scene.serve(move |peer| {
            peer.read_some();
            if reset {
                peer.reset();
            }
        });
        let outcome = scene.client()?.send(post(server.secure_url("/"), "code=1"))?;
        let kinds = [FailureKind::Tls, FailureKind::Connect, FailureKind::Closed];
        must_fail(outcome, &kinds, Far::Nothing)
    })
}

fn a_body_that_ends_without_a_goodbye(scene: &Scene) -> Check {
    rows(["", "content-length: 9\r\n", "transfer-encoding: chunked\r\n"], |framing| {
        let authority = Authority::new();
        let config = authority.server("localhost", &["http/1.1"]);
        // The socket closes, and TLS says nothing.
        let server = scene.serve(move |peer| {
            let mut peer = peer.secured(&config);
            peer.request();
            peer.say(format!("HTTP/1.1 200 OK\r\n{framing}\r\n3\r\n"));
        });
        let outcome = scene.trusting(&authority)?.send(get(server.secure_url("/")))?;
        match outcome {
            Ok(response) if framing.is_empty() => {
                let is_marked = response.extensions().get::<Unframed>().is_some();
                ensure(is_marked, "a body that may be cut", || "it is taken for whole".to_owned())
            }
            outcome => {
                let kinds = [FailureKind::Truncated, FailureKind::Closed, FailureKind::Tls];
                fails(outcome, "a body that is cut", &kinds, Far::Ok)
            }
        }
    })
}

/// A server that demands a certificate of this authority, and a client with this one.
fn demanded(scene: &Scene, with: fn(&Authority) -> Option<Identity>, is_known: bool) -> Check {
    rows(VERSIONS, |version| {
        let authority = Authority::new();
        let server = serve(scene, authority.demanding("localhost", version));
        let setup =
            Setup { roots_pem: Some(authority.pem()), identity: with(&authority), ..Setup::default() };
        let outcome = scene.client_with(&setup)?.send(post(server.secure_url("/"), "code=1"))?;
        if is_known {
            return answered(outcome).map(drop);
        }
        // TLS 1.3 refuses after the handshake, when the request may have left already.
        let kinds = [FailureKind::Tls, FailureKind::Closed];
        must_fail(outcome, &kinds, Far::Unanswered)?;
        insist(server.seen().is_empty(), || "a request arrived".to_owned())
    })
}

fn a_client_certificate(scene: &Scene) -> Check {
    demanded(scene, |authority| Some(authority.issue("client")), true)
}

fn no_client_certificate(scene: &Scene) -> Check {
    demanded(scene, |_| None, false)
}

fn a_client_certificate_that_is_refused(scene: &Scene) -> Check {
    demanded(scene, |_| Some(Authority::new().issue("client")), false)
}
