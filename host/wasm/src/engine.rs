//! The wasm engine: its switches, its pool, and the components loaded into it.
//!
//! Owns: wasmtime's configuration, the only `unsafe` of the crate (loading our own compiled code),
//! and the order in which calls get memories of the pool. Knows nothing of files or processes.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, RwLock};

use rustix::process::{Resource, getrlimit};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig, Strategy};

use crate::bindings::log;
use crate::bindings::sms_provider::SmsProviderPre;
use crate::bindings::user_resolver::UserResolverPre;
use crate::error::{Fault, FaultKind, Refusal, Stage, StartError};
use crate::limits::{ClassLimits, Limits};
use crate::manifest::Kind;
use crate::step::{self, Guest, Linked, panic_text};
use crate::ticker::Ticker;
use crate::wire::{Answer, CallRef, Outcome, Shape};

/// How much address space a process has for memories. Code is compiled for one or the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Space {
    /// Each memory gets 4 GiB of addresses: 32 bits reach nothing outside, and code that reads or
    /// writes need not ask.
    Ample,
    /// `ulimit -v` allows less than that for a whole pool: a memory gets the addresses of its bytes,
    /// and code asks before it reads or writes.
    Tight,
}

impl Space {
    /// What this process has. Asked before its walls stand: what the compiler's allow says nothing
    /// about where the code will run.
    pub(crate) fn here(limits: &Limits) -> Self {
        // 4 GiB and the guards around them, and room for everything else.
        const OF_A_MEMORY: u64 = 5 << 30;
        let wanted = u64::from(limits.pool_memories) * OF_A_MEMORY;
        match getrlimit(Resource::As).current {
            Some(allowed) if allowed < wanted => Self::Tight,
            _ => Self::Ample,
        }
    }
}

/// How calls share the memories of the pool.
#[derive(Debug, Clone, Copy)]
struct Share {
    /// All memories of it.
    all: u32,
    /// Where addresses are few: how many of them each memory of the pool stands for. A call then takes as
    /// many memories as its addresses are worth.
    addresses: Option<u64>,
}

impl Share {
    fn here(limits: &Limits, space: Space) -> Self {
        let all = limits.pool_memories.max(1);
        let addresses = (space == Space::Tight).then(|| {
            let allowed = getrlimit(Resource::As).current.unwrap_or(u64::MAX);
            let left = allowed.saturating_sub(addresses_taken().unwrap_or(allowed / 2));
            // The other half is for the code of plugins, threads, tables and what is passed.
            (left / 2 / u64::from(all)).max(1)
        });
        Share { all, addresses }
    }

    /// What a call takes that may have so many memories of that class. Never more than there are: one call
    /// runs wherever none else does.
    fn of_call(self, limits: &Limits, class: &ClassLimits, memories: u32) -> u32 {
        let worth = self.addresses.map_or(0, |of_one| {
            let all = addresses_of_call(limits, class, memories);
            u32::try_from(all.div_ceil(of_one)).unwrap_or(u32::MAX)
        });
        memories.max(worth).min(self.all)
    }

    /// What all calls of a plugin take at most. Where a few of them would take all there is, they leave
    /// room for one of another plugin.
    fn of_plugin(self, limits: &Limits, call: u32) -> u32 {
        if self.addresses.is_none() {
            return self.all;
        }
        let of_another =
            [&limits.native, &limits.language_runtime].map(|class| self.of_call(limits, class, 1));
        let [native, language] = of_another;
        self.all.saturating_sub(native.max(language)).max(call)
    }
}

/// Addresses that a call takes at most where its memories get no more than they need.
fn addresses_of_call(limits: &Limits, class: &ClassLimits, memories: u32) -> u64 {
    let beside = u64::from(memories) * (GROWTH_BYTES + 2 * GUARD_BYTES);
    // While a memory moves to where it can grow, it is there twice.
    let of_memories = 2
        * (class.memory_bytes as u64)
            .saturating_add(beside)
            .min(1 << 48);
    of_memories + stack_bytes(limits) as u64
}

