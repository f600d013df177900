//! The words of a message: template of the tenant and locale, the code, the origin-bound last line,
//! and how many segments it takes.

use zeroize::Zeroizing;

/// A finished text with its segmentation.
#[derive(Clone)]
pub struct MessageText {
    whole: Zeroizing<String>,
    pub encoding: Encoding,
    /// 1 to 10.
    pub segments: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Gsm7,
    Ucs2,
}

impl MessageText {
    /// Measures a finished text (GSM-7 160/153, UCS-2 70/67). `None` above 10 segments.
    pub fn measured(text: String) -> Option<Self> {
        let _ = text;
        todo!()
    }
    pub fn as_str(&self) -> &str {
        &self.whole
    }
    /// The text cut as the segments carry it, for providers that want parts.
    pub fn parts(&self) -> Vec<&str> {
        todo!()
    }
}

impl std::fmt::Debug for MessageText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[text, {} segment(s)]", self.segments)
    }
}
