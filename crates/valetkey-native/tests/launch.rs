//! Opening a browser: a script in its place, named by `BROWSER`, writes down what it is told.
#![cfg(unix)]

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
    thread,
    time::Duration,
};

use valetkey::Client;
use valetkey_native::{can_open_browser, open_browser};
use valetkey_testkit::{Provider, block_on};

/// Runs one of the tests below in a process of its own, whose environment is this.
fn run(name: &str, variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env::current_exe().expect("this program"));
    command
        .args(["--ignored", "--exact", name])
        .env_clear()
        .env("PATH", env::var_os("PATH").unwrap_or_default());
    command.envs(variables.iter().copied()).output().expect("it runs")
}

#[test]
#[ignore = "run by the tests of this file, in a process of its own"]
fn opens() {
    let provider = Provider::new();
    let url = block_on(async {
        let client = Client::builder(provider.clone()).discover("https://issuer.test").id("native");
        let client = client.redirect_uri("http://127.0.0.1:1/cb").build().await?;
        let authorize = client.authorize().parameter("login_hint", "a b|$(x)`y`;--flag\"'");
        Ok::<_, valetkey::Error>(authorize.start().await?.0)
    });
    open_browser(&url.expect("a URL")).expect("a browser");
}

#[test]
#[ignore = "run by the tests of this file, in a process of its own"]
fn cannot_open() {
    can_open_browser().expect_err("no browser");
}

#[test]
fn s_net_11_the_url_is_one_argument_and_no_shell_sees_it() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (script, told) = (folder.join("browser.sh"), folder.join("browser-was-told"));
    let _ = fs::remove_file(&told);
    let text =
        format!("#!/bin/sh\nprintf '%s\\n' \"$@\" > '{0}.part' && mv '{0}.part' '{0}'\n", told.display());
    fs::write(&script, text).expect("a script");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("it can be run");
    let browser = format!("{} --new-window %s", script.display());
    let output = run("opens", &[("BROWSER", &browser), ("DISPLAY", ":0")]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let told = soon(|| fs::read_to_string(&told).ok()).expect("the script was run");
    let [option, url] = told.lines().collect::<Vec<_>>()[..] else { panic!("{told}") };
    assert_eq!(option, "--new-window");
    assert!(url.starts_with("https://issuer.test/authorize?response_type=code&client_id=native&"), "{url}");
    assert!(url.contains("&login_hint=a"), "{url}");
    assert!(!url.contains([' ', '|', '$', '`', ';', '"', '\'']), "{url}");
}

#[test]
fn s_na_01_the_environment_of_the_process_is_what_counts() {
    for variables in [&[("CI", "true"), ("DISPLAY", ":0")][..], &[("SSH_CONNECTION", "1"), ("DISPLAY", ":0")]]
    {
        let output = run("cannot_open", variables);
        assert!(output.status.success(), "{variables:?}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

#[expect(clippy::disallowed_methods, reason = "the script runs in real time")]
fn soon<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    (0..200).find_map(|_| {
        look().or_else(|| {
            thread::sleep(Duration::from_millis(50));
            None
        })
    })
}
