//! Where tokens come from: files, commands, variables and GitHub Actions, good ones and bad ones.

use std::{
    fs,
    path::PathBuf,
    process,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use valetkey::{
    Client, Error, ErrorKind, Reason, Runtime,
    oauth2::grant::{TokenTypeIdentifier, TypedToken},
    secret::Secret,
    source::{Command, File, GitHubActions, TokenSource, Variable},
};
use valetkey_http::{Response, backend_fn};
use valetkey_testkit::{Grant, Provider, RegisteredClient, block_on};

fn runtime() -> Runtime {
    Runtime::new(Provider::new())
}

fn token(source: impl TokenSource) -> valetkey::Result<TypedToken> {
    block_on(source.token(&runtime()))
}

#[track_caller]
fn text(source: impl TokenSource) -> String {
    token(source).unwrap().expose().to_owned()
}

/// The error of a source that gives nothing, which names it and says nothing of what it gave.
#[track_caller]
fn refused(source: impl TokenSource, name: &str, cause: &str) -> Error {
    let error = token(source).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Store, Reason::SourceFailed), "{error}");
    let said = error.to_string();
    assert!(said.contains(name) && said.contains(cause), "{said}");
    assert!(!format!("{said} {error:?}").contains("canary"), "{said}");
    error
}

/// A folder that is gone with the value.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("valetkey-source-{}-{number}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join("token");
        fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_file_is_read_anew_every_time() {
    let folder = Folder::new();
    let provider = Provider::builder()
        .client(RegisteredClient::confidential("pod", "s3cret").grants([Grant::TokenExchange]))
        .outside_token("first.e30.c2ln", "pod-1")
        .outside_token("second.e30.c2ln", "pod-2")
        .build();
    let builder = Client::builder(provider.clone()).discover(&provider.issuer()).id("pod").secret("s3cret");
    let client = block_on(builder.api(&provider.issuer()).build()).unwrap();
    let session = client.exchange(File::new(folder.write("first.e30.c2ln\n"))).session().unwrap();
    let me = || {
        let request = http::Request::get(provider.api("me")).body(Bytes::new()).unwrap();
        let response = block_on(session.send(request)).unwrap();
        String::from_utf8_lossy(response.body()).into_owned()
    };
    assert!(me().contains("pod-1"));
    folder.write("second.e30.c2ln");
    block_on(session.refresh()).unwrap();
    assert!(me().contains("pod-2"));
    // A file that is gone for a moment does not take a good token along.
    fs::remove_file(folder.0.join("token")).unwrap();
    assert_eq!(block_on(session.refresh()).unwrap_err().reason(), Reason::SourceFailed);
    assert!(me().contains("pod-2"));
}

