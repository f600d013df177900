//! SAML against genuine and hostile documents, with xmlsec1 and the OASIS schemas as judges that are not ours.
#![allow(clippy::unwrap_used)]
#![allow(
    unreachable_pub,
    reason = "the modules of one test binary see each other"
)]

mod answers;
mod judges;
mod logout;
mod metadata;
mod redirects;
mod requests;
mod sealed;
mod world;
mod wrapping;
