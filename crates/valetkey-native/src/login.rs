//! A whole sign-in, in one call.

use std::{fmt, thread};

use valetkey::{
    Authorize, Client, Error, ErrorKind, Reason, Result, Session, oauth2::authorization::AuthorizationUrl,
};

use crate::{LoopbackListener, open_browser};

type ByUrl = Box<dyn FnOnce(&AuthorizationUrl) + Send>;

/// A sign-in that opens the browser and waits for it: [`sign_in`](Self::sign_in) does all of it.
///
/// The parts are there too: [`LoopbackListener::wait`] and [`open_browser`].
#[must_use = "`sign_in` does it"]
pub struct NativeLogin {
    listener: LoopbackListener,
    announce: ByUrl,
    browser: ByUrl,
}

impl NativeLogin {
    /// A sign-in whose browser comes back to this listener. The client's redirect URI must be the listener's.
    pub fn new(listener: LoopbackListener) -> Self {
        // Whether a browser was opened is known to nobody for sure, and the URL has been announced.
        let browser = |url: &AuthorizationUrl| drop(open_browser(url));
        Self { listener, announce: Box::new(|_| {}), browser: Box::new(browser) }
    }

    /// Shows the URL to the user before the browser is opened: print it, since the browser may be the wrong one,
    /// or none at all. A library prints nothing by itself.
    pub fn announce(mut self, announce: impl FnOnce(&AuthorizationUrl) + Send + 'static) -> Self {
        self.announce = Box::new(announce);
        self
    }

    /// Opens the browser in another way than [`open_browser`], or not at all: `browser(|_| {})`. It is called on a
    /// thread of its own and may block; nobody waits for it.
    pub fn browser(mut self, open: impl FnOnce(&AuthorizationUrl) + Send + 'static) -> Self {
        self.browser = Box::new(open);
        self
    }

    /// Begins what `authorize` asks for, announces the URL, opens the browser, waits until it comes back, and
    /// redeems the code.
    ///
    /// The future needs no runtime but that of the client's backend. Dropping it closes the port.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::RedirectUriMismatch`] if the client's redirect URI is not the listener's; nobody would
    /// come back. Otherwise as [`Authorize::start`], [`LoopbackListener::wait`] and [`Client::redeem`].
    pub async fn sign_in(self, client: &Client, authorize: Authorize) -> Result<Session> {
        let (url, pending) = authorize.start().await?;
        check_way_back(&url, self.listener.redirect_uri())?;
        (self.announce)(&url);
        let browser = self.browser;
        // Without a thread there is no browser; the URL has been announced.
        let _ = thread::Builder::new().name("valetkey-browser".into()).spawn(move || browser(&url));
        let callback = self.listener.wait(&pending).await?;
        client.redeem(pending, callback).await
    }
}

/// Whether the URL, if it says where the browser is to come back, says that it is here.
fn check_way_back(url: &AuthorizationUrl, redirect_uri: &str) -> Result<()> {
    let query = url.as_str().split_once('?').map_or("", |(_, query)| query);
    let mut parameters = form_urlencoded::parse(query.as_bytes());
    match parameters.find(|(name, _)| name == "redirect_uri") {
        Some((_, there)) if there != redirect_uri => {
            Err(Error::new(ErrorKind::Usage, Reason::RedirectUriMismatch)
                .with_detail("the client's is not the listener's"))
        }
        _ => Ok(()),
    }
}

impl fmt::Debug for NativeLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NativeLogin").field("listener", &self.listener).finish_non_exhaustive()
    }
}
