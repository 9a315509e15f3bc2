//! The ways to ask a server: clients with nothing around them, and the adapters on the same clients.

use std::{iter::repeat_with, net::SocketAddr, pin::Pin, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Request, Uri, header::AUTHORIZATION};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{Connect, HttpConnector},
    },
    rt::TokioExecutor,
};
use tokio::runtime::Runtime;
use tower::util::ServiceFn;
use valetkey::Session;
use valetkey_http::{Addresses, Backend, Failure, Limits, Task, block_on};
use valetkey_hyper::{HyperBackend, runtime::Runtime as _};
use valetkey_reqwest::ReqwestBackend;
use valetkey_smol::{Smol, SmolBackend, Stream};
use valetkey_ureq::UreqBackend;

use crate::{
    server::{self, BODY, IN_FLIGHT},
    session,
};

/// All of them, each with connections of its own.
pub(crate) struct Ways {
    /// The client of each adapter, followed by the adapter.
    pairs: [[Way; 2]; 4],
    /// A session over hyper's adapter.
    session: Way,
    executors: Executors,
}

/// A way to ask. Whoever asks shows the same token.
#[derive(Clone)]
pub(crate) struct Way {
    pub(crate) name: &'static str,
    place: Place,
    client: Asking,
    uri: Uri,
    authorization: HeaderValue,
}

/// Whose tasks they are.
#[derive(Clone, Copy)]
enum Place {
    Tokio,
    Smol,
    /// This thread waits.
    Here,
}

#[derive(Clone)]
enum Asking {
    HyperUtil(Client<HttpConnector, Full<Bytes>>),
    OnSmol(Client<SmolConnector, Full<Bytes>>),
    Reqwest(reqwest::Client),
    Ureq(ureq::Agent),
    Adapter(Arc<dyn Backend>),
    Session(Session),
}

type SmolConnector = ServiceFn<fn(Uri) -> Connecting>;

type Connecting = Pin<Box<dyn Future<Output = Result<Stream, Failure>> + Send>>;

impl Ways {
    /// All of them, to this server.
    pub(crate) fn to(server: SocketAddr) -> Self {
        let executors = Executors { tokio: server::runtime(), smol: Arc::default() };
        let _entered = executors.tokio.enter();
        let session = executors.tokio.block_on(session(server));
        let authorization = session.bearer().expect("a token").clone();
        let uri: Uri = format!("http://{server}/me").parse().expect("a URI");
        let way = |name, place, client| Way {
            name,
            place,
            client,
            uri: uri.clone(),
            authorization: authorization.clone(),
        };
        Self {
            pairs: [
                [
                    way("GET, hyper-util alone", Place::Tokio, Asking::hyper_util()),
                    way("GET, hyper's adapter", Place::Tokio, Asking::adapter(hyper())),
                ],
                [
                    way("GET, hyper-util on smol alone", Place::Smol, Asking::on_smol(&executors.smol)),
                    way("GET, smol's adapter", Place::Smol, Asking::adapter(smol(&executors.smol))),
                ],
                [
                    way("GET, reqwest alone", Place::Tokio, Asking::reqwest()),
                    way("GET, reqwest's adapter", Place::Tokio, Asking::adapter(reqwest())),
                ],
                [
                    way("GET, ureq alone", Place::Here, Asking::ureq()),
                    way("GET, ureq's adapter", Place::Here, Asking::adapter(ureq())),
                ],
            ],
            session: way("GET, authorized by a session", Place::Tokio, Asking::Session(session)),
            executors,
        }
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Way> {
        self.pairs.as_flattened().iter().chain([&self.session])
    }

    /// Runs what `task` makes to its end: as many as there can be side by side.
    pub(crate) fn run<F>(&self, way: &Way, task: impl Fn() -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.executors.run(way.place, repeat_with(task).take(way.side_by_side()));
    }
}

/// The executors of the clients, each of one thread.
struct Executors {
    tokio: Runtime,
    smol: Arc<smol::Executor<'static>>,
}

impl Executors {
    fn run<F>(&self, place: Place, tasks: impl Iterator<Item = F>)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        match place {
            Place::Tokio => self.tokio.block_on(async {
                for task in tasks.map(tokio::spawn).collect::<Vec<_>>() {
                    task.await.expect("answers");
                }
            }),
            Place::Smol => smol::block_on(self.smol.run(async {
                for task in tasks.map(|task| self.smol.spawn(task)).collect::<Vec<_>>() {
                    task.await;
                }
            })),
            Place::Here => tasks.for_each(block_on),
        }
    }
}

