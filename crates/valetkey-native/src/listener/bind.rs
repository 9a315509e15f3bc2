//! Taking a port: on `127.0.0.1`, and on `[::1]` where that can be had.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use mio::net::TcpListener;

use super::{DEADLINE, LoopbackListener, request::Site, server};

/// How often another port is tried if the one that was found is taken on `[::1]`.
const TRIES: usize = 16;

/// The parts of a [`LoopbackListener`].
///
/// ```
/// use std::time::Duration;
/// use valetkey_native::LoopbackListener;
///
/// let listener = LoopbackListener::builder()
///     .path("/signed-in")
///     .ports([0])
///     .deadline(Duration::from_secs(180))
///     .bind()?;
/// assert_eq!(listener.redirect_uri(), format!("http://127.0.0.1:{}/signed-in", listener.port()));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ListenerBuilder {
    path: String,
    ports: Vec<u16>,
    names_localhost: bool,
    deadline: Duration,
}

impl ListenerBuilder {
    pub(super) fn new() -> Self {
        Self { path: "/callback".into(), ports: vec![0], names_localhost: false, deadline: DEADLINE }
    }

    /// The path of the redirect URI, `/callback` unless it is said: letters, digits and `-._~/`.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// The port: a fixed one for a server that insists on it or a tunnel that leads to it, or 0, as it is
    /// unless it is said, for any that is free.
    pub fn port(self, port: u16) -> Self {
        self.ports([port])
    }

    /// Ports to try in this order, of which the first that is free is taken; 0 is any free one.
    pub fn ports(mut self, ports: impl IntoIterator<Item = u16>) -> Self {
        self.ports = ports.into_iter().collect();
        self
    }

    /// Names the host `localhost` in the redirect URI, for a server that knows no other.
    ///
    /// # Security
    ///
    /// RFC 8252 §8.3 advises against it: the browser may look for `localhost` elsewhere. A port that somebody
    /// else has on `[::1]` is not taken then.
    pub fn localhost(mut self) -> Self {
        self.names_localhost = true;
        self
    }

    /// How long [`LoopbackListener::wait`] waits for the browser: ten minutes unless it is said.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Opens the port.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the path cannot be a path, or there is no port to try. Otherwise why the last of the
    /// ports cannot be had, such as `AddrInUse`, or why there is no thread.
    pub fn bind(self) -> io::Result<LoopbackListener> {
        if !is_plain(&self.path) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path of the redirect URI"));
        }
        let mut outcome = Err(io::Error::new(io::ErrorKind::InvalidInput, "no port to try"));
        for &port in &self.ports {
            outcome = self.sockets(port);
            if outcome.is_ok() {
                break;
            }
        }
        let sockets = outcome?;
        let addresses = sockets.iter().map(TcpListener::local_addr).collect::<io::Result<Vec<_>>>()?;
        let port = addresses.first().map_or(0, SocketAddr::port);
        let site = Site::new(&self.path, port, self.names_localhost);
        let redirect_uri = site.redirect_uri();
        let server = server::start(sockets, site)?;
        Ok(LoopbackListener { redirect_uri, addresses, deadline: self.deadline, server })
    }

    /// Listens on this port, at both addresses if it goes.
    fn sockets(&self, port: u16) -> io::Result<Vec<TcpListener>> {
        for tried in 1.. {
            let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, port).into())?;
            match TcpListener::bind((Ipv6Addr::LOCALHOST, v4.local_addr()?.port()).into()) {
                Ok(v6) => return Ok(vec![v4, v6]),
                Err(error) if error.kind() != io::ErrorKind::AddrInUse => return Ok(vec![v4]), // no IPv6 here
                Err(_) if port == 0 && tried < TRIES => {}
                Err(error) if self.names_localhost => return Err(error),
                Err(_) => return Ok(vec![v4]),
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }
}

/// Whether a browser requests the path as it is written, and reads no host into it.
fn is_plain(path: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let Some(rest) = path.strip_prefix('/') else { return false };
    let mut segments = rest.split('/');
    path.bytes().all(is_plain)
        && !path.contains("//")
        && path.len() <= 256
        && segments.all(|segment| segment != "." && segment != "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_plain() {
        for good in ["/", "/callback", "/cb/x-1", "/a.b~_", "/x/"] {
            assert!(is_plain(good), "{good}");
        }
        for bad in ["", "cb", "//evil.example", "/a//b", "/a b", "/a?b", "/a#b", "/%41", "/../x", "/.", "/ä"]
        {
            assert!(!is_plain(bad), "{bad}");
        }
        let error = LoopbackListener::builder().path("//evil.example").bind().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let error = LoopbackListener::builder().ports([]).bind().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
