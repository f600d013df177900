//! `postern idp`, `sp`, `claim`, `connector` and `inbound`: what the console defines, from the command
//! line.

use super::{ConfigFile, output, store};
use crate::desk::{Reply, Request};
use anyhow::{Context, bail};
use clap::Subcommand;
use postern_admin::definitions::{Meaning, Sort, Wanted};
use postern_admin::form::Values;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Say which forms there are, or the fields of one.
    #[command(after_help = "Example: postern idp form oidc --json")]
    Form {
        form: Option<String>,
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// List all, those of the configuration file too. With claim dialects: what a login reads of a
    /// person, and where each user store keeps it.
    #[command(after_help = "Example: postern claim list --json")]
    List {
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Show one, without its secrets, as JSON.
    #[command(after_help = "Example: postern sp show shop")]
    Show {
        name: String,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Define one, or change the fields that are given of one that is defined here. It is in effect at
    /// once.
    #[command(
        after_help = "Example: postern idp put corp --form oidc --value issuer=https://idp.example --value client_id=postern --value client_secret=@secret.txt"
    )]
    Put {
        name: String,
        /// Which form, for a new one: `postern idp form` names them.
        #[arg(long)]
        form: Option<String>,
        /// A field's value, NAME=VALUE or NAME=@FILE; empty removes it. May be given more than once.
        #[arg(long = "value", value_name = "NAME=VALUE")]
        values: Vec<String>,
        /// A secret to remove. May be given more than once.
        #[arg(long = "unset", value_name = "NAME")]
        unset: Vec<String>,
        #[arg(long)]
        enabled: Option<bool>,
        /// Of several senders the one that is tried first.
        #[arg(long)]
        default: Option<bool>,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Delete one; refused while something refers to it.
    #[command(after_help = "Example: postern connector delete external")]
    Delete {
        name: String,
        #[command(flatten)]
        file: ConfigFile,
    },
}

const OTHER: &str = "the host answered something else: is it of another version?";

pub(super) fn run(sort: Sort, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Form { form, json, file } => {
            let form = form.unwrap_or_default();
            let Reply::Forms(forms, sections) = store::ask(
                &file.config,
                Request::DefinitionForm {
                    sort,
                    form: form.clone(),
                },
            )?
            else {
                bail!(OTHER);
            };
            if json && form.is_empty() {
                return output::json(&forms);
            }
            if json {
                return output::json(&sections);
            }
            if form.is_empty() {
                let rows: Vec<_> = forms
                    .into_iter()
                    .map(|one| vec![one.form, one.label])
                    .collect();
                output::table(&["FORM", "WHAT"], &rows);
                return Ok(());
            }
            let yes = |flag: bool| if flag { "yes" } else { "" }.to_owned();
            let rows: Vec<_> = sections
                .into_iter()
                .flat_map(|section| section.fields)
                .map(|field| {
                    vec![
                        field.name,
                        yes(field.required),
                        yes(field.secret),
                        field.default.unwrap_or_default(),
                        field.help,
                    ]
                })
                .collect();
            output::table(&["FIELD", "NEEDED", "SECRET", "DEFAULT", "HELP"], &rows);
        }
        Command::List { json, file } => {
            let Reply::Definitions(all) =
                store::ask(&file.config, Request::DefinitionList { sort })?
            else {
                bail!(OTHER);
            };
            let meanings = match sort {
                Sort::ClaimDialect => Some(meanings(&file)?),
                Sort::IdentityProvider
                | Sort::ServiceProvider
                | Sort::Connector
                | Sort::Inbound => None,
            };
            if json {
                return match &meanings {
                    // As the admin API has it.
                    Some(meanings) => output::json(
                        &serde_json::json!({ "definitions": all, "meanings": meanings }),
                    ),
                    None => output::json(&all),
                };
            }
            let rows: Vec<_> = all
                .into_iter()
                .map(|one| {
                    let state = match (one.enabled, one.default) {
                        (true, true) => "enabled, default",
                        (true, false) => "enabled",
                        (false, _) => "off",
                    };
                    vec![
                        one.name,
                        one.form,
                        state.to_owned(),
                        one.place.unwrap_or_else(|| "the console".to_owned()),
                    ]
                })
                .collect();
            output::table(&["NAME", "FORM", "STATE", "DEFINED IN"], &rows);
            if let Some(meanings) = meanings {
                output::line("");
                let rows: Vec<_> = meanings.into_iter().map(row_of).collect();
                output::table(&["A LOGIN READS", "CLAIM", "KEPT IN"], &rows);
            }
        }
        Command::Show { name, file } => {
            let Reply::Definition(shown) =
                store::ask(&file.config, Request::DefinitionShow { sort, name })?
            else {
                bail!(OTHER);
            };
            return output::json(&shown);
        }
        Command::Put {
            name,
            form,
            values,
            unset,
            enabled,
            default,
            file,
        } => {
            let known = known(sort, &name, &file)?;
            let mut wanted = known.unwrap_or_else(|| Wanted {
                form: String::new(),
                enabled: true,
                default: false,
                values: Values::new(),
                unset: Vec::new(),
                seen: None,
            });
            wanted.form = form.unwrap_or(wanted.form);
            if wanted.form.is_empty() {
                bail!(
                    "`{name}` is new: say which form it has, as `--form oidc`; `form` names them"
                );
            }
            wanted.enabled = enabled.unwrap_or(wanted.enabled);
            wanted.default = default.unwrap_or(wanted.default);
            for given in &values {
                let (field, value) = given
                    .split_once('=')
                    .with_context(|| format!("--value `{given}`: expected NAME=VALUE"))?;
                let value = match value.strip_prefix('@') {
                    Some(path) => std::fs::read_to_string(path)
                        .with_context(|| format!("--value {field}: cannot read `{path}`"))?
                        .trim_end_matches(['\r', '\n'])
                        .to_owned(),
                    None => value.to_owned(),
                };
                wanted.values.insert(field.to_owned(), value);
            }
            wanted.unset = unset;
            let request = Request::DefinitionPut {
                sort,
                name: name.clone(),
                wanted,
            };
            store::ask(&file.config, request)?;
            output::line(format!("{} {name} is in effect", sort.what()));
        }
        Command::Delete { name, file } => {
            let request = Request::DefinitionDelete {
                sort,
                name: name.clone(),
            };
            store::ask(&file.config, request)?;
            output::line(format!("deleted {} {name}", sort.what()));
        }
    }
    Ok(())
}

