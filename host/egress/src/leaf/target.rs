//! Path and query. They cannot lead to another host, because the origin is a value of its own and this is only ever sent
//! after it; what is checked here is that they do not look like more than a path and a query to anybody.

use url::Url;

use super::{Broken, Escaped, form, is_escaped_text};

/// Checks a target against its shape.
///
/// # Errors
/// Anything that does not begin with one `/`, that has a character a URL parser would change or cut at, a `.` or `..` segment
/// in any spelling, or a value outside one path segment or query value.
pub(crate) fn check_target(real: &[u8], shape: &[u8]) -> Result<(), Escaped> {
    let text = match std::str::from_utf8(real) {
        Ok(text)
            if real
                .iter()
                .all(|b| b.is_ascii_graphic() && !matches!(b, b'\\' | b'#')) =>
        {
            text
        }
        _ => return Err(Broken::Character.at("target")),
    };
    if !text.starts_with('/') || text.starts_with("//") {
        return Err(Broken::Traversal.at("target"));
    }
    // One URL parser has the last word: what it would write differently, somebody on the way might read differently.
    let read =
        Url::parse(&format!("https://h{text}")).map_err(|_| Broken::Malformed.at("target"))?;
    if &read[url::Position::BeforePath..] != text || read.host_str() != Some("h") {
        return Err(Broken::Traversal.at("target"));
    }
    if real == shape {
        return Ok(());
    }
    let ((path, query), (shape_path, shape_query)) = (split(real), split(shape));
    check_path(path, shape_path)?;
    match (query, shape_query) {
        (None, None) => Ok(()),
        (Some(query), Some(shape)) => form::check(query, shape, |name| format!("query {name}")),
        _ => Err(Broken::Structure.at("query")),
    }
}

fn check_path(real: &[u8], shape: &[u8]) -> Result<(), Escaped> {
    let segments = |path: &[u8]| path.split(|b| *b == b'/').count();
    if segments(real) != segments(shape) {
        return Err(Broken::Structure.at("path"));
    }
    let pairs = real.split(|b| *b == b'/').zip(shape.split(|b| *b == b'/'));
    for (n, (real, shape)) in pairs.enumerate() {
        if real == shape {
            continue;
        }
        let hides_a_slash = real
            .windows(3)
            .any(|w| w.eq_ignore_ascii_case(b"%2f") || w.eq_ignore_ascii_case(b"%5c"));
        if real.is_empty() || hides_a_slash {
            return Err(Broken::Traversal.at(format!("path segment {n}")));
        }
        if !is_escaped_text(real) {
            return Err(Broken::Character.at(format!("path segment {n}")));
        }
    }
    Ok(())
}

fn split(target: &[u8]) -> (&[u8], Option<&[u8]>) {
    match target.iter().position(|b| *b == b'?') {
        Some(at) => (&target[..at], Some(&target[at + 1..])),
        None => (target, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(real: &str, shape: &str) -> Option<Broken> {
        check_target(real.as_bytes(), shape.as_bytes())
            .err()
            .map(|e| e.broken)
    }

    /// T-12, O-02
    #[test]
    fn a_target_is_a_path_and_a_query_and_nothing_else() {
        use Broken as B;
        for (target, expected) in [
            ("/", None),
            ("/2010-04-01/Accounts/AC1/Messages.json", None),
            ("/a//b/", None),
            ("/a%2Fb", None),
            ("/send?to[]=1&b=a/b?c&d=@:!$()*,", None),
            ("/a:b@c", None),
            ("", Some(B::Traversal)),
            ("a", Some(B::Traversal)),
            ("*", Some(B::Traversal)),
            ("?a", Some(B::Traversal)),
            ("@evil.example/", Some(B::Traversal)),
            (":8080/", Some(B::Traversal)),
            (".evil.example/", Some(B::Traversal)),
            ("http://evil.example/", Some(B::Traversal)),
            ("//evil.example/", Some(B::Traversal)),
            ("///evil.example/", Some(B::Traversal)),
            ("/\\evil.example/", Some(B::Character)),
            ("\\evil", Some(B::Character)),
            ("/a/../b", Some(B::Traversal)),
            ("/a/..", Some(B::Traversal)),
            ("/./a", Some(B::Traversal)),
            ("/a/%2e%2e/b", Some(B::Traversal)),
            ("/a/.%2E/b", Some(B::Traversal)),
            ("/a#b", Some(B::Character)),
            ("/a b", Some(B::Character)),
            ("/a\tb", Some(B::Character)),
            ("/a\r\nHost: evil", Some(B::Character)),
            ("/a HTTP/1.1\r\n", Some(B::Character)),
            ("/a\0", Some(B::Character)),
            ("/é", Some(B::Character)),
            ("/a\"b", Some(B::Traversal)),
            ("/a?b='", Some(B::Traversal)),
        ] {
            assert_eq!(broken(target, target), expected, "{target:?}");
        }
    }

    /// T-02, T-12
    #[test]
    fn a_value_stays_in_its_segment_or_query_value() {
        use Broken as B;
        let shape = "/v1/15550100/send?to=15550100&text=x1";
        for (target, expected) in [
            ("/v1/+94771234567/send?to=%2B9477&text=a+b", None),
            ("/v1/9477/send?to=&text=", None),
            ("/v1/a/b/send?to=1&text=a", Some(B::Structure)),
            ("/v1//send?to=1&text=a", Some(B::Traversal)),
            ("/v1/../send?to=1&text=a", Some(B::Traversal)),
            ("/v1/..%2F..%2Fadmin/send?to=1&text=a", Some(B::Traversal)),
            ("/v1/a%5cb/send?to=1&text=a", Some(B::Traversal)),
            ("/v1/a%zz/send?to=1&text=a", Some(B::Character)),
            ("/v1/a?b/send?to=1&text=a", Some(B::Structure)),
            ("/v1/9477/send?to=1&to=2&text=a", Some(B::Structure)),
            ("/v1/9477/send?to=1;to=2&text=a", Some(B::Structure)),
            ("/v1/9477/send?to=1&text=a&bcc=2", Some(B::Structure)),
            ("/v1/9477/send?to=1&text=a#b", Some(B::Character)),
            ("/v1/9477/send?to=1&text=100%", Some(B::Character)),
            ("/v1/9477/send", Some(B::Structure)),
        ] {
            assert_eq!(broken(target, shape), expected, "{target:?}");
        }
    }
}
