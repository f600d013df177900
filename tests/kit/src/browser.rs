//! A browser without a window: it keeps cookies, follows redirects, and sends back the forms it is
//! shown, hidden fields included, as a person would.

use crate::http::{Answer, exchange};
use anyhow::{Context, Result, bail};
use http::{Request, StatusCode};
use http_body_util::Full;
use std::collections::BTreeMap;
use std::net::SocketAddr;

const REDIRECTS_MAX: usize = 10;

#[derive(Debug, Clone)]
pub struct Browser {
    address: SocketAddr,
    /// Scheme and authority of the public URL.
    origin: String,
    cookies: BTreeMap<String, String>,
    /// In front of every address: empty, or a tenant's `/t/NAME`.
    base: String,
    /// Sent with every request.
    pub headers: Vec<(String, String)>,
}

/// A page that is shown.
#[derive(Debug, Clone)]
pub struct Page {
    pub status: StatusCode,
    /// Where the browser is.
    pub path: String,
    pub html: String,
    pub answer: Answer,
    /// In front of the addresses of its forms: empty, or a tenant's `/t/NAME`.
    pub(crate) base: String,
}

impl Browser {
    pub fn new(address: SocketAddr, origin: &str) -> Self {
        Self {
            address,
            origin: origin.to_owned(),
            cookies: BTreeMap::new(),
            base: String::new(),
            headers: vec![
                ("accept-language".into(), "en".into()),
                ("user-agent".into(), "postern-kit".into()),
            ],
        }
    }

    /// At this tenant's addresses from now on.
    #[must_use]
    pub fn of_tenant(mut self, tenant: &str) -> Self {
        self.base = format!("/t/{tenant}");
        self
    }

    pub async fn open(&mut self, path: &str) -> Result<Page> {
        self.walk(format!("{}{path}", self.base), None).await
    }

    /// Sends the page's form with this action, with these fields filled in.
    pub async fn submit(
        &mut self,
        page: &Page,
        action: &str,
        filled: &[(&str, &str)],
    ) -> Result<Page> {
        let mut fields = page.form(action)?;
        for (name, value) in filled {
            match fields.iter_mut().find(|(field, _)| field == name) {
                Some(field) => field.1 = (*value).to_owned(),
                None => fields.push(((*name).to_owned(), (*value).to_owned())),
            }
        }
        self.post(action, &fields).await
    }

    /// Sends the hidden fields of one form of the page, and these, to an address of somebody's choice.
    pub async fn submit_as(
        &mut self,
        page: &Page,
        form: &str,
        action: &str,
        filled: &[(&str, &str)],
    ) -> Result<Page> {
        let mut fields = page.form(form)?;
        let filled = filled.iter();
        fields.extend(filled.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self.post(action, &fields).await
    }

    /// Sends a form that no page showed.
    pub async fn post(&mut self, action: &str, fields: &[(String, String)]) -> Result<Page> {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        self.walk(format!("{}{action}", self.base), Some(body))
            .await
    }

    /// Sends a form that a page of this origin showed. The answer itself: where it leads is not followed.
    pub async fn post_from(
        &mut self,
        origin: &str,
        action: &str,
        fields: &[(&str, &str)],
    ) -> Result<Answer> {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let path = format!("{}{action}", self.base);
        self.once_from(origin, &path, Some(body)).await
    }

    /// Follows redirects until one leads to another host: where to. What this host shows on the way
    /// is a failure.
    pub async fn leave(&mut self, path: &str) -> Result<String> {
        let mut path = path.to_owned();
        for _ in 0..REDIRECTS_MAX {
            let answer = self.once(&path, None).await?;
            let location = answer
                .header("location")
                .filter(|_| answer.status.is_redirection())
                .with_context(|| {
                    format!("{path} leads nowhere: {} {}", answer.status, answer.text())
                })?;
            match location.strip_prefix(&self.origin) {
                Some(local) => path = local.to_owned(),
                None if location.starts_with('/') => path = location.to_owned(),
                None => return Ok(location.to_owned()),
            }
        }
        bail!("{path}: more than {REDIRECTS_MAX} redirects")
    }

    /// Opens the first page and gives name and password.
    pub async fn sign_in(&mut self, name: &str, password: &str) -> Result<Page> {
        let page = self.open("/sign-in").await?;
        self.submit(
            &page,
            "/sign-in/password",
            &[("username", name), ("password", password)],
        )
        .await
    }

    pub async fn enter_code(&mut self, page: &Page, code: &str) -> Result<Page> {
        self.submit(page, "/sign-in/code", &[("code", code)]).await
    }

    pub async fn enter_backup_code(&mut self, page: &Page, code: &str) -> Result<Page> {
        self.submit(page, "/sign-in/backup-code", &[("backup_code", code)])
            .await
    }

    pub async fn ask_for_another_code(&mut self, page: &Page) -> Result<Page> {
        self.submit(page, "/sign-in/resend", &[]).await
    }

    /// The cookies as they are now.
    pub fn cookies(&self) -> &BTreeMap<String, String> {
        &self.cookies
    }

    /// As a page's answer would set it.
    pub fn set_cookie(&mut self, name: &str, value: &str) {
        self.cookies.insert(name.to_owned(), value.to_owned());
    }

    async fn walk(&mut self, mut path: String, mut body: Option<String>) -> Result<Page> {
        for _ in 0..REDIRECTS_MAX {
            let answer = self.once(&path, body.take()).await?;
            let location = answer
                .header("location")
                .filter(|_| answer.status.is_redirection());
            if let Some(location) = location {
                path = location
                    .strip_prefix(&self.origin)
                    .unwrap_or(location)
                    .to_owned();
                if !path.starts_with('/') {
                    bail!("redirected to another host: {path}");
                }
                continue;
            }
            return Ok(Page {
                status: answer.status,
                path,
                html: answer.text(),
                answer,
                base: self.base.clone(),
            });
        }
        bail!("{path}: more than {REDIRECTS_MAX} redirects")
    }

    async fn once(&mut self, path: &str, body: Option<String>) -> Result<Answer> {
        let origin = self.origin.clone();
        self.once_from(&origin, path, body).await
    }

    async fn once_from(&mut self, from: &str, path: &str, body: Option<String>) -> Result<Answer> {
        let site = match from == self.origin {
            true => "same-origin",
            false => "same-site",
        };
        let authority = self
            .origin
            .split_once("://")
            .map_or("", |(_, authority)| authority);
        let cookies: Vec<_> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut request = Request::builder().uri(path).header("host", authority);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        let request = match body {
            None => request.method("GET").body(Full::default())?,
            Some(body) => request
                .method("POST")
                .header("content-type", "application/x-www-form-urlencoded")
                .header("origin", from)
                .header("sec-fetch-site", site)
                .body(Full::from(body))?,
        };
        let answer = exchange(self.address, request).await?;
        for value in answer.headers.get_all("set-cookie") {
            self.keep(value.to_str().unwrap_or_default());
        }
        Ok(answer)
    }

    fn keep(&mut self, header: &str) {
        let mut parts = header.split(';');
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
            return;
        };
        let gone = parts.any(|part| part.trim().eq_ignore_ascii_case("max-age=0"));
        if gone || value.is_empty() {
            self.cookies.remove(name);
        } else {
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }
}

impl Page {
    pub fn asks_for_password(&self) -> bool {
        self.has_form("/sign-in/password")
    }

