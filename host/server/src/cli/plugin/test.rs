//! `postern plugin test`: the vectors a plugin carries, run in wasm under the limits of a host, each
//! told apart: a host that admits the file stops at the first that does not hold.

use super::super::store::runtime;
use super::output;
use anyhow::{Context, bail};
use postern_gateway::Rehearsal;
use postern_wasm::admission::self_test;
use postern_wasm::{Isolation, Limits, Loaded, Manifest, Plugins, Setup, WorkerCommand};
use std::path::Path;
use std::sync::Arc;

pub(super) fn run(file: &Path, json: bool) -> anyhow::Result<()> {
    let bytes = super::read(file)?;
    let (results, grown) = runtime()?.block_on(vectors(&bytes, file))?;
    let failed = results
        .iter()
        .filter(|(_, outcome)| outcome.is_err())
        .count();
    if json {
        let rows: Vec<_> = results
            .iter()
            .map(|(name, outcome)| serde_json::json!({ "name": name, "failure": outcome.as_ref().err() }))
            .collect();
        output::json(&rows)?;
    } else {
        for (name, outcome) in &results {
            match outcome {
                Ok(()) => output::line(format!("ok      {name}")),
                Err(difference) => {
                    output::line(format!("FAILED  {name}"));
                    for line in difference.lines() {
                        output::line(format!("          {line}"));
                    }
                }
            }
        }
    }
    match (failed, results.len()) {
        (_, 0) => bail!(
            "`{}` carries no vectors: write some into vectors/ and build it again",
            file.display()
        ),
        (0, count) => {
            if !json {
                output::line(format!("{count} vectors hold"));
                if grown > 0 {
                    output::line(format!(
                        "note: in {grown} calls the plugin's memory grew, which makes a call three to five times as expensive: let it begin with as much as it needs, as the SDK's arena does"
                    ));
                }
            }
            Ok(())
        }
        (failed, count) => {
            bail!("{failed} of {count} vectors do not hold: a host would refuse this file")
        }
    }
}

type Outcome = (String, Result<(), String>);

/// Each with what came of it; and in how many calls the memory grew.
async fn vectors(bytes: &[u8], file: &Path) -> anyhow::Result<(Vec<Outcome>, u64)> {
    let plugins = Plugins::start(Setup {
        // A file that nobody trusts yet: it is compiled and run behind the same walls as ever.
        isolation: Isolation::Worker(WorkerCommand::this_executable()?),
        limits: Limits::default(),
        cache: None,
    })
    .await
    .context("the plugin engine cannot be started")?;
    let loaded = plugins
        .admit(bytes.into())
        .await
        .map_err(|refusal| anyhow::anyhow!("`{}` would be refused: {refusal}", file.display()))?;
    let mut results = Vec::new();
    for vector in &loaded.manifest.vectors {
        // One at a time, because admission stops at the first that does not hold.
        let alone = Loaded {
            manifest: Arc::new(Manifest {
                vectors: vec![vector.clone()],
                ..Manifest::clone(&loaded.manifest)
            }),
            ..loaded.clone()
        };
        let run = self_test(&plugins, &alone, &Rehearsal).await;
        results.push((vector.name.clone(), run.map_err(|refusal| refusal.reason)));
    }
    Ok((results, loaded.handle.grown()))
}
