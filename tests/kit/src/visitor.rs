//! A browser that goes between hosts, as single sign-on sends it: redirects to elsewhere, forms that post themselves,
//! cookies that do not come along when another site posts.

use crate::browser::Page;
use crate::http::exchange;
use anyhow::{Context, Result, bail};
use http::{Request, StatusCode};
use http_body_util::Full;
use std::collections::BTreeMap;
use std::net::SocketAddr;

const STEPS_MAX: usize = 20;

#[derive(Debug, Clone, Default)]
pub struct Visitor {
    /// Origins that are really there.
    hosts: BTreeMap<String, SocketAddr>,
    /// By origin and name.
    cookies: BTreeMap<(String, String), String>,
    /// Where it was, in order: method and address.
    pub trail: Vec<String>,
    /// Without scripts: a page that leads on by itself is a page.
    stands_still: bool,
}

/// Where a walk ended.
#[derive(Debug, Clone)]
pub enum Stop {
    /// At a page of a host that is there.
    Page { origin: String, page: Page },
    /// On the way to one that is not: what it would have got.
    Away {
        address: String,
        fields: Vec<(String, String)>,
    },
}

impl Stop {
    pub fn page(self) -> Result<Page> {
        match self {
            Self::Page { page, .. } => Ok(page),
            Self::Away { address, .. } => bail!("on the way to {address}"),
        }
    }
    pub fn away(self) -> Result<(String, Vec<(String, String)>)> {
        match self {
            Self::Away { address, fields } => Ok((address, fields)),
            Self::Page { origin, page } => {
                bail!("at {origin}{}: {} {}", page.path, page.status, page.text())
            }
        }
    }
}

impl Visitor {
    pub fn new(hosts: impl IntoIterator<Item = (String, SocketAddr)>) -> Self {
        Self {
            hosts: hosts.into_iter().collect(),
            ..Self::default()
        }
    }

    /// A host that is not there any more, for this visitor.
    pub fn forget(&mut self, origin: &str) {
        self.hosts.remove(origin);
    }

    /// A host that is there again.
    pub fn know(&mut self, origin: &str, address: SocketAddr) {
        self.hosts.insert(origin.to_owned(), address);
    }

    /// From now on pages that lead on by themselves are looked at.
    pub fn stand_still(&mut self) {
        self.stands_still = true;
    }

    /// Whether one of this origin's cookies has this in its name.
    pub fn has_cookie(&self, origin: &str, part: &str) -> bool {
        let mut known = self.cookies.keys();
        known.any(|(of, name)| of == origin && name.contains(part))
    }

    pub async fn open(&mut self, address: &str) -> Result<Stop> {
        self.walk(address.to_owned(), None, None).await
    }

    /// Sends a form of another site, which no page showed.
    pub async fn post(&mut self, address: &str, fields: &[(String, String)]) -> Result<Stop> {
        let elsewhere = Some("http://elsewhere.example".to_owned());
        self.walk(address.to_owned(), Some(encoded(fields)), elsewhere)
            .await
    }

    /// Sends the page's form with this action, with these fields filled in.
    pub async fn submit(
        &mut self,
        origin: &str,
        page: &Page,
        action: &str,
        filled: &[(&str, &str)],
    ) -> Result<Stop> {
        let mut fields = page.form(action)?;
        for (name, value) in filled {
            fields.retain(|(field, _)| field != name);
            fields.push(((*name).to_owned(), (*value).to_owned()));
        }
        let address = format!("{origin}{action}");
        self.walk(address, Some(encoded(&fields)), Some(origin.to_owned()))
            .await
    }

    async fn walk(
        &mut self,
        mut address: String,
        mut body: Option<String>,
        mut from: Option<String>,
    ) -> Result<Stop> {
        for _ in 0..STEPS_MAX {
            let Some((origin, path)) = self.split(&address) else {
                let fields = body.as_deref().map(decoded).unwrap_or_default();
                return Ok(Stop::Away { address, fields });
            };
            let page = self.once(&origin, &path, body.take(), from.take()).await?;
            let location = page.answer.header("location").map(str::to_owned);
            if let Some(location) = location.filter(|_| page.status.is_redirection()) {
                address = if location.starts_with('/') {
                    format!("{origin}{location}")
                } else {
                    location
                };
                continue;
            }
            if self.stands_still {
                return Ok(Stop::Page { origin, page });
            }
            if page.status == StatusCode::OK
                && let Some((action, fields)) = page.posts_itself()
            {
                address = action;
                body = Some(encoded(&fields));
                from = Some(origin);
                continue;
            }
            if page.status == StatusCode::OK
                && let Some(link) = page.leads_on()
            {
                address = if link.starts_with('/') {
                    format!("{origin}{link}")
                } else {
                    link
                };
                continue;
            }
            return Ok(Stop::Page { origin, page });
        }
        bail!("{address}: more than {STEPS_MAX} steps")
    }

    async fn once(
        &mut self,
        origin: &str,
        path: &str,
        body: Option<String>,
        from: Option<String>,
    ) -> Result<Page> {
        let host = self.hosts[origin];
        let method = if body.is_some() { "POST" } else { "GET" };
        self.trail.push(format!("{method} {origin}{path}"));
        let authority = origin.split_once("://").map_or("", |(_, a)| a);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", authority)
            .header("accept-language", "en")
            .header("user-agent", "postern-kit");
        // SameSite=Lax: with a form of another site no cookie comes along.
        let cross_site = body.is_some() && from.as_deref() != Some(origin);
        let cookies: Vec<_> = self
            .cookies
            .iter()
            .filter(|((of, _), _)| of == origin && !cross_site)
            .map(|((_, name), value)| format!("{name}={value}"))
            .collect();
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        if let Some(from) = &from {
            let site = if cross_site {
                "cross-site"
            } else {
                "same-origin"
            };
            request = request
                .header("origin", from)
                .header("sec-fetch-site", site);
        }
        let request = match body {
            None => request.body(Full::default())?,
            Some(body) => request
                .header("content-type", "application/x-www-form-urlencoded")
                .body(Full::from(body))?,
        };
        let answer = exchange(host, request).await?;
        for value in answer.headers.get_all("set-cookie") {
            self.keep(origin, value.to_str().context("a cookie is ASCII")?);
        }
        Ok(Page {
            status: answer.status,
            path: path.to_owned(),
            html: answer.text(),
            answer,
            base: String::new(),
        })
    }

    fn keep(&mut self, origin: &str, header: &str) {
        let mut parts = header.split(';');
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
            return;
        };
        let key = (origin.to_owned(), name.to_owned());
        let gone = parts.any(|part| part.trim().eq_ignore_ascii_case("max-age=0"));
        if gone || value.is_empty() {
            self.cookies.remove(&key);
        } else {
            self.cookies.insert(key, value.to_owned());
        }
    }

    fn split(&self, address: &str) -> Option<(String, String)> {
        let origin = self
            .hosts
            .keys()
            .find(|origin| address.starts_with(origin.as_str()))?;
        let path = &address[origin.len()..];
        let path = if path.is_empty() { "/" } else { path };
        path.starts_with('/')
            .then(|| (origin.clone(), path.to_owned()))
    }
}

fn encoded(fields: &[(String, String)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

fn decoded(body: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(body.as_bytes())
        .into_owned()
        .collect()
}
