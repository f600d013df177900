//! The rules, and the hostile settings and logins they are put to.
//!
//! Owns: what each rule demands, of providers and of resolvers. How often a rule may ask is the trial's, how a
//! conversation goes on the talk's.

use super::Extent;
use super::replies::Bodies;
use super::requests::judge_secrets;
use super::talk::Talk;
use super::trial::{Stop, Trial, found, spread};
use crate::manifest::Manifest;
use crate::message::Message;
use crate::provider::{Action, Event};
use crate::resolver::{self, FederatedLogin, QUERIES_MAX};
use crate::settings::Settings;
use crate::vectors::{Expect, ProviderUnderTest, ResolverUnderTest, Vector};
use crate::verdict::{Reason, Verdict};

/// Values that have broken templates, parsers and headers before.
const HOSTILE: &[&str] = &[
    "",
    " ",
    "\0",
    "a\r\nX-Evil: 1",
    "\",\"to\":[\"+999",
    "]]><to>+999</to>&x;",
    "&to=+999;#?%26",
    "$1 ${x} $$ \\ %s {{7*7}} {0}",
    "$ctx.msg$ctx.otp$ctxXnum$ctx.number&num&msg",
    "../../..//\\",
    "https://user@evil.example\\@a?b#c",
    "é€\u{202e}\u{2028}😀\u{fffe}",
    "-1",
    "99999999999999999999",
    "true",
    "[]",
    "{\"a\":",
];

/// Every vector of the manifest, or the first that does not hold.
pub fn provider_vectors(
    manifest: &Manifest,
    plugin: &dyn ProviderUnderTest,
    _: Extent,
) -> Result<(), String> {
    let shows = |what: fn(&Expect) -> bool| manifest.vectors.iter().any(|one| what(&one.expect));
    if !shows(|expect| matches!(expect, Expect::Request(_))) {
        return Err("no vector shows a request".to_owned());
    }
    if !shows(|expect| matches!(expect, Expect::Accepted(_))) {
        return Err("no vector shows a message that was accepted".to_owned());
    }
    for vector in &manifest.vectors {
        vector
            .run_provider(plugin)
            .map_err(|difference| format!("vector `{}`: {difference}", vector.name))?;
    }
    Ok(())
}

/// Every vector of the manifest, or the first that does not hold.
pub fn resolver_vectors(
    manifest: &Manifest,
    plugin: &dyn ResolverUnderTest,
    _: Extent,
) -> Result<(), String> {
    let lookup = |vector: &Vector| matches!(vector.expect, Expect::Lookup(_));
    if !manifest.vectors.iter().any(lookup) {
        return Err("no vector shows a lookup".to_owned());
    }
    for vector in &manifest.vectors {
        vector
            .run_resolver(plugin)
            .map_err(|difference| format!("vector `{}`: {difference}", vector.name))?;
    }
    Ok(())
}

/// Whatever a setting says, the plugin answers, its request can be worked out, and the origin is
/// one the manifest names.
pub fn provider_hostile_settings(
    manifest: &Manifest,
    plugin: &dyn ProviderUnderTest,
    extent: Extent,
) -> Result<(), String> {
    Trial::judge(manifest, plugin, extent, |trial| {
        let all = hostile_settings(manifest);
        for at in spread(all.len(), 0) {
            let pairs = &all[at];
            let with = |why: String| format!("{why}, with {pairs:?}");
            trial.pay()?;
            plugin.check(&Settings::new(pairs.clone())).map_err(with)?;
            for encoding in ["gsm-7", "ucs-2"] {
                let message = Message {
                    encoding: encoding.to_owned(),
                    ..Message::sample()
                };
                let settings = Settings::new(pairs.clone());
                trial.pay()?;
                let action = plugin
                    .step(&settings, &message, &Event::Start, &[])
                    .map_err(with)?;
                if let Action::Send(outgoing) = action {
                    trial.judge_request(pairs, &outgoing.request)?;
                }
            }
        }
        Ok(())
    })
}

/// Calls for one vector at least: those that begin its conversations, and some replies to each.
const CALLS_OF_A_CONVERSATION: usize = 12;

/// Whatever a provider replies, at whichever step of a conversation, the plugin answers, and a status
/// that is no success is not accepted. What it asks for after such a reply goes where it may.
pub fn provider_hostile_replies(
    manifest: &Manifest,
    plugin: &dyn ProviderUnderTest,
    extent: Extent,
) -> Result<(), String> {
    Trial::judge(manifest, plugin, extent, |trial| {
        let bodies = Bodies::of(manifest);
        let groups = bodies.groups();
        trial.each_start(CALLS_OF_A_CONVERSATION, |vector| {
            Talk::new(trial, &groups, vector).follow(&vector.message().to_message())
        })
    })
}

/// How often the same is asked.
const REPEATS: usize = 100;

/// P-35: the same input a hundred times is the same answer.
pub fn provider_same_answer(
    manifest: &Manifest,
    plugin: &dyn ProviderUnderTest,
    extent: Extent,
) -> Result<(), String> {
    Trial::judge(manifest, plugin, extent, |trial| {
        trial.each_start(2, |vector| {
            let message = vector.message().to_message();
            let run = || trial.step(&vector.settings(), &message, &Event::Start, &[]);
            let first = run()?;
            for _ in 0..REPEATS {
                if run()? != first {
                    return found("two answers to the same input");
                }
            }
            Ok(())
        })
    })
}

