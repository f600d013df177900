//! One tenant's side of the host, as the address of a request names it.
//!
//! `/…` is the super tenant's, `/t/NAME/…` another one's. The prefix is taken off before a route is
//! looked up and put back in front of every `Location`, so a handler knows addresses of its own
//! tenant only: whatever is in the router is there for every tenant. A name nobody has, one that is
//! switched off, and one that is no name at all look like any address that is not there.

use crate::cookies::Cookies;
use crate::form_token::FormKey;
use crate::page::{Frame, see_other};
use crate::state::{WebParts, WebState};
use crate::texts::Texts;
use axum::Router;
use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::response::Response;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Uri, header};
use postern_login::{Logins, TenantId};
use std::convert::Infallible;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::{Service, ServiceExt};

/// Acts of one tenant under way at once: half of the requests to providers that a host makes at once
/// (512), so that one tenant's slow provider leaves the others room. Each act waits for one at most.
pub const ACTS_MAX: usize = 256;

/// One of a tenant's places; free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Place(
    #[allow(dead_code, reason = "it is held, not read")] Option<OwnedSemaphorePermit>,
);

/// Where the other tenants' addresses begin.
const PREFIX: &str = "/t";

/// Which tenants there are. Asked with every request of one, so it answers from memory.
pub trait Tenants: Send + Sync {
    /// `None`: nobody has this name, or it is switched off. A tenant whose settings cannot be read is
    /// one all the same: its logins fail, its addresses do not vanish.
    fn face(&self, tenant: &TenantId) -> Option<Arc<Face>>;
}

/// What the pages show of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Face {
    /// The name at the top of the pages.
    pub brand: String,
}

/// What a handler may use: the tenant's logins, cookies and form tokens, and through `Deref`
/// whatever all tenants share. Extract it as `Tenant(state): Tenant`.
#[derive(Clone)]
pub struct TenantState {
    web: WebState,
    own: Arc<Own>,
    face: Arc<Face>,
}

/// What belongs to one tenant.
pub struct Own {
    // Not the whole state: that holds this, and neither would ever go.
    parts: Arc<WebParts>,
    pub tenant: TenantId,
    /// In front of an address for a browser: empty, or `/t/NAME`.
    pub base: String,
    /// The use cases, of this tenant only.
    pub logins: Logins,
    /// Another tenant's tokens fit no form of this one.
    pub form_key: FormKey,
    cookies: Cookies,
    /// Places for acts under way; the super tenant is not bounded.
    places: Option<Arc<Semaphore>>,
}

impl TenantState {
    /// `None`: there is no such tenant.
    pub fn of(web: &WebState, tenant: &TenantId) -> Option<Self> {
        let Some(face) = web.tenants.face(tenant) else {
            web.forget(tenant);
            return None;
        };
        Some(Self {
            web: web.clone(),
            own: web.own(tenant),
            face,
        })
    }

    pub(crate) fn of_super(web: &WebState) -> Self {
        let own = web.super_tenant();
        let face = web.tenants.face(&own.tenant).unwrap_or_else(nameless);
        Self {
            web: web.clone(),
            own,
            face,
        }
    }

    pub(crate) fn web(&self) -> &WebState {
        &self.web
    }

    pub fn cookies(&self) -> &Cookies {
        &self.own.cookies
    }

    /// What the base template needs, in the language of `locale`.
    pub fn frame(&self, locale: &str) -> Frame<'_> {
        Frame {
            t: Texts::of(locale),
            brand: &self.face.brand,
            base: &self.own.base,
        }
    }

    /// Its name, if it is not the super tenant.
    pub(crate) fn other_tenant(&self) -> Option<&str> {
        let tenant = &self.own.tenant;
        (*tenant != TenantId::super_tenant()).then(|| tenant.as_str())
    }

    /// What other hosts know this tenant by (an OpenID issuer, say): the beginning of all its addresses.
    pub fn issuer(&self) -> String {
        self.address("")
    }

    /// A place for one act, to be held until the act has ended. `None`: this tenant has as many under
    /// way as it may (attack Q-11).
    pub(crate) fn place(&self) -> Option<Place> {
        match &self.own.places {
            None => Some(Place(None)),
            Some(places) => {
                let place = Arc::clone(places).try_acquire_owned().ok()?;
                Some(Place(Some(place)))
            }
        }
    }

    /// The whole address of a page of this tenant, for whoever is elsewhere: other hosts, messages,
    /// metadata.
    pub fn address(&self, path: &str) -> String {
        format!("{}{}{path}", self.public_url.origin(), self.base)
    }
}

