//! A browser without a screen: it follows redirects, keeps cookies, and fills in and submits forms, until it is sent
//! away from the site, or has nothing left to submit.
//!
//! It runs no scripts, knows one site, and takes every cookie for as long as it runs. Lists and text areas are not filled in.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use html5gum::{StartTag, Token, Tokenizer};
use http::{Method, StatusCode, header};
use url::Url;
use valetkey_http::{Backend, Limits, Response};

/// What a user goes through is shorter.
const MAX_PAGES: usize = 20;

/// Where a visit ended.
pub(crate) enum End {
    /// The browser was sent elsewhere, and did not go there.
    Away(String),
    /// The same by a form, whose content this is.
    Posted(String),
    /// A page that asks for nothing.
    Page(StatusCode),
}

/// The cookies of a site.
#[derive(Debug, Default)]
pub(crate) struct Jar(Vec<Cookie>);

#[derive(Debug)]
struct Cookie {
    name: String,
    value: String,
    path: String,
}

/// Visits a URL; `answers` are what the user writes, and the buttons that are pressed, by their names.
pub(crate) async fn visit(
    backend: &Arc<dyn Backend>,
    jar: &mut Jar,
    start: &str,
    answers: &BTreeMap<String, String>,
) -> End {
    let mut url = Url::parse(start).expect("a URL");
    let site = url.origin();
    let mut form = None;
    let mut seen = Vec::new();
    for _ in 0..MAX_PAGES {
        if url.origin() != site {
            return form.map_or_else(|| End::Away(url.into()), End::Posted);
        }
        let response = load(backend, jar, &url, form.take()).await;
        seen.push(format!("{} {}", url.path(), response.status()));
        jar.learn(&url, &response);
        if let Some(location) = response.headers().get(header::LOCATION) {
            url = url.join(location.to_str().expect("text")).expect("a URL");
            continue;
        }
        let next = Form::find(response.body(), answers).filter(|_| response.status().is_success());
        let Some(next) = next else { return End::Page(response.status()) };
        (url, form) = next.submit(&url, answers);
    }
    panic!("the pages do not end: {seen:?}");
}

async fn load(backend: &Arc<dyn Backend>, jar: &Jar, url: &Url, form: Option<String>) -> Response {
    let method = if form.is_some() { Method::POST } else { Method::GET };
    let mut request = http::Request::builder().method(method).uri(url.as_str()).header("accept", "text/html");
    if let Some(cookies) = jar.cookies(url) {
        request = request.header(header::COOKIE, cookies);
    }
    if form.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    }
    let request = request.body(Bytes::from(form.unwrap_or_default())).expect("a request");
    backend.send(request, Limits::default()).await.expect("a page")
}

impl Jar {
    /// RFC 6265 §5.2, but for domains and times: an empty value or a time in the past takes a cookie away.
    fn learn(&mut self, url: &Url, response: &Response) {
        for cookie in response.headers().get_all(header::SET_COOKIE) {
            let mut parts = cookie.to_str().expect("text").split(';').map(str::trim);
            let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { continue };
            let mut path = url.path().rsplit_once('/').map_or("", |(folder, _)| folder);
            let mut is_over = value.is_empty();
            for (attribute, value) in parts.filter_map(|part| part.split_once('=')) {
                match attribute.to_ascii_lowercase().as_str() {
                    "path" => path = value,
                    "max-age" => is_over |= value.parse().is_ok_and(|seconds: i64| seconds <= 0),
                    "expires" => is_over |= value.contains("1970"),
                    _ => {}
                }
            }
            self.0.retain(|known| (known.name.as_str(), known.path.as_str()) != (name, path));
            if !is_over {
                self.0.push(Cookie { name: name.to_owned(), value: value.to_owned(), path: path.to_owned() });
            }
        }
    }

