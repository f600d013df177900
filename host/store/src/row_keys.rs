//! The keys that rows are written with. The host keeps them beside the store, not in it: whoever
//! reads a copy of the database reads no secret, and whoever writes to it is found out.

/// 32 random bytes each.
#[derive(Clone)]
pub struct RowKeys {
    /// Chains the rows of the audit log.
    pub audit: [u8; 32],
    /// Seals the bodies of documents.
    pub documents: [u8; 32],
}

impl std::fmt::Debug for RowKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[row keys]")
    }
}
