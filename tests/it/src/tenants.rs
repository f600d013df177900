//! Two tenants of one host.

pub const A: &str = "a.example";
pub const B: &str = "b.example";

/// A document whose messages go to the outbox, with codes of this length.
pub fn to_outbox(brand: &str, length: u8) -> String {
    format!(
        "brand = \"{brand}\"\n[sms_otp]\nsenders = [\"{brand}-own\"]\ntoken_length = {length}\n[sender.{brand}-own]\nplugin = \"fake\"\n"
    )
}
