//! `tests/behaviour.md` names only tests that exist where it says, and leaves no case out.

use crate::attacks::{Functions, workspace};
use std::collections::BTreeSet;

/// Cases of the connector's own suites.
const CASES: usize = 92;
/// Cases that its suites lacked.
const FURTHER: usize = 18;

#[test]
fn every_case_has_a_line_and_every_test_named_there_exists() {
    let list = std::fs::read_to_string(workspace().join("tests/behaviour.md")).unwrap();
    let functions = Functions::of(&workspace());
    let mut listed = BTreeSet::new();
    let rows = list.lines().filter(|line| line.starts_with("| "));
    for line in rows.filter(|line| !line.starts_with("| case")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [case, _, test, note] = cells[..] else {
            panic!("not four cells: {line}")
        };
        assert!(
            !test.is_empty() || note.starts_with("not ours: "),
            "{case} has neither a test nor a reason"
        );
        // What is told beside it, in backticks, is either a test as well or a name of a parameter.
        let beside = note.split('`').skip(1).step_by(2);
        let beside = beside.filter(|word| word.contains("::") || word.matches('_').count() > 3);
        let named = Some(test.trim_matches('`')).filter(|test| !test.is_empty());
        for test in named.into_iter().chain(beside) {
            let problem = functions.problem(test);
            assert!(
                problem.is_none(),
                "{case} names `{test}`, which {}",
                problem.unwrap_or_default()
            );
        }
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
