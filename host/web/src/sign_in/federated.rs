//! The first step at an identity provider.
