//! A client that looks after users, as another system does.

use crate::http::{Answer, exchange};
use anyhow::Result;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Request;
use http_body_util::Full;
use serde_json::Value;
use std::net::SocketAddr;

#[derive(Debug, Clone)]
pub struct Scim {
    address: SocketAddr,
    authority: String,
    authorization: String,
    media_type: &'static str,
}

impl Scim {
    /// With a bearer token.
    pub fn bearer(address: SocketAddr, origin: &str, token: &str) -> Self {
        Self::new(address, origin, format!("Bearer {token}"))
    }

    /// With the client's name and its token.
    pub fn basic(address: SocketAddr, origin: &str, name: &str, token: &str) -> Self {
        let pair = STANDARD.encode(format!("{name}:{token}"));
        Self::new(address, origin, format!("Basic {pair}"))
    }

    fn new(address: SocketAddr, origin: &str, authorization: String) -> Self {
        let authority = origin
            .split_once("://")
            .map_or(origin, |(_, authority)| authority);
        Self {
            address,
            authority: authority.to_owned(),
            authorization,
            media_type: "application/scim+json",
        }
    }

    /// The same with bodies said to be of another type.
    pub fn saying(mut self, media_type: &'static str) -> Self {
        self.media_type = media_type;
        self
    }

    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.send("GET", path, "", &[]).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send("POST", path, &body.to_string(), &[]).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send("PUT", path, &body.to_string(), &[]).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send("PATCH", path, &body.to_string(), &[]).await
    }

    pub async fn delete(&self, path: &str) -> Result<Answer> {
        self.send("DELETE", path, "", &[]).await
    }

    /// Whatever is wanted, letter by letter.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        body: &str,
        headers: &[(&str, &str)],
    ) -> Result<Answer> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.authority)
            .header("authorization", &self.authorization);
        if !body.is_empty() {
            request = request.header("content-type", self.media_type);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        exchange(self.address, request.body(Full::from(body.to_owned()))?).await
    }
}
