//! A profile as it is followed: what goes out, what comes in, how a client authenticates, and where tokens stand.

use std::{fmt, sync::Arc};

use http::Method;
use valetkey_http::{Request, Response};

use super::{
    Hook, RequestKind,
    data::{Mistake, Pairs, Table},
    edit::{Edit, Scopes},
    field,
    reader::Reader,
    variables::Variables,
};
use crate::{
    endpoint::Endpoint,
    error::Result,
    form::Form,
    oauth2::{
        authorization::ResponseMode,
        client::ClientAuth,
        resource::Placement,
        token::{Kept, Strictness, TokenResponse},
    },
    secret::ClientSecret,
    time::Timestamp,
};

/// What follows of a profile for every request and answer.
#[derive(Clone)]
pub(crate) struct Policies {
    authorize: Edit,
    token: Edit,
    refresh: Edit,
    device: Edit,
    revocation: Edit,
    introspection: Edit,
    scopes: Scopes,
    fragment: Option<Box<str>>,
    pub(crate) response_mode: Option<ResponseMode>,
    pub(crate) left_out: LeftOut,
    /// The name of the code in callbacks.
    pub(crate) code: Option<Box<str>>,
    /// What is kept of callbacks.
    pub(crate) keep: Vec<Box<str>>,
    refresh_url: Option<Box<str>>,
    pub(crate) refresh_endpoint: Option<Endpoint>,
    headers: Pairs,
    reader: Reader,
    pub(super) auth: Option<AuthStyle>,
    api: Api,
    pub(crate) placement: Option<Arc<Placement>>,
    pub(super) hooks: Vec<Arc<dyn Hook>>,
}

/// What a sign-in is without, because the provider refuses it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeftOut {
    pub(crate) pkce: bool,
    pub(crate) state: bool,
    pub(crate) nonce: bool,
}

/// How a client authenticates by a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuthStyle {
    None,
    Basic,
    BasicRaw,
    BasicAndId,
    Post,
    Bearer,
    /// It is found out.
    Probe,
}

impl AuthStyle {
    pub(super) fn with(self, secret: ClientSecret) -> Option<ClientAuth> {
        Some(match self {
            Self::None => ClientAuth::none(),
            Self::Basic => ClientAuth::secret_basic(secret),
            Self::BasicRaw => ClientAuth::secret_basic_raw(secret),
            Self::BasicAndId => ClientAuth::secret_basic_and_id(secret),
            Self::Post => ClientAuth::secret_post(secret),
            Self::Bearer => ClientAuth::secret_bearer(secret),
            Self::Probe => return None,
        })
    }
}

/// The words of [`AuthStyle`] in profiles.
const STYLES: [(&str, AuthStyle); 7] = [
    ("none", AuthStyle::None),
    ("basic", AuthStyle::Basic),
    ("basic_raw", AuthStyle::BasicRaw),
    ("basic_and_id", AuthStyle::BasicAndId),
    ("post", AuthStyle::Post),
    ("bearer", AuthStyle::Bearer),
    ("probe", AuthStyle::Probe),
];

/// What goes with requests to APIs, before its variables are filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Api {
    place: Place,
    parameter: Option<Box<str>>,
    scheme: Option<Box<str>>,
    /// Another field than `Authorization`.
    header: Option<Box<str>>,
    headers: Pairs,
    parameters: Pairs,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Header,
    Form,
    Query,
}

impl Api {
    fn read(table: &mut Table) -> std::result::Result<Self, Mistake> {
        let places = [("header", Place::Header), ("form", Place::Form), ("query", Place::Query)];
        let api = Self {
            place: table.choice("token", &places)?.unwrap_or_default(),
            parameter: table.text("parameter")?,
            scheme: table.text("scheme")?,
            header: table.text("header")?,
            headers: table.fields("headers")?,
            parameters: table.pairs("parameters")?,
        };
        let is_header = api.place == Place::Header;
        if is_header && api.parameter.is_some() {
            return Err(format!("`{}` is for a token in a form or a query", table.path("parameter")));
        }
        for (name, knob) in [("scheme", &api.scheme), ("header", &api.header)] {
            if knob.is_some() && !is_header {
                return Err(format!("`{}` is for a token in a header", table.path(name)));
            }
        }
        if api.scheme.is_some() && api.header.is_some() {
            return Err(format!("`{}` has no `{}`", table.path("header"), table.path("scheme")));
        }
        match api.token() {
            Ok(_) => Ok(api),
            Err(error) if api.header.is_some() => Err(format!("`{}`: {error}", table.path("header"))),
            Err(error) => Err(format!("`{}`: {error}", table.path("scheme"))),
        }
    }

    fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Where the token stands.
    fn token(&self) -> Result<Placement> {
        let parameter = self.parameter.as_deref().unwrap_or("access_token");
        match (self.place, &self.header) {
            (Place::Header, Some(name)) => Placement::field(name),
            (Place::Header, None) => Placement::header(self.scheme.as_deref().unwrap_or("Bearer")),
            (Place::Form, _) => Placement::form(parameter),
            (Place::Query, _) => Placement::query(parameter),
        }
    }

    fn placement(&self) -> Result<Placement> {
        let mut placement = self.token()?;
        for (name, value) in &self.headers {
            placement = placement.with_header(name, value)?;
        }
        for (name, value) in &self.parameters {
            placement = placement.with_parameter(name, value);
        }
        Ok(placement)
    }
}

