//! One call of a guest: a fresh store, a fresh instance, the call, and nothing left afterwards.
//!
//! Owns: what a running guest may use up (CPU, wall clock, memory, host calls, log) and how its end
//! is read as an answer or a fault. Knows nothing of processes, files or plugins' names.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use rustix::time::{ClockId, clock_gettime};
use wasmtime::{
    PoolConcurrencyLimitError, ResourceLimiter, Store, StoreContextMut, Trap, UpdateDeadline,
};

use crate::bindings::log;
use crate::bindings::sms_provider::{SmsProvider, SmsProviderPre};
use crate::bindings::user_resolver::{UserResolver, UserResolverPre};
use crate::error::{Fault, FaultKind};
use crate::limits::{ClassLimits, Limits};
use crate::wire::{Answer, CallRef, Log, LogLine, Outcome};

/// A component linked against the interface, ready to be instantiated.
#[derive(Clone)]
pub(crate) enum Linked {
    Provider(SmsProviderPre<Guest>),
    Resolver(UserResolverPre<Guest>),
}

/// Runs one call in an instance of its own and drops the instance.
///
/// Whatever happens inside (a trap, a limit, a panic of the engine) ends this call only. The future
/// may be dropped at any point.
pub(crate) async fn run(
    engine: &wasmtime::Engine,
    linked: &Linked,
    limits: &Limits,
    class: &ClassLimits,
    call: &CallRef<'_>,
) -> Outcome {
    let meter = Arc::new(Meter::default());
    let mut store = match open(engine, limits, class, &meter) {
        Ok(store) => store,
        Err(fault) => return Outcome::failed(fault),
    };

    let called = Metered {
        meter,
        // The instance is poisoned after a panic, and dropped with its store in either case.
        inner: Box::pin(AssertUnwindSafe(invoke(&mut store, linked, call)).catch_unwind()),
    };
    let result = match tokio::time::timeout(class.wall(), called).await {
        Ok(Ok(Ok(answer))) => Ok(answer),
        Ok(Ok(Err(error))) => Err(read_fault(&error, store.data(), class)),
        Ok(Err(panic)) => Err(Fault::new(
            FaultKind::Engine,
            format!("the engine panicked: {}", panic_text(panic.as_ref())),
        )),
        Err(_elapsed) => Err(Fault::new(
            FaultKind::WallClock,
            format!("the step lasted longer than {} ms", class.wall_ms),
        )),
    };
    let guest = store.into_data();
    Outcome {
        result,
        log: guest.log,
        grew: guest.room.grown > 0,
    }
}

fn open(
    engine: &wasmtime::Engine,
    limits: &Limits,
    class: &ClassLimits,
    meter: &Arc<Meter>,
) -> Result<Store<Guest>, Fault> {
    let guest = Guest {
        room: Room::new(class),
        log: Log::default(),
        log_room: (limits.log_bytes, limits.log_lines),
        host_calls_left: limits.host_calls,
    };
    let mut store = Store::try_new(engine, guest).map_err(|error| {
        Fault::new(
            FaultKind::Engine,
            format!("no store could be made: {error}"),
        )
    })?;
    store.limiter(|guest| &mut guest.room);
    store.set_hostcall_fuel(limits.host_call_bytes);
    store.set_max_component_handles(limits.handles);
    store.set_epoch_deadline(1);
    let budget = class.cpu();
    let meter = Arc::clone(meter);
    store.epoch_deadline_callback(move |_: StoreContextMut<'_, Guest>| {
        if meter.spent() < budget {
            Ok(UpdateDeadline::Yield(1))
        } else {
            Err(Stop::Cpu.into())
        }
    });
    Ok(store)
}

