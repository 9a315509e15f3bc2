//! The suite finds what it looks for: backends with one flaw each, and the case that tells.

mod plain;

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_channel::oneshot;
use plain::Plain;
use valetkey_backend_suite::{Exception, Outcome, Setup, Subject, check};
use valetkey_http::{
    Addresses, Backend, BoxError, Failure, FailureKind, Limits, Request, Response, Sent, Unframed, block_on,
};

/// What is wrong with a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    SendsAgain,
    SendsTwice,
    SaysNothingWasSent,
    FollowsRedirects,
    RemovesTheMark,
    Decodes,
    AsksForCompression,
    EscapesQuotes,
    LeavesOutRepetitions,
    LeavesOutBodies,
    IgnoresCaps,
    IgnoresDeadlines,
    GoesAnywhere,
    PrintsTheUrl,
    AnswersAnother,
    RunsOnWhenDropped,
    Panics,
    NeverSleeps,
    LosesTasks,
    HidesInterimAnswers,
    MeansOk,
}

/// A backend with a flaw, which is also how it is made.
#[derive(Clone)]
struct Flawed {
    flaw: Flaw,
    last: Arc<Mutex<Option<Response>>>,
}

impl Subject for Flawed {
    fn name(&self) -> &str {
        "flawed"
    }

    fn backend(&self, _: &Setup) -> Result<Arc<dyn Backend>, BoxError> {
        Ok(Arc::new(self.clone()))
    }
}

#[async_trait]
impl Backend for Flawed {
    async fn send(&self, mut request: Request, mut limits: Limits) -> Result<Response, Failure> {
        self.spoil(&mut request, &mut limits);
        let again = request.clone();
        let outcome = match self.flaw {
            Flaw::RunsOnWhenDropped => run_on(request, limits).await,
            _ => Plain.send(request, limits).await,
        };
        match (self.flaw, outcome) {
            (Flaw::SendsTwice, _) => Plain.send(again, limits).await,
            (Flaw::SendsAgain, Err(_)) => Plain.send(again, limits).await,
            (Flaw::SaysNothingWasSent, Err(failure)) => Err(failure.with_sent(Sent::Nothing)),
            (Flaw::PrintsTheUrl, Err(failure)) => Err(failure.with_source(again.uri().to_string())),
            (Flaw::Panics, Ok(response)) if response.status() == 520 => panic!("unknown status"),
            (Flaw::FollowsRedirects, Ok(response)) => self.follow(response, again, limits).await,
            (Flaw::MeansOk, Ok(mut response)) => {
                *response.status_mut() = http::StatusCode::OK;
                Ok(response)
            }
            (_, outcome) => outcome.map(|response| self.twist(response)),
        }
    }

    async fn sleep(&self, time: Duration) {
        if self.flaw != Flaw::NeverSleeps {
            Plain.sleep(time).await;
        }
    }

    fn spawn(&self, task: valetkey_http::Task) -> Result<(), valetkey_http::Task> {
        if self.flaw == Flaw::LosesTasks { Ok(()) } else { Err(task) }
    }
}

impl Flawed {
    fn spoil(&self, request: &mut Request, limits: &mut Limits) {
        match self.flaw {
            Flaw::AsksForCompression => {
                request.headers_mut().insert("accept-encoding", http::HeaderValue::from_static("gzip"));
            }
            Flaw::EscapesQuotes => {
                let escaped = request.uri().to_string().replace('\'', "%27");
                *request.uri_mut() = escaped.parse().expect("a URI");
            }
            Flaw::LeavesOutRepetitions => {
                let firsts: Vec<_> = request.headers().keys().cloned().collect();
                for name in firsts {
                    let value = request.headers()[&name].clone();
                    request.headers_mut().insert(name, value);
                }
            }
            Flaw::LeavesOutBodies => *request.body_mut() = Bytes::new(),
            Flaw::IgnoresCaps => (limits.body_bytes, limits.head_bytes) = (1 << 30, 1 << 30),
            Flaw::GoesAnywhere => limits.addresses = Addresses::Any,
            Flaw::IgnoresDeadlines => {
                let long = Duration::from_secs(1);
                (limits.head, limits.idle, limits.total) = (long, long, 3 * long);
            }
            _ => {}
        }
    }

    fn twist(&self, mut response: Response) -> Response {
        match self.flaw {
            Flaw::RemovesTheMark => {
                response.extensions_mut().remove::<Unframed>();
            }
            Flaw::Decodes if response.headers().contains_key("content-encoding") => {
                response.headers_mut().remove("content-encoding");
                *response.body_mut() = Bytes::from_static(b"hello");
            }
            Flaw::HidesInterimAnswers => {
                response.headers_mut().insert("link", http::HeaderValue::from_static("<x>"));
            }
            Flaw::AnswersAnother => {
                let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
                let answer = last.take().unwrap_or_else(|| response.clone());
                *last = Some(response);
                return answer;
            }
            _ => {}
        }
        response
    }

    async fn follow(
        &self,
        response: Response,
        mut request: Request,
        limits: Limits,
    ) -> Result<Response, Failure> {
        let place = response.headers().get("location").and_then(|value| value.to_str().ok()?.parse().ok());
        let place = place.filter(|place: &http::Uri| place.scheme().is_some());
        match place {
            Some(place) if response.status().is_redirection() => {
                *request.uri_mut() = place;
                Plain.send(request, limits).await
            }
            _ => Ok(response),
        }
    }
}

