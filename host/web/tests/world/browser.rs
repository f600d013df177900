//! A browser that keeps cookies and fills in forms, at the router itself.

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use postern_web::extract::client::Peer;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use tower::ServiceExt;

pub async fn ask(router: &Router, mut request: Request<Body>) -> Answer {
    let peer: SocketAddr = "198.51.100.7:40000".parse().unwrap();
    request.extensions_mut().insert(Peer(peer));
    let response = router.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer {
        status: head.status,
        headers: head.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}

#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn location(&self) -> &str {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.body);
        self.headers[header::LOCATION].to_str().unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .unwrap_or_else(|| panic!("no {name}"))
            .to_str()
            .unwrap()
    }
}

/// Keeps cookies, remembers the token of the last page, follows nothing by itself.
#[derive(Clone)]
pub struct Browser {
    pub router: Router,
    pub host: &'static str,
    /// In front of every path it asks for.
    pub base: String,
    pub cookies: BTreeMap<String, String>,
    pub token: String,
    /// Sent with every request.
    pub extra: HeaderMap,
}

impl Browser {
    pub async fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, None).await
    }

    /// With the token of the last page.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("token", &self.token).extend_pairs(fields);
        self.send("POST", path, Some(form.finish())).await
    }

    pub async fn post_raw(&mut self, path: &str, body: &str) -> Answer {
        self.send("POST", path, Some(body.to_owned())).await
    }

    pub async fn password(&mut self, name: &str, password: &str) -> Answer {
        self.post(
            "/sign-in/password",
            &[("username", name), ("password", password)],
        )
        .await
    }

    pub async fn send(&mut self, method: &str, path: &str, form: Option<String>) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(header::HOST, self.host);
        if !self.cookies.is_empty() {
            let cookies: Vec<String> = self
                .cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        if form.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let mut request = request.body(Body::from(form.unwrap_or_default())).unwrap();
        for (name, value) in &self.extra {
            request.headers_mut().insert(name, value.clone());
        }
        let answer = ask(&self.router, request).await;
        for set in answer.headers.get_all(header::SET_COOKIE) {
            let set = set.to_str().unwrap();
            let (name, value) = set.split(';').next().unwrap().split_once('=').unwrap();
            if set.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        if let Some((_, rest)) = answer.body.split_once("name=\"token\" value=\"") {
            self.token = rest.split('"').next().unwrap().to_owned();
        }
        answer
    }

    pub fn cookie_name(&self, what: &str) -> String {
        let mut names = self.cookies.keys();
        names.find(|name| name.contains(what)).unwrap().clone()
    }

    /// The value of the cookie whose name contains `what`.
    pub fn cookie(&self, what: &str) -> Option<String> {
        self.cookies
            .iter()
            .find(|(name, _)| name.contains(what))
            .map(|(_, value)| value.clone())
    }
}
