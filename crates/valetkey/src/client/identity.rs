//! Who signed in: the server's keys, kept and asked for anew, and the tokens that they verify.

use std::{sync::Arc, time::Duration};

use valetkey_proto::{
    Call, Error, ErrorKind, Party, Reason, Result, Timestamp,
    crypto::SignatureAlgorithm,
    endpoint::{Endpoint, Origin},
    jose::{Jwks, VerifyingKeys, jwe::Decrypter, jwt::Expected},
    oauth2::{
        authorization::AuthorizationResponse,
        server::{Discovery, Issuer, JwksRequest, ServerMetadata},
        token::{TokenResponse, TokenSet},
    },
    oidc::{ClaimSource, Claims, ClaimsOfOthersRequest, IdToken, IdTokenVerifier, UserInfo, UserInfoRequest},
    secret::{AccessToken, ClientSecret},
};

use super::{
    Client,
    age::Age,
    relation::{Origination, Relation},
};
use crate::{Runtime, run::run};

/// What the program said of what servers sign and encrypt for it; the rest follows from their metadata.
#[derive(Clone, Default)]
pub(super) struct Registered {
    pub(super) id_token_algorithm: Option<SignatureAlgorithm>,
    /// How much clocks may differ, if that was said.
    pub(super) leeway: Option<Duration>,
    /// For whom else ID tokens may be.
    pub(super) trusted_audiences: Vec<String>,
    pub(super) id_token_decrypter: Option<Decrypter>,
    pub(super) user_info_algorithm: Option<SignatureAlgorithm>,
    pub(super) user_info_decrypter: Option<Decrypter>,
    pub(super) introspection_algorithm: Option<SignatureAlgorithm>,
}

/// How ID tokens, UserInfo and what is said about tokens are read, of one server.
#[derive(Clone)]
pub(crate) struct Reading {
    id_token: IdTokenVerifier,
    user_info_algorithm: Option<SignatureAlgorithm>,
    user_info_decrypter: Option<Decrypter>,
    introspection_algorithm: Option<SignatureAlgorithm>,
}

impl Reading {
    pub(super) fn new(server: &ServerMetadata, said: &Origination) -> Result<Self> {
        let registered = &said.registered;
        let mut id_token = IdTokenVerifier::new(server, said.client_id());
        if let Some(algorithm) = registered.id_token_algorithm {
            id_token = id_token.with_algorithm(algorithm);
        }
        if let (false, Some(algorithm)) = (id_token.needs_published_keys(), registered.id_token_algorithm) {
            let missing =
                || Error::new(ErrorKind::Config, Reason::InvalidKey).with_detail("no client secret");
            id_token = id_token.with_secret(algorithm, said.shared_secret().ok_or_else(missing)?.clone());
        }
        for audience in &registered.trusted_audiences {
            id_token = id_token.with_trusted_audience(audience);
        }
        if let Some(leeway) = registered.leeway {
            id_token = id_token.with_leeway(leeway);
        }
        if let Some(decrypter) = &registered.id_token_decrypter {
            id_token = id_token.with_decrypter(decrypter.clone());
        }
        Ok(Self {
            id_token,
            user_info_algorithm: registered.user_info_algorithm,
            user_info_decrypter: registered.user_info_decrypter.clone(),
            introspection_algorithm: registered.introspection_algorithm,
        })
    }
}

impl Reading {
    /// Whether the server says where its keys are, if they are needed.
    pub(super) fn check(&self, server: &ServerMetadata) -> Result<()> {
        if self.id_token.needs_published_keys() { server.endpoint("jwks_uri").map(drop) } else { Ok(()) }
    }

    /// Whether the server signs what it says about tokens.
    pub(super) fn signs_introspection(&self) -> bool {
        self.introspection_algorithm.is_some()
    }
}

impl Origination {
    /// The secret that the client shares with the server, however it is used.
    fn shared_secret(&self) -> Option<&ClientSecret> {
        self.secret.as_ref().or_else(|| self.client.auth().shared_secret())
    }
}

/// The keys of a server, ready to verify.
pub(super) struct Keys {
    pub(super) id_token: VerifyingKeys,
    user_info: Option<VerifyingKeys>,
    pub(super) introspection: Option<VerifyingKeys>,
    /// Where they are from; `None` if they are shared and were not fetched.
    url: Option<Endpoint>,
    age: Age,
    /// When they were last asked for because a token named one that was not known.
    sought: Option<Timestamp>,
}

/// How long an unknown key is not looked for again: whoever makes up names of keys must not make us ask.
const SEEK_AGAIN: Duration = Duration::from_secs(30);

