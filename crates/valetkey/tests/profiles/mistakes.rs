//! Every mistake that a person can make in a profile: each is said in words, with the knob and, in TOML, the line.

use valetkey::{
    Error, ErrorKind,
    profile::{Hook, ProviderProfile, from_toml},
};

/// Two lines that are right.
const GOOD: &str = "name = 'shop'\nendpoints.token = 'https://as.example/token'\n";

fn refused(text: &str) -> String {
    let error = from_toml(text).err().unwrap_or_else(|| panic!("taken: {text}"));
    told(&error)
}

fn told(error: &Error) -> String {
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    error.to_string()
}

/// What is said of a third line.
fn third(line: &str) -> String {
    refused(&format!("{GOOD}{line}\n"))
}

#[track_caller]
fn says(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "{part:?} is not in {said:?}");
    }
}

#[test]
fn what_is_right_is_taken() {
    for text in [GOOD.to_owned(), format!("\u{feff}{GOOD}"), GOOD.replace('\n', "\r\n")] {
        let profile = from_toml(&text).unwrap();
        assert_eq!(profile.server().unwrap().token_endpoint().unwrap().as_str(), "https://as.example/token");
    }
    let json = r#"{ "name": "shop", "endpoints": { "token": "https://as.example/token" } }"#;
    for text in [json.to_owned(), format!("\u{feff}{json}")] {
        assert!(ProviderProfile::from_json(&text).is_ok());
    }
}

#[test]
fn words_that_there_are_not() {
    says(
        &third("[tokens]\nauth = 'post'"),
        &["line 3: there is no knob `tokens`; beside it there are:", " token"],
    );
    says(
        &third("[token]\nauht = 'post'"),
        &["line 4: there is no knob `token.auht`; beside it there are: auth, body,"],
    );
    says(
        &third("token.scope_separator = ','"),
        &["line 3: there is no knob `token.scope_separator`", "rename"],
    );
    says(&third("scope_separator = ','"), &["line 3: there is no knob `scope_separator`", "authorize"]);
    says(&third("[answer.errors]\ncode = ['a']"), &["line 3: there is no knob `answer.errors`", "error"]);
    says(
        &third("[answer.error]\ncods = ['a']"),
        &["line 4: there is no knob `answer.error.cods`", "code, codes"],
    );
    says(&third("[endpoints.tokens]"), &["line 3: there is no knob `endpoints.tokens`"]);
    says(&third("[refresh]\nauth = 'post'"), &["line 4: there is no knob `refresh.auth`", "grant_type"]);
    says(
        &third("[device]\nmethod = 'GET'"),
        &["line 4: there is no knob `device.method`", "omit, parameters, rename"],
    );
    says(&third("Token.auth = 'post'"), &["line 3: there is no knob `Token`"]);
    says(&third("'a.b' = 1"), &["line 3: there is no knob `a.b`"]);
}

