//! How a URL becomes a pool of connections.

use std::{net::IpAddr, sync::Arc};

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::{
    Config, NoTls,
    config::{Host, SslMode},
};
use tokio_postgres_rustls::MakeRustlsConnect;
use valetkey::{Error, ErrorKind, Reason, Result};

/// The most connections of one store.
const CONNECTIONS: usize = 4;

/// A pool that connects when it is first used.
pub(crate) fn pool(url: &str) -> Result<Pool> {
    // What is wrong with it is not said by its text, which may have a password.
    let invalid = || {
        Error::new(ErrorKind::Config, Reason::InvalidUrl)
            .with_detail("the URL of PostgreSQL: it is postgres://user:password@host:port/database")
    };
    let mut config: Config = url.parse().map_err(|_| invalid())?;
    if config.get_hosts().is_empty() {
        return Err(invalid());
    }
    // A server that says it has no TLS is not asked to say it again by whoever stands between.
    if config.get_ssl_mode() == SslMode::Prefer {
        config.ssl_mode(if is_here(&config) { SslMode::Disable } else { SslMode::Require });
    }
    if config.get_application_name().is_none() {
        config.application_name("valetkey");
    }
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = if config.get_ssl_mode() == SslMode::Disable {
        Manager::from_config(config, NoTls, recycling)
    } else {
        Manager::from_config(config, MakeRustlsConnect::new(tls()?), recycling)
    };
    Pool::builder(manager).max_size(CONNECTIONS).build().map_err(|_| invalid())
}

/// Whether what is sent stays on this machine.
fn is_here(config: &Config) -> bool {
    let is_here = |host: &Host| match host {
        Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback()),
        #[cfg(unix)]
        Host::Unix(_) => true,
    };
    config.get_hosts().iter().all(is_here) && config.get_hostaddrs().iter().all(IpAddr::is_loopback)
}

/// TLS by *ring*, whatever the default of the program is, and by the roots of the system.
fn tls() -> Result<ClientConfig> {
    let failed = |what| Error::new(ErrorKind::Config, Reason::StoreFailed).with_detail(what);
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(failed(
            "the system has no root certificates: install them, or hand in a pool with others",
        ));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|_| failed("TLS of the system's roots"))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stays_here_goes_without_tls() {
        for (url, expected) in [
            ("postgres://u@localhost/d", true),
            ("postgres://u@127.0.0.2,[::1]/d", true),
            ("postgres://u@%2Frun%2Fpostgresql/d", true),
            ("postgres://u@localhost,db.example/d", false),
            ("postgres://u@localhost.example/d", false),
            ("postgres://u@10.0.0.1/d", false),
            ("host=localhost hostaddr=10.0.0.1 user=u", false),
        ] {
            assert_eq!(is_here(&url.parse().unwrap()), expected, "{url}");
        }
        for url in ["", "canary", "postgres://", "postgres://u:canary@h:p/", "http://canary"] {
            let error = pool(url).unwrap_err();
            assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::InvalidUrl), "{url}");
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }
}
