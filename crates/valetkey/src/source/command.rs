//! A token that another program prints.
//!
//! ```text
//!   asker ◀── oneshot ── worker ── spawn, wait, kill ──▶ the command
//!                           ▲                                │ stdout
//!                           ╰───────── reader ◀──────────────╯
//! ```
//!
//! The reader may be stuck as long as anything holds the command's output open; the worker is not.

use std::{
    ffi::{OsStr, OsString},
    fmt,
    process::{self, Child, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use async_trait::async_trait;
use valetkey_proto::{
    Result,
    oauth2::grant::{TokenTypeIdentifier, TypedToken},
};
use zeroize::Zeroizing;

use super::{MAX, Reading, TokenSource, failed, on_thread, read_all, reading};
use crate::Runtime;

/// A program that prints a token, run anew for every exchange, on a thread of its own.
///
/// It is started by its arguments, without a shell, with nothing to read, and what it says to its error stream goes
/// nowhere. It prints the token alone, or a JSON object: the token is then the `id_token`, or the member that
/// [`json`](Self::json) names. It has 30 seconds, and may print 64 KiB.
///
/// ```
/// use std::time::Duration;
/// use valetkey::source::Command;
///
/// let source = Command::new("cloud-cli")
///     .args(["auth", "print-identity-token", "--audiences=https://as.example"])
///     .deadline(Duration::from_secs(5));
/// # let _ = source;
/// ```
///
/// # Security
///
/// The program is found by `PATH` unless it is named by a whole path. Its arguments can be seen by others on the
/// machine, and stand in `Debug`: put no secret there.
#[derive(Clone, Debug)]
pub struct Command {
    program: OsString,
    arguments: Vec<OsString>,
    deadline: Duration,
    reading: Reading,
}

/// How long a command may take.
const DEADLINE: Duration = Duration::from_secs(30);
/// How long it may live on once it has closed its output.
const AFTERLIFE: Duration = Duration::from_secs(5);
/// How often it is looked at meanwhile.
const GLANCE: Duration = Duration::from_millis(10);
/// Where the token is in JSON if the program does not say.
const MEMBER: &str = "id_token";

reading!(Command);

impl Command {
    /// This program, without arguments, whose token is a JWT.
    #[must_use]
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            arguments: Vec::new(),
            deadline: DEADLINE,
            reading: Reading::plain(TokenTypeIdentifier::Jwt),
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// How long it may take, in place of 30 seconds, by the system's clock.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    fn run(&self) -> Result<TypedToken> {
        let mut command = process::Command::new(&self.program);
        command.args(&self.arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = Killed(command.spawn().map_err(|error| failed(self, &error.kind()))?);
        let output = read(&mut child.0, self.deadline).map_err(|cause| failed(self, &cause))?;
        // One that prints too much may never end.
        let status = if output.len() > MAX { None } else { Some(child.ended()) };
        match status.map(|status| status.ok_or("it closed its output and did not end")) {
            Some(Err(cause)) => return Err(failed(self, &cause)),
            Some(Ok(status)) if !status.success() => return Err(failed(self, &status)),
            Some(Ok(_)) | None => {}
        }
        let mut reading = self.reading.clone();
        if reading.member.is_none() && output.trim_ascii_start().starts_with(b"{") {
            reading.member = Some(MEMBER.to_owned());
        }
        reading.token(self, &output)
    }
}

/// All that a command prints, or one byte more than it may; or why not.
fn read(child: &mut Child, deadline: Duration) -> Result<Zeroizing<Vec<u8>>, String> {
    let stdout = child.stdout.take().ok_or("no output")?;
    let (sender, receiver) = mpsc::channel();
    // The worker may have given up.
    let reader = move || drop(sender.send(read_all(stdout)));
    let thread = thread::Builder::new().name("token source".to_owned());
    thread.spawn(reader).map_err(|error| error.kind().to_string())?;
    match receiver.recv_timeout(deadline) {
        Ok(Ok(output)) => Ok(output),
        Ok(Err(error)) => Err(error.kind().to_string()),
        Err(_) => Err(format!("it took longer than {deadline:?}")),
    }
}

/// A process that does not outlive its being asked.
struct Killed(Child);

impl Killed {
    /// How it ended, if it did soon.
    fn ended(&mut self) -> Option<ExitStatus> {
        for _ in 0..AFTERLIFE.as_millis() / GLANCE.as_millis() {
            if let Ok(Some(status)) = self.0.try_wait() {
                return Some(status);
            }
            thread::park_timeout(GLANCE);
        }
        None
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        // Both fail if it has ended, which is as well.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "command {:?}", self.program)
    }
}

#[async_trait]
impl TokenSource for Command {
    async fn token(&self, _: &Runtime) -> Result<TypedToken> {
        let command = self.clone();
        on_thread(self, move || command.run()).await
    }
}
