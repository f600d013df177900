//! A directory of a few people.

use super::PASSWORD;
use async_trait::async_trait;
use postern_admin::users::{Accounts, StoreFacts, UserChange, UserRecord};
use postern_login::TenantId;
use postern_login::error::StoreError;
use postern_login::ports::{
    AccountRef, Association, Directory, DirectoryError, FirstNumber, PasswordCheck, Profile,
};
use postern_otp::PhoneNumber;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// alice and bob have numbers, carol has none, dave is locked by an administrator; the directory
/// breaks in two ways for two more names.
pub struct People {
    profiles: Mutex<BTreeMap<String, Profile>>,
    /// Of those who have another one than everybody.
    passwords: Mutex<BTreeMap<String, String>>,
}

impl Default for People {
    fn default() -> Self {
        let person = |name: &str, number: Option<&str>| Profile {
            account: Some(AccountRef {
                name: name.to_owned(),
            }),
            display_name: Some(format!("{name} <b>")),
            number: number.map(str::to_owned),
            locked: name == "dave",
            had_factor: number.is_some(),
            password_changeable: true,
            ..Profile::default()
        };
        let people = [
            person("alice", Some("+94771234567")),
            person("bob", Some("+94771234568")),
            person("carol", None),
            person("dave", Some("+94771234569")),
        ];
        let named = people
            .into_iter()
            .map(|p| (p.account.as_ref().unwrap().name.clone(), p));
        Self {
            profiles: Mutex::new(named.collect()),
            passwords: Mutex::default(),
        }
    }
}

impl People {
    pub fn read_only(&self, name: &str) {
        let mut profiles = self.profiles.lock().unwrap();
        profiles.get_mut(name).unwrap().password_changeable = false;
    }

    pub fn number(&self, name: &str) -> Option<String> {
        self.profiles.lock().unwrap()[name].number.clone()
    }

    /// `None` also for nobody.
    pub fn number_of(&self, name: &str) -> Option<String> {
        self.profiles.lock().unwrap().get(name)?.number.clone()
    }

    pub fn rename_display(&self, name: &str, display_name: &str) {
        self.profiles
            .lock()
            .unwrap()
            .get_mut(name)
            .unwrap()
            .display_name = Some(display_name.to_owned());
    }
}

#[async_trait]
impl Directory for People {
    async fn check_password(
        &self,
        _: &TenantId,
        name: &str,
        password: &str,
    ) -> Result<PasswordCheck, DirectoryError> {
        assert!(name != "panic", "a panic that names 94771234567");
        if name == "outage" {
            return Err(DirectoryError::Failed(StoreError::new(
                "ldap at 10.0.0.5: SELECT failed",
            )));
        }
        let account = AccountRef {
            name: name.to_owned(),
        };
        let own = self.passwords.lock().unwrap().get(name).cloned();
        let right = password == own.as_deref().unwrap_or(PASSWORD);
        Ok(match self.profiles.lock().unwrap().get(name) {
            Some(profile) if right && profile.locked => PasswordCheck::Locked(account),
            Some(_) if right => PasswordCheck::Right(account),
            _ => PasswordCheck::Wrong,
        })
    }
    async fn find(&self, _: &TenantId, name: &str) -> Result<Option<AccountRef>, DirectoryError> {
        // All of them are in the primary store.
        let name = name.strip_prefix("PRIMARY/").unwrap_or(name);
        Ok(self
            .profiles
            .lock()
            .unwrap()
            .get(name)
            .and_then(|p| p.account.clone()))
    }
    async fn find_association(
        &self,
        _: &TenantId,
        _: &str,
        _: &str,
        _: &str,
    ) -> Result<Option<AccountRef>, DirectoryError> {
        Ok(None)
    }
    async fn profile(&self, _: &TenantId, account: &AccountRef) -> Result<Profile, DirectoryError> {
        Ok(self.profiles.lock().unwrap()[&account.name].clone())
    }
    async fn save_first_number(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        number: &PhoneNumber,
    ) -> Result<FirstNumber, DirectoryError> {
        let known = self.number(&account.name);
        match known {
            Some(known) if known == number.e164() => Ok(FirstNumber::Known),
            Some(_) => Ok(FirstNumber::Taken),
            None => {
                self.save_number(tenant, account, number).await?;
                Ok(FirstNumber::Saved)
            }
        }
    }
    async fn save_number(
        &self,
        _: &TenantId,
        account: &AccountRef,
        number: &PhoneNumber,
    ) -> Result<(), DirectoryError> {
        let mut people = self.profiles.lock().unwrap();
        let profile = people.get_mut(&account.name).unwrap();
        profile.number = Some(number.e164().to_owned());
        profile.had_factor = true;
        Ok(())
    }
    async fn save_opt_out(
        &self,
        _: &TenantId,
        account: &AccountRef,
        opted_out: bool,
    ) -> Result<(), DirectoryError> {
        self.profiles
            .lock()
            .unwrap()
            .get_mut(&account.name)
            .unwrap()
            .opted_out = opted_out;
        Ok(())
    }
    async fn associations(
        &self,
        _: &TenantId,
        _: &AccountRef,
    ) -> Result<Vec<Association>, DirectoryError> {
        Ok(vec![Association {
            identity_provider: "corp".to_owned(),
            subject: "<i>alice</i>".to_owned(),
        }])
    }
    async fn remove_association(
        &self,
        _: &TenantId,
        _: &AccountRef,
        association: &Association,
    ) -> Result<bool, DirectoryError> {
        Ok(association.identity_provider == "corp")
    }
    async fn set_password(
        &self,
        _: &TenantId,
        account: &AccountRef,
        password: &str,
    ) -> Result<(), DirectoryError> {
        let mut passwords = self.passwords.lock().unwrap();
        passwords.insert(account.name.clone(), password.to_owned());
        Ok(())
    }
}

