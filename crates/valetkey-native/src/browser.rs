//! The user's browser: whether there is likely to be one, and opening it (RFC 8252 §4).

use std::{env, error::Error, fmt, io, io::IsTerminal};

use valetkey::oauth2::authorization::AuthorizationUrl;

/// Why no browser was opened. The user can still open the URL, here or elsewhere.
#[derive(Debug)]
#[non_exhaustive]
pub enum BrowserError {
    /// Nobody is there: this is a build server (`CI` is set), or there is neither a terminal nor a display.
    NotInteractive,
    /// The program runs on another machine than the user sits at (`SSH_CONNECTION` is set).
    Remote,
    /// There is a terminal and no display (neither `DISPLAY` nor `WAYLAND_DISPLAY` is set).
    NoDisplay,
    /// `BROWSER` names one for the terminal, which the program is using itself.
    TextBrowser,
    /// `BROWSER` is `none`.
    Declined,
    /// The URL is neither `https` nor `http` on loopback, or is not clean ASCII.
    UnsafeUrl,
    /// No browser was found, or it could not be started.
    Launcher(io::Error),
}

impl fmt::Display for BrowserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotInteractive => "no browser was opened: nobody seems to be there",
            Self::Remote => "no browser was opened: the user seems to sit at another machine",
            Self::NoDisplay => "no browser was opened: there is no display",
            Self::TextBrowser => "no browser was opened: BROWSER names one for the terminal",
            Self::Declined => "no browser was opened: BROWSER is none",
            Self::UnsafeUrl => "no browser was opened: the URL is not safe to open",
            Self::Launcher(_) => "the browser could not be started",
        })
    }
}

impl Error for BrowserError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Launcher(error) => Some(error),
            _ => None,
        }
    }
}

/// Opens the URL in the user's browser, if there is likely to be one.
///
/// `Ok` means maybe: launchers report success and show nothing. Show the URL to the user in any case, and first.
/// It blocks while it looks for a browser, for some tenths of a second; [`NativeLogin`](crate::NativeLogin) calls
/// it on a thread of its own.
///
/// # Errors
///
/// As [`can_open_browser`]. [`BrowserError::Launcher`] if there is no browser, or it could not be started.
///
/// # Security
///
/// The server's metadata chose the URL. It is handed to the browser as one argument and by no shell, after a
/// second look at its scheme and its characters.
pub fn open_browser(url: &AuthorizationUrl) -> Result<(), BrowserError> {
    if !is_safe(url.as_str()) {
        return Err(BrowserError::UnsafeUrl);
    }
    can_open_browser()?;
    webbrowser::open(url.as_str()).map_err(BrowserError::Launcher)
}

/// Whether a browser that is opened here is likely to be seen by the user, as far as the environment tells.
///
/// Ask it before you choose a way to sign in: without a browser, a flow for devices is better than one that waits.
///
/// # Errors
///
/// [`BrowserError::NotInteractive`], [`BrowserError::Remote`], [`BrowserError::NoDisplay`],
/// [`BrowserError::TextBrowser`], [`BrowserError::Declined`].
pub fn can_open_browser() -> Result<(), BrowserError> {
    let terminals = [io::stdin().is_terminal(), io::stdout().is_terminal(), io::stderr().is_terminal()];
    decide(&Surroundings {
        variable: &|name| env::var(name).ok().filter(|value| !value.is_empty()),
        has_terminal: terminals.contains(&true),
        platform: if cfg!(any(windows, target_vendor = "apple", target_os = "android")) {
            Platform::Windowed
        } else {
            Platform::Unix
        },
    })
}

/// What is known of where the program runs.
struct Surroundings<'a> {
    /// A variable of the environment; none if it is empty.
    variable: &'a dyn Fn(&str) -> Option<String>,
    /// Whether a human may read what is printed.
    has_terminal: bool,
    platform: Platform,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Platform {
    /// There is a display unless something says otherwise, and `BROWSER` means nothing.
    Windowed,
    /// There is a display if a variable says so, and `BROWSER` names the browser.
    Unix,
}

/// Browsers that want the terminal.
const TEXT_BROWSERS: [&str; 7] = ["elinks", "links", "links2", "lynx", "w3m", "www-browser", "browsh"];

/// What the environment says about opening a browser; the first of these rules that applies.
fn decide(surroundings: &Surroundings<'_>) -> Result<(), BrowserError> {
    let Surroundings { variable, has_terminal, platform } = *surroundings;
    let has = |name| variable(name).is_some();
    if variable("CI").is_some_and(|value| value != "false" && value != "0") {
        return Err(BrowserError::NotInteractive);
    }
    let is_wsl = has("WSL_DISTRO_NAME") || has("WSL_INTEROP");
    let has_display = platform == Platform::Windowed || is_wsl || has("DISPLAY") || has("WAYLAND_DISPLAY");
    if !has_display && !has_terminal {
        return Err(BrowserError::NotInteractive);
    }
    // Who sets this knows a way, also out of a container or to the other end of an SSH connection.
    if let Some(browser) = variable("BROWSER").filter(|_| platform == Platform::Unix) {
        return named(&browser);
    }
    if has("SSH_CONNECTION") || has("SSH_TTY") {
        return Err(BrowserError::Remote);
    }
    if has_display { Ok(()) } else { Err(BrowserError::NoDisplay) }
}

