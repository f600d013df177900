//! The yardstick: a hyper server that makes the same HTTP exchanges as a cycle and nothing else.
//! A request to `/send` makes one request to the provider; any other is answered at once.

use crate::load::Connection;
use anyhow::{Context, Result};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::Mutex;

/// Serves until it is killed; prints its address on the first line.
pub(crate) async fn serve(provider: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    announce(listener.local_addr()?);
    let idle = Arc::new(Mutex::new(Vec::new()));
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let idle = idle.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, provider, idle.clone()));
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await
        });
    }
}

#[allow(clippy::print_stdout, reason = "the parent reads the address here")]
fn announce(address: SocketAddr) {
    println!("{address}");
}

async fn answer(
    request: Request<Incoming>,
    provider: SocketAddr,
    idle: Arc<Mutex<Vec<Connection>>>,
) -> Result<Response<Full<Bytes>>> {
    let sends = request.uri().path() == "/send";
    request.into_body().collect().await?;
    if sends {
        let pooled = idle.lock().await.pop();
        let mut connection = match pooled {
            Some(connection) => connection,
            None => Connection::open(provider, "none").await?,
        };
        let form = "To=%2B447700900000&From=%2B15005550006&Body=Your+code+is+123456%0A%0A%40localhost+%23123456";
        connection
            .post("/2010-04-01/Accounts/AC0/Messages.json", form.to_owned())
            .await?;
        idle.lock().await.push(connection);
    }
    Response::builder()
        .status(if sends { 201 } else { 200 })
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from_static(br#"{"result":"accepted"}"#)))
        .context("a fixed response is valid")
}
