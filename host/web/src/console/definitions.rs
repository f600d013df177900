//! Identity providers, service providers, claim dialects, connectors and the rule of inbound
//! provisioning: what the file defines, and what is defined here. One set of pages for all, drawn from their forms.

use super::{ConsoleForm, ConsoleFrame, Here, done, refused, segment, sentence};
use crate::page::{self, see_other};
use crate::tenant::{SuperTenant, TenantState};
use askama::Template;
use axum::extract::{Path, RawQuery};
use axum::response::Response;
use http::StatusCode;
use postern_admin::AdminError;
use postern_admin::console::Console;
use postern_admin::definitions::{FormName, Listed, Meaning, RESIDENT, Shown, Sort, Wanted, sends};
use postern_admin::form::{Field, FieldKind, Section, Values};

/// The sections of the navigation that these pages make.
fn here(sort: Sort) -> &'static str {
    match sort {
        Sort::IdentityProvider => "/console/identity-providers",
        Sort::ServiceProvider => "/console/service-providers",
        Sort::ClaimDialect => "/console/claims",
        Sort::Connector => "/console/connectors",
        Sort::Inbound => "/console/inbound",
    }
}

/// The section they are part of, where one comes from and goes back to.
fn home(sort: Sort) -> &'static str {
    match sort {
        Sort::IdentityProvider | Sort::ServiceProvider | Sort::ClaimDialect => here(sort),
        Sort::Connector | Sort::Inbound => super::resident::SERVICE_PROVIDER,
    }
}

/// Whether there is something to enable: a dialect or a rule is there or not.
fn switched(sort: Sort) -> bool {
    match sort {
        Sort::IdentityProvider | Sort::ServiceProvider | Sort::Connector => true,
        Sort::ClaimDialect | Sort::Inbound => false,
    }
}

fn title(sort: Sort) -> &'static str {
    match sort {
        Sort::IdentityProvider => "Identity providers",
        Sort::ServiceProvider => "Service providers",
        Sort::ClaimDialect => "Claims",
        Sort::Connector | Sort::Inbound => "Resident service provider",
    }
}

/// `identity-providers`, `service-providers` or `claims` of the address.
fn sort(text: &str) -> Option<Sort> {
    Sort::ALL
        .into_iter()
        .find(|sort| here(*sort).strip_prefix("/console/") == Some(text))
}

#[derive(Template)]
#[template(path = "console/definitions.html")]
struct ListPage<'a> {
    c: ConsoleFrame<'a>,
    done: Option<&'static str>,
    title: &'static str,
    here: &'static str,
    forms: Vec<Choice>,
    all: Vec<Row>,
    /// Whether they are of several kinds and can be switched off.
    switched: bool,
    /// On the page of claims: what a login reads of a person.
    meanings: Vec<Meaning>,
}

struct Choice {
    path: String,
    label: String,
}

struct Row {
    listed: Listed,
    path: String,
}

/// `GET /console/identity-providers`
pub async fn list(
    SuperTenant(state): SuperTenant,
    at: Here,
    Path(of): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(sort) = sort(&of) else {
        return not_found(&state, &of);
    };
    let acts = &state.administration;
    let (actor, tenant) = (&at.console.actor, &at.console.tenant);
    let all = match acts.definition_list(actor, tenant, sort).await {
        Ok(all) => all,
        Err(error) => return refused(&state, error, here(sort)),
    };
    let forms = match acts.forms(sort) {
        Ok(forms) => forms,
        Err(error) => return refused(&state, error, here(sort)),
    };
    let meanings = match sort {
        Sort::ClaimDialect => acts.claim_meanings(actor, tenant).await,
        Sort::IdentityProvider | Sort::ServiceProvider | Sort::Connector | Sort::Inbound => {
            Ok(Vec::new())
        }
    };
    let meanings = match meanings {
        Ok(meanings) => meanings,
        Err(error) => return refused(&state, error, here(sort)),
    };
    page::draw(&ListPage {
        meanings,
        switched: switched(sort),
        c: ConsoleFrame::new(&state, &at.console, home(sort)),
        done: done(query.as_deref()),
        title: title(sort),
        here: here(sort),
        forms: forms
            .into_iter()
            .map(|form: FormName| Choice {
                path: segment(&form.form),
                label: form.label,
            })
            .collect(),
        all: all
            .into_iter()
            .map(|listed| Row {
                path: path_of(sort, &listed.name),
                listed,
            })
            .collect(),
    })
}

pub(super) fn path_of(sort: Sort, name: &str) -> String {
    format!("{}/of/{}", here(sort), segment(name))
}

