//! Forms and queries: the same fields under the same names, in the same order. `;` separates too, because older servers
//! take it so.

use super::{Broken, Escaped, is_escaped_text, quoted};

/// Checks the fields of a form or a query; `place` says how a field is called in an error.
pub(super) fn check(
    real: &[u8],
    shape: &[u8],
    place: impl Fn(&str) -> String,
) -> Result<(), Escaped> {
    // A field without a name is called by its number.
    let called = |n: usize, name: &[u8]| match name.is_empty() {
        true => place(&(n + 1).to_string()),
        false => place(&quoted(name)),
    };
    let mut real_fields = fields(real);
    let mut last = (0, &b""[..]);
    for (n, shape_field) in fields(shape).enumerate() {
        last = (n, split(shape_field).0);
        let Some(real_field) = real_fields.next() else {
            return Err(Broken::Structure.at(called(last.0, last.1)));
        };
        if real_field == shape_field {
            continue;
        }
        let ((shape_name, shape_value), (real_name, real_value)) =
            (split(shape_field), split(real_field));
        match (shape_value, real_value) {
            (Some(_), Some(value)) if real_name == shape_name => {
                if !is_escaped_text(value) {
                    return Err(Broken::Character.at(called(n, shape_name)));
                }
            }
            // A value that stands alone, without a name.
            (None, None) => {
                if !is_escaped_text(real_name) {
                    return Err(Broken::Character.at(called(n, b"")));
                }
            }
            _ => return Err(Broken::Structure.at(called(n, shape_name))),
        }
    }
    match real_fields.next() {
        Some(_) => Err(Broken::Structure.at(called(last.0, last.1))),
        None => Ok(()),
    }
}

fn fields(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|b| matches!(b, b'&' | b';'))
}

fn split(field: &[u8]) -> (&[u8], Option<&[u8]>) {
    match field.iter().position(|b| *b == b'=') {
        Some(at) => (&field[..at], Some(&field[at + 1..])),
        None => (field, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T-02
    #[test]
    fn a_value_stays_in_its_field() {
        for (real, shape, broken) in [
            ("to=%2B9477&text=a+b", "to=15550100&text=x1", None),
            ("to=%2B1%26to%3D%2B999&text=a", "to=1&text=x1", None),
            ("to=+9477&text=a", "to=1&text=x1", None),
            ("sig=ab==&to=", "sig=x1&to=1", None),
            (
                "to=+1&to=+999&text=a",
                "to=1&text=x1",
                Some(Broken::Structure),
            ),
            (
                "to=+1;to=+999&text=a",
                "to=1&text=x1",
                Some(Broken::Structure),
            ),
            ("text=a&b", "text=x1", Some(Broken::Structure)),
            ("text=a&b=c", "text=x1", Some(Broken::Structure)),
            ("a&text", "x1", Some(Broken::Structure)),
            ("a=b", "x1", Some(Broken::Structure)),
            ("text=a b", "text=x1", Some(Broken::Character)),
            ("text=a\r\n", "text=x1", Some(Broken::Character)),
            ("text=100%", "text=x1", Some(Broken::Character)),
            ("text=%zz", "text=x1", Some(Broken::Character)),
            ("text=é", "text=x1", Some(Broken::Character)),
            ("secretname=1", "x1=1", Some(Broken::Structure)),
            ("", "to=1&text=x1", Some(Broken::Structure)),
        ] {
            let checked = check(real.as_bytes(), shape.as_bytes(), |name| {
                format!("form field {name}")
            });
            assert_eq!(checked.map_err(|e| e.broken).err(), broken, "{real}");
        }
    }

    #[test]
    fn the_error_names_the_field_and_not_the_value() {
        let error = check(b"to=+94771234567&text=hunter2&x", b"to=1&text=x1", |name| {
            format!("form field {name}")
        });
        let error = error.map_err(|e| e.to_string());
        assert_eq!(
            error,
            Err(
                "form field `text`: a value does not lie inside one leaf: escape it for its place"
                    .into()
            )
        );
    }
}