/// The settings and secrets the code names are those of the manifest, and a default in the
/// manifest is what the code assumes.
pub fn provider_manifest(
    manifest: &Manifest,
    plugin: &dyn ProviderUnderTest,
    extent: Extent,
) -> Result<(), String> {
    Trial::judge(manifest, plugin, extent, |trial| {
        for event in [Event::Feedback(true), Event::Poll(vec!["x".to_owned()])] {
            let action = trial.step(&Settings::default(), &Message::sample(), &event, &[])?;
            if let Action::Done(verdict) = action
                && !is_unsupported(&verdict)
            {
                return found(format!(
                    "an event it does not know is answered with `unsupported`: {verdict:?}"
                ));
            }
        }
        trial.each_start(2, |vector| {
            let message = vector.message().to_message();
            let settings = vector.settings();
            let action = trial.step(&settings, &message, &Event::Start, &[])?;
            judge_asked(manifest, &settings)?;
            if let Action::Send(outgoing) = &action {
                judge_secrets(manifest, &outgoing.request)?;
            }
            let with_defaults =
                trial.step(&defaulted(manifest, vector), &message, &Event::Start, &[])?;
            if with_defaults != action {
                return found("a default in plugin.toml is not the code's");
            }
            Ok(())
        })
    })
}

fn is_unsupported(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Refused(refusal) => refusal.reason == Reason::Unsupported,
        Verdict::Accepted(_) => false,
    }
}

/// Whatever settings and attributes say, the plugin answers within the limits, always the same,
/// and asks only for settings the manifest lists.
pub fn resolver_hostile(
    manifest: &Manifest,
    plugin: &dyn ResolverUnderTest,
    extent: Extent,
) -> Result<(), String> {
    Trial::judge(manifest, plugin, extent, |trial| {
        let all = hostile_settings(manifest);
        trial.share(4, || {
            for at in spread(all.len(), 0) {
                trial.pay()?;
                plugin
                    .check(&Settings::new(all[at].clone()))
                    .map_err(|why| format!("{why}, with {:?}", all[at]))?;
            }
            Ok(())
        })?;
        for at in spread(all.len() * HOSTILE.len(), 0) {
            judge_resolution(trial, &all[at / HOSTILE.len()], HOSTILE[at % HOSTILE.len()])?;
        }
        Ok(())
    })
}

/// What comes of a login under settings, all of which may be hostile.
fn judge_resolution(
    trial: &Trial<'_, dyn ResolverUnderTest + '_>,
    pairs: &[(String, String)],
    value: &str,
) -> Result<(), Stop> {
    let value = value.to_owned();
    let login = FederatedLogin {
        identity_provider: value.clone(),
        subject: value.clone(),
        subject_identifier: value.clone(),
        attributes: vec![
            (value.clone(), value.clone()),
            ("email".to_owned(), value.clone()),
        ],
        ..FederatedLogin::default()
    };
    let run = |event: &resolver::Event| {
        let settings = Settings::new(pairs.to_vec());
        let action = trial.resolve(&settings, &login, event)?;
        judge_asked(trial.manifest, &settings)?;
        Ok::<_, Stop>(action)
    };
    let case = format!("for {value:?} with {pairs:?}");
    let action = run(&resolver::Event::Start)?;
    if action != run(&resolver::Event::Start)? {
        return found(format!("two answers to the same input {case}"));
    }
    if let resolver::Action::Lookup(lookup) = action
        && !(1..=QUERIES_MAX).contains(&lookup.queries.len())
    {
        return found(format!("{} queries {case}", lookup.queries.len()));
    }
    for answers in [Vec::new(), vec![None; QUERIES_MAX]] {
        let action = run(&resolver::Event::Found(answers))?;
        if let resolver::Action::Done(resolver::Resolution::Account(_)) = action {
            return found(format!("an account was named that nobody found {case}"));
        }
    }
    Ok(())
}

/// The settings of the first vector, with one after the other made hostile; and none, and all.
fn hostile_settings(manifest: &Manifest) -> Vec<Vec<(String, String)>> {
    let usual: Vec<(String, String)> = manifest.vectors.first().map_or_else(Vec::new, |vector| {
        vector
            .settings
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), value.clone()?)))
            .collect()
    });
    let names: Vec<&String> = manifest
        .settings
        .iter()
        .filter(|setting| !setting.secret)
        .map(|setting| &setting.name)
        .collect();
    let mut all = vec![Vec::new(), usual.clone()];
    for value in HOSTILE {
        all.push(
            names
                .iter()
                .map(|name| ((*name).clone(), (*value).to_owned()))
                .collect(),
        );
        for name in &names {
            let mut pairs = usual.clone();
            pairs.retain(|(key, _)| key != *name);
            pairs.push(((*name).clone(), (*value).to_owned()));
            all.push(pairs);
        }
    }
    all
}

fn judge_asked(manifest: &Manifest, settings: &Settings) -> Result<(), String> {
    for name in settings.asked() {
        let listed = manifest.settings.iter().find(|one| one.name == name);
        match listed.map(|setting| setting.secret) {
            Some(false) => {}
            Some(true) => {
                return Err(format!(
                    "the code reads the secret `{name}`: use secret(\"{name}\")"
                ));
            }
            None => {
                return Err(format!(
                    "the code reads the setting `{name}`, plugin.toml does not list it"
                ));
            }
        }
    }
    Ok(())
}

fn defaulted(manifest: &Manifest, vector: &Vector) -> Settings {
    let mut pairs: Vec<(String, String)> = vector
        .settings
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), value.clone()?)))
        .collect();
    for setting in &manifest.settings {
        if let Some(default) = &setting.default
            && !pairs.iter().any(|(name, _)| *name == setting.name)
        {
            pairs.push((setting.name.clone(), default.clone()));
        }
    }
    Settings::new(pairs)
}
