//! The sign-in pages. There is one address: `login::step` decides which page it shows, every form
//! comes back to it, and no page knows the next one.

pub mod code;
pub mod federated;
pub mod number;
pub mod own_page;
pub mod password;
pub mod step_up;
pub mod stopped;

use crate::applications;
use crate::error::{PageError, unmoved};
use crate::extract::client::ui_locale;
use crate::extract::{Client, LoginForm, session};
use crate::page::{self, Frame, see_other, with_cookie};
use crate::tenant::{Tenant, TenantState};
use askama::Template;
use axum::extract::RawQuery;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use postern_login::application::Offer;
use postern_login::begin::{ClientFacts, Moved, Seen};
use postern_login::finish::Finished;
use postern_login::login::Notice;
use postern_login::pages::PageSettings;
use postern_login::submit::Entered;
use postern_login::{LoginError, LoginId, Origin, Step};
use postern_otp::Timestamp;

/// Where a login leads that nobody else asked for.
const ACCOUNT: &str = "/account";

/// `GET /`
pub async fn home(Tenant(state): Tenant, headers: HeaderMap) -> Response {
    match session::current(&state, &headers).await {
        Ok(Some(_)) => see_other(ACCOUNT),
        Ok(None) => see_other("/sign-in"),
        Err(response) => response,
    }
}

/// `GET /sign-in`: the page of the step the login is at. Looking changes nothing and sends nothing;
/// at most a login begins, of which only its cookie is known (attack S-04). `?afresh` leads to one for
/// the account page that has everything asked again.
pub async fn show(
    Tenant(state): Tenant,
    Client(client): Client,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let asked = Asked::read(query.as_deref().unwrap_or_default());
    let hint = hint_of(query.as_deref());
    if let Some(id) = state.cookies().login(&headers) {
        match state.logins.seen(&id).await {
            Ok(Seen { step, .. }) if asked.afresh && gives_way(&step) => {}
            Ok(Seen { step, locale }) => {
                if asked.word != Some(Word::Again)
                    && let Some(only) = nothing_to_choose(&step)
                {
                    return see_other(&federated::address(&only.name, hint.as_deref()));
                }
                return draw(&state, &locale, &id, &step, asked.word, hint.as_deref()).await;
            }
            Err(LoginError::Gone) => {}
            Err(error) => return unmoved(error, state.clock.now(), "/sign-in"),
        }
    }
    let origin = Origin::Browser {
        return_to: ACCOUNT.to_owned(),
    };
    let mut application = match applications::own(&state).await {
        Ok(application) => application,
        Err(error) => return PageError::busy(&error).into_response(),
    };
    application.sequence.afresh = asked.afresh;
    let client = ClientFacts {
        locale: asked.locale.unwrap_or(client.locale),
        ..client
    };
    let logins = &state.logins;
    let begun = logins.begin_for(application, origin, &client);
    match begun.await {
        Ok(Moved { id, step }) => {
            let shown = match nothing_to_choose(&step) {
                // A browser that keeps no cookie comes back with a word, and is not sent again.
                Some(only) if asked.word.is_none() => {
                    see_other(&federated::address(&only.name, hint.as_deref()))
                }
                Some(_) | None => draw(&state, &client.locale, &id, &step, asked.word, None).await,
            };
            with_cookie(shown, state.cookies().set_login(&id))
        }
        // Were it a redirect, a store that forgets would make a browser run in circles.
        Err(LoginError::Gone | LoginError::OutOfOrder | LoginError::Conflict) => {
            PageError::Stale.into_response()
        }
        Err(error) => unmoved(error, state.clock.now(), "/sign-in"),
    }
}

/// The identity provider that is the only way to sign in, for who has not come back from it.
fn nothing_to_choose(step: &Step) -> Option<&Offer> {
    match step {
        Step::FirstStep {
            notice: None,
            application,
        } => application.sequence.only_offer(),
        _ => None,
    }
}

