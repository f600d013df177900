//! What people and scripts read: results on standard output, everything else on standard error.

use serde::Serialize;
use std::io::{IsTerminal, Write};

/// A line of the result.
pub(super) fn line(text: impl AsRef<str>) {
    // A closed pipe (`postern user list | head`) is no reason to complain.
    let _ = writeln!(std::io::stdout(), "{}", text.as_ref());
}

/// A word beside the result.
pub(super) fn aside(text: impl AsRef<str>) {
    let _ = writeln!(std::io::stderr(), "{}", text.as_ref());
}

pub(super) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(serde_json::to_string_pretty(value)?);
    Ok(())
}

/// One error, told as one sentence: its cause behind it.
pub(super) fn complain(error: &anyhow::Error) {
    let (red, plain) = if std::io::stderr().is_terminal() {
        ("\x1b[31m", "\x1b[0m")
    } else {
        ("", "")
    };
    aside(format!("{red}error:{plain} {error:#}"));
}

/// Rows under their headings, each column as wide as its widest cell.
pub(super) fn table(headings: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .chain([headings[column].chars().count()])
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let show = |cells: Vec<&str>| {
        let padded: Vec<_> = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        line(padded.join("  ").trim_end());
    };
    show(headings.to_vec());
    for row in rows {
        show(row.iter().map(String::as_str).collect());
    }
}

/// Somebody else's text on a terminal (attack L-01).
pub(super) fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || ('\u{2028}'..='\u{202e}').contains(&c) {
            visible.extend(c.escape_unicode());
        } else {
            visible.push(c);
        }
    }
    visible
}

/// All but the last four digits of a number hidden.
pub(super) fn masked(number: &str) -> String {
    let shown = number.char_indices().rev().nth(3).map_or(0, |(at, _)| at);
    format!("******{}", &number[shown..])
}
