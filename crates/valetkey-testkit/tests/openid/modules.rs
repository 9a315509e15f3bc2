//! Every module of the conformance suite, run by hand: the provider does what the row says, and a validator
//! judges the tokens as the row says.

use valetkey_http::Backend;
use valetkey_proto::{
    crypto::SignatureAlgorithm,
    jose::jwt::{Expected, Kind},
};
use valetkey_testkit::{
    Effect, Expect, Module, Place, Plan, Provider, ResponseMode, Run, Task, Verdict, modules,
};

use crate::{
    common::*,
    judge::*,
    login::{answered, part},
};

/// What the browser brings, in whatever way.
fn callback(run: &Run, provider: &Provider, more: &[(&str, &str)]) -> String {
    let mut pairs = vec![
        ("scope", "openid profile email address phone"),
        ("nonce", "nonce-1"),
        ("response_type", run.response_type.name()),
        ("response_mode", run.response_mode.name()),
    ];
    pairs.extend(more);
    let url = authorize_url(provider, Module::CLIENT, Module::REDIRECT_URI, &pairs);
    if run.response_mode != ResponseMode::FormPost {
        return provider.visit(url).unwrap();
    }
    let post = provider.posted(url).unwrap();
    format!("{}?{}", post.uri(), String::from_utf8(post.body().to_vec()).unwrap())
}

fn judge<'a>(run: &Run, provider: &'a Provider) -> Judge<'a> {
    let algorithm = match run.module.id_token_alg {
        "ES256" => SignatureAlgorithm::Es256,
        "HS256" => SignatureAlgorithm::Hs256,
        _ => SignatureAlgorithm::Rs256,
    };
    Judge { algorithm, secret: Module::SECRET, ..Judge::new(provider, Module::CLIENT) }
}

/// Signs in, as far as the tokens are good: `Err` says what is wrong with one.
fn sign_in(run: &Run, provider: &Provider) -> Result<(Option<String>, Option<String>, String), Expect> {
    let callback = callback(run, provider, &[]);
    let (code, mut token) = (answered(&callback, "code"), answered(&callback, "access_token"));
    let judge = judge(run, provider);
    let good = |jwt: &str, expected: Expected<'_>| match judge.validate(Kind::IdToken, jwt, &expected) {
        Expect::Accepted => Ok(()),
        rejected => Err(rejected),
    };
    let mut id_token = answered(&callback, "id_token");
    if let Some(id_token) = &id_token {
        let mut expected = Expected::new().nonce("nonce-1").through_browser();
        if let Some(token) = &token {
            expected = expected.access_token(token);
        }
        if let Some(code) = &code {
            expected = expected.code(code);
        }
        good(id_token, expected)?;
    }
    let mut refresh = None;
    if let Some(code) = code {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", CB),
            ("code_verifier", VERIFIER),
        ];
        let tokens = json(&post(provider, "/token", basic(Module::CLIENT, Module::SECRET), &form));
        token = Some(text(&tokens, "access_token"));
        refresh = tokens["refresh_token"].as_str().map(str::to_owned);
        let second = text(&tokens, "id_token");
        good(&second, Expected::new().nonce("nonce-1").access_token(token.as_ref().unwrap()))?;
        id_token = Some(second);
    }
    Ok((token, refresh, id_token.unwrap()))
}

fn user_info(run: &Run, provider: &Provider, token: Option<&str>) -> Option<serde_json::Value> {
    let response = match run.module.task {
        Task::LogInAndPostToken => post(provider, "/userinfo", None, &[("access_token", token?)]),
        _ => get(provider, "https://issuer.test/userinfo", Some(token?)),
    };
    assert_eq!(response.status(), 200, "{run}");
    let body = std::str::from_utf8(response.body()).unwrap();
    Some(if run.module.user_info_alg.is_some() { part(body, 1) } else { serde_json::from_str(body).unwrap() })
}

#[test]
fn every_module_with_a_login_by_each_of_its_ways() {
    let tasks = [
        Task::LogIn,
        Task::LogInTwice,
        Task::LogInForClaims,
        Task::LogInAndPostToken,
        Task::LogInAndFollowClaims,
        Task::Refresh,
    ];
    let is_here = |module: &&Module| tasks.contains(&module.task) && module.verdict.expect().is_some();
    for run in modules().filter(is_here).flat_map(Module::runs) {
        let provider = run.provider().build();
        let outcome = sign_in(&run, &provider).and_then(|signed_in| {
            if run.module.task == Task::LogInTwice {
                provider.rotate_keys();
                return sign_in(&run, &provider);
            }
            Ok(signed_in)
        });
        let outcome = outcome.and_then(|(token, refresh, _)| {
            if run.module.task == Task::Refresh {
                let form = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_deref().unwrap())];
                let tokens = json(&post(&provider, "/token", basic(Module::CLIENT, Module::SECRET), &form));
                let expected = Expected::new().subject("alice");
                let verdict =
                    judge(&run, &provider).validate(Kind::IdToken, &text(&tokens, "id_token"), &expected);
                if verdict != Expect::Accepted {
                    return Err(verdict);
                }
            }
            if let Some(claims) = user_info(&run, &provider, token.as_deref())
                && claims["sub"] != "alice"
            {
                return Err(rejected(
                    valetkey_proto::ErrorKind::Untrusted,
                    valetkey_proto::Reason::SubjectMismatch,
                ));
            }
            Ok(())
        });
        let outcome = outcome.map_or_else(|rejected| rejected, |()| Expect::Accepted);
        assert_eq!(Some(outcome), run.module.verdict.expect(), "{run}");
        let own: Vec<_> = run.faults().collect();
        assert!(provider.faults_happened() >= own.len(), "{run}");
        if outcome != Expect::Accepted {
            provider.assert_no_call_after_fault();
        }
        println!("{run}");
    }
}

