//! What this host is to others: the resident service provider takes users and tells peers of its own,
//! the resident identity provider says who somebody is.

use super::{ConsoleFrame, Here, definitions, done, refused};
use crate::page;
use crate::tenant::SuperTenant;
use askama::Template;
use axum::extract::RawQuery;
use axum::response::Response;
use jiff::Timestamp;
use postern_admin::definitions::{Listed, RESIDENT, Sort};
use postern_admin::provisioning::{ConnectorReport, Queue, Waiting};
use postern_admin::resident::{Resident, ScimFacts};

pub const SERVICE_PROVIDER: &str = "/console/resident-service-provider";
pub const IDENTITY_PROVIDER: &str = "/console/resident-identity-provider";
/// Rows of one page.
const ROWS: usize = 100;

#[derive(Template)]
#[template(path = "console/resident_service_provider.html")]
struct ServiceProviderPage<'a> {
    c: ConsoleFrame<'a>,
    done: Option<&'static str>,
    scim: ScimFacts,
    /// The rule of inbound provisioning, if one is written down.
    rule: Option<Listed>,
    rule_path: String,
    rule_new: String,
    connector_new: String,
    /// What the console or the file defines, beside how each stands.
    connectors: Vec<Row>,
    waiting: Vec<Waiting>,
    next: Option<u64>,
}

struct Row {
    report: ConnectorReport,
    path: String,
    /// Where it is defined, if not in the console.
    place: Option<String>,
}

impl ServiceProviderPage<'_> {
    fn when(&self, millis: &u64) -> String {
        when(*millis)
    }

    fn why<'a>(&self, row: &'a Waiting) -> &'a str {
        row.trouble.as_deref().unwrap_or("not told yet")
    }
}

fn when(millis: u64) -> String {
    let millis = i64::try_from(millis).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(millis)
        .map(|at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
        .unwrap_or_default()
}

/// `GET /console/resident-service-provider?after=`
pub async fn service_provider(
    SuperTenant(state): SuperTenant,
    here: Here,
    RawQuery(query): RawQuery,
) -> Response {
    let after = query
        .as_deref()
        .unwrap_or_default()
        .split('&')
        .find_map(|pair| pair.strip_prefix("after="))
        .and_then(|number| number.parse().ok())
        .unwrap_or(0);
    let (acts, console) = (&state.administration, &here.console);
    let (actor, tenant) = (&console.actor, &console.tenant);
    let asked = async {
        let resident = acts.resident_show(actor, tenant).await?;
        let queue = acts.provisioning_list(actor, tenant, after, ROWS).await?;
        let rules = acts.definition_list(actor, tenant, Sort::Inbound).await?;
        let defined = acts.definition_list(actor, tenant, Sort::Connector).await?;
        Ok((resident, queue, rules, defined))
    };
    let (resident, queue, rules, defined) = match asked.await {
        Ok(known) => known,
        Err(error) => return refused(&state, error, super::HOME),
    };
    let Queue {
        connectors,
        waiting,
        next,
    } = queue;
    page::draw(&ServiceProviderPage {
        c: ConsoleFrame::new(&state, console, SERVICE_PROVIDER),
        done: done(query.as_deref()),
        scim: resident.scim,
        rule: rules.into_iter().find(|rule| rule.name == RESIDENT),
        rule_path: definitions::path_of(Sort::Inbound, RESIDENT),
        rule_new: definitions::new_path(Sort::Inbound, "scim"),
        connector_new: definitions::new_path(Sort::Connector, "scim"),
        connectors: connectors
            .into_iter()
            .map(|report| Row {
                path: definitions::path_of(Sort::Connector, &report.name),
                place: defined
                    .iter()
                    .find(|one| one.name == report.name)
                    .and_then(|one| one.place.clone()),
                report,
            })
            .collect(),
        waiting,
        next,
    })
}

#[derive(Template)]
#[template(path = "console/resident_identity_provider.html")]
struct IdentityProviderPage<'a> {
    c: ConsoleFrame<'a>,
    resident: Resident,
}

impl IdentityProviderPage<'_> {
    fn day(&self, millis: &Option<u64>) -> String {
        millis.map_or_else(|| "unknown".to_owned(), when)
    }
}

/// `GET /console/resident-identity-provider`
pub async fn identity_provider(SuperTenant(state): SuperTenant, here: Here) -> Response {
    let console = &here.console;
    let shown = state
        .administration
        .resident_show(&console.actor, &console.tenant)
        .await;
    match shown {
        Ok(resident) => page::draw(&IdentityProviderPage {
            c: ConsoleFrame::new(&state, console, IDENTITY_PROVIDER),
            resident,
        }),
        Err(error) => refused(&state, error, super::HOME),
    }
}
