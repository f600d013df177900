//! The host's end: starting the worker, keeping it alive, and calling into it.
//!
//! Owns: the child processes and what is needed to bring a new worker to where the old one was.
//! What the worker says is data of a stranger: bounded, typed, and believed about nothing else.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::future::Future;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::process::{Child, Command};
use tokio::sync::{Notify, oneshot, watch};

use crate::cache::Entry;
use crate::error::{Fault, FaultKind, Refusal, Stage, StartError, one_line};
use crate::limits::Limits;
use crate::pipe::{self, End, Outbox};
use crate::plugins::too_slow;
use crate::wire::{
    CODE_BYTES_MAX, CallRef, FRAME_BYTES_MAX, Frames, FromWorker, Outcome, PREFIX_BYTES, Shape,
    ToWorkerRef, encode,
};
use crate::worker::COMPILE;

/// Reserving the pool and giving up rights takes some ten milliseconds.
const START_TIME: Duration = Duration::from_secs(10);
/// A new worker is there well within this; a call that comes meanwhile waits for it.
const RETURN_TIME: Duration = Duration::from_secs(3);
/// What a call may last beyond the limits that the worker itself enforces.
const GRACE: Duration = Duration::from_secs(2);
/// Starts that fail in a row wait twice as long each time.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));
/// A worker that lived this long did not die of its start.
const HEALTHY: Duration = Duration::from_secs(10);
/// Before a plugin that the machine had no room for in a new worker is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// A plugin whose loading ends the worker this often is not loaded again, and one that was at work
/// whenever a worker ended this often in a row is to blame for it: once may be anybody's doing.
const STRIKES: u32 = 2;

/// How the worker is started: a program and the arguments before ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerCommand {
    /// The program; the server names its own executable.
    pub program: PathBuf,
    /// `plugin-worker` for the server.
    pub arguments: Vec<OsString>,
}

impl WorkerCommand {
    /// This executable with the argument `plugin-worker`.
    ///
    /// # Errors
    /// If the system does not tell where this executable is.
    pub fn this_executable() -> std::io::Result<Self> {
        Ok(WorkerCommand {
            program: std::env::current_exe()?,
            arguments: vec!["plugin-worker".into()],
        })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .current_dir("/")
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .kill_on_drop(true);
        command
    }
}

/// Plugins in a worker process.
pub(crate) struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    command: WorkerCommand,
    limits: Limits,
    /// The worker that is there, if one is.
    link: watch::Sender<Option<Arc<Link>>>,
    /// What a new worker has to be given.
    plugins: Mutex<BTreeMap<u32, Arc<Stored>>>,
    last_request: AtomicU64,
    last_worker: AtomicU64,
}

/// How often in a row a worker ended with this content of a plugin file at work in it. Several calls
/// in one worker are one death; a call that ends in good order clears it, so that whoever was only
/// there when another brought the worker down is soon free of suspicion.
#[derive(Debug, Default)]
pub(crate) struct Strikes {
    count: AtomicU32,
    newest: Mutex<Option<u64>>,
}

impl Strikes {
    fn add(&self, worker: u64) -> u32 {
        let mut newest = lock(&self.newest);
        if *newest != Some(worker) {
            *newest = Some(worker);
            self.count.fetch_add(1, Ordering::Relaxed);
        }
        self.count.load(Ordering::Relaxed)
    }

    fn clear(&self) {
        if self.count.load(Ordering::Relaxed) > 0 {
            self.count.store(0, Ordering::Relaxed);
        }
    }

    /// The fault of a call that a worker's end cut short.
    fn fault(&self, worker: u64, how: &str) -> Fault {
        match self.add(worker) {
            count if count >= STRIKES => Fault::new(
                FaultKind::EndsWorker,
                format!("{how}; it was at work at {count} such ends in a row"),
            ),
            _ => Fault::new(FaultKind::WorkerDied, how),
        }
    }
}

/// Code of a loaded plugin, to be sent again to the next worker.
struct Stored {
    shape: Shape,
    code: Code,
    /// How many workers ended while they loaded it.
    strikes: AtomicU32,
}

/// Where compiled code can be read again.
pub(crate) enum Code {
    Memory(Vec<u8>),
    Cached(Entry),
}

