//! One keep-alive HTTP/1.1 connection that sends a request at a time, with as little of its own
//! cost as can be: what is measured is the server.

use anyhow::{Context, Result, bail};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use tokio::net::TcpStream;

pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
    token: String,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr, token: &str) -> Result<Self> {
        let stream = TcpStream::connect(address)
            .await
            .with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self {
            sender,
            host: address.to_string(),
            token: format!("Bearer {token}"),
        })
    }

    /// Posts JSON and gives status and body.
    pub(crate) async fn post(&mut self, path: &str, body: String) -> Result<(u16, Bytes)> {
        let request = http::Request::post(path)
            .header("host", &self.host)
            .header("content-type", "application/json")
            .header("authorization", &self.token)
            .body(Full::new(Bytes::from(body)))?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        Ok((status, body))
    }

    /// As `post`, and anything but the status that was expected ends the run.
    pub(crate) async fn expect(&mut self, path: &str, body: String, status: u16) -> Result<Bytes> {
        let (got, body) = self.post(path, body).await?;
        if got != status {
            bail!(
                "{path} answered {got} instead of {status}: {}",
                String::from_utf8_lossy(&body)
            );
        }
        Ok(body)
    }
}
