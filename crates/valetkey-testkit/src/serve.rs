//! The provider on a loopback port, for a browser or a client in another process.

mod http1;

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    thread::{self, JoinHandle},
    time::Duration,
};

use http::Method;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

use crate::{
    provider::Provider,
    script::{End, Fate, Feed, Script},
};
use http1::{Framing, read_request};

impl Provider {
    /// Listens on a port of `127.0.0.1` until the result is dropped. The issuer becomes
    /// `http://127.0.0.1:PORT`, its path stays.
    ///
    /// It runs on a thread of its own, and so under any executor or none. Faults happen on the socket as
    /// they do in this process, but for those of which [`Fault::holds_on_a_port`](crate::Fault) says
    /// otherwise, and in real time: give the client short deadlines. The provider's clock stands still
    /// there too, unless it was built with [`real_clock`](crate::ProviderBuilder::real_clock).
    ///
    /// ```
    /// use valetkey_testkit::{Provider, block_on};
    ///
    /// let provider = Provider::builder().real_clock().build();
    /// let served = block_on(provider.serve())?;
    /// assert_eq!(provider.issuer(), format!("http://{}", served.address()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If there is no port to be had, or no thread.
    pub async fn serve(&self) -> io::Result<Served> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let provider = self.clone();
        self.move_to(&format!("http://{address}"));
        let serve = move || {
            runtime.block_on(async {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                tokio::spawn(accept(listener, provider));
                // Whatever still runs ends with the runtime.
                let _ = stopped.await;
            });
        };
        let thread = thread::Builder::new().name("valetkey-testkit".into()).spawn(serve)?;
        Ok(Served { address, stop: Some(stop), thread: Some(thread) })
    }
}

/// A provider on a port; it stops when this is dropped.
#[must_use = "dropping it stops the server"]
pub struct Served {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic in there has been reported by then.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Served").field("address", &self.address).finish_non_exhaustive()
    }
}

async fn accept(listener: TcpListener, provider: Provider) {
    while let Ok((stream, _)) = listener.accept().await {
        let provider = provider.clone();
        tokio::spawn(async move {
            // Whoever breaks the connection knows it already.
            let _ = converse(stream, &provider).await;
        });
    }
}

/// One request and its answer; the connection then closes.
async fn converse(mut stream: TcpStream, provider: &Provider) -> io::Result<()> {
    let Some(request) = read_request(&mut stream).await? else {
        return http1::refuse(&mut stream).await;
    };
    let (parts, body) = request.into_parts();
    let script = provider.answer(&parts.method, &parts.uri, &parts.headers, &body, None);
    if script.fate != Fate::Refused {
        wait(script.delay).await;
    }
    if script.fate == Fate::Answered { play(&mut stream, &parts.method, script).await } else { Ok(()) }
}

/// Plays a script on a socket.
async fn play(stream: &mut TcpStream, method: &Method, script: Script) -> io::Result<()> {
    let framing = Framing::of(&script);
    http1::write_head(stream, &script, framing).await?;
    if *method == Method::HEAD {
        return http1::close(stream).await;
    }
    let Feed { pieces, gap, end } = script.body;
    for piece in pieces {
        wait(gap).await;
        framing.write(stream, &piece).await?;
    }
    match end {
        End::Done => framing.finish(stream).await?,
        End::Cut => {}
        End::Stall => http1::until_closed(stream).await,
        End::Endless(piece) => loop {
            framing.write(stream, &piece).await?;
        },
    }
    http1::close(stream).await
}

#[expect(clippy::disallowed_methods, reason = "on a socket a slow answer is slow")]
async fn wait(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}