    fn cookies(&self, url: &Url) -> Option<String> {
        let is_below = |path: &str| {
            let rest = url.path().strip_prefix(path.trim_end_matches('/'));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let cookies = self.0.iter().filter(|cookie| is_below(&cookie.path));
        let pairs: Vec<_> = cookies.map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }
}

#[derive(Default)]
struct Form {
    id: Option<String>,
    action: Option<String>,
    posts: bool,
    controls: Vec<Control>,
}

struct Control {
    kind: String,
    name: Option<String>,
    value: String,
    is_checked: bool,
}

impl Form {
    /// The form of a page that asks for one of these answers, or else the first.
    fn find(page: &[u8], answers: &BTreeMap<String, String>) -> Option<Self> {
        let mut forms = Self::all(page);
        let asks = |form: &Self| form.controls.iter().any(|control| control.answer(answers).is_some());
        let wanted = forms.iter().position(asks).unwrap_or(0);
        (wanted < forms.len()).then(|| forms.swap_remove(wanted))
    }

    fn all(page: &[u8]) -> Vec<Self> {
        let mut forms: Vec<Self> = Vec::new();
        let mut is_open = false;
        // A control may stand anywhere, and name its form.
        let mut apart = Vec::new();
        for Ok(token) in Tokenizer::new(page) {
            match token {
                Token::StartTag(tag) if tag.name == b"form" => {
                    is_open = true;
                    forms.push(Self {
                        id: attribute(&tag, b"id"),
                        action: attribute(&tag, b"action").filter(|action| !action.is_empty()),
                        posts: attribute(&tag, b"method")
                            .is_some_and(|name| name.eq_ignore_ascii_case("post")),
                        controls: Vec::new(),
                    });
                }
                Token::EndTag(tag) if tag.name == b"form" => is_open = false,
                Token::StartTag(tag) if tag.name == b"input" || tag.name == b"button" => {
                    let control = Control::new(&tag);
                    if let Some(id) = attribute(&tag, b"form") {
                        apart.push((id, control));
                    } else if let Some(form) = forms.last_mut().filter(|_| is_open) {
                        form.controls.push(control);
                    }
                }
                _ => {}
            }
        }
        for (id, control) in apart {
            if let Some(form) = forms.iter_mut().find(|form| form.id.as_ref() == Some(&id)) {
                form.controls.push(control);
            }
        }
        forms
    }

    /// Where the form goes, and what it posts.
    fn submit(&self, page: &Url, answers: &BTreeMap<String, String>) -> (Url, Option<String>) {
        let mut content = form_urlencoded::Serializer::new(String::new());
        let mut buttons = self.controls.iter().filter(|control| control.kind == "submit");
        let pressed =
            buttons.clone().find(|button| button.answer(answers).is_some()).or_else(|| buttons.next());
        for control in &self.controls {
            let Some(name) = &control.name else { continue };
            let value = match control.kind.as_str() {
                "submit" if pressed.is_some_and(|pressed| std::ptr::eq(pressed, control)) => &control.value,
                "checkbox" | "radio" if control.is_checked || control.answer(answers).is_some() => {
                    &control.value
                }
                "submit" | "button" | "reset" | "image" | "checkbox" | "radio" => continue,
                _ => control.answer(answers).unwrap_or(&control.value),
            };
            content.append_pair(name, value);
        }
        let mut url = self.action.as_ref().map_or_else(|| page.clone(), |to| page.join(to).expect("a URL"));
        if self.posts {
            return (url, Some(content.finish()));
        }
        url.set_query(Some(&content.finish()));
        (url, None)
    }
}

impl Control {
    fn new(tag: &StartTag<()>) -> Self {
        let is_button = tag.name == b"button";
        let kind = attribute(tag, b"type").unwrap_or_default().to_ascii_lowercase();
        let is_choice = kind == "checkbox" || kind == "radio";
        let value = attribute(tag, b"value");
        Self {
            kind: if is_button && kind.is_empty() { "submit".to_owned() } else { kind },
            name: attribute(tag, b"name").filter(|name| !name.is_empty()),
            value: value.unwrap_or_else(|| if is_choice { "on".to_owned() } else { String::new() }),
            is_checked: attribute(tag, b"checked").is_some(),
        }
    }

