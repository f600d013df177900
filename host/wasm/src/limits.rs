//! Every number that bounds a plugin, each with its reason, in one struct the operator may set.
//!
//! Owns: the numbers and how far each may be moved. Knows nothing of how they are enforced
//! (`engine`, `step`, `admission`, `worker`; the length of a conversation in the gateway).

use std::ops::RangeInclusive;
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

    /// Calls of a plugin in one conversation; the last must be a verdict. A token, the message, the
    /// message again with a fresh token, and the verdict on it.
    pub steps: u32,
    /// Requests of one conversation: one less than the steps, for nobody would be there to read the
    /// reply to one more.
    pub requests: u32,

    /// Bytes of opaque state a plugin may carry to its next step: an id of the provider's and where it was.
    pub state_bytes: usize,
    /// Bytes of all text in a request: literals, header names, target, origin. Providers' requests
    /// are a few KiB.
    pub request_bytes: usize,
    /// Operations in the program of a request.
    pub operations: usize,
    /// Headers, `keep` rules and `extra` pairs of a request or a verdict, and problems of a `check`,
    /// each. Of headers and `keep` rules the edge lets out fewer.
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
            steps: 4,
            requests: 3,
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

    /// What is wrong with these numbers: the name of each, and a sentence. A number is refused where
    /// another bound would come first and it would change nothing, and where nothing would work.
    pub fn problems(&self) -> Vec<(String, String)> {
        let written = serde_json::to_value(self).expect("numbers in tables are JSON");
        let mut found = Vec::new();
        for (name, range, reason) in bounds() {
            let value = written
                .pointer(&format!("/{}", name.replace('.', "/")))
                .and_then(serde_json::Value::as_u64)
                .expect("a test finds every name of the tables among the numbers");
            if !range.contains(&value) {
                let (first, last) = (range.start(), range.end());
                let words =
                    format!("{value}: expected a whole number from {first} to {last} ({reason})");
                found.push((name, words));
            }
        }
        let mut refuse = |wrong: bool, name: &str, words: &str| {
            // A number that is out of its own range is told once.
            if wrong && found.iter().all(|(told, _)| told != name) {
                found.push((name.to_owned(), words.to_owned()));
            }
        };
        for (name, class) in [
            ("native", &self.native),
            ("language_runtime", &self.language_runtime),
        ] {
            refuse(
                class.wall_ms < class.cpu_ms,
                &format!("{name}.wall_ms"),
                "shorter than `cpu_ms`: expected at least as many, or the CPU time could never be used up",
            );
            refuse(
                class.cpu_ms < self.tick_ms,
                &format!("{name}.cpu_ms"),
                "shorter than `tick_ms`: expected at least as many, for it is looked at once in a tick",
            );
        }
        refuse(
            self.host_call_bytes <= self.request_bytes.saturating_add(self.state_bytes),
            "host_call_bytes",
            "no more than `request_bytes` and `state_bytes` together: expected more, for an answer of full size has both",
        );
        refuse(
            self.log_lines == 0 && self.log_bytes > 0,
            "log_lines",
            "none, but `log_bytes`: expected some, or no `log_bytes` either, for without lines no text is kept",
        );
        refuse(
            self.log_bytes == 0 && self.log_lines > 0,
            "log_bytes",
            "none, but `log_lines`: expected some, or no `log_lines` either, for without bytes no line is kept",
        );
        refuse(
            u64::try_from(self.log_lines).unwrap_or(u64::MAX) > u64::from(self.host_calls),
            "log_lines",
            "more than `host_calls`: expected at most as many, for each line takes one",
        );
        refuse(
            self.requests >= self.steps,
            "requests",
            "as many as `steps` or more: expected fewer, for the last step is a verdict",
        );
        refuse(
            u64::try_from(self.calls_per_plugin).unwrap_or(u64::MAX)
                > u64::from(self.pool_memories),
            "calls_per_plugin",
            "more than `pool_memories`: expected at most as many, for each call takes one",
        );
        refuse(
            self.kept_resident_bytes > self.largest_memory(),
            "kept_resident_bytes",
            "more than `memory_bytes` of any class: expected at most as many, for no memory has more",
        );
        refuse(
            self.manifest_bytes > self.component_bytes,
            "manifest_bytes",
            "more than `component_bytes`: expected at most as many, for the manifest is a part of the file",
        );
        found
    }

    /// Bytes that a memory of any plugin may have.
    pub(crate) fn largest_memory(&self) -> usize {
        let (native, language) = (&self.native, &self.language_runtime);
        native.memory_bytes.max(language.memory_bytes)
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

/// A number by its name, what it may be, and why no more or no less.
type Bound = (&'static str, RangeInclusive<u64>, &'static str);

#[rustfmt::skip]
const BOUNDS: &[Bound] = &[
    ("wasm_stack_bytes", 64 << 10..=8 << 20, "every call under way has one"),
    ("host_call_bytes", 64 << 10..=2 << 20, "what a worker answers in one piece is at most 4 MiB"),
    ("host_calls", 1..=1_000_000, "each takes the host some time"),
    ("handles", 16..=100_000, "each takes the host some memory"),
    ("log_bytes", 0..=256 << 10, "a log is no place for replies"),
    ("log_lines", 0..=10_000, "a log is no place for replies"),
    ("steps", 4..=8, "a token that expired takes four, and a person waits, 20 seconds at most"),
    ("requests", 3..=7, "a token that expired takes three, and a person waits, 20 seconds at most"),
    ("state_bytes", 1 << 10..=64 << 10, "the interface promises no more"),
    ("request_bytes", 1 << 10..=64 << 10, "no larger request is sent"),
    ("operations", 16..=256, "no longer program is evaluated"),
    ("list_items", 8..=1_000, "each is looked at several times"),
    ("verdict_bytes", 1 << 10..=64 << 10, "512 bytes of a sentence are kept"),
    ("queries", 1..=32, "each is a round trip to a user store"),
    ("component_bytes", 64 << 10..=128 << 20, "what compiles to more than 256 MiB is not kept"),
    ("manifest_bytes", 4 << 10..=8 << 20, "it is held in memory as long as the plugin"),
    ("vectors", 1..=10_000, "all run before a plugin serves"),
    ("sections", 100..=1_000_000, "each costs a parser some time"),
    ("compile_seconds", 1..=600, "the next file waits for it"),
    ("compile_bytes", 256 << 20..=64 << 30, "less does not hold the compiler itself"),
    ("cache_bytes", 64 << 20..=1 << 40, "less does not hold one language runtime"),
    ("calls_per_plugin", 1..=10_000, "each takes a memory of the pool"),
    ("calls_waiting", 0..=100_000, "each holds what it will ask"),
    ("wait_ms", 1..=20_000, "a person waits, 20 seconds at most"),
    ("pool_memories", 64..=16_384, "fewer do not hold the largest plugin, and each reserves 4 GiB of the 128 TiB of addresses"),
    ("kept_resident_bytes", 0..=128 << 20, "every idle slot keeps them"),
    ("tick_ms", 1..=100, "a guest keeps a thread as long"),
];

/// Of each class. The smallest pool has four tables and eight instances for each of its memories.
#[rustfmt::skip]
const CLASS_BOUNDS: &[Bound] = &[
    ("cpu_ms", 1..=10_000, "a person waits, 20 seconds at most"),
    ("wall_ms", 1..=20_000, "a person waits, 20 seconds at most"),
    ("memory_bytes", 1 << 20..=1 << 30, "the worker has 4 GiB for all"),
    ("memories", 1..=64, "the smallest pool has no more"),
    ("tables", 1..=256, "the smallest pool has no more"),
    ("table_elements", 100..=10_000_000, "each is a pointer of the host's"),
    ("instances", 1..=512, "the smallest pool has no more"),
];

/// The bounds of all numbers, each by the name an operator writes.
fn bounds() -> impl Iterator<Item = (String, RangeInclusive<u64>, &'static str)> {
    [
        ("", BOUNDS),
        ("native.", CLASS_BOUNDS),
        ("language_runtime.", CLASS_BOUNDS),
    ]
    .into_iter()
    .flat_map(|(class, table)| {
        table
            .iter()
            .map(move |(name, range, reason)| (format!("{class}{name}"), range.clone(), *reason))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The defaults with the numbers of these names set, by the names an operator writes.
    fn with(numbers: &[(&str, u64)]) -> Limits {
        let mut limits = serde_json::to_value(Limits::default()).unwrap();
        for (name, value) in numbers {
            let pointer = format!("/{}", name.replace('.', "/"));
            *limits.pointer_mut(&pointer).unwrap() = (*value).into();
        }
        serde_json::from_value(limits).unwrap()
    }

    fn refused(name: &str, value: u64) -> bool {
        let problems = with(&[(name, value)]).problems();
        // Another number may be at odds with this one; what counts is the sentence on its own range.
        problems
            .iter()
            .any(|(at, words)| at == name && words.contains("expected a whole number"))
    }

    #[test]
    fn the_defaults_are_in_order() {
        let problems = Limits::default().problems();
        assert!(problems.is_empty(), "{problems:?}");
    }

    #[test]
    fn every_number_has_a_bound() {
        let written = serde_json::to_value(Limits::default()).unwrap();
        let mut numbers = Vec::new();
        for (name, value) in written.as_object().unwrap() {
            match value.as_object() {
                Some(class) => numbers.extend(class.keys().map(|of| format!("{name}.{of}"))),
                None => numbers.push(name.clone()),
            }
        }
        let mut bounded: Vec<String> = bounds().map(|(name, ..)| name).collect();
        numbers.sort();
        bounded.sort();
        assert_eq!(bounded, numbers);
    }

    #[test]
    fn every_number_may_be_moved_within_its_range_and_not_beyond() {
        for (name, range, _) in bounds() {
            let (first, last) = (*range.start(), *range.end());
            // What does not fit the type of the number is refused where it is read.
            assert!(!refused(&name, first), "{name} = {first}");
            assert!(!refused(&name, last), "{name} = {last}");
            assert!(refused(&name, last + 1), "{name} = {}", last + 1);
            if let Some(less) = first.checked_sub(1) {
                assert!(refused(&name, less), "{name} = {less}");
            }
        }
    }

    /// Numbers, and what is told of them: at which, and how it begins.
    type Case<'a> = (&'a [(&'a str, u64)], &'a str, &'a str);

    /// Each case is one step beyond its neighbour in the test below.
    const AT_ODDS: &[Case<'_>] = &[
        (
            &[("native.cpu_ms", 2_001)],
            "native.wall_ms",
            "shorter than `cpu_ms`",
        ),
        (
            &[("language_runtime.wall_ms", 499)],
            "language_runtime.wall_ms",
            "shorter than `cpu_ms`",
        ),
        (
            &[("native.cpu_ms", 4)],
            "native.cpu_ms",
            "shorter than `tick_ms`",
        ),
        (
            &[("tick_ms", 51)],
            "native.cpu_ms",
            "shorter than `tick_ms`",
        ),
        (
            &[("host_call_bytes", 128 << 10)],
            "host_call_bytes",
            "no more than `request_bytes` and `state_bytes`",
        ),
        (&[("log_lines", 0)], "log_lines", "none, but `log_bytes`"),
        (&[("log_bytes", 0)], "log_bytes", "none, but `log_lines`"),
        (&[("host_calls", 63)], "log_lines", "more than `host_calls`"),
        (&[("requests", 4)], "requests", "as many as `steps`"),
        (
            &[("calls_per_plugin", 257)],
            "calls_per_plugin",
            "more than `pool_memories`",
        ),
        (
            &[
                ("language_runtime.memory_bytes", 16 << 20),
                ("kept_resident_bytes", (16 << 20) + 1),
            ],
            "kept_resident_bytes",
            "more than `memory_bytes`",
        ),
        (
            &[("component_bytes", 512 << 10)],
            "manifest_bytes",
            "more than `component_bytes`",
        ),
    ];

    #[test]
    fn numbers_that_would_make_each_other_useless_are_refused() {
        for (numbers, at, says) in AT_ODDS {
            let problems = with(numbers).problems();
            assert_eq!(problems.len(), 1, "{numbers:?}: {problems:?}");
            let (found, words) = &problems[0];
            assert_eq!(found, at, "{numbers:?}");
            assert!(words.starts_with(says), "{words}");
            assert!(words.contains(": expected "), "{words}");
        }
    }

    #[test]
    fn the_last_numbers_that_leave_each_other_room_are_in_order() {
        let in_order: &[&[(&str, u64)]] = &[
            &[("native.cpu_ms", 2_000)],
            &[("native.cpu_ms", 5)],
            &[("tick_ms", 50)],
            &[("host_call_bytes", (128 << 10) + 1)],
            &[
                ("host_call_bytes", 64 << 10),
                ("state_bytes", 1 << 10),
                ("request_bytes", 62 << 10),
            ],
            &[("log_lines", 0), ("log_bytes", 0)],
            &[("log_lines", 1), ("log_bytes", 1)],
            &[("host_calls", 64)],
            &[("steps", 5)],
            &[("calls_per_plugin", 256)],
            &[
                ("language_runtime.memory_bytes", 16 << 20),
                ("kept_resident_bytes", 16 << 20),
            ],
            &[("component_bytes", 1 << 20)],
        ];
        for numbers in in_order {
            let problems = with(numbers).problems();
            assert!(problems.is_empty(), "{numbers:?}: {problems:?}");
        }
    }

    #[test]
    fn a_number_out_of_its_range_is_told_once() {
        let problems = with(&[("native.cpu_ms", 0)]).problems();
        assert_eq!(problems.len(), 1, "{problems:?}");
    }
}
