//! Guests that misbehave, one fault each, in this process and in a worker: what each costs, and
//! that it costs nobody else anything.

#![allow(clippy::unwrap_used)]

mod guest;

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, Instant};

use guest::{Guest, accepted, in_process, in_tight_worker, in_worker, manifest, message, settings};
use postern_wasm::provider::Event;
use postern_wasm::{
    Blame, ClassLimits, Fault, FaultKind, Limits, Loaded, Plugins, Stage, provider, resolver,
};

async fn step(plugins: &Plugins, loaded: &Loaded) -> Result<provider::Action, Fault> {
    plugins
        .provider_step(&loaded.handle, &settings(), &message(), &Event::Start, &[])
        .await
}

/// What a step of each guest ends with, and how long it may take beside its 50 ms of CPU time: the
/// budget, a tick, and what a loaded machine adds.
const STEPS: &[(&str, FaultKind)] = &[
    ("loop", FaultKind::Cpu),                // P-01
    ("loop-in-realloc", FaultKind::Cpu),     // P-03
    ("loop-in-post-return", FaultKind::Cpu), // P-04
    ("grow", FaultKind::Memory),             // P-05
    ("recursion", FaultKind::Stack),         // P-09
    ("recursion-through-host", FaultKind::Stack),
    ("list-out-of-range", FaultKind::Contract), // P-15
    ("list-too-long", FaultKind::Contract),
    ("misaligned-answer", FaultKind::Contract),
    ("answer-out-of-range", FaultKind::Contract),
    ("bad-discriminant", FaultKind::Contract),
    ("bad-bool", FaultKind::Contract),
    ("bad-utf8", FaultKind::Contract),
    ("string-out-of-range", FaultKind::Contract),
    ("big-string", FaultKind::TooLarge), // P-16
    ("log-big-line", FaultKind::TooLarge),
    ("quadratic-list", FaultKind::TooLarge), // P-17
    ("log-million", FaultKind::TooLarge),    // P-19
    ("unreachable", FaultKind::Trap),        // P-21
    ("divide-by-zero", FaultKind::Trap),
    ("out-of-bounds", FaultKind::Trap),
    ("big-state", FaultKind::TooLarge),
    ("long-program", FaultKind::TooLarge),
    ("long-detail", FaultKind::TooLarge),
];

