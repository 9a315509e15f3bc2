//! Properties: what holds for whatever is written, read, added up or done in whatever order.

use std::{collections::BTreeSet, time::Duration};

use http::{HeaderMap, HeaderValue, header::WWW_AUTHENTICATE};
use proptest::{
    collection::{btree_map, btree_set, vec},
    prelude::*,
    test_runner::Config,
};
use valetkey_http::{Failure, FailureKind, Phase, Sent};
use valetkey_proto::{
    Call, Event, Flow, Reason, Retry, Step, Timestamp,
    form::{Form, Parameters},
    header::Challenge,
    oauth2::{
        Scope,
        authorization::{AuthorizationRequest, PendingAuthorization},
        client::{ClientId, ClientMetadata},
        server::{Issuer, ServerMetadata},
        token::{Strictness, TokenResponse},
    },
    seal::{SealingKey, SealingKeys},
};

use crate::{
    call::ask,
    transcript::{START, World, answer, json},
};

/// The longest lifetime that is kept, in seconds.
const TEN_YEARS: u64 = 10 * 365 * 24 * 3600;

/// Many cases, and the same ones everywhere: what fails here fails again on the next machine.
fn config() -> Config {
    Config {
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(7),
        ..Config::default()
    }
}

/// A token of RFC 9110 §5.6.2 in lower case.
const TOKEN: &str = "[a-z][a-z0-9!#$%&'*+.^_`|~-]{0,8}";

/// A challenge as it is made up: scheme, token68, parameters, in which `true` asks for a quoted string.
type Made = (String, Option<String>, Vec<(String, (String, bool))>);

fn challenge() -> impl Strategy<Value = Made> {
    let token68 = prop::option::weighted(0.2, "[A-Za-z0-9._~+/-]{1,12}={0,2}");
    let quoted = ("[ -~\u{a1}-\u{2ff}]{0,16}", Just(true));
    let plain = (TOKEN, Just(false));
    let parameters = btree_map(TOKEN, prop_oneof![quoted, plain], 0..6);
    (TOKEN, token68, parameters)
        .prop_map(|(scheme, token68, parameters)| (scheme, token68, parameters.into_iter().collect()))
}

/// Writes a challenge, its names in upper case.
fn write((scheme, token68, parameters): &Made) -> String {
    let parameter = |(name, (value, is_quoted)): &(String, (String, bool))| {
        let value = if *is_quoted {
            format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
        } else {
            value.clone()
        };
        format!("{} = {value}", name.to_ascii_uppercase())
    };
    let rest = match token68 {
        Some(token68) => token68.clone(),
        None => parameters.iter().map(parameter).collect::<Vec<_>>().join(" , "),
    };
    format!("{} {rest}", scheme.to_ascii_uppercase()).trim_end().to_owned()
}

fn timestamp() -> impl Strategy<Value = Timestamp> {
    prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX), -2_i64..2].prop_map(Timestamp::from_millis)
}

fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        any::<u64>().prop_map(Duration::from_millis),
        (any::<u64>(), 0..1_000_000_000_u32).prop_map(|(seconds, nanos)| Duration::new(seconds, nanos)),
        Just(Duration::MAX),
        Just(Duration::ZERO),
    ]
}

fn set(tokens: &[String]) -> BTreeSet<&str> {
    tokens.iter().map(String::as_str).collect()
}

/// How an attempt ends, and which allowance it takes from.
fn failed_attempt() -> impl Strategy<Value = Ending> {
    prop_oneof![
        Just(Ending::Unsent),
        Just(Ending::Maybe),
        Just(Ending::Cut),
        Just(Ending::Go),
        Just(Ending::Busy),
        Just(Ending::BusyIfTold),
    ]
}

#[derive(Clone, Copy, Debug)]
enum Ending {
    Unsent,
    Maybe,
    Cut,
    Go,
    Busy,
    BusyIfTold,
}

impl Ending {
    fn event(self) -> Event {
        let failure = |sent, kind| Event::Failure(Failure::new(sent, kind));
        match self {
            Self::Unsent => failure(Sent::Nothing, FailureKind::Connect),
            Self::Maybe => failure(Sent::Maybe, FailureKind::Timeout(Phase::Head)),
            Self::Cut => failure(Sent::Answered(http::StatusCode::OK), FailureKind::Truncated),
            Self::Go => Event::Go,
            Self::Busy => Event::Response(answer(502, "", "")),
            Self::BusyIfTold => {
                let mut response = answer(503, "", "");
                response.headers_mut().insert("retry-after", HeaderValue::from_static("0"));
                Event::Response(response)
            }
        }
    }

