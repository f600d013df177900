//! The attributes we keep, and what may be done with each. `/Schemas` is drawn from it, and so are the
//! checks: what is not here is not kept, and what is told is what is done.

use serde_json::{Value, json};

pub const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
pub const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
pub const SEARCH: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
pub const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
const SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:Schema";
const RESOURCE_TYPE: &str = "urn:ietf:params:scim:schemas:core:2.0:ResourceType";
const CONFIG: &str = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Boolean,
    /// An address of the resource at another one.
    Reference(&'static [&'static str]),
    Complex(&'static [Attribute]),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutability {
    ReadWrite,
    ReadOnly,
    /// Set once, with the resource.
    Immutable,
    WriteOnly,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute {
    pub name: &'static str,
    pub kind: Kind,
    pub many: bool,
    pub required: bool,
    pub mutability: Mutability,
    pub case_exact: bool,
    /// The types a value may have, if it is such an attribute.
    pub canonical: &'static [&'static str],
    pub unique: bool,
    pub description: &'static str,
}

const fn text(name: &'static str, description: &'static str) -> Attribute {
    Attribute {
        name,
        kind: Kind::Text,
        many: false,
        required: false,
        mutability: Mutability::ReadWrite,
        case_exact: false,
        canonical: &[],
        unique: false,
        description,
    }
}

const fn boolean(name: &'static str, description: &'static str) -> Attribute {
    Attribute {
        kind: Kind::Boolean,
        ..text(name, description)
    }
}

const fn complex(
    name: &'static str,
    parts: &'static [Attribute],
    description: &'static str,
) -> Attribute {
    Attribute {
        kind: Kind::Complex(parts),
        ..text(name, description)
    }
}

const NAME: &[Attribute] = &[
    text("formatted", "The whole name, as it is shown."),
    text("familyName", "The family name."),
    text("givenName", "The given name."),
    text("middleName", "The middle names."),
    text("honorificPrefix", "A title before the name."),
    text("honorificSuffix", "What follows the name."),
];

const EMAIL: &[Attribute] = &[
    text("value", "The address."),
    Attribute {
        canonical: &["work", "home", "other"],
        ..text("type", "What the address is for.")
    },
    boolean("primary", "Whether it is the one to use."),
];

const PHONE: &[Attribute] = &[
    text(
        "value",
        "The number. That of type `mobile` takes the codes, and is kept as E.164.",
    ),
    // No list: what takes codes is no kind among others, and must be a number that codes are sent to.
    text(
        "type",
        "What the number is for: `work`, `home`, `mobile` (at most one) and so on.",
    ),
    boolean("primary", "Whether it is the one to use."),
];

const fn read_only(attribute: Attribute) -> Attribute {
    Attribute {
        mutability: Mutability::ReadOnly,
        ..attribute
    }
}

const GROUP_OF_USER: &[Attribute] = &[
    Attribute {
        case_exact: true,
        ..read_only(text("value", "The group's id."))
    },
    Attribute {
        kind: Kind::Reference(&["Group"]),
        case_exact: true,
        ..read_only(text("$ref", "The group's address."))
    },
    read_only(text("display", "The group's name.")),
];

const MEMBER: &[Attribute] = &[
    Attribute {
        mutability: Mutability::Immutable,
        case_exact: true,
        ..text("value", "The user's id.")
    },
    Attribute {
        kind: Kind::Reference(&["User"]),
        mutability: Mutability::Immutable,
        case_exact: true,
        ..text("$ref", "The user's address.")
    },
];

pub const USER_ATTRIBUTES: &[Attribute] = &[
    Attribute {
        required: true,
        unique: true,
        // An account's name is what everything of it hangs on.
        mutability: Mutability::Immutable,
        ..text(
            "userName",
            "The name to sign in with; `DOMAIN/name` for a user of another store than the primary one.",
        )
    },
    complex("name", NAME, "The parts of the name."),
    text("displayName", "The name that is shown."),
    text("nickName", "What friends call the user."),
    text("profileUrl", "The address of a page about the user."),
    text("title", "The user's post."),
    text("userType", "How the user belongs to the organization."),
    text("preferredLanguage", "The language the user reads."),
    text("locale", "How the user is used to read dates and numbers."),
    text("timezone", "Where the user's clock is."),
    // Always there, so nobody takes it away; a new user who comes without it may sign in.
    Attribute {
        required: true,
        ..boolean("active", "Whether the user may sign in.")
    },
    Attribute {
        mutability: Mutability::WriteOnly,
        case_exact: true,
        ..text("password", "A new password. It is never told.")
    },
    Attribute {
        many: true,
        ..complex("emails", EMAIL, "E-mail addresses.")
    },
    Attribute {
        many: true,
        ..complex("phoneNumbers", PHONE, "Telephone numbers.")
    },
    Attribute {
        many: true,
        mutability: Mutability::ReadOnly,
        ..complex("groups", GROUP_OF_USER, "The groups the user is in.")
    },
];