async fn each_fault_is_contained(plugins: Plugins) {
    let ok = plugins.admit(Guest::named("ok").build()).await.unwrap();
    let mut wrong = Vec::new();
    for (name, expected) in STEPS {
        let loaded = plugins.admit(Guest::named(name).build()).await.unwrap();
        let began = Instant::now();
        let fault = step(&plugins, &loaded).await.expect_err(name);
        let lasted = began.elapsed();
        if fault.kind != *expected {
            wrong.push(format!("{name}: {fault}"));
        }
        assert_eq!(fault.blame(), Blame::Guest, "{name}");
        assert!(lasted < Duration::from_secs(1), "{name} lasted {lasted:?}");
        assert!(
            fault.detail.len() <= 600 && !fault.detail.contains('\n'),
            "{name}: {fault}"
        );
        assert_eq!(
            step(&plugins, &ok).await.unwrap(),
            accepted(),
            "after {name}"
        );
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// P-01, P-03, P-04, P-05, P-09, P-15, P-16, P-17, P-19, P-21
#[tokio::test]
async fn each_fault_costs_its_own_step_only() {
    each_fault_is_contained(in_process().await).await;
}

/// P-01, P-03, P-04, P-05, P-09, P-15, P-16, P-17, P-19, P-21
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_costs_its_own_step_only_across_the_pipe() {
    let plugins = in_worker().await;
    let pid = plugins.worker_pid();
    each_fault_is_contained(plugins.clone()).await;
    assert_eq!(
        plugins.worker_pid(),
        pid,
        "the worker lived through all of them"
    );
}

/// The same where code asks before it reads or writes, instead of memory that is not there answering.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_costs_its_own_step_only_where_addresses_are_few() {
    each_fault_is_contained(in_tight_worker().await).await;
}

/// P-07, CVE-2026-119134: a handle costs the host memory that no limit of the guest's counts. The step
/// ends at the bound on handles, long before its CPU time does.
#[tokio::test]
async fn handles_of_a_resource_are_bounded() {
    let plugins = in_process().await;
    let with_resource = |wit: &str| {
        wit.replace(
            "world sms-provider {",
            "interface things { resource thing { constructor(); } }\nworld sms-provider { export things;",
        )
    };
    let guest = Guest::named("handles").wit(with_resource).build();
    let loaded = plugins.admit(guest).await.unwrap();
    let fault = step(&plugins, &loaded).await.unwrap_err();
    assert_eq!(fault.blame(), Blame::Guest, "{fault}");
    assert_ne!(fault.kind, FaultKind::Cpu, "{fault}");
    assert!(fault.detail.contains("handle"), "{fault}");
    let ok = plugins.admit(Guest::named("ok").build()).await.unwrap();
    assert_eq!(step(&plugins, &ok).await, Ok(accepted()));
}

/// Guests that ask for too much, are denied, and go on, as they may.
#[tokio::test]
async fn what_is_denied_is_denied_and_not_a_fault() {
    let plugins = in_process().await;
    // P-05, P-08, P-18
    for name in [
        "grow-at-once",
        "table-grow",
        "log-flood",
        "log-empty",
        "log-forgery",
        "remembers",
        "canary-read",
    ] {
        let loaded = plugins.admit(Guest::named(name).build()).await.unwrap();
        assert_eq!(step(&plugins, &loaded).await, Ok(accepted()), "{name}");
    }
}

/// What keeps a component out that cannot be started.
const LINKS: &[(&str, &str)] = &[
    ("loop-in-start", "CPU time"), // P-02
    ("trap-in-start", "unreachable"),
    ("huge-memory", "memory"),  // P-06
    ("two-memories", "memory"), // P-07
    ("many-memories", "memories"),
    ("many-tables", "tables"),
];

async fn what_cannot_start_is_refused(plugins: Plugins) {
    for (name, reason) in LINKS {
        let refusal = plugins
            .admit(Guest::named(name).build())
            .await
            .expect_err(name);
        assert_eq!(refusal.stage, Stage::Link, "{name}: {refusal}");
        assert!(refusal.reason.contains(reason), "{name}: {refusal}");
    }
    plugins.admit(Guest::named("ok").build()).await.unwrap();
}

/// P-02, P-06, P-07
#[tokio::test]
async fn a_component_that_cannot_start_is_refused() {
    what_cannot_start_is_refused(in_process().await).await;
}

/// P-02, P-06, P-07
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_that_cannot_start_is_refused_across_the_pipe() {
    what_cannot_start_is_refused(in_worker().await).await;
}

/// The same where a memory has no more addresses than bytes: what the limits deny is the plugin's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_that_cannot_start_is_refused_where_addresses_are_few() {
    what_cannot_start_is_refused(in_tight_worker().await).await;
}

/// P-06: of the 4 GiB that these limits allow, a machine with 2 GiB of addresses has none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_memory_that_the_machine_has_no_room_for_is_not_the_plugins_fault() {
    let usual = Limits::default();
    let native = ClassLimits {
        memory_bytes: 8 << 30,
        ..usual.native.clone()
    };
    let plugins = guest::tight_worker_with(Limits { native, ..usual }).await;
    let refusal = plugins
        .admit(Guest::named("huge-memory").build())
        .await
        .unwrap_err();
    assert_eq!(refusal.stage, Stage::Host, "{refusal}");
    assert!(refusal.reason.contains("(busy)"), "{refusal}");
    let ok = plugins.admit(Guest::named("ok").build()).await.unwrap();
    assert_eq!(step(&plugins, &ok).await, Ok(accepted()));
}

/// P-01
#[tokio::test]
async fn a_check_that_loops_is_ended_like_a_step() {
    let plugins = in_process().await;
    let loaded = plugins
        .admit(Guest::named("loop-in-check").build())
        .await
        .unwrap();
    let fault = plugins
        .check(&loaded.handle, &settings())
        .await
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::Cpu);
}

/// P-01
#[tokio::test]
async fn one_that_loops_is_ended_though_nobody_looked_for_a_while() {
    let plugins = in_process().await;
    let slow = plugins.admit(Guest::named("loop").build()).await.unwrap();
    for _ in 0..2 {
        // While no guest runs nobody looks at budgets.
        tokio::time::sleep(Duration::from_millis(400)).await;
        let fault = step(&plugins, &slow).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Cpu);
    }
}