#[test]
fn values_of_another_type_or_none() {
    let text = "must be a text that is not empty and has no control characters";
    for value in ["''", "1", "true", "['a']", "{}", "\"a\\nb\"", "\"a\\u0000\"", "2026-01-12", "inf"] {
        says(&third(&format!("authorize.fragment = {value}")), &["line 3: `authorize.fragment`", text]);
    }
    says(&third("checked = 2026-01-12"), &["line 3: `checked`", text]);
    says(&refused("endpoints.token = 'https://as.example/token'"), &["a profile has a `name`"]);
    says(&refused("name = ''"), &["line 1: `name`", text]);
    let words = &["line 3: `token.auth` must be \"none\" or \"basic\"", "or \"probe\""];
    for value in ["'Basic'", "'client_secret_post'", "''", "true", "['post']"] {
        says(&third(&format!("token.auth = {value}")), words);
    }
    says(&third("token.method = 'PUT'"), &["line 3: `token.method` must be \"GET\" or \"POST\""]);
    says(&third("token.body = 'xml'"), &["`token.body` must be \"form\" or \"json\" or \"query\""]);
    says(&third("authorize.pkce = false"), &["line 3: `authorize.pkce` must be \"off\" or \"on\""]);
    says(&third("answer.jsonp = 'yes'"), &["line 3: `answer.jsonp` must be true or false"]);
    for value in ["0", "-1", "1.5", "'60'", "true"] {
        let said = third(&format!("answer.lifetime = {value}"));
        says(&said, &["line 3: `answer.lifetime` must be a whole number of seconds above zero"]);
    }
    for value in ["'openid'", "[1]", "['']", "[['a']]", "{}", "[\"a\\u0007\"]"] {
        let said = third(&format!("callback.keep = {value}"));
        says(&said, &["line 3: `callback.keep` must be a list of texts that are not empty"]);
    }
    for value in ["'client_key'", "['client_id', 'client_key']", "1"] {
        says(&third(&format!("token.rename = {value}")), &["line 3: `token.rename` must be a table"]);
    }
    for value in ["['a']", "{}", "\"a\\r\\nb\"", "1979-05-27"] {
        let said = third(&format!("token.parameters.x = {value}"));
        says(
            &said,
            &["line 3: `token.parameters.x` must be a text without control characters, a number, true or"],
        );
    }
    says(&third("token = 'post'"), &["line 3: `token` must be a table"]);
    says(&third("[[token]]\nauth = 'post'"), &["line 3: `token` must be a table"]);
    for value in ["', '", "'é'", "'ab'"] {
        let said = third(&format!("authorize.scope_separator = {value}"));
        says(&said, &["line 3: `authorize.scope_separator` must be one visible character"]);
    }
}

#[test]
fn knobs_that_contradict_each_other() {
    let body = "`token.body` has no body if the method is GET";
    says(&third("token = { method = 'GET', body = 'json' }"), &["line 3: ", body]);
    says(&third("token = { method = 'GET', body = 'form' }"), &["line 3: ", body]);
    says(&third("api.parameter = 'token'"), &["line 3: `api.parameter` is for a token in a form or a query"]);
    says(&third("api = { token = 'query', scheme = 'OAuth' }"), &["`api.scheme` is for a token in a header"]);
    says(
        &third("api = { token = 'form', header = 'X-Token' }"),
        &["`api.header` is for a token in a header"],
    );
    says(
        &third("api = { header = 'X-Token', scheme = 'OAuth' }"),
        &["line 3: `api.header` has no `api.scheme`"],
    );
    says(&third("api.scheme = 'O Auth'"), &["line 3: `api.scheme`"]);
    says(&third("api.header = 'X Token'"), &["line 3: `api.header`"]);
    says(
        &third("answer.ok.member = 'ok'"),
        &["line 3: `answer.ok.member` and `answer.ok.value` go together"],
    );
    says(&third("[answer.ok]\nvalue = true"), &["`answer.ok.member` and `answer.ok.value` go together"]);
}

#[test]
fn urls_that_are_none_of_an_endpoint() {
    let urls = [
        "http://as.example/token",
        "/token",
        "as.example/token",
        "https://user:word@as.example/token",
        "https://as.example/token#part",
        "https:///token",
        "https://as.example/to ken",
        "ftp://as.example/token",
        "javascript:alert(1)",
        "https://as.example\\@evil.example/",
        "https://{Shop}.example/token",
        "https://{shop/token",
    ];
    for url in urls {
        for knob in
            ["authorization", "token", "refresh", "userinfo", "jwks", "revocation", "discover", "issuer"]
        {
            let text = format!("name = 'x'\n[endpoints]\n{knob} = '{url}'\n");
            let start = format!("line 3: `endpoints.{knob}` must be an https:// URL");
            says(&refused(&text), &[&start]);
        }
        let text = format!("name = 'x'\n[endpoints]\napi = ['https://api.example/', '{url}']\n");
        says(&refused(&text), &["line 3: `endpoints.api` must be an https:// URL"]);
    }
    says(&third("endpoints.api = 'https://api.example/'"), &["line 3: `endpoints.api` must be a list"]);
    let said = told(&from_toml("name = 'x'").unwrap().server().unwrap_err());
    says(&said, &["profile x"]);
    let template = format!("{GOOD}endpoints.issuer_template = 'https://as.example/{{tenant}}'");
    says(&told(&from_toml(&template).unwrap().server().unwrap_err()), &["issuer template"]);
}

