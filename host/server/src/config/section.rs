//! Reading one table key by key, so that one wrong value does not hide the next one. Deserializing
//! a whole struct would stop at the first.

use super::problems::Findings;
use serde::de::DeserializeOwned;
use std::ops::RangeInclusive;
use std::time::Duration;

/// A table that is being read: what was taken is gone, what is left in the end is unknown.
pub(super) struct Section<'a> {
    path: String,
    table: toml::Table,
    /// Keys that were asked for, for the hint about a misspelt one.
    known: Vec<String>,
    findings: &'a mut Findings,
}

impl<'a> Section<'a> {
    pub(super) fn root(table: toml::Table, findings: &'a mut Findings) -> Self {
        Self::at(String::new(), table, findings)
    }

    pub(super) fn at(path: String, table: toml::Table, findings: &'a mut Findings) -> Self {
        Self {
            path,
            table,
            known: Vec::new(),
            findings,
        }
    }

    /// The dotted name of a key of this section.
    pub(super) fn key(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    pub(super) fn problem(&mut self, name: &str, message: impl Into<String>) {
        let key = self.key(name);
        self.findings.problem(&key, message);
    }

    pub(super) fn warning(&mut self, name: &str, message: impl Into<String>) {
        let key = self.key(name);
        self.findings.warning(&key, message);
    }

    fn take(&mut self, name: &str) -> Option<toml::Value> {
        #[cfg(test)]
        asked::note(self.key(name));
        self.known.push(name.to_owned());
        self.table.remove(name)
    }

    /// The value of a key, if it is there and of the type; `expected` completes "expected ...".
    pub(super) fn optional<T: DeserializeOwned>(
        &mut self,
        name: &str,
        expected: &str,
    ) -> Option<T> {
        let value = self.take(name)?;
        let found = kind(&value);
        match value.try_into() {
            Ok(value) => Some(value),
            Err(_) => {
                self.problem(name, format!("found {found}: expected {expected}"));
                None
            }
        }
    }

    pub(super) fn or<T: DeserializeOwned>(&mut self, name: &str, expected: &str, default: T) -> T {
        self.optional(name, expected).unwrap_or(default)
    }

    pub(super) fn flag(&mut self, name: &str, default: bool) -> bool {
        self.or(name, "true or false", default)
    }

    /// A whole number within bounds; outside them the reason is told as well.
    pub(super) fn number(
        &mut self,
        name: &str,
        bounds: RangeInclusive<u64>,
        reason: &str,
        default: u64,
    ) -> u64 {
        let expected = format!("a whole number from {} to {}", bounds.start(), bounds.end());
        let Some(value) = self.optional::<i64>(name, &expected) else {
            return default;
        };
        match u64::try_from(value) {
            Ok(value) if bounds.contains(&value) => value,
            _ => {
                let because = if reason.is_empty() {
                    String::new()
                } else {
                    format!(" ({reason})")
                };
                self.problem(name, format!("{value}: expected {expected}{because}"));
                default
            }
        }
    }

    pub(super) fn small(
        &mut self,
        name: &str,
        bounds: RangeInclusive<u64>,
        reason: &str,
        default: u32,
    ) -> u32 {
        u32::try_from(self.number(name, bounds, reason, default.into())).unwrap_or(default)
    }

    /// A whole number within bounds, if the key is there.
    pub(super) fn optional_small(
        &mut self,
        name: &str,
        bounds: RangeInclusive<u64>,
        reason: &str,
    ) -> Option<u32> {
        let there = self.has(name);
        let number = self.small(name, bounds, reason, 0);
        there.then_some(number)
    }

    /// Whether the key is there and was not taken yet.
    pub(super) fn has(&self, name: &str) -> bool {
        self.table.contains_key(name)
    }

    /// Whole seconds within bounds.
    pub(super) fn seconds(
        &mut self,
        name: &str,
        bounds: RangeInclusive<u64>,
        reason: &str,
        default: u64,
    ) -> Duration {
        Duration::from_secs(self.number(name, bounds, reason, default))
    }

    /// One of a few words; the first is the default.
    pub(super) fn word<T: Copy>(&mut self, name: &str, words: &[(&str, T)]) -> T {
        let names: Vec<_> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        let expected = names.join(" or ");
        let default = words[0].1;
        let Some(value) = self.optional::<String>(name, &expected) else {
            return default;
        };
        match words.iter().find(|(word, _)| *word == value) {
            Some((_, meaning)) => *meaning,
            None => {
                self.problem(name, format!("`{value}`: expected {expected}"));
                default
            }
        }
    }

    /// A table below; an absent one is empty.
    pub(super) fn table(&mut self, name: &str) -> Section<'_> {
        let path = self.key(name);
        let table = match self.take(name) {
            None => toml::Table::new(),
            Some(toml::Value::Table(table)) => table,
            Some(other) => {
                let found = kind(&other);
                self.problem(name, format!("found {found}: expected a table, `[{path}]`"));
                toml::Table::new()
            }
        };
        Section::at(path, table, self.findings)
    }

    /// A table below, if it is there.
    pub(super) fn optional_table(&mut self, name: &str) -> Option<Section<'_>> {
        if self.table.contains_key(name) {
            Some(self.table(name))
        } else {
            self.take(name);
            None
        }
    }

    /// All keys with their values, for tables whose names are free.
    pub(super) fn entries(&mut self) -> Vec<(String, toml::Value)> {
        std::mem::take(&mut self.table).into_iter().collect()
    }

    pub(super) fn findings(&mut self) -> &mut Findings {
        self.findings
    }

    /// Whatever is left was never asked for.
    pub(super) fn finish(mut self) {
        let unknown: Vec<_> = self.table.keys().cloned().collect();
        for name in unknown {
            let hint = match closest(&name, &self.known) {
                Some(close) => format!("did you mean `{close}`?"),
                None if self.known.is_empty() => "this section has no keys".into(),
                None => format!("known here: {}", self.known.join(", ")),
            };
            self.problem(&name, format!("unknown key: {hint}"));
        }
    }
}

fn kind(value: &toml::Value) -> &'static str {
    match value {
        toml::Value::String(_) => "a text",
        toml::Value::Integer(_) => "a whole number",
        toml::Value::Float(_) => "a number with a fraction",
        toml::Value::Boolean(_) => "true or false",
        toml::Value::Datetime(_) => "a date",
        toml::Value::Array(_) => "a list",
        toml::Value::Table(_) => "a table",
    }
}

/// The known name at most two letters away.
fn closest<'k>(name: &str, known: &'k [String]) -> Option<&'k str> {
    known
        .iter()
        .map(|candidate| (distance(name, candidate), candidate.as_str()))
        .filter(|(distance, _)| *distance <= 2)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance over bytes; names are short.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// Every key that was asked for, so that a test can hold the reference to the code.
#[cfg(test)]
pub(super) mod asked {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    thread_local! {
        static KEYS: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
    }

    pub(super) fn note(key: String) {
        KEYS.with_borrow_mut(|keys| keys.insert(key));
    }

    /// What this thread asked for since the last time.
    pub(crate) fn taken() -> BTreeSet<String> {
        KEYS.take()
    }
}
