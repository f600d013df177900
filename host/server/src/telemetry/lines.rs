//! Log lines on their way out: nobody who says something waits for whoever reads it.
//!
//! A log that cannot be written, because its disk is full or its pipe is not read, must not stop a login
//! (attack L-05). Lines wait in a bounded queue for a thread that writes them; what does not fit is
//! dropped and counted, and the count is the next line that fits. Security events are not lost with it:
//! they are in the store before the log hears of them.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};
use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait. A burst of a busy second fits; at some 300 bytes each they take few megabytes.
const WAITING_MAX: usize = 8_192;
/// Lines that are written together: one write takes no more than this and a line.
const BYTES_AT_ONCE: usize = 64 * 1024;
/// After a write lines are left to gather for this long; the first one after a silence goes out at once.
const GATHERED_FOR: Duration = Duration::from_millis(5);
/// How long the end of the process waits for the last lines.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Where events are written to. Clones are the same queue.
#[derive(Clone)]
pub(super) struct Lines {
    queue: SyncSender<Entry>,
    dropped: Arc<AtomicU64>,
}

enum Entry {
    Line(Vec<u8>),
    /// Everything before it is out: say so.
    Flush(SyncSender<()>),
}

/// Waits for the last lines when it is dropped.
#[must_use = "the log's last lines are waited for where this is dropped"]
pub struct LastLines(SyncSender<Entry>);

impl std::fmt::Debug for LastLines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LastLines")
    }
}

impl Lines {
    /// Starts the thread that writes to `out`.
    pub(super) fn to(out: impl Write + Send + 'static) -> io::Result<(Self, LastLines)> {
        Self::with_room_for(WAITING_MAX, out)
    }

    fn with_room_for(
        lines: usize,
        out: impl Write + Send + 'static,
    ) -> io::Result<(Self, LastLines)> {
        let (queue, waiting) = sync_channel(lines);
        let dropped = Arc::new(AtomicU64::new(0));
        let lost = Arc::clone(&dropped);
        std::thread::Builder::new()
            .name("log".into())
            .spawn(move || write_all(out, &waiting, &lost))?;
        let last = LastLines(queue.clone());
        Ok((Self { queue, dropped }, last))
    }
}

fn write_all(mut out: impl Write, waiting: &Receiver<Entry>, dropped: &AtomicU64) {
    let mut bytes = Vec::new();
    while let Ok(first) = waiting.recv() {
        let mut done = None;
        let mut next = Some(first);
        while let Some(entry) = next {
            match entry {
                Entry::Line(line) => bytes.extend_from_slice(&line),
                Entry::Flush(told) => done = Some(told),
            }
            let more = done.is_none() && bytes.len() < BYTES_AT_ONCE;
            next = more.then(|| waiting.try_recv().ok()).flatten();
        }
        // There is nowhere to tell that the log itself cannot be written.
        drop(out.write_all(&bytes));
        bytes.clear();
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ = writeln!(
                out,
                "{lost} log lines were dropped: the log was not written fast enough"
            );
        }
        match done {
            Some(told) => {
                let _ = out.flush();
                let _ = told.try_send(());
            }
            // Whoever says something now wakes nobody: waking this thread cost a busy host more than
            // the line itself did.
            None => std::thread::sleep(GATHERED_FOR),
        }
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line {
            lines: self.clone(),
            bytes: Vec::with_capacity(256),
        }
    }
}

/// One event as it is being written.
pub(super) struct Line {
    lines: Lines,
    bytes: Vec<u8>,
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let line = std::mem::take(&mut self.bytes);
        if line.is_empty() {
            return;
        }
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.lines.queue.try_send(Entry::Line(line))
        {
            self.lines.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for LastLines {
    fn drop(&mut self) {
        let until = Instant::now() + LAST_LINES;
        let (done, told) = sync_channel(1);
        let mut flush = Entry::Flush(done);
        // A full queue has no room for the request to flush either, until its writer has got on.
        while let Err(TrySendError::Full(back)) = self.0.try_send(flush) {
            if Instant::now() >= until {
                return;
            }
            flush = back;
            std::thread::sleep(Duration::from_millis(1));
        }
        let _ = told.recv_timeout(until.saturating_duration_since(Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::Mutex;
    use std::sync::mpsc::Sender;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Takes one line and tells so; takes no further one until it is told to.
    struct Stuck {
        began: Sender<()>,
        go: Receiver<()>,
        kept: Kept,
    }

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.began.send(());
            let _ = self.go.recv();
            self.kept.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn say(lines: &Lines, text: &str) {
        writeln!(lines.make_writer(), "{text}").unwrap();
    }

    #[test]
    fn lines_come_out_whole_in_order_and_the_last_ones_too() {
        let kept = Kept::default();
        let (lines, last) = Lines::to(kept.clone()).unwrap();
        for number in 0..100 {
            say(&lines, &number.to_string());
        }
        drop(last);
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let expected: String = (0..100).map(|number| format!("{number}\n")).collect();
        assert_eq!(text, expected);
    }

    /// L-05: a pipe that nobody reads holds nobody up, and what was lost is told afterwards.
    #[test]
    fn a_log_that_is_not_read_holds_nobody_up_and_counts_what_it_drops() {
        let kept = Kept::default();
        let (began, begun) = std::sync::mpsc::channel();
        let (go, held) = std::sync::mpsc::channel();
        let stuck = Stuck {
            began,
            go: held,
            kept: kept.clone(),
        };
        let (lines, last) = Lines::with_room_for(2, stuck).unwrap();
        say(&lines, "first");
        begun.recv().unwrap();
        for _ in 0..10 {
            say(&lines, "more");
        }
        drop(go);
        drop(last);
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert!(
            text.starts_with("first\n8 log lines were dropped"),
            "{text}"
        );
        assert_eq!(text.matches("more\n").count(), 2, "{text}");
    }
}