impl Code {
    pub(crate) fn read(&self) -> Option<Vec<u8>> {
        match self {
            Code::Memory(code) => Some(code.clone()),
            Code::Cached(entry) => entry.read(),
        }
    }
}

/// One connection to one worker process.
struct Link {
    outbox: Outbox,
    calls: Awaited<u64, Outcome>,
    loads: Awaited<u32, Result<(), Refusal>>,
    /// What it was to be given and could not be, by no fault of the file.
    missing: Mutex<HashMap<u32, Arc<Missing>>>,
    /// Asks for the end of a worker that does not answer.
    end: Notify,
    code_key: String,
    pid: Option<u32>,
    /// Counts the workers.
    number: u64,
}

/// A plugin that is tried again when it is called.
struct Missing {
    stored: Arc<Stored>,
    /// When it was tried last. Held by the call that tries: others wait for what comes of it.
    tried: tokio::sync::Mutex<Instant>,
}

/// Answers that are waited for. Closed when the connection ends: nobody may begin to wait then.
struct Awaited<K, T> {
    waiting: Mutex<Option<HashMap<K, oneshot::Sender<T>>>>,
}

impl<K: Eq + std::hash::Hash, T> Awaited<K, T> {
    fn new() -> Self {
        Awaited {
            waiting: Mutex::new(Some(HashMap::new())),
        }
    }

    fn join(&self, key: K) -> Option<oneshot::Receiver<T>> {
        let (answer, answered) = oneshot::channel();
        lock(&self.waiting).as_mut()?.insert(key, answer);
        Some(answered)
    }

    fn leave(&self, key: &K) -> Option<oneshot::Sender<T>> {
        lock(&self.waiting).as_mut()?.remove(key)
    }

    /// Dropped senders tell all who wait.
    fn close(&self) {
        drop(lock(&self.waiting).take());
    }
}

impl Client {
    /// Starts the first worker, and a task that replaces it whenever it ends.
    ///
    /// # Errors
    /// If the first one does not come up: later ones are tried again and again.
    pub(crate) async fn start(command: WorkerCommand, limits: Limits) -> Result<Self, StartError> {
        let shared = Arc::new(Shared {
            command,
            limits,
            link: watch::Sender::new(None),
            plugins: Mutex::default(),
            last_request: AtomicU64::new(0),
            last_worker: AtomicU64::new(0),
        });
        let first = shared.open().await.map_err(StartError::Worker)?;
        shared.link.send_replace(Some(Arc::clone(&first.link)));
        tokio::spawn(keep_alive(Arc::downgrade(&shared), first));
        Ok(Client { shared })
    }

    /// The key of the compiled code the worker takes.
    pub(crate) async fn code_key(&self) -> Result<String, Refusal> {
        let link = self.shared.wait_for_link().await;
        link.map(|link| link.code_key.clone())
            .ok_or_else(worker_away)
    }

