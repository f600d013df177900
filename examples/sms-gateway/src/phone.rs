//! The telephone: the last messages that arrived, a page that shows them, and a list for programs.

use crate::Gateway;
use askama::Template;
use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// Older messages are forgotten; a benchmark must not fill the memory.
const MESSAGES_MAX: usize = 1000;
/// Messages on the page: what a person looks at.
const SHOWN_MAX: usize = 30;

/// A message as it reached the phone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// 1, 2, 3 ... in the order of arrival.
    pub number: u64,
    /// Milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// `twilio` or `vonage`.
    pub api: String,
    pub from: String,
    /// As the provider got it: with or without a plus sign.
    pub to: String,
    pub text: String,
}

#[derive(Debug)]
pub struct Phone {
    messages: Mutex<VecDeque<Received>>,
    /// How many arrived in all.
    count: watch::Sender<u64>,
}

impl Default for Phone {
    fn default() -> Self {
        Self {
            messages: Mutex::default(),
            count: watch::Sender::new(0),
        }
    }
}

impl Phone {
    /// The messages to a number (digits are compared, signs are not), oldest first; all of them if
    /// it is `None`.
    pub fn messages(&self, to: Option<&str>) -> Vec<Received> {
        let messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        messages
            .iter()
            .filter(|message| to.is_none_or(|to| digits(to).eq(digits(&message.to))))
            .cloned()
            .collect()
    }

    /// How many messages arrived since the start, forgotten ones included.
    pub fn count(&self) -> u64 {
        *self.count.borrow()
    }

    /// The first message to `to` whose number is above `after`; waits for it if need be.
    pub async fn next(&self, to: &str, after: u64, patience: Duration) -> Option<Received> {
        let mut arrivals = self.count.subscribe();
        let wait = async {
            loop {
                let found = self.messages(Some(to)).into_iter();
                if let Some(message) = found.into_iter().find(|m| m.number > after) {
                    return message;
                }
                if arrivals.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::time::timeout(patience, wait).await.ok()
    }

    pub(crate) fn receive(&self, api: &str, from: &str, to: &str, text: &str) {
        let at = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        // Counted under the lock: whoever sees the count finds the message.
        self.count.send_modify(|count| *count += 1);
        messages.push_back(Received {
            number: *self.count.borrow(),
            at_ms: u64::try_from(at.as_millis()).unwrap_or(u64::MAX),
            api: api.into(),
            from: from.into(),
            to: to.into(),
            text: text.into(),
        });
        if messages.len() > MESSAGES_MAX {
            messages.pop_front();
        }
    }

    fn clear(&self) {
        self.messages
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

fn digits(number: &str) -> impl Iterator<Item = char> + '_ {
    number.chars().filter(char::is_ascii_digit)
}

pub(crate) async fn home() -> Redirect {
    Redirect::to("/phone")
}

#[derive(Debug, Deserialize)]
pub(crate) struct Wanted {
    to: Option<String>,
    #[serde(default)]
    after: u64,
}

/// Oldest first.
pub(crate) async fn list(
    State(gateway): State<Gateway>,
    Query(wanted): Query<Wanted>,
) -> Json<Vec<Received>> {
    let mut messages = gateway.phone().messages(wanted.to.as_deref());
    messages.retain(|message| message.number > wanted.after);
    Json(messages)
}

pub(crate) async fn clear(State(gateway): State<Gateway>) -> StatusCode {
    gateway.phone().clear();
    StatusCode::NO_CONTENT
}

#[derive(Debug, Template)]
#[template(path = "phone.html")]
struct Page {
    messages: Vec<Shown>,
    count: u64,
}

#[derive(Debug)]
struct Shown {
    newest: bool,
    from: String,
    to: String,
    api: String,
    time: String,
    text: String,
}

pub(crate) async fn page(State(gateway): State<Gateway>) -> Response {
    let phone = gateway.phone();
    let messages = phone.messages(None);
    let messages = messages
        .into_iter()
        .rev()
        .take(SHOWN_MAX)
        .enumerate()
        .map(|(place, message)| Shown {
            newest: place == 0,
            time: clock_time(message.at_ms),
            from: message.from,
            to: message.to,
            api: message.api,
            text: message.text,
        })
        .collect();
    let page = Page {
        messages,
        count: phone.count(),
    };
    match page.render() {
        Ok(page) => Html(page).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Hours, minutes and seconds in UTC.
fn clock_time(at_ms: u64) -> String {
    let seconds = at_ms / 1000 % 86_400;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02} UTC")
}
