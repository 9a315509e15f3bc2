//! The profiles that come with the crate.

use std::collections::BTreeSet;

use valetkey::{ErrorKind, Reason, oauth2::server::IssuerTemplate, profile};
use valetkey_proto::endpoint::{Endpoint, Origin};

use crate::provider::Provider;

/// A value for each variable that there is.
const VARIABLES: [(&str, &str); 11] = [
    ("api_host", "api.clover.com"),
    ("api_key", "key"),
    ("application_id", "amzn1.sellerapps.app.x"),
    ("authorize_host", "www.clover.com"),
    ("client_id", "app"),
    ("domain", "pool.auth.eu-west-1.amazoncognito.com"),
    ("host", "chat.example"),
    ("key", "key"),
    ("policy", "B2C_1_SignUpSignIn"),
    ("shop", "my-shop.myshopify.com"),
    ("tenant", "contoso"),
];

const WITH_HOOKS: [&str; 1] = ["smartsheet"];
const WITHOUT_USERS: [&str; 1] = ["fiserv"];

fn filled(name: &str) -> profile::ProviderProfile {
    let profile = profile::preset(name).expect(name);
    VARIABLES.iter().fold(profile, |profile, (name, value)| profile.with_variable(name, value))
}

fn is_date(text: &str) -> bool {
    let digits = |text: &str, length| text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<_> = text.split('-').collect();
    matches!(parts[..], [year, month, day] if digits(year, 4) && digits(month, 2) && digits(day, 2))
}

#[test]
fn every_preset_names_its_source_and_resolves() {
    let names: Vec<_> = profile::presets().collect();
    assert!(names.len() >= 58, "{}", names.len());
    assert!(names.is_sorted() && names.iter().collect::<BTreeSet<_>>().len() == names.len());
    for name in names {
        let preset = filled(name);
        assert_eq!(preset.name(), name, "a file has the name of its profile");
        assert!(preset.source().is_some_and(|source| source.len() > 10), "{name}");
        assert!(preset.checked().is_some_and(is_date), "{name}");
        for url in preset.api().expect(name) {
            assert!(Origin::parse(&url).is_ok() && url.starts_with("https://"), "{name}: {url}");
            assert!(url.ends_with('/'), "{name}: {url}");
        }
        assert!(preset.discover().expect(name).is_none_or(|issuer| issuer.as_str().starts_with("https://")));
        let template = preset.issuer_template().expect(name);
        assert!(template.as_ref().is_none_or(|template| IssuerTemplate::parse(template.as_str()).is_ok()));
        if WITH_HOOKS.contains(&name) {
            let error = preset.server().expect_err(name);
            assert!(error.to_string().contains("needs the hook smartsheet_hash"), "{error}");
            continue;
        }
        let server = preset.server().expect(name);
        let token = server.token_endpoint().expect(name);
        let names = ["device_authorization_endpoint", "revocation_endpoint", "jwks_uri"];
        let others = names.iter().filter_map(|name| server.endpoint(name).ok());
        for endpoint in others.chain([token.clone()]) {
            assert!(is_safe(&endpoint), "{name}: {}", endpoint.as_str());
        }
        if !WITHOUT_USERS.contains(&name) {
            assert!(Provider::of(preset).url("a").starts_with("https://"), "{name}");
        }
    }
}

fn is_safe(endpoint: &Endpoint) -> bool {
    let rest = endpoint.as_str().strip_prefix("https://");
    rest.is_some_and(|rest| rest.contains('.') && !rest.contains(['{', '}']))
}

/// The 58 of golang.org/x/oauth2 by their names here.
#[test]
fn there_is_a_preset_for_each_endpoint_of_the_go_library() {
    let names = "amazon apple asana badgr battlenet bitbucket cern coinbase discord dropbox ebay facebook foursquare \
        fitbit github gitlab google heroku hipchat instagram kakao line linkedin mailchimp mailru mediamath \
        mediamath_sandbox microsoft naver nokia_health odnoklassniki openstreetmap patreon paypal paypal_sandbox \
        pinterest pipedrive qq rakuten slack splitwise spotify stackoverflow strava twitch uber vk withings x yahoo \
        yandex zoom asgardeo azure_ad azure_ad_b2c cognito hipchat_server shopify";
    let presets: BTreeSet<_> = profile::presets().collect();
    let missing: Vec<_> = names.split_whitespace().filter(|name| !presets.contains(name)).collect();
    assert!(missing.is_empty() && names.split_whitespace().count() == 58, "{missing:?}");
}

#[test]
fn each_variable_is_missed_by_its_name() {
    for (name, variables) in [
        ("amazon_selling_partner", "domain application_id"),
        ("asgardeo", "tenant"),
        ("azure_ad", "tenant"),
        ("azure_ad_b2c", "tenant policy"),
        ("clover", "authorize_host api_host"),
        ("cognito", "domain"),
        ("hipchat_server", "host"),
        ("shopify", "shop"),
        ("stackoverflow", "key"),
        ("surveymonkey", "api_key"),
        ("twitch", "client_id"),
    ] {
        for missing in variables.split(' ') {
            let preset = profile::preset(name).unwrap();
            let others = VARIABLES.iter().filter(|(variable, _)| *variable != missing);
            let preset = others.fold(preset, |preset, (name, value)| preset.with_variable(name, value));
            let error = preset.server().expect_err(name);
            assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::InvalidValue));
            assert!(error.to_string().contains(&format!("the variable {missing} ")), "{name}: {error}");
        }
    }
}

#[test]
fn a_preset_that_there_is_not_is_an_error() {
    for name in ["", "GitHub", "../presets/github", "github.toml", "netatmo"] {
        let error = profile::preset(name).unwrap_err();
        assert_eq!(error.to_string(), format!("a value cannot be used: there is no preset {name}"));
    }
}
