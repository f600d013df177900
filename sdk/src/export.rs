//! What a plugin's crate gets besides its functions: in wasm the exports and the manifest's
//! section, in a test the conformance suite.
//!
//! Owns: the macros, and nothing else. Natively there is nothing to export to, and a linker would
//! not know the section.

/// Exports the module `plugin` of the crate that uses it.
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    (provider) => {
        #[cfg(target_family = "wasm")]
        #[allow(unsafe_code, reason = "exported symbols and the manifest's section")]
        const _: () = {
            $crate::__manifest_section!();

            use $crate::bindings::provider::{self as bindings, exports::postern::plugin::provider as world};

            struct Component;

            impl world::Guest for Component {
                fn step(
                    settings: Vec<(String, String)>,
                    message: world::Message,
                    event: world::Event,
                    state: Vec<u8>,
                ) -> world::Action {
                    bindings::step(plugin::step, settings, message, event, state)
                }

                fn check(settings: Vec<(String, String)>) -> Vec<world::Problem> {
                    bindings::check(plugin::check, settings)
                }
            }

            $crate::bindings::provider::export_provider!(Component with_types_in $crate::bindings::provider);
        };
    };
    (resolver) => {
        #[cfg(target_family = "wasm")]
        #[allow(unsafe_code, reason = "exported symbols and the manifest's section")]
        const _: () = {
            $crate::__manifest_section!();

            use $crate::bindings::resolver::{self as bindings, exports::postern::plugin::resolver as world};

            struct Component;

            impl world::Guest for Component {
                fn step(
                    settings: Vec<(String, String)>,
                    login: world::FederatedLogin,
                    event: world::Event,
                    state: Vec<u8>,
                ) -> world::Action {
                    bindings::step(plugin::step, settings, login, event, state)
                }

                fn check(settings: Vec<(String, String)>) -> Vec<world::Problem> {
                    bindings::check(plugin::check, settings)
                }
            }

            $crate::bindings::resolver::export_resolver!(Component with_types_in $crate::bindings::resolver);
        };
    };
}

/// The manifest, in the section the host reads without running the component.
#[doc(hidden)]
#[macro_export]
macro_rules! __manifest_section {
    () => {
        #[used]
        #[unsafe(link_section = "postern:manifest")]
        static MANIFEST: [u8; plugin::MANIFEST.len()] =
            *include_bytes!(concat!(env!("OUT_DIR"), "/manifest.json"));
    };
}

/// The tests every plugin has: one line after `sms_provider!` or `user_resolver!`,
/// `postern_sdk::conformance!(provider);` or `postern_sdk::conformance!(resolver);`.
#[macro_export]
macro_rules! conformance {
    (provider) => {
        #[cfg(all(test, not(target_family = "wasm")))]
        mod conformance {
            use super::plugin;
            use $crate::conformance as suite;

            #[test]
            fn every_vector_holds() {
                suite::assert_provider(
                    plugin::MANIFEST,
                    plugin::step,
                    plugin::check,
                    suite::provider_vectors,
                );
            }

            #[test]
            fn hostile_settings_break_nothing_and_move_no_origin() {
                suite::assert_provider(
                    plugin::MANIFEST,
                    plugin::step,
                    plugin::check,
                    suite::provider_hostile_settings,
                );
            }

            #[test]
            fn hostile_replies_break_nothing_and_are_not_accepted() {
                suite::assert_provider(
                    plugin::MANIFEST,
                    plugin::step,
                    plugin::check,
                    suite::provider_hostile_replies,
                );
            }

            #[test]
            fn the_same_input_gives_the_same_answer() {
                suite::assert_provider(
                    plugin::MANIFEST,
                    plugin::step,
                    plugin::check,
                    suite::provider_same_answer,
                );
            }

            #[test]
            fn the_manifest_says_what_the_code_does() {
                suite::assert_provider(
                    plugin::MANIFEST,
                    plugin::step,
                    plugin::check,
                    suite::provider_manifest,
                );
            }
        }
    };
    (resolver) => {
        #[cfg(all(test, not(target_family = "wasm")))]
        mod conformance {
            use super::plugin;
            use $crate::conformance as suite;

            #[test]
            fn every_vector_holds() {
                suite::assert_resolver(
                    plugin::MANIFEST,
                    plugin::step,
                    plugin::check,
                    suite::resolver_vectors,
                );
            }

            #[test]
            fn hostile_input_breaks_nothing_and_names_no_account() {
                suite::assert_resolver(
                    plugin::MANIFEST,
                    plugin::step,
                    plugin::check,
                    suite::resolver_hostile,
                );
            }
        }
    };
}
