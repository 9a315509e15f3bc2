//! A login and a call with OAuth 1.0a.

use std::sync::Arc;

use bytes::Bytes;
use valetkey::{Runtime, run};
use valetkey_http::{Backend, Limits, Response};
use valetkey_proto::{
    Call, Party,
    endpoint::{Endpoint, RedirectUri},
    oauth1::{
        AuthorizationRequest, Callback, ClientCredentials, Signer, TemporaryCredentialsRequest,
        TokenCredentialsRequest,
    },
    oauth2::resource::ResourceRequest,
};
use valetkey_testkit::Provider;

pub(crate) async fn login_and_call(
    backend: Arc<dyn Backend>,
    provider: &Provider,
    limits: Limits,
) -> valetkey::Result<Response> {
    let runtime = Runtime::new(backend).with_random(provider.random()).with_limits(limits);
    let endpoint = |name| Endpoint::parse(&provider.oauth1(name));
    let client = Signer::new(ClientCredentials::new("dpf43f3p2l4k3l03", "kd94hf93k423kf44")?);
    let party = Arc::new(Party::oauth1(client.clone()));

    let redirect_uri = RedirectUri::parse("https://client.test/cb")?;
    let initiate = TemporaryCredentialsRequest::new(endpoint("request_token")?, redirect_uri);
    let temporary = run(Call::new(initiate, party.clone()), &runtime).await?;
    let (url, pending) = AuthorizationRequest::new(endpoint("authorize")?).start(temporary);
    // A listener leaves aside what is not for this login; if nothing is, the user pastes the last.
    let callbacks = provider.callbacks(&url).expect("the browser comes back");
    let ours = callbacks.iter().find(|callback| pending.matches(&Callback::from(*callback)));
    let received = pending.receive(ours.unwrap_or(&callbacks[callbacks.len() - 1]))?;
    let request = TokenCredentialsRequest::new(endpoint("access_token")?, received);
    let signer = client.token(run(Call::new(request, party), &runtime).await?);

    let request =
        http::Request::post(format!("{}?b5=%3D%253D&a3=a&c%40=&a2=r%20b", provider.oauth1("api/me")))
            .header("content-type", "application/x-www-form-urlencoded; charset=utf-8")
            .body(Bytes::from_static(b"c2&a3=2+q&%C3%A9='"))
            .expect("a request");
    let call = Call::new(ResourceRequest::new(request), Arc::new(Party::oauth1(signer)));
    let answer = run(call, &runtime).await?;
    assert_eq!(answer.status(), 200, "the signature is not taken: {:?}", answer.body());
    Ok(answer)
}
