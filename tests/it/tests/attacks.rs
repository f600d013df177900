//! The list of known attacks names only tests that exist, and leaves no id out; the README quotes
//! the example plugin as it is built.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Ids of each group of the catalogue: 207 in all.
const GROUPS: [(&str, usize); 15] = [
    ("A", 20),
    ("N", 8),
    ("R", 11),
    ("E", 6),
    ("C", 8),
    ("B", 9),
    ("D", 4),
    ("T", 14),
    ("U", 5),
    ("S", 18),
    ("X", 36),
    ("Q", 11),
    ("O", 14),
    ("P", 37),
    ("L", 6),
];

pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn every_known_attack_has_a_line_and_every_test_named_there_exists() {
    let list = std::fs::read_to_string(workspace().join("tests/attacks.md")).unwrap();
    let functions = functions(&workspace());
    let mut listed = BTreeSet::new();
    for line in list
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| id"))
    {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [id, test, note] = cells[..] else {
            panic!("not three cells: {line}")
        };
        assert!(
            !test.is_empty() || !note.is_empty(),
            "{id} has neither a test nor a reason"
        );
        listed.insert(id.to_owned());
        let name = test
            .trim_matches('`')
            .rsplit("::")
            .next()
            .unwrap_or_default();
        assert!(
            test.is_empty() || functions.contains(name),
            "{id} names `{test}`, which does not exist"
        );
    }
    for (group, count) in GROUPS {
        for number in 1..=count {
            let id = format!("{group}-{number:02}");
            assert!(listed.contains(&id), "{id} is missing");
        }
    }
}

#[test]
fn the_readme_quotes_the_example_as_it_is() {
    let readme = std::fs::read_to_string(workspace().join("README.md")).unwrap();
    let example = workspace().join("examples/plugins/minimal/src/lib.rs");
    let example = std::fs::read_to_string(example).unwrap();
    // The last line is the plugin's own tests, which the README leaves to the tour.
    let quoted = example
        .split("postern_sdk::conformance!")
        .next()
        .unwrap()
        .trim_end();
    assert!(
        readme.contains(quoted),
        "the README's example is not examples/plugins/minimal/src/lib.rs"
    );
}

/// Names of all functions in the tree's sources.
pub(crate) fn functions(root: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders: Vec<PathBuf> = ["host", "sdk", "plugins", "examples", "tests"]
        .iter()
        .map(|name| root.join(name))
        .collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                for rest in text.split("fn ").skip(1) {
                    let name = rest
                        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                        .next();
                    found.extend(name.map(str::to_owned));
                }
            }
        }
    }
    found
}