#[test]
fn headers_that_a_profile_does_not_set() {
    let what = "must be a header field, and neither Authorization nor Content-Length";
    for name in ["Authorization", "authorization", "Content-Length", "X Y", "'X:Y'", "'é'"] {
        let name = if name.contains([' ']) { format!("'{name}'") } else { name.to_owned() };
        let bare = name.trim_matches('\'');
        says(&third(&format!("headers.{name} = 'x'")), &[&format!("line 3: `headers.{bare}` {what}")]);
        says(
            &third(&format!("api.headers.{name} = 'x'")),
            &[&format!("line 3: `api.headers.{bare}` {what}")],
        );
    }
    for value in ["\"a\\r\\nb: c\"", "\"a\\u0000\"", "\"\\n\""] {
        says(
            &third(&format!("headers.X-A = {value}")),
            &["line 3: `headers.X-A` must be a text without control"],
        );
    }
}

#[test]
fn variables_that_are_missing_or_would_change_the_url() {
    let shop =
        || from_toml("name = 'x'\nendpoints.token = 'https://{shop}.example/{path_of}/token'").unwrap();
    says(&told(&shop().server().unwrap_err()), &["the variable shop of a profile is not set"]);
    let half = shop().with_variable("shop", "my");
    says(&told(&half.server().unwrap_err()), &["the variable path_of of a profile is not set"]);
    for value in [
        "", "a/b", "a@b", "..", ".", "a:1", "a\r\nb", "a b", "a?b", "a#b", "a%2fb", "é", "{shop}", "a\\b",
        "\0",
    ] {
        let error = shop().with_variable("path_of", "v1").with_variable("shop", value).server().unwrap_err();
        says(&told(&error), &["the variable shop of a profile has a value that is no part of a URL"]);
        let error = shop().with_variable("shop", "my").with_variable("path_of", value).server().unwrap_err();
        says(&told(&error), &["the variable path_of of a profile has a value that is no part of a URL"]);
    }
    let agent = from_toml(&format!("{GOOD}headers.User-Agent = 'app/{{version}}'")).unwrap();
    says(&told(&agent.server().unwrap_err()), &["the variable version of a profile is not set"]);
    let error = agent.with_variable("version", "1\r\nX: y").server().unwrap_err();
    says(&told(&error), &["the header User-Agent of a profile"]);
}

#[test]
fn hooks_that_nobody_brought() {
    #[derive(Debug)]
    struct Named;
    impl Hook for Named {
        fn name(&self) -> &str {
            "sign"
        }
    }

    let profile = from_toml(&format!("hooks = ['sign', 'stamp']\n{GOOD}")).unwrap();
    says(&told(&profile.server().unwrap_err()), &["profile shop needs the hook sign"]);
    says(&told(&profile.with_hook(Named).server().unwrap_err()), &["profile shop needs the hook stamp"]);
    says(&refused(&format!("hooks = 'sign'\n{GOOD}")), &["line 1: `hooks` must be a list of texts"]);
}

