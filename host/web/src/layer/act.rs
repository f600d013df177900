//! An act that has begun is finished: a browser that goes away in the middle must not leave a code
//! sent and not stored. A panic costs one request (attack E-06), and nobody waits for ever.

use crate::api::problem::{self, Problem};
use crate::error::{PageError, Reference};
use axum::response::Response;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::runtime::Handle;

/// Longer than the 20 s that all senders together have for one message.
const REQUEST_MAX: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub struct Failure {
    reference: Reference,
    late: bool,
}

/// Runs it here; if whoever waits goes away, the rest of it runs in a task of its own.
///
/// Not spawned from the start: that would cost every request a change of threads.
pub async fn to_its_end(
    act: impl Future<Output = Response> + Send + 'static,
) -> Result<Response, Failure> {
    let act = Act(Some(Box::pin(act)));
    match tokio::time::timeout(REQUEST_MAX, act).await {
        Ok(Some(response)) => Ok(response),
        Ok(None) => {
            let reference = Reference::new();
            // Not the panic's message: it may hold a value. The panic hook has its place in the code.
            tracing::error!(%reference, "a request broke off");
            Err(Failure {
                reference,
                late: false,
            })
        }
        Err(_) => {
            let reference = Reference::new();
            tracing::error!(%reference, "a request took more than {} s", REQUEST_MAX.as_secs());
            Err(Failure {
                reference,
                late: true,
            })
        }
    }
}

/// An act under way; gone when it is over.
struct Act(Option<Pin<Box<dyn Future<Output = Response> + Send>>>);

impl Future for Act {
    /// None if it panicked.
    type Output = Option<Response>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(act) = self.0.as_mut() else {
            return Poll::Ready(None);
        };
        // A panic leaves the act half done, and it is never looked at again.
        match catch_unwind(AssertUnwindSafe(|| act.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(response)) => {
                self.0 = None;
                Poll::Ready(Some(response))
            }
            Err(_) => {
                self.0 = None;
                Poll::Ready(None)
            }
        }
    }
}

impl Drop for Act {
    fn drop(&mut self) {
        // Without a runtime the process is ending, and what was not finished is the store's to tell.
        if let Some(act) = self.0.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(act);
        }
    }
}

impl Failure {
    pub fn page(self) -> PageError {
        let reference = self.reference;
        if self.late {
            PageError::Busy { reference }
        } else {
            PageError::Broken { reference }
        }
    }

    pub fn problem(self) -> Problem {
        if self.late {
            Problem::new(&problem::UNAVAILABLE).retry_after(5)
        } else {
            Problem::new(&problem::BROKEN)
        }
        .reference(self.reference)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use axum::response::IntoResponse;
    use http::StatusCode;

    /// E-06
    #[tokio::test]
    async fn a_panic_becomes_a_page_without_its_message() {
        let failure = to_its_end(async { panic!("secret 123456") })
            .await
            .unwrap_err();
        let page = failure.page();
        assert_eq!(page.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!format!("{page:?}").contains("secret"));
    }

    #[tokio::test]
    async fn an_act_goes_on_when_nobody_waits_any_more() {
        let (go, wait) = tokio::sync::oneshot::channel::<()>();
        let (done, finished) = tokio::sync::oneshot::channel::<()>();
        let act = to_its_end(async move {
            wait.await.unwrap();
            done.send(()).unwrap();
            StatusCode::OK.into_response()
        });
        let mut act = Box::pin(act);
        let first = std::future::poll_fn(|cx| Poll::Ready(act.as_mut().poll(cx))).await;
        assert!(first.is_pending());
        drop(act);
        go.send(()).unwrap();
        finished.await.unwrap();
    }
}
