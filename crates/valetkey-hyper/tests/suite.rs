//! What every backend must do, done by this one.

use std::{pin::Pin, sync::Arc};

use tokio::runtime::{self, Runtime};
use valetkey_backend_suite::{Setup, Subject};
use valetkey_http::{Backend, BoxError};
use valetkey_hyper::HyperBackend;

struct Hyper(Runtime);

impl Subject for Hyper {
    fn name(&self) -> &str {
        "hyper"
    }

    fn backend(&self, setup: &Setup) -> Result<Arc<dyn Backend>, BoxError> {
        let mut builder = HyperBackend::builder().no_proxy().handle(self.0.handle().clone());
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
}

fn main() {
    let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    valetkey_backend_suite::run(Hyper(runtime.expect("a runtime"))).exit();
}
