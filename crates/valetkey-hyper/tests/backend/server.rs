//! A server in raw bytes: each connection is a thread that runs the test's script.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{PrivateKeyDer, pem::PemObject},
};

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
    gone: Mutex<mpsc::Receiver<()>>,
}

/// One connection, as the server has it.
pub(crate) struct Peer<S = TcpStream> {
    pub(crate) stream: S,
    seen: Arc<Mutex<Vec<String>>>,
    gone: mpsc::Sender<()>,
}

impl Server {
    pub(crate) fn start(script: impl Fn(&mut Peer) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, connections) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicUsize>::default());
        let (gone, went) = mpsc::channel();
        let (log, count, script) = (Arc::clone(&seen), Arc::clone(&connections), Arc::new(script));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                count.fetch_add(1, Ordering::SeqCst);
                let mut peer = Peer { stream: stream.unwrap(), seen: Arc::clone(&log), gone: gone.clone() };
                let script = Arc::clone(&script);
                std::thread::spawn(move || script(&mut peer));
            }
        });
        Self { address, seen, connections, gone: Mutex::new(went) }
    }

    /// A server that answers every request with these bytes, and closes.
    pub(crate) fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |peer| {
            peer.request();
            peer.say(&answer);
        })
    }

    /// A server that answers every request with `ok`, and keeps the connection.
    pub(crate) fn keeping() -> Self {
        Self::start(|peer| {
            while peer.request().is_some() {
                peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
            }
            peer.tell_gone();
        })
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The requests so far, whole.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Whether a client closes a connection, soon.
    pub(crate) fn is_left(&self) -> bool {
        self.gone.lock().unwrap().recv_timeout(Duration::from_secs(2)).is_ok()
    }
}

impl<S: Read + Write> Peer<S> {
    /// The next request, as it came; `None` if the client is gone.
    pub(crate) fn request(&mut self) -> Option<String> {
        let mut bytes = Vec::new();
        let mut byte = [0];
        while !bytes.ends_with(b"\r\n\r\n") {
            match self.stream.read(&mut byte) {
                Ok(1) => bytes.push(byte[0]),
                _ => return None,
            }
        }
        let head = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        self.stream.read_exact(&mut body).ok()?;
        bytes.extend(body);
        let request = String::from_utf8_lossy(&bytes).into_owned();
        self.seen.lock().unwrap().push(request.clone());
        Some(request)
    }

    /// Says this; a client that no longer listens is no matter.
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        drop(self.stream.write_all(bytes).and_then(|()| self.stream.flush()));
    }

    /// Waits until the client closes the connection, and tells the test.
    pub(crate) fn await_end(&mut self) {
        while matches!(self.stream.read(&mut [0; 1024]), Ok(1..)) {}
        self.tell_gone();
    }

    pub(crate) fn tell_gone(&self) {
        self.gone.send(()).ok();
    }
}

impl Peer {
    /// The same connection with TLS on it; the handshake comes with the first read.
    pub(crate) fn secured(
        &mut self,
        config: &Arc<ServerConfig>,
    ) -> Peer<StreamOwned<ServerConnection, TcpStream>> {
        let tls = ServerConnection::new(Arc::clone(config)).unwrap();
        Peer {
            stream: StreamOwned::new(tls, self.stream.try_clone().unwrap()),
            seen: Arc::clone(&self.seen),
            gone: self.gone.clone(),
        }
    }
}

/// A certificate authority of the test's own.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::default();
        // OpenSSL finds an issuer by its name, and by default rcgen names all alike.
        let name = format!("authority {:02x?}", &key.public_key_raw()[1..9]);
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(parameters, key).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for `name`, and its key, as PEM.
    pub(crate) fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new([name.to_owned()]).unwrap();
        (parameters.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }

    /// What a server with a certificate of this description needs.
    pub(crate) fn describing(&self, parameters: CertificateParams) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.0).unwrap();
        let nobody = rustls::server::WebPkiClientVerifier::no_client_auth();
        present(&certificate.pem(), &key.serialize_pem(), &["http/1.1"], nobody)
    }

    /// What a server for `name` needs.
    pub(crate) fn server(&self, name: &str, protocols: &[&str]) -> Arc<ServerConfig> {
        self.serve(name, protocols, rustls::server::WebPkiClientVerifier::no_client_auth())
    }

    /// What a server for `name` needs that wants to see certificates of this authority.
    pub(crate) fn demanding_server(&self, name: &str) -> Arc<ServerConfig> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let verifier =
            rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
        self.serve(name, &["http/1.1"], verifier.build().unwrap())
    }

    fn serve(
        &self,
        name: &str,
        protocols: &[&str],
        clients: Arc<dyn rustls::server::danger::ClientCertVerifier>,
    ) -> Arc<ServerConfig> {
        let (certificate, key) = self.issue(name);
        present(&certificate, &key, protocols, clients)
    }
}

/// What a server with this certificate and key needs, both as PEM.
pub(crate) fn present(
    certificate: &str,
    key: &str,
    protocols: &[&str],
    clients: Arc<dyn rustls::server::danger::ClientCertVerifier>,
) -> Arc<ServerConfig> {
    let certificate = rustls::pki_types::CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![certificate], key)
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
