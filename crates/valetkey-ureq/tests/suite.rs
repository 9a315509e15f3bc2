//! What every backend must do, done by this one.

use std::sync::Arc;

use valetkey_backend_suite::{Exception, Outcome, Setup, Subject};
use valetkey_http::{Backend, BoxError, FailureKind, Sent};
use valetkey_ureq::UreqBackend;

struct Ureq;

impl Subject for Ureq {
    fn name(&self) -> &str {
        "ureq"
    }

    fn backend(&self, setup: &Setup) -> Result<Arc<dyn Backend>, BoxError> {
        let mut builder = UreqBackend::builder().no_proxy();
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
        &EXCEPTIONS
    }
}

/// What the suite calls a future that is ready at the first poll.
const BLOCKS: Outcome = Outcome::Differs("a future that waits");

static EXCEPTIONS: [Exception; 4] = [
    Exception {
        case: "framing::a_body_that_is_reset",
        what: Outcome::Differs("a body that is reset"),
        why: "ureq takes a reset for the end of a body without length, which is marked as unframed",
    },
    Exception {
        case: "limits::s_net_04_fields_are_counted",
        what: Outcome::Fails(FailureKind::Protocol, Sent::Maybe),
        why: "ureq tells too many fields by an error whose type it does not show",
    },
    Exception { case: "cancelling::at_each_poll", what: BLOCKS, why: "it blocks" },
    Exception { case: "cancelling::closes_the_connection", what: BLOCKS, why: "it blocks" },
];

fn main() {
    valetkey_backend_suite::run(Ureq).exit();
}
