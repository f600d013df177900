//! Groups of Postern's own.

use super::{Memory, Tables};
use async_trait::async_trait;
use postern_federation::Moment;
use postern_federation::ports::PortError;
use postern_federation::scim::{Group, Groups};

pub(super) struct Row {
    pub(super) name: String,
    external_id: Option<String>,
    created_at: Moment,
    changed_at: Moment,
    /// Ids.
    pub(super) members: Vec<String>,
}

#[async_trait]
impl Groups for Memory {
    async fn group(&self, tenant: &str, id: &str) -> Result<Option<Group>, PortError> {
        let tables = self.tables();
        let row = tables.groups.get(&(tenant.to_owned(), id.to_owned()));
        Ok(row.map(|row| group(&tables, tenant, id, row)))
    }

    async fn groups(
        &self,
        tenant: &str,
        after: Option<&str>,
        rows_max: usize,
    ) -> Result<Vec<Group>, PortError> {
        let after = after.map(str::to_lowercase).unwrap_or_default();
        let tables = self.tables();
        let mut all: Vec<Group> = tables
            .groups
            .iter()
            .filter(|((whose, _), row)| whose == tenant && row.name.to_lowercase() > after)
            .map(|((_, id), row)| group(&tables, tenant, id, row))
            .collect();
        all.sort_by_key(|group| group.display_name.to_lowercase());
        all.truncate(rows_max);
        Ok(all)
    }

    async fn put_group(&self, tenant: &str, group: &Group, new: bool) -> Result<bool, PortError> {
        let mut tables = self.tables();
        let key = group.display_name.to_lowercase();
        let taken = tables.groups.iter().any(|((whose, id), row)| {
            whose == tenant && row.name.to_lowercase() == key && (new || *id != group.id)
        });
        let place = (tenant.to_owned(), group.id.clone());
        let there = tables.groups.get(&place).map(|row| row.created_at);
        if taken || there.is_some() == new {
            return Ok(false);
        }
        let members = group
            .members
            .iter()
            .map(|(id, _)| id.clone())
            .filter(|id| {
                let key = (tenant.to_owned(), id.clone());
                tables.identities.contains_key(&key)
            })
            .collect();
        let row = Row {
            name: group.display_name.clone(),
            external_id: group.external_id.clone(),
            created_at: there.unwrap_or(group.created_at),
            changed_at: group.changed_at,
            members,
        };
        tables.groups.insert(place, row);
        Ok(true)
    }

    async fn delete_group(&self, tenant: &str, id: &str) -> Result<bool, PortError> {
        let place = (tenant.to_owned(), id.to_owned());
        Ok(self.tables().groups.remove(&place).is_some())
    }
}

fn group(tables: &Tables, tenant: &str, id: &str, row: &Row) -> Group {
    let mut members: Vec<_> = row
        .members
        .iter()
        .filter_map(|id| {
            let known = tables.identities.get(&(tenant.to_owned(), id.clone()))?;
            Some((id.clone(), known.account.clone()))
        })
        .collect();
    members.sort_by(|a, b| a.1.cmp(&b.1));
    Group {
        id: id.to_owned(),
        display_name: row.name.clone(),
        external_id: row.external_id.clone(),
        created_at: row.created_at,
        changed_at: row.changed_at,
        members,
    }
}