pub(super) fn new_path(sort: Sort, form: &str) -> String {
    format!("{}/new/{}", here(sort), segment(form))
}

fn not_found(state: &TenantState, what: &str) -> Response {
    let error = AdminError::NotFound {
        what: "page",
        name: what.to_owned(),
    };
    refused(state, error, super::HOME)
}

#[derive(Template)]
#[template(path = "console/definition.html")]
struct FormPage<'a> {
    c: ConsoleFrame<'a>,
    done: Option<&'static str>,
    title: &'static str,
    here: &'static str,
    home: &'static str,
    what: &'static str,
    /// There is one of its kind, whose name nobody chooses.
    only: bool,
    /// Empty for a new one.
    name: &'a str,
    /// What was typed for a new one's.
    typed: &'a str,
    action: String,
    form: &'a str,
    enabled: bool,
    default: bool,
    /// Whether there is something to enable.
    switched: bool,
    /// Only what sends messages has a default.
    sends: bool,
    seen: String,
    place: Option<&'a str>,
    /// Every installation has it: no file says so.
    built_in: bool,
    /// What draws its settings is not there.
    formless: bool,
    used_by: &'a [String],
    notice: Option<String>,
    sections: Vec<Drawn>,
}

struct Drawn {
    title: String,
    help: String,
    inputs: Vec<Input>,
}

impl Drawn {
    /// Whether there is anything to show where nothing can be changed.
    fn says(&self) -> bool {
        self.inputs.iter().any(|input| !input.said().is_empty())
    }
}

/// A field as the page draws it.
struct Input {
    field: Field,
    id: String,
    value: String,
    set: bool,
    problem: Option<String>,
}

impl Input {
    fn lines(&self) -> bool {
        self.field.kind.is_long()
    }
    /// As text, where nothing can be changed; empty if nobody said anything.
    fn said(&self) -> &str {
        match (self.field.secret, self.set) {
            (_, true) => "set",
            (true, false) => "not set",
            (false, false) if self.is_box() && self.ticked() => "yes",
            (false, false) if self.is_box() => "no",
            (false, false) => &self.value,
        }
    }
    fn choices(&self) -> &[String] {
        match &self.field.kind {
            FieldKind::Choice(choices) => choices,
            _ => &[],
        }
    }
    /// A secret that may go.
    fn can_go(&self) -> bool {
        self.set && !self.field.required
    }
    fn is_box(&self) -> bool {
        self.field.is_box()
    }
    fn ticked(&self) -> bool {
        self.value == "true"
    }
    /// Whether that is several lines.
    fn several(&self) -> bool {
        self.said().contains('\n')
    }
    fn chars_max(&self) -> usize {
        self.field.kind.chars_max()
    }
    fn is_choice(&self) -> bool {
        matches!(self.field.kind, FieldKind::Choice(_) | FieldKind::Boolean)
    }
    fn options(&self) -> Vec<(String, bool)> {
        let words: Vec<String> = match &self.field.kind {
            FieldKind::Boolean => vec!["true".to_owned(), "false".to_owned()],
            _ => self.choices().to_vec(),
        };
        words
            .into_iter()
            .map(|word| {
                let chosen = word == self.value;
                (word, chosen)
            })
            .collect()
    }
    fn hint(&self) -> String {
        let mut words = self.field.help.clone();
        let mut say = |sentence: &str| {
            if !words.is_empty() && !words.ends_with('.') {
                words.push('.');
            }
            if !words.is_empty() {
                words.push(' ');
            }
            words.push_str(sentence);
        };
        match self.field.kind {
            FieldKind::List => say("One a line."),
            FieldKind::Pairs => say("One a line, as name = value."),
            _ => {}
        }
        if self.field.secret {
            say(if self.set {
                "A value is set; left empty it stays."
            } else {
                "It is kept sealed and never shown again."
            });
        }
        words
    }
    fn input_type(&self) -> &'static str {
        match self.field.kind {
            _ if self.field.secret => "password",
            FieldKind::Integer { .. } => "number",
            FieldKind::Url => "url",
            _ => "text",
        }
    }
}

fn drawn(
    sections: Vec<Section>,
    values: &Values,
    set: &[String],
    wrong: &[(String, String)],
) -> Vec<Drawn> {
    let mut number = 0;
    sections
        .into_iter()
        .map(|section| Drawn {
            title: section.title,
            help: section.help,
            inputs: section
                .fields
                .into_iter()
                .map(|field| {
                    number += 1;
                    let given = values.get(&field.name).cloned();
                    Input {
                        id: format!("field-{number}"),
                        value: given.or_else(|| field.default.clone()).unwrap_or_default(),
                        set: set.contains(&field.name),
                        problem: wrong
                            .iter()
                            .find(|(name, _)| *name == field.name)
                            .map(|(_, words)| words.clone()),
                        field,
                    }
                })
                .collect(),
        })
        .collect()
}

