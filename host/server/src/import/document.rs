//! What an import makes, and how it is written: TOML that `check-config` reads.

use std::fmt::Write;
use toml::Value;

/// Tables in the order in which they are written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Document {
    pub(super) tables: Vec<Written>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Written {
    /// Dotted, each part as it is: parts that need quotes get them.
    pub(super) path: Vec<String>,
    pub(super) comments: Vec<String>,
    pub(super) keys: Vec<(String, Value)>,
}

impl Document {
    /// The table of this path, made if it is not there yet.
    pub(super) fn table(&mut self, path: &[&str]) -> &mut Written {
        let at = self.tables.iter().position(|table| table.path == path);
        let at = at.unwrap_or_else(|| {
            self.tables.push(Written {
                path: path.iter().map(|part| (*part).to_owned()).collect(),
                ..Written::default()
            });
            self.tables.len() - 1
        });
        &mut self.tables[at]
    }

    pub(super) fn remove(&mut self, path: &[&str]) {
        self.tables.retain(|table| table.path != path);
    }

    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        for table in &self.tables {
            if !text.is_empty() {
                text.push('\n');
            }
            for comment in &table.comments {
                let _ = writeln!(text, "# {comment}");
            }
            let path: Vec<String> = table.path.iter().map(|part| key(part)).collect();
            let _ = writeln!(text, "[{}]", path.join("."));
            for (name, value) in &table.keys {
                let _ = writeln!(text, "{} = {value}", key(name));
            }
        }
        text
    }
}

impl Written {
    pub(super) fn set(&mut self, name: &str, value: impl Into<Value>) {
        let value = value.into();
        match self.keys.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value,
            None => self.keys.push((name.to_owned(), value)),
        }
    }
}

fn key(name: &str) -> String {
    let bare = !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if bare {
        name.to_owned()
    } else {
        Value::String(name.to_owned()).to_string()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let mut document = Document::default();
        let nasty = "a \"quoted\" 'line'\nwith $ctx.msg and \\ and # and é";
        document.table(&["sender", "a"]).set("x", nasty);
        document
            .table(&["sms_otp", "after", "A.b c"])
            .set("y", true);
        document
            .table(&["sender", "a"])
            .set("z", Value::Array(vec![Value::from("1")]));
        let read: toml::Table = toml::from_str(&document.to_toml()).unwrap();
        assert_eq!(read["sender"]["a"]["x"].as_str(), Some(nasty));
        assert_eq!(read["sms_otp"]["after"]["A.b c"]["y"].as_bool(), Some(true));
    }
}
