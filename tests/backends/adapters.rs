//! The adapters, one row each.

use std::{pin::Pin, sync::Arc};

use smol::Executor;
use tokio::runtime::{Builder, Handle, Runtime};
use valetkey_http::{Backend, block_on};
use valetkey_hyper::HyperBackend;
use valetkey_reqwest::ReqwestBackend;
use valetkey_smol::SmolBackend;
#[cfg(feature = "surf")]
use valetkey_surf::SurfBackend;
use valetkey_ureq::UreqBackend;

/// An adapter, by how it is set up.
pub(crate) struct Adapter {
    pub(crate) name: &'static str,
    pub(crate) start: fn() -> Box<dyn Running>,
    pub(crate) short: Short,
}

/// Of what is demanded where connections break off, what an adapter cannot do; its documentation says so, too.
#[derive(Clone, Copy)]
pub(crate) struct Short {
    /// A silent connection stays open for a while after its request was given up.
    pub(crate) holds_on: bool,
    /// A connection that was closed without an answer is told as an answer that cannot be read.
    pub(crate) calls_it_protocol: bool,
}

impl Short {
    /// It can do all.
    const OF_NOTHING: Self = Self { holds_on: false, calls_it_protocol: false };
}

/// An adapter that is set up.
pub(crate) trait Running {
    fn backend(&self) -> Arc<dyn Backend>;

    /// Runs a future to its end, in the adapter's own way.
    fn drive(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>);

    /// How many tasks of the adapter have not ended.
    fn tasks(&self) -> usize;
}

/// All of them.
pub(crate) static ADAPTERS: &[Adapter] = &[
    Adapter {
        name: "hyper",
        start: || Box::new(OnTokio::new(Builder::new_current_thread(), hyper)),
        short: Short::OF_NOTHING,
    },
    Adapter { name: "smol", start: || Box::new(Smol::new()), short: Short::OF_NOTHING },
    Adapter {
        name: "reqwest",
        // Its connections are tasks, which close when the runtime gets to it: one that is driven by itself.
        start: || Box::new(OnTokio::new(Builder::new_multi_thread(), reqwest)),
        short: Short::OF_NOTHING,
    },
    Adapter { name: "ureq", start: || Box::new(Alone(ureq())), short: Short::OF_NOTHING },
    #[cfg(feature = "surf")]
    Adapter {
        name: "surf-curl",
        start: || Box::new(Alone(surf(SurfBackend::builder()))),
        short: Short { holds_on: true, ..Short::OF_NOTHING },
    },
    #[cfg(feature = "surf")]
    Adapter {
        name: "surf-h1",
        start: || Box::new(Alone(surf(SurfBackend::builder().h1_no_tls()))),
        short: Short { calls_it_protocol: true, ..Short::OF_NOTHING },
    },
];

fn hyper(handle: Handle) -> Arc<dyn Backend> {
    Arc::new(HyperBackend::builder().no_proxy().handle(handle).build().expect("a backend"))
}

fn reqwest(handle: Handle) -> Arc<dyn Backend> {
    let builder = ReqwestBackend::builder().client(|| reqwest::Client::builder().no_proxy());
    Arc::new(builder.bundled_roots().handle(handle).build().expect("a backend"))
}

fn ureq() -> Arc<dyn Backend> {
    Arc::new(UreqBackend::builder().no_proxy().build().expect("a backend"))
}

#[cfg(feature = "surf")]
fn surf(builder: valetkey_surf::Builder) -> Arc<dyn Backend> {
    Arc::new(builder.build().expect("a backend"))
}

struct OnTokio {
    runtime: Runtime,
    backend: Arc<dyn Backend>,
}

impl OnTokio {
    fn new(mut runtime: Builder, backend: fn(Handle) -> Arc<dyn Backend>) -> Self {
        let runtime = runtime.enable_all().build().expect("a runtime");
        let backend = backend(runtime.handle().clone());
        Self { runtime, backend }
    }
}

impl Running for OnTokio {
    fn backend(&self) -> Arc<dyn Backend> {
        Arc::clone(&self.backend)
    }

    fn drive(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        self.runtime.block_on(future);
    }

    fn tasks(&self) -> usize {
        self.runtime.metrics().num_alive_tasks()
    }
}

struct Smol {
    executor: Arc<Executor<'static>>,
    backend: Arc<SmolBackend>,
    /// Held by each task, and twice besides.
    running: Arc<()>,
}

impl Smol {
    fn new() -> Self {
        let (executor, running) = (Arc::new(Executor::new()), Arc::new(()));
        let (spawning, counted) = (Arc::clone(&executor), Arc::clone(&running));
        let smol = valetkey_smol::Smol::spawning(move |task| {
            let running = Arc::clone(&counted);
            let task = async move {
                task.await;
                drop(running);
            };
            spawning.spawn(task).detach();
        });
        let backend = SmolBackend::builder().no_proxy().runtime(smol).build();
        Self { executor, backend: Arc::new(backend.expect("a backend")), running }
    }
}

impl Running for Smol {
    fn backend(&self) -> Arc<dyn Backend> {
        Arc::clone(&self.backend) as Arc<dyn Backend>
    }

    fn drive(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        smol::block_on(self.executor.run(future));
    }

    fn tasks(&self) -> usize {
        Arc::strong_count(&self.running) - 2
    }
}

/// One that asks for no runtime, and has no tasks.
struct Alone(Arc<dyn Backend>);

impl Running for Alone {
    fn backend(&self) -> Arc<dyn Backend> {
        Arc::clone(&self.0)
    }

    fn drive(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        block_on(future);
    }

    fn tasks(&self) -> usize {
        0
    }
}
