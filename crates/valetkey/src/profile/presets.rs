//! The profiles that come with this crate, each in a file of its own.

use valetkey_proto::{Error, ErrorKind, Reason, Result, oauth2::profile::ProviderProfile};

macro_rules! presets {
    ($($name:literal),+ $(,)?) => { &[$(($name, include_str!(concat!("presets/", $name, ".toml")))),+] };
}

/// Names and texts, by name.
#[rustfmt::skip]
const PRESETS: &[(&str, &str)] = presets![
    "amazon", "amazon_selling_partner", "apple", "asana", "asgardeo", "azure_ad", "azure_ad_b2c",
    "badgr", "basecamp", "battlenet", "bitbucket", "cern", "clover", "cognito", "coinbase", "coros",
    "discord", "douban", "dropbox", "ebay", "facebook", "figma", "fiserv", "fitbit", "foursquare",
    "freelancer", "github", "gitlab", "google", "google_offline", "heroku", "heygen", "hipchat",
    "hipchat_server", "imgur", "instagram", "kakao", "line", "linkedin", "mailchimp", "mailru",
    "mediamath", "mediamath_sandbox", "microsoft", "monday", "naver", "nokia_health", "notion",
    "odnoklassniki", "openstreetmap", "optimizely", "patreon", "paypal", "paypal_sandbox",
    "pinterest", "pipedrive", "qq", "quickbooks", "rakuten", "reddit", "salesforce", "shopify",
    "slack", "slack_legacy", "slack_user", "smartsheet", "splitwise", "spotify", "square",
    "stackoverflow", "strava", "stripe", "surveymonkey", "taobao", "threads", "tiktok",
    "trustpilot", "twitch", "uber", "unsplash", "untappd", "visual_studio", "vk", "wechat", "weibo",
    "weixin", "withings", "x", "yahoo", "yammer", "yandex", "zoom",
];

/// The profile of a provider that comes with this crate; [`presets`] are their names.
///
/// ```
/// use valetkey::profile::preset;
///
/// let tenant = preset("azure_ad")?.with_variable("tenant", "contoso.example");
/// let url = "https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token";
/// assert_eq!(tenant.server()?.token_endpoint()?.as_str(), url);
/// # Ok::<(), valetkey::Error>(())
/// ```
///
/// Where its facts are from, and how old they are, its [`source`](ProviderProfile::source) and
/// [`checked`](ProviderProfile::checked) tell: providers change without notice.
///
/// # Errors
///
/// `Config`: [`Reason::InvalidValue`] if there is none of this name.
pub fn preset(name: &str) -> Result<ProviderProfile> {
    let preset = PRESETS.iter().find(|(known, _)| *known == name);
    let (_, text) = preset.ok_or_else(|| {
        Error::new(ErrorKind::Config, Reason::InvalidValue).with_detail(format!("there is no preset {name}"))
    })?;
    super::from_toml(text)
}

/// The names of the profiles that come with this crate, in the order of the alphabet.
///
/// ```
/// assert!(valetkey::profile::presets().any(|name| name == "github"));
/// ```
pub fn presets() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|(name, _)| *name)
}
