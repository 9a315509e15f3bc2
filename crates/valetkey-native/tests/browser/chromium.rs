//! Chromium, told what to do over its debugging pipe: JSON texts that end with a zero byte.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

/// How long a page may take on a machine that has much else to do.
const LONG: Duration = Duration::from_secs(30);
/// Between two looks at a page.
const SHORT: Duration = Duration::from_millis(50);

pub(crate) struct Chromium {
    child: Child,
    commands: ChildStdin,
    messages: Receiver<Value>,
    /// The tab.
    session: Value,
    last_id: u64,
    complaints: Vec<String>,
    profile: PathBuf,
}

impl Chromium {
    /// Starts it with an empty profile; none if it is not installed.
    pub(crate) fn launch(name: &str) -> Option<Self> {
        let folders = std::env::var_os("PATH")?;
        let program = std::env::split_paths(&folders).map(|folder| folder.join("chromium"));
        let program = program.into_iter().find(|program| program.is_file())?;
        let profile = target().join(format!("chromium-{name}-{}", std::process::id()));
        fs::create_dir_all(&profile).expect("a folder for the profile");
        // The debugging pipe is descriptors 3 and 4, which only a shell can set without unsafe code.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", "sh"])
            .arg(program)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--disable-dev-shm-usage", "--no-proxy-server", "--window-size=800,600"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg("--remote-debugging-pipe")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let commands = child.stdin.take().expect("its input");
        let output = child.stdout.take().expect("its output");
        let (send, messages) = mpsc::channel();
        thread::spawn(move || {
            for message in BufReader::new(output).split(0).map_while(Result::ok) {
                let message = serde_json::from_slice(&message).expect("JSON");
                if send.send(message).is_err() {
                    return;
                }
            }
        });
        let mut chromium = Self {
            child,
            commands,
            messages,
            session: Value::Null,
            last_id: 0,
            complaints: Vec::new(),
            profile,
        };
        let tab = chromium.call("Target.createTarget", json!({ "url": "about:blank" }));
        let to_tab = json!({ "targetId": tab["targetId"], "flatten": true });
        chromium.session = chromium.call("Target.attachToTarget", to_tab)["sessionId"].take();
        chromium.call("Page.enable", json!({}));
        chromium.call("Log.enable", json!({}));
        Some(chromium)
    }

    /// Calls a method of the DevTools protocol, and returns what it returns.
    fn call(&mut self, method: &str, params: Value) -> Value {
        self.last_id += 1;
        let mut message = json!({ "id": self.last_id, "method": method, "params": params });
        if !self.session.is_null() {
            message["sessionId"] = self.session.clone();
        }
        write!(self.commands, "{message}\0").expect("chromium listens");
        loop {
            let mut answer = self.messages.recv_timeout(LONG).expect("chromium answers");
            if answer["method"] == "Log.entryAdded" {
                self.complaints.push(answer["params"]["entry"]["text"].to_string());
            }
            if answer["id"] == self.last_id {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].take();
            }
        }
    }

    pub(crate) fn open(&mut self, url: &str) {
        self.call("Page.navigate", json!({ "url": url }));
    }

    /// The value of an expression in the page; null while there is none.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "returnByValue": true });
        self.call("Runtime.evaluate", params)["result"]["value"].take()
    }

    #[expect(clippy::disallowed_methods, reason = "a browser lives in real time")]
    pub(crate) fn wait_for(&mut self, condition: &str) {
        let mut left = LONG;
        while self.evaluate(condition) != true {
            left = left.checked_sub(SHORT).unwrap_or_else(|| panic!("it did not come to be: {condition}"));
            thread::sleep(SHORT);
        }
    }

    /// The addresses that the user can go back to.
    pub(crate) fn history(&mut self) -> Vec<String> {
        let history = self.call("Page.getNavigationHistory", json!({}));
        let entries = history["entries"].as_array().expect("entries");
        entries.iter().map(|entry| entry["url"].as_str().expect("an address").to_owned()).collect()
    }

    /// What it has written to its console.
    pub(crate) fn complaints(&self) -> Vec<String> {
        self.complaints.clone()
    }

    /// A picture of the page as those see it who like it so; where it is.
    pub(crate) fn screenshot(&mut self, name: &str, scheme: &str) -> PathBuf {
        let scheme = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": scheme }));
        let picture = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        let png = STANDARD.decode(picture["data"].as_str().expect("a picture")).expect("base64");
        let path = target().join(format!("{name}.png"));
        fs::write(&path, png).expect("a file");
        path
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // It is asked to end, so that its own processes are gone before their files are.
        let _ = write!(self.commands, "{}\0", json!({ "id": 0, "method": "Browser.close" }));
        while self.messages.recv_timeout(LONG).is_ok() {}
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.profile);
    }
}

/// Where files of tests go.
fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}