async fn invoke(
    store: &mut Store<Guest>,
    linked: &Linked,
    call: &CallRef<'_>,
) -> wasmtime::Result<Answer> {
    match linked {
        Linked::Provider(pre) => {
            let instance: SmsProvider = pre.instantiate_async(&mut *store).await?;
            let provider = instance.postern_plugin_provider();
            match *call {
                CallRef::Instantiate => Ok(Answer::Instantiated),
                CallRef::ProviderStep {
                    settings,
                    message,
                    event,
                    state,
                } => provider
                    .call_step(store, settings, message, event, state)
                    .await
                    .map(Answer::Provider),
                CallRef::Check { settings } => provider
                    .call_check(store, settings)
                    .await
                    .map(Answer::Problems),
                CallRef::ResolverStep { .. } => {
                    Err(Stop::OtherWorld("user-resolver", "sms-provider").into())
                }
            }
        }
        Linked::Resolver(pre) => {
            let instance: UserResolver = pre.instantiate_async(&mut *store).await?;
            let resolver = instance.postern_plugin_resolver();
            match *call {
                CallRef::Instantiate => Ok(Answer::Instantiated),
                CallRef::ResolverStep {
                    settings,
                    login,
                    event,
                    state,
                } => resolver
                    .call_step(store, settings, login, event, state)
                    .await
                    .map(Answer::Resolver),
                CallRef::Check { settings } => resolver
                    .call_check(store, settings)
                    .await
                    .map(Answer::Problems),
                CallRef::ProviderStep { .. } => {
                    Err(Stop::OtherWorld("sms-provider", "user-resolver").into())
                }
            }
        }
    }
}

/// What the host keeps beside a running instance.
pub(crate) struct Guest {
    room: Room,
    log: Log,
    /// Bytes and lines the log may still take.
    log_room: (usize, usize),
    host_calls_left: u32,
}

impl log::Host for Guest {
    fn log(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        self.host_calls_left = self.host_calls_left.checked_sub(1).ok_or(Stop::HostCalls)?;
        let (bytes, lines) = &mut self.log_room;
        if *lines == 0 || *bytes == 0 {
            self.log.dropped += 1;
            return Ok(());
        }
        let mut text = message;
        if text.len() > *bytes {
            text.truncate(text.floor_char_boundary(*bytes));
            self.log.dropped += 1;
        }
        *bytes -= text.len();
        *lines -= 1;
        self.log.lines.push(LogLine {
            level: level.into(),
            text,
        });
        Ok(())
    }
}

/// Memory and tables, summed over the whole instance: a limit per memory would let a guest with a
/// hundred memories have a hundred times as much.
struct Room {
    memory_left: usize,
    elements_left: usize,
    memories: usize,
    tables: usize,
    instances: usize,
    /// What the last permission took, given back if the growth fails after all.
    memory_lent: usize,
    elements_lent: usize,
    /// How often a memory grew past the size it began with. Each time the kernel is asked to change
    /// the mapping, and again when the instance ends: three to five times the cost of a step.
    grown: usize,
    /// Whether a memory was denied: what follows is most likely its consequence.
    denied: bool,
    /// Whether the machine had no room for what was allowed: that is nothing the guest did.
    short: bool,
}

impl Room {
    fn new(class: &ClassLimits) -> Self {
        Room {
            memory_left: class.memory_bytes,
            elements_left: class.table_elements,
            memories: class.memories,
            tables: class.tables,
            instances: class.instances,
            memory_lent: 0,
            elements_lent: 0,
            grown: 0,
            denied: false,
            short: false,
        }
    }
}

impl ResourceLimiter for Room {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        let within = maximum.is_none_or(|maximum| desired <= maximum);
        if more > self.memory_left || !within {
            self.memory_lent = 0;
            self.denied |= more > self.memory_left;
            return Ok(false);
        }
        self.memory_left -= more;
        self.memory_lent = more;
        // A memory that is made grows from nothing.
        self.grown += usize::from(current > 0 && more > 0);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        let lent = std::mem::take(&mut self.memory_lent);
        self.memory_left += lent;
        self.grown = self.grown.saturating_sub(usize::from(lent > 0));
        self.short |= lent > 0;
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        if more > self.elements_left || maximum.is_some_and(|maximum| desired > maximum) {
            self.elements_lent = 0;
            return Ok(false);
        }
        self.elements_left -= more;
        self.elements_lent = more;
        Ok(true)
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.elements_left += std::mem::take(&mut self.elements_lent);
        Ok(())
    }

    fn instances(&self) -> usize {
        self.instances
    }

    fn tables(&self) -> usize {
        self.tables
    }

    fn memories(&self) -> usize {
        self.memories
    }
}