/// To a login that has everything asked again: one that nobody has taken a step of, unless it is that
/// one, and one that has ended. What begins in its place would ask as little as it did.
fn gives_way(step: &Step) -> bool {
    match step {
        Step::FirstStep { application, .. } => application.waits() || !application.sequence.afresh,
        Step::Stopped { backup_codes, .. } => !backup_codes,
        Step::SecondStepWanted { .. }
        | Step::AskNumber { .. }
        | Step::AskCode(_)
        | Step::Authenticated => false,
    }
}

/// The page, for whoever an application expects. It stands in the address and nowhere else: a name is no secret of the
/// application's, and nothing is decided by it.
pub(crate) fn address(hint: Option<&str>) -> String {
    with_hint("/sign-in".to_owned(), hint)
}

fn with_hint(address: String, hint: Option<&str>) -> String {
    match hint {
        None => address,
        Some(hint) => {
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.append_pair(HINT, hint);
            format!("{address}?{}", query.finish())
        }
    }
}

const HINT: &str = "login_hint";

/// One line that could be a name; anything else is no hint.
fn hint_of(query: Option<&str>) -> Option<String> {
    let mut found = form_urlencoded::parse(query?.as_bytes()).filter(|(name, _)| name == HINT);
    let (_, hint) = found.next()?;
    let orderly = found.next().is_none()
        && !hint.is_empty()
        && hint.len() <= password::NAME_MAX
        && !hint.chars().any(char::is_control);
    orderly.then(|| hint.into_owned())
}

/// `POST /sign-in/abandon`: the application somebody came for is not forgotten.
pub async fn abandon(Tenant(state): Tenant, form: LoginForm) -> Response {
    match state.logins.start_over(&form.id, &form.client).await {
        // Who starts over is not sent to the only identity provider before they say so.
        Ok(Moved { id, .. }) => {
            with_cookie(see_other("/sign-in?again"), state.cookies().set_login(&id))
        }
        Err(LoginError::Gone | LoginError::OutOfOrder | LoginError::Conflict) => {
            with_cookie(see_other("/sign-in"), state.cookies().clear_login())
        }
        Err(error) => unmoved(error, state.clock.now(), "/sign-in"),
    }
}

/// `POST /sign-in/decline`: back to the application, which is told that nobody signed in.
pub async fn decline(Tenant(state): Tenant, form: LoginForm) -> Response {
    match state.logins.decline(&form.id).await {
        Ok(return_to) => {
            let glue = if return_to.contains('?') { '&' } else { '?' };
            let answered = format!("{return_to}{glue}{DECLINED}=");
            with_cookie(see_other(&answered), state.cookies().clear_login())
        }
        Err(error) => unmoved(error, state.clock.now(), "/sign-in"),
    }
}

/// With this in its query, the address where a login ends answers the application that nobody signed in.
pub(crate) const DECLINED: &str = "declined";

/// `POST /sign-in/finish`: the answer to the last step was lost, or another tab did it.
pub async fn finish(Tenant(state): Tenant, form: LoginForm) -> Response {
    open(&state, &form.id, &form.client, &form.headers).await
}

/// What follows an act: the one page again, or the session.
async fn moved(
    state: &TenantState,
    form: &LoginForm,
    outcome: Result<Moved, LoginError>,
) -> Response {
    went_on(state, &form.id, &form.client, &form.headers, outcome).await
}

/// A code, typed on whichever page. A right one signs in.
pub(crate) async fn entered(state: &TenantState, form: &LoginForm, typed: &str) -> Response {
    let earlier = state.cookies().session(&form.headers);
    let entered = state
        .logins
        .sign_in_with_code(&form.id, typed, earlier.as_ref(), &form.client);
    match entered.await {
        Ok(Entered::In(finished)) => signed_in(state, &finished).await,
        Ok(Entered::Moved(to)) => moved(state, form, Ok(to)).await,
        Err(error) => moved(state, form, Err(error)).await,
    }
}

pub(crate) async fn went_on(
    state: &TenantState,
    was: &LoginId,
    client: &ClientFacts,
    headers: &HeaderMap,
    outcome: Result<Moved, LoginError>,
) -> Response {
    match outcome {
        Ok(Moved {
            id,
            step: Step::Authenticated,
        }) => open(state, &id, client, headers).await,
        Ok(Moved { id, .. }) if id == *was => see_other("/sign-in"),
        Ok(Moved { id, .. }) => with_cookie(see_other("/sign-in"), state.cookies().set_login(&id)),
        Err(error) => unmoved(error, state.clock.now(), "/sign-in"),
    }
}

