//! Every number that bounds a plugin, each with its reason, in one struct the operator may set.
//!
//! Owns: the numbers. Knows nothing of how they are enforced (`engine`, `step`, `admission`,
//! `worker`).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::manifest::RuntimeClass;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// What bounds plugins. Fields left out keep their defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Plugins compiled from languages without a runtime of their own: Rust, C, Zig.
    pub native: ClassLimits,
    /// Plugins that carry an interpreter: JavaScript, Python.
    pub language_runtime: ClassLimits,

    /// Bytes of wasm stack of one instance. A provider's step nests a few dozen calls; 512 KiB is
    /// the engine's own default and lets interpreters recurse through a JSON document.
    pub wasm_stack_bytes: usize,
    /// Bytes a guest may hand to the host in one call, counted while they are lifted. The largest
    /// honest answer is a request with its state: well under 1 MiB.
    pub host_call_bytes: usize,
    /// Calls of a guest to the host in one step. An honest step logs a handful of lines.
    pub host_calls: u32,
    /// Component handles alive at once. Our worlds have no resources; adapters of other languages
    /// make a few for themselves.
    pub handles: usize,
    /// Bytes of log text kept of one step; the rest is dropped and counted. Enough for some lines that say
    /// what a provider answered, and not for a reply.
    pub log_bytes: usize,
    /// Log lines kept of one step, so that a flood of empty lines is bounded as well.
    pub log_lines: usize,

    /// Bytes of opaque state a plugin may carry to its next step: an id of the provider's and where it was.
    pub state_bytes: usize,
    /// Bytes of all text in a request: literals, header names, target, origin. Providers' requests
    /// are a few KiB.
    pub request_bytes: usize,
    /// Operations in the program of a request.
    pub operations: usize,
    /// Headers, `keep` rules and `extra` pairs of a request or a verdict, each.
    pub list_items: usize,
    /// Bytes of text in a verdict, a resolution or the problems of a `check`: sentences for a log and a page.
    pub verdict_bytes: usize,
    /// Questions a resolver may ask the directory in one step. Each is a round trip to a user store.
    pub queries: usize,

    /// Bytes of a component file. The largest runtime measured (Python) makes 18 MiB.
    pub component_bytes: usize,
    /// Bytes of the manifest section, the self-test vectors included, which are most of it.
    pub manifest_bytes: usize,
    /// Rows of the self-test. They run at every admission, one step each.
    pub vectors: usize,
    /// Sections of a component, all layers together. A file of many tiny sections costs a parser
    /// far more than its size says.
    pub sections: usize,
    /// Seconds a compilation may take. A JavaScript engine takes 15 on two cores.
    pub compile_seconds: u32,
    /// Bytes of address space of the compiling process. Python peaks at 330 MiB.
    pub compile_bytes: u64,
    /// Bytes of compiled code the cache may hold before the least recently used are dropped. Native plugins
    /// make a fraction of a MiB each, a language runtime tens.
    pub cache_bytes: u64,

    /// Calls of one plugin in flight, so that one cannot eat the pool. Steps last microseconds.
    pub calls_per_plugin: usize,
    /// Calls of one plugin that may wait for their turn; the next is told the host is busy, so that a
    /// plugin that hangs holds no memory of all who come after.
    pub calls_waiting: usize,
    /// Milliseconds a call may wait for its turn: a person waits behind it.
    pub wait_ms: u32,
    /// Linear memories alive at once in the pool, of all plugins. Each reserves 4 GiB of address
    /// space (not of memory): 256 take 1 TiB of the 128 that a process has.
    pub pool_memories: u32,
    /// Bytes of a memory that stay resident in an idle slot: a fresh instance then costs one
    /// system call and no page fault.
    pub kept_resident_bytes: usize,
    /// Milliseconds between two looks at the CPU budget. It is also how long a guest may keep a
    /// thread before others get their turn.
    pub tick_ms: u32,
}

/// What bounds one class of plugins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassLimits {
    /// Milliseconds of CPU time a step may use.
    pub cpu_ms: u32,
    /// Milliseconds a step may last, waiting for a thread included. It only strikes when the host
    /// is overloaded: a step waits for nothing else.
    pub wall_ms: u32,
    /// Bytes of all linear memories of an instance together.
    pub memory_bytes: usize,
    /// Linear memories of an instance.
    pub memories: usize,
    /// Tables of an instance.
    pub tables: usize,
    /// Elements of all tables of an instance together.
    pub table_elements: usize,
    /// Core instances inside a component.
    pub instances: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            native: ClassLimits {
                // An ordinary step takes 10 microseconds: 50 ms is room for five thousand of them.
                cpu_ms: 50,
                wall_ms: 2_000,
                // Rust starts with 1 to 2 MiB; a reply of 256 KiB is parsed in a few more.
                memory_bytes: 16 * MIB,
                // One of the program, one of an adapter, and room for tools that add their own.
                memories: 4,
                tables: 20,
                table_elements: 20_000,
                instances: 32,
            },
            language_runtime: ClassLimits {
                // QuickJS takes 0.3 ms, Python 3 ms, on a slow machine ten times that.
                cpu_ms: 500,
                wall_ms: 5_000,
                memory_bytes: 128 * MIB,
                // QuickJS components hold several.
                memories: 8,
                tables: 64,
                table_elements: 100_000,
                instances: 64,
            },
            wasm_stack_bytes: 512 * KIB,
            host_call_bytes: MIB,
            host_calls: 10_000,
            handles: 1_000,
            log_bytes: 8 * KIB,
            log_lines: 64,
            state_bytes: 64 * KIB,
            request_bytes: 64 * KIB,
            operations: 256,
            list_items: 100,
            verdict_bytes: 16 * KIB,
            queries: 32,
            component_bytes: 32 * MIB,
            manifest_bytes: MIB,
            vectors: 256,
            sections: 20_000,
            compile_seconds: 60,
            compile_bytes: 1 << 30,
            cache_bytes: 1 << 30,
            calls_per_plugin: 32,
            calls_waiting: 1_024,
            wait_ms: 1_000,
            pool_memories: 256,
            kept_resident_bytes: 2 * MIB,
            tick_ms: 5,
        }
    }
}

impl Limits {
    /// The numbers of a class.
    pub fn class(&self, class: RuntimeClass) -> &ClassLimits {
        match class {
            RuntimeClass::Native => &self.native,
            RuntimeClass::Language => &self.language_runtime,
        }
    }

    /// How long a call may wait for its turn.
    pub(crate) fn wait(&self) -> Duration {
        Duration::from_millis(self.wait_ms.into())
    }

    /// The time between two looks at the CPU budget; never zero, or the ticker would spin.
    pub(crate) fn tick(&self) -> Duration {
        Duration::from_millis(self.tick_ms.max(1).into())
    }

    /// How long compiling may take.
    pub(crate) fn compile_time(&self) -> Duration {
        Duration::from_secs(self.compile_seconds.max(1).into())
    }
}

impl ClassLimits {
    /// CPU time of a step.
    pub(crate) fn cpu(&self) -> Duration {
        Duration::from_millis(self.cpu_ms.into())
    }

    /// Wall-clock time of a step.
    pub(crate) fn wall(&self) -> Duration {
        Duration::from_millis(self.wall_ms.into())
    }
}
