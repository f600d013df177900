//! Backup codes that a user store still holds in a claim, as other systems keep them: taken over
//! into Postern's own store once, where they stand as hashes and are spent one by one.

use crate::error::StoreError;
use crate::first_step::unavailable;
use crate::login::Who;
use crate::ports::Subject;
use crate::{LoginError, Logins, TenantId};
use postern_otp::{BackupCode, Timestamp};

/// Codes of one claim. A set costs a hash for each, once.
pub const CLAIM_CODES_MAX: usize = 50;

impl Logins {
    /// Takes over the codes of whoever tries one. An error refuses the try: a claim that could not be
    /// emptied would be good for ever.
    pub(crate) async fn import_backup_codes(
        &self,
        tenant: &TenantId,
        who: &Who,
        now: Timestamp,
    ) -> Result<(), LoginError> {
        let Some(account) = &who.account else {
            return Ok(());
        };
        let directory = &self.ports.directory;
        let taken = directory
            .take_backup_codes(tenant, account)
            .await
            .map_err(unavailable)?;
        let Some(codes) = taken else {
            return Ok(());
        };
        let subject = Subject::Account {
            tenant: tenant.clone(),
            account: account.name.clone(),
        };
        // Those of an earlier set are dead, as when Postern issues new ones.
        self.ports
            .backup_codes
            .replace(&subject, &codes, now)
            .await?;
        tracing::info!(account = %account.name, codes = codes.len(), "backup codes of a claim were taken over");
        Ok(())
    }

    /// New codes are issued: those a claim still holds are dead before they are shown.
    pub(crate) async fn forget_claimed_backup_codes(
        &self,
        tenant: &TenantId,
        account: &crate::ports::AccountRef,
    ) -> Result<(), LoginError> {
        let directory = &self.ports.directory;
        let dead = directory.take_backup_codes(tenant, account).await;
        dead.map(drop).map_err(unavailable)
    }
}

/// The codes of a claim: `c1,c2,c3`, each without the blanks around it. `None`: there are none.
pub fn claimed_codes(claim: &str) -> Result<Option<Vec<BackupCode>>, StoreError> {
    let elements: Vec<&str> = claim
        .split(',')
        .map(str::trim)
        .filter(|element| !element.is_empty())
        .collect();
    if elements.is_empty() {
        return Ok(None);
    }
    if elements.len() > CLAIM_CODES_MAX {
        return Err(StoreError::new(format!(
            "a claim holds {} backup codes: expected at most {CLAIM_CODES_MAX}",
            elements.len()
        )));
    }
    let codes: Option<Vec<_>> = elements.into_iter().map(BackupCode::imported).collect();
    codes
        .map(Some)
        .ok_or_else(|| StoreError::new("a claim holds a backup code of more than 64 bytes"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_claim_is_a_list_of_trimmed_elements() {
        let read = |claim| {
            let codes = claimed_codes(claim).unwrap();
            codes.map(|codes| {
                let texts = codes.iter().map(|code| code.as_str().to_owned());
                texts.collect::<Vec<_>>()
            })
        };
        assert_eq!(
            read("1234, 5678 ,9"),
            Some(vec!["1234".into(), "5678".into(), "9".into()])
        );
        assert_eq!(read(",,1234,"), Some(vec!["1234".into()]));
        assert_eq!(read(""), None);
        assert_eq!(read(" , "), None);
        assert!(claimed_codes(&"1,".repeat(50)).is_ok());
        assert!(claimed_codes(&"1,".repeat(51)).is_err());
        assert!(claimed_codes(&"x".repeat(65)).is_err());
    }
}
