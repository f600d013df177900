//! What is wrong with a request, whatever the rule that asks.

use crate::evaluate::render;
use crate::manifest::Manifest;
use crate::settings::Base;
use crate::vectors::{MessageVector, StandIns};
use crate::wire::{Op, Request};

/// What is wrong with a request, by the reference evaluator.
pub(crate) fn worked_out(request: &Request) -> Result<(), String> {
    match render(request, &StandIns::of(&MessageVector::default())) {
        Ok(rendered) => {
            let broken = |value: &String| value.contains(['\r', '\n']);
            match rendered.headers.iter().find(|(_, value)| broken(value)) {
                Some((name, _)) => Err(format!("a line break went into the header {name}")),
                None => Ok(()),
            }
        }
        // A header or character set that cannot carry a literal is the host's to refuse.
        Err(why) if why.contains("place of kind `header`") || why.contains("is not in") => Ok(()),
        Err(why) => Err(why),
    }
}

/// Whether it goes to an origin of the manifest, or to one of those settings.
pub(super) fn judge_origin(
    manifest: &Manifest,
    pairs: &[(String, String)],
    request: &Request,
) -> Result<(), String> {
    let names_one = |name: &String| manifest.origin_settings.contains(name);
    let given = pairs.iter().filter(|(name, _)| names_one(name));
    let settings = manifest.settings.iter();
    let assumed = settings.filter(|setting| names_one(&setting.name));
    let mut from_settings = given
        .map(|(_, value)| value)
        .chain(assumed.filter_map(|setting| setting.default.as_ref()))
        .map(|value| value.trim().to_ascii_lowercase());
    let known = manifest
        .origins
        .iter()
        .filter_map(|origin| Base::parse(origin))
        .any(|base| base.origin == request.origin)
        || from_settings.any(|value| value.starts_with(&request.origin.to_ascii_lowercase()));
    if known {
        Ok(())
    } else {
        Err(format!(
            "the origin {} is not in the manifest",
            request.origin
        ))
    }
}

/// Whether it is made of no secret but those of the manifest.
pub(super) fn judge_secrets(manifest: &Manifest, request: &Request) -> Result<(), String> {
    for op in &request.program {
        if let Op::Secret(name) | Op::Sign(_, name, _) = op {
            let listed = manifest
                .settings
                .iter()
                .any(|setting| setting.name == *name && setting.secret);
            if !listed && !manifest.open_secrets {
                return Err(format!(
                    "secret `{name}` is not listed as one in plugin.toml"
                ));
            }
        }
    }
    Ok(())
}
