//! How somebody tests a backend of their own, which cannot do everything: here one on std alone, without TLS.

mod plain;

use std::sync::Arc;

use plain::Plain;
use valetkey_backend_suite::{Exception, Outcome, Setup, Subject};
use valetkey_http::{Backend, BoxError, FailureKind, Sent};

struct Own;

impl Subject for Own {
    fn name(&self) -> &str {
        "own"
    }

    fn backend(&self, setup: &Setup) -> Result<Arc<dyn Backend>, BoxError> {
        if setup.roots_pem.is_some() || setup.identity.is_some() {
            return Err("it speaks no TLS".into());
        }
        Ok(Arc::new(Plain))
    }

    fn exceptions(&self) -> &[Exception] {
        &EXCEPTIONS
    }
}

/// The case wants TLS of the backend's own setting up.
const fn untrusted(case: &'static str) -> Exception {
    Exception { case, what: Outcome::Unsupported, why: "it speaks no TLS" }
}

/// The case sends to `https`.
const fn unsent(case: &'static str) -> Exception {
    let what = Outcome::Fails(FailureKind::Config, Sent::Nothing);
    Exception { case, what, why: "it speaks no TLS, and refuses to send" }
}

static EXCEPTIONS: [Exception; 22] = [
    untrusted("tls::a_certificate_that_holds"),
    untrusted("tls::s_net_02_an_unknown_authority"),
    untrusted("tls::s_net_02_self_signed"),
    untrusted("tls::s_net_02_expired"),
    untrusted("tls::s_net_02_not_yet_valid"),
    untrusted("tls::s_net_02_for_another_host"),
    untrusted("tls::s_net_02_for_another_purpose"),
    unsent("tls::s_net_02_old_versions"),
    unsent("tls::s_net_02_no_tls_at_all"),
    unsent("tls::a_handshake_that_ends_early"),
    untrusted("tls::a_body_that_ends_without_a_goodbye"),
    untrusted("tls::a_client_certificate"),
    untrusted("tls::no_client_certificate"),
    untrusted("tls::a_client_certificate_that_is_refused"),
    untrusted("reusing::two_names_on_one_address"),
    untrusted("redirects::s_net_03_from_https_to_http"),
    untrusted("together::two_backends"),
    unsent("connecting::unresolved"),
    unsent("connecting::s_net_04_the_deadline_of_the_backend_covers_tls"),
    unsent("connecting::s_net_04_the_deadline_of_a_send_covers_tls"),
    unsent("connecting::s_net_04_the_total_deadline_covers_connecting"),
    Exception {
        case: "framing::bad_chunks",
        what: Outcome::Differs("bad chunks"),
        why: "its parser takes a chunk without a length for the last one",
    },
];

fn main() {
    valetkey_backend_suite::run(Own).exit();
}
