//! Words of others, made fit for a log line or a report.

/// `text` as one line of at most `bytes` bytes: control characters, line separators and characters
/// that reorder or hide text are escaped, so that nobody can forge a line (attack P-18).
pub(crate) fn one_line(text: &str, bytes: usize) -> String {
    let mut line = String::with_capacity(text.len().min(bytes));
    for c in text.chars() {
        let before = line.len();
        let hides = c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if hides {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
        if line.len() > bytes {
            line.truncate(before);
            line.push('…');
            break;
        }
    }
    line
}
