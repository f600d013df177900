//! The fields of a form: each name once, each value a text, all of it small (attacks A-19, S-15).

use crate::error::PageError;
use axum::body::Body;
use axum::extract::Request;
use http::header;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use std::time::Duration;

/// A name, a password and a token fit many times over.
pub const FORM_BYTES_MAX: usize = 8 * 1024;
const FIELDS_MAX: usize = 16;

/// A peer's metadata and certificates, pasted: in a form's encoding markup takes three times its room.
const LARGE_FORM_BYTES_MAX: usize = 512 * 1024;
const LARGE_FIELDS_MAX: usize = 128;

/// How long a body may take to arrive, whatever its size (attack S-14).
pub const BODY_ARRIVES_WITHIN: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    pub async fn read(request: Request) -> Result<Self, PageError> {
        Self::within(request, FORM_BYTES_MAX, FIELDS_MAX).await
    }

    /// As `read`, for the console's forms, which only administrators send.
    pub async fn read_large(request: Request) -> Result<Self, PageError> {
        Self::within(request, LARGE_FORM_BYTES_MAX, LARGE_FIELDS_MAX).await
    }

    async fn within(
        request: Request,
        bytes_max: usize,
        fields_max: usize,
    ) -> Result<Self, PageError> {
        let headers = request.headers();
        let form = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .is_some_and(|kind| {
                kind.trim()
                    .eq_ignore_ascii_case("application/x-www-form-urlencoded")
            });
        if !form || headers.contains_key(header::CONTENT_ENCODING) {
            return Err(PageError::Form);
        }
        let body = whole(request.into_body(), bytes_max).await?;
        Self::parse(&body, fields_max)
    }

    fn parse(body: &[u8], fields_max: usize) -> Result<Self, PageError> {
        let mut fields: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(body) {
            let again = fields.iter().any(|(known, _)| *known == name);
            if again || name.contains(['[', ']']) || fields.len() == fields_max {
                return Err(PageError::Form);
            }
            fields.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(fields))
    }

    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// Every field, in the order of the form.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    #[cfg(test)]
    pub(crate) fn of_text(form: &str) -> Self {
        Self::parse(form.as_bytes(), FIELDS_MAX).expect("a test's form is in order")
    }

    /// Empty if the field is not there: what is missing is treated as what is wrong.
    pub fn text(&self, name: &str) -> &str {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map_or("", |(_, value)| value)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFailure {
    TooLarge,
    Slow,
    Broken,
}

impl From<BodyFailure> for PageError {
    fn from(failure: BodyFailure) -> Self {
        match failure {
            BodyFailure::TooLarge => Self::TooLarge,
            BodyFailure::Slow => Self::Slow,
            BodyFailure::Broken => Self::Form,
        }
    }
}

/// A body in whole, within bounds of size and time.
pub async fn whole(body: Body, bytes_max: usize) -> Result<axum::body::Bytes, BodyFailure> {
    let collected =
        tokio::time::timeout(BODY_ARRIVES_WITHIN, Limited::new(body, bytes_max).collect())
            .await
            .map_err(|_| BodyFailure::Slow)?;
    match collected {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(BodyFailure::TooLarge),
        Err(_) => Err(BodyFailure::Broken),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    ///
    #[test]
    fn a_field_is_one_text_or_the_form_is_refused() {
        let fields = Fields::parse(b"code=12%203&token=a+b&empty=", FIELDS_MAX).unwrap();
        assert_eq!(fields.text("code"), "12 3");
        assert_eq!(fields.text("token"), "a b");
        assert_eq!(fields.text("empty"), "");
        assert_eq!(fields.text("absent"), "");
        for bad in [
            "code=1&code=2",
            "code[]=1",
            "code[0]=1",
            "code%5B%5D=1",
            "a=1&code=1&a=1",
        ] {
            assert!(
                matches!(
                    Fields::parse(bad.as_bytes(), FIELDS_MAX),
                    Err(PageError::Form)
                ),
                "{bad}"
            );
        }
    }

    /// S-15
    #[test]
    fn many_fields_are_refused() {
        let many: Vec<String> = (0..=FIELDS_MAX).map(|i| format!("f{i}=1")).collect();
        assert!(Fields::parse(many[..FIELDS_MAX].join("&").as_bytes(), FIELDS_MAX).is_ok());
        assert!(Fields::parse(many.join("&").as_bytes(), FIELDS_MAX).is_err());
    }
}
