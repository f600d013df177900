//! `tests/behaviour.md` names only tests that exist, and leaves no case out.

use crate::attacks::{functions, workspace};
use std::collections::BTreeSet;

/// Cases of the connector's own suites.
const CASES: usize = 92;
/// Cases that its suites lacked.
const FURTHER: usize = 18;

#[test]
fn every_case_has_a_line_and_every_test_named_there_exists() {
    let list = std::fs::read_to_string(workspace().join("tests/behaviour.md")).unwrap();
    let functions = functions(&workspace());
    let mut listed = BTreeSet::new();
    let rows = list.lines().filter(|line| line.starts_with("| "));
    for line in rows.filter(|line| !line.starts_with("| case")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [case, _, test, note] = cells[..] else {
            panic!("not four cells: {line}")
        };
        assert!(
            !test.is_empty() || note.starts_with("not ours: ") || note.starts_with("waits: "),
            "{case} has neither a test nor a reason"
        );
        let name = test.trim_matches('`').rsplit("::").next();
        let name = name.unwrap_or_default();
        assert!(
            test.is_empty() || functions.contains(name),
            "{case} names `{test}`, which does not exist"
        );
        match case.split_once('-') {
            Some((from, to)) if !case.starts_with('+') => {
                let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
                listed.extend((from..=to).map(|case| case.to_string()));
            }
            _ => {
                listed.insert(case.to_owned());
            }
        }
    }
    let wanted = (1..=CASES).map(|case| case.to_string());
    for case in wanted.chain((1..=FURTHER).map(|case| format!("+{case}"))) {
        assert!(listed.contains(&case), "case {case} is missing");
    }
}
