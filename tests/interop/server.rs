//! Real servers, and how a user gets through their pages.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http::StatusCode;
use valetkey::{
    Authorize, Client, ClientBuilder, Session,
    crypto::{CryptoProvider, PrivateKey, SignatureAlgorithm, SigningKey},
    oauth2::{
        authorization::Callback,
        client::{AssertionKey, ClientAuth},
    },
};
use valetkey_http::{Backend, Limits, Response};

pub(crate) use crate::description::variable_of;
use crate::{
    adapter,
    browser::{self, End, Jar},
    description::{Auth, Description, Flow, KnownClient, Quirk, Robot, User},
};

/// The secret of the clients of both of the project's servers.
pub(crate) const SECRET: &str = "interop-secret-0123456789-0123456789-0123456789-0123456789-abcdef";
pub(crate) const CALLBACK: &str = "http://127.0.0.1:9999/cb";

/// A server under test.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) base: String,
    pub(crate) issuer: String,
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) description: &'static Description,
    /// The cookies of browsers that have a name.
    pub(crate) jars: Arc<Mutex<BTreeMap<String, Jar>>>,
}

impl fmt::Display for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.description.name)
    }
}

impl Server {
    pub(crate) fn oidc_provider() -> Option<Self> {
        Self::named("oidc-provider")
    }

    /// The server with this name, if it runs.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::new(Description::named(name))
    }

    fn new(description: &'static Description) -> Option<Self> {
        let base = description.base()?;
        let roots = match &description.roots {
            Some(file) => {
                let folder = variable_of("VALETKEY_INTEROP_KEYS")?;
                Some(std::fs::read(format!("{folder}/{file}")).expect("the roots"))
            }
            None => None,
        };
        let issuer = format!("{base}{}", description.issuer);
        Some(Self { base, issuer, backend: adapter::backend(roots), description, jars: Arc::default() })
    }

    /// Every server that runs and has this flow, with every client that it is to be tried with, each of them aloud.
    pub(crate) fn each(flow: Flow) -> impl Iterator<Item = (Self, &'static KnownClient)> {
        let has = move |description: &&Description| description.flows.contains_key(&flow);
        assert!(Description::all().iter().any(|description| has(&description)), "no server has {flow:?}");
        let servers = Description::all().iter().filter(has).filter_map(Self::new);
        servers.flat_map(move |server| {
            server.description.flows[&flow].iter().map(move |name| {
                println!("{server}: {flow:?} with {name}");
                (server.clone(), &server.description.clients[name])
            })
        })
    }

    pub(crate) fn has(&self, quirk: Quirk) -> bool {
        self.description.quirks.contains(&quirk)
    }

    pub(crate) fn client(&self, id: &str) -> ClientBuilder {
        Client::builder(Arc::clone(&self.backend))
            .discover(&self.issuer)
            .id(id)
            .redirect_uri(CALLBACK)
            .api(&self.base)
    }

    /// A client as it is described.
    pub(crate) fn known(&self, client: &KnownClient) -> ClientBuilder {
        let builder = self.client(&client.id).auth(self.auth(client));
        match &client.redirect_uri {
            Some(uri) => builder.redirect_uri(uri),
            None => builder,
        }
    }

    fn auth(&self, client: &KnownClient) -> ClientAuth {
        let secret = client.secret.as_deref().unwrap_or(&self.description.secret);
        match client.auth {
            Auth::None => ClientAuth::none(),
            Auth::Unnamed => ClientAuth::unnamed(),
            Auth::SecretBasic if self.has(Quirk::BasicIsNotDecoded) => ClientAuth::secret_basic_raw(secret),
            Auth::SecretBasic => ClientAuth::secret_basic(secret),
            Auth::SecretPost => ClientAuth::secret_post(secret),
            Auth::SecretJwt => match client.signature_algorithm() {
                Some(algorithm) => ClientAuth::assertion(AssertionKey::secret(algorithm, secret)),
                None => ClientAuth::secret_jwt(secret),
            },
            Auth::PrivateKeyJwt => ClientAuth::assertion(client.assertion_key()),
        }
    }

    /// A resource that wants the scope `api:read`.
    pub(crate) fn api(&self) -> String {
        format!("{}{}", self.base, self.description.api)
    }

    /// The status of that resource.
    pub(crate) async fn call_api(&self, session: &Session) -> StatusCode {
        let request = http::Request::get(self.api()).body(Bytes::new()).expect("a request");
        session.send(request).await.expect("an answer").status()
    }

    pub(crate) async fn get(&self, url: &str) -> Response {
        let request = http::Request::get(url).body(Bytes::new()).expect("a request");
        self.backend.send(request, Limits::default()).await.expect("an answer")
    }

    /// Visits a page as the user's browser, and says where it ended, or what it posted there.
    pub(crate) async fn visit(&self, url: &str) -> Callback {
        self.visit_in("", url).await
    }

    /// The same in the browser of this name, which keeps its cookies; without a name it has none before and after.
    pub(crate) async fn visit_in(&self, browser: &str, url: &str) -> Callback {
        self.visit_as("alice", browser, url).await
    }

    async fn visit_as(&self, user: &str, browser: &str, url: &str) -> Callback {
        match self.end_of(user, browser, url).await {
            End::Away(url) => Callback::uri(url),
            End::Posted(form) => Callback::form(form),
            End::Page(status) => panic!("a page that leads nowhere, {status}"),
        }
    }

    /// Where a visit of this user ends.
    pub(crate) async fn end_of(&self, user: &str, browser: &str, url: &str) -> End {
        match self.description.robot {
            Robot::Page => {
                let url: String = form_urlencoded::byte_serialize(url.as_bytes()).collect();
                let response = self.get(&format!("{}/__robot?browser={browser}&url={url}", self.base)).await;
                let page: serde_json::Value = serde_json::from_slice(response.body()).expect("JSON");
                match page["form"].as_str() {
                    Some(form) => End::Posted(form.to_owned()),
                    None => End::Away(page["location"].as_str().expect("a callback").to_owned()),
                }
            }
            Robot::Redirect => {
                let response = self.get(url).await;
                End::Away(response.headers()["location"].to_str().expect("a callback").to_owned())
            }
            Robot::Browser => self.browse(browser, url, &self.user(user).form).await,
        }
    }

    /// The generic browser.
    pub(crate) async fn browse(&self, browser: &str, url: &str, answers: &BTreeMap<String, String>) -> End {
        let jars = || self.jars.lock().unwrap_or_else(PoisonError::into_inner);
        let mut jar = jars().remove(browser).unwrap_or_default();
        let end = browser::visit(&self.backend, &mut jar, url, answers).await;
        if !browser.is_empty() {
            jars().insert(browser.to_owned(), jar);
        }
        end
    }

    /// One of the users that the description names.
    pub(crate) fn user(&self, name: &str) -> &'static User {
        let known = self.description.users.get(name);
        known.unwrap_or_else(|| panic!("{self} has no user {name}"))
    }

    /// A sign-in as it is described, not begun yet.
    pub(crate) fn authorize(&self, client: &Client, user: &str) -> Authorize {
        self.describe(client.authorize().scope(&self.description.sign_in.scope), user)
    }

    /// Adds the parameters with which this user signs in.
    pub(crate) fn describe(&self, request: Authorize, user: &str) -> Authorize {
        let parameters = self.description.sign_in.parameters.iter().chain(&self.user(user).parameters);
        parameters.fold(request, |request, (name, value)| request.parameter(name, value))
    }

    /// Signs one of the users in.
    pub(crate) async fn sign_in(&self, client: &Client, user: &str) -> valetkey::Result<Session> {
        self.go_through(client, user, self.authorize(client, user)).await
    }

    /// Has one of the users go through a sign-in.
    pub(crate) async fn go_through(
        &self,
        client: &Client,
        user: &str,
        request: Authorize,
    ) -> valetkey::Result<Session> {
        let (url, pending) = request.start().await?;
        let callback = self.visit_as(user, "", url.as_str()).await;
        client.redeem(pending, callback).await
    }
}

