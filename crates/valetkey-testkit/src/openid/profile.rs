//! Who the users are (OpenID Connect Core §5.1), and what they are called before whom.

use serde_json::{Map, Value, json};

use super::SubjectType;
use crate::{
    jose::sha256,
    settings::{RegisteredClient, Settings},
};

/// What a user is called before a client: `sub`.
pub(crate) fn subject(settings: &Settings, client: &str, user: &str) -> String {
    match settings.client(client) {
        Some(client) if client.openid.subject_type == SubjectType::Pairwise => {
            sha256(format!("{}\n{}\n{user}", settings.issuer.text, sector(client)).as_bytes())
        }
        Some(_) | None => user.to_owned(),
    }
}

/// The host of the redirect URIs (Core §8.1).
fn sector(client: &RegisteredClient) -> &str {
    let uri = client.redirect_uris.first().map_or(client.id.as_str(), String::as_str);
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    rest.split(['/', ':', '?']).next().unwrap_or(rest)
}

/// The claims that scopes ask for (Core §5.4).
pub(crate) fn scope_claims(user: &str, scope: &str) -> Map<String, Value> {
    const SCOPES: [(&str, &[&str]); 4] = [
        (
            "profile",
            &[
                "name",
                "given_name",
                "family_name",
                "nickname",
                "preferred_username",
                "profile",
                "picture",
                "website",
                "gender",
                "birthdate",
                "zoneinfo",
                "locale",
                "updated_at",
            ],
        ),
        ("email", &["email", "email_verified"]),
        ("address", &["address"]),
        ("phone", &["phone_number", "phone_number_verified"]),
    ];
    let asked = SCOPES.iter().filter(|(name, _)| scope.split(' ').any(|scope| scope == *name));
    let names: Vec<_> = asked.flat_map(|(_, claims)| claims.iter().copied()).collect();
    chosen_claims(user, names)
}

/// The claims of these names, as far as there are such (Core §5.5).
pub(crate) fn chosen_claims<'a>(user: &str, names: impl IntoIterator<Item = &'a str>) -> Map<String, Value> {
    let Value::Object(mut all) = profile(user) else { return Map::new() };
    names.into_iter().filter_map(|name| all.remove_entry(name)).collect()
}

fn profile(user: &str) -> Value {
    let mut name: Vec<char> = user.chars().collect();
    name.iter_mut().take(1).for_each(|first| *first = first.to_ascii_uppercase());
    let name: String = name.into_iter().collect();
    json!({
        "name": format!("{name} Example"),
        "given_name": name,
        "family_name": "Example",
        "nickname": user,
        "preferred_username": user,
        "profile": format!("https://people.test/{user}"),
        "picture": format!("https://people.test/{user}.png"),
        "website": format!("https://{user}.test/"),
        "gender": "unknown",
        "birthdate": "2000-02-29",
        "zoneinfo": "Europe/Paris",
        "locale": "en-GB",
        "updated_at": 1_700_000_000,
        "email": format!("{user}@people.test"),
        "email_verified": true,
        "address": { "locality": "Exampleville", "country": "XX" },
        "phone_number": "+1 555 0100",
        "phone_number_verified": false,
    })
}
