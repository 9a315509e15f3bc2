//! Tokens as a text that can be kept: a versioned record with its own shape, apart from the types in use.

use std::{fmt, sync::Arc};

use serde_json::{Map, Value, value::RawValue};

use super::{
    Kept, TokenSet,
    part::{self, Told},
    refresh::{Ended, Standing},
};
use crate::{
    error::{Error, ErrorKind, Reason, Result},
    flow::Env,
    oauth2::{binding::KeptKey, client::ClientId, details, server::Issuer},
    oidc::IdToken,
    response::{
        members::{members, read_into},
        unique::Unique,
        value::Text,
    },
    seal::{Label, SealingKeys},
    secret::{RefreshToken, Secret, Wiped},
    time::Timestamp,
};

/// The tokens of one grant together with whose they are and how often they were renewed, to be kept and
/// restored.
///
/// The text is a JSON object of version 1, or of version 2 if the tokens are bound to a key (RFC 9449), which is then
/// kept with them. An ID token in it was verified before it was kept. Members that this version does not know are kept, so that a newer program and an older one can
/// share a record.
///
/// ```
/// use valetkey_proto::oauth2::token::TokenRecord;
///
/// let text = r#"{"v":"1","issuer":"https://as.example","client_id":"app","generation":3,
///     "access_token":"at","refresh_token":"rt","issued_at":1700000000000,"label":"work"}"#;
/// let record = TokenRecord::parse(text)?;
/// assert_eq!((record.issuer().as_str(), record.generation()), ("https://as.example", 3));
/// assert!(record.to_text().expose().contains("\"label\":\"work\""));
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
///
/// # Security
///
/// The text holds the tokens as they are. Keep it where only the program can read it, or [`seal`](Self::seal) it.
#[derive(Clone)]
pub struct TokenRecord {
    issuer: Issuer,
    client: ClientId,
    generation: u64,
    tokens: Arc<TokenSet>,
    /// Access tokens for parts of what was granted.
    parts: Box<[Arc<TokenSet>]>,
    account: Option<Arc<str>>,
    /// The text it was read from, if that has members which are not known here.
    others: Option<Arc<Wiped<Vec<u8>>>>,
}

/// What sealed texts of this kind are for.
const PURPOSE: &str = "tokens";

members! {
    struct Wire {
        v: Text<'de>,
        issuer: Text<'de>,
        client_id: Text<'de>,
        account: Text<'de>,
        generation: u64,
        access_token: Text<'de>,
        refresh_token: Text<'de>,
        issued_at: i64,
        lifetime: u64,
        scope: Text<'de>,
        scope_is_explicit: bool,
        dpop_jkt: Text<'de>,
        dpop_key: Text<'de>,
        id_token: Text<'de>,
        requested: &'de RawValue,
        authorization_details: &'de RawValue,
        parts: &'de RawValue,
        kept: Unique,
        in_flight_since: i64,
        answers_lost: u64,
        ended: Text<'de>,
    }
}

impl TokenRecord {
    /// The tokens that this client holds of this issuer, renewed `generation` times.
    #[must_use]
    pub fn new(issuer: Issuer, client: ClientId, generation: u64, tokens: TokenSet) -> Self {
        let (tokens, parts) = (Arc::new(tokens), Box::default());
        Self { issuer, client, generation, tokens, parts, account: None, others: None }
    }

    /// The same record with newer tokens.
    #[must_use]
    pub fn renewed(&self, tokens: TokenSet) -> Self {
        Self { generation: self.generation.saturating_add(1), tokens: Arc::new(tokens), ..self.clone() }
    }

    /// The same record with tokens that are no newer, such as those
    /// [without step-ups](TokenSet::without_step_ups).
    #[must_use]
    pub fn with_tokens(&self, tokens: TokenSet) -> Self {
        Self { tokens: Arc::new(tokens), ..self.clone() }
    }

    /// The same record, of tokens that were renewed this often.
    #[must_use]
    pub fn with_generation(mut self, generation: u64) -> Self {
        self.generation = generation;
        self
    }

    /// The same record, with these values for its issuer and its client if they are the same: many records then have them in
    /// memory once.
    #[must_use]
    pub fn sharing(mut self, issuer: &Issuer, client: &ClientId) -> Self {
        if self.check(issuer, client).is_ok() {
            (self.issuer, self.client) = (issuer.clone(), client.clone());
        }
        self
    }