impl Way {
    /// How many requests are under way at a time.
    pub(crate) fn side_by_side(&self) -> usize {
        if matches!(self.place, Place::Here) { 1 } else { IN_FLIGHT }
    }

    /// Gets the whole answer.
    pub(crate) async fn get(&self) {
        let request = Request::get(self.uri.clone());
        let request = match &self.client {
            Asking::Session(_) => request,
            _ => request.header(AUTHORIZATION, self.authorization.clone()),
        };
        let body = match &self.client {
            Asking::HyperUtil(client) => by_hyper_util(client, request).await,
            Asking::OnSmol(client) => by_hyper_util(client, request).await,
            Asking::Reqwest(client) => {
                let request = request.body("").expect("a request").try_into().expect("a request");
                client.execute(request).await.expect("an answer").bytes().await.expect("a body")
            }
            Asking::Ureq(agent) => {
                let response = agent.run(request.body(()).expect("a request")).expect("an answer");
                response.into_body().read_to_vec().expect("a body").into()
            }
            Asking::Adapter(backend) => {
                let request = request.body(Bytes::new()).expect("a request");
                backend.send(request, Limits::default()).await.expect("an answer").into_body()
            }
            Asking::Session(session) => {
                let request = request.body(Bytes::new()).expect("a request");
                session.send(request).await.expect("an answer").into_body()
            }
        };
        assert_eq!(body, BODY);
    }
}

async fn by_hyper_util<C>(client: &Client<C, Full<Bytes>>, request: http::request::Builder) -> Bytes
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let request = request.body(Full::default()).expect("a request");
    let response = client.request(request).await.expect("an answer");
    response.into_body().collect().await.expect("a body").to_bytes()
}

impl Asking {
    fn hyper_util() -> Self {
        let mut connector = HttpConnector::new();
        // As the others have it.
        connector.set_nodelay(true);
        Self::HyperUtil(Client::builder(TokioExecutor::new()).build(connector))
    }

    /// The same client on the sockets of smol, which no crate but the adapter has for it.
    fn on_smol(executor: &Arc<smol::Executor<'static>>) -> Self {
        let connect: fn(Uri) -> Connecting =
            |target| Box::pin(Smol::default().connect(target, Addresses::Any));
        let builder = Client::builder(Spawning(Arc::clone(executor)));
        Self::OnSmol(builder.build(tower::service_fn(connect)))
    }

    fn reqwest() -> Self {
        Self::Reqwest(plain_reqwest().build().expect("a client"))
    }

    /// With the deadlines of a send.
    fn ureq() -> Self {
        let limits = Limits::default();
        let config = ureq::Agent::config_builder()
            .proxy(None)
            .timeout_resolve(Some(limits.connect))
            .timeout_connect(Some(limits.connect))
            .timeout_send_request(Some(limits.head))
            .timeout_send_body(Some(limits.head))
            .timeout_recv_response(Some(limits.head))
            .timeout_per_read(Some(limits.idle))
            .timeout_global(Some(limits.total));
        Self::Ureq(config.build().into())
    }

    fn adapter(backend: impl Backend) -> Self {
        Self::Adapter(Arc::new(backend))
    }
}

/// hyper's tasks go to smol's executor.
#[derive(Clone)]
struct Spawning(Arc<smol::Executor<'static>>);

impl hyper::rt::Executor<Task> for Spawning {
    fn execute(&self, task: Task) {
        self.0.spawn(task).detach();
    }
}

fn hyper() -> HyperBackend {
    HyperBackend::builder().no_proxy().build().expect("a backend")
}

fn smol(executor: &Arc<smol::Executor<'static>>) -> SmolBackend {
    let executor = Arc::clone(executor);
    let smol = Smol::spawning(move |task| executor.spawn(task).detach());
    SmolBackend::builder().no_proxy().runtime(smol).build().expect("a backend")
}

fn reqwest() -> ReqwestBackend {
    ReqwestBackend::builder().client(plain_reqwest).bundled_roots().build().expect("a backend")
}

fn ureq() -> UreqBackend {
    UreqBackend::builder().no_proxy().build().expect("a backend")
}

/// reqwest does TLS only if it is told how, though nobody asks for it here.
fn plain_reqwest() -> reqwest::ClientBuilder {
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let tls = tls.with_safe_default_protocol_versions().expect("versions of TLS");
    let tls = tls.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
    reqwest::Client::builder().no_proxy().tls_backend_preconfigured(tls)
}

/// A session with a token at hand.
async fn session(server: SocketAddr) -> Session {
    let api = format!("http://{server}/");
    let session = session::new(hyper(), &format!("{api}token"), &api).await;
    session.tokens().await.expect("tokens");
    session
}
