//! A sign-in as a browser and a phone make it, without either.

use crate::stage::{PASSWORD, Stage, USERS};
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

pub(crate) fn sign_in(stage: &Stage) -> Result<()> {
    let (name, number) = USERS[0];
    let mut browser = Browser::new(&stage.sign_in);

    let page = browser.get("/")?;
    ensure!(
        page.contains("type=\"password\""),
        "the first page asks for no password:\n{page}"
    );
    say(&format!(
        "opened {} and was asked for a name and a password",
        stage.sign_in
    ));

    let page = browser.submit(
        &page,
        "/sign-in/password",
        &[("username", name), ("password", "wrong")],
    )?;
    ensure!(
        page.contains("type=\"password\""),
        "a wrong password did not lead back to the password page:\n{page}"
    );
    say("a wrong password: the same page again");

    let page = browser.submit(
        &page,
        "/sign-in/password",
        &[("username", name), ("password", PASSWORD)],
    )?;
    ensure!(
        page.contains("one-time-code"),
        "the right password did not lead to the code page:\n{page}"
    );
    let masked = number[number.len() - 2..].to_owned();
    ensure!(
        page.contains(&masked) && !page.contains(number),
        "the code page does not show the masked number"
    );
    say("the right password: the code page, with the number masked");

    let code = arrived(stage, number, None)?;
    say("a code arrived at the phone, sent by Postern through the Twilio component");

    let wrong = if code == "000000" { "000001" } else { "000000" };
    let page = browser.submit(&page, "/sign-in/code", &[("code", wrong)])?;
    ensure!(
        page.contains("one-time-code"),
        "a wrong code did not lead back to the code page:\n{page}"
    );
    say("a wrong code: refused, one try paid");

    let page = browser.submit(&page, "/sign-in/code", &[("code", &code)])?;
    ensure!(
        page.contains(name) && !page.contains("one-time-code"),
        "the right code did not lead to the account page:\n{page}"
    );
    say(&format!("the right code: signed in as {name}"));

    let mut other = Browser::new(&stage.sign_in);
    let page = other.get("/account")?;
    ensure!(
        page.contains("type=\"password\""),
        "a browser without a session saw the account page"
    );
    say("another browser without the cookie: asked for a password");
    Ok(())
}

fn say(what: &str) {
    println!("    {what}");
}

/// Waits for a code at the stand-in's phone that is not `old`.
fn arrived(stage: &Stage, number: &str, old: Option<&str>) -> Result<String> {
    let address = format!("{}/phone/messages.json", stage.gateway);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(10) {
        let body = ureq::get(&address).call()?.body_mut().read_to_string()?;
        let messages: serde_json::Value = serde_json::from_str(&body)?;
        let list = messages
            .as_array()
            .or_else(|| messages["messages"].as_array())
            .context("no list of messages")?;
        let newest = list.iter().rfind(|message| {
            message["to"]
                .as_str()
                .is_some_and(|to| to.ends_with(&number[1..]))
        });
        let code = newest
            .and_then(|message| message["text"].as_str())
            .and_then(code_in);
        if let Some(code) = code.filter(|code| Some(code.as_str()) != old) {
            return Ok(code);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    bail!(
        "no code arrived within 10 s; the end of the log:\n{}",
        stage.log_tail()
    )
}

/// The code of the origin-bound last line, `@host #123456`.
pub(crate) fn code_in(text: &str) -> Option<String> {
    let last = text.lines().last()?;
    let code = last.split_once('#')?.1;
    Some(code.trim().to_owned())
}

/// Cookies, forms and redirects; nothing else of a browser.
struct Browser {
    origin: String,
    agent: ureq::Agent,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    fn new(origin: &str) -> Self {
        let agent = ureq::Agent::config_builder()
            .max_redirects(0)
            .http_status_as_error(false)
            .build()
            .into();
        Self {
            origin: origin.to_owned(),
            agent,
            cookies: BTreeMap::new(),
        }
    }

    fn get(&mut self, path: &str) -> Result<String> {
        let mut path = path.to_owned();
        for _ in 0..8 {
            let request = self
                .agent
                .get(format!("{}{path}", self.origin))
                .header("cookie", self.cookie_header());
            let mut response = request.call()?;
            self.keep_cookies(response.headers());
            let status = response.status().as_u16();
            if (300..400).contains(&status) {
                path = self.local(response.headers())?;
                continue;
            }
            let body = response.body_mut().read_to_string()?;
            ensure!(status == 200, "{path} answered {status}:\n{body}");
            return Ok(body);
        }
        bail!("{path}: more than 8 redirects")
    }

    /// Fills the form of a page that posts to `action`, hidden fields included, and follows the answer.
    fn submit(&mut self, page: &str, action: &str, fields: &[(&str, &str)]) -> Result<String> {
        let mut form: Vec<(String, String)> = hidden_fields(page, action)?;
        form.extend(
            fields
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        let request = self
            .agent
            .post(format!("{}{action}", self.origin))
            .header("cookie", self.cookie_header())
            .header("origin", &self.origin);
        let mut response = request.send_form(
            form.iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        )?;
        self.keep_cookies(response.headers());
        let status = response.status().as_u16();
        if status != 303 {
            let body = response.body_mut().read_to_string()?;
            bail!("{action} answered {status} instead of 303:\n{body}");
        }
        let path = self.local(response.headers())?;
        self.get(&path)
    }

    fn local(&self, headers: &ureq::http::HeaderMap) -> Result<String> {
        let location = headers
            .get("location")
            .context("a redirect without Location")?
            .to_str()?;
        let path = location.strip_prefix(&self.origin).unwrap_or(location);
        ensure!(
            path.starts_with('/'),
            "redirected to another host: {location}"
        );
        Ok(path.to_owned())
    }

    fn cookie_header(&self) -> String {
        self.cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join("; ")
    }

    fn keep_cookies(&mut self, headers: &ureq::http::HeaderMap) {
        for cookie in headers
            .get_all("set-cookie")
            .iter()
            .filter_map(|value| value.to_str().ok())
        {
            let pair = cookie.split(';').next().unwrap_or_default();
            let Some((name, value)) = pair.split_once('=') else {
                continue;
            };
            if value.is_empty() || cookie.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

/// Names and values of the hidden inputs of the form with this action.
pub(crate) fn hidden_fields(page: &str, action: &str) -> Result<Vec<(String, String)>> {
    let mark = format!("action=\"{action}\"");
    let from = page
        .find(&mark)
        .with_context(|| format!("the page has no form for {action}:\n{page}"))?;
    let form = &page[from..];
    let form = &form[..form.find("</form>").unwrap_or(form.len())];
    let attribute = |tag: &str, name: &str| -> Option<String> {
        let rest = tag.split_once(&format!("{name}=\""))?.1;
        Some(rest.split_once('"')?.0.to_owned())
    };
    Ok(form
        .split("<input")
        .skip(1)
        .map(|tag| tag.split_once('>').map_or(tag, |(tag, _)| tag))
        .filter(|tag| tag.contains("type=\"hidden\""))
        .filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, "value")?)))
        .collect())
}