    /// The worker's process id, for figures.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.shared.link.borrow().as_ref().and_then(|link| link.pid)
    }

    /// Loads compiled code into the worker, and into every later one.
    pub(crate) async fn load(
        &self,
        plugin: u32,
        shape: Shape,
        code: Code,
        strikes: &Strikes,
    ) -> Result<(), Refusal> {
        let stored = Arc::new(Stored {
            shape,
            code,
            strikes: AtomicU32::new(0),
        });
        // Before it is sent: should the worker end meanwhile, the next one gets it as well.
        self.shared.plugins().insert(plugin, Arc::clone(&stored));
        let loaded = match self.shared.wait_for_link().await {
            Some(link) => {
                let loaded = link.load(plugin, &stored, &self.shared.limits).await;
                let died = stored.strikes.load(Ordering::Relaxed) > 0;
                if died && strikes.add(link.number) >= STRIKES {
                    Err(Refusal::new(
                        Stage::Link,
                        "the plugin worker ended whenever the component was loaded",
                    ))
                } else {
                    loaded
                }
            }
            None => Err(worker_away()),
        };
        if loaded.is_err() {
            self.unload(plugin);
        }
        loaded
    }

    /// Forgets a plugin.
    pub(crate) fn unload(&self, plugin: u32) {
        self.shared.plugins().remove(&plugin);
        if let Some(link) = self.shared.link.borrow().as_ref() {
            lock(&link.missing).remove(&plugin);
            // Without an answer there is nothing to wait for; a plain frame fits.
            let _ = link.outbox.send(&ToWorkerRef::Unload { plugin }, &[]);
        }
    }

    /// Runs one call in the worker.
    pub(crate) async fn call(
        &self,
        plugin: u32,
        shape: Shape,
        call: CallRef<'_>,
        strikes: &Strikes,
    ) -> Outcome {
        let shared = &self.shared;
        let request = shared.last_request.fetch_add(1, Ordering::Relaxed);
        let Some((link, answered)) = shared.join(request).await else {
            return Outcome::failed(Fault::new(
                FaultKind::WorkerAway,
                "the plugin worker is away",
            ));
        };
        let _pending = Pending {
            link: &link,
            request,
        };
        if let Err(fault) = shared.load_missing(&link, plugin).await {
            return Outcome::failed(fault);
        }
        let sent = link.outbox.send(
            &ToWorkerRef::Call {
                request,
                plugin,
                call,
            },
            &[],
        );
        if let Err(too_large) = sent {
            return Outcome::failed(Fault::new(FaultKind::Misuse, too_large.to_string()));
        }
        let patience = shared.limits.wait() + shared.limits.class(shape.class).wall() + GRACE;
        match tokio::time::timeout(patience, answered).await {
            Ok(Ok(outcome)) => {
                strikes.clear();
                outcome
            }
            Ok(Err(_)) => Outcome::failed(strikes.fault(
                link.number,
                "the plugin worker died while the step was in it",
            )),
            Err(_) => {
                // The guest is past every limit of its own process: only ending that helps.
                link.end.notify_one();
                Outcome::failed(
                    strikes.fault(link.number, "the plugin worker did not answer and is ended"),
                )
            }
        }
    }

    /// Compiles in a child of its own: what the compiler may use up is the child's alone.
    pub(crate) async fn compile(&self, wasm: &[u8]) -> Result<Vec<u8>, Refusal> {
        compile(&self.shared.command, &self.shared.limits, wasm).await
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // The task that keeps the worker holds no strong reference; this wakes it to see that.
        if let Some(link) = self.shared.link.borrow().as_ref() {
            link.end.notify_one();
        }
    }
}

impl Shared {
    /// A place among those who wait for the worker's answers; of the next one, if this one is just
    /// ending.
    async fn join(&self, request: u64) -> Option<(Arc<Link>, oneshot::Receiver<Outcome>)> {
        let here = self.link.borrow().clone();
        if let Some(link) = here
            && let Some(answered) = link.calls.join(request)
        {
            return Some((link, answered));
        }
        let link = self.wait_for_link().await?;
        let answered = link.calls.join(request)?;
        Some((link, answered))
    }

    async fn wait_for_link(&self) -> Option<Arc<Link>> {
        let mut link = self.link.subscribe();
        let there = tokio::time::timeout(RETURN_TIME, link.wait_for(Option::is_some)).await;
        there.ok()?.ok()?.clone()
    }

    /// Gives a worker a plugin that an earlier one had. One whose file is at fault stays out.
    async fn load_again(
        &self,
        link: &Link,
        plugin: u32,
        stored: &Arc<Stored>,
    ) -> Result<(), Refusal> {
        let loaded = link.load(plugin, stored, &self.limits).await;
        if let Err(refusal) = &loaded {
            tracing::error!(
                plugin.number = plugin,
                "a plugin could not be loaded again: {refusal}"
            );
            if refusal.is_final() {
                self.plugins().remove(&plugin);
                lock(&link.missing).remove(&plugin);
            }
        }
        loaded
    }

    /// Tries again what this worker could not be given, if it is that plugin.
    async fn load_missing(&self, link: &Link, plugin: u32) -> Result<(), Fault> {
        let Some(missing) = lock(&link.missing).get(&plugin).cloned() else {
            return Ok(());
        };
        let mut tried = missing.tried.lock().await;
        // Another call may have seen to it meanwhile.
        if !lock(&link.missing).contains_key(&plugin) {
            return Ok(());
        }
        if tried.elapsed() >= AGAIN {
            let loaded = self.load_again(link, plugin, &missing.stored).await;
            *tried = Instant::now();
            // Refused for good, it is not loaded: the worker says so.
            if loaded.map_or_else(|refusal| refusal.is_final(), |()| true) {
                return Ok(());
            }
        }
        Err(Fault::new(
            FaultKind::Busy,
            "the plugin could not be loaded into the new worker yet",
        ))
    }