impl Keys {
    async fn fetch(relation: Arc<Relation>, sought: Option<Timestamp>, runtime: Runtime) -> Result<Self> {
        let reading = relation.reading();
        let crypto = runtime.env().crypto;
        let others = [reading.user_info_algorithm, reading.introspection_algorithm];
        let needs_published = reading.id_token.needs_published_keys() || others.iter().any(Option::is_some);
        let (published, url, age) = if needs_published {
            let request = JwksRequest::new(relation.server())?;
            let (url, age) = (request.url().clone(), Age::of(runtime.now()));
            (run(Call::anonymous(request), &runtime).await?, Some(url), age)
        } else {
            (Jwks::default(), None, Age::ENDLESS)
        };
        let [user_info, introspection] =
            others.map(|algorithm| algorithm.map(|algorithm| published.verifying_keys(&[algorithm], crypto)));
        Ok(Self {
            id_token: reading.id_token.keys(&published, crypto)?,
            user_info: user_info.transpose()?,
            introspection: introspection.transpose()?,
            url,
            age,
            sought,
        })
    }

    /// Whether these are of the place that the server names now.
    fn are_of(&self, server: &ServerMetadata) -> bool {
        self.url
            .as_ref()
            .is_none_or(|url| server.endpoint("jwks_uri").is_ok_and(|now| now.as_str() == url.as_str()))
    }

    fn may_be_sought(&self, now: Timestamp) -> bool {
        self.url.is_some() && self.sought.is_none_or(|sought| now < sought || now - sought >= SEEK_AGAIN)
    }
}

/// The server has published no key for what it is to sign.
pub(super) fn no_key() -> Error {
    Error::new(ErrorKind::Untrusted, Reason::KeyNotFound)
}

impl Client {
    /// The keys of the server, at most ten minutes old unless they cannot be had.
    async fn keys(&self, relation: &Arc<Relation>) -> Result<Arc<Keys>> {
        let now = self.0.runtime.now();
        let known = self.0.keys.get().filter(|keys| keys.are_of(relation.server()));
        if let Some(keys) = &known
            && keys.age.is_fresh(now)
        {
            return Ok(Arc::clone(keys));
        }
        let wanting = self.0.keys.get();
        let sought = known.as_ref().and_then(|keys| keys.sought);
        match (self.renew_keys(relation, wanting.as_ref(), sought).await, known) {
            (Err(error), Some(known)) if known.age.survives(&error, now) => Ok(known),
            (outcome, _) => outcome,
        }
    }

    async fn renew_keys(
        &self,
        relation: &Arc<Relation>,
        wanting: Option<&Arc<Keys>>,
        sought: Option<Timestamp>,
    ) -> Result<Arc<Keys>> {
        let work = || Keys::fetch(Arc::clone(relation), sought, self.0.runtime.clone());
        self.0.keys.renew(wanting, self.0.runtime.backend(), work).await
    }

    /// Checks something by the server's keys; if it names a key that is not known, once more by those that the server has
    /// now (OpenID Connect Core §10.1.1).
    pub(super) async fn by_keys<T>(
        &self,
        relation: &Arc<Relation>,
        check: impl Fn(&Keys) -> Result<T>,
    ) -> Result<T> {
        let keys = self.keys(relation).await?;
        match check(&keys) {
            Ok(checked) => Ok(checked),
            Err(error) => check(&*self.keys_after(error, relation, &keys).await?),
        }
    }

    /// The keys that the server has now, if this error says that one is not known and they may be asked for; or the error.
    async fn keys_after(
        &self,
        error: Error,
        relation: &Arc<Relation>,
        keys: &Arc<Keys>,
    ) -> Result<Arc<Keys>> {
        let now = self.0.runtime.now();
        if error.reason() != Reason::KeyNotFound || !keys.may_be_sought(now) {
            return Err(error);
        }
        self.renew_keys(relation, Some(keys), Some(now)).await
    }

    /// Asks for something that is signed and changes nothing, and once more if it names a key that was not known: the answer
    /// is read where it is asked for, so that it cannot be read again by other keys.
    ///
    /// The keys are handed over: a future that borrows them could not be seen to cross threads (`AsyncFn` says nothing of
    /// that yet).
    pub(super) async fn ask_by_keys<T, F: Future<Output = Result<T>>>(
        &self,
        relation: &Arc<Relation>,
        ask: impl Fn(Arc<Keys>) -> F,
    ) -> Result<T> {
        let keys = self.keys(relation).await?;
        match ask(Arc::clone(&keys)).await {
            Ok(answer) => Ok(answer),
            Err(error) => ask(self.keys_after(error, relation, &keys).await?).await,
        }
    }

    /// Who signed in, as the browser says; `None` if it was not to say.
    pub(super) async fn brought(
        &self,
        relation: &Arc<Relation>,
        received: &AuthorizationResponse,
    ) -> Result<Option<IdToken>> {
        if !received.response_type().has_id_token() {
            return Ok(None);
        }
        let env = self.0.runtime.env();
        let verifier = &relation.reading().id_token;
        self.by_keys(relation, |keys| verifier.verify_received(received, &keys.id_token, &env)).await
    }

