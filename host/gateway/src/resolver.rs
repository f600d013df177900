//! A federated person becomes a local account by a rule that is a plugin.
//!
//! Owns: the conversation between a resolver and the user directory. A resolver names questions,
//! the directory answers, the resolver points at one of the answers: it cannot name an account that
//! was not looked up, nor one of another tenant. Whatever is not an orderly answer refuses the
//! login; it is never read as "nobody", which a policy may let in without a second factor.

use std::sync::atomic::Ordering;
use std::time::Duration;

use postern_login::ports::{AccountRef, Directory, FederatedLogin, Resolution};
use postern_wasm::{Blame, Fault, FaultKind, one_line, resolver, types};

use crate::registry::Version;

/// How long a resolution may take, the directory's answers included.
pub(crate) const TIME_MAX: Duration = Duration::from_secs(10);

/// Bytes kept of a resolver's words.
const DETAIL_BYTES_MAX: usize = 512;

/// The seeds' spellings of resolvers that are called otherwise here.
pub(crate) fn plugin_id(usecase: &str) -> &str {
    match usecase {
        "userAttribute" => "user-attribute",
        "subjectUri" => "subject-uri",
        other => other,
    }
}

/// How a resolution ended, and what the plugin did wrong, if it was the plugin.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub(crate) resolution: Resolution,
    pub(crate) fault: Option<Fault>,
    /// Whether the plugin came to an answer in good order.
    pub(crate) orderly: bool,
}

/// Leads a resolution to its end.
pub(crate) async fn resolve(
    version: &Version,
    settings: &[types::Pair],
    login: &FederatedLogin,
    directory: &dyn Directory,
    steps: u32,
    at_most: Duration,
) -> Resolved {
    let (resolution, fault, orderly) = match tokio::time::timeout(
        at_most,
        ask(version, settings, login, directory, steps),
    )
    .await
    {
        Ok(Ok(resolution)) => (resolution, None, true),
        Ok(Err(Stop::Guest(fault))) => {
            let words = fault.to_string();
            (
                refuse(words),
                (fault.blame() == Blame::Guest).then_some(fault),
                false,
            )
        }
        Ok(Err(Stop::Breach(words))) => {
            let fault = Fault {
                kind: FaultKind::Contract,
                detail: words.to_owned(),
            };
            (refuse(words.to_owned()), Some(fault), false)
        }
        Ok(Err(Stop::Directory(words))) => (refuse(words), None, false),
        Err(_) => {
            let words = format!("no account was found within {} ms", at_most.as_millis());
            (refuse(words), None, false)
        }
    };
    Resolved {
        resolution,
        fault,
        orderly,
    }
}

