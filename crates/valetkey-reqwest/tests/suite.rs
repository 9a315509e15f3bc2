//! What every backend must do, done by this one.

use std::{pin::Pin, sync::Arc};

use tokio::runtime::{self, Runtime};
use valetkey_backend_suite::{Exception, Outcome, Setup, Subject};
use valetkey_http::{Backend, BoxError, FailureKind, Phase, Sent};
use valetkey_reqwest::ReqwestBackend;

struct Reqwest(Runtime);

impl Subject for Reqwest {
    fn name(&self) -> &str {
        "reqwest"
    }

    fn backend(&self, setup: &Setup) -> Result<Arc<dyn Backend>, BoxError> {
        let mut builder = ReqwestBackend::builder()
            .client(|| reqwest::Client::builder().no_proxy().pool_max_idle_per_host(1))
            .bundled_roots()
            .handle(self.0.handle().clone());
        if let Some(roots) = &setup.roots_pem {
            builder = builder.extra_roots(roots.as_str());
        }
        if let Some(identity) = &setup.identity {
            builder = builder.identity(identity.chain_pem.as_str(), identity.key_pem.as_str());
        }
        if let Some(time) = setup.connect {
            builder = builder.connect_timeout(time);
        }
        Ok(Arc::new(builder.build()?))
    }

    fn drive(&self, future: Pin<Box<dyn Future<Output = ()> + Send + '_>>) {
        self.0.block_on(future);
    }

    fn exceptions(&self) -> &[Exception] {
        &EXCEPTIONS
    }
}

static EXCEPTIONS: [Exception; 2] = [
    Exception {
        case: "sending::the_bytes_of_the_uri",
        what: Outcome::Fails(FailureKind::Config, Sent::Nothing),
        why: "reqwest rewrites URLs, and what it would rewrite is refused",
    },
    Exception {
        case: "connecting::s_net_04_the_deadline_of_a_send_covers_tls",
        what: Outcome::Fails(FailureKind::Timeout(Phase::Head), Sent::Maybe),
        why: "reqwest's deadline for connecting is that of the client",
    },
];

fn main() {
    let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    valetkey_backend_suite::run(Reqwest(runtime.expect("a runtime"))).exit();
}