/// The login is taken and becomes a session with a cookie of its own (attack S-01); the one this
/// browser had before ends.
async fn open(
    state: &TenantState,
    id: &LoginId,
    client: &ClientFacts,
    headers: &HeaderMap,
) -> Response {
    let earlier = state.cookies().session(headers);
    let finished = state
        .logins
        .finish_in_place_of(id, earlier.as_ref(), client);
    match finished.await {
        Ok(finished) => signed_in(state, &finished).await,
        Err(error) => unmoved(error, state.clock.now(), "/sign-in"),
    }
}

/// Where the browser goes with its session.
async fn signed_in(state: &TenantState, finished: &Finished) -> Response {
    let session = &finished.session;
    let return_to = match &finished.origin {
        Origin::Browser { return_to } => page::local_path(return_to).unwrap_or(ACCOUNT),
        // A code that an application or the account page asked for opens no session here.
        Origin::Api { .. } | Origin::Account { .. } => {
            end(state, &session.id).await;
            return PageError::Stale.into_response();
        }
    };
    let response = with_cookie(see_other(return_to), state.cookies().clear_login());
    // A number's proof that an earlier person of this browser began is none of this one's.
    let response = with_cookie(response, state.cookies().clear_proof());
    with_cookie(response, state.cookies().set_session(&session.id))
}

/// Ends a session that must not live on; if that fails, it is said, and the login goes on.
async fn end(state: &TenantState, id: &postern_login::session::SessionId) {
    if let Err(error) = state.logins.logout(id).await {
        tracing::error!(
            error = crate::error::chain(&error),
            "an earlier session could not be ended"
        );
    }
}

/// What the query of the sign-in page may say. Anything else is not looked at.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    word: Option<Word>,
    /// The person is to prove themselves again for their account page.
    afresh: bool,
    /// `ui_locales`, for a login that begins. One that is under way keeps its own.
    locale: Option<String>,
}

/// Why the browser was led to the first page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// The login it was at is over.
    Ended,
    /// It came with a code, and nobody has signed in yet.
    FirstStepMissing,
    /// The page itself, where it would otherwise lead on to the only identity provider.
    Again,
}

impl Asked {
    fn read(query: &str) -> Self {
        let mut asked = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "ended" => asked.word = Some(Word::Ended),
                "first" => asked.word = Some(Word::FirstStepMissing),
                "again" => asked.word = Some(Word::Again),
                "afresh" => asked.afresh = true,
                "ui_locales" if asked.locale.is_none() => asked.locale = ui_locale(&value),
                _ => (),
            }
        }
        asked
    }
}

/// The page of the step: ours, or the operator's own.
async fn draw(
    state: &TenantState,
    locale: &str,
    id: &LoginId,
    step: &Step,
    word: Option<Word>,
    hint: Option<&str>,
) -> Response {
    let settings = match page_settings(state, id, step).await {
        Ok(settings) => settings,
        Err(error) => return unmoved(error, state.clock.now(), ACCOUNT),
    };
    if let Some(place) = own_page::address(state, id, step, &settings) {
        return see_other(&place);
    }
    let f = state.frame(locale);
    let token = state.form_key.token(id.as_str());
    match (step, &settings.number_pattern_message) {
        (
            Step::AskNumber {
                notice: Some(Notice::NumberInvalid),
            },
            Some(message),
        ) => number::draw_saying(f, &token, message),
        _ => {
            let awaited_by = match step {
                Step::Stopped { .. } => state.logins.awaited_by(id).await,
                Step::FirstStep { .. }
                | Step::SecondStepWanted { .. }
                | Step::AskNumber { .. }
                | Step::AskCode(_)
                | Step::Authenticated => Ok(None),
            };
            match awaited_by {
                Ok(awaited_by) => {
                    let awaited_by = awaited_by.as_deref();
                    draw_step(f, &token, step, word, hint, awaited_by, state.clock.now())
                }
                Err(error) => unmoved(error, state.clock.now(), ACCOUNT),
            }
        }
    }
}

