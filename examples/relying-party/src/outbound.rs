//! Requests to the identity provider. Plain http, so it must be on this machine.

use async_trait::async_trait;
use http::{Request, Response};
use postern_federation::identity_provider::Network;
use postern_federation::ports::{Outbound, PortError};
use std::time::Duration;

const ANSWER_BYTES_MAX: u64 = 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub(crate) struct Loopback(ureq::Agent);

impl Loopback {
    pub(crate) fn new() -> Self {
        let agent = ureq::Agent::config_builder()
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .build();
        Self(agent.into())
    }

    pub(crate) async fn text(&self, address: String) -> Result<String, PortError> {
        let request = Request::get(address).body(Vec::new());
        let request = request.map_err(|error| PortError::caused("no address", error))?;
        let answer = self.send(request).await?;
        if answer.status() != 200 {
            return Err(PortError::new(format!("it answered {}", answer.status())));
        }
        String::from_utf8(answer.into_body())
            .map_err(|error| PortError::caused("its answer is no text", error))
    }

    async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, PortError> {
        let agent = self.0.clone();
        let sent = tokio::task::spawn_blocking(move || {
            let (parts, body) = agent.run(request)?.into_parts();
            let bytes = body
                .into_with_config()
                .limit(ANSWER_BYTES_MAX)
                .read_to_vec()?;
            Ok::<_, ureq::Error>(Response::from_parts(parts, bytes))
        });
        let answered = sent
            .await
            .map_err(|error| PortError::caused("the request was given up", error))?;
        answered.map_err(|error| PortError::caused("the identity provider did not answer", error))
    }
}

#[async_trait]
impl Outbound for Loopback {
    async fn fetch(
        &self,
        _tenant: &str,
        _peer: &str,
        _network: &Network,
        request: Request<Vec<u8>>,
    ) -> Result<Response<Vec<u8>>, PortError> {
        self.send(request).await
    }
}
