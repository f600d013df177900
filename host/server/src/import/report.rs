//! What became of each old parameter, for whoever has to live with it.

use serde::Serialize;

/// One line of the report. Values of recipes never stand in it: they may be credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    pub what: What,
    /// The older name.
    pub old: String,
    /// The key it is now; empty if there is none.
    pub new: String,
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// As it was.
    Taken,
    /// Not as it was: brought to a bound, or set because it was absent.
    Changed,
    /// Not there any more.
    Left,
    /// For the operator to do or to know.
    Note,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    pub lines: Vec<Line>,
}

impl Report {
    pub(super) fn taken(&mut self, old: &str, new: &str, value: &str) {
        self.add(What::Taken, old, new, value);
    }

    pub(super) fn changed(&mut self, old: &str, new: &str, message: impl Into<String>) {
        self.add(What::Changed, old, new, message);
    }

    pub(super) fn left(&mut self, old: &str, message: impl Into<String>) {
        self.add(What::Left, old, "", message);
    }

    pub(super) fn note(&mut self, new: &str, message: impl Into<String>) {
        self.add(What::Note, "", new, message);
    }

    fn add(&mut self, what: What, old: &str, new: &str, message: impl Into<String>) {
        let one_line = |text: &str| -> String {
            text.chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .take(300)
                .collect()
        };
        self.lines.push(Line {
            what,
            old: one_line(old),
            new: one_line(new),
            message: one_line(&message.into()),
        });
    }

    pub fn of(&self, what: What) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(move |line| line.what == what)
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (what, heading) in [
            (What::Taken, "taken as it was"),
            (What::Changed, "taken, and changed"),
            (What::Left, "not taken"),
            (What::Note, "to know and to do"),
        ] {
            let lines: Vec<_> = self.of(what).collect();
            if lines.is_empty() {
                continue;
            }
            writeln!(f, "{heading}:")?;
            for Line {
                old, new, message, ..
            } in lines
            {
                match (old.as_str(), new.as_str()) {
                    ("", new) => writeln!(f, "  {new}: {message}")?,
                    (old, "") => writeln!(f, "  {old}: {message}")?,
                    (old, new) => writeln!(f, "  {old} -> {new}: {message}")?,
                }
            }
        }
        Ok(())
    }
}