/// `GET /console/identity-providers/new/{form}`
pub async fn new(
    SuperTenant(state): SuperTenant,
    at: Here,
    Path((of, form)): Path<(String, String)>,
) -> Response {
    let Some(sort) = sort(&of) else {
        return not_found(&state, &of);
    };
    if let Err(error) = state.administration.new_form(sort, &form) {
        return refused(&state, error, here(sort));
    }
    let wanted = Wanted {
        form,
        enabled: true,
        default: false,
        values: Values::new(),
        unset: Vec::new(),
        seen: None,
    };
    let name = if sort == Sort::Inbound { RESIDENT } else { "" };
    draw(&state, &at.console, sort, name, &wanted, None, &[], None).await
}

/// `GET /console/identity-providers/of/{name}`
pub async fn show(
    SuperTenant(state): SuperTenant,
    at: Here,
    Path((of, name)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(sort) = sort(&of) else {
        return not_found(&state, &of);
    };
    let shown = state
        .administration
        .definition_show(&at.console.actor, &at.console.tenant, sort, &name)
        .await;
    match shown {
        Ok(shown) => {
            let wanted = Wanted {
                form: shown.listed.form.clone(),
                enabled: shown.listed.enabled,
                default: shown.listed.default,
                values: shown.values.clone(),
                unset: Vec::new(),
                seen: shown.version,
            };
            let said = done(query.as_deref());
            draw(
                &state,
                &at.console,
                sort,
                &name,
                &wanted,
                Some(&shown),
                &[],
                said,
            )
            .await
        }
        Err(error) => refused(&state, error, here(sort)),
    }
}

#[allow(
    clippy::too_many_arguments,
    reason = "each is one part of the page, and there is one page"
)]
async fn draw(
    state: &TenantState,
    console: &Console,
    sort: Sort,
    name: &str,
    wanted: &Wanted,
    shown: Option<&Shown>,
    wrong: &[(String, String)],
    said: Option<&'static str>,
) -> Response {
    let place = shown.and_then(|shown| shown.listed.place.as_deref());
    let form = match state.administration.form(sort, &wanted.form) {
        Ok(sections) => Some(sections),
        // Only a plugin's form can be gone.
        Err(AdminError::NotFound { .. }) if place.is_some() => None,
        Err(error) => return refused(state, error, here(sort)),
    };
    let formless = form.is_none();
    let mut sections = form.unwrap_or_default();
    if place.is_some() {
        let set: &[String] = shown.map_or(&[], |shown| &shown.set);
        let beside = in_no_form(&sections, &wanted.values, set);
        sections.extend(beside);
    }
    if sort == Sort::ServiceProvider {
        match ways_in(state, console).await {
            Ok(ways) => say_ways_in(&mut sections, &ways),
            Err(error) => return refused(state, error, here(sort)),
        }
    }
    let known: Vec<&str> = sections
        .iter()
        .flat_map(|section| section.fields.iter().map(|field| field.name.as_str()))
        .collect();
    // What belongs to no field of the form is said above it.
    let notice: Vec<String> = wrong
        .iter()
        .filter(|(field, _)| !known.contains(&field.as_str()))
        .map(|(field, words)| match field.as_str() {
            "" => words.clone(),
            field => format!("{field}: {words}"),
        })
        .collect();
    let notice = if notice.is_empty() && !wrong.is_empty() {
        Some("Some of it cannot be used.".to_owned())
    } else {
        (!notice.is_empty()).then(|| notice.join(" "))
    };
    let mut response = page::draw(&FormPage {
        c: ConsoleFrame::new(state, console, home(sort)),
        done: said,
        title: title(sort),
        here: here(sort),
        home: home(sort),
        what: sort.what(),
        only: sort == Sort::Inbound,
        name: if wanted.seen.is_some() || place.is_some() {
            name
        } else {
            ""
        },
        typed: name,
        action: format!("{}/put", here(sort)),
        form: &wanted.form,
        enabled: wanted.enabled,
        default: wanted.default,
        sends: sends(&wanted.form),
        switched: switched(sort),
        seen: wanted.seen.map(|seen| seen.to_string()).unwrap_or_default(),
        place,
        built_in: sort == Sort::ClaimDialect,
        formless,
        used_by: shown.map_or(&[], |shown| &shown.used_by),
        notice,
        sections: drawn(
            sections,
            &wanted.values,
            shown.map_or(&[], |shown| &shown.set),
            wrong,
        ),
    });
    if !wrong.is_empty() {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    response
}

/// What the file says and no form asks for.
fn in_no_form(sections: &[Section], values: &Values, set: &[String]) -> Option<Section> {
    let is_known = |name: &str| {
        let mut known = sections.iter().flat_map(|section| &section.fields);
        known.any(|field| field.name == name)
    };
    let fields: Vec<Field> = values
        .keys()
        .chain(set)
        .filter(|name| !is_known(name))
        .map(|name| Field::text(name, name, ""))
        .collect();
    (!fields.is_empty()).then(|| Section {
        title: "Only in the file".to_owned(),
        help: String::new(),
        fields,
    })
}

/// What may be written into an application's first step.
async fn ways_in(state: &TenantState, console: &Console) -> Result<Vec<String>, AdminError> {
    let known = state
        .administration
        .definition_list(&console.actor, &console.tenant, Sort::IdentityProvider)
        .await?;
    let names = known
        .into_iter()
        .filter(|one| !sends(&one.form))
        .map(|one| one.name);
    Ok(std::iter::once("password".to_owned())
        .chain(names)
        .collect())
}

fn say_ways_in(sections: &mut [Section], ways: &[String]) {
    let fields = sections.iter_mut().flat_map(|section| &mut section.fields);
    for field in fields.filter(|field| field.name == "first_step") {
        field.help = format!("{} There are: {}.", field.help, ways.join(", "));
    }
}

/// `POST /console/identity-providers/put`
pub async fn put(
    SuperTenant(state): SuperTenant,
    Path(of): Path<String>,
    form: ConsoleForm,
) -> Response {
    let Some(sort) = sort(&of) else {
        return not_found(&state, &of);
    };
    let fields = &form.fields;
    let name = fields.text("name").trim();
    let values: Values = fields
        .all()
        .filter_map(|(name, value)| {
            let name = name.strip_prefix("value.")?;
            Some((name.to_owned(), value.to_owned()))
        })
        .collect();
    let mut values = values;
    // A box that is not ticked sends nothing, and says no.
    if let Ok(sections) = state.administration.form(sort, fields.text("form")) {
        let boxes = sections.into_iter().flat_map(|section| section.fields);
        for field in boxes.filter(Field::is_box) {
            values
                .entry(field.name)
                .or_insert_with(|| "false".to_owned());
        }
    }
    let wanted = Wanted {
        form: fields.text("form").to_owned(),
        enabled: !switched(sort) || fields.text("enabled") == "yes",
        default: fields.text("default") == "yes",
        values,
        unset: fields
            .all()
            .filter(|(_, value)| *value == "yes")
            .filter_map(|(name, _)| Some(name.strip_prefix("unset.")?.to_owned()))
            .collect(),
        seen: fields.text("seen").parse().ok(),
    };
    let (actor, tenant) = (&form.console.actor, &form.console.tenant);
    let outcome = state
        .administration
        .definition_put(actor, tenant, sort, name, &wanted)
        .await;
    let wrong = match outcome {
        Ok(()) => return see_other(&format!("{}?done=defined", path_of(sort, name))),
        Err(AdminError::Fields(problems)) => problems,
        Err(error @ (AdminError::Invalid(_) | AdminError::Exists { .. })) => {
            vec![(String::new(), sentence(&error))]
        }
        Err(error) => return refused(&state, error, here(sort)),
    };
    // What was typed is not lost, but for secrets, which no page repeats.
    let mut typed = wanted;
    if let Ok(sections) = state.administration.form(sort, &typed.form) {
        for field in sections.iter().flat_map(|section| &section.fields) {
            if field.secret {
                typed.values.remove(&field.name);
            }
        }
    }
    let shown = match typed.seen {
        Some(_) => state
            .administration
            .definition_show(actor, tenant, sort, name)
            .await
            .ok(),
        None => None,
    };
    draw(
        &state,
        &form.console,
        sort,
        name,
        &typed,
        shown.as_ref(),
        &wrong,
        None,
    )
    .await
}

/// `POST /console/identity-providers/delete`
pub async fn delete(
    SuperTenant(state): SuperTenant,
    Path(of): Path<String>,
    form: ConsoleForm,
) -> Response {
    let Some(sort) = sort(&of) else {
        return not_found(&state, &of);
    };
    let name = form.fields.text("name");
    let deleted = state
        .administration
        .definition_delete(&form.console.actor, &form.console.tenant, sort, name)
        .await;
    match deleted {
        Ok(()) => see_other(&format!("{}?done=undefined", home(sort))),
        Err(error) => refused(&state, error, here(sort)),
    }
}
