//! Clients that others wrote against the testkit's provider: what the client here is tested with must hold
//! for them, too.
//!
//! `tests/interop/up.sh -- cargo test -p valetkey-tests --test foreign` has a Python with requests-oauthlib
//! and Authlib and a Node.js with openid-client, and says where they are. Without, a test says that it is
//! skipped.

use std::{fs, path::Path, process::Command};

use serde_json::{Map, Value, json};
use valetkey_testkit::{
    Dpop, DpopNonces, Expect, Grant, HMAC_SECRET, Module, OpenId, Place, Provider, RegisteredClient,
    ResponseMode, ResponseType, SERVICE_ACCOUNT, Served, Task, Verdict, block_on, keys, modules,
    oauth1::{self, Rules, SignatureMethod},
};

#[test]
fn oauth1_clients_of_others() {
    let Ok(python) = std::env::var("VALETKEY_FOREIGN_PYTHON") else {
        println!("skipped: VALETKEY_FOREIGN_PYTHON is not set");
        return;
    };
    let keys = std::env::var("VALETKEY_INTEROP_KEYS").expect("up.sh gives the keys, too");
    let key = fs::read(Path::new(&keys).join("rsa1.pub.pem")).expect("the public key of the clients");
    let client = |name, secret| oauth1::RegisteredClient::new(name, secret).rsa_key(&key);
    let rules = Rules::default()
        .client(client("dpf43f3p2l4k3l03", "kd94hf93k423kf44"))
        .client(client("weird key+&=%", "sécret &=+%/~"))
        .client(client("emptysecret", ""));
    let provider = Provider::builder().real_clock().oauth1(rules).build();
    let served = block_on(provider.serve()).expect("a port");
    let methods: Vec<_> = SignatureMethod::ALL.iter().map(|method| method.name()).collect();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("foreign/oauth1_clients.py");
    let mut command = Command::new(python);
    command
        .arg(script)
        .env("BASE", provider.issuer())
        .env("METHODS", methods.join(","))
        .env("RSA_KEY", Path::new(&keys).join("rsa1.key"))
        // Here the user is not asked by the URL.
        .env("SKIP", "deny");
    all_is_well(command, 54);
    drop(served);
    assert_eq!(provider.count(Place::Elsewhere), 0, "a request went astray");
}

