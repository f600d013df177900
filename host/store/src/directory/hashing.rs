//! The threads on which passwords are hashed. Hashing is slow on purpose and takes 19 MiB each
//! time, so it runs on few threads behind a short queue: a storm of sign-ins is refused, it neither
//! blocks the runtime nor exhausts memory.

use argon2::Block;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// A thread without work keeps its memory this long: within a storm of sign-ins each hash finds it
/// mapped, which is a third of its time, and an idle host does not hold it.
const MEMORY_KEPT_FOR: Duration = Duration::from_secs(1);

thread_local! {
    /// Nothing on any other thread.
    static MEMORY: RefCell<Option<Vec<Block>>> = const { RefCell::new(None) };
}

/// Memory for one hash, of so many blocks: the thread's own, or fresh where hashing is nobody's duty.
/// What the hash before left is not wiped: an algorithm of two passes has overwritten whatever tells
/// more than the stored hash does.
pub(crate) fn with_memory<T>(blocks: usize, work: impl FnOnce(&mut [Block]) -> T) -> T {
    MEMORY.with_borrow_mut(|kept| {
        let mut fresh = Vec::new();
        let memory = kept.as_mut().unwrap_or(&mut fresh);
        if memory.len() < blocks {
            *memory = vec![Block::default(); blocks];
        }
        work(&mut memory[..blocks])
    })
}

/// A handle; the threads end with the last one.
#[derive(Clone)]
pub struct Hashing {
    handle: Arc<Handle>,
}

/// The queue is full, or the work was lost. Try later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many password hashes at once")]
pub struct Busy;

struct Handle {
    shared: Arc<Shared>,
    waiting_max: usize,
}

struct Shared {
    queue: Mutex<Queue>,
    arrived: Condvar,
}

struct Queue {
    jobs: VecDeque<Box<dyn FnOnce() + Send>>,
    threads_left: usize,
    closed: bool,
}

impl Hashing {
    /// `threads` are started as they are needed; `waiting_max` more calls may wait for one.
    pub fn new(threads: usize, waiting_max: usize) -> Self {
        Self {
            handle: Arc::new(Handle {
                shared: Arc::new(Shared {
                    queue: Mutex::new(Queue {
                        jobs: VecDeque::new(),
                        threads_left: threads.max(1),
                        closed: false,
                    }),
                    arrived: Condvar::new(),
                }),
                waiting_max,
            }),
        }
    }

    /// Runs `work` on one of the threads.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let (reply, answer) = oneshot::channel();
        self.handle.push(Box::new(move || {
            // Whoever asked may have gone: then it need not be hashed either.
            if !reply.is_closed() {
                let _ = reply.send(work());
            }
        }))?;
        answer.await.map_err(|_| Busy)
    }
}

impl Default for Hashing {
    /// As many threads as cores. 64 waiting calls are a second or two of work on two cores: whoever
    /// would wait longer is better served by "try again".
    fn default() -> Self {
        Self::new(
            std::thread::available_parallelism().map_or(2, usize::from),
            64,
        )
    }
}

impl std::fmt::Debug for Hashing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hashing")
    }
}

impl Handle {
    fn push(&self, job: Box<dyn FnOnce() + Send>) -> Result<(), Busy> {
        let mut queue = self.shared.lock();
        if queue.jobs.len() >= self.waiting_max {
            return Err(Busy);
        }
        queue.jobs.push_back(job);
        if queue.threads_left > 0 {
            let shared = Arc::clone(&self.shared);
            let started = std::thread::Builder::new()
                .name("password-hash".into())
                .spawn(move || shared.work());
            match started {
                Ok(_) => queue.threads_left -= 1,
                Err(error) => tracing::warn!(%error, "no thread for password hashes"),
            }
        }
        drop(queue);
        self.shared.arrived.notify_one();
        Ok(())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.arrived.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // No job runs while the queue is locked.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until there may be work.
    fn wait<'a>(&'a self, queue: MutexGuard<'a, Queue>) -> MutexGuard<'a, Queue> {
        let wait = self.arrived.wait_timeout(queue, MEMORY_KEPT_FOR);
        let (queue, waited) = wait.unwrap_or_else(PoisonError::into_inner);
        if !waited.timed_out() {
            return queue;
        }
        drop(queue);
        MEMORY.set(Some(Vec::new()));
        let queue = self.lock();
        if queue.closed || !queue.jobs.is_empty() {
            return queue;
        }
        let wait = self.arrived.wait(queue);
        wait.unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        MEMORY.set(Some(Vec::new()));
        loop {
            let mut queue = self.lock();
            let job = loop {
                if let Some(job) = queue.jobs.pop_front() {
                    break job;
                }
                if queue.closed {
                    return;
                }
                queue = self.wait(queue);
            };
            drop(queue);
            // A panic loses this answer and not the thread.
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(job)).is_err() {
                tracing::error!("a password hash panicked");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::mpsc;

    #[tokio::test]
    async fn a_full_queue_refuses_and_heals() {
        let hashing = Hashing::new(1, 1);
        let (release, held) = mpsc::channel::<()>();
        let (began, begun) = mpsc::channel();
        let first = tokio::spawn({
            let hashing = hashing.clone();
            async move {
                hashing
                    .run(move || {
                        began.send(()).unwrap();
                        held.recv().unwrap();
                    })
                    .await
            }
        });
        tokio::task::yield_now().await;
        begun.recv().unwrap();
        let mut second = Box::pin(hashing.run(|| 2));
        assert!(futures_pending(&mut second).await);
        assert_eq!(hashing.run(|| 3).await, Err(Busy));
        release.send(()).unwrap();
        first.await.unwrap().unwrap();
        assert_eq!(second.await, Ok(2));
        assert_eq!(hashing.run(|| 3).await, Ok(3));
    }

    #[tokio::test]
    async fn a_panic_costs_one_answer() {
        let hashing = Hashing::new(1, 4);
        assert_eq!(
            hashing.run(|| -> u8 { panic!("on purpose") }).await,
            Err(Busy)
        );
        assert_eq!(hashing.run(|| 1).await, Ok(1));
    }

    #[tokio::test]
    async fn what_the_hash_before_left_changes_no_hash_and_is_given_back() {
        use crate::directory::password::{Cost, argon2id};
        let hash = |word: &'static str| move || argon2id(word.as_bytes(), &[7; 16], Cost::SETTLED);
        let held = || MEMORY.with_borrow(|kept| kept.as_ref().map(Vec::len));
        let hashing = Hashing::new(1, 4);
        for word in ["one", "two", "one"] {
            let here = hash(word)().unwrap();
            let there = hashing.run(hash(word)).await.unwrap().unwrap();
            assert_eq!(here, there, "{word}");
        }
        assert_eq!(held(), None);
        assert_eq!(hashing.run(held).await, Ok(Some(19 * 1024)));
        // Asking is work too: the wait is longer each time.
        let mut rounds = 1;
        while hashing.run(held).await != Ok(Some(0)) {
            assert!(rounds < 16, "the memory was not given back");
            rounds *= 2;
            tokio::time::sleep(MEMORY_KEPT_FOR * rounds).await;
        }
    }

    async fn futures_pending<F: Future + Unpin>(future: &mut F) -> bool {
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(context).is_pending())
        })
        .await
    }
}