impl KnownClient {
    pub(crate) fn signature_algorithm(&self) -> Option<SignatureAlgorithm> {
        let name = self.algorithm.as_ref()?;
        Some(SignatureAlgorithm::parse(name).unwrap_or_else(|| panic!("{}: no algorithm {name}", self.id)))
    }

    /// The private key of this client.
    pub(crate) fn signing_key(&self) -> SigningKey {
        let kid = self.key.as_ref().unwrap_or_else(|| panic!("{} has no key", self.id));
        let folder = variable_of("VALETKEY_INTEROP_KEYS").expect("the clients' keys");
        let set = std::fs::read(format!("{folder}/client.jwks.json")).expect("the clients' keys");
        let set: serde_json::Value = serde_json::from_slice(&set).expect("JSON");
        let known = set["keys"].as_array().expect("keys").iter().find(|key| key["kid"] == **kid);
        let known = known.unwrap_or_else(|| panic!("there is no key {kid}")).to_string();
        let algorithm = self.signature_algorithm().expect("an algorithm");
        let key = PrivateKey::parse(known.as_bytes()).expect("a key");
        key.signing_key(algorithm, &CryptoProvider::ring()).expect("a key for this algorithm")
    }

    pub(crate) fn assertion_key(&self) -> AssertionKey {
        AssertionKey::new(self.signing_key()).with_kid(self.key.as_deref().unwrap_or_default())
    }
}
