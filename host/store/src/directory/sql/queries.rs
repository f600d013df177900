//! The operator's queries. What a person typed is always a bound parameter, `$1` and so on (attack
//! Q-01); nothing is ever put into a query's text.

/// What is asked of a database. Names, attributes and subjects are texts, a limit is a number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Queries {
    /// `$1` the name: columns `name`, `password`, `salt`; every other column is an attribute.
    pub find: String,
    /// `$1` the name: columns `claim` and `value`, further attributes.
    pub claims: Option<String>,
    /// `$1` the name after which to begin, `$2` how many: columns as of `find`, in order of names.
    pub list: Option<String>,
    /// `$1` the name: column `name`.
    pub groups: Option<String>,
    /// `$1` the identity provider, `$2` the subject: column `name`.
    pub find_association: Option<String>,
    /// `$1` the name: columns `identity_provider` and `subject`.
    pub associations: Option<String>,
    /// `$1` the name, `$2` the identity provider, `$3` the subject.
    pub link: Vec<String>,
    pub unlink: Vec<String>,
    /// `$1` the name, `$2` the value, or NULL.
    pub set_number: Vec<String>,
    pub set_display_name: Vec<String>,
    pub set_opt_out: Vec<String>,
    pub set_locked: Vec<String>,
    /// `$1` the name, `$2` the attribute, `$3` the value, or NULL.
    pub set_attribute: Vec<String>,
    /// `$1` the name, `$2` the hash, `$3` the salt.
    pub set_password: Vec<String>,
    /// As `set_password`, and `$4` the hash that it must still be.
    pub upgrade_password: Vec<String>,
    /// `$1` the name, `$2` the codes that it must still be.
    pub take_backup_codes: Vec<String>,
    /// `$1` the name, `$2` the hash, `$3` the salt, `$4` the display name, `$5` the number.
    pub create: Vec<String>,
    /// `$1` the name.
    pub delete: Vec<String>,
}

impl Queries {
    /// What is wrong with them: name of the query, and what was expected.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let one = |query: &Option<String>| query.iter().cloned().collect::<Vec<_>>();
        let all: [(&'static str, Vec<String>, usize); 18] = [
            ("find", vec![self.find.clone()], 1),
            ("claims", one(&self.claims), 1),
            ("list", one(&self.list), 2),
            ("groups", one(&self.groups), 1),
            ("find_association", one(&self.find_association), 2),
            ("associations", one(&self.associations), 1),
            ("link", self.link.clone(), 3),
            ("unlink", self.unlink.clone(), 3),
            ("set_number", self.set_number.clone(), 2),
            ("set_display_name", self.set_display_name.clone(), 2),
            ("set_opt_out", self.set_opt_out.clone(), 2),
            ("set_locked", self.set_locked.clone(), 2),
            ("set_attribute", self.set_attribute.clone(), 3),
            ("set_password", self.set_password.clone(), 3),
            ("upgrade_password", self.upgrade_password.clone(), 4),
            ("take_backup_codes", self.take_backup_codes.clone(), 2),
            ("create", self.create.clone(), 5),
            ("delete", self.delete.clone(), 1),
        ];
        for (name, statements, parameters_max) in all {
            for statement in statements {
                if statement.contains('?') {
                    problems.push((
                        name,
                        "it has a `?`: expected parameters as `$1`, which cannot be counted wrong"
                            .to_owned(),
                    ));
                }
                let used = parameters(&statement);
                if used > parameters_max {
                    problems.push((
                        name,
                        format!("it has a parameter `${used}`: expected up to `${parameters_max}`"),
                    ));
                }
                // The page of a list may be cut by the query itself.
                if !statement.contains("$1") && name != "list" {
                    problems.push((
                        name,
                        "it has no parameter `$1`: it would mean everybody".to_owned(),
                    ));
                }
            }
        }
        if self.find.trim().is_empty() {
            problems.clear();
            problems.push((
                "find",
                "missing: expected a query such as `SELECT name, password FROM users WHERE name = $1`".to_owned(),
            ));
        }
        problems
    }
}

/// The highest parameter in a statement. One inside a quoted text counts as well, which a database
/// then refuses: better than a parameter that is missed.
pub(super) fn parameters(statement: &str) -> usize {
    statement
        .split('$')
        .skip(1)
        .filter_map(|rest| {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            rest[..digits].parse::<usize>().ok()
        })
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_counted() {
        for (statement, count) in [
            ("SELECT 1", 0),
            ("SELECT a FROM b WHERE c = $1", 1),
            ("UPDATE a SET b = $2 WHERE c = $1 AND d = $10", 10),
            ("SELECT $$text$$", 0),
        ] {
            assert_eq!(parameters(statement), count, "{statement}");
        }
    }

    #[test]
    fn a_query_that_would_mean_everybody_is_refused() {
        let queries = Queries {
            find: "SELECT name, password FROM users".into(),
            set_number: vec!["UPDATE users SET number = $2".into()],
            delete: vec!["DELETE FROM users WHERE name = ?".into()],
            set_password: vec!["UPDATE users SET hash = $4 WHERE name = $1".into()],
            ..Queries::default()
        };
        let names: Vec<_> = queries
            .problems()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(
            names,
            ["find", "set_number", "set_password", "delete", "delete"]
        );
        assert_eq!(Queries::default().problems()[0].0, "find");
    }
}