    /// The same record, which says whose it is: a store that keeps many can tell that one was put in the place of another.
    #[must_use]
    pub fn with_account(mut self, account: Option<&str>) -> Self {
        self.account = account.map(Arc::from);
        self
    }

    /// Reads a text that [`to_text`](Self::to_text) wrote.
    ///
    /// # Errors
    ///
    /// `Store`: [`Reason::Malformed`] if it is no record of a known version, or has been changed into none.
    pub fn parse(text: &str) -> Result<Self> {
        match Self::parse_shared(text)? {
            (record, Standing::Idle | Standing::InFlight { .. }) => Ok(record),
            (_, Standing::Ended(_)) => Err(malformed()),
        }
    }

    /// Reads a text that [`to_shared_text`](Self::to_shared_text) wrote, or [`to_text`](Self::to_text).
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn parse_shared(text: &str) -> Result<(Self, Standing)> {
        let mut wire = Wire::default();
        let has_others = read_into(&mut wire, text).map_err(|_| malformed())?;
        if wire.v.as_deref().is_some_and(is_newer) {
            return Err(malformed()
                .with_detail("a token record of a newer version, for which this program is too old"));
        }
        let others = has_others.then(|| Arc::new(Wiped::new(text.as_bytes().to_vec())));
        let standing = wire.standing().ok_or_else(malformed)?;
        Ok((Self::of_wire(wire, others).ok_or_else(malformed)?, standing))
    }

    fn of_wire(wire: Wire<'_>, others: Option<Arc<Wiped<Vec<u8>>>>) -> Option<Self> {
        let key = KeptKey::of_members(&wire.v?, wire.dpop_jkt.as_deref(), wire.dpop_key.as_deref())?;
        let parts = part::read_all(wire.parts, key.as_ref())?.into();
        let told = Told {
            is_whole: true,
            access_token: wire.access_token?,
            issued_at: wire.issued_at?,
            lifetime: wire.lifetime,
            scope: wire.scope,
            is_explicit: wire.scope_is_explicit,
            requested: wire.requested,
            details: wire.authorization_details,
        };
        let mut tokens = told.tokens(key)?;
        if let Some(text) = wire.refresh_token.filter(|text| !text.is_empty()) {
            tokens = tokens.with_refresh_token(RefreshToken::new(&*text));
        }
        let issuer = Issuer::parse(&wire.issuer?).ok()?;
        if let Some(text) = wire.id_token {
            tokens = tokens.with_id_token(IdToken::of_record(&text)?);
        }
        if let Some(Unique(kept)) = wire.kept {
            tokens = tokens.with_kept(Kept::of_value(&kept)?);
        }
        let client = ClientId::parse(&wire.client_id?).ok()?;
        let (generation, tokens) = (wire.generation?, Arc::new(tokens));
        let account = wire.account.map(|account| Arc::from(&*account));
        Some(Self { issuer, client, generation, tokens, parts, account, others })
    }

    /// Writes it as a text.
    #[must_use]
    pub fn to_text(&self) -> Secret {
        self.to_shared_text(Standing::Idle)
    }

    /// Writes it as a text for a store that several programs share, which says how the grant stands. One that has ended has no
    /// tokens any more, and is of version 3, so that no older program takes it for alive.
    #[must_use]
    pub fn to_shared_text(&self, standing: Standing) -> Secret {
        let mut record: Map<String, Value> = match &self.others {
            Some(others) => serde_json::from_slice(others).unwrap_or_default(),
            None => Map::new(),
        };
        let tokens = &self.tokens;
        record.extend([
            ("v".to_owned(), version(tokens.key().is_some(), standing).into()),
            ("issuer".to_owned(), self.issuer.as_str().into()),
            ("client_id".to_owned(), self.client.as_str().into()),
            ("generation".to_owned(), self.generation.into()),
            ("refresh_token".to_owned(), tokens.refresh_token().map(RefreshToken::expose).into()),
            ("id_token".to_owned(), tokens.id_token().map(|token| token.text().expose()).into()),
        ]);
        part::write_into(&mut record, tokens, true);
        record.extend(self.account().map(|account| ("account".to_owned(), account.into())));
        record.extend(tokens.kept().map(|kept| ("kept".to_owned(), kept.to_value())));
        record.extend(tokens.key().into_iter().flat_map(KeptKey::members));
        record.remove("parts");
        if !self.parts.is_empty() {
            record.insert("parts".to_owned(), part::write_all(&self.parts));
        }
        // What stood there before is over.
        for name in ["in_flight_since", "answers_lost", "ended"] {
            record.remove(name);
        }
        match standing {
            Standing::Idle => {}
            Standing::InFlight { since, lost } => record.extend([
                ("in_flight_since".to_owned(), since.as_millis().into()),
                ("answers_lost".to_owned(), lost.into()),
            ]),
            // The tokens are worth nothing, or should be.
            Standing::Ended(why) => {
                for name in
                    ["refresh_token", "id_token", "dpop_key", "kept", "requested", "parts", details::NAME]
                {
                    record.remove(name);
                }
                record.insert("access_token".to_owned(), "-".into());
                record.insert("ended".to_owned(), why.name().into());
            }
        }
        Secret::new(crate::record::write(Value::Object(record)))
    }