    fn plugins(&self) -> MutexGuard<'_, BTreeMap<u32, Arc<Stored>>> {
        lock(&self.plugins)
    }

    /// A worker that has said it is ready.
    async fn open(&self) -> Result<Running, String> {
        let text = |error: std::io::Error| error.to_string();
        let (ours, theirs) = StdUnixStream::pair().map_err(text)?;
        let mut command = self.command.command();
        command.stdin(OwnedFd::from(theirs));
        let mut child = command
            .spawn()
            .map_err(|error| format!("`{}`: {error}", self.command.program.display()))?;
        drop(command);
        let pid = child.id();

        // The first frame is small and the pipe is empty: this does not block.
        let mut start = Vec::new();
        encode(
            &mut start,
            &ToWorkerRef::Start {
                limits: &self.limits,
            },
            &[],
        )
        .map_err(|error| error.to_string())?;
        (&ours).write_all(&start).map_err(text)?;
        ours.set_nonblocking(true).map_err(text)?;
        let (mut reading, writing) = UnixStream::from_std(ours).map_err(text)?.into_split();

        let mut frames = Frames::new(0);
        let ready = tokio::time::timeout(START_TIME, first_frame(&mut reading, &mut frames)).await;
        let (code_key, pooled, walls) = match ready {
            Ok(Ok(FromWorker::Ready {
                code_key,
                pooled,
                walls,
            })) => (code_key, pooled, walls),
            Ok(Ok(FromWorker::Failed { reason })) => return Err(one_line(&reason, 512)),
            Ok(Ok(_)) => return Err("its first frame is another than expected".into()),
            Ok(Err(end)) => {
                let status = tokio::time::timeout(GRACE, child.wait()).await;
                let status = status.ok().and_then(Result::ok);
                return Err(status.map_or(end.to_string(), |status| format!("{end} ({status})")));
            }
            Err(_) => {
                return Err(format!(
                    "it is not ready after {} seconds",
                    START_TIME.as_secs()
                ));
            }
        };
        tracing::info!(
            worker.pid = pid,
            worker.pooled = pooled,
            walls = %one_line(&walls.join("; "), 512),
            "the plugin worker is up"
        );
        if walls.iter().any(|wall| wall.contains(": off")) {
            tracing::warn!(
                worker.pid = pid,
                "the plugin worker stands without one of its walls"
            );
        }
        Ok(Running {
            link: Arc::new(Link {
                outbox: Outbox::new(writing),
                calls: Awaited::new(),
                loads: Awaited::new(),
                missing: Mutex::default(),
                end: Notify::new(),
                code_key,
                pid,
                number: self.last_worker.fetch_add(1, Ordering::Relaxed),
            }),
            child,
            stream: reading,
            frames,
            since: Instant::now(),
        })
    }
}

impl Link {
    async fn load(
        &self,
        plugin: u32,
        stored: &Arc<Stored>,
        limits: &Limits,
    ) -> Result<(), Refusal> {
        let reading = {
            let stored = Arc::clone(stored);
            tokio::task::spawn_blocking(move || stored.code.read())
        };
        let code =
            reading.await.ok().flatten().ok_or_else(|| {
                Refusal::new(Stage::Host, "its compiled code can no longer be read")
            })?;
        let answered = self.loads.join(plugin).ok_or_else(worker_away)?;
        let load = ToWorkerRef::Load {
            plugin,
            shape: stored.shape,
        };
        let sent = self.outbox.send(&load, &code);
        drop(code);
        sent.map_err(|error| Refusal::new(Stage::Host, error.to_string()))?;
        let patience = limits.wait() + limits.class(stored.shape.class).wall() + START_TIME;
        let answered = tokio::time::timeout(patience, answered).await;
        self.loads.leave(&plugin);
        match answered {
            Ok(Ok(result)) => {
                if result.is_ok() {
                    lock(&self.missing).remove(&plugin);
                }
                result
            }
            Ok(Err(_)) => {
                stored.strikes.fetch_add(1, Ordering::Relaxed);
                Err(Refusal::new(
                    Stage::Host,
                    "the plugin worker died while it loaded the component",
                ))
            }
            Err(_) => {
                self.end.notify_one();
                Err(Refusal::new(
                    Stage::Host,
                    "the plugin worker did not answer and is ended",
                ))
            }
        }
    }