/// The super tenant is always there; without a brand its pages still are.
fn nameless() -> Arc<Face> {
    Arc::new(Face {
        brand: "Postern".to_owned(),
    })
}

impl Own {
    pub(crate) fn new(web: &WebState, tenant: &TenantId) -> Self {
        Self {
            base: base(tenant),
            logins: web.all_logins.of(tenant),
            form_key: web.all_form_keys.of(tenant),
            cookies: Cookies::new(&web.public_url, tenant),
            places: (*tenant != TenantId::super_tenant())
                .then(|| Arc::new(Semaphore::new(ACTS_MAX))),
            tenant: tenant.clone(),
            parts: web.parts(),
        }
    }
}

/// Empty for the super tenant.
pub fn base(tenant: &TenantId) -> String {
    if *tenant == TenantId::super_tenant() {
        String::new()
    } else {
        format!("{PREFIX}/{tenant}")
    }
}

impl Deref for TenantState {
    type Target = Own;
    fn deref(&self) -> &Own {
        &self.own
    }
}

impl Deref for Own {
    type Target = WebParts;
    fn deref(&self) -> &WebParts {
        &self.parts
    }
}

impl std::fmt::Debug for TenantState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TenantState({})", self.own.tenant)
    }
}

impl std::fmt::Debug for Own {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Own({})", self.tenant)
    }
}

/// The tenant of the request's address. Nothing else in a request names one (attack U-04).
#[derive(Debug)]
pub struct Tenant(pub TenantState);

impl FromRequestParts<WebState> for Tenant {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, web: &WebState) -> Result<Self, Infallible> {
        Ok(Self(of_request(&parts.extensions, web)))
    }
}

/// The super tenant, for what only it has.
#[derive(Debug)]
pub struct SuperTenant(pub TenantState);

impl FromRequestParts<WebState> for SuperTenant {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, web: &WebState) -> Result<Self, Infallible> {
        Ok(Self(TenantState::of_super(web)))
    }
}

/// Without a prefix it is the super tenant.
pub(crate) fn of_request(extensions: &http::Extensions, web: &WebState) -> TenantState {
    match extensions.get::<TenantState>() {
        Some(state) => state.clone(),
        None => TenantState::of_super(web),
    }
}

/// Adds the same routes under `/t/NAME` for every tenant.
pub fn for_every_tenant(routes: Router<WebState>, web: &WebState) -> Router<WebState> {
    let others = for_others(routes.clone(), web);
    routes.merge(others)
}

/// These routes under `/t/NAME` for every tenant but the super tenant.
pub fn for_others(routes: Router<WebState>, web: &WebState) -> Router<WebState> {
    let prefixed = Prefixed {
        routes: routes.with_state(web.clone()),
        web: web.clone(),
    };
    Router::new().nest_service(PREFIX, prefixed)
}

/// Marks an answer whose `Location` is no address of the tenant's.
#[derive(Clone)]
struct Outside;

/// A redirect out of the tenant's part, to an address of the whole host.
pub(crate) fn see_outside(to: &str) -> Response {
    let mut response = see_other(to);
    response.extensions_mut().insert(Outside);
    response
}

/// The routes of the tenants other than the super tenant: `/NAME/…`, with `/t` gone already.
#[derive(Clone)]
struct Prefixed {
    routes: Router,
    web: WebState,
}

