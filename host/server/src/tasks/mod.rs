//! What runs beside the requests, one file each.

pub(crate) mod reload;
pub(crate) mod retention;
pub(crate) mod sweep;
pub(crate) mod tenants;
