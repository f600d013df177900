//! The talk with a provider: every request it comes to, each met with whatever may come of it.
//!
//! Owns: how a conversation begins and goes on, which of its requests are the same to the plugin, and when it
//! has gone far enough. What comes of a request is given; how often the plugin is called is the trial's.

use std::collections::VecDeque;

use super::replies::{Comes, in_turns};
use super::trial::{Stop, Told, Trial, found};
use crate::message::Message;
use crate::provider::{Action, Event, Outgoing};
use crate::settings::Settings;
use crate::vectors::{ProviderUnderTest, Vector};
use crate::verdict::Verdict;

/// Requests of one conversation: the host sends no more, unless its operator says so.
const REQUESTS_MAX: usize = 3;

/// Steps that read a reply, of one vector. Where the state holds a part of the reply before, each reply
/// leads to another one; the first come first.
const REPLY_STEPS_MAX: usize = 32;

/// Conversations with a provider under the settings of one vector.
pub(super) struct Talk<'a, 'b> {
    trial: &'a Trial<'b, dyn ProviderUnderTest + 'b>,
    groups: &'a [Vec<Comes<'a>>],
    pairs: Vec<(String, String)>,
}

impl<'a, 'b> Talk<'a, 'b> {
    pub(super) fn new(
        trial: &'a Trial<'b, dyn ProviderUnderTest + 'b>,
        groups: &'a [Vec<Comes<'a>>],
        vector: &Vector,
    ) -> Talk<'a, 'b> {
        Talk {
            trial,
            groups,
            pairs: vector.settings().pairs().to_vec(),
        }
    }

    /// Every request that it comes to of that message, the first ones first.
    pub(super) fn follow(&self, message: &Message) -> Result<(), Stop> {
        let mut next: VecDeque<Asked> = self.beginnings(message)?.into();
        let mut met: Vec<Asked> = Vec::new();
        while let Some(asked) = next.pop_front() {
            if met.len() < REPLY_STEPS_MAX && !met.iter().any(|one| one.is_read_as(&asked)) {
                let mut more = Vec::new();
                self.trial
                    .share(next.len() + 1, || self.meet(&asked, &mut more))?;
                next.extend(more);
                met.push(asked);
            }
        }
        Ok(())
    }

    fn step(&self, message: &Message, event: &Event, state: &[u8]) -> Result<Action, Stop> {
        let settings = Settings::new(self.pairs.clone());
        self.trial.step(&settings, message, event, state)
    }

    /// The first requests: of the message, of a resend of it, after what was kept for it was withdrawn,
    /// and with what is kept of the reply to the first.
    fn beginnings(&self, message: &Message) -> Result<Vec<Asked>, Stop> {
        let resent = Message {
            attempt: message.attempt + 1,
            ..message.clone()
        };
        let withdrawn = Message {
            kept: Vec::new(),
            ..message.clone()
        };
        let (mut all, mut begun) = (Vec::new(), Vec::new());
        let mut round = vec![message.clone(), resent, withdrawn];
        for _ in 0..2 {
            let mut with_kept = Vec::new();
            for message in round {
                if begun.contains(&message) {
                    continue;
                }
                begun.push(message.clone());
                if let Action::Send(outgoing) = self.step(&message, &Event::Start, &[])? {
                    let asked = Asked {
                        message,
                        outgoing,
                        before: 0,
                        instead: false,
                    };
                    let asked = asked.with_kept();
                    with_kept.extend(asked.iter().map(|asked| asked.message.clone()));
                    all.extend(asked);
                }
            }
            round = with_kept;
        }
        Ok(all)
    }

    /// Whatever may come of a request; `more` gets the requests that the plugin goes on with.
    fn meet(&self, asked: &Asked, more: &mut Vec<Asked>) -> Result<(), Stop> {
        for comes in in_turns(self.groups, self.trial.made()) {
            let state: &[u8] = match comes {
                Comes::StrangeState => b"\xff",
                Comes::Reply(..) | Comes::Failure(_) => asked.outgoing.state.as_slice(),
            };
            let event = comes.event();
            let action = self.step(&asked.message, &event, state)?;
            match (comes, action) {
                (Comes::StrangeState, _) => {}
                (Comes::Reply(..), Action::Send(outgoing)) => {
                    self.go_on(asked, outgoing, false, more)?;
                }
                (Comes::Reply(status, _), Action::Done(verdict)) => {
                    if status >= 400 && matches!(verdict, Verdict::Accepted(_)) {
                        return found(format!("{} was accepted", Told(&event)));
                    }
                }
                // What the host did not let out may be asked in another form: once, and only that.
                (Comes::Failure("denied"), Action::Send(again)) if !asked.instead => {
                    if again.request == asked.outgoing.request {
                        return found("the same is asked again that was denied");
                    }
                    self.go_on(asked, again, true, more)?;
                }
                (Comes::Failure(_), Action::Done(Verdict::Refused(_))) => {}
                (Comes::Failure(how), Action::Send(_) | Action::Done(Verdict::Accepted(_))) => {
                    return found(format!("no reply ({how}) is not a success"));
                }
            }
        }
        Ok(())
    }

    fn go_on(
        &self,
        asked: &Asked,
        outgoing: Outgoing,
        instead: bool,
        more: &mut Vec<Asked>,
    ) -> Result<(), Stop> {
        self.trial.judge_request(&self.pairs, &outgoing.request)?;
        let next = Asked {
            message: asked.message.clone(),
            outgoing,
            before: asked.before + 1,
            instead,
        };
        if next.before < REQUESTS_MAX && !more.contains(&next) {
            more.extend(next.with_kept());
        }
        Ok(())
    }
}