    fn take(&self, message: FromWorker) {
        match message {
            FromWorker::Ended { request, outcome } => {
                if let Some(waiting) = self.calls.leave(&request) {
                    // Nobody waits any more if the caller was dropped.
                    let _ = waiting.send(outcome);
                }
            }
            FromWorker::Loaded { plugin, result } => {
                if let Some(waiting) = self.loads.leave(&plugin) {
                    let _ = waiting.send(result);
                }
            }
            FromWorker::Ready { .. } | FromWorker::Failed { .. } | FromWorker::Compiled { .. } => {}
        }
    }
}

/// A call that waits for its answer; forgotten when its caller is.
struct Pending<'a> {
    link: &'a Link,
    request: u64,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.link.calls.leave(&self.request);
    }
}

/// A worker process and both ends of the conversation with it.
struct Running {
    link: Arc<Link>,
    child: Child,
    stream: OwnedReadHalf,
    frames: Frames,
    since: Instant,
}

impl Running {
    /// Serves the connection until it ends, and the process with it. Whatever was in flight fails.
    async fn until_end(mut self, shared: Weak<Shared>) -> String {
        let outbox = self.link.outbox.clone();
        let why = tokio::select! {
            end = read_all(&mut self.stream, &mut self.frames, &self.link) => end.to_string(),
            drained = outbox.drain() => format!("the pipe failed: {drained:?}"),
            () = self.link.end.notified() => "it was ended".to_owned(),
        };
        // First nobody new, then nobody at all.
        if let Some(shared) = shared.upgrade() {
            shared.link.send_replace(None);
        }
        self.link.calls.close();
        self.link.loads.close();
        let _ = self.child.start_kill();
        match self.child.wait().await {
            Ok(status) => format!("{why} ({status})"),
            Err(error) => format!("{why} ({error})"),
        }
    }
}

async fn read_all(stream: &mut OwnedReadHalf, frames: &mut Frames, link: &Link) -> End {
    loop {
        loop {
            match frames.next::<FromWorker>() {
                Ok(Some((message, _))) => link.take(message),
                Ok(None) => break,
                Err(broken) => return broken.into(),
            }
        }
        if let Err(end) = pipe::fill(stream, frames).await {
            return end;
        }
    }
}

async fn first_frame(stream: &mut OwnedReadHalf, frames: &mut Frames) -> Result<FromWorker, End> {
    loop {
        if let Some((message, _)) = frames.next::<FromWorker>()? {
            return Ok(message);
        }
        pipe::fill(stream, frames).await?;
    }
}

/// Serves one worker after the other, as long as anybody holds the client.
async fn keep_alive(shared: Weak<Shared>, first: Running) {
    let mut running = first;
    let mut delay = Duration::ZERO;
    loop {
        let since = running.since;
        let link = Arc::clone(&running.link);
        let mut serving = tokio::spawn(running.until_end(shared.clone()));
        if let Some(shared) = shared.upgrade() {
            // The connection is served meanwhile: the worker's answers come through it.
            if shared.link.borrow().is_none() {
                reload(&shared, &link).await;
                shared.link.send_replace(Some(Arc::clone(&link)));
            }
        }
        let why = (&mut serving)
            .await
            .unwrap_or_else(|error| error.to_string());
        drop(link);

        let Some(host) = shared.upgrade() else { return };
        // It may have ended before it was published.
        host.link.send_replace(None);
        tracing::error!("the plugin worker ended: {why}");
        if since.elapsed() >= HEALTHY {
            delay = Duration::ZERO;
        }
        drop(host);
        running = loop {
            tokio::time::sleep(delay).await;
            // The first is replaced at once; one that dies young waits for the next a little longer.
            delay = (delay * 2).clamp(BACKOFF.0, BACKOFF.1);
            let Some(host) = shared.upgrade() else { return };
            match host.open().await {
                Ok(running) => break running,
                Err(why) => tracing::error!("the plugin worker does not start: {why}"),
            }
        };
    }
}

