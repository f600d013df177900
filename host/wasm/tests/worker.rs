//! The worker process: that it answers like the engine in this process, what its death costs, and
//! what it cannot do.

#![allow(clippy::unwrap_used)]

mod guest;

use std::time::{Duration, Instant};

use guest::{Guest, accepted, in_worker, message, settings};
use postern_wasm::provider::Event;
use postern_wasm::{Blame, FaultKind, PluginHandle, Plugins};

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
