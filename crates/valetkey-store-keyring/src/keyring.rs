//! Asking a keyring, which blocks: it may be locked, absent, or never answer.

use std::{
    fmt,
    sync::{
        Arc, Condvar, Mutex, OnceLock, PoisonError,
        mpsc::{RecvTimeoutError, channel},
    },
    thread,
};

use keyring_core::{CredentialStore, Error as Failure};
use valetkey::{Error, Reason, Result};

use crate::{clock::Deadline, failed};

/// Where the key is.
///
/// It is asked for one thing at a time, on a thread which is left to itself when the answer does not come. So however often a
/// program tries, a keyring that hangs holds one thread, and shows one dialog.
#[derive(Clone)]
pub struct Keyring(Arc<Inner>);

struct Inner {
    connect: Box<dyn Fn() -> keyring_core::Result<Arc<CredentialStore>> + Send + Sync>,
    is_busy: Mutex<bool>,
    is_free: Condvar,
}

impl Keyring {
    /// The keyring of the user who runs the program: on Linux the Secret Service on D-Bus (of GNOME, KDE, `KeePassXC` and
    /// others), on macOS the login keychain, on Windows the Credential Manager.
    #[must_use]
    pub fn system() -> Self {
        static SYSTEM: OnceLock<Keyring> = OnceLock::new();
        SYSTEM.get_or_init(|| Self::connected_by(connect)).clone()
    }

    /// Another one: any store of `keyring-core`.
    #[must_use]
    pub fn of(store: Arc<CredentialStore>) -> Self {
        Self::connected_by(move || Ok(Arc::clone(&store)))
    }

    fn connected_by(
        connect: impl Fn() -> keyring_core::Result<Arc<CredentialStore>> + Send + Sync + 'static,
    ) -> Self {
        let (connect, is_busy, is_free) = (Box::new(connect), Mutex::new(false), Condvar::new());
        Self(Arc::new(Inner { connect, is_busy, is_free }))
    }

    /// Asks the keyring, and waits for the answer as long as there is time.
    pub(crate) fn ask<R: Send + 'static>(
        &self,
        deadline: &Deadline,
        question: impl FnOnce(&CredentialStore) -> keyring_core::Result<R> + Send + 'static,
    ) -> Result<R> {
        let turn = self.turn(deadline)?;
        let (sender, receiver) = channel();
        let waiting = Arc::new(());
        let waits = Arc::downgrade(&waiting);
        let ask = move || {
            let store = (turn.0.connect)();
            // Whoever has left wants nothing written.
            let Some(_) = waits.upgrade() else { return };
            let answer = store.and_then(|store| question(&*store));
            drop(turn);
            let _ = sender.send(answer);
        };
        thread::Builder::new()
            .name("valetkey-keyring".to_owned())
            .spawn(ask)
            .map_err(|error| failed(Reason::StoreFailed, format!("no thread for the keyring: {error}")))?;
        match receiver.recv_timeout(deadline.left()) {
            Ok(answer) => answer.map_err(|failure| refused(&failure)),
            Err(RecvTimeoutError::Timeout) => Err(late(deadline)),
            Err(RecvTimeoutError::Disconnected) => {
                Err(failed(Reason::StoreFailed, "the keyring's library panicked: report it to its authors"))
            }
        }
    }

    /// Waits until nobody else asks.
    fn turn(&self, deadline: &Deadline) -> Result<Turn> {
        let is_busy = self.0.is_busy.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.0.is_free.wait_timeout_while(is_busy, deadline.left(), |is_busy| *is_busy);
        let (mut is_busy, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if *is_busy {
            return Err(late(deadline));
        }
        *is_busy = true;
        Ok(Turn(Arc::clone(&self.0)))
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").finish_non_exhaustive()
    }
}

/// The right to ask, which ends with its thread, even if that panics.
struct Turn(Arc<Inner>);

impl Drop for Turn {
    fn drop(&mut self) {
        *self.0.is_busy.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.0.is_free.notify_one();
    }
}

fn late(deadline: &Deadline) -> Error {
    let what = format!(
        "the keyring has not answered for {:?}: unlock it or answer its dialog, and open the store again; with a longer \
         patience if the user is to be waited for",
        deadline.patience()
    );
    failed(Reason::StoreFailed, what)
}

/// What a keyring's refusal means. Its own words are left out: they may hold anything.
fn refused(failure: &Failure) -> Error {
    let what = match failure {
        Failure::NoStorageAccess(_) => {
            "the keyring is locked, its dialog was dismissed, or it has no default collection: unlock or make one, and open \
             the store again"
        }
        Failure::PlatformFailure(_) => {
            "there is no keyring that answers as one: start it (on Linux, a Secret Service on the D-Bus of the user's \
             session), or choose another store for programs that run without one"
        }
        Failure::Ambiguous(_) => {
            "the keyring has several entries of the name: delete those that this program did not make"
        }
        Failure::NoDefaultStore | Failure::NotSupportedByStore(_) => {
            "no keyring is known on this system: give one by `Keyring::of`, or choose another store"
        }
        _ => "the keyring refused what it was asked: see what it says itself, or choose another store",
    };
    failed(Reason::StoreFailed, what)
}

#[cfg(target_os = "linux")]
fn connect() -> keyring_core::Result<Arc<CredentialStore>> {
    Ok(zbus_secret_service_keyring_store::Store::new()?)
}

#[cfg(target_os = "macos")]
fn connect() -> keyring_core::Result<Arc<CredentialStore>> {
    Ok(apple_native_keyring_store::keychain::Store::new()?)
}

#[cfg(windows)]
fn connect() -> keyring_core::Result<Arc<CredentialStore>> {
    Ok(windows_native_keyring_store::Store::new()?)
}

#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
fn connect() -> keyring_core::Result<Arc<CredentialStore>> {
    Err(Failure::NoDefaultStore)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn who_has_left_has_nothing_asked() {
        let (answer, answers) = channel::<()>();
        let answers = Mutex::new(answers);
        let keyring = Keyring::connected_by(move || {
            let _ = answers.lock().unwrap().recv();
            Ok(keyring_core::mock::Store::new()?)
        });
        let (asked, was_asked) = channel();
        let question = move |_: &CredentialStore| asked.send(()).map_err(|_| Failure::NoEntry);
        let error = keyring.ask(&Deadline::after(Duration::from_millis(20)), question).unwrap_err();
        assert!(error.to_string().contains("has not answered for 20ms"), "{error}");
        answer.send(()).unwrap();
        // The question is dropped, not asked.
        assert!(was_asked.recv().is_err());
        drop(answer);
        assert_eq!(keyring.ask(&Deadline::after(Duration::MAX), |_| Ok(1)).unwrap(), 1);
    }
}
