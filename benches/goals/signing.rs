//! Row 1: the header that signs a request by OAuth 1.0a, with a clock and a nonce.

use http::{HeaderMap, HeaderValue, Method, Uri, header::CONTENT_TYPE};
use oauth1_request::{HMAC_SHA1, ParameterList, Token};
use sha1::Sha1;
use valetkey::oauth1::{ClientCredentials, Signer, TokenCredentials};
use valetkey_proto::{
    Timestamp,
    crypto::CryptoProvider,
    oauth1::{self, Stamp},
};

use crate::contender::Contender;

pub(crate) const CLIENT: (&str, &str) =
    ("xvz1evFS4wEEPTGEFPHBog", "kAcSOqF21Fu85e7zjz7ZN2U4ZRhfV3WpwPAoE3Z7kBw");
pub(crate) const TOKEN: (&str, &str) =
    ("370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb", "LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHtR2YPi5kE");

/// A request, as all of them sign it.
#[derive(Clone)]
pub(crate) struct Case {
    names: Names,
    pub(crate) method: Method,
    /// Without a query.
    pub(crate) url: &'static str,
    pub(crate) parameters: Vec<(String, String)>,
}

/// What its contenders are called.
#[derive(Clone, Copy)]
struct Names {
    ours: &'static str,
    oauth1_request: &'static str,
    hmac: &'static str,
}

/// GET with 4 parameters, POST of a form with 10, GET with 100 whose names and values are not all ASCII.
pub(crate) fn cases() -> [Case; 3] {
    let pairs = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let few = [
        ("count", "200"),
        ("include_rts", "true"),
        ("screen_name", "valetkey"),
        ("since_id", "1234567890123456789"),
    ];
    let some = [
        ("attachment_url", "https://example.com/a/status/20?x=1&y=2"),
        ("auto_populate_reply_metadata", "true"),
        ("display_coordinates", "false"),
        ("in_reply_to_status_id", "1234567890123456789"),
        ("lat", "37.7821120598956"),
        ("long", "-122.400612831116"),
        ("media_ids", "710511363345354753,710511363345354754"),
        ("place_id", "df51dec6f4ee2b2c"),
        ("status", "Hello Ladies + Gentlemen, a signed OAuth request!"),
        ("trim_user", "true"),
    ];
    let many = (0..100).map(|at| (format!("kéy{at:02}"), format!("välue {at:02} ✓"))).collect();
    [
        Case {
            names: Names {
                ours: "4 parameters, valetkey",
                oauth1_request: "4 parameters, oauth1-request",
                hmac: "4 parameters, HMAC alone",
            },
            method: Method::GET,
            url: "https://api.example.com/1.1/statuses/user_timeline.json",
            parameters: pairs(&few),
        },
        Case {
            names: Names {
                ours: "10 parameters, valetkey",
                oauth1_request: "10 parameters, oauth1-request",
                hmac: "10 parameters, HMAC alone",
            },
            method: Method::POST,
            url: "https://api.example.com/1.1/statuses/update.json",
            parameters: pairs(&some),
        },
        Case {
            names: Names {
                ours: "100 parameters, valetkey",
                oauth1_request: "100 parameters, oauth1-request",
                hmac: "100 parameters, HMAC alone",
            },
            method: Method::GET,
            url: "https://api.example.com/1.1/search.json",
            parameters: many,
        },
    ]
}

impl Case {
    /// The parameters as a query or form.
    pub(crate) fn encoded(&self) -> String {
        let pair = |(name, value): &(String, String)| {
            [oauth1::percent_encode(name), oauth1::percent_encode(value)].join("=")
        };
        self.parameters.iter().map(pair).collect::<Vec<_>>().join("&")
    }

