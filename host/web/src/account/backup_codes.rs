//! New backup codes, shown once.

use super::frame;
use crate::error::unmoved;
use crate::extract::SessionForm;
use crate::page::{self, Frame};
use crate::tenant::Tenant;
use askama::Template;
use axum::response::Response;

#[derive(Template)]
#[template(path = "account/backup_codes.html")]
struct BackupCodesPage<'a> {
    f: Frame<'a>,
    codes: &'a [String],
}

/// `POST /account/backup-codes`. The answer itself shows them: a redirect would mean to keep them
/// somewhere in clear for the next request.
pub async fn make(Tenant(state): Tenant, form: SessionForm) -> Response {
    match state
        .logins
        .new_backup_codes(&form.session, &form.client)
        .await
    {
        Ok(codes) => {
            let codes: Vec<String> = codes.iter().map(|code| code.display()).collect();
            draw(frame(&state, &form.client.locale), &codes)
        }
        Err(error) => unmoved(error, state.clock.now(), "/account"),
    }
}

pub(super) fn draw(f: Frame<'_>, codes: &[String]) -> Response {
    page::draw(&BackupCodesPage { f, codes })
}
