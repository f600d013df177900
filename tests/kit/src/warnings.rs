//! What the hosts in a test tell their operator, for tests that must know why something was refused where a page tells
//! nobody.

use std::cell::RefCell;
use std::io;
use std::sync::Once;

thread_local! {
    /// What was said on this thread, if its test listens.
    static SAID: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// The warnings of a test's own hosts, which run on the thread of the test (`#[tokio::test]` has only one).
#[derive(Debug)]
pub struct Warnings(());

impl Warnings {
    /// From now on.
    pub fn listen() -> Self {
        static LISTENING: Once = Once::new();
        // One log for the whole process, and not one for each thread: what a thread without a log is the first to say
        // would be taken for what nobody wants to hear.
        LISTENING.call_once(|| {
            let log = tracing_subscriber::fmt()
                .without_time()
                .with_ansi(false)
                .with_max_level(tracing::Level::WARN)
                .with_writer(|| Pen)
                .finish();
            tracing::subscriber::set_global_default(log).expect("no test installs a log");
            // What was said for the first time while it was being installed.
            tracing::callsite::rebuild_interest_cache();
        });
        SAID.set(Some(Vec::new()));
        Self(())
    }

    /// Those since the last time, a line each.
    pub fn take(&self) -> Vec<String> {
        let said = SAID.replace(Some(Vec::new())).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        said.lines().map(str::to_owned).collect()
    }
}

impl Drop for Warnings {
    fn drop(&mut self) {
        SAID.set(None);
    }
}

struct Pen;

impl io::Write for Pen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A thread that ends may have no place for it any more.
        let _ = SAID.try_with(|said| {
            if let Some(said) = said.borrow_mut().as_mut() {
                said.extend_from_slice(bytes);
            }
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