/// P-01
#[tokio::test]
async fn one_that_loops_does_not_keep_others_on_its_thread_from_their_turn() {
    // One thread for all: without yielding, the second would wait for the first one's 50 ms.
    let plugins = in_process().await;
    let slow = plugins.admit(Guest::named("loop").build()).await.unwrap();
    let quick = plugins.admit(Guest::named("ok").build()).await.unwrap();
    let began = Instant::now();
    let (slow, quick) = tokio::join!(
        async { (step(&plugins, &slow).await, began.elapsed()) },
        async { (step(&plugins, &quick).await, began.elapsed()) },
    );
    assert_eq!(slow.0.unwrap_err().kind, FaultKind::Cpu);
    assert_eq!(quick.0.unwrap(), accepted());
    assert!(quick.1 < slow.1, "{:?} before {:?}", quick.1, slow.1);
}

/// P-21
#[tokio::test]
async fn a_thousand_traps_leave_the_thousand_calls_between_them_untouched() {
    let plugins = in_process().await;
    let trap = plugins
        .admit(Guest::named("unreachable").build())
        .await
        .unwrap();
    let ok = plugins.admit(Guest::named("ok").build()).await.unwrap();
    for _ in 0..1000 {
        assert_eq!(
            step(&plugins, &trap).await.unwrap_err().kind,
            FaultKind::Trap
        );
        assert_eq!(step(&plugins, &ok).await.unwrap(), accepted());
    }
}

/// P-33
#[tokio::test]
async fn no_instance_finds_what_another_left_in_memory() {
    let plugins = in_process().await;
    let write = plugins
        .admit(Guest::named("canary-write").build())
        .await
        .unwrap();
    let read = plugins
        .admit(Guest::named("canary-read").build())
        .await
        .unwrap();
    let remembers = plugins
        .admit(Guest::named("remembers").build())
        .await
        .unwrap();
    for _ in 0..2_500 {
        step(&plugins, &write).await.unwrap();
        step(&plugins, &read)
            .await
            .expect("a fresh memory is empty");
        step(&plugins, &remembers)
            .await
            .expect("a fresh instance remembers nothing");
    }
}

/// Growing costs more than the step itself: an operator sees who does it.
#[tokio::test]
async fn calls_in_which_the_memory_grew_are_counted() {
    let plugins = in_process().await;
    let ok = plugins.admit(Guest::named("ok").build()).await.unwrap();
    let grow = plugins.admit(Guest::named("grow").build()).await.unwrap();
    for _ in 0..3 {
        step(&plugins, &ok).await.unwrap();
        step(&plugins, &grow).await.unwrap_err();
    }
    assert_eq!((ok.handle.grown(), grow.handle.grown()), (0, 3));
}

/// P-35
#[tokio::test]
async fn the_same_input_gives_the_same_answer() {
    let plugins = in_process().await;
    let ok = plugins.admit(Guest::named("ok").build()).await.unwrap();
    for _ in 0..1000 {
        assert_eq!(step(&plugins, &ok).await.unwrap(), accepted());
    }
}

/// P-21: a call that is given up at any point leaves nothing behind that the next would meet.
#[tokio::test]
async fn a_call_that_is_dropped_midway_leaves_the_next_untouched() {
    let plugins = in_process().await;
    let slow = plugins.admit(Guest::named("loop").build()).await.unwrap();
    let ok = plugins.admit(Guest::named("ok").build()).await.unwrap();
    let mut dropped_midway = 0;
    for polls in 0..20 {
        {
            let mut call = Box::pin(step(&plugins, &slow));
            let mut pending = false;
            for _ in 0..polls.min(8) {
                let polled = std::future::poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx))).await;
                pending = polled.is_pending();
                // On a machine that is busy elsewhere its time is up sooner.
                if !pending {
                    break;
                }
            }
            dropped_midway += u32::from(pending);
        }
        assert_eq!(step(&plugins, &ok).await.unwrap(), accepted());
    }
    assert!(dropped_midway > 5, "{dropped_midway} calls were given up");
}

