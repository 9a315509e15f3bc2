//! What every backend must do, done by this one.

use std::{pin::Pin, sync::Arc};

use valetkey_backend_suite::{Setup, Subject};
use valetkey_http::{Backend, BoxError};
use valetkey_smol::SmolBackend;

struct Smol;

impl Subject for Smol {
    fn name(&self) -> &str {
        "smol"
    }

    fn backend(&self, setup: &Setup) -> Result<Arc<dyn Backend>, BoxError> {
        let mut builder = SmolBackend::builder().no_proxy();
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
        smol::block_on(future);
    }
}

fn main() {
    valetkey_backend_suite::run(Smol).exit();
}
