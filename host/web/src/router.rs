//! Every address, grouped by who calls it.

use crate::layer;
use crate::state::WebState;
use crate::{
    account, admin, api, assets, commonauth, console, health, oidc, saml, scim, sign_in, tenant,
};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{any, get, post};

/// What the world reaches.
pub fn public(state: WebState) -> Router {
    tenants_routes(&state)
        .merge(provisioning(&state))
        .merge(probes())
        .with_state(state)
}

/// What every tenant has: here the super tenant's, and under `/t/NAME` each other one's. A route
/// that belongs to a tenant is added to one of these, and takes `Tenant`.
fn tenants_routes(state: &WebState) -> Router<WebState> {
    let routes = Router::new()
        .merge(pages(state))
        .merge(peers(state))
        .merge(tokens(state))
        .merge(applications(state));
    tenant::for_every_tenant(routes, state)
}

/// What only the operator's network reaches (attack S-17).
pub fn admin(state: WebState) -> Router {
    let scripts = Router::new()
        .route("/admin/plugins", get(admin::plugins::list))
        .route("/admin/plugins/rescan", post(admin::plugins::rescan))
        .merge(admin::api::routes())
        .layer(DefaultBodyLimit::disable());
    let monitoring = Router::new()
        .route("/metrics", get(admin::metrics))
        .route("/api/v1/openapi.json", get(api::openapi::serve));
    Router::new()
        .merge(scripts)
        .merge(monitoring)
        .merge(probes())
        .layer(from_fn(admin_headers))
        .merge(console(&state))
        .merge(tenant::for_others(of_a_tenant(&state), &state))
        .fallback(api::not_found)
        .method_not_allowed_fallback(api::method_not_allowed)
        .with_state(state)
}

/// Under `/t/NAME`, what administrators see and change of another tenant.
fn of_a_tenant(state: &WebState) -> Router<WebState> {
    let scripts = admin::api::of_a_tenant()
        .route("/api/{*rest}", any(api::not_found))
        .route("/admin/{*rest}", any(api::not_found))
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn(admin_headers));
    console::of_a_tenant()
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(state.clone(), layer::console))
        .merge(scripts)
}

/// Administrators' browsers.
fn console(state: &WebState) -> Router<WebState> {
    Router::new()
        .merge(console::routes())
        .route("/assets/{name}", get(assets::serve))
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(state.clone(), layer::console))
}

/// Browsers.
fn pages(state: &WebState) -> Router<WebState> {
    Router::new()
        .route("/", get(sign_in::home))
        // signing in: one page, every form comes back to it
        .route("/sign-in", get(sign_in::show))
        .route("/sign-in/password", post(sign_in::password::submit))
        .route("/sign-in/number", post(sign_in::number::submit))
        .route("/sign-in/code", post(sign_in::code::submit))
        .route("/sign-in/resend", post(sign_in::code::resend))
        .route("/sign-in/backup-code", post(sign_in::code::backup))
        .route("/sign-in/with/{name}", get(sign_in::federated::leave))
        .route("/sign-in/callback/{name}", get(sign_in::federated::arrive))
        .route("/sign-in/second-step", post(sign_in::step_up::submit))
        .route("/sign-in/abandon", post(sign_in::abandon))
        .route("/sign-in/decline", post(sign_in::decline))
        .route("/sign-in/finish", post(sign_in::finish))
        .route("/sign-out", post(account::sign_out))
        .route("/signed-out", get(account::signed_out))
        .route("/oauth2/logout/confirm", post(oidc::logout::confirm))
        // one's own account
        .route("/account", get(account::show))
        .route(
            "/account/number",
            get(account::number::show).post(account::number::change),
        )
        .route("/account/number/code", post(account::number::confirm))
        .route("/account/number/resend", post(account::number::resend))
        .route("/account/number/abandon", post(account::number::abandon))
        .route(
            "/account/password",
            get(account::password::show).post(account::password::change),
        )
        .route("/account/sms-codes", post(account::opt_out::set))
        .route("/account/backup-codes", post(account::backup_codes::make))
        .route("/account/links/remove", post(account::links::remove))
        .route("/account/sessions/end", post(account::sessions::end))
        .route(
            "/account/sessions/end-others",
            post(account::sessions::end_others),
        )
        // what the pages are made of
        .route("/assets/{name}", get(assets::serve))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(state.clone(), layer::pages))
}

/// Browsers that other sites send here, by links and by forms: what they bring is judged by its
/// protocol, not by where it comes from.
fn peers(state: &WebState) -> Router<WebState> {
    Router::new()
        .route(
            "/oauth2/authorize",
            get(oidc::authorize::get).post(oidc::authorize::post),
        )
        .route("/samlsso", get(saml::sso_get).post(saml::sso_post))
        .route(
            "/commonauth",
            get(saml::consumer_get).post(commonauth::submit),
        )
        .route("/saml/logout", get(saml::logout::show))
        .route("/saml/metadata", get(saml::metadata::serve))
        .route("/oauth2/authorize/continue", get(oidc::authorize::go_on))
        .route(
            "/oauth2/logout",
            get(oidc::logout::get).post(oidc::logout::post),
        )
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(state.clone(), layer::peers))
}

/// Applications that redeem what browsers brought them, and whoever reads what we are able to do.
fn tokens(state: &WebState) -> Router<WebState> {
    Router::new()
        .route("/oauth2/token", post(oidc::token::token))
        .route(
            "/oauth2/userinfo",
            get(oidc::token::userinfo).post(oidc::token::userinfo),
        )
        .route("/oauth2/jwks", get(oidc::metadata::jwks))
        .route(
            "/.well-known/openid-configuration",
            get(oidc::metadata::configuration),
        )
        .route(
            "/.well-known/oauth-authorization-server",
            get(oidc::metadata::configuration),
        )
        .method_not_allowed_fallback(api::method_not_allowed)
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn(layer::cross_origin::open))
        .layer(from_fn_with_state(state.clone(), layer::api))
}

/// Applications with a bearer token.
fn applications(state: &WebState) -> Router<WebState> {
    Router::new()
        .route("/api/v1/challenges", post(api::challenges::create))
        .route(
            "/api/v1/challenges/{id}/verify",
            post(api::challenges::verify),
        )
        .route(
            "/api/v1/challenges/{id}/resend",
            post(api::challenges::resend),
        )
        .route("/api/v1/messages", post(api::messages::send))
        .route("/api/{*rest}", any(api::not_found))
        .method_not_allowed_fallback(api::method_not_allowed)
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(state.clone(), layer::api))
}

/// Systems that look after users and groups.
fn provisioning(state: &WebState) -> Router<WebState> {
    use axum::routing::any;
    Router::new()
        .route("/scim/v2/{*path}", any(scim::two))
        .route("/wso2/scim/{*path}", any(scim::one))
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(state.clone(), layer::api))
}

/// Load balancers, by whatever name or address they use.
fn probes() -> Router<WebState> {
    Router::new()
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
}

async fn not_found() -> crate::error::PageError {
    crate::error::PageError::NotFound
}

async fn method_not_allowed() -> crate::error::PageError {
    crate::error::PageError::Method
}

async fn admin_headers(
    request: axum::extract::Request,
    next: axum::middleware::Next,
) -> axum::response::Response {
    let mut response = next.run(request).await;
    layer::headers::api(response.headers_mut(), false);
    response
}
