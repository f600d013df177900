//! The list of known attacks names only tests that exist, and leaves no id out; the README quotes
//! the example plugin as it is built.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
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
    let functions = Functions::of(&workspace());
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
        let problem = functions.problem(test.trim_matches('`'));
        assert!(
            test.is_empty() || problem.is_none(),
            "{id} names `{test}`, which {}",
            problem.unwrap_or_default()
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

/// All functions of the tree's sources, by name.
pub(crate) struct Functions(BTreeMap<String, Vec<Found>>);

struct Found {
    /// The folder of its package.
    package: String,
    /// The folders and the file it is in, as modules are called.
    place: Vec<String>,
    is_test: bool,
}

impl Functions {
    pub(crate) fn of(root: &Path) -> Self {
        let mut found: BTreeMap<String, Vec<Found>> = BTreeMap::new();
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
                    let package = path
                        .ancestors()
                        .find(|folder| folder.join("Cargo.toml").is_file());
                    let package = package.and_then(Path::file_name).unwrap();
                    let place = path.strip_prefix(root).unwrap().with_extension("");
                    let place: Vec<String> = place.iter().map(as_a_module).collect();
                    read(&text, &as_a_module(package), &place, &mut found);
                }
            }
        }
        Self(found)
    }

    /// What is wrong with `test`, the path of a test as it is called in a list.
    pub(crate) fn problem(&self, test: &str) -> Option<&'static str> {
        let mut modules: Vec<&str> = test.split("::").collect();
        let name = modules.pop()?;
        let Some(found) = self.0.get(name) else {
            return Some("does not exist");
        };
        // The package is more than a folder on the way: one of these tests' is called as the package
        // `federation` is.
        let package = modules.first().and_then(|name| {
            let short = name.strip_prefix("postern_")?;
            Some(short.strip_prefix("plugin_").unwrap_or(short))
        });
        let modules = &modules[usize::from(package.is_some())..];
        let lies_there = |found: &&Found| {
            let has = |module: &&str| found.place.iter().any(|part| part == module);
            package.is_none_or(|package| found.package == package)
                && modules.iter().filter(|module| **module != "tests").all(has)
        };
        let mut there = found.iter().filter(lies_there).peekable();
        if there.peek().is_none() {
            return Some("lies somewhere else");
        }
        match there.any(|found| found.is_test) {
            true => None,
            false => Some("is no test"),
        }
    }
}

/// A suite that every store runs, and the one that is its own harness, have no attribute.
const WITHOUT_ATTRIBUTE: [&str; 2] = ["conformance", "crash"];

fn as_a_module(name: &OsStr) -> String {
    name.to_string_lossy().replace('-', "_")
}

fn read(text: &str, package: &str, place: &[String], found: &mut BTreeMap<String, Vec<Found>>) {
    let lines: Vec<&str> = text.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        let Some((_, rest)) = line.split_once("fn ") else {
            continue;
        };
        let name = rest
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .next();
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            continue;
        };
        let above = lines[..at].iter().rev();
        let mut attributes = above.take_while(|line| {
            let line = line.trim();
            line.starts_with("#[") || line.starts_with("//")
        });
        let by_itself = place
            .iter()
            .any(|part| WITHOUT_ATTRIBUTE.contains(&part.as_str()));
        let is_test = by_itself || attributes.any(|line| line.contains("test"));
        let one = Found {
            package: package.to_owned(),
            place: place.to_vec(),
            is_test,
        };
        found.entry(name.to_owned()).or_default().push(one);
    }
}
