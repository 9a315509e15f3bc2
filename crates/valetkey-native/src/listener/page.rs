//! What the listener answers: small pages that say one thing, load nothing and repeat nothing of the request.

use std::fmt::Write;

const STYLE: &str = "\
:root{color-scheme:light dark;font:1.0625rem/1.5 system-ui,sans-serif}\
body{margin:0;min-height:100vh;display:grid;place-items:center}\
main{box-sizing:border-box;width:min(26rem,100%);padding:2rem 1.5rem}\
h1{font-size:1.375rem;font-weight:600;line-height:1.3;margin:0 0 .5rem}\
p{margin:0}";
/// Of the style's SHA-256, by which the policy allows it and nothing else; a test computes it.
const STYLE_HASH: &str = "G1mVeyYfVxCtrvRCzYB6WwqlbzbcAyEmfKN/VwBnN60=";

/// What is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// The browser has done its part.
    Done,
    /// It has, and it brought a refusal.
    Told,
    /// A callback of another sign-in, or of none.
    Foreign,
    /// Not a request that can be understood.
    Bad,
    /// No such path.
    Missing,
    /// Not `GET`.
    WrongMethod,
    /// A head of more than 8 KiB.
    TooLarge,
    /// Another host was meant.
    Misdirected,
    /// Asked for before anybody wanted to see it.
    Ahead,
}

impl Page {
    /// The last segment of its clean address.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Told => "told",
            _ => "done",
        }
    }

    fn status(self) -> &'static str {
        match self {
            Self::Done | Self::Told => "200 OK",
            Self::Foreign | Self::Bad => "400 Bad Request",
            Self::Missing => "404 Not Found",
            Self::WrongMethod => "405 Method Not Allowed",
            Self::TooLarge => "431 Request Header Fields Too Large",
            Self::Misdirected => "421 Misdirected Request",
            Self::Ahead => "503 Service Unavailable",
        }
    }

    /// The heading and the one sentence below it.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Done => ("You can close this tab", "The browser is no longer needed; the program goes on."),
            Self::Told => ("You can close this tab", "You were not signed in. The program has been told."),
            Self::Foreign => (
                "This is not the sign-in under way",
                "If you meant to sign in, begin again in the program that opened the browser.",
            ),
            _ => ("Nothing to see here", "A program on this computer waits here for a sign-in."),
        }
    }

    /// The whole answer, as it goes over the wire.
    pub(super) fn answer(self) -> Vec<u8> {
        let (heading, sentence) = self.words();
        let html = format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <title>{heading}</title><style>{STYLE}</style></head>\
             <body><main><h1>{heading}</h1><p>{sentence}</p></main></body></html>\n"
        );
        let mut extra = String::from("Content-Type: text/html; charset=utf-8\r\n");
        if self == Self::WrongMethod {
            extra.push_str("Allow: GET\r\n");
        }
        message(self.status(), &extra, &html)
    }
}

/// Sends the browser on, so that the response is neither in its address bar nor in its history (RFC 9700
/// §4.2.4, §4.3.2).
pub(super) fn moved_to(path: &str) -> Vec<u8> {
    message("303 See Other", &format!("Location: {path}\r\n"), "")
}

fn message(status: &str, extra: &str, body: &str) -> Vec<u8> {
    let mut message = format!("HTTP/1.1 {status}\r\n{extra}");
    // Writing to a `String` does not fail.
    let _ = write!(
        message,
        "Content-Length: {}\r\n\
         Content-Security-Policy: default-src 'none'; style-src 'sha256-{STYLE_HASH}'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'\r\n\
         Cache-Control: no-store\r\n\
         Referrer-Policy: no-referrer\r\n\
         X-Content-Type-Options: nosniff\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    message.into_bytes()
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use ring::digest::{SHA256, digest};

    use super::*;

    #[test]
    fn the_policy_allows_the_style() {
        assert_eq!(STANDARD.encode(digest(&SHA256, STYLE.as_bytes())), STYLE_HASH);
    }

    #[test]
    fn s_az_20_every_answer_keeps_to_itself() {
        let pages = [
            Page::Done,
            Page::Told,
            Page::Foreign,
            Page::Bad,
            Page::Missing,
            Page::WrongMethod,
            Page::TooLarge,
            Page::Misdirected,
            Page::Ahead,
        ];
        for answer in pages.map(Page::answer).into_iter().chain([moved_to("/cb/done")]) {
            let answer = String::from_utf8(answer).unwrap();
            for line in [
                "Cache-Control: no-store\r\n",
                "Referrer-Policy: no-referrer\r\n",
                "Content-Security-Policy: default-src 'none'; ",
                "X-Content-Type-Options: nosniff\r\n",
                "Connection: close\r\n",
            ] {
                assert!(answer.contains(line), "{line} is missing in {answer}");
            }
            for word in ["<script", "http://", "https://", "<img", "url(", "@import"] {
                assert!(!answer.contains(word), "{word} in {answer}");
            }
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())));
        }
    }
}
