//! What a request to the listener is, by its head alone.

use super::page::Page;

/// The most header fields that are read.
const MAX_FIELDS: usize = 64;

/// Where the listener is, as browsers name it.
pub(super) struct Site {
    /// The `Host` fields that name it; the first is in the redirect URI.
    hosts: Vec<String>,
    path: String,
}

/// What is asked for. It may hold a code, and is not printed outside of tests.
#[cfg_attr(test, derive(Debug, PartialEq, Eq))]
pub(super) enum Asked {
    /// The redirect URI, with something in its query: path and query.
    Callback(String),
    /// The clean address to which a browser is sent on.
    Clean(Page),
    /// Nothing that there is.
    Refused(Page),
}

impl Site {
    pub(super) fn new(path: &str, port: u16, names_localhost: bool) -> Self {
        let mut names = vec!["127.0.0.1", "[::1]"];
        if names_localhost {
            names.insert(0, "localhost");
        }
        let mut hosts: Vec<_> = names.iter().map(|name| format!("{name}:{port}")).collect();
        if port == 80 {
            // Browsers leave the default port out.
            hosts.extend(names.iter().map(|&name| name.to_owned()));
        }
        Self { hosts, path: path.to_owned() }
    }

    pub(super) fn redirect_uri(&self) -> String {
        format!("http://{}{}", self.hosts.first().map_or("127.0.0.1", String::as_str), self.path)
    }

    /// The address of a page without the response in its query.
    pub(super) fn clean(&self, page: Page) -> String {
        format!("{}/{}", self.path.trim_end_matches('/'), page.name())
    }

    /// Reads a head; `None` while it is not whole.
    pub(super) fn read(&self, head: &[u8]) -> Option<Asked> {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut request = httparse::Request::new(&mut fields);
        match request.parse(head) {
            Ok(httparse::Status::Partial) => None,
            Ok(httparse::Status::Complete(_)) => {
                Some(self.judge(&request).unwrap_or(Asked::Refused(Page::Bad)))
            }
            Err(_) => Some(Asked::Refused(Page::Bad)),
        }
    }

    fn judge(&self, request: &httparse::Request<'_, '_>) -> Option<Asked> {
        let field = |name: &str| {
            let mut values =
                request.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name)).map(|f| f.value);
            (values.next(), values.next())
        };
        // A page of a foreign name that was bound to this address has that name here (DNS rebinding).
        let (Some(host), None) = field("host") else { return None };
        if !self.hosts.iter().any(|own| host.eq_ignore_ascii_case(own.as_bytes())) {
            return Some(Asked::Refused(Page::Misdirected));
        }
        if request.method? != "GET" {
            return Some(Asked::Refused(Page::WrongMethod));
        }
        let target = request.path?;
        let path = target.split('?').next().unwrap_or_default();
        if path != self.path {
            let mut pages = [Page::Done, Page::Told].into_iter();
            let clean = pages.find(|&page| target == self.clean(page));
            return Some(clean.map_or(Asked::Refused(Page::Missing), Asked::Clean));
        }
        // Nobody has looked at what is fetched ahead of time, and the real visit is still to come.
        let is_ahead = |name| {
            let ahead = |value: &[u8]| value.to_ascii_lowercase().starts_with(b"prefetch");
            field(name).0.is_some_and(ahead)
        };
        if ["sec-purpose", "purpose", "x-purpose", "x-moz"].into_iter().any(is_ahead) {
            return Some(Asked::Refused(Page::Ahead));
        }
        Some(Asked::Callback(target.to_owned()))
    }
}

/// The page for the browser that brought this callback: whether it is a refusal shows in the query (RFC 6749
/// §4.1.2.1). It is only about words; the client reads the callback.
pub(super) fn page_for(target: &str) -> Page {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    if query.split('&').any(|piece| piece.starts_with("error=")) { Page::Told } else { Page::Done }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site() -> Site {
        Site::new("/cb", 8080, false)
    }

    fn read(text: &str) -> Option<Asked> {
        site().read(text.as_bytes())
    }

    #[test]
    fn s_na_03_only_a_get_of_the_exact_path_with_the_right_host_is_a_callback() {
        let callback = || Some(Asked::Callback("/cb?code=1&state=2".into()));
        assert_eq!(read("GET /cb?code=1&state=2 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"), callback());
        assert_eq!(read("GET /cb?code=1&state=2 HTTP/1.1\r\nhost: [::1]:8080\r\n\r\n"), callback());
        assert_eq!(read("GET /cb HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"), None);
        let host = "Host: 127.0.0.1:8080\r\n\r\n";
        for (head, page) in [
            (format!("HEAD /cb?code=1 HTTP/1.1\r\n{host}"), Page::WrongMethod),
            (format!("POST /cb HTTP/1.1\r\n{host}"), Page::WrongMethod),
            (format!("GET /cb/ HTTP/1.1\r\n{host}"), Page::Missing),
            (format!("GET /CB HTTP/1.1\r\n{host}"), Page::Missing),
            (format!("GET /x/../cb HTTP/1.1\r\n{host}"), Page::Missing),
            (format!("GET http://127.0.0.1:8080/cb HTTP/1.1\r\n{host}"), Page::Missing),
            (format!("GET /favicon.ico HTTP/1.1\r\n{host}"), Page::Missing),
            (format!("GET /cb HTTP/1.1\r\nSec-Purpose: prefetch;prerender\r\n{host}"), Page::Ahead),
            (format!("GET /cb HTTP/1.1\r\nPurpose: Prefetch\r\n{host}"), Page::Ahead),
            (format!("GET /cb HTTP/1.1\r\nX-Moz: prefetch\r\n{host}"), Page::Ahead),
            (format!("GET /cb HTTP/1.1\r\nHost: evil.example\r\n{host}"), Page::Bad),
            ("GET /cb HTTP/1.1\r\n\r\n".into(), Page::Bad),
            ("\x16\x03\x01\x02".into(), Page::Bad),
        ] {
            assert_eq!(read(&head), Some(Asked::Refused(page)), "{head:?}");
        }
    }

    #[test]
    fn s_na_03_a_host_of_another_name_is_misdirected() {
        for host in [
            "evil.example:8080",
            "127.0.0.1",
            "127.0.0.1:80",
            "127.0.0.1.evil.example:8080",
            "localhost:8080",
            "",
        ] {
            let head = format!("GET /cb HTTP/1.1\r\nHost: {host}\r\n\r\n");
            assert_eq!(read(&head), Some(Asked::Refused(Page::Misdirected)), "{host}");
        }
        let site = Site::new("/cb", 80, true);
        for host in ["localhost", "LOCALHOST:80", "127.0.0.1"] {
            let head = format!("GET /cb HTTP/1.1\r\nHost: {host}\r\n\r\n");
            assert_eq!(site.read(head.as_bytes()), Some(Asked::Callback("/cb".into())), "{host}");
        }
        assert_eq!(site.redirect_uri(), "http://localhost:80/cb");
    }

    #[test]
    fn clean_addresses_never_are_the_redirect_uri() {
        for (path, clean) in
            [("/", "/done"), ("/cb", "/cb/done"), ("/a/", "/a/done"), ("/done", "/done/done")]
        {
            assert_eq!(Site::new(path, 1, false).clean(Page::Done), clean);
        }
        let head = "GET /cb/told HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";
        assert_eq!(read(head), Some(Asked::Clean(Page::Told)));
        assert_eq!(page_for("/cb?error=access_denied&state=1"), Page::Told);
        assert_eq!(page_for("/cb?code=error=&state=1"), Page::Done);
    }
}
