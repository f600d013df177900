//! The commented file that `postern config init` writes. A test reads it back: it is always in order.

/// A first configuration, with every key an operator is likely to need.
pub const TEMPLATE: &str = include_str!("template.toml");