/// Addresses that this process has taken already.
fn addresses_taken() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let size = status
        .lines()
        .find_map(|line| line.strip_prefix("VmSize:"))?;
    let kib: u64 = size.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib << 10)
}

/// Components loaded and ready, and the pool they run in.
pub(crate) struct Engine {
    engine: wasmtime::Engine,
    limits: Limits,
    linker: Linker<Guest>,
    /// Memories of the pool that are free. A full pool is an error to wasmtime; here it is a wait.
    memories: Semaphore,
    share: Share,
    plugins: RwLock<HashMap<u32, Arc<Plugin>>>,
    pooled: bool,
    /// Dropped last: its thread then finds no engine.
    ticker: Ticker,
}

struct Plugin {
    linked: Linked,
    class: ClassLimits,
    /// What a call takes of all memories.
    takes: u32,
    /// What is free of what its calls may take together.
    own: Semaphore,
}

impl Engine {
    /// An engine that runs guests, with its pool where the address space allows one.
    ///
    /// # Errors
    /// If wasmtime refuses the limits or the machine.
    pub(crate) fn new(limits: &Limits) -> Result<Self, StartError> {
        let refused = |error: wasmtime::Error| StartError::Engine(format!("{error:#}"));
        let space = Space::here(limits);
        // Where the address space is limited there is no pool, and in some containers its reservation
        // fails. Instances then cost three times as much, and work.
        let with_pool = match space {
            Space::Ample => {
                let mut pooling = config(limits, space);
                pooling.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(limits)));
                wasmtime::Engine::new(&pooling).ok()
            }
            Space::Tight => None,
        };
        let pooled = with_pool.is_some();
        let engine = match with_pool {
            Some(engine) => engine,
            None => wasmtime::Engine::new(&config(limits, space)).map_err(refused)?,
        };
        let mut linker = Linker::new(&engine);
        log::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest).map_err(refused)?;
        let share = Share::here(limits, space);
        Ok(Engine {
            engine,
            linker,
            memories: semaphore(share.all),
            share,
            ticker: Ticker::default(),
            plugins: RwLock::default(),
            limits: limits.clone(),
            pooled,
        })
    }

    /// Starts the thread that looks at CPU budgets. Apart from `new`, so that a worker can put up
    /// its walls before it has a second thread.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(crate) fn start_ticker(&self) -> Result<(), StartError> {
        self.ticker.start(self.engine.weak(), self.limits.tick())
    }

    /// Whether instances come from the pool, for the log.
    pub(crate) fn is_pooled(&self) -> bool {
        self.pooled
    }

    /// Names the compiled code this engine takes: version, target and every switch that matters.
    pub(crate) fn code_key(&self) -> String {
        code_key(&self.engine)
    }

    /// Loads compiled code as plugin number `plugin`: links it, and really instantiates it, for a
    /// record of another version passes the linker and fails only here.
    ///
    /// # Errors
    /// `Stage::Link` if it does not fit the limits or the interface, or does not start.
    pub(crate) async fn load(&self, plugin: u32, shape: Shape, code: &[u8]) -> Result<(), Refusal> {
        // The code is our own compiler's, so what is wrong with it is what it asks of the pool.
        let component = deserialize(&self.engine, code).map_err(|error| {
            if step::is_the_systems(&error) {
                let reason = format!("there is no room for its code: {error:#}");
                return Refusal::new(Stage::Host, reason);
            }
            Refusal::new(
                Stage::Link,
                format!("the component needs more than the limits allow: {error:#}"),
            )
        })?;
        let class = self.limits.class(shape.class).clone();
        let memories = count_memories(&component, &class)?;
        let takes = self.share.of_call(&self.limits, &class, memories);
        let loaded = Arc::new(Plugin {
            linked: self.link(&component, shape.kind)?,
            class,
            takes,
            own: semaphore(self.share.of_plugin(&self.limits, takes)),
        });
        let outcome = self.run(&loaded, &CallRef::Instantiate).await;
        match outcome.result {
            Ok(Answer::Instantiated) => {}
            Ok(_) => {
                return Err(Refusal::new(
                    Stage::Host,
                    "an instantiation gave another answer",
                ));
            }
            Err(fault) if fault.blame() == crate::error::Blame::Host => {
                return Err(Refusal::new(Stage::Host, fault.to_string()));
            }
            Err(fault) => {
                return Err(Refusal::new(
                    Stage::Link,
                    format!("the component cannot be instantiated: {}", fault.detail),
                ));
            }
        }
        self.write().insert(plugin, loaded);
        Ok(())
    }

    /// Forgets a plugin. Calls in flight finish on what they hold.
    pub(crate) fn unload(&self, plugin: u32) {
        self.write().remove(&plugin);
    }

    /// Runs one call in a fresh instance of the plugin.
    pub(crate) async fn call(&self, plugin: u32, call: &CallRef<'_>) -> Outcome {
        let found = self
            .plugins
            .read()
            .unwrap_or_else(|e| e.into_inner())
            .get(&plugin)
            .cloned();
        match found {
            Some(plugin) => self.run(&plugin, call).await,
            None => Outcome::failed(Fault::new(FaultKind::Misuse, "this plugin is not loaded")),
        }
    }

    async fn run(&self, plugin: &Plugin, call: &CallRef<'_>) -> Outcome {
        let turn = tokio::time::timeout(self.limits.wait(), async {
            let own = plugin.own.acquire_many(plugin.takes).await.ok()?;
            let of_all = self.memories.acquire_many(plugin.takes).await.ok()?;
            Some((own, of_all))
        });
        // Uncontended semaphores are ready at once: the timer is never armed then.
        let Ok(Some(_turn)) = turn.await else {
            return Outcome::failed(Fault::new(
                FaultKind::Busy,
                format!(
                    "no memory of the pool came free within {} ms",
                    self.limits.wait_ms
                ),
            ));
        };
        let _running = self.ticker.running();
        step::run(
            &self.engine,
            &plugin.linked,
            &self.limits,
            &plugin.class,
            call,
        )
        .await
    }

    fn link(&self, component: &Component, kind: Kind) -> Result<Linked, Refusal> {
        let refuse = |error: wasmtime::Error| {
            Refusal::new(
                Stage::Link,
                format!(
                    "the component does not fit the world `{}`: {error:#}",
                    kind.as_str()
                ),
            )
        };
        let pre = self.linker.instantiate_pre(component).map_err(refuse)?;
        match kind {
            Kind::SmsProvider => SmsProviderPre::new(pre)
                .map(Linked::Provider)
                .map_err(refuse),
            Kind::UserResolver => UserResolverPre::new(pre)
                .map(Linked::Resolver)
                .map_err(refuse),
        }
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, HashMap<u32, Arc<Plugin>>> {
        // The map is whole between any two of its operations, whoever panicked.
        self.plugins.write().unwrap_or_else(|e| e.into_inner())
    }
}