enum Stop {
    Guest(Fault),
    Breach(&'static str),
    Directory(String),
}

async fn ask(
    version: &Version,
    settings: &[types::Pair],
    login: &FederatedLogin,
    directory: &dyn Directory,
    steps: u32,
) -> Result<Resolution, Stop> {
    let told = resolver::FederatedLogin {
        identity_provider: login.identity_provider.clone(),
        subject: login.subject.clone(),
        subject_identifier: login.subject_identifier.clone(),
        attributes: login.attributes.clone(),
        tenant: login.tenant.as_str().to_owned(),
        extra: Vec::new(),
    };
    let (mut event, mut state) = (resolver::Event::Start, Vec::new());
    let mut found: Vec<Option<AccountRef>> = Vec::new();
    for step in 1..=steps {
        version.calls.fetch_add(1, Ordering::Relaxed);
        let guest = version.guest().map_err(Stop::Guest)?;
        let action = guest
            .resolver_step(settings, &told, &event, &state)
            .await
            .map_err(Stop::Guest)?;
        drop(guest);
        let lookup = match action {
            resolver::Action::Done(resolution) => return judge(resolution, found),
            resolver::Action::Lookup(lookup) => lookup,
        };
        // Before it is looked up: nobody would be there to read the answers.
        if step == steps {
            break;
        }
        found = look_up(&lookup.queries, login, directory).await?;
        let answers = found
            .iter()
            .map(|account| {
                account.as_ref().map(|account| resolver::Account {
                    name: account.name.clone(),
                    extra: Vec::new(),
                })
            })
            .collect();
        (event, state) = (resolver::Event::Found(answers), lookup.state);
    }
    Err(Stop::Breach("the last step must be a resolution"))
}

/// Asks the directory of the login's tenant, in the order of the queries.
async fn look_up(
    queries: &[resolver::Query],
    login: &FederatedLogin,
    directory: &dyn Directory,
) -> Result<Vec<Option<AccountRef>>, Stop> {
    let mut found = Vec::with_capacity(queries.len());
    for query in queries {
        let answer = match query {
            resolver::Query::Name(name) => directory.find(&login.tenant, name).await,
            resolver::Query::Association(association) => {
                directory
                    .find_association(
                        &login.tenant,
                        &association.identity_provider,
                        &association.subject,
                        &association.domain,
                    )
                    .await
            }
        };
        // A store that is down is not a person who is not there.
        found.push(
            answer.map_err(|error| {
                Stop::Directory(format!("the directory did not answer: {error}"))
            })?,
        );
    }
    Ok(found)
}

fn judge(
    resolution: resolver::Resolution,
    mut found: Vec<Option<AccountRef>>,
) -> Result<Resolution, Stop> {
    match resolution {
        resolver::Resolution::NotFound => Ok(Resolution::NotFound),
        resolver::Resolution::Refuse(words) => Ok(refuse(words)),
        resolver::Resolution::Account(position) => {
            let account = usize::try_from(position)
                .ok()
                .and_then(|position| found.get_mut(position))
                .and_then(Option::take);
            match account {
                Some(account) => Ok(Resolution::Account(account)),
                None => Err(Stop::Breach(
                    "it names an account that the directory did not return",
                )),
            }
        }
    }
}

pub(crate) fn refuse(words: String) -> Resolution {
    Resolution::Refuse {
        detail: one_line(&words, DETAIL_BYTES_MAX),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::breaker::QuarantinePolicy;
    use crate::guest::Admitted;
    use crate::registry::held;
    use crate::scripted::*;
    use postern_login::tenant::TenantId;
    use postern_wasm::resolver::{Action, Event, Lookup, Query};
    use std::sync::Arc;
    use std::time::Instant;

    const STEPS: u32 = 4;

    type Step = fn(&Event) -> Result<Action, Fault>;

    fn version(step: Step) -> Version {
        let admitted = Admitted {
            guest: Arc::new(Scripted {
                behaviour: Arc::new(ordinary),
                resolve: step,
                problems: Vec::new(),
                healthy: true,
            }),
            manifest: Arc::new(manifest("rule", "1.0.0", &[])),
            sha256: [0; 32],
            size: 0,
        };
        Version::new(admitted, QuarantinePolicy::default(), Instant::now())
    }

    async fn resolved(step: Step, directory: &Names) -> Resolved {
        let login = FederatedLogin {
            tenant: TenantId::parse("wso2.example").unwrap(),
            identity_provider: "corp".into(),
            subject: "alice".into(),
            subject_identifier: "alice".into(),
            attributes: Vec::new(),
            settings: Vec::new(),
        };
        resolve(&version(step), &[], &login, directory, STEPS, TIME_MAX).await
    }

    fn ask(names: &[&str]) -> Result<Action, Fault> {
        Ok(Action::Lookup(Lookup {
            queries: names
                .iter()
                .map(|name| Query::Name((*name).into()))
                .collect(),
            state: Vec::new(),
        }))
    }

    fn done(resolution: resolver::Resolution) -> Result<Action, Fault> {
        Ok(Action::Done(resolution))
    }

    /// The first of the names that is found.
    fn first_hit(event: &Event) -> Result<Action, Fault> {
        match event {
            Event::Start => ask(&["SECOND/alice", "alice"]),
            Event::Found(found) => match found.iter().position(Option::is_some) {
                Some(at) => done(resolver::Resolution::Account(u32::try_from(at).unwrap())),
                None => done(resolver::Resolution::NotFound),
            },
        }
    }

    #[tokio::test]
    async fn the_answer_is_one_of_the_accounts_looked_up() {
        let directory = Names {
            known: vec![("wso2.example", "alice"), ("wso2.example", "bob")],
            ..Names::default()
        };
        let ended = resolved(first_hit, &directory).await;
        let expected = AccountRef {
            name: "alice".into(),
        };
        assert_eq!(ended.resolution, Resolution::Account(expected));
        let asked = held(&directory.asked).clone();
        let asked: Vec<&str> = asked.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(
            asked,
            ["SECOND/alice", "alice"],
            "in the order of the queries"
        );
    }

    /// P-34
    #[tokio::test]
    async fn an_account_of_another_tenant_is_not_found() {
        let directory = Names {
            known: vec![("carbon.super", "alice")],
            ..Names::default()
        };
        assert_eq!(
            resolved(first_hit, &directory).await.resolution,
            Resolution::NotFound
        );
        assert!(
            held(&directory.asked)
                .iter()
                .all(|(tenant, _)| tenant == "wso2.example")
        );
    }

    /// P-34
    #[tokio::test]
    async fn whatever_is_not_an_orderly_answer_refuses_the_login() {
        let steps: [(&str, Step); 6] = [
            ("traps", |_| Err(trap())),
            ("names nobody it asked for", |_| {
                done(resolver::Resolution::Account(0))
            }),
            ("points beyond the answers", |event| match event {
                Event::Start => ask(&["alice"]),
                Event::Found(_) => done(resolver::Resolution::Account(1)),
            }),
            ("points at an answer that is empty", |event| match event {
                Event::Start => ask(&["nobody", "alice"]),
                Event::Found(_) => done(resolver::Resolution::Account(0)),
            }),
            (
                "points at an answer of an earlier lookup",
                |event| match event {
                    Event::Start => ask(&["alice", "alice"]),
                    Event::Found(found) if found.len() == 2 => ask(&["nobody"]),
                    Event::Found(_) => done(resolver::Resolution::Account(0)),
                },
            ),
            ("never comes to an end", |_| ask(&["alice"])),
        ];
        let directory = Names {
            known: vec![("wso2.example", "alice")],
            ..Names::default()
        };
        for (what, step) in steps {
            let ended = resolved(step, &directory).await;
            assert!(
                matches!(ended.resolution, Resolution::Refuse { .. }),
                "{what}: {ended:?}"
            );
            assert!(ended.fault.is_some(), "{what} counts against the plugin");
        }
    }

    #[tokio::test]
    async fn a_directory_that_is_down_refuses_and_blames_nobody_else() {
        let directory = Names {
            broken: true,
            ..Names::default()
        };
        let ended = resolved(first_hit, &directory).await;
        assert!(matches!(ended.resolution, Resolution::Refuse { .. }));
        assert!(ended.fault.is_none());
    }

    /// P-34: a directory that takes a minute.
    #[tokio::test]
    async fn a_resolution_has_a_deadline() {
        let directory = Names {
            silent: true,
            ..Names::default()
        };
        let login = FederatedLogin {
            tenant: TenantId::super_tenant(),
            identity_provider: String::new(),
            subject: String::new(),
            subject_identifier: String::new(),
            attributes: Vec::new(),
            settings: Vec::new(),
        };
        let ended = resolve(
            &version(first_hit),
            &[],
            &login,
            &directory,
            STEPS,
            Duration::from_millis(5),
        )
        .await;
        assert!(matches!(ended.resolution, Resolution::Refuse { .. }));
    }

    #[tokio::test]
    async fn the_plugins_own_refusal_is_passed_on_in_one_line() {
        let ended = resolved(
            |_| done(resolver::Resolution::Refuse("no\nsuch rule".into())),
            &Names::default(),
        )
        .await;
        assert_eq!(
            ended.resolution,
            Resolution::Refuse {
                detail: "no\\nsuch rule".into()
            }
        );
        assert!(ended.fault.is_none());
    }

    #[test]
    fn the_seeds_spellings_name_the_same_plugins() {
        for (usecase, id) in [
            ("userAttribute", "user-attribute"),
            ("subjectUri", "subject-uri"),
            ("local", "local"),
            ("association", "association"),
            ("user-attribute", "user-attribute"),
        ] {
            assert_eq!(plugin_id(usecase), id);
        }
    }
}
