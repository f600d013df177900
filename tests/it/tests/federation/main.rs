//! What passes between servers, by the whole host: single sign-on in both roles (SAML, OpenID Connect
//! and OAuth 2.0), and users that are provisioned over SCIM.

#![allow(clippy::unwrap_used, reason = "tests")]

mod federated;
mod openid;
mod openid_tenants;
mod saml;
mod saml_applications;
mod saml_logout;
mod saml_metadata;
mod saml_participant;
mod saml_partner;
mod saml_tenants;
mod saml_tenants_logout;
mod sample_application;
mod scim;

use postern_it::{ALICE, BOB, PASSWORD};
