//! A body that is written while it is read: an export of any length holds a page in memory.

use axum::body::Bytes;
use hyper::body::Frame;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// Pages that wait for a slow reader.
const WAITING_MAX: usize = 2;

pub fn channel() -> (Lines, LinesBody) {
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    (Lines(sender), LinesBody(receiver))
}

/// The writing end.
#[derive(Debug)]
pub struct Lines(mpsc::Sender<Result<String, Broken>>);

/// The export ended before its end.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the export broke off")]
pub struct Broken;

impl Lines {
    /// False if nobody reads any more.
    pub async fn send(&self, text: String) -> bool {
        self.0.send(Ok(text)).await.is_ok()
    }

    /// The connection breaks: what was read is not the whole.
    pub async fn fail(&self) {
        let _ = self.0.send(Err(Broken)).await;
    }
}

/// The reading end.
#[derive(Debug)]
pub struct LinesBody(mpsc::Receiver<Result<String, Broken>>);

impl hyper::body::Body for LinesBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        self.0
            .poll_recv(context)
            .map(|next| next.map(|part| part.map(|text| Frame::data(Bytes::from(text)))))
    }
}
