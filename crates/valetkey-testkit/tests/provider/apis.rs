//! APIs that describe themselves, metadata that is signed, and access tokens that say what they are for.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use valetkey_testkit::{Dpop, Effect, Expect, Fault, JwtEdit, Member, OpenId, Place, Provider, fault};

use crate::common::*;

const DOCUMENT: &str = "https://issuer.test/.well-known/oauth-protected-resource/api/me";

/// Header and claims of a JWT.
fn parts(jwt: &str) -> [Value; 2] {
    let mut parts = jwt.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
    [(); 2].map(|()| serde_json::from_slice(&parts.next().unwrap()).unwrap())
}

#[test]
fn s_md_07_each_api_describes_itself_and_says_where() {
    let provider = Provider::builder().issuer("https://issuer.test/t").resource_metadata(true).build();
    let refused = get(&provider, &provider.api("admin"), None);
    let place = "https://issuer.test/.well-known/oauth-protected-resource/t/api/admin";
    let challenge = refused.headers()["www-authenticate"].to_str().unwrap();
    assert_eq!(challenge, format!("Bearer realm=\"api\", resource_metadata=\"{place}\""));
    let document = json(&get(&provider, place, None));
    assert_eq!(document["resource"], "https://issuer.test/t/api/admin");
    assert_eq!(document["authorization_servers"], json!(["https://issuer.test/t"]));
    assert!(
        document.get("signed_metadata").is_none()
            && document.get("dpop_bound_access_tokens_required").is_none()
    );
    assert_eq!(provider.count(Place::ResourceMetadata), 1);
    for nowhere in ["", "/t", "/api/admin", "/t/api/other"] {
        let url = format!("https://issuer.test/.well-known/oauth-protected-resource{nowhere}");
        assert_eq!(get(&provider, &url, None).status(), 404, "{nowhere}");
    }
    // Unless it is asked for, there is none.
    assert_eq!(get(&Provider::new(), DOCUMENT, None).status(), 404);
    let bound = Provider::builder().resource_metadata(true).dpop(Dpop::Demanded).build();
    assert_eq!(json(&get(&bound, DOCUMENT, None))["dpop_bound_access_tokens_required"], true);
}

#[test]
fn s_md_09_what_is_signed_is_what_is_said() {
    let provider = Provider::builder().resource_metadata(true).signed_metadata(true).build();
    for (url, subject) in
        [(DOCUMENT, "resource"), ("https://issuer.test/.well-known/openid-configuration", "issuer")]
    {
        let document = json(&get(&provider, url, None));
        let [header, claims] = parts(&text(&document, "signed_metadata"));
        assert_eq!((&header["alg"], &claims["iss"]), (&json!("RS256"), &json!("https://issuer.test")));
        assert_eq!(claims[subject], document[subject]);
        let keys: Value = serde_json::from_str(&provider.jwks()).unwrap();
        assert!(keys["keys"].as_array().unwrap().iter().any(|key| key["kid"] == header["kid"]));
    }
    provider.set_fault(fault("signed-metadata-iss-other"));
    let document = json(&get(&provider, "https://issuer.test/.well-known/openid-configuration", None));
    assert_eq!(parts(&text(&document, "signed_metadata"))[1]["iss"], "https://evil.test");
}

#[test]
fn s_jw_10_an_access_token_says_what_it_is_for_and_is_good_at_the_apis() {
    let provider = Provider::builder().openid(OpenId::new()).jwt_access_tokens("https://api.test").build();
    let tokens = log_in(&provider);
    let token = text(&tokens, "access_token");
    let [header, claims] = parts(&token);
    assert_eq!((&header["typ"], &header["kid"]), (&json!("at+jwt"), &json!("rs256-1")));
    assert_eq!(claims["aud"], "https://api.test");
    for (name, value) in [("iss", "https://issuer.test"), ("sub", "alice"), ("client_id", "app")] {
        assert_eq!(claims[name], value);
    }
    assert_eq!(claims["scope"], tokens["scope"]);
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 3600);
    assert_eq!(me(&provider, &token), 200);
    let other = text(&json(&refresh(&provider, &text(&tokens, "refresh_token"))), "access_token");
    assert_ne!(parts(&other)[1]["jti"], claims["jti"]);

    // A fault changes it on its way, and signs it again; the ID token beside it is left alone.
    const EDITS: &[JwtEdit] = &[JwtEdit::Claim(Member::Set("aud", b"\"https://evil.test\""))];
    let edited = Fault::new("other", Place::Token, Effect::AccessToken(EDITS), Expect::Accepted);
    provider.set_fault(edited);
    let token = text(&log_in(&provider), "access_token");
    assert_eq!(parts(&token)[1]["aud"], "https://evil.test");
    assert_eq!(me(&provider, &token), 401, "the provider has not made it");
}
