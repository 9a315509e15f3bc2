//! A PostgreSQL of a test's own, which it may stop.

use std::{
    fs,
    net::TcpListener,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use tokio_postgres::NoTls;

use crate::{engine::pause, url};

pub(crate) struct Server {
    child: Child,
    port: u16,
    folder: PathBuf,
}

/// Of the user that owns the cluster.
const PASSWORD: &str = "right";

impl Server {
    /// Starts one that wants a password, if tests with PostgreSQL are asked for.
    pub(crate) async fn start() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        url()?;
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("valetkey-postgres-{}-{number}", std::process::id()));
        fs::create_dir(&folder).expect("a folder");
        fs::write(folder.join("password"), PASSWORD).unwrap();
        if let Some((user, group)) = other_user() {
            chown(&folder, Some(user), Some(group)).unwrap();
        }
        let made = program("initdb", &folder)
            .args(["-D", "data", "-U", "valetkey", "-A", "scram-sha-256", "--pwfile=password"])
            .args(["-E", "UTF8", "--locale=C", "--no-sync"])
            .status();
        assert!(made.expect("initdb is installed").success(), "initdb failed");
        let child = launch(port, &folder);
        let mut server = Self { child, port, folder };
        server.answers().await;
        Some(server)
    }

    pub(crate) fn url(&self) -> String {
        self.url_of("valetkey", PASSWORD)
    }

    pub(crate) fn url_of(&self, user: &str, password: &str) -> String {
        format!("postgres://{user}:{password}@127.0.0.1:{}/postgres", self.port)
    }

    /// Ends it as a crash of the machine does: the first process, whose children then end by themselves.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ended");
    }

    /// Ends it as an administrator does who does not wait for anybody.
    pub(crate) fn stop(&mut self) {
        self.signal("INT");
        self.child.wait().expect("it ended");
    }

    /// Has it speak TLS from its next start on, with this certificate and key.
    pub(crate) fn certify(&self, certificate: &str, key: &str) {
        let data = self.folder.join("data");
        for (name, text) in [("server.crt", certificate), ("server.key", key)] {
            let path = data.join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            if let Some((user, group)) = other_user() {
                chown(&path, Some(user), Some(group)).unwrap();
            }
        }
        let settings = fs::read_to_string(data.join("postgresql.conf")).unwrap();
        fs::write(data.join("postgresql.conf"), settings + "\nssl = on\n").unwrap();
    }

    /// Starts it again on what it left.
    pub(crate) async fn restart(&mut self) {
        for _ in 0..200 {
            // Children of one that was killed may be there for a moment.
            self.child = launch(self.port, &self.folder);
            pause(200).await;
            if self.child.try_wait().unwrap().is_none() {
                break;
            }
        }
        self.answers().await;
    }

    /// Sends a signal to the first process.
    pub(crate) fn signal(&self, name: &str) {
        signal(&self.child.id().to_string(), name);
    }

    /// Sends a signal to the processes that serve connections of the stores.
    pub(crate) async fn signal_sessions(&self, name: &str) -> usize {
        let (client, connection) = tokio_postgres::connect(&self.url(), NoTls).await.expect("a connection");
        tokio::spawn(connection);
        let of = "SELECT pid FROM pg_stat_activity WHERE application_name = 'valetkey'";
        let rows = client.query_typed(of, &[]).await.expect("a list");
        for row in &rows {
            signal(&row.get::<_, i32>(0).to_string(), name);
        }
        rows.len()
    }

    async fn answers(&mut self) {
        for _ in 0..500 {
            assert!(self.child.try_wait().unwrap().is_none(), "postgres ended");
            if tokio_postgres::connect(&self.url(), NoTls).await.is_ok() {
                return;
            }
            pause(20).await;
        }
        panic!("postgres does not answer");
    }
}

fn signal(pid: &str, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), pid]).status().unwrap().success());
}

fn launch(port: u16, folder: &Path) -> Child {
    let mut postgres = program("postgres", folder);
    postgres.args(["-D", "data", "-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
    postgres.args(["-c", "unix_socket_directories="]);
    postgres.spawn().expect("postgres is installed")
}

/// A program of the newest PostgreSQL that is installed, in this folder, as a user that it does not refuse.
fn program(name: &str, folder: &Path) -> Command {
    let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let paths = installed.map(|entry| entry.path().join("bin").join(name)).filter(|path| path.exists());
    let mut command = Command::new(paths.max().unwrap_or_else(|| name.into()));
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Some((user, group)) = other_user() {
        command.uid(user).gid(group);
    }
    command
}

/// The user and group to run it as, if this process is root's.
fn other_user() -> Option<(u32, u32)> {
    if fs::metadata("/proc/self").ok()?.uid() != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").expect("users");
    let of = |name: &str| users.lines().find(|line| line.starts_with(&format!("{name}:")));
    let mut fields = of("postgres").or_else(|| of("nobody")).expect("a user").split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

impl Drop for Server {
    fn drop(&mut self) {
        signal(&self.child.id().to_string(), "QUIT");
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
