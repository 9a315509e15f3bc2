//! RFC 8414 §3, OpenID Connect Discovery §4, RFC 9728 §3: where metadata lies, and whose it is.

use valetkey_proto::{
    Call, Exchange,
    endpoint::Endpoint,
    oauth2::{
        protected_resource::{ResourceIdentifier, ResourceMetadataRequest},
        server::{Issuer, MetadataRequest, WellKnown},
    },
};

use super::{
    case::Case,
    check::{Answer, Checks, Stop},
    world::{World, response},
};

pub(crate) fn run(case: &Case) -> Answer {
    match case.text("op") {
        Some("url") => url(case),
        Some("validate") => validate(case),
        Some("validate_resource") => validate_resource(case),
        other => Err(Stop::unanswered(format!("op={}", other.unwrap_or_default()))),
    }
}

/// Identifier and kind of document in, URL out: of the request that is sent for it.
fn url(case: &Case) -> Answer {
    let identifier = case.text("identifier").expect("an identifier");
    let document = match case.text("kind").expect("a kind of document") {
        "openid-configuration" => WellKnown::OpenId,
        "oauth-authorization-server" => WellKnown::AuthorizationServer,
        "oauth-protected-resource" => {
            let resource = ResourceIdentifier::parse(identifier)?;
            let request = ResourceMetadataRequest::new(&resource)?;
            return asked_at(case, &resource.metadata_url()?, request);
        }
        other => WellKnown::Application(other.into()),
    };
    let issuer = Issuer::parse(identifier)?;
    asked_at(case, &issuer.metadata_url(&document)?, MetadataRequest::new(&issuer, &document)?)
}

fn asked_at(case: &Case, url: &Endpoint, request: impl Exchange) -> Answer {
    let checks = Checks::of(case);
    let request = World::new().first_request(Call::anonymous(request))?;
    if request.uri() != url.uri() {
        checks.wrong("the request goes elsewhere");
    }
    checks.same("url", url.as_str());
    checks.done()
}

/// A document in: is it this issuer's?
fn validate(case: &Case) -> Answer {
    let checks = Checks::of(case);
    let issuer = Issuer::parse(case.text("expected_issuer").expect("an issuer"))?;
    let status = case.input.get("status").and_then(|status| status.as_u64()).unwrap_or(200);
    let media_type = case.text("content_type").map(|media_type| ("content-type", media_type));
    let body = case.input["document"].to_string();
    let answer = response(u16::try_from(status).expect("a status"), media_type, body);
    let call = Call::anonymous(MetadataRequest::new(&issuer, &WellKnown::AuthorizationServer)?);
    let server = World::new().play(call, &answer)?;
    checks.same("ok", *server.issuer() == issuer);
    checks.done()
}

/// A document in: is it this API's?
fn validate_resource(case: &Case) -> Answer {
    let checks = Checks::of(case);
    let resource = ResourceIdentifier::parse(case.text("expected_resource").expect("a resource"))?;
    let json = [("content-type", "application/json")];
    let answer = response(200, json, case.input["document"].to_string());
    let call = Call::anonymous(ResourceMetadataRequest::new(&resource)?);
    let metadata = World::new().play(call, &answer)?;
    checks.same("ok", *metadata.resource() == resource);
    checks.done()
}
