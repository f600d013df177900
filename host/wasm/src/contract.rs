//! The measure of a guest's answer: a well-typed value can still be too large or point nowhere.
//!
//! Owns: the bounds of answers. It runs in the host, on plain data, so that neither a guest nor a
//! captured worker gets round it. What a request's values may be is decided where it leaves.

use crate::error::{Fault, FaultKind};
use crate::limits::Limits;
use crate::{provider, resolver, types};

/// Bounds of a provider's action.
pub(crate) fn check_provider(action: &provider::Action, limits: &Limits) -> Result<(), Fault> {
    match action {
        provider::Action::Send(outgoing) => {
            at_most("the state", outgoing.state.len(), limits.state_bytes)?;
            check_request(&outgoing.request, limits)
        }
        provider::Action::Done(verdict) => {
            let (texts, extra) = match verdict {
                provider::Verdict::Accepted(receipt) => (
                    length(&receipt.id) + length(&receipt.price) + length(&receipt.currency),
                    &receipt.extra,
                ),
                provider::Verdict::Refused(refusal) => {
                    (refusal.reason.len() + refusal.detail.len(), &refusal.extra)
                }
            };
            at_most("the verdict's `extra`", extra.len(), limits.list_items)?;
            at_most("the verdict", texts + pairs(extra), limits.verdict_bytes)
        }
    }
}

fn check_request(request: &types::Request, limits: &Limits) -> Result<(), Fault> {
    at_most(
        "the request's program",
        request.program.len(),
        limits.operations,
    )?;
    at_most(
        "the request's headers",
        request.headers.len(),
        limits.list_items,
    )?;
    at_most(
        "the request's `keep`",
        request.keep.len(),
        limits.list_items,
    )?;
    at_most(
        "the request's `extra`",
        request.extra.len(),
        limits.list_items,
    )?;
    let headers: usize = request.headers.iter().map(|(name, _)| name.len()).sum();
    let keep: usize = request
        .keep
        .iter()
        .map(|keep| keep.name.len() + keep.pointer.len() + length(&keep.lifetime_pointer))
        .sum();
    let program: usize = request.program.iter().map(operation).sum();
    let body = request
        .body
        .as_ref()
        .map_or(0, |(media_type, _)| media_type.len());
    let bytes = request.method.len()
        + request.origin.len()
        + headers
        + keep
        + program
        + body
        + pairs(&request.extra);
    at_most("the request", bytes, limits.request_bytes)
}

fn operation(op: &types::Op) -> usize {
    use types::Op;
    match op {
        Op::Lit(text)
        | Op::Secret(text)
        | Op::Kept(text)
        | Op::Recipient(text)
        | Op::Time(text)
        | Op::Nonce(text)
        | Op::Charset((text, _))
        | Op::Escape((text, _))
        | Op::Encode((text, _))
        | Op::Digest((text, _))
        | Op::Hmac((text, _, _)) => text.len(),
        Op::Bytes(bytes) => bytes.len(),
        Op::Concat(operands) => operands.len() * size_of::<u16>(),
        Op::Sign((algorithm, key, _)) => algorithm.len() + key.len(),
        Op::Text(_) | Op::Code | Op::ReceiptUrl => 0,
    }
}

/// Bounds of a resolver's action; `found` is how many answers its last lookup brought.
pub(crate) fn check_resolver(
    action: &resolver::Action,
    event: &resolver::Event,
    limits: &Limits,
) -> Result<(), Fault> {
    match action {
        resolver::Action::Lookup(lookup) => {
            at_most("the state", lookup.state.len(), limits.state_bytes)?;
            at_most("the lookup", lookup.queries.len(), limits.queries)?;
            let bytes = lookup.queries.iter().map(query).sum();
            at_most("the lookup", bytes, limits.request_bytes)
        }
        resolver::Action::Done(resolver::Resolution::Account(position)) => {
            let named = match event {
                resolver::Event::Found(found) => usize::try_from(*position)
                    .ok()
                    .and_then(|position| found.get(position))
                    .is_some_and(Option::is_some),
                resolver::Event::Start => false,
            };
            if named {
                Ok(())
            } else {
                Err(Fault::new(
                    FaultKind::Contract,
                    format!(
                        "the resolver chose account {position}, which the directory did not return"
                    ),
                ))
            }
        }
        resolver::Action::Done(resolver::Resolution::Refuse(why)) => {
            at_most("the refusal", why.len(), limits.verdict_bytes)
        }
        resolver::Action::Done(resolver::Resolution::NotFound) => Ok(()),
    }
}

fn query(query: &resolver::Query) -> usize {
    match query {
        resolver::Query::Name(name) => name.len(),
        resolver::Query::Association(a) => {
            a.identity_provider.len() + a.subject.len() + a.domain.len()
        }
    }
}

/// Bounds of what `check` found.
pub(crate) fn check_problems(problems: &[types::Problem], limits: &Limits) -> Result<(), Fault> {
    at_most("the list of problems", problems.len(), limits.list_items)?;
    let bytes = problems
        .iter()
        .map(|p| p.setting.len() + p.message.len())
        .sum();
    at_most("the list of problems", bytes, limits.verdict_bytes)
}

fn at_most(what: &str, is: usize, may: usize) -> Result<(), Fault> {
    if is <= may {
        return Ok(());
    }
    Err(Fault::new(
        FaultKind::TooLarge,
        format!("{what} has a size of {is}: at most {may} is allowed"),
    ))
}

fn length(text: &Option<String>) -> usize {
    text.as_ref().map_or(0, String::len)
}

fn pairs(pairs: &[types::Pair]) -> usize {
    pairs
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum()
}
