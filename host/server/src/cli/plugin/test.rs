//! `postern plugin test`: the vectors a plugin carries and the suite that every plugin passes, run in wasm
//! under the limits of a host, each told apart: a host that admits the file stops at the first that does not
//! hold.

use super::super::store::runtime;
use super::output;
use anyhow::bail;
use postern_gateway::Rehearsal;
use postern_gateway::suite::{self, Extent};
use postern_wasm::admission::self_test;
use postern_wasm::{Loaded, Manifest};
use std::path::Path;
use std::sync::Arc;

pub(super) fn run(file: &Path, json: bool, extent: Extent) -> anyhow::Result<()> {
    let bytes = super::read(file)?;
    let Judged {
        vectors,
        grown,
        rules,
    } = runtime()?.block_on(judge(&bytes, file, extent))?;
    let (count, of_rules) = (vectors.len(), rules.len());
    let results: Vec<Outcome> = vectors.into_iter().chain(rules).collect();
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
    match (failed, count) {
        (_, 0) => bail!(
            "`{}` carries no vectors: write some into vectors/ and build it again",
            file.display()
        ),
        (0, count) => {
            if !json {
                output::line(format!("{count} vectors and {of_rules} rules hold"));
                if grown > 0 {
                    output::line(format!(
                        "note: in {grown} calls the plugin's memory grew, which makes a call three to five times as expensive: let it begin with as much as it needs, as the SDK's arena does"
                    ));
                }
            }
            Ok(())
        }
        (failed, _) => {
            bail!(
                "{failed} of {count} vectors and {of_rules} rules do not hold: a host refuses a file that does not keep them"
            )
        }
    }
}

type Outcome = (String, Result<(), String>);

/// Vectors and rules, each with what came of it.
struct Judged {
    vectors: Vec<Outcome>,
    /// In how many calls for the vectors the memory grew.
    grown: u64,
    rules: Vec<Outcome>,
}

async fn judge(bytes: &[u8], file: &Path, extent: Extent) -> anyhow::Result<Judged> {
    let (plugins, loaded) = super::admitted(bytes, file).await?;
    let mut vectors = Vec::new();
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
        vectors.push((vector.name.clone(), run.map_err(|refusal| refusal.reason)));
    }
    let grown = loaded.handle.grown();
    let rules = suite::findings(&plugins, &loaded, extent)
        .await
        .map_err(|refusal| anyhow::anyhow!("`{}`: {refusal}", file.display()))?;
    let told = |(rule, judged): (&str, Result<(), String>)| {
        let judged = judged.map_err(|case| output::visible(&case));
        (rule.to_owned(), judged)
    };
    Ok(Judged {
        vectors,
        grown,
        rules: rules.into_iter().map(told).collect(),
    })
}
