//! Futures that are dropped.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    thread,
};

use valetkey_http::{Failure, Limits, Request, Response};

use crate::{
    cases::{Case, both},
    scene::{Client, Scene, get, millis, post},
    server::{Peer, Server, pause},
    verdict::{Check, answered, ensure, insist, rows},
};

pub(crate) const CASES: &[Case] = &[
    both("cancelling::before_it_is_polled", before_it_is_polled),
    both("cancelling::at_each_poll", at_each_poll),
    both("cancelling::closes_the_connection", closes_the_connection),
    both("cancelling::many_at_once", many_at_once),
    both("cancelling::outside_of_the_runtime", outside_of_the_runtime),
];

/// What a case calls a backend whose future does not wait but block: nothing can be dropped in the middle.
const BLOCKS: &str = "a future that waits";

/// Most polls that one request takes here.
const POLLS: usize = 400;

/// A future that is given up after so many polls.
struct Cut<F> {
    future: Option<Pin<Box<F>>>,
    polls: usize,
}

impl<F: Future> Future for Cut<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.polls > 0
            && let Some(future) = &mut this.future
        {
            this.polls -= 1;
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                this.future = None;
                return Poll::Ready(Some(output));
            }
            if this.polls > 0 {
                return Poll::Pending;
            }
        }
        // Dropped where it was polled, as `select!` and timeouts do it.
        this.future = None;
        Poll::Ready(None)
    }
}

/// Sends a request, and gives it up after so many polls.
fn send_cut(
    scene: &Scene,
    client: &Client<'_>,
    request: Request,
    limits: Limits,
    polls: usize,
) -> Option<Result<Response, Failure>> {
    scene.count_send();
    scene.drive(async {
        let future = Some(Box::pin(client.backend.send(request, limits)));
        Cut { future, polls }.await
    })
}

/// Answers each request with its path, in pieces, so that there is something to wait for.
fn echo_slowly(peer: &mut Peer) {
    while let Some(request) = peer.request() {
        let path = request.target();
        for piece in ["HTTP/1.1 200 OK\r\n", &format!("content-length: {}\r\n\r\n", path.len()), &path] {
            pause(millis(2));
            peer.say(piece);
        }
    }
}

/// A request that is not given up gets its own answer.
fn own_answer(client: &Client<'_>, server: &Server, path: &str) -> Check {
    let answer = answered(client.send(get(server.url(path)))?)?;
    insist(answer.body() == path, || format!("{path} got the answer {:?}", answer.body()))
}

fn before_it_is_polled(scene: &Scene) -> Check {
    let server = scene.keeping();
    let client = scene.client()?;
    for _ in 0..3 {
        // Not counted as a send.
        drop(client.backend.send(post(server.url("/"), "a=b"), scene.limits()));
    }
    pause(millis(30));
    insist(server.seen().is_empty(), || "what nobody polled was sent".to_owned())
}

fn at_each_poll(scene: &Scene) -> Check {
    let server = scene.serve(echo_slowly);
    let client = scene.client()?;
    let mut most = 0;
    // Again and again, so that a connection that is lost each time is told from those that a pool keeps.
    for round in 0..4 {
        for polls in 1..POLLS {
            let path = format!("/cut-{round}-{polls}");
            let outcome = send_cut(scene, &client, get(server.url(&path)), scene.limits(), polls);
            own_answer(&client, &server, &format!("/next-{round}-{polls}"))?;
            if let Some(outcome) = outcome {
                let answer = answered(outcome)?;
                insist(answer.body() == &path, || format!("{path} got the answer {:?}", answer.body()))?;
                break;
            }
            most = polls;
        }
    }
    ensure(most > 0, BLOCKS, || "it was ready at the first poll".to_owned())?;
    ensure(most + 1 < POLLS, "the number of polls", || format!("more than {POLLS}"))?;
    // What was given up is gone, but for what the pool may keep: the last one, and one that was put back a moment after
    // another was made.
    ensure(
        crate::server::soon(|| server.open() <= 2 * usize::from(!scene.fresh())),
        "a stuck connection",
        || format!("{} are open", server.open()),
    )
}

fn closes_the_connection(scene: &Scene) -> Check {
    for said in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc"] {
        let server = scene.serve(move |peer| {
            peer.request();
            peer.say(said);
            peer.await_end();
        });
        let client = scene.client()?;
        // Longer than a test waits for the end of the connection.
        let mut limits = scene.limits();
        (limits.head, limits.idle) = (millis(8_000), millis(8_000));
        scene.count_send();
        let is_waiting = scene.drive(async {
            let mut send = pin!(client.backend.send(post(server.url("/"), "a=b"), limits));
            let mut alarm = pin!(client.backend.sleep(millis(120)));
            std::future::poll_fn(|context| match send.as_mut().poll(context) {
                Poll::Ready(_) => Poll::Ready(false),
                Poll::Pending => alarm.as_mut().poll(context).map(|()| true),
            })
            .await
        });
        ensure(is_waiting, BLOCKS, || "it was over before it could be given up".to_owned())?;
        ensure(server.is_left(), "a stuck connection", || "it stays open".to_owned())?;
        insist(server.seen().len() == 1, || format!("{} requests arrived", server.seen().len()))?;
    }
    Ok(())
}

fn many_at_once(scene: &Scene) -> Check {
    let server = scene.serve(echo_slowly);
    let client = scene.client()?;
    let outcomes: Vec<Check> = thread::scope(|scope| {
        let caller = |number: usize| {
            let (client, server) = (&client, &server);
            move || -> Check {
                for round in 0..8 {
                    let path = format!("/{number}-{round}");
                    // Some are given up early, some late, and some not at all.
                    let polls = 1 + (number * 7 + round * 3) % 12;
                    let outcome = send_cut(scene, client, get(server.url(&path)), scene.limits(), polls);
                    if let Some(Ok(answer)) = outcome {
                        insist(answer.body() == &path, || format!("{path} got {:?}", answer.body()))?;
                    }
                    scene.count_send();
                    let path = format!("{path}-whole");
                    let send = client.backend.send(get(server.url(&path)), scene.limits());
                    let answer = answered(scene.drive(send))?;
                    insist(answer.body() == &path, || format!("{path} got {:?}", answer.body()))?;
                }
                Ok(())
            }
        };
        let callers: Vec<_> = (0..12).map(|number| scope.spawn(caller(number))).collect();
        callers.into_iter().map(|caller| caller.join().expect("no panic")).collect()
    });
    rows(outcomes, |outcome| outcome)
}

/// Polled and dropped on threads that know nothing of the backend's runtime.
fn outside_of_the_runtime(scene: &Scene) -> Check {
    let server = scene.serve(echo_slowly);
    let client = scene.client()?;
    let backend = Arc::clone(&client.backend);
    for round in 0..6 {
        let path = format!("/{round}");
        scene.count_send();
        let mut send = backend.send(get(server.url(&path)), scene.limits());
        // First on one thread, then on another.
        let first = thread::scope(|scope| {
            let poll = || send.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop()));
            scope.spawn(poll).join().expect("no panic")
        });
        let outcome = match first {
            Poll::Ready(outcome) => Some(outcome),
            Poll::Pending if round % 3 == 2 => {
                drop(send);
                None
            }
            Poll::Pending => Some(valetkey_http::block_on(send)),
        };
        if let Some(outcome) = outcome {
            let answer = answered(outcome)?;
            insist(answer.body() == &path, || format!("{path} got {:?}", answer.body()))?;
        }
    }
    valetkey_http::block_on(backend.sleep(millis(5)));
    own_answer(&client, &server, "/last")
}
