//! The pages that the authorization endpoints show to a human: a question, a PIN and an error.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderName, StatusCode, header::CONTENT_SECURITY_POLICY, header::X_FRAME_OPTIONS};
use ring::digest::{SHA256, digest};

use crate::{
    message::{Answer, Post},
    settings::Settings,
};

const STYLE: &str = "\
:root{color-scheme:light dark;font:1.0625rem/1.5 system-ui,sans-serif}\
body{margin:0;min-height:100vh;display:grid;place-items:center}\
main{box-sizing:border-box;width:min(26rem,100%);padding:2rem 1.5rem}\
h1{font-size:1.375rem;font-weight:600;line-height:1.3;margin:0 0 1rem}\
p,ul{margin:0 0 1rem}ul{padding-left:1.25rem}label{display:block;margin-bottom:.25rem}\
select,button{box-sizing:border-box;width:100%;min-height:2.75rem;font:inherit;\
padding:.5rem .75rem;border-radius:.375rem;border:1px solid GrayText}\
select{margin-bottom:1.5rem}button{margin-bottom:.75rem;background:Canvas;color:CanvasText;cursor:pointer}\
button[value=approve]{background:CanvasText;color:Canvas;font-weight:600}\
:focus-visible{outline:3px solid Highlight;outline-offset:2px}";

/// What a human is asked.
pub(super) struct Question<'a> {
    pub(super) client: &'a str,
    pub(super) scope: &'a str,
    /// Where the answer is posted, below the issuer.
    pub(super) action: &'static str,
}

/// Asks whether this client may do what it wants, and in whose name.
pub(super) fn consent(settings: &Settings, question: Question<'_>, ticket: &str) -> Answer {
    let client = escaped(question.client);
    let wishes = if question.scope.is_empty() {
        String::from("<p>It asks for nothing but to know who you are.</p>")
    } else {
        let items = question.scope.split(' ').map(|scope| format!("<li>{}</li>", escaped(scope)));
        format!("<p>It asks for:</p><ul>{}</ul>", items.collect::<String>())
    };
    let users = settings.users.iter().map(|user| format!("<option>{}</option>", escaped(user)));
    let main = format!(
        "<h1>Let \u{201c}{client}\u{201d} sign you in?</h1>{wishes}\
         <form method=\"post\" action=\"{}\"><input type=\"hidden\" name=\"ticket\" value=\"{ticket}\">\
         <label for=\"user\">Your account</label><select id=\"user\" name=\"user\">{}</select>\
         <button name=\"decision\" value=\"approve\">Approve</button>\
         <button name=\"decision\" value=\"refuse\">Refuse</button></form>",
        escaped(&settings.issuer.url(question.action)),
        users.collect::<String>(),
    );
    page(StatusCode::OK, "Sign in", &main)
}

/// Shows a verifier that the user carries to the client (RFC 5849 §2.2).
pub(super) fn pin(pin: Option<&str>) -> Answer {
    let pin = match pin {
        Some(pin) => format!("<p>Go back to it and enter <code id=pin>{}</code>.</p>", escaped(pin)),
        None => String::from("<p>Go back to it.</p>"),
    };
    page(StatusCode::OK, "Signed in", &format!("<h1>The application may sign you in</h1>{pin}"))
}

/// Has the browser post the answer to the client (OAuth 2.0 Form Post Response Mode §2 and §5).
pub(crate) fn form_post(post: Post) -> Answer {
    const SCRIPT: &str = "document.forms[0].submit()";
    let inputs = post.params.iter().map(|(name, value)| {
        let (name, value) = (escaped(name), escaped(value));
        format!("<input type=\"hidden\" name=\"{name}\" value=\"{value}\">")
    });
    let main = format!(
        "<h1>You are signed in</h1><form method=\"post\" action=\"{}\">{}<button>Continue</button></form>\
         <script>{SCRIPT}</script>",
        escaped(&post.uri),
        inputs.collect::<String>(),
    );
    let script = format!("; script-src 'sha256-{}'", sha256(SCRIPT));
    Answer { post: Some(post), ..page_with(StatusCode::OK, "Signed in", &main, &script) }
}

/// Shows that the user has signed out.
pub(super) fn signed_out() -> Answer {
    page(StatusCode::OK, "Signed out", "<h1>You are signed out</h1>")
}

pub(super) fn error(status: StatusCode, why: &str) -> Answer {
    page(status, "Cannot sign in", &format!("<h1>Cannot sign in</h1><p>{}.</p>", escaped(why)))
}

/// `form-action` is left out on purpose: browsers apply it to the redirect that answers the form, and that
/// goes to the client.
fn page(status: StatusCode, title: &str, main: &str) -> Answer {
    page_with(status, title, main, "")
}

fn page_with(status: StatusCode, title: &str, main: &str, more: &str) -> Answer {
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head><body><main>{main}</main></body></html>"
    );
    let style = sha256(STYLE);
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; frame-ancestors 'none'{more}"
    );
    Answer::page(status, html)
        .with(CONTENT_SECURITY_POLICY, policy)
        .with(X_FRAME_OPTIONS, "DENY")
        .with(HeaderName::from_static("x-content-type-options"), "nosniff")
}

fn sha256(text: &str) -> String {
    STANDARD.encode(digest(&SHA256, text.as_bytes()))
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
