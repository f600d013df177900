//! How the gateway answers: as it should, late, or with a failure each provider really has.

use crate::Gateway;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What the next requests meet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Behaviour {
    /// Waits so long before it answers; at most a minute.
    pub latency_ms: u64,
    pub answer: Answer,
    /// How many requests meet `answer`; 0 means all until it is changed.
    pub requests: u64,
}

/// A provider's good or bad day, in the words both have for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    #[default]
    Normal,
    /// Twilio 429 with 20429; Vonage status 1 inside a 200.
    Throttled,
    /// Twilio 503; Vonage status 5 inside a 200.
    Down,
    /// Twilio 401 with 20003; Vonage status 4 inside a 200.
    Unauthorized,
    /// Twilio 403 with 10001 (account suspended); Vonage status 9 inside a 200.
    OutOfFunds,
    /// Twilio 400 with 21211; Vonage status 7 inside a 200.
    BadRecipient,
    /// 200 with a page of HTML, as a proxy in between would send.
    Garbage,
    /// The message is taken, then the connection breaks in the middle of the answer.
    Cut,
    /// The message is taken and no answer comes for a minute.
    Hang,
}

const LATENCY_MAX: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(crate) struct Switch(Mutex<Behaviour>);

impl Switch {
    pub(crate) fn set(&self, behaviour: Behaviour) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = behaviour;
    }

    fn current(&self) -> Behaviour {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The answer for one request, after the latency has passed.
    pub(crate) async fn next(&self) -> Answer {
        let (latency, answer) = {
            let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let answer = now.answer;
            if now.requests > 0 {
                now.requests -= 1;
                if now.requests == 0 {
                    now.answer = Answer::Normal;
                }
            }
            (Duration::from_millis(now.latency_ms), answer)
        };
        if !latency.is_zero() {
            tokio::time::sleep(latency.min(LATENCY_MAX)).await;
        }
        answer
    }
}

pub(crate) async fn show(State(gateway): State<Gateway>) -> Json<Behaviour> {
    Json(gateway.switch().current())
}

pub(crate) async fn change(
    State(gateway): State<Gateway>,
    Json(behaviour): Json<Behaviour>,
) -> StatusCode {
    gateway.behave(behaviour);
    StatusCode::NO_CONTENT
}

/// A page no plugin can read as an answer.
pub(crate) fn garbage() -> Response {
    (
        StatusCode::OK,
        [("content-type", "text/html")],
        "<html><body>It works!</body></html>",
    )
        .into_response()
}

/// Half an answer, then the end of the connection.
pub(crate) fn cut() -> Response {
    let pieces = [
        Ok("{\"sid\": \"SM"),
        Err(std::io::Error::other("the line broke")),
    ];
    let mut response = Body::from_stream(futures_util::stream::iter(pieces)).into_response();
    *response.status_mut() = StatusCode::CREATED;
    response
}

/// No answer while anybody is willing to wait.
pub(crate) async fn hang() -> Response {
    tokio::time::sleep(LATENCY_MAX).await;
    StatusCode::GATEWAY_TIMEOUT.into_response()
}
