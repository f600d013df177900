//! The provider at the other end: takes Twilio's form, remembers the newest code of each number,
//! answers as Twilio does. It shares the two cores with everything else, so it does nothing more.

use anyhow::Result;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

#[derive(Clone, Default)]
pub(crate) struct Provider {
    codes: Arc<Mutex<HashMap<String, String>>>,
    messages: Arc<AtomicU64>,
}

impl Provider {
    pub(crate) async fn start(self) -> Result<SocketAddr> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let provider = self.clone();
                tokio::spawn(async move {
                    let _ = stream.set_nodelay(true);
                    let service = service_fn(move |request| provider.clone().answer(request));
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await
                });
            }
        });
        Ok(address)
    }

    /// The newest code sent to a number (digits without `+`).
    pub(crate) fn code(&self, digits: &str) -> Option<String> {
        self.codes
            .lock()
            .expect("no holder panics")
            .get(digits)
            .cloned()
    }

    pub(crate) fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    async fn answer(
        self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, hyper::Error> {
        let body = request.into_body().collect().await?.to_bytes();
        self.messages.fetch_add(1, Ordering::Relaxed);
        let text = String::from_utf8_lossy(&body);
        // The number is `To=%2B<digits>`; the code is what follows the `%23` of the text's last line.
        let after = |mark: &str| {
            text.split(mark).nth(1).map(|rest| {
                rest.chars()
                    .take_while(char::is_ascii_digit)
                    .collect::<String>()
            })
        };
        if let (Some(number), Some(code)) = (after("To=%2B"), after("%23")) {
            self.codes
                .lock()
                .expect("no holder panics")
                .insert(number, code);
        }
        let answer = r#"{"sid":"SM00000000000000000000000000000000","status":"queued","error_code":null,"error_message":null,"num_segments":"1"}"#;
        Ok(Response::builder()
            .status(201)
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from_static(answer.as_bytes())))
            .expect("a fixed response is valid"))
    }
}
