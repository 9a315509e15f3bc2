//! surf on isahc, which is libcurl: clients of our own making, and what their errors mean.

use std::{
    fmt, io,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
    time::Duration,
};

use async_io::Timer;
use http_client::isahc::IsahcClient;
use isahc::{
    HttpClient,
    config::{
        CaCertificate, ClientCertificate, Configurable, PrivateKey, RedirectPolicy, VersionNegotiation,
    },
};
use tempfile::NamedTempFile;
use valetkey_http::{Failure, FailureKind, Limits, Phase, Sent};

use crate::{
    backend::{Told, answer},
    body::Arriving,
    builder::{BuildError, Settings},
    contain::{Contained, contain},
    convert::{Abilities, Draft},
};

pub(crate) const ABILITIES: Abilities = Abilities {
    tls: true,
    head: false,
    empty_query: false,
    lower_escapes: false,
    repeated_fields: false,
    untyped_post: false,
    // After a 417 it would send again.
    waits_from: Some(1 << 20),
};

/// A client is made for its deadlines, and has a thread: programs use one set of them, or a few.
const MOST_CLIENTS: usize = 4;
/// libcurl hears of an exchange that was given up when the next byte arrives. If none does, this ends it, later
/// than any deadline of ours.
const GIVEN_UP: Duration = Duration::from_secs(30);
/// libcurl takes 0 for no deadline, and knows milliseconds.
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// A surf client of our own, which may panic when it is dropped.
type Client = Contained<surf::Client>;

/// The clients of one backend, by their deadlines.
pub(crate) struct Clients {
    files: Files,
    proxy: Option<isahc::http::Uri>,
    made: Mutex<Vec<(Deadlines, Arc<Client>)>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Deadlines {
    connect: Duration,
    total: Duration,
}

impl Clients {
    /// Makes the first client, too: what hinders it shows here.
    pub(crate) fn new(settings: &Settings, first: &Limits) -> Result<Self, BuildError> {
        let proxy = match &settings.proxy {
            Some(url) => Some(proxy(url).ok_or(BuildError::Proxy)?),
            None => None,
        };
        let clients = Self { files: Files::new(settings)?, proxy, made: Mutex::default() };
        clients.client(first).map_err(|error| BuildError::Client(error.into()))?;
        Ok(clients)
    }

    /// Sends a request, and resolves to the head of its response.
    pub(crate) async fn start(
        &self,
        draft: &Draft,
        limits: &Limits,
    ) -> Result<http::Response<Arriving>, Failure> {
        let mut overdue = pin!(Timer::after(limits.total));
        let nothing = |kind| Failure::new(Sent::Nothing, kind);
        let client = self.client(limits).map_err(|error| nothing(FailureKind::Other).with_source(error))?;
        let request = draft.request();
        let sending = Arc::clone(&client);
        let sent = contain(async move {
            match sending.bare() {
                Some(client) => client.send(request).await.map(Into::into),
                None => Err(surf::Error::from(isahc::Error::Aborted)),
            }
        });
        let error = match sent.await {
            Ok(Ok(response)) => return answer(response, draft, body_kind),
            Ok(Err(error)) => error,
            Err(_panicked) => {
                // If it was because of its thread, it would panic for ever.
                self.forget(&client);
                return Err(Failure::new(Sent::Maybe, FailureKind::Panicked));
            }
        };
        let Some(error) = error.downcast_ref::<isahc::Error>() else {
            return Err(Failure::new(Sent::Maybe, FailureKind::Other).with_source(Told::by(&error)));
        };
        if matches!(error, isahc::Error::Aborted) {
            self.forget(&client);
        }
        let (kind, sent) = match error {
            // Two deadlines have this name, the one for connecting and `GIVEN_UP`.
            isahc::Error::Timeout => {
                let is_overdue = std::future::poll_fn(|context| {
                    Poll::Ready(Future::poll(overdue.as_mut(), context).is_ready())
                });
                match is_overdue.await {
                    true => (FailureKind::Timeout(Phase::Total), Sent::Maybe),
                    false => (FailureKind::Timeout(Phase::Connect), Sent::Nothing),
                }
            }
            // Which means here that there was none: it has to have begun for its head to be told.
            isahc::Error::ResponseBodyError(_) => (FailureKind::Closed, Sent::Maybe),
            error => (kind(error), how_far(error)),
        };
        Err(Failure::new(sent, kind).with_source(Told::by(error)))
    }

    /// The client for these deadlines, made anew if there is none.
    fn client(&self, limits: &Limits) -> Result<Arc<Client>, isahc::Error> {
        let clamp = |time: Duration| time.clamp(SHORTEST, LONGEST);
        let deadlines = Deadlines { connect: clamp(limits.connect), total: clamp(limits.total) };
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, client)) = made.iter().find(|(of, _)| *of == deadlines) {
            return Ok(Arc::clone(client));
        }
        let client = Arc::new(Contained::new(self.make(deadlines)?));
        let oldest = (made.len() == MOST_CLIENTS).then(|| made.remove(0));
        made.push((deadlines, Arc::clone(&client)));
        drop(made);
        // Its thread is joined, unless requests are under way on it.
        drop(oldest);
        Ok(client)
    }

    fn make(&self, deadlines: Deadlines) -> Result<surf::Client, isahc::Error> {
        let mut builder = HttpClient::builder()
            // On a connection that is kept libcurl sends requests twice.
            .connection_cache_size(0)
            .version_negotiation(VersionNegotiation::http11())
            .redirect_policy(RedirectPolicy::None)
            .automatic_decompression(false)
            .connect_timeout(deadlines.connect)
            .timeout(deadlines.total.saturating_add(GIVEN_UP))
            .proxy(self.proxy.clone())
            .proxy_blacklist(["localhost", "127.0.0.0/8", "::1"]);
        if let Some(roots) = &self.files.roots {
            builder = builder.ssl_ca_certificate(CaCertificate::file(roots.path()));
        }
        if let Some((chain, key)) = &self.files.identity {
            let key = PrivateKey::pem_file(key.path(), None);
            builder = builder.ssl_client_certificate(ClientCertificate::pem_file(chain.path(), key));
        }
        Ok(surf::Client::with_http_client(IsahcClient::from_client(builder.build()?)))
    }

    fn forget(&self, client: &Arc<Client>) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let at = made.iter().position(|(_, known)| Arc::ptr_eq(known, client));
        let gone = at.map(|at| made.remove(at));
        drop(made);
        drop(gone);
    }
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients")
            .field("roots", &self.files.roots.is_some())
            .field("identity", &self.files.identity.is_some())
            .field("proxy", &self.proxy.is_some())
            .finish_non_exhaustive()
    }
}