/// Compiles a component to code that [`Engine::load`] of the same limits and space takes.
///
/// Slow (seconds) and hungry for large components, and it may panic inside on hostile bytes, which
/// is caught: run it off the request path, best in a process of its own.
///
/// # Errors
/// What is wrong with the component, in one line.
pub(crate) fn compile(wasm: &[u8], limits: &Limits, space: Space) -> Result<Vec<u8>, Refusal> {
    catch_unwind(AssertUnwindSafe(|| {
        let engine = wasmtime::Engine::new(&config(limits, space)).map_err(|error| {
            Refusal::new(Stage::Host, format!("no compiler could be made: {error:#}"))
        })?;
        engine.precompile_component(wasm).map_err(|error| {
            Refusal::new(
                Stage::Compile,
                format!("the component is not valid: {error:#}"),
            )
        })
    }))
    .unwrap_or_else(|panic| {
        Err(Refusal::new(
            Stage::Compile,
            format!("the compiler gave up on it: {}", panic_text(panic.as_ref())),
        ))
    })
}

fn semaphore(permits: u32) -> Semaphore {
    Semaphore::new(permits.try_into().unwrap_or(Semaphore::MAX_PERMITS))
}

/// Addresses around each memory and behind it, where they are few. A memory that outgrows its addresses
/// is copied; page by page that would be all a step does.
const GUARD_BYTES: u64 = 64 << 10;
const GROWTH_BYTES: u64 = 4 << 20;

