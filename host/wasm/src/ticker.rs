//! Raises the epoch at which running guests look at their budgets. Where none has run for a while it sleeps, and
//! an idle host is woken by nothing.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::Duration;

use wasmtime::EngineWeak;

use crate::error::StartError;

/// Ticks in which no guest ran until it falls asleep: under load waking it for every guest would cost more than
/// the ticks do.
const IDLE_TICKS: u32 = 20;

#[derive(Debug, Default)]
pub(crate) struct Ticker(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    begun: AtomicUsize,
    ended: AtomicUsize,
    asleep: AtomicBool,
    thread: OnceLock<Thread>,
}

/// A guest runs until this is dropped.
#[derive(Debug)]
pub(crate) struct Running<'a>(&'a Shared);

impl Ticker {
    /// The thread ends with the engine.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(crate) fn start(&self, engine: EngineWeak, tick: Duration) -> Result<(), StartError> {
        let shared = Arc::clone(&self.0);
        let builder = std::thread::Builder::new().name("wasm-ticker".into());
        let spawned = builder.spawn(move || {
            shared.tick(tick, || {
                let engine = engine.upgrade();
                engine.inspect(|engine| engine.increment_epoch()).is_some()
            });
        });
        spawned
            .map(drop)
            .map_err(|error| StartError::Engine(format!("no thread for the ticker: {error}")))
    }

    pub(crate) fn running(&self) -> Running<'_> {
        self.0.begun.fetch_add(1, SeqCst);
        if self.0.asleep.load(SeqCst) {
            self.0.wake();
        }
        Running(&self.0)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.0.wake();
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, SeqCst);
    }
}

impl Shared {
    fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// Until `raise` says that there is nothing left to raise.
    fn tick(&self, tick: Duration, raise: impl Fn() -> bool) {
        // Known before it can sleep, so that whoever finds it asleep can wake it.
        self.thread.get_or_init(std::thread::current);
        let (mut idle, mut seen) = (0, 0);
        loop {
            std::thread::sleep(tick);
            if !raise() {
                return;
            }
            let begun = self.begun.load(SeqCst);
            let ran = begun != seen || begun != self.ended.load(SeqCst);
            (idle, seen) = (if ran { 0 } else { idle + 1 }, begun);
            if idle >= IDLE_TICKS {
                idle = 0;
                self.asleep.store(true, SeqCst);
                // Whoever began before that could be seen did not wake us, and is seen here.
                if self.begun.load(SeqCst) == seen {
                    std::thread::park();
                }
                self.asleep.store(false, SeqCst);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    const TICK: Duration = Duration::from_millis(1);

    /// The epochs raised within fifty ticks.
    fn raised(raised: &AtomicUsize) -> usize {
        let before = raised.load(SeqCst);
        std::thread::sleep(50 * TICK);
        raised.load(SeqCst) - before
    }

    fn until(what: &str, reached: impl Fn() -> bool) {
        let began = Instant::now();
        while !reached() {
            assert!(began.elapsed() < Duration::from_secs(10), "{what}");
            std::thread::sleep(TICK);
        }
    }

    #[test]
    fn it_sleeps_while_nothing_runs_and_ticks_while_something_does() {
        let ticker = Ticker::default();
        let (ticks, over) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let thread = std::thread::spawn({
            let (shared, ticks, over) = (Arc::clone(&ticker.0), ticks.clone(), over.clone());
            move || {
                shared.tick(TICK, || {
                    ticks.fetch_add(1, SeqCst);
                    !over.load(SeqCst)
                });
            }
        });
        for _ in 0..3 {
            until("it never falls asleep", || ticker.0.asleep.load(SeqCst));
            assert!(raised(&ticks) <= 1, "it ticks although nothing runs");
            let running = ticker.running();
            let before = ticks.load(SeqCst);
            until("it sleeps although something runs", || {
                ticks.load(SeqCst) > before + 2 * IDLE_TICKS as usize
            });
            drop(running);
        }
        over.store(true, SeqCst);
        drop(ticker);
        assert!(thread.join().is_ok());
    }
}
