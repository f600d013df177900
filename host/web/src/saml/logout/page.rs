//! What the person sees: who was told, what each said, and where it goes on.

use super::walk::{Outcome, Told, Walk};
use crate::page::{self, Frame};
use crate::saml::show;
use crate::tenant::TenantState;
use crate::texts::Texts;
use askama::Template;
use axum::response::Response;
use http::header;
use postern_federation::saml::Outgoing;
use postern_login::begin::ClientFacts;

pub(super) struct Line<'a> {
    pub(super) name: &'a str,
    pub(super) word: &'static str,
}

#[derive(Template)]
#[template(path = "saml/sign_out.html")]
pub(super) struct SignOutPage<'a> {
    pub(super) f: Frame<'a>,
    pub(super) title: &'a str,
    pub(super) lead: &'a str,
    pub(super) lines: Vec<Line<'a>>,
    pub(super) link: Option<&'a str>,
    pub(super) form: Option<(&'a str, &'a [(&'static str, String)])>,
    /// Otherwise the person reads first.
    pub(super) by_itself: bool,
    /// Calls the browser back from a participant that hangs.
    pub(super) waits: bool,
}

pub(super) fn word(t: &'static Texts, outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ended => t.logout_ended,
        Outcome::Refused => t.logout_refused,
        Outcome::Silent => t.logout_silent,
        Outcome::NotTold => t.logout_not_told,
    }
}

pub(super) fn lines<'a>(t: &'static Texts, told: &'a [Told]) -> Vec<Line<'a>> {
    let line = |told: &'a Told| Line {
        name: &told.display_name,
        word: word(t, told.outcome),
    };
    told.iter().map(line).collect()
}

pub(super) fn draw_step(
    state: &TenantState,
    client: &ClientFacts,
    walk: &Walk,
    outgoing: &Outgoing,
) -> Response {
    let f = state.frame(&client.locale);
    let mut lines = lines(f.t, &walk.told);
    lines.extend(walk.asked.iter().map(|asked| Line {
        name: &asked.display_name,
        word: f.t.logout_asked,
    }));
    let page = SignOutPage {
        f,
        title: f.t.logout_title,
        lead: f.t.logout_lead,
        lines,
        link: None,
        form: None,
        by_itself: true,
        waits: true,
    };
    draw(page, Some(outgoing))
}

pub(super) fn draw_end(
    state: &TenantState,
    client: &ClientFacts,
    told: &[Told],
    way: Option<&Outgoing>,
) -> Response {
    let f = state.frame(&client.locale);
    draw(end_page(f, told), way)
}

pub(super) fn end_page<'a>(f: Frame<'a>, told: &'a [Told]) -> SignOutPage<'a> {
    let everybody = told.iter().all(|told| told.outcome == Outcome::Ended);
    SignOutPage {
        f,
        title: f.t.signed_out_title,
        lead: if everybody {
            f.t.signed_out_lead
        } else {
            f.t.logout_partly_lead
        },
        lines: lines(f.t, told),
        link: None,
        form: None,
        by_itself: everybody,
        waits: false,
    }
}

pub(super) fn draw<'a>(mut page: SignOutPage<'a>, way: Option<&'a Outgoing>) -> Response {
    let mut policy = None;
    match way {
        Some(Outgoing::Redirect(location)) => page.link = Some(location),
        Some(Outgoing::Post { action, fields }) => {
            page.form = Some((action, fields));
            policy = show::policy(action);
        }
        None => {}
    }
    let mut response = page::draw(&page);
    if let Some(policy) = policy {
        response
            .headers_mut()
            .insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// `value` stands wherever somebody else's text is shown.
    pub(crate) fn partly_page(f: Frame<'_>, value: &str) -> Response {
        let outcomes = [
            Outcome::Ended,
            Outcome::Refused,
            Outcome::Silent,
            Outcome::NotTold,
        ];
        let told = outcomes.map(|outcome| Told {
            display_name: value.to_owned(),
            request_id: String::new(),
            outcome,
        });
        draw(end_page(f, &told), None)
    }
}