/// Bytes of the stack of a call: the guest's, and the rest for the host's own frames on it.
fn stack_bytes(limits: &Limits) -> usize {
    limits.wasm_stack_bytes + (512 << 10)
}

/// The switches that compiling and running must share.
fn config(limits: &Limits, space: Space) -> Config {
    let mut config = Config::new();
    config
        // Winch, the other compiler, had a sandbox escape this year and cannot do epochs.
        .strategy(Strategy::Cranelift)
        .epoch_interruption(true)
        // Plugins are synchronous functions: no component-model async, nothing to interleave.
        .concurrency_support(false)
        .memory_init_cow(true)
        .max_wasm_stack(limits.wasm_stack_bytes)
        .async_stack_size(stack_bytes(limits))
        // The same input gives the same request on every machine (P-35).
        .relaxed_simd_deterministic(true)
        .cranelift_nan_canonicalization(true)
        // What no plugin needs stays off, whatever the engine can do: most advisories of the last
        // year are in these. Multi-memory stays on, adapters of other languages need it.
        .wasm_memory64(false)
        .wasm_threads(false)
        .shared_memory(false)
        .wasm_gc(false)
        .wasm_function_references(false)
        .wasm_exceptions(false)
        .wasm_tail_call(false)
        .wasm_stack_switching(false)
        // Nobody reads a guest's backtrace, and its symbol names are the guest's to choose.
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false);
    if space == Space::Tight {
        config
            .memory_reservation(0)
            .memory_reservation_for_growth(GROWTH_BYTES)
            .memory_guard_size(GUARD_BYTES);
    }
    config
}

fn pool(limits: &Limits) -> PoolingAllocationConfig {
    let class = &limits.language_runtime;
    let memories = limits.pool_memories;
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_memories(memories)
        // A call holds at least one memory, so no more than these are ever in use.
        .total_stacks(memories)
        .total_component_instances(memories)
        .total_core_instances(memories.saturating_mul(8))
        .total_tables(memories.saturating_mul(4))
        .max_memory_size(limits.largest_memory())
        .max_memories_per_component(count(class.memories.max(limits.native.memories)))
        .max_tables_per_component(count(class.tables.max(limits.native.tables)))
        .max_core_instances_per_component(count(class.instances.max(limits.native.instances)))
        .table_elements(class.table_elements.max(limits.native.table_elements))
        .max_memories_per_module(count(class.memories.max(limits.native.memories)))
        .max_tables_per_module(count(class.tables.max(limits.native.tables)))
        .max_core_instance_size(4 << 20)
        .max_component_instance_size(4 << 20)
        .linear_memory_keep_resident(limits.kept_resident_bytes)
        .table_keep_resident(64 << 10)
        .async_stack_keep_resident(64 << 10)
        .max_unused_warm_slots(64)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// How many memories of the pool an instance takes; refused if it is more than its class may have.
fn count_memories(component: &Component, class: &ClassLimits) -> Result<u32, Refusal> {
    let refuse = |reason: String| Refusal::new(Stage::Link, reason);
    let needs = component.resources_required().ok_or_else(|| {
        refuse("the component instantiates something it imports: nothing can be imported".into())
    })?;
    let memories = usize::try_from(needs.num_memories).unwrap_or(usize::MAX);
    if memories > class.memories {
        return Err(refuse(format!(
            "the component has {memories} memories: at most {} are allowed (`memories`)",
            class.memories
        )));
    }
    let tables = usize::try_from(needs.num_tables).unwrap_or(usize::MAX);
    if tables > class.tables {
        return Err(refuse(format!(
            "the component has {tables} tables: at most {} are allowed (`tables`)",
            class.tables
        )));
    }
    // A guest without a memory still holds a stack and an instance of the pool.
    Ok(needs.num_memories.max(1))
}

/// The key under which compiled code of this engine may be kept.
fn code_key(engine: &wasmtime::Engine) -> String {
    /// Feeds what is hashed to SHA-256: the standard hasher promises nothing between releases.
    struct Sink(Sha256);
    impl Hasher for Sink {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            0
        }
    }
    let mut sink = Sink(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut sink);
    format!(
        "{}-{}",
        std::env::consts::ARCH,
        &hex::encode(sink.0.finalize())[..32]
    )
}