/// What a typed number must look like is the application's; where pages are is the tenant's.
async fn page_settings(
    state: &TenantState,
    id: &LoginId,
    step: &Step,
) -> Result<PageSettings, LoginError> {
    match step {
        Step::AskNumber { .. } => state.logins.page_settings_of(id).await,
        Step::FirstStep { .. }
        | Step::SecondStepWanted { .. }
        | Step::AskCode(_)
        | Step::Stopped { .. }
        | Step::Authenticated => Ok(state.logins.page_settings(&state.tenant).await?),
    }
}

fn draw_step(
    f: Frame<'_>,
    token: &str,
    step: &Step,
    word: Option<Word>,
    hint: Option<&str>,
    awaited_by: Option<&str>,
    now: Timestamp,
) -> Response {
    match step {
        Step::FirstStep {
            notice,
            application,
        } => password::draw(f, token, *notice, application, word, hint),
        Step::SecondStepWanted { application } => step_up::draw(f, token, application),
        Step::AskNumber { notice } => number::draw(f, token, *notice),
        Step::AskCode(ask) => code::draw(f, token, ask, &code::SIGN_IN),
        Step::Stopped {
            reason,
            backup_codes,
        } => {
            let way_on = stopped::WayOn {
                backup_codes: *backup_codes,
                awaited_by,
            };
            stopped::draw(f, token, *reason, way_on, now)
        }
        Step::Authenticated => page::draw(&ContinuePage { f, token }),
    }
}

#[derive(Template)]
#[template(path = "continue.html")]
struct ContinuePage<'a> {
    f: Frame<'a>,
    token: &'a str,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    #[test]
    fn the_query_says_why_and_in_which_language() {
        let read = |query| {
            let asked = Asked::read(query);
            (asked.word, asked.locale)
        };
        let german = || Some("de-AT".to_owned());
        assert_eq!(read(""), (None, None));
        assert_eq!(read("ended"), (Some(Word::Ended), None));
        assert_eq!(read("ui_locales=fr+de-AT+en"), (None, german()));
        assert_eq!(
            read("first&ui_locales=%20de-AT"),
            (Some(Word::FirstStepMissing), german())
        );
        assert_eq!(read("ui_locales=fr"), (None, Some("fr".to_owned())));
        assert_eq!(read("ui_locales=%3Cscript%3E&x=%ff"), (None, None));
        assert!(Asked::read("afresh").afresh && Asked::read("ended&afresh").afresh);
        assert!(!Asked::read("again").afresh);
    }

    pub(crate) fn step_page(f: Frame<'_>, step: &Step) -> Response {
        draw_step(
            f,
            "token",
            step,
            None,
            None,
            Some("The Shop"),
            Timestamp(1_795_310_100_000),
        )
    }

    /// `value` stands where an application says whom it expects.
    pub(crate) fn hinted_page(f: Frame<'_>, value: &str) -> Response {
        let step = Step::FirstStep {
            notice: None,
            application: postern_login::application::Application::account_page(),
        };
        let now = Timestamp(1_795_310_100_000);
        draw_step(f, "token", &step, None, Some(value), None, now)
    }

    #[test]
    fn a_hint_is_one_name_or_nothing() {
        let long = format!("login_hint={}", "x".repeat(257));
        for (query, expected) in [
            (
                Some("login_hint=alice%40example.com"),
                Some("alice@example.com"),
            ),
            (Some("again&login_hint=b+c"), Some("b c")),
            (Some("login_hint="), None),
            (Some("login_hint=a&login_hint=b"), None),
            (Some("login_hint=a%0Ab"), None),
            (Some(long.as_str()), None),
            (Some("ended"), None),
            (None, None),
        ] {
            assert_eq!(hint_of(query).as_deref(), expected, "{query:?}");
        }
        assert_eq!(address(Some("a&b=c")), "/sign-in?login_hint=a%26b%3Dc");
        assert_eq!(address(None), "/sign-in");
    }
}
