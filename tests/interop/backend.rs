//! The adapter that is tested: `VALETKEY_ADAPTER` names it, and without it is hyper's.

use std::sync::Arc;

use valetkey_http::Backend;
use valetkey_hyper::HyperBackend;
use valetkey_reqwest::ReqwestBackend;
use valetkey_smol::SmolBackend;
use valetkey_ureq::UreqBackend;

/// A backend that goes through no proxy and trusts these roots besides the usual ones. It is made inside of tokio,
/// which those that need it find.
pub(crate) fn backend(roots: Option<Vec<u8>>) -> Arc<dyn Backend> {
    macro_rules! trusting {
        ($builder:expr) => {{
            let builder = $builder;
            let builder = match roots {
                Some(roots) => builder.extra_roots(roots),
                None => builder,
            };
            Arc::new(builder.build().expect("a backend"))
        }};
    }
    match std::env::var("VALETKEY_ADAPTER").as_deref().unwrap_or("hyper") {
        "hyper" => trusting!(HyperBackend::builder().no_proxy()),
        "smol" => trusting!(SmolBackend::builder().no_proxy()),
        "reqwest" => {
            let client = || reqwest::Client::builder().no_proxy();
            trusting!(ReqwestBackend::builder().client(client).bundled_roots())
        }
        "ureq" => trusting!(UreqBackend::builder().no_proxy()),
        #[cfg(feature = "surf")]
        "surf" => trusting!(valetkey_surf::SurfBackend::builder()),
        other => panic!("there is no adapter {other} here"),
    }
}