    /// Takes one from the allowance for this; `false` if there is none left.
    fn take(self, left: &mut Retry) -> bool {
        let left = match self {
            Self::Unsent => &mut left.unsent,
            Self::Maybe | Self::Cut | Self::Go => &mut left.maybe,
            Self::Busy => &mut left.busy,
            Self::BusyIfTold => &mut left.busy_if_told,
        };
        let some = *left > 0;
        *left = left.saturating_sub(1);
        some
    }
}

fn retry() -> impl Strategy<Value = Retry> {
    (0..4_u8, 0..4_u8, 0..4_u8, 0..4_u8).prop_map(|(unsent, maybe, busy, busy_if_told)| Retry {
        unsent,
        maybe,
        busy,
        busy_if_told,
    })
}

/// Who seals or opens: issuer, client, key. Few of each, so that both sides are often the same.
fn sealer() -> impl Strategy<Value = (&'static str, &'static str, u8)> {
    let issuer =
        prop::sample::select(vec!["https://as.example", "https://as.example/", "https://as.example/a"]);
    // Names that would run into the issuer if nothing stood between the two.
    let client = prop::sample::select(vec!["a", "/", "/a", "client"]);
    (issuer, client, 0..3_u8)
}

fn pending(issuer: &str, client: &str) -> PendingAuthorization {
    let server = ServerMetadata::new(Issuer::parse(issuer).unwrap());
    let server = server.with_authorization_endpoint("https://as.example/authorize").unwrap();
    let client = ClientMetadata::new(client).unwrap().with_redirect_uri("https://app.example/cb").unwrap();
    AuthorizationRequest::new(&server, &client).unwrap().start(&World::new().env()).unwrap().1
}