/// Runs a script, which must say that so many checks were made and held.
fn all_is_well(mut script: Command, checks: usize) {
    // Proxies are for other hosts than this one.
    let output = script.env("NO_PROXY", "*").output().expect("the script runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let all = format!("\n{checks} passed, 0 failed");
    let is_well = output.status.success() && said.trim_end().ends_with(&all);
    assert!(is_well, "not all was well: {said}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn oauth2_clients_of_others_with_assertions_and_dpop() {
    let Ok(modules) = std::env::var("VALETKEY_FOREIGN_NODE") else {
        println!("skipped: VALETKEY_FOREIGN_NODE is not set");
        return;
    };
    let nonces = [
        ("no nonces", DpopNonces::Off),
        ("nonces at the token endpoint", DpopNonces::Token),
        ("nonces at the API", DpopNonces::Api),
        ("nonces at both", DpopNonces::Both),
        ("nonces that rotate", DpopNonces::Rotating),
    ];
    let open = |nonces| {
        let gateway = RegisteredClient::confidential("gateway", "s3cret").grants([Grant::TokenExchange]);
        let provider = Provider::builder().real_clock().dpop(Dpop::Offered).dpop_nonces(nonces);
        let provider = provider.client(gateway).outside_token(OUTSIDE, "alice").build();
        let served = block_on(provider.serve()).expect("a port");
        (provider, served)
    };
    let providers: Vec<(&str, (Provider, Served))> =
        nonces.into_iter().map(|(name, nonces)| (name, open(nonces))).collect();
    let issuers: Map<_, _> = providers
        .iter()
        .map(|(name, (provider, _))| ((*name).to_owned(), provider.issuer().into()))
        .collect();
    let keys = [keys::rs256(), keys::ps256(), keys::es256(), keys::ed_dsa()];
    let keys: Map<_, _> = keys
        .map(|key| {
            let jwk: Value = serde_json::from_str(key.private_jwk()).expect("a JWK");
            (key.algorithm().to_owned(), jwk)
        })
        .into_iter()
        .collect();
    let mut command = Command::new("node");
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("foreign/oauth2_clients.mjs"))
        .env("MODULES", modules)
        .env("PROVIDERS", Value::from(issuers).to_string())
        .env("KEYS", Value::from(keys).to_string())
        .env("SECRET", HMAC_SECRET)
        .env("ACCOUNT", SERVICE_ACCOUNT)
        .env("GATEWAY", "s3cret")
        .env("OUTSIDE", OUTSIDE);
    all_is_well(command, 14 * providers.len());
    for (name, (provider, _served)) in providers {
        assert_eq!(provider.count(Place::Elsewhere), 0, "a request went astray: {name}");
    }
}

/// A token of somebody else's, for exchanges.
const OUTSIDE: &str = "eyJhbGciOi.e30.c2ln";

/// The algorithms of ID tokens that all clients here know.
const ALGORITHMS: [&str; 2] = ["RS256", "ES256"];

/// A provider with a client for each algorithm, and one with a signed `UserInfo`.
fn openid() -> (Provider, Served) {
    let client = |id: &str| {
        RegisteredClient::confidential(id, Module::SECRET)
            .redirect_uri(Module::REDIRECT_URI)
            .post_logout_redirect_uri(Module::BYE)
    };
    let builder = Provider::builder().real_clock().openid(OpenId::new());
    let builder = builder.client(client("rp-signed").user_info_signed_by("RS256"));
    let builder = ALGORITHMS.iter().fold(builder, |builder, algorithm| {
        let id = format!("rp-{}", algorithm.to_lowercase());
        builder.client(client(&id).id_token_signed_by(*algorithm))
    });
    let provider = builder.build();
    let served = block_on(provider.serve()).expect("a port");
    (provider, served)
}

fn openid_client() -> String {
    json!({ "secret": Module::SECRET, "algorithms": ALGORITHMS }).to_string()
}

#[test]
fn openid_clients_of_others_in_javascript() {
    let Ok(modules_folder) = std::env::var("VALETKEY_FOREIGN_NODE") else {
        println!("skipped: VALETKEY_FOREIGN_NODE is not set");
        return;
    };
    let (provider, _served) = openid();
    // openid-client has no HMAC.
    let is_here = |module: &&Module| {
        module.task == Task::LogIn
            && matches!(module.verdict, Verdict::Must(_))
            && module.id_token_alg != "HS256"
            && module.user_info_alg.is_none()
    };
    let runs = modules()
        .filter(is_here)
        .flat_map(Module::runs)
        .filter(|run| (run.response_type, run.response_mode) == (ResponseType::Code, ResponseMode::Query));
    let runs: Vec<_> = runs
        .map(|run| {
            let provider = run.provider().real_clock().build();
            let served = block_on(provider.serve()).expect("a port");
            (run, provider, served)
        })
        .collect();
    let named: Map<_, _> = runs
        .iter()
        .map(|(run, provider, _)| {
            let accepts = run.module.verdict == Verdict::Must(Expect::Accepted);
            let algorithm = run.module.id_token_alg;
            let about = json!({ "issuer": provider.issuer(), "algorithm": algorithm, "accepts": accepts });
            (run.module.name.to_owned(), about)
        })
        .collect();
    assert!(named.len() > 12, "{}", named.len());
    let mut command = Command::new("node");
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("foreign/openid_clients.mjs"))
        .env("MODULES", modules_folder)
        .env("PROVIDER", provider.issuer())
        .env("CLIENT", openid_client())
        .env("RUNS", Value::from(named).to_string());
    all_is_well(command, 6 * ALGORITHMS.len() + 3 + runs.len());
    for (run, provider, _served) in &runs {
        let is_rejected = run.module.verdict != Verdict::Must(Expect::Accepted);
        if is_rejected {
            provider.assert_no_call_after_fault();
        }
        assert_eq!(provider.count(Place::Elsewhere), 0, "a request went astray: {run}");
    }
    assert_eq!(provider.count(Place::Elsewhere), 0, "a request went astray");
}

#[test]
fn openid_clients_of_others_in_python() {
    let Ok(python) = std::env::var("VALETKEY_FOREIGN_PYTHON") else {
        println!("skipped: VALETKEY_FOREIGN_PYTHON is not set");
        return;
    };
    let (provider, _served) = openid();
    let mut command = Command::new(python);
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("foreign/openid_clients.py"))
        .env("PROVIDER", provider.issuer())
        .env("CLIENT", openid_client());
    all_is_well(command, 6 * ALGORITHMS.len() + 1);
    assert_eq!(provider.count(Place::Elsewhere), 0, "a request went astray");
}