impl Service<Request<Body>> for Prefixed {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let found = split(request.uri()).and_then(|(tenant, rest)| {
            // One tenant, one address: the super tenant has none of these.
            (tenant != TenantId::super_tenant())
                .then(|| TenantState::of(&self.web, &tenant))
                .flatten()
                .map(|state| (state, rest))
        });
        let routes = self.routes.clone();
        Box::pin(async move {
            let Some((state, rest)) = found else {
                *request.uri_mut() = nowhere(request.uri());
                return routes.oneshot(request).await;
            };
            let base = state.base.clone();
            *request.uri_mut() = rest;
            request.extensions_mut().insert(state);
            let mut response = routes.oneshot(request).await?;
            put_back(&base, &mut response);
            Ok(response)
        })
    }
}

/// The tenant's name and the address without it. The name is read as it stands: an escape in it
/// makes it nobody's (attack U-05).
fn split(uri: &Uri) -> Option<(TenantId, Uri)> {
    let path = uri.path().strip_prefix('/')?;
    let (name, rest) = match path.find('/') {
        Some(at) => path.split_at(at),
        None => (path, "/"),
    };
    Some((TenantId::parse(name).ok()?, with_path(uri, rest)?))
}

/// An address that no route has, in the part of the host that was asked: a program gets a problem,
/// a browser a page.
fn nowhere(uri: &Uri) -> Uri {
    Uri::from_static(match uri.path().split('/').nth(2) {
        Some("api") => "/api/-",
        Some("admin") => "/admin/-",
        _ => "/-",
    })
}

fn with_path(uri: &Uri, path: &str) -> Option<Uri> {
    let text = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(text.parse::<PathAndQuery>().ok()?);
    Uri::from_parts(parts).ok()
}

/// Handlers redirect within their tenant; a browser needs the whole path.
fn put_back(base: &str, response: &mut Response) {
    if response.extensions().get::<Outside>().is_some() {
        return;
    }
    let headers = response.headers_mut();
    let within = headers
        .get(header::LOCATION)
        .and_then(|to| to.to_str().ok())
        .filter(|to| to.starts_with('/') && !to.starts_with("//"));
    if let Some(to) = within
        && let Ok(to) = HeaderValue::from_str(&format!("{base}{to}"))
    {
        headers.insert(header::LOCATION, to);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(path: &'static str, expected: Option<(&str, &str)>) {
        let found = split(&Uri::from_static(path));
        let found = found.map(|(tenant, rest)| (tenant.to_string(), rest.to_string()));
        let expected = expected.map(|(tenant, rest)| (tenant.to_owned(), rest.to_owned()));
        assert_eq!(found, expected, "{path}");
    }

    #[test]
    fn the_name_is_taken_off_and_the_rest_stays() {
        check("/acme.example/sign-in", Some(("acme.example", "/sign-in")));
        check("/acme/a/b?c=/d&e", Some(("acme", "/a/b?c=/d&e")));
        check("/acme", Some(("acme", "/")));
        check("/acme/", Some(("acme", "/")));
        check("/acme?x", Some(("acme", "/?x")));
        check("/acme/t/other/sign-in", Some(("acme", "/t/other/sign-in")));
    }

    /// U-05
    #[test]
    fn a_name_in_disguise_is_no_tenant() {
        for path in [
            "/",
            "//sign-in",
            "/./sign-in",
            "/../sign-in",
            "/a..b/sign-in",
            "/%61cme/sign-in",
            "/acme%00/sign-in",
            "/acme%2f/sign-in",
            "/acme./sign-in",
            "/.acme/sign-in",
            "/ACME/sign-in",
            "/acme_/sign-in",
            "/acme@other/sign-in",
            "/acme;x/sign-in",
        ] {
            check(path, None);
        }
    }

    #[test]
    fn only_an_address_of_this_host_gets_the_prefix() {
        for (to, expected) in [
            ("/sign-in", "/t/acme/sign-in"),
            ("/account?done=number", "/t/acme/account?done=number"),
            ("https://app.example/acs", "https://app.example/acs"),
            ("//evil.example", "//evil.example"),
        ] {
            let mut response = Response::new(Body::empty());
            response
                .headers_mut()
                .insert(header::LOCATION, HeaderValue::from_static(to));
            put_back("/t/acme", &mut response);
            assert_eq!(response.headers()[header::LOCATION], expected);
        }
    }
}
