//! A client of the JSON API.

use crate::http::{Answer, exchange};
use anyhow::{Context, Result};
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use std::net::SocketAddr;

#[derive(Debug, Clone)]
pub struct Api {
    address: SocketAddr,
    authority: String,
    pub token: String,
}

impl Api {
    pub fn new(address: SocketAddr, origin: &str, token: &str) -> Self {
        let authority = origin
            .split_once("://")
            .map_or(origin, |(_, authority)| authority);
        Self {
            address,
            authority: authority.to_owned(),
            token: token.to_owned(),
        }
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        let request = Request::post(path)
            .header("host", &self.authority)
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .body(Full::from(body.to_string()))?;
        exchange(self.address, request).await
    }

    /// A challenge for a user of the directory or a number; its id.
    pub async fn challenge(&self, target: &Value) -> Result<String> {
        let answer = self.post("/api/v1/challenges", target).await?;
        anyhow::ensure!(
            answer.status == 201,
            "no challenge: {} {}",
            answer.status,
            answer.text()
        );
        let id = answer.json()?["challenge_id"].as_str().map(str::to_owned);
        id.context("the answer names no challenge_id")
    }

    /// The whole answer to a code.
    pub async fn verify(&self, id: &str, code: &str) -> Result<Value> {
        let answer = self
            .post(
                &format!("/api/v1/challenges/{id}/verify"),
                &json!({ "code": code }),
            )
            .await?;
        answer.json()
    }
}