pub const GROUP_ATTRIBUTES: &[Attribute] = &[
    Attribute {
        required: true,
        unique: true,
        ..text("displayName", "The group's name.")
    },
    Attribute {
        many: true,
        ..complex("members", MEMBER, "The users in the group.")
    },
];

/// Of every resource.
pub const EXTERNAL_ID: Attribute = Attribute {
    case_exact: true,
    ..text("externalId", "The client's own name for the resource.")
};

/// A kind of resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    User,
    Group,
}

impl Resource {
    pub const ALL: [Self; 2] = [Self::User, Self::Group];

    pub fn urn(self) -> &'static str {
        match self {
            Self::User => USER,
            Self::Group => GROUP,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
        }
    }

    pub fn path(self) -> &'static str {
        match self {
            Self::User => "/Users",
            Self::Group => "/Groups",
        }
    }

    pub fn attributes(self) -> &'static [Attribute] {
        match self {
            Self::User => USER_ATTRIBUTES,
            Self::Group => GROUP_ATTRIBUTES,
        }
    }

    /// In any case; `externalId` included, what the server alone says (`id`, `meta`) not.
    pub fn attribute(self, name: &str) -> Option<&'static Attribute> {
        self.attributes()
            .iter()
            .chain([&EXTERNAL_ID])
            .find(|attribute| attribute.name.eq_ignore_ascii_case(name))
    }
}

impl Attribute {
    pub fn parts(&self) -> &'static [Self] {
        match self.kind {
            Kind::Complex(parts) => parts,
            Kind::Text | Kind::Boolean | Kind::Reference(_) => &[],
        }
    }

    pub fn part(&self, name: &str) -> Option<&'static Self> {
        self.parts()
            .iter()
            .find(|part| part.name.eq_ignore_ascii_case(name))
    }

    fn told(&self) -> Value {
        let mut told = json!({
            "name": self.name,
            "type": match self.kind {
                Kind::Text => "string",
                Kind::Boolean => "boolean",
                Kind::Reference(_) => "reference",
                Kind::Complex(_) => "complex",
            },
            "multiValued": self.many,
            "description": self.description,
            "required": self.required,
            "mutability": match self.mutability {
                Mutability::ReadWrite => "readWrite",
                Mutability::ReadOnly => "readOnly",
                Mutability::Immutable => "immutable",
                Mutability::WriteOnly => "writeOnly",
            },
            "returned": if self.mutability == Mutability::WriteOnly { "never" } else { "default" },
        });
        match self.kind {
            Kind::Complex(parts) => {
                told["subAttributes"] = parts.iter().map(Self::told).collect();
            }
            Kind::Reference(types) => told["referenceTypes"] = json!(types),
            Kind::Text | Kind::Boolean => {}
        }
        if !matches!(self.kind, Kind::Complex(_) | Kind::Boolean) {
            told["caseExact"] = self.case_exact.into();
        }
        told["uniqueness"] = if self.unique { "server" } else { "none" }.into();
        if !self.canonical.is_empty() {
            told["canonicalValues"] = json!(self.canonical);
        }
        told
    }
}

/// One of `/Schemas`.
pub fn schema(resource: Resource, base: &str) -> Value {
    json!({
        "schemas": [SCHEMA],
        "id": resource.urn(),
        "name": resource.name(),
        "description": match resource {
            Resource::User => "An account.",
            Resource::Group => "Accounts under one name.",
        },
        "attributes": resource.attributes().iter().map(Attribute::told).collect::<Vec<_>>(),
        "meta": { "resourceType": "Schema", "location": format!("{base}/Schemas/{}", resource.urn()) },
    })
}

/// One of `/ResourceTypes`.
pub fn resource_type(resource: Resource, base: &str) -> Value {
    json!({
        "schemas": [RESOURCE_TYPE],
        "id": resource.name(),
        "name": resource.name(),
        "endpoint": resource.path(),
        "description": match resource {
            Resource::User => "Accounts.",
            Resource::Group => "Groups of accounts.",
        },
        "schema": resource.urn(),
        "schemaExtensions": [],
        "meta": {
            "resourceType": "ResourceType",
            "location": format!("{base}/ResourceTypes/{}", resource.name()),
        },
    })
}

/// `/ServiceProviderConfig`.
pub fn configuration(base: &str) -> Value {
    json!({
        "schemas": [CONFIG],
        "patch": { "supported": true },
        "bulk": { "supported": false, "maxOperations": 0, "maxPayloadSize": 0 },
        "filter": { "supported": true, "maxResults": super::limits::RESULTS_MAX },
        "changePassword": { "supported": true },
        "sort": { "supported": false },
        "etag": { "supported": true },
        "authenticationSchemes": [
            {
                "type": "oauthbearertoken",
                "name": "Bearer token",
                "description": "The token of an API client that has the scope `scim`.",
                "primary": true,
            },
            {
                "type": "httpbasic",
                "name": "HTTP Basic",
                "description": "The same client: its name, and its token as the password.",
            },
        ],
        "meta": {
            "resourceType": "ServiceProviderConfig",
            "location": format!("{base}/ServiceProviderConfig"),
        },
    })
}
