//! More than one of everything.

use std::{
    fs::File,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use valetkey_http::{Backend, FailureKind, Limits, Request};

use crate::{
    cases::{Case, both, pooled},
    scene::{Scene, get, millis, post},
    tls::Authority,
    verdict::{Check, Far, Trouble, answered, ensure, insist, must_fail, rows},
};

pub(crate) const CASES: &[Case] = &[
    both("together::two_backends", two_backends),
    both("together::many_callers", many_callers),
    pooled("together::sleeping", sleeping),
    pooled("together::tasks", tasks),
    Case { alone: true, ..both("together::more_than_1024_open_files", more_than_1024_open_files) },
];

/// The compiler's word that a send can move between threads.
const _: fn(&dyn Backend, Request, Limits) = |backend, request, limits| {
    fn is_send(_: impl Send) {}
    is_send(backend.send(request, limits));
};

fn two_backends(scene: &Scene) -> Check {
    let (one, two) = (Authority::new(), Authority::new());
    let serve = |authority: &Authority| {
        let config = authority.server("localhost", &["http/1.1"]);
        scene.serve(move |peer| peer.secured(&config).serve_ok())
    };
    let (first, second) = (serve(&one), serve(&two));
    let (trusts_one, trusts_two) = (scene.trusting(&one)?, scene.trusting(&two)?);
    for _ in 0..2 {
        answered(trusts_one.send(get(first.secure_url("/")))?)?;
        answered(trusts_two.send(get(second.secure_url("/")))?)?;
        // What one was told is not known to the other.
        must_fail(trusts_one.send(get(second.secure_url("/")))?, &[FailureKind::Tls], Far::Nothing)?;
        must_fail(trusts_two.send(get(first.secure_url("/")))?, &[FailureKind::Tls], Far::Nothing)?;
    }
    let plain = scene.keeping();
    drop(trusts_one);
    answered(trusts_two.send(get(plain.url("/")))?).map(drop)
}

fn many_callers(scene: &Scene) -> Check {
    let server = scene.serve(|peer| {
        while let Some(request) = peer.request() {
            let path = request.target();
            peer.say(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{path}", path.len()));
        }
    });
    let client = scene.client()?;
    let backend = Arc::clone(&client.backend);
    let outcomes: Vec<Check> = thread::scope(|scope| {
        let caller = |number: usize| {
            let (backend, server) = (&backend, &server);
            move || -> Check {
                for round in 0..20 {
                    let path = format!("/{number}-{round}");
                    scene.count_send();
                    let answer =
                        answered(scene.drive(backend.send(post(server.url(&path), "a=b"), scene.limits())))?;
                    insist(answer.body() == &path, || format!("{path} got {:?}", answer.body()))?;
                }
                Ok(())
            }
        };
        let callers: Vec<_> = (0..32).map(|number| scope.spawn(caller(number))).collect();
        callers.into_iter().map(|caller| caller.join().expect("no panic")).collect()
    });
    rows(outcomes, |outcome| outcome)
}

fn sleeping(scene: &Scene) -> Check {
    let client = scene.client()?;
    for time in [Duration::ZERO, millis(30)] {
        let before = client.backend.now();
        scene.drive(client.backend.sleep(time));
        let slept = client.backend.now().duration_since(before).unwrap_or_default();
        let is_right = time <= slept + millis(1) && slept < time + millis(5_000);
        ensure(is_right, "the length of a sleep", || format!("{slept:?} in place of {time:?}"))?;
    }
    Ok(())
}

fn tasks(scene: &Scene) -> Check {
    let client = scene.client()?;
    let (done, ran) = mpsc::channel();
    let task = Box::pin(async move { done.send(()).expect("the case waits") });
    let backend = Arc::clone(&client.backend);
    let outcome = scene.drive(async { backend.spawn(task) });
    if let Err(task) = outcome {
        // It has no executor, and says so.
        scene.drive(task);
    }
    ensure(ran.recv_timeout(millis(5_000)).is_ok(), "a task", || "it did not run".to_owned())
}

/// What `select` cannot take, and a margin.
const FILES: usize = 1_100;

fn more_than_1024_open_files(scene: &Scene) -> Check {
    raise_limit();
    let server = scene.keeping();
    let client = scene.client()?;
    answered(client.send(get(server.url("/")))?)?;
    let files: Result<Vec<_>, _> = (0..FILES).map(|_| File::open(file_to_open())).collect();
    let files = files.map_err(|error| {
        let text =
            format!("{error}: this process may not open {FILES} files; raise its limit (`ulimit -n 4096`)");
        Trouble::one(crate::Outcome::Differs("the limit on open files"), text)
    })?;
    // One made before, and one made now.
    for client in [client, scene.client()?] {
        for _ in 0..2 {
            answered(client.send(post(server.url("/"), "a=b"))?)?;
        }
    }
    drop(files);
    Ok(())
}

fn file_to_open() -> std::path::PathBuf {
    std::env::current_exe().expect("a program")
}

/// Shells give programs 1,024 files and let them take more.
#[cfg(unix)]
fn raise_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let wanted = 4 * FILES as u64;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some_and(|current| current < wanted) {
        let current = Some(maximum.map_or(wanted, |maximum| maximum.min(wanted)));
        // If it may not, opening the files says so.
        let _ = setrlimit(Resource::Nofile, Rlimit { current, maximum });
    }
}

#[cfg(not(unix))]
fn raise_limit() {}
