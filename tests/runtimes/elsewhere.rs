//! A client that goes from thread to thread, two runtimes at once, and an HTTP client that cannot leave its thread.

use std::{cell::Cell, rc::Rc, sync::Arc, thread};

use futures_util::StreamExt;
use libtest_mimic::{Failed, Trial};
use valetkey::Client;
use valetkey_http::{Backend, Failure, Limits, Request, Response, backend_fn, block_on};
use valetkey_hyper::HyperBackend;
use valetkey_smol::SmolBackend;
use valetkey_testkit::Provider;

use crate::{by_oauth2, call, client, is, use_session};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("a_client_goes_from_thread_to_thread", a_client_goes_from_thread_to_thread),
        Trial::test("two_runtimes_in_one_process", two_runtimes_in_one_process),
        Trial::test("a_client_that_cannot_leave_its_thread", a_client_that_cannot_leave_its_thread),
    ]
}

fn served() -> Result<(Provider, impl Sized), Failed> {
    let provider = Provider::builder().real_clock().build();
    let served = block_on(provider.serve())?;
    Ok((provider, served))
}

/// Made on one thread, signed in on a second, used on a third and fourth.
fn a_client_goes_from_thread_to_thread() -> Result<(), Failed> {
    let (provider, _served) = served()?;
    let backend: Arc<dyn Backend> = Arc::new(SmolBackend::builder().no_proxy().build()?);
    let client = block_on(client(backend, &provider))?;
    let at = provider.clone();
    let session = thread::spawn(move || {
        smol::block_on(async {
            let (url, pending) = client.authorize().scope("read").start().await?;
            Ok::<_, Failed>(client.redeem(pending, at.visit(&url)?).await?)
        })
    });
    let session = session.join().map_err(|_| "it panicked")??;
    thread::scope(|scope| {
        let used = [(); 2].map(|()| {
            let (session, provider) = (session.clone(), &provider);
            scope.spawn(move || futures_executor::block_on(call(&session, provider)))
        });
        used.into_iter().try_for_each(|used| used.join().map_err(|_| "it panicked")?)
    })?;
    block_on(use_session(&session, &provider))
}

/// hyper on two runtimes of tokio's, and a backend on smol, all at work at the same time.
fn two_runtimes_in_one_process() -> Result<(), Failed> {
    let runtimes = [(); 2].map(|()| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
    });
    let mut backends: Vec<Arc<dyn Backend>> = vec![Arc::new(SmolBackend::builder().no_proxy().build()?)];
    for runtime in &runtimes {
        let backend = HyperBackend::builder().no_proxy().handle(runtime.handle().clone()).build()?;
        backends.push(Arc::new(backend));
    }
    let providers = backends.iter().map(|_| served()).collect::<Result<Vec<_>, _>>()?;
    let work =
        backends.into_iter().zip(&providers).map(|(backend, (provider, _))| by_oauth2(backend, provider));
    block_on(futures_util::future::try_join_all(work))?;
    Ok(())
}

/// A client with an `Rc` in it, as one of the browser's would be, on a thread of its own behind a channel.
struct Homebody {
    inner: Rc<SmolBackend>,
    sent: Rc<Cell<usize>>,
}

impl Homebody {
    async fn send(&self, request: Request, limits: Limits) -> Result<Response, Failure> {
        self.sent.set(self.sent.get() + 1);
        self.inner.send(request, limits).await
    }
}

fn a_client_that_cannot_leave_its_thread() -> Result<(), Failed> {
    type Errand = (Request, Limits, futures_channel::oneshot::Sender<Result<Response, Failure>>);
    let (errands, mut given) = futures_channel::mpsc::unbounded::<Errand>();
    let home = thread::spawn(move || {
        let inner = SmolBackend::builder().no_proxy().build().expect("a backend");
        let homebody = Homebody { inner: Rc::new(inner), sent: Rc::default() };
        smol::block_on(async {
            while let Some((request, limits, reply)) = given.next().await {
                // Whoever asked may be gone.
                drop(reply.send(homebody.send(request, limits).await));
            }
        });
        homebody.sent.get()
    });
    let backend = backend_fn(move |request, limits| {
        let (reply, answer) = futures_channel::oneshot::channel();
        // The thread listens as long as there is this backend.
        drop(errands.unbounded_send((request, limits, reply)));
        async move { answer.await.expect("the thread is there") }
    });
    let (provider, _served) = served()?;
    block_on(by_oauth2(Arc::new(backend), &provider))?;
    let sent = home.join().map_err(|_| "it panicked")?;
    fn crosses_threads<T: Send + Sync>() {}
    crosses_threads::<Client>();
    is(sent >= 4, "metadata, code, API calls and a renewal went through the thread")
}