/// On a thread that does not care whether anybody waits for the answer.
async fn run_on(request: Request, limits: Limits) -> Result<Response, Failure> {
    let (tell, told) = oneshot::channel();
    thread::spawn(move || drop(tell.send(block_on(Plain.send(request, limits)))));
    told.await.unwrap_or_else(|_| Err(Failure::new(Sent::Maybe, FailureKind::Other)))
}

fn found(flaw: Flaw, case: &str) -> String {
    match check(Flawed { flaw, last: Arc::default() }, case) {
        Ok(()) => "nothing".to_owned(),
        Err(complaint) => complaint,
    }
}

#[test]
fn each_flaw_is_found() {
    let never = "nothing excuses";
    let table = [
        (Flaw::SendsAgain, "closing::s_tk_18_after_the_request_was_read", never),
        (Flaw::SendsAgain, "framing::a_head_cut_anywhere", never),
        (Flaw::SendsTwice, "sending::a_post_with_an_empty_body", never),
        (Flaw::SaysNothingWasSent, "closing::s_tk_18_after_the_request_was_read", never),
        (Flaw::FollowsRedirects, "redirects::s_net_03_redirects_are_answers", never),
        (Flaw::AnswersAnother, "together::many_callers", never),
        (Flaw::AnswersAnother, "cancelling::at_each_poll", never),
        (Flaw::AnswersAnother, "reusing::bytes_after_an_answer", never),
        (Flaw::Panics, "answers::every_other_status", "panicked"),
        (Flaw::RemovesTheMark, "framing::http_1_1_without_a_length", "mark"),
        (Flaw::Decodes, "answers::compressed_bodies_are_not_decoded", "compressed"),
        (Flaw::AsksForCompression, "sending::nothing_is_added", "nobody gave"),
        (Flaw::EscapesQuotes, "sending::the_bytes_of_the_uri", "%27"),
        (Flaw::LeavesOutRepetitions, "sending::repeated_fields", "repeated"),
        (Flaw::LeavesOutBodies, "sending::bodies", "length of a body"),
        (Flaw::IgnoresCaps, "limits::a_body_up_to_its_cap", "beyond its cap"),
        (Flaw::IgnoresCaps, "limits::s_net_04_heads_are_capped", "beyond its cap"),
        (Flaw::IgnoresDeadlines, "limits::s_net_04_the_total_deadline", "Timeout"),
        (Flaw::GoesAnywhere, "connecting::s_net_10_hosts_inside_are_refused", never),
        (Flaw::PrintsTheUrl, "connecting::errors_show_no_request", "shows a request"),
        (Flaw::RunsOnWhenDropped, "cancelling::closes_the_connection", "stuck"),
        (Flaw::HidesInterimAnswers, "answers::interim_answers", "interim"),
        (Flaw::MeansOk, "answers::every_registered_status", "the status"),
    ];
    for (flaw, case, expected) in table {
        let case = format!("fresh::{case}");
        let told = found(flaw, &case);
        assert!(told.contains(expected), "{flaw:?}, {case}: {told}");
        assert_eq!(found(Flaw::None, &case), "nothing", "{case}");
    }
    assert!(found(Flaw::NeverSleeps, "pooled::together::sleeping").contains("length of a sleep"));
    assert!(found(Flaw::LosesTasks, "pooled::together::tasks").contains("a task"));
}

#[test]
fn a_case_that_does_not_exist_is_not_passed() {
    assert_eq!(found(Flaw::None, "fresh::nonsense"), "there is no case fresh::nonsense");
}

/// Excepted is what does not happen, or not like this.
struct Outdated;

impl Subject for Outdated {
    fn name(&self) -> &str {
        "outdated"
    }

    fn backend(&self, _: &Setup) -> Result<Arc<dyn Backend>, BoxError> {
        Ok(Arc::new(Flawed { flaw: Flaw::MeansOk, last: Arc::default() }))
    }

    fn exceptions(&self) -> &[Exception] {
        static EXCEPTIONS: [Exception; 3] = [
            Exception { case: "sending::methods", what: Outcome::Unsupported, why: "it was so once" },
            Exception {
                case: "fresh::answers::every_registered_status",
                what: Outcome::Differs("the status"),
                why: "it means well",
            },
            Exception {
                case: "pooled::answers::every_registered_status",
                what: Outcome::Fails(FailureKind::Protocol, Sent::Maybe),
                why: "it is not so",
            },
        ];
        &EXCEPTIONS
    }
}

#[test]
fn an_exception_holds_for_what_it_says_and_no_longer() {
    let check = |case| check(Outdated, case);
    let told = check("fresh::sending::methods").unwrap_err();
    assert!(told.contains("out of date") && told.contains("it was so once"), "{told}");
    assert_eq!(check("fresh::answers::every_registered_status"), Ok(()));
    let told = check("pooled::answers::every_registered_status").unwrap_err();
    assert!(told.contains("out of date") && told.contains("Differs(\"the status\")"), "{told}");
    assert!(check("fresh::answers::every_other_status").is_err(), "nothing is excepted there");
}
