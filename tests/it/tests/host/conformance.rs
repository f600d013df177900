//! The suite every plugin passes natively, run once more against the components that are shipped: what
//! a plugin promises must hold behind the boundary as well, where memory, time and panics are others.

use crate::manifests::document;
use postern_gateway::suite::{Component, Extent, findings};
use postern_kit::{anyhow::Result, paths};
use postern_sdk::conformance;
use postern_sdk::manifest::{Kind, Manifest};
use postern_wasm::{Isolation, Limits, Loaded, Plugins, Setup};
use std::sync::Arc;
use tokio::runtime::{Handle, Runtime};

/// Every rule of the suite for every shipped component. Only which settings the code asks for cannot be
/// seen from outside, and what its requests come to is seen in its vectors.
#[test]
fn every_shipped_component_passes_the_suite_its_code_passes_natively() -> Result<()> {
    let runtime = Runtime::new()?;
    let plugins = runtime.block_on(Plugins::start(Setup {
        isolation: Isolation::InProcess,
        limits: Limits::default(),
        cache: None,
    }))?;
    let mut threads = Vec::new();
    for entry in std::fs::read_dir(paths::plugins()?)? {
        let file = entry?.path();
        if file.extension().is_none_or(|found| found != "wasm") {
            continue;
        }
        let bytes: Arc<[u8]> = std::fs::read(&file)?.into();
        let loaded = runtime.block_on(plugins.admit(Arc::clone(&bytes)))?;
        let (plugins, runtime) = (plugins.clone(), runtime.handle().clone());
        let suite =
            std::thread::spawn(move || broken(&plugins, &loaded, &runtime, &document(&bytes)));
        threads.push((file.display().to_string(), suite));
    }
    assert!(threads.len() >= 11, "the ten plugins and the testers' one");
    for (name, suite) in threads {
        let broken = suite.join().expect("the suite panics over no answer");
        assert_eq!(broken, Vec::<String>::new(), "{name}");
    }
    Ok(())
}

/// The rules that a component breaks, each with its case.
fn broken(plugins: &Plugins, loaded: &Loaded, runtime: &Handle, manifest: &str) -> Vec<String> {
    let manifest = Manifest::parse(manifest).expect("it was built with the SDK");
    let component = Component::new(plugins.clone(), loaded.handle.clone(), runtime.clone());
    let vectors = match manifest.kind {
        Kind::SmsProvider => conformance::provider_vectors(&manifest, &component, Extent::Whole),
        Kind::UserResolver => conformance::resolver_vectors(&manifest, &component, Extent::Whole),
    };
    let mut broken = Vec::from_iter(vectors.err());
    if loaded.handle.grown() > 0 {
        broken.push("its arena is too small for its vectors".to_owned());
    }
    let judged = runtime
        .block_on(findings(plugins, loaded, Extent::Whole))
        .expect("the host does its part");
    assert!(!judged.is_empty(), "it has vectors, so it is judged");
    for (rule, judged) in judged {
        broken.extend(judged.err().map(|case| format!("{rule}: {case}")));
    }
    broken
}