    /// Who signed in, as the answer to a code says.
    pub(super) async fn redeemed(
        &self,
        relation: &Arc<Relation>,
        response: &TokenResponse,
        awaited: &valetkey_proto::oauth2::authorization::AwaitedIdToken,
        brought: Option<&IdToken>,
    ) -> Result<IdToken> {
        let env = self.0.runtime.env();
        let verifier = &relation.reading().id_token;
        let verify = |keys: &Keys| verifier.verify_redeemed(response, awaited, brought, &keys.id_token, &env);
        self.by_keys(relation, verify).await
    }

    /// Who signed in elsewhere, as the answer to a poll says: no browser could bring a nonce.
    pub(super) async fn polled(&self, relation: &Arc<Relation>, response: &TokenResponse) -> Result<IdToken> {
        let env = self.0.runtime.env();
        let verifier = &relation.reading().id_token;
        self.by_keys(relation, |keys| {
            verifier.verify_response(response, &keys.id_token, Expected::new(), &env)
        })
        .await
    }

    /// Who is still signed in, as the answer to a refresh says; `None` if it does not.
    pub(crate) async fn refreshed(
        &self,
        relation: &Arc<Relation>,
        response: &TokenResponse,
        tokens: &TokenSet,
    ) -> Result<Option<IdToken>> {
        let Some(first) = tokens.id_token().filter(|_| response.has_id_token()) else { return Ok(None) };
        let env = self.0.runtime.env();
        let verifier = &relation.reading().id_token;
        self.by_keys(relation, |keys| verifier.verify_refreshed(response, first, &keys.id_token, &env)).await
    }

    /// Claims that somebody else vouches for, verified as those of this issuer: by the keys that its metadata names. An
    /// endpoint is asked if it is on the issuer's own origin.
    ///
    /// ```
    /// # use valetkey::Client;
    /// # use valetkey_testkit::{ClaimSource, OpenId, Provider, block_on};
    /// # block_on(async {
    /// # let provider = Provider::builder().openid(OpenId::new().claim_source(ClaimSource::Distributed)).build();
    /// # let client = Client::builder(provider.clone()).discover("https://issuer.test").id("app").secret("app-secret")
    /// #     .redirect_uri("https://client.test/cb").build().await?;
    /// # let (url, pending) = client.authorize().scope("openid").start().await?;
    /// # let session = client.redeem(pending, provider.visit(&url).expect("the user approves")).await?;
    /// let info = session.user_info().await?;
    /// for source in info.claims().sources() {
    ///     // The program knows whom it believes in this.
    ///     let claims = client.claims_of_others(&source, "https://issuer.test").await?;
    ///     assert_eq!(claims.get::<u32>("credit_score"), Some(650));
    /// }
    /// # Ok::<(), valetkey::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Issuer::parse`], [`Discovery`], [`ClaimsOfOthersRequest::new`] and [`ClaimSource::verify`].
    ///
    /// # Security
    ///
    /// Say an issuer that you know, and not one that came with the claims.
    pub async fn claims_of_others(&self, source: &ClaimSource, issuer: &str) -> Result<Claims> {
        let runtime = &self.0.runtime;
        let issuer = Issuer::parse(issuer)?;
        let server = run(Discovery::new(&issuer)?, runtime).await?;
        let text = match source.text() {
            Some(text) => text.clone(),
            None => {
                let request = ClaimsOfOthersRequest::new(source, &[Origin::parse(issuer.as_str())?])?;
                run(Call::anonymous(request), runtime).await?
            }
        };
        let published = run(Call::anonymous(JwksRequest::new(&server)?), runtime).await?;
        let keys = IdTokenVerifier::new(&server, self.0.origination.client_id());
        let keys = keys.keys(&published, runtime.env().crypto)?;
        source.verify(text.expose(), &issuer, self.0.origination.client_id(), &keys, &runtime.env())
    }

    /// What the server says about a user.
    pub(crate) async fn user_info(
        &self,
        user: &IdToken,
        token: &AccessToken,
        in_body: bool,
        dpop: Option<valetkey_proto::oauth2::binding::Dpop>,
    ) -> Result<UserInfo> {
        let relation = self.relation().await?;
        let reading = relation.reading();
        let request = || -> Result<UserInfoRequest> {
            let mut request = UserInfoRequest::new(relation.server(), user)?;
            if in_body {
                request = request.with_token_in_body(token.clone())?;
            }
            if let Some(decrypter) = &reading.user_info_decrypter {
                request = request.encrypted(decrypter.clone());
            }
            Ok(request)
        };
        let ask = &async |request: UserInfoRequest| {
            let party = if in_body {
                Party::anonymous()
            } else {
                Party::bearer(self.issuer().clone(), token.clone(), [request.origin()].into())
            };
            run(Call::new(request, Arc::new(party)).with_dpop(dpop.clone()), &self.0.runtime).await
        };
        if reading.user_info_algorithm.is_none() {
            return ask(request()?).await;
        }
        let signed = &|keys: &Keys| -> Result<UserInfoRequest> {
            Ok(request()?.signed(relation.client().id(), keys.user_info.clone().ok_or_else(no_key)?))
        };
        Box::pin(self.ask_by_keys(&relation, |keys| async move { ask(signed(&keys)?).await })).await
    }
}