    /// What the user says to this. What is hidden is not the user's; a button or a choice is taken by its value.
    fn answer<'a>(&self, answers: &'a BTreeMap<String, String>) -> Option<&'a String> {
        let answer = answers.get(self.name.as_ref()?)?;
        match self.kind.as_str() {
            "hidden" => None,
            "submit" | "checkbox" | "radio" => (*answer == self.value).then_some(answer),
            _ => Some(answer),
        }
    }
}

fn attribute(tag: &StartTag<()>, name: &[u8]) -> Option<String> {
    tag.attributes.get(name).map(|value| String::from_utf8_lossy(value).into_owned())
}

#[test]
fn forms_are_found_and_filled_in_as_a_browser_does() {
    let page = br#"<form action=/search><input name=q></form><!-- <form action=/no> -->
        <FORM id=f Method='post' action="/login?a=1&amp;b=2"><input type="hidden" name="csrf" value="&quot;x&#39;"/>
        <input name=user value=nobody><input TYPE=password name=password><input type=checkbox name=stay>
        <input type=checkbox name=terms value=yes checked><button type=button name=help value=1>?</button></form>
        <button form=f name=decision value=refuse>No</button><button form=f name=decision value=approve>Yes</button>"#;
    let answers = [("user", "alice"), ("password", "p w"), ("csrf", "mine"), ("decision", "approve")];
    let answers = answers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let here = Url::parse("http://127.0.0.1:1/a/b").expect("a URL");
    let (url, content) = Form::find(page, &answers).expect("a form").submit(&here, &answers);
    assert_eq!(url.as_str(), "http://127.0.0.1:1/login?a=1&b=2");
    let content = content.expect("it posts");
    assert_eq!(content, "csrf=%22x%27&user=alice&password=p+w&terms=yes&decision=approve");

    // Nothing that is asked for: the first form, and its first button.
    let none = BTreeMap::new();
    let (url, content) = Form::find(page, &none).expect("a form").submit(&here, &none);
    assert_eq!((url.as_str(), content), ("http://127.0.0.1:1/search?q=", None));
    let (_, content) = Form::all(page)[1].submit(&here, &none);
    assert_eq!(content.as_deref(), Some("csrf=%22x%27&user=nobody&password=&terms=yes&decision=refuse"));
    assert!(Form::find(b"<p>approved</p><input name=a>", &none).is_none());
}

#[test]
fn cookies_go_where_they_belong_until_they_are_taken_away() {
    let url = |path: &str| Url::parse(&format!("http://127.0.0.1:1{path}")).expect("a URL");
    let answer = |cookies: &[&'static str]| {
        let mut response = http::Response::new(Bytes::new());
        for &cookie in cookies {
            response.headers_mut().append(header::SET_COOKIE, header::HeaderValue::from_static(cookie));
        }
        response
    };
    let mut jar = Jar::default();
    jar.learn(&url("/a/login"), &answer(&["s=1; Path=/; HttpOnly", "t=a=b; path=/a/b", "u=3"]));
    assert_eq!(jar.cookies(&url("/")).as_deref(), Some("s=1"));
    assert_eq!(jar.cookies(&url("/a/b/c")).as_deref(), Some("s=1; t=a=b; u=3"));
    assert_eq!(jar.cookies(&url("/a/bc")).as_deref(), Some("s=1; u=3"));
    jar.learn(&url("/"), &answer(&["s=2; path=/", "t=; path=/a/b", "u=x; path=/a; max-age=0"]));
    assert_eq!(jar.cookies(&url("/a/b")).as_deref(), Some("s=2"));
    jar.learn(&url("/"), &answer(&["s=2; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT"]));
    assert_eq!(jar.cookies(&url("/")), None);
}