/// CPU time of one call, over however many threads and turns it is spread.
///
/// Counting ticks would charge a guest for the turns of others: after a yield the deadline has
/// passed already. The thread's CPU clock charges it for what it used.
#[derive(Default)]
struct Meter {
    before_this_turn: AtomicU64,
    turn_began: AtomicU64,
}

impl Meter {
    /// CPU time so far, the current turn included. Called on the thread of that turn.
    fn spent(&self) -> Duration {
        let turn = thread_cpu_nanos().saturating_sub(self.turn_began.load(Ordering::Relaxed));
        Duration::from_nanos(self.before_this_turn.load(Ordering::Relaxed) + turn)
    }
}

/// Tells the meter when a turn begins and ends.
struct Metered<F> {
    meter: Arc<Meter>,
    inner: F,
}

impl<F: Future + Unpin> Future for Metered<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.meter
            .turn_began
            .store(thread_cpu_nanos(), Ordering::Relaxed);
        let polled = Pin::new(&mut self.inner).poll(cx);
        if polled.is_pending() {
            let spent = self.meter.spent().as_nanos();
            let spent = u64::try_from(spent).unwrap_or(u64::MAX);
            self.meter.before_this_turn.store(spent, Ordering::Relaxed);
        }
        polled
    }
}

fn thread_cpu_nanos() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// Why the host ended a guest.
#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error("the step used up its CPU time")]
    Cpu,
    #[error("the step called the host too often")]
    HostCalls,
    #[error("a step of a {0} was asked of a {1}")]
    OtherWorld(&'static str, &'static str),
}

fn read_fault(error: &wasmtime::Error, guest: &Guest, class: &ClassLimits) -> Fault {
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return match stop {
            Stop::Cpu => Fault::new(
                FaultKind::Cpu,
                format!("the step used up its {} ms of CPU time", class.cpu_ms),
            ),
            Stop::HostCalls => Fault::new(FaultKind::TooLarge, stop.to_string()),
            Stop::OtherWorld(..) => Fault::new(FaultKind::Misuse, stop.to_string()),
        };
    }
    if error.is::<PoolConcurrencyLimitError>() || is_the_systems(error) {
        return Fault::new(FaultKind::Busy, format!("{error:#}"));
    }
    let cause = error.root_cause().to_string();
    let kind = match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => FaultKind::Stack,
        _ if guest.room.denied => FaultKind::Memory,
        _ if guest.room.short => FaultKind::Busy,
        Some(_) => FaultKind::Trap,
        // The engine's error type for this one is private; a test holds its words.
        None if cause.starts_with("too much data is being copied") => FaultKind::TooLarge,
        None => FaultKind::Contract,
    };
    match kind {
        FaultKind::Memory => Fault::new(
            kind,
            format!(
                "more than {} bytes of memory were asked for (`memory_bytes`): {cause}",
                class.memory_bytes
            ),
        ),
        _ => Fault::new(kind, cause),
    }
}

/// Whether it was the system that gave no memory, no mapping or no descriptor. A guest makes no calls to
/// the system, and what it may not have was denied before any was asked for it.
pub(crate) fn is_the_systems(error: &wasmtime::Error) -> bool {
    error.chain().any(|cause| {
        cause.is::<rustix::io::Errno>()
            || cause.is::<std::io::Error>()
            || cause.is::<wasmtime::OutOfMemory>()
    })
}

pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without words")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In the forms in which the engine tells of it, under words of its own.
    #[test]
    fn what_the_system_did_not_give_is_told_from_what_a_guest_did() {
        use rustix::io::Errno;
        for error in [
            wasmtime::Error::new(Errno::NOMEM).context("mmap failed to reserve 0x1000 bytes"),
            wasmtime::Error::new(std::io::Error::from(Errno::MFILE)),
            wasmtime::Error::new(wasmtime::OutOfMemory::new(4_096)).context("no table"),
        ] {
            assert!(is_the_systems(&error), "{error:#}");
        }
        for error in [
            wasmtime::Error::new(Trap::StackOverflow).context("wasm trap"),
            wasmtime::Error::new(Stop::Cpu),
            wasmtime::Error::msg("memory minimum size of 65536 pages exceeds memory limits"),
        ] {
            assert!(!is_the_systems(&error), "{error:#}");
        }
    }
}