    /// Seals the text by these keys, for the same issuer and client alone.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::RandomFailed`].
    pub fn seal(&self, keys: &SealingKeys, env: &Env<'_>) -> Result<Secret> {
        let label = Label { purpose: PURPOSE, server: self.issuer.as_str(), client: self.client.as_str() };
        keys.seal(&label, self.to_text().expose(), env)
    }

    /// Opens a sealed text of this issuer and client.
    ///
    /// # Errors
    ///
    /// `Untrusted`: [`Reason::SealBroken`]. `Store`: [`Reason::Malformed`], [`Reason::IssuerMismatch`].
    pub fn open(
        text: &str,
        issuer: &Issuer,
        client: &ClientId,
        keys: &SealingKeys,
        env: &Env<'_>,
    ) -> Result<Self> {
        let label = Label { purpose: PURPOSE, server: issuer.as_str(), client: client.as_str() };
        let text: Wiped<String> = keys.open(&label, text, env)?;
        let record = Self::parse(&text)?;
        record.check(issuer, client)?;
        Ok(record)
    }

    /// Whether it is a record of this issuer and client.
    ///
    /// # Errors
    ///
    /// `Store`: [`Reason::IssuerMismatch`] unless it is: a token goes to nobody but its issuer (RFC 9700 §4.14).
    pub fn check(&self, issuer: &Issuer, client: &ClientId) -> Result<()> {
        if self.issuer == *issuer && self.client == *client {
            Ok(())
        } else {
            Err(Error::new(ErrorKind::Store, Reason::IssuerMismatch).with_detail("a token record of another"))
        }
    }

    /// Whose tokens they are.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The client that holds them.
    #[must_use]
    pub fn client(&self) -> &ClientId {
        &self.client
    }

    /// Whose they are, as the program calls them; `None` if nobody said.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        self.account.as_deref()
    }

    /// How often they were renewed.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The tokens.
    #[must_use]
    pub fn tokens(&self) -> &Arc<TokenSet> {
        &self.tokens
    }

    /// The tokens for parts of what was granted ([`part`](Self::part)).
    #[must_use]
    pub fn parts(&self) -> &[Arc<TokenSet>] {
        &self.parts
    }

    pub(super) fn with_parts(mut self, parts: Vec<Arc<TokenSet>>) -> Self {
        self.parts = parts.into();
        self
    }
}

fn malformed() -> Error {
    Error::new(ErrorKind::Store, Reason::Malformed).with_detail("no token record, or one that was changed")
}

/// Whether a record is of a version that is not known yet.
fn is_newer(version: &str) -> bool {
    version.parse().is_ok_and(|version: u64| version > LATEST)
}

/// The latest version that is known.
const LATEST: u64 = 3;

fn version(is_bound: bool, standing: Standing) -> &'static str {
    match (standing, is_bound) {
        (Standing::Ended(_), _) => "3",
        (_, true) => "2",
        (_, false) => "1",
    }
}