/// P-20
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_is_slow_fills_its_own_queue_and_not_that_of_others() {
    let limits = Limits {
        calls_per_plugin: 2,
        calls_waiting: 4,
        ..Default::default()
    };
    let plugins = guest::with_limits(limits).await;
    let slow = plugins.admit(Guest::named("loop").build()).await.unwrap();
    let ok = plugins.admit(Guest::named("ok").build()).await.unwrap();
    let crowd: Vec<_> = (0..50)
        .map(|_| {
            let (plugins, slow) = (plugins.clone(), slow.clone());
            tokio::spawn(async move { step(&plugins, &slow).await.unwrap_err().kind })
        })
        .collect();
    assert_eq!(step(&plugins, &ok).await.unwrap(), accepted());
    let (mut busy, mut ended) = (0, 0);
    for one in crowd {
        match one.await.unwrap() {
            FaultKind::Busy => busy += 1,
            FaultKind::Cpu => ended += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(ended >= 6 && busy >= 1, "{ended} ended, {busy} busy");
}

/// P-20: more calls than the pool has memories wait for their turn, and none is the plugin's fault.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_pool_is_a_wait_and_not_a_fault() {
    let limits = Limits {
        pool_memories: 4,
        calls_per_plugin: 1_000,
        wait_ms: 20_000,
        ..Default::default()
    };
    let plugins = guest::with_limits(limits).await;
    let ok = plugins.admit(Guest::named("ok").build()).await.unwrap();
    let crowd: Vec<_> = (0..200)
        .map(|_| {
            let (plugins, ok) = (plugins.clone(), ok.clone());
            tokio::spawn(async move { step(&plugins, &ok).await })
        })
        .collect();
    for one in crowd {
        assert_eq!(one.await.unwrap().unwrap(), accepted());
    }
}

/// P-34
#[tokio::test]
async fn a_resolver_names_only_accounts_the_directory_returned() {
    let plugins = in_process().await;
    let resolver = |name: &str| {
        Guest::named(name)
            .world("user-resolver")
            .manifest(manifest(r#""kind": "user-resolver""#))
            .build()
    };
    let login = resolver::FederatedLogin {
        identity_provider: "example".into(),
        subject: "alice".into(),
        subject_identifier: "alice".into(),
        attributes: vec![],
        tenant: "default".into(),
        extra: vec![],
    };
    let account = |name: &str| {
        Some(resolver::Account {
            name: name.into(),
            extra: vec![],
        })
    };
    let few = resolver::Event::Found(vec![account("alice"), None]);
    let mut ten = vec![None; 9];
    ten.push(account("bob"));
    let ten = resolver::Event::Found(ten);

    let ok = plugins.admit(resolver("resolver-ok")).await.unwrap();
    let action = plugins
        .resolver_step(&ok.handle, &[], &login, &few, &[])
        .await
        .unwrap();
    assert_eq!(
        action,
        resolver::Action::Done(resolver::Resolution::NotFound)
    );

    let invents = plugins.admit(resolver("resolver-invents")).await.unwrap();
    for event in [resolver::Event::Start, few.clone()] {
        let fault = plugins
            .resolver_step(&invents.handle, &[], &login, &event, &[])
            .await
            .unwrap_err();
        assert_eq!(fault.kind, FaultKind::Contract);
    }
    let action = plugins
        .resolver_step(&invents.handle, &[], &login, &ten, &[])
        .await
        .unwrap();
    assert_eq!(
        action,
        resolver::Action::Done(resolver::Resolution::Account(9))
    );

    let traps = plugins.admit(resolver("resolver-traps")).await.unwrap();
    let fault = plugins
        .resolver_step(&traps.handle, &[], &login, &few, &[])
        .await
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::Trap);

    let fault = step(&plugins, &ok).await.unwrap_err();
    assert_eq!(
        (fault.kind, fault.blame()),
        (FaultKind::Misuse, Blame::Host)
    );
}

/// P-18
#[tokio::test]
async fn a_log_cannot_be_flooded_or_forged() {
    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let plugins = in_process().await;
    let mut outputs = Vec::new();
    for name in ["log-flood", "log-forgery", "log-empty"] {
        let loaded = plugins.admit(Guest::named(name).build()).await.unwrap();
        let sink = Sink::default();
        let writer = sink.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || writer.clone())
            .finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        step(&plugins, &loaded).await.unwrap();
        outputs.push(String::from_utf8(sink.0.lock().unwrap().clone()).unwrap());
    }
    let [flood, forgery, empty] = outputs.try_into().unwrap();
    assert!(flood.len() < 12_000, "{} bytes", flood.len());
    assert!(flood.contains("were cut or dropped"));
    assert_eq!(forgery.lines().count(), 1, "{forgery}");
    assert!(
        forgery.contains(r"sent\r\nERROR the host is compromised\u{1b}[2J\u{2028}"),
        "{forgery}"
    );
    assert!(empty.lines().count() <= 65);
}
