//! Where a person is signed in.

use crate::error::unmoved;
use crate::extract::SessionForm;
use crate::page::see_other;
use crate::tenant::Tenant;
use axum::response::Response;

/// `POST /account/sessions/end`
pub async fn end(Tenant(state): Tenant, form: SessionForm) -> Response {
    match state
        .logins
        .end_session(&form.session, form.fields.text("name"), &form.client)
        .await
    {
        Ok(true) => see_other("/account?done=session-ended"),
        Ok(false) => see_other("/account?done=nothing"),
        Err(error) => unmoved(error, state.clock.now(), "/account"),
    }
}

/// `POST /account/sessions/end-others`
pub async fn end_others(Tenant(state): Tenant, form: SessionForm) -> Response {
    match state
        .logins
        .end_other_sessions(&form.session, &form.client)
        .await
    {
        Ok(_) => see_other("/account?done=others-ended"),
        Err(error) => unmoved(error, state.clock.now(), "/account"),
    }
}

/// A browser's name as people say it: `Firefox, Linux`. A guess for the list, nothing else relies on it.
pub(crate) fn browser(user_agent: &str) -> String {
    // The order matters: most names also claim to be those that come after them.
    let names = [
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser/", "Samsung Internet"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("CriOS/", "Chrome"),
        ("Safari/", "Safari"),
    ];
    let systems = [
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ];
    let find = |table: &[(&str, &'static str)]| {
        table
            .iter()
            .find(|(mark, _)| user_agent.contains(mark))
            .map(|(_, name)| *name)
    };
    match (find(&names), find(&systems)) {
        (Some(name), Some(system)) => format!("{name}, {system}"),
        (Some(name), None) => name.to_owned(),
        (None, Some(system)) => system.to_owned(),
        (None, None) => user_agent.chars().take(40).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::browser;

    #[test]
    fn browsers_are_named_as_people_name_them() {
        for (agent, expected) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0",
                "Firefox, Linux",
            ),
            (
                "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0 Mobile Safari/537.36",
                "Chrome, Android",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/128.0 Safari/537.36 Edg/128.0",
                "Edge, Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Version/17.0 Safari/604.1",
                "Safari, iPhone",
            ),
            ("curl/8.5.0", "curl/8.5.0"),
            ("", ""),
        ] {
            assert_eq!(browser(agent), expected);
        }
    }
}