fn record(profile: &Profile) -> UserRecord {
    UserRecord {
        name: profile.account.as_ref().unwrap().name.clone(),
        display_name: profile.display_name.clone(),
        number: profile.number.clone(),
        opted_out: profile.opted_out,
        locked: profile.locked,
        claims: profile.claims.clone(),
    }
}

impl People {
    fn apply(&self, name: &str, profile: &mut Profile, change: &UserChange) {
        if let Some(display_name) = &change.display_name {
            profile.display_name = Some(display_name.clone());
        }
        if let Some(number) = &change.number {
            profile.number.clone_from(number);
            profile.had_factor |= number.is_some();
        }
        profile.opted_out = change.opted_out.unwrap_or(profile.opted_out);
        profile.locked = change.locked.unwrap_or(profile.locked);
        profile.claims.extend(change.claims.iter().cloned());
        if let Some(password) = &change.password {
            let mut passwords = self.passwords.lock().unwrap();
            passwords.insert(name.to_owned(), password.clone());
        }
    }
}

#[async_trait]
impl Accounts for People {
    async fn create(
        &self,
        _: &TenantId,
        name: &str,
        change: &UserChange,
    ) -> Result<bool, DirectoryError> {
        let mut people = self.profiles.lock().unwrap();
        if people.contains_key(name) {
            return Ok(false);
        }
        let mut profile = Profile {
            account: Some(AccountRef {
                name: name.to_owned(),
            }),
            ..Profile::default()
        };
        self.apply(name, &mut profile, change);
        people.insert(name.to_owned(), profile);
        Ok(true)
    }
    async fn change(
        &self,
        _: &TenantId,
        name: &str,
        change: &UserChange,
    ) -> Result<bool, DirectoryError> {
        let mut people = self.profiles.lock().unwrap();
        let Some(profile) = people.get_mut(name) else {
            return Ok(false);
        };
        self.apply(name, profile, change);
        Ok(true)
    }
    async fn delete(&self, _: &TenantId, name: &str) -> Result<bool, DirectoryError> {
        Ok(self.profiles.lock().unwrap().remove(name).is_some())
    }
    async fn get(&self, _: &TenantId, name: &str) -> Result<Option<UserRecord>, DirectoryError> {
        Ok(self.profiles.lock().unwrap().get(name).map(record))
    }
    async fn list(
        &self,
        _: &TenantId,
        from: Option<&str>,
        rows_max: u32,
    ) -> Result<Vec<UserRecord>, DirectoryError> {
        let people = self.profiles.lock().unwrap();
        let after = people
            .values()
            .map(record)
            .filter(|user| from.is_none_or(|from| user.name.as_str() > from));
        Ok(after.take(rows_max as usize).collect())
    }
    fn stores(&self, _: &TenantId) -> Vec<StoreFacts> {
        [("", true), ("CORP", true), ("PAYROLL", false)]
            .into_iter()
            .map(|(domain, takes_users)| StoreFacts {
                domain: domain.to_owned(),
                takes_users,
            })
            .collect()
    }
    async fn link(&self, _: &TenantId, _: &str, _: &str, _: &str) -> Result<bool, DirectoryError> {
        Ok(false)
    }
}