/// Reads `http://[user:password@]host[:port][/]`.
fn proxy(url: &str) -> Option<isahc::http::Uri> {
    let uri: isahc::http::Uri = url.parse().ok()?;
    let is_proxy = uri.scheme_str() == Some("http")
        && uri.host().is_some_and(|host| !host.is_empty())
        && uri.path_and_query().is_none_or(|path| path == "/");
    is_proxy.then_some(uri)
}

/// What isahc takes as paths of files only: private to this user, and gone with the backend.
struct Files {
    roots: Option<NamedTempFile>,
    identity: Option<(NamedTempFile, NamedTempFile)>,
}

impl Files {
    fn new(settings: &Settings) -> Result<Self, BuildError> {
        let roots = match &settings.roots[..] {
            [] => None,
            given => {
                // The file takes the place of the system's, which is to be trusted as well.
                let system = openssl_probe::probe().cert_file.map(std::fs::read).transpose();
                let system = system.map_err(|error| BuildError::Roots(error.into()))?;
                let pieces = system.iter().chain(given).map(Vec::as_slice);
                let roots = pieces.collect::<Vec<_>>().join(&b'\n');
                Some(file(&roots).map_err(|error| BuildError::Roots(error.into()))?)
            }
        };
        let identity = match &settings.identity {
            None => None,
            Some(identity) => {
                let file = |pem| file(pem).map_err(BuildError::Identity);
                Some((file(&identity.chain)?, file(&identity.key)?))
            }
        };
        Ok(Self { roots, identity })
    }
}

fn file(content: &[u8]) -> io::Result<NamedTempFile> {
    let mut file = NamedTempFile::with_prefix("valetkey-")?;
    io::Write::write_all(&mut file, content)?;
    Ok(file)
}

/// Nothing, where the connection never stood.
fn how_far(error: &isahc::Error) -> Sent {
    match error {
        isahc::Error::BadClientCertificate(_)
        | isahc::Error::BadServerCertificate(_)
        | isahc::Error::ConnectFailed
        | isahc::Error::CouldntResolveHost
        | isahc::Error::CouldntResolveProxy
        | isahc::Error::SSLConnectFailed(_)
        | isahc::Error::SSLEngineError(_) => Sent::Nothing,
        _ => Sent::Maybe,
    }
}

fn kind(error: &isahc::Error) -> FailureKind {
    match error {
        isahc::Error::BadClientCertificate(_)
        | isahc::Error::BadServerCertificate(_)
        | isahc::Error::SSLConnectFailed(_)
        | isahc::Error::SSLEngineError(_) => FailureKind::Tls,
        isahc::Error::ConnectFailed => FailureKind::Connect,
        isahc::Error::CouldntResolveHost | isahc::Error::CouldntResolveProxy => FailureKind::Resolve,
        isahc::Error::Curl(text) => curl_kind(text),
        isahc::Error::InvalidContentEncoding(_) | isahc::Error::InvalidHttpFormat(_) => FailureKind::Protocol,
        isahc::Error::Io(_) | isahc::Error::NoResponse => FailureKind::Closed,
        isahc::Error::ResponseBodyError(_) => FailureKind::Truncated,
        isahc::Error::Timeout => FailureKind::Timeout(Phase::Total),
        isahc::Error::TooManyRedirects => FailureKind::Redirected,
        _ => FailureKind::Other,
    }
}

/// isahc keeps of these codes what libcurl says of them, and libcurl can be asked what it says of a code.
fn curl_kind(text: &str) -> FailureKind {
    // `CURLE_*` of curl.h.
    const UNSUPPORTED_PROTOCOL: u32 = 1;
    const WEIRD_SERVER_REPLY: u32 = 8;
    const SEND_ERROR: u32 = 55;
    const RECV_ERROR: u32 = 56;
    const SSL_CLIENTCERT: u32 = 98;
    const TOO_LARGE: u32 = 100;
    let is = |code| ::curl::Error::new(code).description() == text;
    if is(RECV_ERROR) || is(SEND_ERROR) {
        FailureKind::Closed
    } else if is(WEIRD_SERVER_REPLY) || is(UNSUPPORTED_PROTOCOL) {
        FailureKind::Protocol
    } else if is(SSL_CLIENTCERT) {
        FailureKind::Tls
    } else if is(TOO_LARGE) {
        FailureKind::TooLarge
    } else {
        FailureKind::Other
    }
}

fn body_kind(error: &io::Error) -> FailureKind {
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(error) => kind(error),
        None => FailureKind::Closed,
    }
}

/// Whether a response may have lost the end of its head, which libcurl takes for an empty body.
pub(crate) fn may_be_cut(head: &http::HeaderMap, body: &[u8]) -> bool {
    body.is_empty() && !head.contains_key(http::header::CONTENT_LENGTH)
}
