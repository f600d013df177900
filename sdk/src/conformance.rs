//! What every plugin must do, whatever it is for.
//!
//! Owns: the generic tests behind [`conformance!`](crate::conformance): all vectors hold, hostile
//! settings and replies do not break it, the same input gives the same answer, and the manifest
//! says what the code does. A host runs a part of the same before it lets a component in. What does
//! not hold is told, naming the case; nothing in here panics over an answer. Knows nothing of any
//! provider.

#[cfg(test)]
mod faulty;
mod replies;
mod requests;
mod rules;
mod talk;
mod trial;

pub(crate) use requests::worked_out;
pub use rules::{
    provider_hostile_replies, provider_hostile_settings, provider_manifest, provider_same_answer,
    provider_vectors, resolver_hostile, resolver_vectors,
};

use crate::manifest::{Kind, Manifest};
use crate::message::Message;
use crate::provider::{Action, Event};
use crate::resolver::{self, FederatedLogin};
use crate::settings::Settings;
use crate::vectors::{ProviderFunctions, ProviderUnderTest, ResolverFunctions, ResolverUnderTest};
use crate::wire::Problem;

/// How much of the suite runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Every case.
    Whole,
    /// At most so many calls of the plugin: the first cases of an order that is the same each time and
    /// goes evenly over all of them.
    Steps(usize),
}

impl Extent {
    fn eighths(self, eighths: usize) -> Extent {
        match self {
            Extent::Whole => Extent::Whole,
            Extent::Steps(steps) => Extent::Steps(steps * eighths / 8),
        }
    }
}

/// A rule for providers; the error names the case in which it is broken.
pub type ProviderRule = fn(&Manifest, &dyn ProviderUnderTest, Extent) -> Result<(), String>;

/// A rule for resolvers; the error names the case in which it is broken.
pub type ResolverRule = fn(&Manifest, &dyn ResolverUnderTest, Extent) -> Result<(), String>;

/// What every provider keeps besides its vectors: in the words that tell it, with its eighths of the steps.
const PROVIDER_RULES: &[(&str, usize, ProviderRule)] = &[
    (
        "hostile settings break nothing and move no origin",
        2,
        provider_hostile_settings,
    ),
    (
        "hostile replies break nothing and are not accepted",
        4,
        provider_hostile_replies,
    ),
    (
        "the same input gives the same answer",
        1,
        provider_same_answer,
    ),
    ("the manifest says what the code does", 1, provider_manifest),
];

/// A rule in words, and the case in which it is broken, if it is.
pub type Finding = (&'static str, Result<(), String>);

/// Every rule but the vectors.
pub fn provider_findings(
    manifest: &Manifest,
    plugin: &dyn ProviderUnderTest,
    extent: Extent,
) -> Vec<Finding> {
    PROVIDER_RULES
        .iter()
        .map(|(words, eighths, rule)| (*words, rule(manifest, plugin, extent.eighths(*eighths))))
        .collect()
}

/// Every rule but the vectors.
pub fn resolver_findings(
    manifest: &Manifest,
    plugin: &dyn ResolverUnderTest,
    extent: Extent,
) -> Vec<Finding> {
    vec![(
        "hostile input breaks nothing and names no account",
        resolver_hostile(manifest, plugin, extent),
    )]
}

fn parse(manifest: &str, kind: Kind) -> Manifest {
    let manifest = match Manifest::parse(manifest) {
        Ok(manifest) => manifest,
        Err(error) => panic!("{error}"),
    };
    assert_eq!(
        manifest.kind, kind,
        "the manifest is of another kind than the tests"
    );
    manifest
}

#[doc(hidden)]
pub fn assert_provider(
    manifest: &str,
    step: fn(&Settings, &Message, &Event, &[u8]) -> Action,
    check: fn(&Settings) -> Vec<Problem>,
    rule: ProviderRule,
) {
    let manifest = parse(manifest, Kind::SmsProvider);
    let plugin = ProviderFunctions { step, check };
    if let Err(finding) = rule(&manifest, &plugin, Extent::Whole) {
        panic!("{finding}");
    }
}

#[doc(hidden)]
pub fn assert_resolver(
    manifest: &str,
    step: fn(&Settings, &FederatedLogin, &resolver::Event, &[u8]) -> resolver::Action,
    check: fn(&Settings) -> Vec<Problem>,
    rule: ResolverRule,
) {
    let manifest = parse(manifest, Kind::UserResolver);
    let plugin = ResolverFunctions { step, check };
    if let Err(finding) = rule(&manifest, &plugin, Extent::Whole) {
        panic!("{finding}");
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::faulty::{ACCEPTS_ANYTHING, MANIFEST, NOTHING, TWO_ANSWERS, plugin};
    use super::*;

    /// Counts its calls; those that read a reply of no length have no answer.
    struct Counted {
        inner: ProviderFunctions,
        calls: Cell<usize>,
        fails: bool,
    }

    impl ProviderUnderTest for Counted {
        fn step(
            &self,
            settings: &Settings,
            message: &Message,
            event: &Event,
            state: &[u8],
        ) -> Result<Action, String> {
            self.calls.set(self.calls.get() + 1);
            match event {
                Event::Reply(reply) if self.fails && reply.body().is_empty() => {
                    Err("a trap".to_owned())
                }
                _ => self.inner.step(settings, message, event, state),
            }
        }

        fn check(&self, settings: &Settings) -> Result<Vec<Problem>, String> {
            self.calls.set(self.calls.get() + 1);
            self.inner.check(settings)
        }
    }

    fn counted<const WRONG: u8>(fails: bool) -> Counted {
        Counted {
            inner: plugin::<WRONG>(),
            calls: Cell::new(0),
            fails,
        }
    }

    /// As many as a host makes when it lets a component in.
    const AT_ADMISSION: Extent = Extent::Steps(128);

    /// The findings within so many calls, one after the other.
    fn findings(plugin: &dyn ProviderUnderTest, extent: Extent) -> String {
        let manifest = parse(MANIFEST, Kind::SmsProvider);
        provider_findings(&manifest, plugin, extent)
            .into_iter()
            .filter_map(|(rule, judged)| Some(format!("{rule}: {}\n", judged.err()?)))
            .collect()
    }

    #[test]
    fn a_part_of_the_suite_calls_the_plugin_as_often_as_it_may_and_no_more() {
        for steps in [0, 1, 8, 127, 128, 1_000] {
            let plugin = counted::<NOTHING>(false);
            assert_eq!(findings(&plugin, Extent::Steps(steps)), "");
            assert!(plugin.calls.get() <= steps, "{steps}");
        }
        let plugin = counted::<NOTHING>(false);
        let _ = findings(&plugin, AT_ADMISSION);
        assert!(plugin.calls.get() > 80, "{}", plugin.calls.get());
    }

    #[test]
    fn a_part_of_the_suite_finds_the_same_each_time_and_names_the_case() {
        for (plugin, says) in [
            (
                counted::<ACCEPTS_ANYTHING>(false),
                "hostile replies break nothing and are not accepted: vector `a token",
            ),
            (counted::<ACCEPTS_ANYTHING>(false), "was accepted"),
            (counted::<NOTHING>(true), "with \"\": a trap"),
            (
                counted::<TWO_ANSWERS>(false),
                "the same input gives the same answer: vector `a token",
            ),
        ] {
            let found = findings(&plugin, AT_ADMISSION);
            assert!(found.contains(says), "{says}: {found}");
        }
        let twice = || findings(&plugin::<ACCEPTS_ANYTHING>(), AT_ADMISSION);
        assert_eq!(twice(), twice());
    }
}