    /// The request in parts: URL, header fields, body.
    fn parts(&self) -> (Uri, HeaderMap, String) {
        let mut headers = HeaderMap::new();
        if self.method == Method::GET {
            let url = [self.url, "?", &self.encoded()].concat();
            return (url.parse().expect("a URL"), headers, String::new());
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        (Uri::from_static(self.url), headers, self.encoded())
    }

    pub(crate) fn ours(&self) -> Contender {
        let (signer, method) = (Signer::from(signer()), self.method.clone());
        let (uri, headers, body) = self.parts();
        Contender::new(
            self.names.ours,
            || (),
            move |()| signer.authorization(&method, &uri, &headers, body.as_bytes()).expect("a header"),
        )
    }

    pub(crate) fn oauth1_request(&self) -> Contender {
        let (case, token) = (self.clone(), Token::from_parts(CLIENT.0, CLIENT.1, TOKEN.0, TOKEN.1));
        Contender::new(self.names.oauth1_request, || (), move |()| case.by_oauth1_request(&token))
    }

    /// Signed by `oauth1-request`, which wants a list that is sorted, and sorts one.
    fn by_oauth1_request(&self, token: &Token<&str, &str>) -> String {
        let pairs = self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let list = ParameterList::new(pairs.collect::<Vec<_>>());
        match self.method {
            Method::GET => oauth1_request::get(self.url, &list, token, HMAC_SHA1),
            _ => oauth1_request::post(self.url, &list, token, HMAC_SHA1),
        }
    }

    /// What no signature goes below: the HMAC of its base string, with the key at hand.
    pub(crate) fn hmac(&self) -> Contender {
        use hmac::{Hmac, Mac};

        let key = [CLIENT.1, "&", TOKEN.1].concat();
        let key = Hmac::<Sha1>::new_from_slice(key.as_bytes()).expect("a key of any length");
        let message = self.base_string();
        Contender::new(
            self.names.hmac,
            || (),
            move |()| {
                let mut mac = key.clone();
                mac.update(message.as_bytes());
                mac.finalize().into_bytes()
            },
        )
    }

    /// A base string of this request, with a timestamp and a nonce of the usual length.
    pub(crate) fn base_string(&self) -> String {
        let (uri, headers, body) = self.parts();
        let mut request = valetkey_http::Request::new(body.into());
        (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) =
            (self.method.clone(), uri, headers);
        let (signer, crypto) = (signer(), CryptoProvider::ring());
        let stamp = Stamp::new(Timestamp::from_secs(1_700_000_000), "0123456789abcdef0123456789abcdef");
        let signed = signer.sign_with(request, stamp.expect("a nonce"), &crypto).expect("signed");
        signer.explain(&signed, &crypto).expect("an explanation").base_string().to_owned()
    }
}

/// Where `oauth1-request` signs rightly, both sign alike: or else a ratio says nothing.
pub(crate) fn assert_alike() {
    let [few, some, many] = cases();
    for (case, is_alike) in [(few, true), (some, true), (many, false)] {
        let list = case.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let list = ParameterList::new(list.collect::<Vec<_>>());
        let token = Token::from_parts(CLIENT.0, CLIENT.1, TOKEN.0, TOKEN.1);
        let mut theirs = oauth1_request::Builder::with_token(token, HMAC_SHA1);
        theirs.nonce("0123456789abcdef0123456789abcdef").timestamp(std::num::NonZeroU64::new(1_700_000_000));
        theirs.version(true);
        let theirs = match case.method {
            Method::GET => theirs.get(case.url, &list),
            _ => theirs.post(case.url, &list),
        };
        let (_, theirs) = theirs.split_once("oauth_signature=\"").expect("a signature");
        let ours = signer().signature(&case.base_string(), &CryptoProvider::ring()).expect("a signature");
        let ours = [&oauth1::percent_encode(ours.expose()), "\""].concat();
        assert_eq!(ours == theirs, is_alike, "{}", case.url);
    }
}

fn signer() -> oauth1::Signer {
    let client = ClientCredentials::new(CLIENT.0, CLIENT.1).expect("credentials");
    oauth1::Signer::new(client).token(TokenCredentials::new(TOKEN.0, TOKEN.1).expect("credentials"))
}
