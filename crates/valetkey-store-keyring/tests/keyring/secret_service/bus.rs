//! A D-Bus of a test's own, which ends with it.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use crate::Folder;

/// It names no folder of services, so that the bus starts none: least of all the user's own keyring.
const CONFIG: &str = r#"<busconfig>
  <type>session</type>
  <auth>EXTERNAL</auth>
  <listen>unix:dir=FOLDER</listen>
  <policy context="default">
    <allow send_destination="*"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#;

/// A running `dbus-daemon`.
pub(crate) struct Bus {
    daemon: Child,
    _folder: Folder,
    pub(crate) address: String,
}

impl Bus {
    /// Starts one; `None`, aloud, where there is none to start.
    #[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
    pub(crate) fn start() -> Option<Self> {
        let folder = Folder::new();
        fs::create_dir(&folder.0).expect("a folder");
        let config = folder.0.join("bus.conf");
        let text = CONFIG.replace("FOLDER", folder.0.to_str().expect("text"));
        fs::write(&config, text).expect("its settings");
        let daemon = Command::new("dbus-daemon")
            .args(["--nofork", "--nopidfile", "--print-address=1", "--config-file"])
            .arg(&config)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut daemon) = daemon else {
            println!("skipped: there is no dbus-daemon");
            return None;
        };
        let mut address = String::new();
        BufReader::new(daemon.stdout.take().expect("its output")).read_line(&mut address).expect("a line");
        Some(Self { daemon, _folder: folder, address: address.trim().to_owned() })
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}