fn token_response(expires_in: &str) -> valetkey_proto::Result<TokenResponse> {
    let body = format!(r#"{{"access_token":"a","token_type":"Bearer","expires_in":{expires_in}}}"#);
    TokenResponse::parse(&json(200, &body), START, Strictness::Lenient)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_form_is_read_as_it_was_written(pairs in btree_map(any::<String>(), ".{1,20}", 0..20)) {
        let mut form = Form::new();
        for (name, value) in &pairs {
            form.push(name, value);
        }
        let read = Parameters::parse(form.expose()).unwrap();
        let expected: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        prop_assert_eq!(read.iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn challenges_are_read_as_they_were_written(made in vec(challenge(), 1..6), commas in "[ \t]?,[ ,]{0,3}") {
        let field = made.iter().map(write).collect::<Vec<_>>().join(&commas);
        let value = HeaderValue::from_bytes(field.as_bytes()).unwrap();
        let read = Challenge::parse_all(&HeaderMap::from_iter([(WWW_AUTHENTICATE, value)])).unwrap();
        prop_assert_eq!(read.len(), made.len());
        for (challenge, (scheme, token68, parameters)) in read.iter().zip(&made) {
            prop_assert_eq!(challenge.scheme(), scheme.as_str());
            prop_assert_eq!(challenge.token68(), token68.as_deref());
            let parameters = parameters.iter().filter(|_| token68.is_none());
            let expected: Vec<_> =
                parameters.map(|(name, (value, _))| (name.as_str(), value.as_str())).collect();
            prop_assert_eq!(challenge.parameters().collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn times_saturate_and_stay_in_order(a in timestamp(), b in timestamp(), long in duration(), more in duration()) {
        prop_assert!(a + long >= a && a - long <= a);
        prop_assert!(a.min(b) + long <= a.max(b) + long && a.min(b) - long <= a.max(b) - long);
        let (short, long) = (long.min(more), long.max(more));
        prop_assert!(a + short <= a + long && a - short >= a - long);
        prop_assert_eq!(a.min(b) - a.max(b), Duration::ZERO);
        // The time between two is what must be added, as far as the type can hold it.
        let between = a.max(b) - a.min(b);
        prop_assert!(a.min(b) + between <= a.max(b));
        prop_assert!(a.min(b) + between == a.max(b) || between == Duration::from_millis(i64::MAX as u64));
        prop_assert!(Timestamp::from_secs(a.as_secs()) <= a);
    }

    #[test]
    fn scopes_are_sets(one in vec("[a-c!#~]{1,2}", 0..5), other in vec("[a-c!#~]{1,2}", 0..5), blanks in " {1,3}") {
        let scope = |tokens: &[String], blanks: &str| Scope::parse(&tokens.join(blanks)).unwrap();
        prop_assert_eq!(scope(&one, " ") == scope(&other, &blanks), set(&one) == set(&other));
        let reversed: Vec<_> = one.iter().rev().cloned().collect();
        prop_assert_eq!(scope(&one, &blanks), scope(&reversed, " "));
        prop_assert!(one.iter().all(|token| scope(&one, " ").contains(token)));
    }

    #[test]
    fn a_call_keeps_to_its_allowances(retry in retry(), endings in vec(failed_attempt(), 20)) {
        let mut world = World::new();
        let mut call = Call::anonymous(ask(retry));
        let (mut left, mut event, mut sent) = (retry, Event::Go, 0);
        let mut endings = endings.into_iter();
        loop {
            match call.step(event, &world.env()) {
                Ok(Step::Send(..)) => {
                    sent += 1;
                    let Some(ending) = endings.next() else { break };
                    event = ending.event();
                    let may_go_on = ending.take(&mut left);
                    let step = call.step(event, &world.env());
                    // It may give up earlier, if waiting would take too long, and never later.
                    prop_assert!(may_go_on || step.is_err(), "after {} attempts: {:?}", sent, ending);
                    match step {
                        Ok(Step::Wait(time)) => world.now = world.now + time,
                        Err(_) => break,
                        step => return Err(TestCaseError::fail(format!("{step:?}"))),
                    }
                    event = Event::Go;
                }
                step => return Err(TestCaseError::fail(format!("{step:?}"))),
            }
        }
        let allowed = [retry.unsent, retry.maybe, retry.busy, retry.busy_if_told];
        prop_assert!(sent <= 1 + allowed.into_iter().map(u32::from).sum::<u32>());
    }

    #[test]
    fn a_sealed_sign_in_opens_for_its_own_alone(
        by in sealer(),
        opener in sealer(),
        former in btree_set(0..3_u8, 0..3),
    ) {
        let world = World::new();
        let keys = |key| SealingKeys::new(SealingKey::new([key; 32]));
        let sealed = pending(by.0, by.1).seal(&keys(by.2), &world.env()).unwrap();
        let ring = former.iter().fold(keys(opener.2), |ring, &key| ring.with_former(SealingKey::new([key; 32])));
        let (issuer, client) = (Issuer::parse(opener.0).unwrap(), ClientId::parse(opener.1).unwrap());
        let opened = PendingAuthorization::open(sealed.expose(), &issuer, &client, &ring, &world.env());
        let has_key = opener.2 == by.2 || former.contains(&by.2);
        match opened {
            Ok(pending) => {
                prop_assert!(has_key && (opener.0, opener.1) == (by.0, by.1));
                prop_assert_eq!(pending.issuer(), &issuer);
            }
            Err(error) => {
                prop_assert!(!has_key || (opener.0, opener.1) != (by.0, by.1));
                prop_assert_eq!(error.reason(), Reason::SealBroken);
            }
        }
    }

    #[test]
    fn no_lifetime_is_longer_than_ten_years(
        number in prop_oneof![
            any::<f64>().prop_filter("JSON has no others", |number| number.is_finite()).prop_map(|it| format!("{it:?}")),
            any::<i128>().prop_map(|number| number.to_string()),
            any::<u64>().prop_map(|number| number.to_string()),
            "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,2})?",
        ],
    ) {
        for text in [number.clone(), format!("\"{number}\"")] {
            let tokens = token_response(&text).unwrap();
            prop_assert!(tokens.lifetime().is_some_and(|it| it <= Duration::from_secs(TEN_YEARS)), "{}", text);
            prop_assert!(tokens.expires_at().is_some_and(|time| time >= START), "{}", text);
        }
    }

    #[test]
    fn a_lifetime_of_whole_seconds_is_kept(seconds in 0..=TEN_YEARS) {
        for text in [format!("{seconds}"), format!("\"{seconds}\""), format!("{seconds}.0"), format!("{seconds}.9")] {
            let lifetime = token_response(&text).unwrap().lifetime();
            prop_assert_eq!(lifetime, Some(Duration::from_secs(seconds)), "{}", text);
        }
    }

    #[test]
    fn a_lifetime_in_any_text_is_harmless(text in any::<String>()) {
        let text = serde_json::to_string(&text).unwrap();
        let lifetime = token_response(&text).unwrap().lifetime();
        prop_assert!(lifetime.is_none_or(|it| it <= Duration::from_secs(TEN_YEARS)));
    }
}
