//! The child process: an empty room in which plugins are compiled or run.
//!
//! Owns: the life of the process from the first frame on its standard input to the end of the pipe.
//! It has no network, no files, no environment and no secrets, and gives up its rights before the
//! first byte of a plugin reaches it.

use std::ffi::OsString;
use std::future::Future;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::process::ExitCode;
use std::sync::Arc;
use std::task::{Context, Waker};

use tokio::net::UnixStream;

use crate::engine::{self, Engine, Space};
use crate::error::{Refusal, Stage, one_line};
use crate::limits::Limits;
use crate::pipe::{self, End, Outbox};
use crate::walls::{self, Work};
use crate::wire::{CODE_BYTES_MAX, Frames, FromWorker, ToWorker, encode};

/// The argument that makes the process compile one component instead of running plugins.
pub(crate) const COMPILE: &str = "--compile";

/// The whole of `postern plugin-worker`. `arguments` are those after the subcommand.
///
/// Must be called before the process has started any thread: walls stand around the thread that
/// builds them and those that come after.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    quiet_panics();
    let compile = arguments.into_iter().any(|argument| argument == COMPILE);
    let ended = if compile { compile_one() } else { serve() };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("plugin-worker: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// A panic's words may be a guest's: one line, escaped, is all that goes to the log.
fn quiet_panics() {
    std::panic::set_hook(Box::new(|panic| {
        complain(&format!("plugin-worker: {panic}"));
    }));
}

fn complain(line: &str) {
    let _ = writeln!(io::stderr(), "{}", one_line(line, 1_024));
}

fn serve() -> io::Result<()> {
    // The standard input is one end of a socket pair: it carries both directions.
    let stream = StdUnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut frames = Frames::new(CODE_BYTES_MAX);
    let limits = read_start(&mut &stream, &mut frames)?;

    let engine = match Engine::new(&limits) {
        Ok(engine) => Arc::new(engine),
        Err(error) => {
            let mut frame = Vec::new();
            let reason = error.to_string();
            encode(&mut frame, &FromWorker::Failed { reason }, &[]).map_err(io::Error::other)?;
            return (&stream).write_all(&frame);
        }
    };
    // Asked before the walls stand: the answer is read from files.
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let mut walls = walls::build(Work::Run, &limits);
    engine.start_ticker().map_err(io::Error::other)?;
    stream.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("plugin")
        .enable_all()
        .build()?;
    // The host ends this process by closing the pipe. A signal to the whole group (a service manager,
    // Ctrl-C) is for the host, which lets the requests under way finish.
    let _ignored = {
        use tokio::signal::unix::{SignalKind, signal};
        let _inside = runtime.enter();
        [
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        ]
    };
    walls.push(walls::filter());

    runtime.block_on(async {
        let stream = UnixStream::from_std(stream)?;
        // On a thread of the runtime: the main one would have to be woken across threads.
        let serving = tokio::spawn(answer(stream, frames, engine, walls));
        match serving.await.map_err(io::Error::other)? {
            End::Closed => Ok(()),
            end => Err(io::Error::other(end)),
        }
    })
}

async fn answer(
    stream: UnixStream,
    mut frames: Frames,
    engine: Arc<Engine>,
    walls: Vec<String>,
) -> End {
    let (mut reading, writing) = stream.into_split();
    let outbox = Outbox::new(writing);
    let draining = {
        let outbox = outbox.clone();
        tokio::spawn(async move { outbox.drain().await })
    };
    send(
        &outbox,
        &FromWorker::Ready {
            code_key: engine.code_key(),
            pooled: engine.is_pooled(),
            walls,
        },
    );
    let end = loop {
        if let Err(end) = take_all(&mut frames, &engine, &outbox) {
            break end;
        }
        if let Err(end) = pipe::fill(&mut reading, &mut frames).await {
            break end;
        }
    };
    draining.abort();
    end
}

/// Begins what has come. All calls but the last go to other threads; the last one runs here as far as it
/// gets without waiting, which for most steps is to the end: no thread has to be woken for it.
fn take_all(frames: &mut Frames, engine: &Arc<Engine>, outbox: &Outbox) -> Result<(), End> {
    let mut last = None;
    while let Some((message, attachment)) = frames.next::<ToWorker>()? {
        match message {
            ToWorker::Call {
                request,
                plugin,
                call,
            } => {
                let (engine, outbox) = (Arc::clone(engine), outbox.clone());
                let call = Box::pin(async move {
                    let outcome = engine.call(plugin, &call.as_ref()).await;
                    send(&outbox, &FromWorker::Ended { request, outcome });
                });
                if let Some(earlier) = last.replace(call) {
                    tokio::spawn(earlier);
                }
            }
            ToWorker::Load { plugin, shape } => {
                let (engine, outbox, code) =
                    (Arc::clone(engine), outbox.clone(), attachment.to_vec());
                tokio::spawn(async move {
                    let result = engine.load(plugin, shape, &code).await;
                    send(&outbox, &FromWorker::Loaded { plugin, result });
                });
            }
            ToWorker::Unload { plugin } => engine.unload(plugin),
            ToWorker::Start { .. } => {}
        }
    }
    if let Some(mut call) = last {
        // A guest gives way at each tick of its clock, so this ends within one. Whoever is spawned is
        // polled again at once: that this waker wakes nobody loses nothing.
        let mut nobody = Context::from_waker(Waker::noop());
        if call.as_mut().poll(&mut nobody).is_pending() {
            tokio::spawn(call);
        }
    }
    Ok(())
}

/// What a guest answers fits a frame: the engine bounds what it may hand over (`host_call_bytes`).
/// Should it ever not, the host runs into its own clock, and ends this process.
fn send(outbox: &Outbox, message: &FromWorker) {
    if let Err(error) = outbox.send(message, &[]) {
        complain(&format!("plugin-worker: {error}"));
    }
}

fn read_start(from: &mut impl Read, frames: &mut Frames) -> io::Result<Limits> {
    loop {
        match frames.next::<ToWorker>().map_err(io::Error::other)? {
            Some((ToWorker::Start { limits }, _)) => return Ok(limits),
            Some(_) => {
                return Err(io::Error::other(
                    "the first frame is not the one that starts",
                ));
            }
            None => {}
        }
        // Byte by byte, so that nothing behind the first frame is read with it.
        let mut byte = [0];
        from.read_exact(&mut byte)?;
        frames.space().extend_from_slice(&byte);
    }
}

/// Reads one component, compiles it, and writes the code or what is wrong with it.
fn compile_one() -> io::Result<()> {
    let mut input = io::stdin().lock();
    let mut frames = Frames::new(CODE_BYTES_MAX);
    let limits = read_start(&mut input, &mut frames)?;
    // The worker was started as this process was, and finds the same.
    let space = Space::here(&limits);
    let mut walls = walls::build(Work::Compile, &limits);
    walls.push(walls::filter());
    for wall in walls {
        if wall.contains(": off") {
            complain(&format!("plugin-worker {COMPILE}: {wall}"));
        }
    }
    let mut wasm = Vec::new();
    input
        .take(limits.component_bytes as u64)
        .read_to_end(&mut wasm)?;

    let compiled = engine::compile(&wasm, &limits, space).and_then(|code| {
        if code.len() <= CODE_BYTES_MAX {
            Ok(code)
        } else {
            Err(Refusal::new(
                Stage::Compile,
                format!(
                    "it compiles to {} bytes: at most {CODE_BYTES_MAX} are kept",
                    code.len()
                ),
            ))
        }
    });
    let (result, code) = match compiled {
        Ok(code) => (Ok(()), code),
        Err(refusal) => (Err(refusal), Vec::new()),
    };
    let mut frame = Vec::new();
    encode(&mut frame, &FromWorker::Compiled { result }, &code).map_err(io::Error::other)?;
    io::stdout().lock().write_all(&frame)
}
