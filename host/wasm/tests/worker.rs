//! The worker process: that it answers like the engine in this process, what its death costs, and
//! what it cannot do.

#![allow(clippy::unwrap_used)]

mod guest;

use std::time::{Duration, Instant};

use guest::{
    Guest, accepted, in_tight_worker, in_worker, manifest, message, settings, tight_worker_with,
    worker_with,
};
use postern_wasm::provider::Event;
use postern_wasm::{Blame, CachePlace, FaultKind, Limits, PluginHandle, Plugins};

async fn step(
    plugins: &Plugins,
    plugin: &PluginHandle,
) -> Result<postern_wasm::provider::Action, postern_wasm::Fault> {
    plugins
        .provider_step(plugin, &settings(), &message(), &Event::Start, &[])
        .await
}

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_answers_across_the_pipe() {
    let plugins = in_worker().await;
    let loaded = plugins.admit(Guest::named("ok").build()).await.unwrap();
    assert_eq!(step(&plugins, &loaded.handle).await.unwrap(), accepted());
    assert_eq!(
        plugins.check(&loaded.handle, &settings()).await.unwrap(),
        []
    );
}

/// P-31
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_dies_is_back_within_a_second_with_all_its_plugins() {
    let plugins = in_worker().await;
    let loaded = plugins.admit(Guest::named("ok").build()).await.unwrap();
    for _ in 0..3 {
        let before = plugins.worker_pid().unwrap();
        let died = Instant::now();
        kill(before);
        // Calls that come before anybody noticed fail as the host's fault; all others wait.
        let answer = loop {
            match step(&plugins, &loaded.handle).await {
                Ok(answer) => break answer,
                Err(fault) => {
                    assert_eq!(fault.kind, FaultKind::WorkerDied);
                    assert_eq!(fault.blame(), Blame::Host);
                }
            }
        };
        assert_eq!(answer, accepted());
        assert!(
            died.elapsed() < Duration::from_secs(1),
            "{:?}",
            died.elapsed()
        );
        assert_ne!(plugins.worker_pid().unwrap(), before);
    }
}

/// P-31: what a sandbox escape would find.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_worker_has_given_up_its_rights() {
    let plugins = in_worker().await;
    plugins.admit(Guest::named("ok").build()).await.unwrap();
    let process = std::path::PathBuf::from(format!("/proc/{}", plugins.worker_pid().unwrap()));
    for thread in std::fs::read_dir(process.join("task")).unwrap() {
        let status = std::fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
        let says = |line: &str| status.lines().any(|l| l == line);
        assert!(says("NoNewPrivs:\t1"), "{status}");
        assert!(says("Seccomp:\t2"), "every thread is filtered: {status}");
    }
    let limits = std::fs::read_to_string(process.join("limits")).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    assert_eq!(
        std::fs::read_link(process.join("cwd")).unwrap(),
        std::path::Path::new("/")
    );
    assert_eq!(std::fs::read(process.join("environ")).unwrap(), b"");
    for descriptor in std::fs::read_dir(process.join("fd")).unwrap() {
        // One that only the listing held open may be gone.
        let Ok(target) = std::fs::read_link(descriptor.unwrap().path()) else {
            continue;
        };
        let target = target.to_string_lossy().into_owned();
        let is_known = [
            "socket:",
            "anon_inode:",
            "pipe:",
            "/dev/",
            "/memfd:",
            "/proc/",
        ]
        .iter()
        .any(|known| target.starts_with(known))
            || target.ends_with("/pagemap");
        assert!(is_known || target == log(), "{target}");
    }
}

/// Where this process's standard error goes: the worker's log goes there too.
fn log() -> String {
    std::fs::read_link("/proc/self/fd/2")
        .unwrap()
        .to_string_lossy()
        .into_owned()
}

/// P-31: of many calls that are under way, only those fail that were in the worker when it died.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_around_the_death_of_a_worker_end_one_way_or_the_other() {
    let plugins = in_worker().await;
    let loaded = plugins.admit(Guest::named("ok").build()).await.unwrap();
    let crowd: Vec<_> = (0..8)
        .map(|_| {
            let (plugins, plugin) = (plugins.clone(), loaded.handle.clone());
            tokio::spawn(async move {
                let mut failed = 0;
                for _ in 0..500 {
                    match step(&plugins, &plugin).await {
                        Ok(action) => assert_eq!(action, accepted()),
                        Err(fault) => {
                            assert_eq!(fault.kind, FaultKind::WorkerDied, "{fault}");
                            failed += 1;
                        }
                    }
                }
                failed
            })
        })
        .collect();
    kill(plugins.worker_pid().unwrap());
    for one in crowd {
        let failed = one.await.unwrap();
        assert!(failed <= 3, "{failed} calls of one caller failed");
    }
}

/// Returns when every thread of the process is stopped.
fn stand_still(pid: u32) {
    let id = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::STOP).unwrap();
    let running = |task: std::fs::DirEntry| {
        let stat = std::fs::read_to_string(task.path().join("stat")).unwrap();
        // The name before it stands in parentheses and may hold anything.
        !stat.rsplit(") ").next().unwrap().starts_with('T')
    };
    let tasks = || std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    while tasks().any(|task| running(task.unwrap())) {
        std::thread::yield_now();
    }
}