#[test]
fn names_that_are_said_twice() {
    says(&third("token.auth = 'post'\ntoken.auth = 'basic'"), &["line 4: duplicate key: auth"]);
    says(&third("name = 'other'"), &["line 3: duplicate key: name"]);
    says(&third("[token]\nauth = 'post'\n[token]\nbody = 'json'"), &["line 5: duplicate key: token"]);
    says(&third("token = { auth = 'post', auth = 'basic' }"), &["line 3: duplicate key: auth"]);
    let json = r#"{ "name": "x", "token": { "auth": "post", "auth": "basic" } }"#;
    says(&told(&ProviderProfile::from_json(json).unwrap_err()), &["a name is said twice", "line 1 column"]);
}

#[test]
fn texts_that_are_no_toml() {
    for (line, said) in [
        ("token", "line 3: "),
        ("token auth = 'post'", "line 3: "),
        ("token.auth = post", "line 3: "),
        ("token.auth = 'post", "line 3: "),
        ("token.auth = ", "line 3: "),
        ("[token\nauth = 'post'", "line 3: "),
        ("token = { auth = 'post'", "line 3: "),
        ("a = 'x\0y'", "line 3: "),
        ("\u{feff}a = 1", "line 3: "),
        ("a = 99999999999999999999999999", "line 3"),
        ("{\"token\": {}}", "line 3: "),
    ] {
        says(&third(line), &[said]);
    }
    says(&refused("name = 'x'\u{feff}"), &["line 1: "]);
    says(&refused("\0"), &["line 1: "]);
    says(&refused(""), &["a profile has a `name`"]);
}

#[test]
fn texts_that_are_no_json() {
    let refused = |text: &str| told(&ProviderProfile::from_json(text).unwrap_err());
    for text in ["", "\0", "name = 'x'", "[]", "1", "null", "\"x\"", r#"{"name":"x""#, r#"{"name":"x",}"#] {
        assert!(refused(text).len() > 40, "{text:?}");
    }
    says(&refused("[]"), &["a profile is a table"]);
    says(&refused(r#"{"name":"x","tokens":{}}"#), &["there is no knob `tokens`"]);
    says(&refused(r#"{"name":null}"#), &["`name` must be a text"]);
}

#[test]
fn texts_that_are_too_long_or_too_deep() {
    let longer = "the profile is longer than 64 KiB";
    let long = format!("{GOOD}#{}", "x".repeat(1 << 20));
    says(&refused(&long), &[longer]);
    says(&told(&ProviderProfile::from_json(&" ".repeat(1 << 20)).unwrap_err()), &[longer]);
    assert!(from_toml(&format!("{GOOD}#{}", "x".repeat(60 << 10))).is_ok());
    let deep = |open: &str, close: &str, times| format!("{}1{}", open.repeat(times), close.repeat(times));
    for times in [20, 200, 10_000] {
        assert!(!third(&format!("a = {}", deep("[", "]", times))).is_empty());
        assert!(!third(&format!("a = {}", deep("{a=", "}", times))).is_empty());
        assert!(!third(&format!("[{}]", vec!["a"; times].join("."))).is_empty());
        assert!(!third(&format!("{} = 1", vec!["a"; times].join("."))).is_empty());
        let json = format!(r#"{{"name":"x","a":{}}}"#, deep("[", "]", times));
        assert!(ProviderProfile::from_json(&json).is_err());
    }
}

/// Nothing that is written ends in a panic, wherever it is cut or bitten.
#[test]
fn no_text_is_a_panic() {
    let whole = format!(
        "{GOOD}[answer]\nok = {{ member = 'a.0', value = 1 }}\nkeep.a = 'b'\n[api.headers]\na = '{{a}}'\n"
    );
    let read = |text: &str| from_toml(text).and_then(|profile| profile.server()).is_ok();
    let mut taken = 0;
    for at in 0..whole.len() {
        let (before, after) = whole.split_at(at);
        taken += usize::from(read(before));
        for bite in ["", "\0", "[", "{", "'", "\"\"\"", "=", "\u{feff}", "\u{2028}", "{a}"] {
            taken += usize::from(read(&format!("{before}{bite}{after}")));
        }
    }
    assert!(taken > 0 && !read(&whole), "`a` is not set");
}