#[test]
fn every_module_with_a_logout() {
    let tasks =
        [Task::LogOut, Task::ReceiveBackChannel, Task::ReceiveFrontChannel, Task::ReceiveFrontChannelUnasked];
    for run in modules().filter(|module| tasks.contains(&module.task)).flat_map(Module::runs) {
        let provider = run.provider().build();
        let (_, _, id_token) = sign_in(&run, &provider).unwrap();
        let sid = part(&id_token, 1)["sid"].as_str().unwrap().to_owned();
        let mut state = None;
        if run.module.task == Task::ReceiveFrontChannelUnasked {
            provider.sign_out();
        } else {
            let query = encode(&[
                ("id_token_hint", &id_token),
                ("post_logout_redirect_uri", Module::BYE),
                ("state", "bye-1"),
            ]);
            let back = provider.visit(format!("https://issuer.test/logout?{query}")).unwrap();
            assert!(back.starts_with(Module::BYE), "{run}");
            state = answered(&back, "state");
        }
        let is_good = run.module.verdict == Verdict::Must(Expect::Accepted);
        match run.module.task {
            Task::LogOut => assert_eq!(state.as_deref() == Some("bye-1"), is_good, "{run}"),
            Task::ReceiveBackChannel => {
                let requests = provider.back_channel_logouts();
                assert_eq!(requests[0].uri(), Module::BACK_CHANNEL);
                let token = std::str::from_utf8(requests[0].body()).unwrap().strip_prefix("logout_token=");
                let judge = judge(&run, &provider);
                let verdict = judge.validate(Kind::LogoutToken, token.unwrap(), &Expected::new());
                assert_eq!(Some(verdict), run.module.verdict.expect(), "{run}");
            }
            _ => {
                let query = encode(&[("iss", "https://issuer.test"), ("sid", &sid)]);
                let expected = format!("{}?{query}", Module::FRONT_CHANNEL);
                assert_eq!(provider.front_channel_logouts(), [expected], "{run}");
            }
        }
        assert_eq!(provider.faults_happened(), usize::from(!is_good), "{run}");
    }
}

#[test]
fn the_other_modules() {
    let find = |suffix: &str| {
        let name = format!("oidcc-client-test{suffix}");
        let module = modules().find(|module| module.name == name).unwrap();
        let run = module.runs().next().unwrap();
        let provider = run.provider().build();
        (run, provider)
    };
    let (run, provider) = find("-form-post-error");
    let error = callback(&run, &provider, &[("prompt", "none"), ("max_age", "0")]);
    assert_eq!(answered(&error, "error").as_deref(), Some("login_required"));

    let (run, provider) = find("-discovery-issuer-mismatch");
    let document = json(&get(&provider, "https://issuer.test/.well-known/openid-configuration", None));
    assert_eq!(
        (&document["issuer"], run.module.faults[0].at),
        (&"https://evil.test".into(), Place::Metadata)
    );

    let (_, provider) = find("-3rd-party-init-login");
    let begin = provider.initiate_login(Module::CLIENT, "https://client.test/").unwrap();
    assert!(begin.starts_with(Module::INITIATE_LOGIN));

    let (_, provider) = find("-client-secret-basic");
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", Module::CLIENT),
        ("client_secret", Module::SECRET),
    ];
    assert_eq!(post(&provider, "/token", None, &form).status(), 400);
    assert_eq!(post(&provider, "/token", basic(Module::CLIENT, Module::SECRET), &form[..1]).status(), 200);
}

#[test]
fn a_run_says_what_it_is_and_moves_faults_to_the_first_id_token() {
    let module = modules().find(|module| module.name == "oidcc-client-test-invalid-iss").unwrap();
    let runs: Vec<_> = module.runs().collect();
    assert_eq!(runs.len(), 12);
    assert_eq!(runs[0].to_string(), "oidcc-client-test-invalid-iss [code, query]");
    assert_eq!(runs[1].to_string(), "oidcc-client-test-invalid-iss [code, form_post]");
    let places: Vec<_> = runs.iter().map(|run| run.faults().next().unwrap().at).collect();
    assert_eq!(places.iter().filter(|place| **place == Place::Token).count(), 4, "code, and code token");
    assert!(matches!(module.faults[0].effect, Effect::Jwt(_)));
    let letters: String = module.plans.iter().copied().map(Plan::letter).collect();
    assert_eq!(letters, "BIH");
    assert!(provider_is_seeded(&runs[0]));
}

fn provider_is_seeded(run: &Run) -> bool {
    run.provider().build().now() == Provider::new().now()
}