impl Policies {
    pub(super) fn read(
        root: &mut Table,
        refresh_url: Option<Box<str>>,
    ) -> std::result::Result<Self, Mistake> {
        let mut table = root.table("authorize")?;
        let authorize = Edit::read(&mut table)?;
        let scopes = Scopes::read(&mut table)?;
        let modes = ResponseMode::ALL.map(|mode| (mode.as_str(), mode));
        let (fragment, response_mode) = (table.text("fragment")?, table.choice("response_mode", &modes)?);
        let mut is_off =
            |name| Ok::<_, Mistake>(table.choice(name, &[("off", true), ("on", false)])?.unwrap_or(false));
        let left_out = LeftOut { pkce: is_off("pkce")?, state: is_off("state")?, nonce: is_off("nonce")? };
        table.end()?;
        let mut table = root.table("callback")?;
        let (code, keep) = (table.text("code")?, table.texts("keep")?);
        table.end()?;
        let mut table = root.table("token")?;
        let (token, auth) = (Edit::read_token(&mut table)?, table.choice("auth", &STYLES)?);
        table.end()?;
        let mut table = root.table("refresh")?;
        let refresh = Edit::read_refresh(&mut table, &token)?;
        table.end()?;
        let mut edit = |name| {
            let mut table = root.table(name)?;
            let edit = Edit::read(&mut table)?;
            table.end().map(|()| edit)
        };
        let (device, revocation, introspection) =
            (edit("device")?, edit("revocation")?, edit("introspection")?);
        let mut table = root.table("answer")?;
        let reader = Reader::read(&mut table, scopes.separator)?;
        table.end()?;
        let mut table = root.table("api")?;
        let api = Api::read(&mut table)?;
        table.end()?;
        let headers = root.fields("headers")?;
        let (refresh_endpoint, placement, hooks) = (None, None, Vec::new());
        Ok(Self {
            authorize,
            token,
            refresh,
            device,
            revocation,
            introspection,
            scopes,
            fragment,
            response_mode,
            left_out,
            code,
            keep,
            refresh_url,
            refresh_endpoint,
            headers,
            reader,
            auth,
            api,
            placement,
            hooks,
        })
    }

    /// Fills in the variables, and makes of texts what they mean.
    pub(super) fn fill(&mut self, variables: &Variables) -> Result<()> {
        let edits = [
            &mut self.authorize,
            &mut self.token,
            &mut self.refresh,
            &mut self.device,
            &mut self.revocation,
            &mut self.introspection,
        ];
        let api = self.api.headers.iter_mut().chain(&mut self.api.parameters).map(|(_, value)| value);
        let headers = self.headers.iter_mut().map(|(_, value)| value);
        for text in edits.into_iter().flat_map(Edit::texts_mut).chain(api).chain(headers) {
            *text = variables.fill(text)?;
        }
        if let Some(url) = &self.refresh_url {
            self.refresh_endpoint = Some(Endpoint::parse(&variables.fill_url(url)?)?);
        }
        for (name, value) in &self.headers {
            field(name, value)?;
        }
        self.placement = match self.api.is_none() {
            true => None,
            false => Some(Arc::new(self.api.placement()?)),
        };
        Ok(())
    }

    fn edit(&self, kind: RequestKind) -> Option<&Edit> {
        match kind {
            RequestKind::Token => Some(&self.token),
            RequestKind::Refresh => Some(&self.refresh),
            RequestKind::DeviceAuthorization => Some(&self.device),
            RequestKind::Revocation => Some(&self.revocation),
            RequestKind::Introspection => Some(&self.introspection),
            RequestKind::Resource => None,
        }
    }

    /// The method of a request that carries a form.
    pub(crate) fn method(&self, kind: RequestKind) -> Method {
        self.edit(kind).map_or(Method::POST, Edit::method)
    }

    /// The parameters of an authorization request as the provider wants them, and what stands behind them.
    pub(crate) fn authorization(&self, parameters: &str) -> Result<(Form, Option<&str>)> {
        Ok((self.authorize.query(parameters, &self.scopes)?, self.fragment.as_deref()))
    }

    /// Changes a request that is complete. `form` is its body, if that is a form of ours.
    pub(crate) fn write(&self, kind: RequestKind, form: Option<&Form>, request: &mut Request) -> Result<()> {
        if let (Some(edit), Some(form)) = (self.edit(kind), form)
            && !(edit.is_none() && self.scopes.separator.is_none())
        {
            edit.write(form, &self.scopes, request)?;
        }
        if kind != RequestKind::Resource {
            for (name, value) in &self.headers {
                let (name, value) = field(name, value)?;
                request.headers_mut().insert(name, value);
            }
        }
        self.hooks.iter().try_for_each(|hook| hook.request(kind, request))
    }

    /// Reads the answer to a request for tokens.
    pub(crate) fn read_tokens(
        &self,
        kind: RequestKind,
        response: &Response,
        asked: Timestamp,
        strictness: Strictness,
    ) -> Result<TokenResponse> {
        let mut response = response.clone();
        self.hooks.iter().try_for_each(|hook| hook.response(kind, &mut response))?;
        let normal = if self.reader.is_none() { None } else { self.reader.normalise(&response) };
        let (response, kept) = normal.unwrap_or_else(|| (response, Kept::default()));
        TokenResponse::parse(&response, asked, strictness).map(|response| response.with_kept(&kept))
    }
}

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policies").field("hooks", &self.hooks).finish_non_exhaustive()
    }
}
