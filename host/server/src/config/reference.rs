//! Every key of the configuration, with its default and one line of help: the commented file of
//! `postern config init`, the page `docs/configuration.md` and the help in `check-config`'s messages
//! are drawn from it. Tests hold it to the code that reads the keys and to their defaults.

mod federation;
mod limits;
mod operation;
mod sms_otp;
mod user_stores;

use std::fmt::Write;

/// One table of the file.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// Dotted; a free name is written `NAME`.
    pub path: &'static str,
    /// What a free name is in examples.
    pub name: &'static str,
    pub about: &'static str,
    pub keys: &'static [Key],
}

/// One key of a table.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    pub name: &'static str,
    pub value: Value,
    /// One line.
    pub help: &'static str,
    /// What the older product calls it.
    pub formerly: &'static str,
}

/// What stands in the reference for a key that nobody set. Written as TOML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    Default(&'static str),
    /// There is no default: without the key nothing is set, or it must be given.
    Example(&'static str),
}

impl Key {
    const fn new(name: &'static str, value: Value, help: &'static str) -> Self {
        Self {
            name,
            value,
            help,
            formerly: "",
        }
    }

    const fn formerly(self, formerly: &'static str) -> Self {
        Self { formerly, ..self }
    }

    /// The value to show, as TOML.
    pub fn shown(&self) -> &'static str {
        match self.value {
            Value::Default(text) | Value::Example(text) => text,
        }
    }
}

impl Table {
    /// The heading, with the example's name in place of the free one.
    fn heading(&self) -> String {
        self.path.replace("NAME", self.name)
    }
}

/// All tables, in the order in which they are read.
pub fn tables() -> impl Iterator<Item = &'static Table> {
    [
        operation::TABLES,
        sms_otp::TABLES,
        user_stores::TABLES,
        federation::TABLES,
        limits::TABLES,
    ]
    .into_iter()
    .flatten()
}

/// The help on a key of the file, `sender.twilio.plugin` for instance.
pub fn help(key: &str) -> Option<&'static str> {
    let (path, name) = key.rsplit_once('.')?;
    let here = tables().filter(|table| is_named(table.path, path));
    let mut keys = here.flat_map(|table| table.keys);
    keys.find(|key| key.name == name).map(|key| key.help)
}

/// Whether a path of a file is one of the reference, where `NAME` stands for any one name.
fn is_named(reference: &str, path: &str) -> bool {
    let (mut known, mut given) = (reference.split('.'), path.split('.'));
    loop {
        match (known.next(), given.next()) {
            (None, None) => return true,
            (Some("NAME"), Some(_)) => {}
            (Some(known), Some(given)) if known == given => {}
            _ => return false,
        }
    }
}

/// What is in force in a first configuration; everything else is a comment.
const IN_FORCE: &[(&str, &str)] = &[
    ("server", "public_url"),
    ("server", "listen"),
    ("server", "admin_listen"),
    ("server", "data_dir"),
    ("plugins", "folder"),
    ("sms_otp", "senders"),
    ("sms_otp", "mandatory"),
    ("sms_otp", "usecase"),
    ("sms_otp", "screen_user_attribute"),
];

/// The commented file. Text begins with `# `, a key that is not in force with `#`: take that one
/// character away and it is.
pub fn commented_file() -> String {
    let mut file = String::from(
        "# Postern: the configuration. `postern check-config` says everything that is wrong with it at once.\n\
         # Every key is here with its default, or with an example where there is none.\n\
         # A key that is not in force begins with `#`: take that character away, in its [table] as well.\n\
         # A secret may be { env = \"NAME\" } or { file = \"PATH\" } instead of the value itself.\n",
    );
    for table in tables() {
        let in_force = |key: &Key| IN_FORCE.contains(&(table.path, key.name));
        let mark = if table.keys.iter().any(in_force) {
            ""
        } else {
            "#"
        };
        let _ = writeln!(file, "\n# {}\n{mark}[{}]", table.about, table.heading());
        for key in table.keys {
            let mark = if in_force(key) { "" } else { "#" };
            let value = match (table.path, key.name) {
                // No sender is in force yet.
                ("sms_otp", "senders") => "[]",
                _ => key.shown(),
            };
            let _ = writeln!(file, "# {}\n{mark}{} = {value}", key.help, key.name);
        }
    }
    file
}

/// The page of the documentation.
pub fn page() -> String {
    let mut page = String::from(
        "# Configuration\n\n\
         One TOML file, `postern.toml`; senders may also have a file each in `senders/` beside it. Unknown keys are\n\
         refused, and `postern check-config` says everything that is wrong at once. A secret may be `{ env = \"NAME\" }` or\n\
         `{ file = \"PATH\" }` instead of the value itself.\n\n\
         `postern config init` writes this page as a commented file. This page is written by `postern config reference`;\n\
         a test compares the two.\n\n\
         A changed file is read again by itself and on SIGHUP, whole or, if anything in it is wrong, not at all; the log\n\
         says which. What it says holds for the next sign-in. These keys and tables wait for the next start, and the log\n\
         names those that changed:\n\n",
    );
    for key in super::restart::keys() {
        let _ = writeln!(page, "- `{key}`");
    }
    page.push_str(
        "\nOf `tls` it is that the table is there or not: a renewed certificate is taken over at once.\n",
    );
    for table in tables() {
        let _ = write!(
            page,
            "\n## `[{}]`\n\n{}\n\n| key | default | what it is |\n|---|---|---|\n",
            table.path, table.about
        );
        for key in table.keys {
            let default = match key.value {
                Value::Default(text) => format!("`{}`", cell(text)),
                Value::Example(text) => format!("none; `{}` for example", cell(text)),
            };
            let formerly = match key.formerly {
                "" => String::new(),
                name => format!(" (`{name}`)"),
            };
            let _ = writeln!(
                page,
                "| `{}` | {default} | {}{formerly} |",
                key.name,
                cell(key.help)
            );
        }
    }
    page
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests;
