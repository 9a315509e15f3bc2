//! The lookup of hosts that must be public.

use std::{error::Error, fmt, net::SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use valetkey_http::Addresses;

tokio::task_local! {
    /// The host that a request goes to, while it is connected.
    static TARGET: Box<str>;
}

/// Runs a request to this host, so that [`PublicOnly`] knows it from the host of a proxy.
pub(crate) async fn toward<T>(host: &str, request: impl Future<Output = T>) -> T {
    TARGET.scope(host.into(), request).await
}

/// The system's resolver, of whose addresses it passes on those that are public. Those of a proxy pass all: it is the
/// program's, and often inside.
#[derive(Debug)]
pub(crate) struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let is_proxy = TARGET.try_with(|target| !target.eq_ignore_ascii_case(name.as_str())).unwrap_or(false);
        let addresses = if is_proxy { Addresses::Any } else { Addresses::Public };
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> = found.filter(|found| addresses.allows(found.ip())).collect();
            if allowed.is_empty() {
                return Err(Refused.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// A name that leads to no address that is allowed.
#[derive(Debug)]
pub(crate) struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no address that is allowed")
    }
}

impl Error for Refused {}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn s_net_10_what_a_name_leads_to_is_checked_unless_it_is_the_proxys() {
        let resolve = || PublicOnly.resolve("localhost".parse().unwrap());
        let is_refused = |found: Result<Addrs, Box<dyn Error + Send + Sync>>| {
            found.is_err_and(|error| error.is::<Refused>())
        };
        // The lookup is that of whoever asks, which is the request.
        assert!(is_refused(resolve().await));
        assert!(is_refused(toward("LOCALHOST", async { resolve().await }).await));
        assert!(toward("as.example", async { resolve().await }).await.is_ok());
    }
}
