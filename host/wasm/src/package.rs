//! Wrapping a core module as a component, for `postern plugin build` and the tests.
//!
//! Owns: nothing but the call of the encoder. It adds nothing: a module that imports what a plugin
//! may not have becomes a component that is refused by name.

use wasmparser::{Encoding, Parser, Payload};
use wit_component::ComponentEncoder;

/// Why a module could not be wrapped.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// It is a component already, or not WebAssembly.
    #[error("a core WebAssembly module is expected: build the crate for wasm32-unknown-unknown")]
    NotAModule,
    /// The module does not carry the interface's types, or they do not fit its imports and exports.
    #[error("the module cannot be made a component: {0}")]
    Encode(String),
}

/// The component around a core module that was built with wit-bindgen for one of our worlds.
///
/// # Errors
/// If the module is none, or does not fit a world.
pub fn component(core_module: &[u8]) -> Result<Vec<u8>, PackageError> {
    let is_module = matches!(
        Parser::new(0).parse_all(core_module).next(),
        Some(Ok(Payload::Version {
            encoding: Encoding::Module,
            ..
        }))
    );
    if !is_module {
        return Err(PackageError::NotAModule);
    }
    ComponentEncoder::default()
        .validate(true)
        .module(core_module)
        .map_err(|error| PackageError::Encode(format!("{error:#}")))?
        .encode()
        .map_err(|error| PackageError::Encode(format!("{error:#}")))
}