#[allow(
    unsafe_code,
    reason = "the one place where compiled code becomes executable"
)]
fn deserialize(engine: &wasmtime::Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `deserialize` trusts the bytes to be code that this version of wasmtime compiled.
    // They come from `compile` in a process of ours, through our own pipe, or out of the compile
    // cache, which gives back nothing whose MAC does not prove that `compile` wrote it. Bytes that
    // a user can put anywhere never reach this function: files of compiled code are refused by
    // their magic. The bytes are copied, so nothing can change them afterwards.
    unsafe { Component::deserialize(engine, code) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// P-26
    #[test]
    fn what_is_asynchronous_in_a_component_is_not_compiled() {
        for text in [
            "(component (type (stream u8)))",
            "(component (type (future u8)))",
            "(component (type error-context))",
            "(component (core func (canon task.return)))",
        ] {
            let refusal = compile(
                &wat::parse_str(text).unwrap(),
                &Limits::default(),
                Space::Ample,
            )
            .expect_err(text);
            assert_eq!(refusal.stage, Stage::Compile, "{text}: {refusal}");
        }
        let plain = wat::parse_str("(component)").unwrap();
        assert!(compile(&plain, &Limits::default(), Space::Ample).is_ok());
    }

    #[test]
    fn two_engines_of_the_same_limits_share_their_code() {
        let key = |limits: &Limits| Engine::new(limits).unwrap().code_key();
        let usual = Limits::default();
        assert_eq!(key(&usual), key(&usual));
        assert!(key(&usual).starts_with(std::env::consts::ARCH));
    }

    #[test]
    fn where_addresses_are_few_calls_take_no_more_together_than_there_are() {
        let limits = Limits::default();
        let all = limits.pool_memories;
        let room: u64 = 1 << 30;
        let few = Share {
            all,
            addresses: Some(room / u64::from(all)),
        };
        let none = Share {
            all,
            addresses: Some(1),
        };
        let ample = Share {
            all,
            addresses: None,
        };
        for (class, many) in [(&limits.native, 15), (&limits.language_runtime, 3)] {
            for memories in [1, 4] {
                let takes = few.of_call(&limits, class, memories);
                let at_once = u64::from(all / takes);
                assert!(at_once >= many, "{at_once} at once");
                assert!(at_once * addresses_of_call(&limits, class, memories) <= room);
                assert_eq!(
                    none.of_call(&limits, class, memories),
                    all,
                    "one always runs"
                );
                assert_eq!(ample.of_call(&limits, class, memories), memories);
            }
        }
    }

    /// P-20
    #[test]
    fn where_addresses_are_few_calls_of_one_plugin_leave_room_for_a_call_of_another() {
        let limits = Limits::default();
        for addresses in [64 << 20, 4 << 20, 1 << 20, 1] {
            let share = Share {
                all: limits.pool_memories,
                addresses: Some(addresses),
            };
            let [native, language] = [&limits.native, &limits.language_runtime]
                .map(|class| share.of_call(&limits, class, 1));
            for call in [native, language] {
                let most = share.of_plugin(&limits, call);
                assert!(most >= call, "its own call runs");
                let room = share.all - most;
                assert!(room >= language || most == call, "{addresses}: {room} left");
            }
        }
    }

    /// Code that never asks must not run where memories have no more addresses than bytes.
    #[test]
    fn code_for_much_address_space_is_not_taken_where_there_is_little() {
        let limits = Limits::default();
        let tight = wasmtime::Engine::new(&config(&limits, Space::Tight)).unwrap();
        let ample = wasmtime::Engine::new(&config(&limits, Space::Ample)).unwrap();
        assert_ne!(code_key(&tight), code_key(&ample));
        let plain = wat::parse_str("(component (core module (memory 1)))").unwrap();
        let code = compile(&plain, &limits, Space::Ample).unwrap();
        assert!(deserialize(&ample, &code).is_ok());
        assert!(deserialize(&tight, &code).is_err());
    }
}