/// P-31: whoever was at work at every worker's end is to blame for it, and a single end is nobody's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_is_there_whenever_a_worker_ends_is_to_blame() {
    let plugins = in_worker().await;
    let loaded = plugins.admit(Guest::named("ok").build()).await.unwrap();
    let last = std::cell::Cell::new(None);
    // A worker that stands still, so that what is asked of it is in it when it dies.
    let standing = async || {
        let pid = loop {
            match plugins.worker_pid() {
                Some(pid) if last.get() != Some(pid) => break pid,
                _ => tokio::task::yield_now().await,
            }
        };
        last.set(Some(pid));
        stand_still(pid);
        pid
    };
    let die_with_it = async || {
        let pid = standing().await;
        let calls = tokio::join!(
            step(&plugins, &loaded.handle),
            step(&plugins, &loaded.handle),
            async { kill(pid) }
        );
        (calls.0.unwrap_err(), calls.1.unwrap_err())
    };
    let (one, other) = die_with_it().await;
    for fault in [one, other] {
        assert_eq!(fault.kind, FaultKind::WorkerDied, "two calls, one end");
    }
    let (fault, _) = die_with_it().await;
    assert_eq!(fault.kind, FaultKind::EndsWorker, "{fault}");
    assert_eq!(fault.blame(), Blame::Guest);

    // The same file, judged again, is not a new one.
    let again = plugins.admit(Guest::named("ok").build()).await.unwrap();
    let pid = standing().await;
    let (fault, ()) = tokio::join!(step(&plugins, &again.handle), async { kill(pid) });
    assert_eq!(fault.unwrap_err().kind, FaultKind::EndsWorker);

    // One call in good order, and an end is anybody's again.
    assert_eq!(step(&plugins, &again.handle).await.unwrap(), accepted());
    let (fault, _) = die_with_it().await;
    assert_eq!(fault.kind, FaultKind::WorkerDied);
}

/// P-31: what the machine could not do when the worker came back is no verdict, and passes in the same
/// worker. Here it cannot read the code for a while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_a_new_worker_could_not_be_given_is_tried_again() {
    let directory = tempfile::tempdir().unwrap();
    let place = CachePlace {
        directory: directory.path().join("cache"),
        key_file: directory.path().join("key"),
    };
    let plugins = worker_with(Limits::default(), Some(place.clone())).await;
    let loaded = plugins.admit(Guest::named("ok").build()).await.unwrap();
    let mut kept = std::fs::read_dir(&place.directory).unwrap();
    let kept = kept.next().unwrap().unwrap().path();
    let code = std::fs::read(&kept).unwrap();
    // In its place: the host holds it open.
    std::fs::write(&kept, b"").unwrap();
    let before = plugins.worker_pid();
    kill(before.unwrap());
    while plugins.worker_pid() == before {
        tokio::task::yield_now().await;
    }
    let fault = step(&plugins, &loaded.handle).await.unwrap_err();
    assert_eq!((fault.kind, fault.blame()), (FaultKind::Busy, Blame::Host));

    let worker = plugins.worker_pid();
    std::fs::write(&kept, code).unwrap();
    let answer = loop {
        match step(&plugins, &loaded.handle).await {
            Ok(answer) => break answer,
            Err(fault) => assert_eq!(fault.kind, FaultKind::Busy, "{fault}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(answer, accepted());
    assert_eq!(plugins.worker_pid(), worker, "it is the same worker");
}

/// Where the address space is limited (`ulimit -v`, some containers) there is no room for a pool, nor
/// for the 4 GiB that a memory gets elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_with_little_address_space_answers_many_at_once() {
    let plugins = in_tight_worker().await;
    let pid = plugins.worker_pid().unwrap();
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let addresses = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max address space"))
        .unwrap();
    assert!(addresses.contains("2147483648"), "{addresses}");

    let loaded = plugins.admit(Guest::named("ok").build()).await.unwrap();
    let crowd: Vec<_> = (0..32)
        .map(|_| {
            let (plugins, plugin) = (plugins.clone(), loaded.handle.clone());
            tokio::spawn(async move {
                for _ in 0..50 {
                    assert_eq!(step(&plugins, &plugin).await.unwrap(), accepted());
                }
            })
        })
        .collect();
    for one in crowd {
        one.await.unwrap();
    }
    assert_eq!(plugins.worker_pid().unwrap(), pid, "it is the same worker");
}

/// A plugin of the class with the larger limits.
fn of_a_language(guest: &str) -> Guest {
    Guest::named(guest).manifest(manifest(r#""kind": "sms-provider", "runtime": "language""#))
}

/// P-20: 32 calls that have 96 MiB each, in 2 GiB of addresses.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_wait_for_each_other_where_there_is_no_room_for_all_at_once() {
    let limits = Limits {
        // Short turns: without waiting, all would have their memory before the first is done.
        tick_ms: 1,
        wait_ms: 20_000,
        ..Default::default()
    };
    let plugins = tight_worker_with(limits).await;
    let loaded = plugins
        .admit(of_a_language("holds-memory").build())
        .await
        .unwrap();
    let crowd: Vec<_> = (0..32)
        .map(|_| {
            let (plugins, plugin) = (plugins.clone(), loaded.handle.clone());
            tokio::spawn(async move { step(&plugins, &plugin).await })
        })
        .collect();
    for one in crowd {
        assert_eq!(one.await.unwrap(), Ok(accepted()));
    }
}

/// P-20
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_is_slow_leaves_room_for_others_where_there_is_little() {
    let plugins = in_tight_worker().await;
    let slow = plugins.admit(of_a_language("loop").build()).await.unwrap();
    let ok = plugins.admit(Guest::named("ok").build()).await.unwrap();
    let crowd: Vec<_> = (0..32)
        .map(|_| {
            let (plugins, plugin) = (plugins.clone(), slow.handle.clone());
            tokio::spawn(async move { step(&plugins, &plugin).await.unwrap_err().kind })
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(step(&plugins, &ok.handle).await, Ok(accepted()));
    }
    for one in crowd {
        let kind = one.await.unwrap();
        assert!(matches!(kind, FaultKind::Cpu | FaultKind::Busy), "{kind:?}");
    }
}
