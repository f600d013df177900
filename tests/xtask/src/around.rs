//! A browser between servers of this machine, without a window: redirects, forms that post themselves, and a note of
//! every address.

use crate::walk::hidden_fields;
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;

const STEPS_MAX: usize = 30;

pub(crate) struct Around {
    agent: ureq::Agent,
    /// One for all: cookies know no ports, and everything here is `localhost`.
    cookies: BTreeMap<String, String>,
    /// Every address, in order.
    pub(crate) trail: Vec<String>,
}

/// A page, and where it is.
pub(crate) struct Page {
    pub(crate) address: String,
    pub(crate) html: String,
}

impl Page {
    pub(crate) fn origin(&self) -> &str {
        origin(&self.address)
    }
    /// What a person reads.
    pub(crate) fn shows(&self, words: &str) -> Result<()> {
        ensure!(
            unescaped(&self.html).contains(words),
            "{} does not show `{words}`:\n{}",
            self.address,
            self.html
        );
        Ok(())
    }
}

impl Around {
    pub(crate) fn new() -> Self {
        let agent = ureq::Agent::config_builder()
            .max_redirects(0)
            .http_status_as_error(false)
            .build()
            .into();
        Self {
            agent,
            cookies: BTreeMap::new(),
            trail: Vec::new(),
        }
    }

    pub(crate) fn open(&mut self, address: &str) -> Result<Page> {
        self.walk(address.to_owned(), None)
    }

    /// Fills in the page's form with this action and sends it.
    pub(crate) fn submit(
        &mut self,
        page: &Page,
        action: &str,
        filled: &[(&str, &str)],
    ) -> Result<Page> {
        let mut fields = hidden_fields(&page.html, action)?;
        fields.extend(
            filled
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        let form = Form {
            fields,
            from: page.origin().to_owned(),
        };
        self.walk(joined(&page.address, action), Some(form))
    }

    fn walk(&mut self, mut address: String, mut form: Option<Form>) -> Result<Page> {
        for _ in 0..STEPS_MAX {
            let (status, location, html) = self.once(&address, form.take())?;
            if let Some(location) = location {
                address = joined(&address, &location);
                continue;
            }
            ensure!(status == 200, "{address} answered {status}:\n{html}");
            if let Some(tag) = tag_with(&html, "<form", "data-posts-itself") {
                let action = attribute(tag, "action").context("a form without an action")?;
                form = Some(Form {
                    fields: hidden_fields(&html, &action)?,
                    from: origin(&address).to_owned(),
                });
                address = joined(&address, &unescaped(&action));
                continue;
            }
            let onward = tag_with(&html, "<a", "data-leads-on")
                .or_else(|| tag_with(&html, "<a", "id=\"onward\""))
                .and_then(|tag| attribute(tag, "href"));
            if let Some(onward) = onward {
                address = joined(&address, &unescaped(&onward));
                continue;
            }
            return Ok(Page { address, html });
        }
        bail!("{address}: more than {STEPS_MAX} steps")
    }

    fn once(&mut self, address: &str, form: Option<Form>) -> Result<(u16, Option<String>, String)> {
        self.trail.push(address.to_owned());
        let cookies = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join("; ");
        let mut response = match form {
            None => self.agent.get(address).header("cookie", cookies).call()?,
            Some(form) => {
                let pairs = form.fields.iter();
                self.agent
                    .post(address)
                    .header("cookie", cookies)
                    .header("origin", form.from)
                    .send_form(pairs.map(|(name, value)| (name.as_str(), value.as_str())))?
            }
        };
        for cookie in response.headers().get_all("set-cookie") {
            let cookie = cookie.to_str()?;
            let pair = cookie.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').context("a cookie has a name")?;
            if value.is_empty() || cookie.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let status = response.status().as_u16();
        let location = response.headers().get("location");
        let location = location
            .map(|to| to.to_str().map(str::to_owned))
            .transpose()?;
        let html = response.body_mut().read_to_string()?;
        Ok((
            status,
            location.filter(|_| (300..400).contains(&status)),
            html,
        ))
    }
}

struct Form {
    fields: Vec<(String, String)>,
    /// The origin of the page it is on.
    from: String,
}

fn origin(address: &str) -> &str {
    let from = address.find("://").map_or(0, |at| at + 3);
    let path = address[from..]
        .find('/')
        .map_or(address.len(), |at| from + at);
    &address[..path]
}

fn joined(base: &str, to: &str) -> String {
    if to.starts_with('/') {
        format!("{}{to}", origin(base))
    } else {
        to.to_owned()
    }
}

fn tag_with<'h>(html: &'h str, open: &str, mark: &str) -> Option<&'h str> {
    html.split(open)
        .skip(1)
        .map(|tag| tag.split_once('>').map_or(tag, |(tag, _)| tag))
        .find(|tag| tag.contains(mark))
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let rest = tag.split_once(&format!("{name}=\""))?.1;
    Some(rest.split_once('"')?.0.to_owned())
}

fn unescaped(text: &str) -> String {
    let entities = [
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&#38;", "&"),
        ("&amp;", "&"),
    ];
    entities
        .iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}