    pub fn asks_for_code(&self) -> bool {
        self.has_form("/sign-in/code")
    }

    pub fn asks_for_number(&self) -> bool {
        self.has_form("/sign-in/number")
    }

    /// The account page of somebody who is signed in.
    pub fn is_account(&self) -> bool {
        self.has_form("/sign-out")
    }

    pub fn has_form(&self, action: &str) -> bool {
        let mark = format!("action=\"{}{action}\"", self.base);
        self.html.contains(&mark)
    }

    /// Where a page leads on to another host by itself.
    pub fn onward(&self) -> Option<String> {
        let (_, rest) = self
            .html
            .split_once("http-equiv=\"refresh\" content=\"0; url=")?;
        let (address, _) = rest.split_once('"')?;
        Some(unescaped(address))
    }

    /// Where the page's link goes that is followed by itself.
    pub fn leads_on(&self) -> Option<String> {
        let tag = self
            .html
            .split("<a ")
            .skip(1)
            .map(|tag| tag.split_once('>').map_or(tag, |(tag, _)| tag))
            .find(|tag| tag.contains("data-leads-on"))?;
        attribute(&format!(" {tag}"), "href")
    }

    /// Where the page's form goes that posts itself, and with what.
    pub fn posts_itself(&self) -> Option<(String, Vec<(String, String)>)> {
        let tag = self
            .html
            .split("<form")
            .skip(1)
            .map(|tag| tag.split_once('>').map_or(tag, |(tag, _)| tag))
            .find(|tag| tag.contains("data-posts-itself"))?;
        let written = tag.split_once(" action=\"")?.1.split_once('"')?.0;
        let fields = self.form(written).ok()?;
        Some((unescaped(written), fields))
    }

    /// What a person reads in the main part: the words between the tags.
    pub fn text(&self) -> String {
        let main = self
            .html
            .split_once("<main")
            .map_or(self.html.as_str(), |(_, main)| main);
        let main = main.split_once("</main>").map_or(main, |(main, _)| main);
        let mut text = String::new();
        for piece in main.split('<').skip(1) {
            text.push_str(piece.split_once('>').map_or("", |(_, words)| words));
            text.push(' ');
        }
        unescaped(&text)
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Names and values of the inputs of the form with this action that a person does not fill in.
    pub fn form(&self, action: &str) -> Result<Vec<(String, String)>> {
        let mark = format!("action=\"{}{action}\"", self.base);
        let from = self.html.find(&mark).with_context(|| {
            format!(
                "the page at {} has no form for {action}:\n{}",
                self.path, self.html
            )
        })?;
        let form = &self.html[from..];
        let form = form.split_once("</form>").map_or(form, |(form, _)| form);
        let hidden = form
            .split("<input")
            .skip(1)
            .map(|tag| tag.split_once('>').map_or(tag, |(tag, _)| tag))
            .filter(|tag| tag.contains("type=\"hidden\""))
            .filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, "value")?)));
        Ok(hidden.collect())
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let rest = tag.split_once(&format!(" {name}=\""))?.1;
    Some(unescaped(rest.split_once('"')?.0))
}

fn unescaped(text: &str) -> String {
    [
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&#x27;", "'"),
        ("&#39;", "'"),
        ("&lt;", "<"),
        ("&#60;", "<"),
        ("&gt;", ">"),
        ("&#62;", ">"),
        ("&amp;", "&"),
        ("&#38;", "&"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}