/// A request that is out, and what the step that reads its reply is told.
#[derive(Clone, PartialEq)]
struct Asked {
    message: Message,
    outgoing: Outgoing,
    /// How many requests went before it.
    before: usize,
    /// Whether it stands for one that the host did not let out.
    instead: bool,
}

impl Asked {
    /// Whether the same reply to either is the same input.
    fn is_read_as(&self, other: &Asked) -> bool {
        self.message == other.message
            && self.outgoing.state == other.outgoing.state
            && self.instead == other.instead
    }

    /// The same with the values there that are kept of its reply, if any are.
    fn with_kept(self) -> Vec<Asked> {
        let mut kept = self.message.kept.clone();
        for keep in &self.outgoing.request.keep {
            if !kept.contains(&keep.name) {
                kept.push(keep.name.clone());
            }
        }
        if kept == self.message.kept {
            return vec![self];
        }
        let message = Message {
            kept,
            ..self.message.clone()
        };
        let later = Asked {
            message,
            ..self.clone()
        };
        vec![self, later]
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use crate::conformance::faulty::{
        self, MANIFEST, NOTHING, REPLY_AFTER_DENIED, REPLY_TO_A_RESEND, SECOND_ORIGIN,
        SECOND_REPLY, SECOND_STATUS, TOKEN_REPLY,
    };
    use crate::conformance::{Extent, parse, provider_hostile_replies};
    use crate::manifest::Kind;

    /// With all its vectors but the one of that place.
    fn without(place: usize) -> String {
        let mut manifest = parse(MANIFEST, Kind::SmsProvider);
        manifest.vectors.remove(place);
        manifest.to_json()
    }

    /// Its conversations begin by fetching a token.
    fn without_token() -> String {
        without(1)
    }

    /// Its conversations have a token from before.
    fn with_token() -> String {
        without(0)
    }

    fn passes<const WRONG: u8>(manifest: &str) -> bool {
        let manifest = parse(manifest, Kind::SmsProvider);
        let judged = catch_unwind(|| {
            provider_hostile_replies(&manifest, &faulty::plugin::<WRONG>(), Extent::Whole)
        });
        matches!(judged, Ok(Ok(())))
    }

    #[test]
    fn a_plugin_that_reads_every_reply_with_care_passes() {
        assert!(passes::<NOTHING>(MANIFEST));
    }

    #[test]
    fn hostile_replies_meet_every_request_of_a_conversation() {
        let manifest = without_token();
        assert!(!passes::<TOKEN_REPLY>(&manifest), "the first");
        assert!(!passes::<SECOND_REPLY>(&manifest), "the second");
        assert!(!passes::<SECOND_STATUS>(&manifest), "what is accepted");
        assert!(!passes::<REPLY_AFTER_DENIED>(&manifest), "after a denial");
    }

    #[test]
    fn a_hostile_reply_moves_no_later_request_to_another_origin() {
        assert!(!passes::<SECOND_ORIGIN>(&without_token()));
    }

    #[test]
    fn hostile_replies_meet_a_resend_and_a_token_that_is_fetched_anew() {
        let manifest = with_token();
        assert!(!passes::<REPLY_TO_A_RESEND>(&manifest), "a resend");
        assert!(!passes::<TOKEN_REPLY>(&manifest), "a withdrawn token");
    }
}
