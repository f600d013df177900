//! The claim URIs that mean something to a login, whichever store they come from.

pub const MOBILE: &str = "http://wso2.org/claims/mobile";
pub const DISPLAY_NAME: &str = "http://wso2.org/claims/displayName";