#[test]
fn a_file_may_be_of_any_type_or_hold_json() {
    let folder = Folder::new();
    let path = folder.write(r#"{"access_token":"t0ken","other":1}"#);
    let file = File::new(&path).json("access_token").token_type(TokenTypeIdentifier::AccessToken);
    let read = token(file).unwrap();
    assert_eq!((read.expose(), read.token_type()), ("t0ken", &TokenTypeIdentifier::AccessToken));
    // A symbolic link is followed: Kubernetes changes tokens by another link.
    #[cfg(unix)]
    {
        let link = folder.0.join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(text(File::new(&link).json("access_token")), "t0ken");
    }
    if !std::path::Path::new("/var/run/secrets/kubernetes.io").exists() {
        refused(File::kubernetes(), "/var/run/secrets/kubernetes.io/serviceaccount/token", "not found");
    }
}

#[test]
fn s_tx_02_a_file_that_is_none_is_named_and_not_quoted() {
    let folder = Folder::new();
    let path = || folder.0.join("token");
    refused(File::new(path()), "token\"", "not found");
    for (content, cause) in [
        (&b""[..], "no token"),
        (b" \r\n\t\n", "no token"),
        (b"canary\xff\xfe", "not UTF-8"),
        (b"canary canary", "no token"),
        (b"canary\ncanary", "no token"),
        (b"canary\0", "no token"),
    ] {
        refused(File::new(folder.write(content)), "file ", cause);
    }
    refused(File::new(folder.write("c".repeat((64 << 10) + 1))), "file ", "larger than 64 KiB");
    assert_eq!(text(File::new(folder.write("c".repeat(64 << 10)))).len(), 64 << 10);
    refused(File::new(&folder.0), "file ", "not a regular file");
    for (content, cause) in
        [(&br#"{"x":"canary"}"#[..], "no token in it"), (br#"{"t":"canary"#, "is no token")]
    {
        refused(File::new(folder.write(content)).json("t"), "file ", cause);
    }
    #[cfg(unix)]
    {
        // What would hang, or never end.
        refused(File::new("/dev/zero"), "/dev/zero", "not a regular file");
        let pipe = folder.0.join("pipe");
        let made = process::Command::new("mkfifo").arg(&pipe).status().is_ok_and(|status| status.success());
        assert!(made, "mkfifo is there");
        refused(File::new(&pipe), "pipe", "not a regular file");
    }
}

#[test]
fn a_variable_is_read_or_named() {
    // cargo sets it for its tests.
    assert_eq!(text(Variable::new("CARGO_PKG_NAME")), "valetkey");
    let typed = token(Variable::new("CARGO_PKG_NAME").token_type(TokenTypeIdentifier::IdToken)).unwrap();
    assert_eq!(*typed.token_type(), TokenTypeIdentifier::IdToken);
    refused(Variable::new("VALETKEY_NOT_SET"), "VALETKEY_NOT_SET", "not set");
    // Words, and so no token.
    refused(Variable::new("CARGO_PKG_DESCRIPTION"), "CARGO_PKG_DESCRIPTION", "no token");
    refused(Variable::new("CARGO_PKG_NAME").json("t"), "CARGO_PKG_NAME", "no token");
}

#[cfg(unix)]
mod commands {
    use super::*;

    fn shell(script: &str) -> Command {
        Command::new("sh").args(["-c", script])
    }

    #[test]
    fn a_command_prints_a_token_or_json() {
        assert_eq!(text(shell("echo ' t0ken '")), "t0ken");
        assert_eq!(
            text(Command::new("printf").args(["%s", "a b;$(id)`id`"].map(|text| text.replace(' ', "_")))),
            "a_b;$(id)`id`"
        );
        assert_eq!(text(shell(r#"echo '{"version":1,"success":true,"id_token":"t0ken"}'"#)), "t0ken");
        assert_eq!(text(shell(r#"echo '{"accessToken":"t0ken"}'"#).json("accessToken")), "t0ken");
        assert_eq!(text(shell("printf %65536d 7 | tr ' ' x")).len(), 64 << 10);
        // What it says besides goes nowhere, and it has nothing to read.
        assert_eq!(text(shell("echo canary >&2; cat; echo t0ken")), "t0ken");
    }

    #[test]
    fn s_tx_02_a_command_that_gives_none_is_named_and_not_quoted() {
        refused(Command::new("valetkey-no-such-program"), "valetkey-no-such-program", "not found");
        refused(Command::new("/"), "command \"/\"", "");
        refused(shell("echo canary; exit 3"), "command \"sh\"", "exit status: 3");
        refused(shell("echo canary; kill -9 $$"), "sh", "signal: 9");
        refused(shell("true"), "sh", "no token");
        refused(shell(r"printf '\377\376canary'"), "sh", "not UTF-8");
        refused(shell("echo canary canary"), "sh", "is no token");
        refused(shell(r#"echo '{"success":false,"message":"canary"}'"#), "sh", "no token in it");
        refused(shell(r#"echo '{"id_token":["canary"]}'"#), "sh", "is no token");
        // Its arguments may hold what nobody should see, and are not said either.
        refused(shell("exit 1 # canary"), "sh", "exit status: 1");
    }

    #[test]
    fn a_command_that_hangs_or_never_stops_printing_is_ended() {
        let folder = Folder::new();
        let mark = folder.0.join("alive");
        let slow = Duration::from_millis(200);
        refused(shell("exec sleep 60").deadline(slow), "sh", "longer than 200ms");
        // One that prints without end is stopped after 64 KiB.
        refused(shell("exec yes canary"), "sh", "larger than 64 KiB");
        refused(shell("exec head -c 1000000000 /dev/zero"), "sh", "larger than 64 KiB");
        // What it leaves behind with its output does not hold anybody up.
        refused(shell("sleep 5 & echo canary").deadline(slow), "sh", "longer than 200ms");
        // It is killed, and not left running.
        let script = format!("exec 1>&2; sleep 1; touch {}", mark.display());
        let script = format!("sleep 1; touch {}; {script}", mark.display());
        refused(Command::new("sh").args(["-c", &script]).deadline(slow), "sh", "longer than 200ms");
        refused(shell("exec sleep 2").deadline(Duration::from_millis(1500)), "sh", "longer");
        assert!(!mark.exists(), "the shell did not live on");
    }

    #[test]
    fn an_executor_is_not_held_up_by_a_command() {
        let runtime = runtime();
        let sources: Vec<_> = (0..8).map(|_| shell("sleep 0.3; echo t0ken")).collect();
        let began = std::thread::spawn(|| block_on(shell("sleep 2; echo t0ken").token(&self::runtime())));
        let all = futures_util::future::join_all(sources.iter().map(|source| source.token(&runtime)));
        assert!(block_on(all).into_iter().all(|token| token.is_ok()));
        // Eight that wait on one thread are done before one that takes two seconds: they waited together.
        assert!(!began.is_finished());
        assert!(began.join().unwrap().is_ok());
    }
}

#[test]
fn github_actions_is_asked_by_the_clients_backend() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&seen);
    let backend = backend_fn(move |request: valetkey_http::Request, _| {
        let authorization = request.headers()["authorization"].to_str().unwrap().to_owned();
        heard.lock().unwrap().push((request.uri().to_string(), authorization));
        async { Ok(Response::new(Bytes::from_static(br#"{"count":7,"value":"eyJhbGciOi.e30.c2ln"}"#))) }
    });
    let runtime = Runtime::new(backend);
    let source =
        GitHubActions::new("https://run.example/t?v=2", Secret::new("canary")).audience("https://as.example");
    assert!(!format!("{source:?}").contains("canary"));
    let token = block_on(source.token(&runtime)).unwrap();
    assert_eq!((token.expose(), token.token_type()), ("eyJhbGciOi.e30.c2ln", &TokenTypeIdentifier::IdToken));
    let expected = "https://run.example/t?v=2&audience=https%3A%2F%2Fas.example";
    assert_eq!(*seen.lock().unwrap(), [(expected.to_owned(), "Bearer canary".to_owned())]);

    let plain = GitHubActions::new("http://run.example/t", Secret::new("canary"));
    let error = block_on(plain.token(&runtime)).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::InsecureUrl));
    refused(
        GitHubActions::new("https://run.example/t", Secret::new("can ary")),
        "GitHub Actions",
        "no token",
    );
    assert_eq!(seen.lock().unwrap().len(), 1, "nothing else was sent");
}

#[test]
fn outside_of_github_actions_its_environment_is_missed() {
    if std::env::var_os("ACTIONS_ID_TOKEN_REQUEST_URL").is_none() {
        let error = GitHubActions::from_environment().unwrap_err();
        assert!(
            error.reason() == Reason::SourceFailed
                && error.to_string().contains("ACTIONS_ID_TOKEN_REQUEST_URL")
        );
    }
}
