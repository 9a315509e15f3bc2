//! Who signed in: the server's keys, and the tokens that they verify.

use std::{sync::Arc, time::Duration};

use valetkey_proto::{
    Call, Error, ErrorKind, Party, Reason, Result,
    crypto::{CryptoProvider, SignatureAlgorithm},
    endpoint::Origin,
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
    relation::{Origination, Relation},
};
use crate::{keys::KeyOwner, run::run};

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
    pub(super) introspection_decrypter: Option<Decrypter>,
}

impl Registered {
    /// By what introspection is signed. What is encrypted is signed, by RS256 unless it is said (RFC 9701 §6).
    fn introspection_signed_by(&self) -> Option<SignatureAlgorithm> {
        let usual = || self.introspection_decrypter.as_ref().map(|_| SignatureAlgorithm::Rs256);
        self.introspection_algorithm.or_else(usual)
    }
}

/// How ID tokens, UserInfo and what is said about tokens are read, of one server.
#[derive(Clone)]
pub(crate) struct Reading {
    id_token: IdTokenVerifier,
    user_info_algorithm: Option<SignatureAlgorithm>,
    user_info_decrypter: Option<Decrypter>,
    introspection_algorithm: Option<SignatureAlgorithm>,
    introspection_decrypter: Option<Decrypter>,
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
            introspection_algorithm: registered.introspection_signed_by(),
            introspection_decrypter: registered.introspection_decrypter.clone(),
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

    /// What decrypts it, if it is encrypted.
    pub(super) fn introspection_decrypter(&self) -> Option<&Decrypter> {
        self.introspection_decrypter.as_ref()
    }
}

impl Origination {
    /// The secret that the client shares with the server, however it is used.
    fn shared_secret(&self) -> Option<&ClientSecret> {
        self.secret.as_ref().or_else(|| self.client.auth().shared_secret())
    }
}

/// The keys of a server, ready to verify.
pub(crate) struct Keys {
    pub(super) id_token: VerifyingKeys,
    user_info: Option<VerifyingKeys>,
    pub(super) introspection: Option<VerifyingKeys>,
}

impl KeyOwner for Relation {
    type Keys = Keys;

    fn server(&self) -> &ServerMetadata {
        self.server()
    }

    fn needs_published_keys(&self) -> bool {
        let reading = self.reading();
        let others = [reading.user_info_algorithm, reading.introspection_algorithm];
        reading.id_token.needs_published_keys() || others.iter().any(Option::is_some)
    }

    fn keys(&self, published: &Jwks, crypto: &CryptoProvider) -> Result<Keys> {
        let reading = self.reading();
        let of = |algorithm: Option<SignatureAlgorithm>| {
            algorithm.map(|algorithm| published.verifying_keys(&[algorithm], crypto)).transpose()
        };
        Ok(Keys {
            id_token: reading.id_token.keys(published, crypto)?,
            user_info: of(reading.user_info_algorithm)?,
            introspection: of(reading.introspection_algorithm)?,
        })
    }
}

/// The server has published no key for what it is to sign.
pub(super) fn no_key() -> Error {
    Error::new(ErrorKind::Untrusted, Reason::KeyNotFound)
}

impl Client {
    /// Checks something by the server's keys.
    pub(super) async fn by_keys<T>(
        &self,
        relation: &Arc<Relation>,
        check: impl Fn(&Keys) -> Result<T>,
    ) -> Result<T> {
        self.0.keys.check(relation, &self.0.runtime, check).await?
    }

    /// Asks for something that is signed by the server's keys and changes nothing.
    pub(super) async fn ask_by_keys<T, F: Future<Output = Result<T>>>(
        &self,
        relation: &Arc<Relation>,
        ask: impl Fn(Arc<Keys>) -> F,
    ) -> Result<T> {
        self.0.keys.ask(relation, &self.0.runtime, ask).await
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
