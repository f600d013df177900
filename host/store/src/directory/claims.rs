//! Names of claims that mean something to Postern itself, and how their values are read.

/// The claim that stands for the user's number.
pub(super) const MOBILE: &str = "http://wso2.org/claims/mobile";
/// The language they read.
pub(super) const LOCALE: &str = "http://wso2.org/claims/local";
/// Backup codes, in the two places where other systems keep them.
pub(super) const BACKUP_CODES: [&str; 2] = [
    "http://wso2.org/claims/otpbackupcodes",
    "http://wso2.org/claims/identity/otpbackupcodes",
];

/// Whether a claim says yes: `true` in any case, or what databases print for it.
pub(super) fn says_yes(value: &str) -> bool {
    let value = value.trim();
    ["true", "1", "t"]
        .iter()
        .any(|yes| value.eq_ignore_ascii_case(yes))
}