impl Wire<'_> {
    /// How the grant stands; and a record of the third version is read as what it is besides.
    fn standing(&mut self) -> Option<Standing> {
        let is_third = self.v.as_deref() == Some("3");
        if is_third {
            let is_bound = self.dpop_jkt.is_some();
            self.v = Some(Text(version(is_bound, Standing::Idle).into()));
        }
        match (&self.ended, self.in_flight_since) {
            (Some(name), _) if is_third => Some(Standing::Ended(Ended::of_name(name)?)),
            (None, _) if is_third => None,
            (Some(_), _) => None,
            (None, Some(since)) => {
                let lost = u8::try_from(self.answers_lost.unwrap_or(0)).unwrap_or(u8::MAX);
                Some(Standing::InFlight { since: Timestamp::from_millis(since), lost })
            }
            (None, None) => Some(Standing::Idle),
        }
    }
}

/// Two are equal if their tokens are: what else is kept with them is for others.
impl PartialEq for TokenRecord {
    fn eq(&self, other: &Self) -> bool {
        self.generation == other.generation
            && self.tokens == other.tokens
            && self.parts == other.parts
            && self.issuer == other.issuer
            && self.client == other.client
    }
}

impl Eq for TokenRecord {}

impl fmt::Debug for TokenRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenRecord")
            .field("issuer", &self.issuer)
            .field("client", &self.client)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::{
        crypto::{CryptoProvider, SystemRandom},
        oauth2::token::{Strictness, TokenResponse},
        seal::SealingKey,
    };

    fn record(body: &'static str) -> TokenRecord {
        let mut response = valetkey_http::Response::new(Bytes::from_static(body.as_bytes()));
        let json = http::HeaderValue::from_static("application/json");
        response.headers_mut().insert(http::header::CONTENT_TYPE, json);
        let response =
            TokenResponse::parse(&response, Timestamp::from_secs(1000), Strictness::Lenient).unwrap();
        let tokens = TokenSet::of(&response, None).unwrap();
        let (issuer, client) =
            (Issuer::parse("https://as.example").unwrap(), ClientId::parse("app").unwrap());
        TokenRecord::new(issuer, client, 7, tokens)
    }

    #[test]
    fn what_is_written_is_read_back() {
        for body in [
            r#"{"access_token":"at","token_type":"Bearer","refresh_token":"rt","expires_in":3600,"scope":"a b"}"#,
            r#"{"access_token":"at","token_type":"Bearer"}"#,
            r#"{"access_token":"\"\\|~","token_type":"Bearer","scope":""}"#,
        ] {
            let written = record(body);
            let read = TokenRecord::parse(written.to_text().expose()).unwrap();
            assert_eq!((read.tokens(), read.generation()), (written.tokens(), 7), "{body}");
        }
    }

    #[test]
    fn members_of_a_newer_version_are_kept_through_a_renewal() {
        let text = record(r#"{"access_token":"at","token_type":"Bearer"}"#).to_text();
        let newer = text.expose().replacen('{', r#"{"label":{"a":[1,2]},"subject":"k","#, 1);
        let renewed = TokenRecord::parse(&newer).unwrap();
        let renewed = renewed.renewed((**renewed.tokens()).clone()).to_text();
        let value: Value = serde_json::from_str(renewed.expose()).unwrap();
        assert_eq!(
            (&value["label"]["a"][1], &value["subject"], &value["generation"]),
            (&2.into(), &"k".into(), &8.into())
        );
    }

    #[test]
    fn what_is_no_record_is_refused_and_not_quoted() {
        let good = record(r#"{"access_token":"canary","token_type":"Bearer","expires_in":1}"#).to_text();
        for (from, to) in [
            (r#""v":"1""#, r#""v":"2""#),
            (r#""v":"1""#, r#""w":"1""#),
            (r#""generation":7"#, r#""generation":-7"#),
            (r#""access_token":"canary""#, r#""access_token":"can ary""#),
            (r#""access_token":"canary""#, r#""access_token":"canary","access_token":"x""#),
            (r#""issuer":"https://as.example""#, r#""issuer":"http://as.example""#),
            (r#""lifetime":1"#, r#""lifetime":"1""#),
            ("{", "[{"),
        ] {
            let bad = good.expose().replacen(from, to, 1);
            assert_ne!(bad, good.expose(), "{from}");
            let error = TokenRecord::parse(&bad).unwrap_err();
            assert_eq!((error.kind(), error.reason()), (ErrorKind::Store, Reason::Malformed), "{to}");
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
    }

    #[test]
    fn how_a_grant_stands_is_read_back_and_an_ended_one_is_no_record_of_tokens() {
        let record = record(r#"{"access_token":"at","token_type":"Bearer","refresh_token":"rt"}"#);
        let since = Timestamp::from_millis(1_700_000_000_123);
        for standing in [
            Standing::Idle,
            Standing::InFlight { since, lost: 0 },
            Standing::InFlight { since, lost: 2 },
            Standing::Ended(Ended::LoggedOut),
            Standing::Ended(Ended::Refused),
            Standing::Ended(Ended::RotationLost),
            Standing::Ended(Ended::OutcomeUnknown),
        ] {
            let text = record.to_shared_text(standing);
            let is_ended = matches!(standing, Standing::Ended(_));
            let (read, stands) = TokenRecord::parse_shared(text.expose()).unwrap();
            assert!(stands == standing && (read == record) != is_ended, "{standing:?}");
            assert_eq!(text.expose().contains("\"rt\""), !is_ended);
            assert_eq!(TokenRecord::parse(text.expose()).is_err(), is_ended, "{standing:?}");
            // What is written next does not stand as what was written before.
            let (read, _) = TokenRecord::parse_shared(text.expose()).unwrap();
            assert_eq!(TokenRecord::parse_shared(read.to_text().expose()).unwrap().1, Standing::Idle);
        }
        let ended = record.to_shared_text(Standing::Ended(Ended::Refused));
        for (from, to) in
            [("\"refused\"", "\"because\""), ("\"ended\"", "\"end\""), ("\"v\":\"3\"", "\"v\":\"1\"")]
        {
            let bad = ended.expose().replacen(from, to, 1);
            assert_ne!(bad, ended.expose());
            assert_eq!(TokenRecord::parse_shared(&bad).unwrap_err().reason(), Reason::Malformed, "{to}");
        }
    }

    #[test]
    fn records_of_every_version_are_read_as_they_were_first_written() {
        let first = r#"{"v":"1","issuer":"https://as.example","client_id":"app","generation":3,"access_token":"at",
            "refresh_token":"rt","issued_at":1700000000000,"lifetime":3600,"scope":"a","scope_is_explicit":true}"#;
        let record = TokenRecord::parse(first).unwrap();
        assert_eq!((record.generation(), record.tokens().lifetime()), (3, Some(Duration::from_secs(3600))));
        assert_eq!(record.account(), None);
        let third = r#"{"v":"3","issuer":"https://as.example","client_id":"app","generation":3,"access_token":"-",
            "issued_at":1700000000000,"ended":"logged_out"}"#;
        let (_, standing) = TokenRecord::parse_shared(third).unwrap();
        assert_eq!(standing, Standing::Ended(Ended::LoggedOut));
        let fourth = first.replace(r#""v":"1""#, r#""v":"4""#);
        let error = TokenRecord::parse(&fourth).unwrap_err();
        assert!(error.reason() == Reason::Malformed && error.to_string().contains("newer"), "{error}");
        // Whose it is goes with it, and is left out if nobody says.
        let text = record.with_account(Some("al\"ice")).to_shared_text(Standing::Idle);
        assert_eq!(TokenRecord::parse(text.expose()).unwrap().account(), Some("al\"ice"));
    }

    #[test]
    fn a_sealed_record_opens_for_its_issuer_and_client_alone() {
        let (random, crypto) = (SystemRandom::new(), CryptoProvider::ring());
        let env = Env { now: Timestamp::from_secs(0), random: &random, crypto: &crypto };
        let keys = SealingKeys::new(SealingKey::new([1; 32]));
        let record = record(r#"{"access_token":"at","token_type":"Bearer","refresh_token":"rt"}"#);
        let sealed = record.seal(&keys, &env).unwrap();
        assert!(!sealed.expose().contains("rt\""));
        let open = |issuer: &str, client: &str, keys: &SealingKeys| {
            let (issuer, client) = (Issuer::parse(issuer).unwrap(), ClientId::parse(client).unwrap());
            TokenRecord::open(sealed.expose(), &issuer, &client, keys, &env)
        };
        assert_eq!(open("https://as.example", "app", &keys).unwrap().tokens(), record.tokens());
        let others = SealingKeys::new(SealingKey::new([2; 32]));
        for outcome in [
            open("https://evil.example", "app", &keys),
            open("https://as.example", "other", &keys),
            open("https://as.example", "app", &others),
        ] {
            assert_eq!(outcome.unwrap_err().reason(), Reason::SealBroken);
        }
    }
}
