//! Clients that others wrote against the testkit's provider: what the client here is tested with must hold
//! for them, too.
//!
//! `tests/interop/up.sh -- cargo test -p valetkey-tests --test foreign` has a Python with requests-oauthlib
//! and Authlib, and says where it is. Without, the test says that it is skipped.

use std::{fs, path::Path, process::Command};

use valetkey_testkit::{
    Place, Provider, block_on,
    oauth1::{RegisteredClient, Rules, SignatureMethod},
};

/// What the script says when all of its checks were made.
const CHECKS: &str = "54 passed, 0 failed";

#[test]
fn oauth1_clients_of_others() {
    let Ok(python) = std::env::var("VALETKEY_FOREIGN_PYTHON") else {
        println!("skipped: VALETKEY_FOREIGN_PYTHON is not set");
        return;
    };
    let keys = std::env::var("VALETKEY_INTEROP_KEYS").expect("up.sh gives the keys, too");
    let key = fs::read(Path::new(&keys).join("rsa1.pub.pem")).expect("the public key of the clients");
    let client = |name, secret| RegisteredClient::new(name, secret).rsa_key(&key);
    let rules = Rules::default()
        .client(client("dpf43f3p2l4k3l03", "kd94hf93k423kf44"))
        .client(client("weird key+&=%", "sécret &=+%/~"))
        .client(client("emptysecret", ""));
    let provider = Provider::builder().real_clock().oauth1(rules).build();
    let served = block_on(provider.serve()).expect("a port");
    let methods: Vec<_> = SignatureMethod::ALL.iter().map(|method| method.name()).collect();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("foreign/oauth1_clients.py");
    let output = Command::new(python)
        .arg(script)
        .env("BASE", provider.issuer())
        .env("METHODS", methods.join(","))
        .env("RSA_KEY", Path::new(&keys).join("rsa1.key"))
        // Here the user is not asked by the URL.
        .env("SKIP", "deny")
        // Proxies are for other hosts than this one.
        .env("NO_PROXY", "*")
        .output()
        .expect("Python runs");
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.trim_end().ends_with(CHECKS), "not all was well");
    drop(served);
    let lost = provider.transcript().into_iter().filter(|entry| entry.place() == Place::Elsewhere);
    assert_eq!(lost.count(), 0, "a request went astray");
}
