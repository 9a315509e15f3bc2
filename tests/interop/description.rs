//! Servers under test, each described by a file: `servers/*.toml`, and the folders in `VALETKEY_SERVERS`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use serde::Deserialize;

/// What one file says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Description {
    pub(crate) name: String,
    /// A URL, or the environment variable that has it, after a `$`.
    pub(crate) base: String,
    /// The path of the issuer, after the base.
    #[serde(default)]
    pub(crate) issuer: String,
    /// The file with the roots that its certificate is under, in the folder `VALETKEY_INTEROP_KEYS`.
    pub(crate) roots: Option<String>,
    /// The path, after the base, of something that takes a token with the scope `api:read`.
    #[serde(default)]
    pub(crate) api: String,
    pub(crate) robot: Robot,
    /// The secret of clients that name none.
    #[serde(default)]
    pub(crate) secret: String,
    #[serde(default)]
    pub(crate) quirks: Vec<Quirk>,
    pub(crate) sign_in: SignIn,
    /// `alice` approves; `deny`, where there is one, does not.
    pub(crate) users: BTreeMap<String, User>,
    pub(crate) clients: BTreeMap<String, KnownClient>,
    /// Which clients a flow is tried with.
    pub(crate) flows: BTreeMap<Flow, Vec<String>>,
}

/// How a user gets through the pages.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Robot {
    /// A page of oidc-provider's visits a URL as a browser would, and says where it ended.
    Page,
    /// The authorization endpoint answers at once.
    Redirect,
    /// Redirects, cookies and forms.
    Browser,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Quirk {
    /// Basic credentials are taken as they stand, against RFC 6749 §2.3.1.
    BasicIsNotDecoded,
    /// A reuse of a refresh token ends nothing but itself, against RFC 9700 §4.14.2.
    ReuseSparesTheFamily,
    /// Whoever signs in on a device has no ID token, though the scope `openid` is granted.
    DevicesHaveNoIdToken,
}

/// What a test may do with a server.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Flow {
    /// A sign-in with PKCE.
    Code,
    /// The same, whose answer is posted.
    FormPost,
    /// Refresh tokens that rotate, got by a sign-in.
    Refresh,
    /// The same with access tokens that live for two seconds.
    ShortLived,
    ClientCredentials,
    /// Assertions by which the server authenticates nobody, and says so.
    RefusedAssertion,
    Device,
    Exchange,
    Introspection,
    SignedIntrospection,
    Revocation,
    JwtBearer,
    Password,
    Implicit,
    Dpop,
    ResourceIndicators,
    AuthorizationDetails,
    /// A certificate that is under no public root.
    PrivateCa,
}

/// What a sign-in asks for to get a refresh token and the scope of the API.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    pub(crate) scope: String,
    #[serde(default)]
    pub(crate) parameters: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct User {
    /// The user's name in ID tokens, if it is known.
    pub(crate) subject: Option<String>,
    /// What a sign-in says besides, so that this user is there.
    #[serde(default)]
    pub(crate) parameters: BTreeMap<String, String>,
    /// What the user writes into forms, and which buttons are pressed, by their names.
    #[serde(default)]
    pub(crate) form: BTreeMap<String, String>,
}

/// A client that the server knows.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KnownClient {
    /// The name in the table, if it is left out.
    #[serde(default)]
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) auth: Auth,
    pub(crate) secret: Option<String>,
    /// The name of a key in `client.jwks.json` of the folder `VALETKEY_INTEROP_KEYS`.
    pub(crate) key: Option<String>,
    /// By which the key, or the secret, signs.
    pub(crate) algorithm: Option<String>,
    pub(crate) redirect_uri: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Auth {
    None,
    Unnamed,
    #[default]
    SecretBasic,
    SecretPost,
    SecretJwt,
    PrivateKeyJwt,
}

impl Description {
    /// # Errors
    ///
    /// The file, the line and the member that is wrong.
    fn read(path: &Path) -> Result<Self, String> {
        let complain = |what: &dyn std::fmt::Display| format!("{}: {what}", path.display());
        let text = fs::read_to_string(path).map_err(|error| complain(&error))?;
        let mut description: Self = toml::from_str(&text).map_err(|error| complain(&error))?;
        for (name, client) in &mut description.clients {
            if client.id.is_empty() {
                client.id.clone_from(name);
            }
        }
        if !description.users.contains_key("alice") {
            return Err(complain(&"`users` has no `alice`"));
        }
        for (flow, clients) in &description.flows {
            if let Some(unknown) = clients.iter().find(|name| !description.clients.contains_key(*name)) {
                return Err(complain(&format_args!("`flows`, {flow:?}: there is no client `{unknown}`")));
            }
        }
        Ok(description)
    }

    /// All that are described, the project's own first.
    pub(crate) fn all() -> &'static [Self] {
        static ALL: LazyLock<Vec<Description>> = LazyLock::new(|| {
            let mut folders = vec![shipped()];
            folders.extend(std::env::var_os("VALETKEY_SERVERS").iter().flat_map(std::env::split_paths));
            let files = folders.iter().flat_map(|folder| files(folder));
            files.map(|file| Description::read(&file).unwrap_or_else(|error| panic!("{error}"))).collect()
        });
        &ALL
    }

    pub(crate) fn named(name: &str) -> &'static Self {
        let known = Self::all().iter().find(|description| description.name == name);
        known.unwrap_or_else(|| panic!("no server is called {name}"))
    }

    /// Where the server is, or nothing, and then it is skipped aloud.
    pub(crate) fn base(&self) -> Option<String> {
        match self.base.strip_prefix('$') {
            Some(variable) => variable_of(variable),
            None => Some(self.base.clone()),
        }
    }
}

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/servers")
}

/// The descriptions in a folder, by name.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    files
}

/// What `up.sh` says, or nothing, and then the test is skipped aloud.
pub(crate) fn variable_of(name: &str) -> Option<String> {
    let value = std::env::var(name).ok();
    if value.is_none() {
        println!("skipped: {name} is not set; run it through tests/interop/up.sh");
    }
    value
}

#[test]
fn a_description_that_is_wrong_is_refused_by_file_and_member() {
    let right = fs::read_to_string(shipped().join("authlib-browser.toml")).expect("a description");
    let path = std::env::temp_dir().join(format!("valetkey-description-{}.toml", std::process::id()));
    let complaint = |text: &str| {
        fs::write(&path, text).expect("a file");
        let outcome = Description::read(&path);
        fs::remove_file(&path).expect("it was written");
        outcome.map(|_| ()).map_err(|error| {
            assert!(error.contains(path.to_str().expect("UTF-8")), "{error}");
            error
        })
    };
    assert_eq!(complaint(&right), Ok(()));
    for (from, to, member) in [
        ("robot =", "robots =", "robots"),
        ("robot = \"browser\"", "robot = \"firefox\"", "firefox"),
        ("\"basic_is_not_decoded\"", "\"basic_is_odd\"", "basic_is_odd"),
        ("[sign_in]\nscope", "[sign_in]\nscopes", "scopes"),
        ("subject =", "sub =", "sub"),
        ("auth = \"none\"", "authentication = \"none\"", "authentication"),
        ("auth = \"none\"", "auth = \"nobody\"", "nobody"),
        ("refresh = [", "refreshing = [", "refreshing"),
        ("refresh = [\"basic\"]", "refresh = [\"advanced\"]", "advanced"),
        ("[users.alice]", "[users.carol]", "alice"),
    ] {
        assert!(right.contains(from), "{from}");
        let error = complaint(&right.replacen(from, to, 1)).expect_err(to);
        assert!(error.contains(member), "{to}: {error}");
    }
}
