//! The bounds of logins, plugins and requests.

use super::Value::Default;
use super::{Key, Table};

pub(super) const TABLES: &[Table] = &[
    Table {
        path: "limits",
        name: "",
        about: "The bounds of logins. Times are in seconds.",
        keys: &[
            Key::new(
                "attempts_per_challenge",
                Default("5"),
                "guesses at one code, resends included, 1 to 10",
            ),
            Key::new(
                "failures_before_lock",
                Default("10"),
                "wrong codes of an account within `failure_window` that lock its factor",
            ),
            Key::new(
                "failure_window",
                Default("3600"),
                "the time they are counted in",
            ),
            Key::new(
                "lock_first",
                Default("900"),
                "how long the first lock lasts; each further one doubles",
            ),
            Key::new("lock_max", Default("86400"), "and no longer than this"),
            Key::new(
                "failures_in_a_row",
                Default("100"),
                "wrong codes without a right one that disable the factor until it is bound anew",
            ),
            Key::new(
                "backup_tries_when_locked",
                Default("5"),
                "backup codes that may be tried while the factor is locked",
            ),
            Key::new(
                "resend_waits",
                Default("[30, 60, 120]"),
                "the wait before the first, second, ... resend; the last repeats",
            ),
            Key::new(
                "resends_per_challenge",
                Default("3"),
                "how often another code may be asked for, 0 to 10",
            ),
            Key::new(
                "sends_window",
                Default("600"),
                "the time in which messages are counted",
            ),
            Key::new(
                "sends_per_account",
                Default("5"),
                "messages to one account in it",
            ),
            Key::new(
                "sends_per_number",
                Default("5"),
                "messages to one number in it",
            ),
            Key::new(
                "sends_per_address",
                Default("30"),
                "messages that one network address may cause",
            ),
            Key::new("sends_per_address_window", Default("3600"), "in this time"),
            Key::new(
                "sends_per_prefix",
                Default("200"),
                "messages an hour to numbers that share all but their last four digits: more is what earns money with messages does",
            ),
            Key::new(
                "sends_per_day",
                Default("20000"),
                "messages of the whole tenant in a day: what a day may cost before somebody looks at it",
            ),
            Key::new(
                "calls_per_message",
                Default("3"),
                "calls to providers for one message, over all senders",
            ),
            Key::new(
                "tenant_failures_per_hour",
                Default("1000"),
                "wrong codes of all people together before codes are refused",
            ),
            Key::new(
                "login_lifetime",
                Default("900"),
                "how long a login may take",
            ),
            Key::new(
                "session_lifetime",
                Default("28800"),
                "how long somebody stays signed in",
            ),
        ],
    },
    Table {
        path: "limits.request",
        name: "",
        about: "The bounds of a request to a provider. Times are in seconds.",
        keys: &[
            Key::new("connect", Default("3"), "until the connection stands"),
            Key::new(
                "first_byte",
                Default("10"),
                "until the first byte of the reply",
            ),
            Key::new("whole", Default("15"), "for the whole exchange"),
            Key::new(
                "reply_bytes",
                Default("262144"),
                "bytes of a reply, 1024 to this",
            ),
            Key::new("in_flight", Default("512"), "requests at once"),
        ],
    },
    Table {
        path: "limits.conversion",
        name: "",
        about: "Where hardly any code comes back, nobody is there: such numbers get no more messages.",
        keys: &[
            Key::new(
                "sends_min",
                Default("30"),
                "codes to one block of numbers before the share of those that come back counts",
            ),
            Key::new(
                "percent_min",
                Default("10"),
                "of the codes that must come back; 0 switches the limit off",
            ),
            Key::new("window", Default("3600"), "the time they are counted in"),
        ],
    },
    Table {
        path: "limits.breaker",
        name: "",
        about: "When a provider that fails is left alone, so that nobody waits for it. Times are in seconds.",
        keys: &[
            Key::new(
                "failures",
                Default("5"),
                "failures in a row that open the breaker; one good answer starts the count anew",
            ),
            Key::new("window", Default("60"), "how long a failure is remembered"),
            Key::new(
                "open",
                Default("30"),
                "how long the sender is left alone before one message tries it",
            ),
        ],
    },
    Table {
        path: "limits.quarantine",
        name: "",
        about: "When a plugin that faults is taken out of service. Times are in seconds.",
        keys: &[
            Key::new("faults", Default("5"), "faults in a row that take it out"),
            Key::new("window", Default("60"), "how long a fault is remembered"),
            Key::new(
                "faults_when_new",
                Default("2"),
                "faults that are enough right after its activation: what it replaced worked",
            ),
            Key::new("new_for", Default("60"), "how long it counts as new"),
            Key::new(
                "pause_first",
                Default("1"),
                "the first pause, after which its self-test decides; each return doubles it",
            ),
            Key::new("pause_max", Default("300"), "and no longer than this"),
        ],
    },
    Table {
        path: "limits.plugin",
        name: "",
        about: "The bounds of a plugin. Each number has its reason in the source, `host/wasm/src/limits.rs`; one that would have no effect, because another bound comes first, is refused.",
        keys: &[
            Key::new(
                "wasm_stack_bytes",
                Default("524288"),
                "bytes of wasm stack of one instance",
            ),
            Key::new(
                "host_call_bytes",
                Default("1048576"),
                "bytes it may hand to the host in one call",
            ),
            Key::new(
                "host_calls",
                Default("10000"),
                "calls to the host in one step",
            ),
            Key::new(
                "handles",
                Default("1000"),
                "component handles alive at once",
            ),
            Key::new(
                "log_bytes",
                Default("8192"),
                "bytes of log text kept of one step",
            ),
            Key::new("log_lines", Default("64"), "log lines kept of one step"),
            Key::new(
                "steps",
                Default("4"),
                "calls of a plugin in one conversation, the verdict included",
            ),
            Key::new(
                "requests",
                Default("3"),
                "requests of one conversation; fewer than `steps`",
            ),
            Key::new(
                "state_bytes",
                Default("65536"),
                "bytes of state it carries to its next step",
            ),
            Key::new(
                "request_bytes",
                Default("65536"),
                "bytes of all text in a request",
            ),
            Key::new(
                "operations",
                Default("256"),
                "operations in the program of a request",
            ),
            Key::new(
                "list_items",
                Default("100"),
                "headers, `keep` rules, `extra` pairs and problems of a check, each; of a request at most 64 headers and 8 `keep` rules leave",
            ),
            Key::new(
                "verdict_bytes",
                Default("16384"),
                "bytes of text in a verdict",
            ),
            Key::new(
                "queries",
                Default("32"),
                "questions a resolver may ask the directory in one step",
            ),
            Key::new(
                "component_bytes",
                Default("33554432"),
                "bytes of a component file",
            ),
            Key::new(
                "manifest_bytes",
                Default("1048576"),
                "bytes of its manifest, the vectors included",
            ),
            Key::new("vectors", Default("256"), "rows of its self-test"),
            Key::new(
                "sections",
                Default("20000"),
                "sections of a component, all layers together",
            ),
            Key::new(
                "compile_seconds",
                Default("60"),
                "seconds a compilation may take",
            ),
            Key::new(
                "compile_bytes",
                Default("1073741824"),
                "bytes of address space of the compiling process",
            ),
            Key::new(
                "cache_bytes",
                Default("1073741824"),
                "bytes of compiled code the cache holds",
            ),
            Key::new(
                "calls_per_plugin",
                Default("32"),
                "calls of one plugin in flight",
            ),
            Key::new(
                "calls_waiting",
                Default("1024"),
                "calls of one plugin that may wait for their turn",
            ),
            Key::new(
                "wait_ms",
                Default("1000"),
                "milliseconds a call may wait for it",
            ),
            Key::new(
                "pool_memories",
                Default("256"),
                "linear memories alive at once, of all plugins",
            ),
            Key::new(
                "kept_resident_bytes",
                Default("2097152"),
                "bytes of a memory that stay resident in an idle slot",
            ),
            Key::new(
                "tick_ms",
                Default("5"),
                "milliseconds between two looks at the CPU budget",
            ),
        ],
    },
    Table {
        path: "limits.plugin.native",
        name: "",
        about: "A plugin without a runtime of its own: Rust, C, Zig.",
        keys: &[
            Key::new(
                "cpu_ms",
                Default("50"),
                "milliseconds of CPU time of a step",
            ),
            Key::new(
                "wall_ms",
                Default("2000"),
                "milliseconds a step may last, waiting included",
            ),
            Key::new(
                "memory_bytes",
                Default("16777216"),
                "bytes of all its memories together",
            ),
            Key::new("memories", Default("4"), "linear memories"),
            Key::new("tables", Default("20"), "tables"),
            Key::new(
                "table_elements",
                Default("20000"),
                "elements of all tables together",
            ),
            Key::new("instances", Default("32"), "core instances"),
        ],
    },
    Table {
        path: "limits.plugin.language_runtime",
        name: "",
        about: "A plugin that carries an interpreter: JavaScript, Python.",
        keys: &[
            Key::new(
                "cpu_ms",
                Default("500"),
                "milliseconds of CPU time of a step",
            ),
            Key::new(
                "wall_ms",
                Default("5000"),
                "milliseconds a step may last, waiting included",
            ),
            Key::new(
                "memory_bytes",
                Default("134217728"),
                "bytes of all its memories together",
            ),
            Key::new("memories", Default("8"), "linear memories"),
            Key::new("tables", Default("64"), "tables"),
            Key::new(
                "table_elements",
                Default("100000"),
                "elements of all tables together",
            ),
            Key::new("instances", Default("64"), "core instances"),
        ],
    },
];
