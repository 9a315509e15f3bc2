//! The adapters, one row each.

use std::{pin::Pin, sync::Arc};

use tokio::runtime::{Builder, Runtime};
use valetkey_http::Backend;
use valetkey_hyper::HyperBackend;

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
pub(crate) static ADAPTERS: [Adapter; 1] = [Adapter { name: "hyper", start: || Box::new(Hyper::new()) }];

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
