//! A plugin that is tried: how often a rule may call it, and what is told when it breaks the rule.
//!
//! Owns: the calls that are left, how they are shared out among the cases of a rule, and the order in which
//! cases come, so that those that are met lie evenly over all. Knows no rule.

use std::cell::Cell;
use std::fmt::{self, Display};

use super::Extent;
use super::requests::judge_origin;
use crate::manifest::Manifest;
use crate::message::Message;
use crate::provider::{Action, Event};
use crate::resolver::{self, FederatedLogin};
use crate::settings::Settings;
use crate::vectors::{Expect, ProviderUnderTest, ResolverUnderTest, Vector};
use crate::wire::Request;

/// Why a rule ends early.
pub(super) enum Stop {
    /// It is broken.
    Found(String),
    /// The plugin was called as often as it may be.
    Spent,
}

impl From<String> for Stop {
    fn from(finding: String) -> Stop {
        Stop::Found(finding)
    }
}

impl Stop {
    /// With the vector that it began with.
    fn of(self, vector: &Vector) -> Stop {
        match self {
            Stop::Found(why) => Stop::Found(format!("vector `{}`: {why}", vector.name)),
            Stop::Spent => Stop::Spent,
        }
    }
}

pub(super) fn found<T>(why: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Found(why.into()))
}

/// A plugin whose calls are counted.
pub(super) struct Trial<'a, P: ?Sized> {
    pub(super) manifest: &'a Manifest,
    plugin: &'a P,
    left: Cell<usize>,
    made: Cell<usize>,
}

impl<'a, P: ?Sized> Trial<'a, P> {
    /// Whether the rule holds, as far as it is followed.
    pub(super) fn judge(
        manifest: &'a Manifest,
        plugin: &'a P,
        extent: Extent,
        rule: impl FnOnce(&Trial<'a, P>) -> Result<(), Stop>,
    ) -> Result<(), String> {
        let trial = Trial {
            manifest,
            plugin,
            left: Cell::new(match extent {
                Extent::Whole => usize::MAX,
                Extent::Steps(steps) => steps,
            }),
            made: Cell::new(0),
        };
        match rule(&trial) {
            Err(Stop::Found(why)) => Err(why),
            Ok(()) | Err(Stop::Spent) => Ok(()),
        }
    }

    pub(super) fn pay(&self) -> Result<(), Stop> {
        let left = self.left.get().checked_sub(1).ok_or(Stop::Spent)?;
        self.left.set(left);
        self.made.set(self.made.get() + 1);
        Ok(())
    }

    /// How often it was called.
    pub(super) fn made(&self) -> usize {
        self.made.get()
    }

    /// A part of the rule with the first of so many even shares of the calls that are left.
    pub(super) fn share(
        &self,
        shares: usize,
        part: impl FnOnce() -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let left = self.left.get();
        let share = left.div_ceil(shares.max(1));
        self.left.set(share);
        let outcome = part();
        self.left.set(left - (share - self.left.get()));
        match outcome {
            Err(Stop::Spent) => Ok(()),
            ended => ended,
        }
    }

    /// Each vector that begins a conversation with an even share of the calls that are left, but no more
    /// vectors than get that many each.
    pub(super) fn each_start(
        &self,
        calls: usize,
        part: impl Fn(&Vector) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let starts: Vec<&Vector> = starts(self.manifest).collect();
        let most = starts.len().min((self.left.get() / calls).max(1));
        for (place, at) in spread(starts.len(), 0).take(most).enumerate() {
            let vector = starts[at];
            self.share(most - place, || part(vector))
                .map_err(|stop| stop.of(vector))?;
        }
        Ok(())
    }
}

impl<P: ProviderUnderTest + ?Sized> Trial<'_, P> {
    pub(super) fn step(
        &self,
        settings: &Settings,
        message: &Message,
        event: &Event,
        state: &[u8],
    ) -> Result<Action, Stop> {
        self.pay()?;
        self.plugin
            .step(settings, message, event, state)
            .map_err(|why| Stop::Found(format!("{}: {why}", Told(event))))
    }

    pub(super) fn judge_request(
        &self,
        pairs: &[(String, String)],
        request: &Request,
    ) -> Result<(), Stop> {
        self.plugin
            .judge_request(request)
            .and_then(|()| judge_origin(self.manifest, pairs, request))
            .map_err(|why| Stop::Found(format!("{why}, with {pairs:?}")))
    }
}

impl<P: ResolverUnderTest + ?Sized> Trial<'_, P> {
    pub(super) fn resolve(
        &self,
        settings: &Settings,
        login: &FederatedLogin,
        event: &resolver::Event,
    ) -> Result<resolver::Action, Stop> {
        self.pay()?;
        self.plugin
            .step(settings, login, event, &[])
            .map_err(|why| Stop::Found(format!("{why}, with {:?}", settings.pairs())))
    }
}

/// An event in a finding.
pub(super) struct Told<'a>(pub(super) &'a Event);

impl Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Event::Start => f.write_str("the start"),
            Event::Reply(reply) => {
                let body = String::from_utf8_lossy(reply.body());
                let begin: String = body.chars().take(80).collect();
                write!(f, "the reply {} with {begin:?}", reply.status)
            }
            Event::Failed(how) => write!(f, "no reply ({how})"),
            Event::Feedback(_) => f.write_str("feedback"),
            Event::Probe => f.write_str("a probe"),
            Event::Poll(_) => f.write_str("a poll"),
        }
    }
}

/// All places of a list, in an order whose every beginning lies evenly over it: by golden sections, so that
/// no pattern of the list is missed.
pub(super) fn spread(length: usize, first: usize) -> impl Iterator<Item = usize> {
    let mut stride = length * 618 / 1_000;
    while divisor(stride, length) > 1 {
        stride += 1;
    }
    (0..length).map(move |place| (first % length + place) * stride % length)
}

/// The greatest common one.
fn divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { divisor(b, a % b) }
}

/// The vectors that begin a conversation.
fn starts(manifest: &Manifest) -> impl Iterator<Item = &Vector> {
    manifest
        .vectors
        .iter()
        .filter(|vector| matches!(vector.expect, Expect::Request(_)))
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn an_order_that_is_spread_meets_every_place_once() {
        for length in 0..200 {
            let mut places: Vec<usize> = spread(length, 7).collect();
            places.sort_unstable();
            assert!(places.into_iter().eq(0..length), "{length}");
        }
    }
}
