//! The adapters, one row each.

use std::{pin::Pin, sync::Arc};

use smol::Executor;
use tokio::runtime::{Builder, Runtime};
use valetkey_http::Backend;
use valetkey_hyper::HyperBackend;
use valetkey_smol::SmolBackend;

/// An adapter, by how it is set up.
pub(crate) struct Adapter {
    pub(crate) name: &'static str,
    pub(crate) start: fn() -> Box<dyn Running>,
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
pub(crate) static ADAPTERS: [Adapter; 2] = [
    Adapter { name: "hyper", start: || Box::new(Hyper::new()) },
    Adapter { name: "smol", start: || Box::new(Smol::new()) },
];

struct Hyper {
    runtime: Runtime,
    backend: Arc<HyperBackend>,
}

impl Hyper {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let backend = HyperBackend::builder().no_proxy().handle(runtime.handle().clone()).build();
        Self { runtime, backend: Arc::new(backend.expect("a backend")) }
    }
}

impl Running for Hyper {
    fn backend(&self) -> Arc<dyn Backend> {
        Arc::clone(&self.backend) as Arc<dyn Backend>
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
