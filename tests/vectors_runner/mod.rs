//! The runner: reads cases, hands each to the code of its area, compares, and keeps the score.
//!
//! ```text
//!   folders ──▶ Case ──▶ runner of the area ──▶ Checks or Stop ──▶ judge (todo list) ──▶ Report
//! ```

mod authorization_response;
mod case;
mod check;
mod client_authentication;
mod dpop;
mod id_token;
mod jwk_thumbprint;
mod jws;
mod jws_wycheproof;
mod oauth1;
mod oidc_hashes;
mod pkce;
mod protocol_messages;
mod report;
mod request;
mod todo;
mod token_response;
mod well_known_url;
mod world;
mod www_authenticate;

use std::{
    any::Any,
    env, panic,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use valetkey_proto::crypto::{CryptoProvider, SignatureAlgorithm};

use self::{
    case::Case,
    check::{Answer, Stop},
    report::{Report, Verdict},
    todo::TodoList,
};

/// The environment variable that names more folders.
const MORE: &str = "VALETKEY_VECTORS";
/// The longest that one case may take. Generous: it tells a hang or quadratic work, not slowness.
const LONGEST: Duration = Duration::from_secs(5);

/// What answers a case of one area.
#[derive(Clone, Copy)]
enum Runner {
    Once(fn(&Case) -> Answer),
    /// With every provider of cryptography that has what the case needs.
    Each(fn(&Case, CryptoProvider) -> Answer),
}

impl Runner {
    fn answer(self, case: &Case) -> Answer {
        let run = match self {
            Self::Once(run) => return run(case),
            Self::Each(run) => run,
        };
        // P-521 is AWS-LC's alone.
        let needs_p521 = *jws::algorithms(case) == [SignatureAlgorithm::Es512];
        let ring = (!needs_p521).then(CryptoProvider::ring);
        let mut differences = Vec::new();
        for crypto in ring.into_iter().chain([valetkey_aws_lc::provider()]) {
            differences.extend(run(case, crypto)?);
        }
        Ok(differences)
    }
}

/// The areas that have code to answer them.
fn runner(area: &str) -> Option<Runner> {
    use Runner::{Each, Once};
    Some(match area {
        "authorization_response" => Once(authorization_response::run),
        "client_authentication" => Once(client_authentication::run),
        "dpop" => Each(dpop::run),
        "id_token" => Each(id_token::run),
        "jwk_thumbprint" => Each(jwk_thumbprint::run),
        "jws" => Each(jws::run),
        "jws_wycheproof" => Each(jws_wycheproof::run),
        "oauth1_authorization_header" => Once(oauth1::authorization_header),
        "oauth1_base_string_uri" => Once(oauth1::base_string_uri),
        "oauth1_body_hash" => Once(oauth1::body_hash),
        "oauth1_credentials_response" => Once(oauth1::credentials_response),
        "oauth1_normalization" => Once(oauth1::normalization),
        "oauth1_parameter_sources" => Once(oauth1::parameter_sources),
        "oauth1_percent_encoding" => Once(oauth1::percent_encoding),
        "oauth1_sign_primitives" => Once(oauth1::sign_primitives),
        "oauth1_signature" => Once(oauth1::signature),
        "oidc_hashes" => Once(oidc_hashes::run),
        "pkce" => Once(pkce::run),
        "protocol_messages" => Once(protocol_messages::run),
        "token_response" => Once(token_response::run),
        "well_known_url" => Once(well_known_url::run),
        "www_authenticate" => Once(www_authenticate::run),
        _ => return None,
    })
}

/// Runs everything there is.
pub(crate) fn run() -> Report {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let mut report = Report::default();
    let mut folders = vec![own.clone()];
    match env::var_os(MORE) {
        Some(more) => {
            // Cargo runs tests in the folder of their package; people name folders from the workspace's.
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
            let named = env::split_paths(&more).filter(|path| *path != PathBuf::new());
            folders.extend(named.map(|path| root.join(path)));
        }
        None => report.note(format!("{MORE} is not set: only the project's own vectors are run")),
    }
    let cases: Vec<_> = folders.iter().flat_map(|folder| case::read(folder)).map(Arc::new).collect();
    for twice in case::twice(&cases) {
        report.fail(format!("{twice}: more than one case has this id"));
    }
    let todo = TodoList::read(&own.join("todo.txt"));
    for area in todo.areas().filter(|area| runner(area).is_some()) {
        report.fail(format!("{area}: this area has a runner: remove it from the list"));
    }
    // Panics are reported with the case that they belong to.
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    for case in &cases {
        let verdict = judge(case, &todo);
        report.add(case, verdict);
    }
    panic::set_hook(hook);
    if env::var_os(MORE).is_some() {
        for entry in todo.idle(&cases) {
            report.note(format!("todo.txt: no case is meant by `{entry}`"));
        }
    }
    report
}

/// Runs one case and weighs its outcome.
fn judge(case: &Arc<Case>, todo: &TodoList) -> Verdict {
    let Some(runner) = runner(&case.area) else {
        return match todo.entry(case) {
            Some(_) => Verdict::Todo,
            None => Verdict::Failed("nothing answers this area, and it is not in the list".to_owned()),
        };
    };
    let answer = match watched(runner, Arc::clone(case)) {
        Err(how) => return Verdict::Failed(how),
        Ok(answer) => answer,
    };
    let outcome = outcome(case, answer);
    match (todo.entry(case), outcome) {
        (Some(_), Outcome::Unanswered(_) | Outcome::Wrong { .. }) => Verdict::Todo,
        (Some(entry), Outcome::Right) => {
            Verdict::Failed(format!("is answered now: remove `{entry}` from the list"))
        }
        (None, Outcome::Unanswered(what)) => {
            Verdict::Failed(format!("nothing answers it ({what}), and it is not in the list"))
        }
        (None, Outcome::Right) if case.policy => Verdict::Policy(None),
        (None, Outcome::Right) => Verdict::Passed,
        (None, Outcome::Wrong { how, is_grave: false }) if case.policy => Verdict::Policy(Some(how)),
        (None, Outcome::Wrong { how, .. }) => Verdict::Failed(how),
    }
}

/// Runs a case on a thread of its own, so that a panic or a hang costs this case only.
fn watched(runner: Runner, case: Arc<Case>) -> Result<Answer, String> {
    let (sender, receiver) = mpsc::channel();
    let work = thread::spawn(move || {
        let answer = runner.answer(&case);
        // Nobody listens any more if it took too long.
        let _ = sender.send(answer);
    });
    match receiver.recv_timeout(LONGEST) {
        Ok(answer) => Ok(answer),
        // The thread is left behind, and ends with the process.
        Err(RecvTimeoutError::Timeout) => Err(format!("takes more than {} s", LONGEST.as_secs())),
        Err(RecvTimeoutError::Disconnected) => {
            let panicked = work.join().expect_err("only a panic ends it without an answer");
            Err(format!("panicked: {}", panic_text(&*panicked)))
        }
    }
}

enum Outcome {
    Right,
    Wrong { how: String, is_grave: bool },
    Unanswered(String),
}

/// Compares an answer with what the case asks for.
fn outcome(case: &Case, answer: Answer) -> Outcome {
    let wrong = |how| Outcome::Wrong { how, is_grave: false };
    match (answer, &case.reject) {
        (Err(Stop::Unanswered(what)), _) => Outcome::Unanswered(what),
        (Err(Stop::Refused(_)), Some(_)) => Outcome::Right,
        (Err(Stop::Refused(why)), None) => wrong(format!("refused: {why}")),
        (Ok(_), Some(reason)) => wrong(format!("accepted, and must be refused: {reason}")),
        (Ok(differences), None) if differences.is_empty() => Outcome::Right,
        (Ok(differences), None) => Outcome::Wrong {
            is_grave: differences.iter().any(|difference| difference.is_grave),
            how: differences.iter().map(|difference| difference.text.as_str()).collect::<Vec<_>>().join("; "),
        },
    }
}

fn panic_text(panicked: &(dyn Any + Send)) -> &str {
    panicked
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panicked.downcast_ref::<&str>().copied())
        .unwrap_or("with no text")
}