/// What `BROWSER` says: command lines, separated by colons, of which the first one counts.
fn named(browser: &str) -> Result<(), BrowserError> {
    let first = browser.split(':').find(|command| !command.trim().is_empty()).unwrap_or_default();
    let command = first.split_whitespace().next().unwrap_or_default();
    let name = command.rsplit('/').next().unwrap_or_default();
    if name == "none" {
        return Err(BrowserError::Declined);
    }
    if TEXT_BROWSERS.contains(&name) { Err(BrowserError::TextBrowser) } else { Ok(()) }
}

/// `https`, or `http` on loopback, and nothing that a launcher could read as something else.
fn is_safe(url: &str) -> bool {
    let is_clean = url.bytes().all(|byte| matches!(byte, 0x21..=0x7e) && !b"\"'<>\\^`{|}".contains(&byte));
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once(':').map_or(authority, |(host, port)| {
        if port.bytes().all(|byte| byte.is_ascii_digit()) { host } else { authority }
    });
    let is_loopback = || {
        host == "[::1]"
            || host.eq_ignore_ascii_case("localhost")
            || host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
    };
    is_clean
        && !host.is_empty()
        && !authority.contains('@')
        && (scheme.eq_ignore_ascii_case("https") || (scheme.eq_ignore_ascii_case("http") && is_loopback()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The outcome by the name of the variant.
    fn decided(platform: Platform, has_terminal: bool, variables: &[(&str, &str)]) -> String {
        let variable =
            |name: &str| variables.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned());
        format!("{:?}", decide(&Surroundings { variable: &variable, has_terminal, platform }))
    }

    #[test]
    fn s_na_01_whether_there_is_a_browser_is_read_from_the_environment() {
        use Platform::{Unix, Windowed};
        let display = ("DISPLAY", ":0");
        let ssh = ("SSH_CONNECTION", "10.0.0.1 1 10.0.0.2 22");
        let (ok, nobody) = ("Ok(())", "Err(NotInteractive)");
        for (platform, has_terminal, variables, outcome) in [
            (Unix, true, &[display][..], ok),
            (Unix, true, &[("WAYLAND_DISPLAY", "wayland-0")], ok),
            // A program that was started from a menu.
            (Unix, false, &[display], ok),
            (Unix, true, &[], "Err(NoDisplay)"),
            (Unix, false, &[], nobody),
            (Unix, true, &[("CI", "true"), display], nobody),
            (Unix, true, &[("CI", "false"), display], ok),
            (Windowed, true, &[("CI", "1")], nobody),
            // A forwarded display is slow, and the browser on it is the other machine's.
            (Unix, true, &[ssh, display], "Err(Remote)"),
            (Unix, true, &[("SSH_TTY", "/dev/pts/0")], "Err(Remote)"),
            (Windowed, true, &[ssh], "Err(Remote)"),
            (Windowed, false, &[], ok),
            (Unix, true, &[("WSL_DISTRO_NAME", "Debian")], ok),
            (Unix, true, &[("WSL_INTEROP", "/run/WSL/1_interop"), ssh], "Err(Remote)"),
            // An editor's terminal on another machine, which hands URLs to this one.
            (Unix, true, &[("BROWSER", "/opt/editor/bin/helpers/browser.sh"), ssh], ok),
            (Unix, true, &[("BROWSER", "firefox %s:chromium")], ok),
            (Unix, false, &[("BROWSER", "firefox")], nobody),
            (Unix, true, &[("BROWSER", "w3m"), display], "Err(TextBrowser)"),
            (Unix, true, &[("BROWSER", "/usr/bin/lynx -vikeys %s:firefox")], "Err(TextBrowser)"),
            (Unix, true, &[("BROWSER", "firefox:w3m"), display], ok),
            (Unix, true, &[("BROWSER", "none"), display], "Err(Declined)"),
            (Windowed, true, &[("BROWSER", "w3m")], ok),
        ] {
            assert_eq!(decided(platform, has_terminal, variables), outcome, "{variables:?}");
        }
    }

    #[test]
    fn s_net_11_only_https_and_http_on_loopback_are_opened() {
        for good in [
            "https://as.example/authorize?state=a%20b&x=1",
            "https://[2001:db8::1]/authorize",
            "http://127.0.0.1:8080/authorize",
            "http://[::1]:1/a",
            "http://[::1]/a",
            "HTTP://LOCALHOST/a",
        ] {
            assert!(is_safe(good), "{good}");
        }
        for bad in [
            "http://as.example/authorize",
            "http://127.0.0.1.evil.example/",
            "http://127.0.0.1@evil.example/",
            "javascript:alert(1)",
            "javascript://x/%0aalert(1)",
            "file:///etc/passwd",
            "ms-settings://x",
            "--proxy-server=http://evil.example",
            "-h",
            "https://a.example/ --proxy-server=x",
            "https://a.example/\"x",
            "https://a.example/`calc`",
            "https://a.example/|calc",
            "https://a.example/\n",
            "https://ä.example/",
            "https:///x",
            "https://",
            "",
        ] {
            assert!(!is_safe(bad), "{bad}");
        }
    }

    #[test]
    fn errors_say_why() {
        let error = BrowserError::Launcher(io::ErrorKind::NotFound.into());
        assert!(error.source().is_some());
        assert_eq!(error.to_string(), "the browser could not be started");
        assert_eq!(BrowserError::NoDisplay.to_string(), "no browser was opened: there is no display");
    }
}
