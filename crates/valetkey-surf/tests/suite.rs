//! What every backend must do, done by this one on both clients, and where they fall short.

use std::sync::Arc;

use libtest_mimic::Arguments;
use valetkey_backend_suite::{Exception, Outcome, Setup, Subject, trials};
use valetkey_http::{Backend, BoxError};
use valetkey_surf::{Builder, SurfBackend};

#[cfg(feature = "curl")]
#[path = "suite/curl.rs"]
mod curl;
#[cfg(feature = "h1-no-tls")]
#[path = "suite/h1.rs"]
mod h1;

struct Surf {
    name: &'static str,
    builder: fn() -> Builder,
    exceptions: Vec<Exception>,
}

/// The rows of a table, one a case and outcome.
fn exceptions(
    short: &'static [(&'static str, &'static [Outcome], &'static [&'static str])],
) -> Vec<Exception> {
    let rows = short.iter().flat_map(|&(why, ends, cases)| {
        cases.iter().flat_map(move |&case| ends.iter().map(move |&what| Exception { case, what, why }))
    });
    rows.collect()
}

impl Subject for Surf {
    fn name(&self) -> &str {
        self.name
    }

    fn backend(&self, setup: &Setup) -> Result<Arc<dyn Backend>, BoxError> {
        let mut builder = (self.builder)();
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

    fn exceptions(&self) -> &[Exception] {
        &self.exceptions
    }
}

fn main() {
    let subjects = [
        #[cfg(feature = "curl")]
        Surf { name: "curl", builder: SurfBackend::builder, exceptions: exceptions(curl::SHORT) },
        #[cfg(feature = "h1-no-tls")]
        Surf {
            name: "h1",
            builder: || SurfBackend::builder().h1_no_tls(),
            exceptions: exceptions(h1::SHORT),
        },
    ];
    let mut trials: Vec<_> = subjects.into_iter().flat_map(trials).collect();
    // http-types keeps them in a `HashMap`: sometimes, by chance, they do.
    trials.retain(|trial| {
        !trial.name().starts_with("curl::") || !trial.name().ends_with("::fields_keep_their_order")
    });
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