/// Gives a new worker every plugin the old one had.
async fn reload(shared: &Shared, link: &Link) {
    let plugins: Vec<(u32, Arc<Stored>)> = shared
        .plugins()
        .iter()
        .map(|(number, stored)| (*number, Arc::clone(stored)))
        .collect();
    for (number, stored) in plugins {
        if stored.strikes.load(Ordering::Relaxed) >= STRIKES {
            shared.plugins().remove(&number);
            tracing::error!(
                plugin.number = number,
                "a plugin ended the worker whenever it was loaded: it stays out"
            );
            continue;
        }
        let loaded = shared.load_again(link, number, &stored).await;
        if loaded.is_err_and(|refusal| !refusal.is_final()) {
            let missing = Missing {
                stored,
                tried: tokio::sync::Mutex::new(Instant::now()),
            };
            lock(&link.missing).insert(number, Arc::new(missing));
        }
    }
}

/// Compiles a component in a process of its own.
async fn compile(
    command: &WorkerCommand,
    limits: &Limits,
    wasm: &[u8],
) -> Result<Vec<u8>, Refusal> {
    let host = |error: std::io::Error| {
        Refusal::new(
            Stage::Host,
            format!("the compiler cannot be started: {error}"),
        )
    };
    let mut child = command
        .command()
        .arg(COMPILE)
        // Each thread of the compiler takes address space, of which it has little.
        .env("RAYON_NUM_THREADS", "2")
        .env("MALLOC_ARENA_MAX", "2")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(host)?;
    let mut input = child.stdin.take().expect("the input was asked for");
    let mut output = child.stdout.take().expect("the output was asked for");
    let mut start = Vec::new();
    encode(&mut start, &ToWorkerRef::Start { limits }, &[])
        .map_err(|error| Refusal::new(Stage::Host, error.to_string()))?;

    let feed = async move {
        // A child that ended does not read; its status says why.
        let _ = input.write_all(&start).await;
        let _ = input.write_all(wasm).await;
        drop(input);
    };
    let read = async {
        let most = PREFIX_BYTES + FRAME_BYTES_MAX + CODE_BYTES_MAX;
        let mut frames = Frames::new(CODE_BYTES_MAX);
        (&mut output)
            .take(most as u64)
            .read_to_end(frames.space())
            .await?;
        Ok::<_, std::io::Error>(frames)
    };
    let work = async {
        let ((), frames) = tokio::join!(feed, read);
        (frames, child.wait().await)
    };
    let Some((frames, status)) = within(limits.compile_time(), work).await else {
        // Dropping the child kills it.
        return Err(too_slow(limits));
    };
    let (mut frames, status) = (frames.map_err(host)?, status.map_err(host)?);
    match frames.next::<FromWorker>() {
        Ok(Some((FromWorker::Compiled { result }, code))) => result.map(|()| code.to_vec()),
        _ => Err(Refusal::new(
            if ended_from_outside(status.signal()) {
                Stage::Host
            } else {
                Stage::Compile
            },
            match status.signal() {
                Some(signal) => format!(
                    "the compiler was ended by signal {signal}: it may use {} MiB (`compile_bytes`) and {} seconds",
                    limits.compile_bytes >> 20,
                    limits.compile_seconds
                ),
                None => format!("the compiler ended without an answer ({status})"),
            },
        )),
    }
}

/// Ended by an operator, a service manager or the kernel's memory killer: that says nothing about
/// the file, and must not be remembered as a verdict on it.
fn ended_from_outside(signal: Option<i32>) -> bool {
    let outside = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGKILL];
    signal.is_some_and(|signal| outside.contains(&signal))
}

async fn within<T>(time: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(time, work).await.ok()
}

fn worker_away() -> Refusal {
    Refusal::new(Stage::Host, "the plugin worker is away")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every operation under these locks is one insertion or removal: nothing is left half done.
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}
