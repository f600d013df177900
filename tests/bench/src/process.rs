//! What a process used, as the kernel counts it.

use anyhow::{Context, Result};
use std::time::Duration;

/// CPU time of a process so far, user and system.
pub(crate) fn cpu(pid: u32) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .with_context(|| format!("process {pid} is gone"))?;
    // The command name may hold spaces: fields are counted from behind its closing parenthesis.
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .context("stat without a name")?
        .1
        .split_whitespace()
        .collect();
    let ticks =
        |at: usize| -> Result<u64> { Ok(fields.get(at).context("stat is short")?.parse()?) };
    // utime and stime are fields 14 and 15 of the whole line; Linux counts them in hundredths of a second.
    Ok(Duration::from_millis((ticks(11)? + ticks(12)?) * 10))
}

/// Resident memory in MiB, without the pages a process shares with files it maps.
pub(crate) fn resident_mib(pid: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .context("status without VmRSS")?;
    let kib: f64 = line
        .split_whitespace()
        .nth(1)
        .context("VmRSS without a number")?
        .parse()?;
    Ok(kib / 1024.0)
}

/// All processes of a tree.
pub(crate) fn tree(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let mut at = 0;
    while at < all.len() {
        // A child may have been started by any thread of its parent.
        let threads = std::fs::read_dir(format!("/proc/{}/task", all[at]))
            .into_iter()
            .flatten()
            .flatten();
        for thread in threads {
            let path = thread.path().join("children");
            let text = std::fs::read_to_string(path).unwrap_or_default();
            all.extend(
                text.split_whitespace()
                    .filter_map(|text| text.parse::<u32>().ok()),
            );
        }
        at += 1;
    }
    all
}
