//! The two ends of the pipe: writing frames with few system calls, reading them with few wake-ups.
//!
//! Owns: the socket. Knows nothing of what the frames mean.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use serde::Serialize;
use tokio::io::AsyncReadExt;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;

use crate::wire::{self, Broken, Frames, TooLarge};

/// The writing end, shared by all who send.
///
/// A frame is written at once by whoever has it, which saves the hop to a writing task. Only what
/// the socket does not take is left to that task, and frames that come meanwhile queue behind it.
#[derive(Clone)]
pub(crate) struct Outbox {
    shared: Arc<Shared>,
}

struct Shared {
    stream: OwnedWriteHalf,
    waiting: Mutex<Vec<u8>>,
    more: Notify,
}

impl Outbox {
    pub(crate) fn new(stream: OwnedWriteHalf) -> Self {
        Outbox {
            shared: Arc::new(Shared {
                stream,
                waiting: Mutex::default(),
                more: Notify::new(),
            }),
        }
    }

    /// Sends one frame. It is not known to have arrived: an answer tells.
    ///
    /// # Errors
    /// If the value does not fit a frame.
    pub(crate) fn send(&self, head: &impl Serialize, attachment: &[u8]) -> Result<(), TooLarge> {
        let mut waiting = self.shared.waiting();
        let is_first = waiting.is_empty();
        wire::encode(&mut waiting, head, attachment)?;
        if is_first {
            match self.shared.stream.try_write(&waiting) {
                Ok(written) => {
                    waiting.drain(..written);
                }
                // A broken socket shows itself to the reading end, which ends the connection.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => waiting.clear(),
            }
            if !waiting.is_empty() {
                self.shared.more.notify_one();
            }
        }
        Ok(())
    }

    /// Writes what the socket did not take at once; runs as long as the connection.
    pub(crate) async fn drain(&self) -> io::Result<()> {
        loop {
            self.shared.more.notified().await;
            loop {
                self.shared.stream.writable().await?;
                let mut waiting = self.shared.waiting();
                match self.shared.stream.try_write(&waiting) {
                    Ok(written) => {
                        waiting.drain(..written);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
                if waiting.is_empty() {
                    waiting.shrink_to(256 << 10);
                    break;
                }
            }
        }
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Vec<u8>> {
        // Half a frame cannot be left behind: `encode` truncates, and nothing else can panic.
        self.waiting
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// How a connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum End {
    #[error("the other end closed the pipe")]
    Closed,
    #[error("the pipe failed: {0}")]
    Failed(#[from] io::Error),
    #[error("the other end broke the protocol: {0}")]
    Broken(#[from] Broken),
}

/// Waits for more bytes and takes all there are, in one go.
///
/// Through the reading half, which knows that a read that did not fill the buffer emptied the
/// socket: asking it once more would cost a system call for every frame.
pub(crate) async fn fill(stream: &mut OwnedReadHalf, frames: &mut Frames) -> Result<(), End> {
    match stream.read_buf(frames.space()).await? {
        0 => Err(End::Closed),
        _ => Ok(()),
    }
}