fn meanings(file: &ConfigFile) -> anyhow::Result<Vec<Meaning>> {
    let Reply::Meanings(meanings) = store::ask(&file.config, Request::ClaimMeanings)? else {
        bail!(OTHER);
    };
    Ok(meanings)
}

fn row_of(meaning: Meaning) -> Vec<String> {
    let kept: Vec<_> = meaning
        .kept
        .into_iter()
        .map(|(store, place)| format!("{store}: {place}"))
        .collect();
    vec![meaning.what, meaning.claim, kept.join("; ")]
}

/// The one that is defined here already, as it would be asked for unchanged.
fn known(sort: Sort, name: &str, file: &ConfigFile) -> anyhow::Result<Option<Wanted>> {
    let Reply::Definitions(all) = store::ask(&file.config, Request::DefinitionList { sort })?
    else {
        return Ok(None);
    };
    if !all
        .iter()
        .any(|one| one.name == name && one.place.is_none())
    {
        return Ok(None);
    }
    let request = Request::DefinitionShow {
        sort,
        name: name.to_owned(),
    };
    let Reply::Definition(shown) = store::ask(&file.config, request)? else {
        return Ok(None);
    };
    Ok(Some(Wanted {
        form: shown.listed.form,
        enabled: shown.listed.enabled,
        default: shown.listed.default,
        values: shown.values,
        unset: Vec::new(),
        seen: shown.version,
    }))
}
