//! What every backend must do, done by one that is made of hyper-util's client: what is said of it in the exceptions is
//! that client's doing, or what a service cannot be told.

use std::{error::Error, io, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::runtime::{self, Runtime};
use valetkey_backend_suite::{Exception, Outcome, Setup, Subject};
use valetkey_http::{Backend, BoxError, FailureKind, Limits, Phase, Sent};
use valetkey_tower::TowerBackend;

struct Tower(Runtime);

impl Subject for Tower {
    fn name(&self) -> &str {
        "tower"
    }

    fn backend(&self, setup: &Setup) -> Result<Arc<dyn Backend>, BoxError> {
        let (pooled, single) = (client(setup, 1)?, client(setup, 0)?);
        let service = tower::service_fn(move |request: http::Request<Full<Bytes>>| {
            let is_fresh = request.extensions().get::<Limits>().is_some_and(|limits| limits.fresh);
            if is_fresh { single.request(request) } else { pooled.request(request) }
        });
        let handle = self.0.handle().clone();
        let backend = TowerBackend::new(service, sleep)
            .spawner(move |task| drop(handle.spawn(task)))
            .classify(classify);
        Ok(Arc::new(backend))
    }

    fn drive(&self, future: Pin<Box<dyn Future<Output = ()> + Send + '_>>) {
        self.0.block_on(future);
    }

    fn exceptions(&self) -> &[Exception] {
        &EXCEPTIONS
    }
}

fn sleep(time: Duration) -> impl Future<Output = ()> {
    #[expect(clippy::disallowed_methods, reason = "what a program hands to the backend")]
    tokio::time::sleep(time)
}

type Https = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

fn client(setup: &Setup, kept: usize) -> Result<Https, BoxError> {
    let mut roots = RootCertStore::empty();
    if let Some(pem) = &setup.roots_pem {
        for root in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            roots.add(root?)?;
        }
    }
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let tls = match &setup.identity {
        Some(identity) => {
            let chain = CertificateDer::pem_slice_iter(identity.chain_pem.as_bytes());
            let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes())?;
            tls.with_client_auth_cert(chain.collect::<Result<_, _>>()?, key)?
        }
        None => tls.with_no_client_auth(),
    };
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_timer(TokioTimer::new()).pool_max_idle_per_host(kept).http1_max_buf_size(64 << 10);
    Ok(builder.build(connector))
}

/// What hyper-util's, hyper's and rustls's errors mean.
fn classify(error: &(dyn Error + 'static)) -> Option<(Sent, FailureKind)> {
    let is_connect = error.downcast_ref::<legacy::Error>().is_some_and(legacy::Error::is_connect);
    // A body's errors are hyper's, and a call's are hyper-util's around them.
    let ended_early = if error.is::<hyper::Error>() { FailureKind::Truncated } else { FailureKind::Closed };
    let mut found = if is_connect { FailureKind::Connect } else { FailureKind::Closed };
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            found = match () {
                () if error.is_parse_too_large() => FailureKind::TooLarge,
                () if error.is_parse() => FailureKind::Protocol,
                () if error.is_incomplete_message() => ended_early,
                () => found,
            };
        } else if let Some(error) = error.downcast_ref::<io::Error>() {
            found = match error.kind() {
                _ if is_tls(error) => FailureKind::Tls,
                io::ErrorKind::UnexpectedEof if !is_connect => ended_early,
                io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => FailureKind::Protocol,
                _ => found,
            };
        }
        cause = error.source();
    }
    Some((if is_connect { Sent::Nothing } else { Sent::Maybe }, found))
}

/// `io::Error::source` skips the error it wraps.
fn is_tls(error: &io::Error) -> bool {
    let inner = error.get_ref();
    inner.is_some_and(|inner| inner.is::<rustls::Error>() || inner.downcast_ref().is_some_and(is_tls))
}

static EXCEPTIONS: [Exception; 4] = [
    Exception {
        case: "connecting::unresolved",
        what: Outcome::Fails(FailureKind::Connect, Sent::Nothing),
        why: "hyper-util says only in a text what is about a name",
    },
    Exception {
        case: "connecting::s_net_04_the_deadline_of_the_backend_covers_tls",
        what: Outcome::Fails(FailureKind::Timeout(Phase::Head), Sent::Maybe),
        why: "a deadline for connecting is the service's to keep, and this one has none for TLS",
    },
    Exception {
        case: "connecting::s_net_04_the_deadline_of_a_send_covers_tls",
        what: Outcome::Fails(FailureKind::Timeout(Phase::Head), Sent::Maybe),
        why: "a deadline for connecting is the service's to keep, and this one has none for TLS",
    },
    Exception {
        case: "cancelling::outside_of_the_runtime",
        what: Outcome::Fails(FailureKind::Panicked, Sent::Maybe),
        why: "the service's sockets and the program's timers want to be polled in their runtime",
    },
];

fn main() {
    let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    valetkey_backend_suite::run(Tower(runtime.expect("a runtime"))).exit();
}
