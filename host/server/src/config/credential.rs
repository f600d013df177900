//! What is a credential: by its name, and where one stands in a text. One answer for whatever warns of
//! one, takes it out or does not show it.

/// Whether a setting, a header or a parameter of this name holds a credential.
pub(crate) fn names_a_secret(name: &str) -> bool {
    let name = name.trim().to_ascii_lowercase();
    // `X-Api-Key` ends with one of these; `auth_id` begins with one, and `shipping` holds one.
    let last = name.rsplit(|c: char| !c.is_ascii_alphanumeric()).next();
    matches!(
        last,
        Some("key" | "auth" | "authorization" | "pass" | "pwd" | "pin")
    ) || [
        "secret",
        "password",
        "passwd",
        "passphrase",
        "token",
        "api_key",
        "apikey",
        "api-key",
        "credential",
    ]
    .iter()
    .any(|word| name.contains(word))
}

/// Whether a recipe's address, headers or payload give something with such a name a value of their own,
/// and not by `$secret.NAME`. What has no name, such as a part of a path, is not found.
pub(crate) fn holds_a_credential(text: &str) -> bool {
    let gives_one = |(name, value): (&str, &str)| {
        let name = name.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let value = value.trim().trim_matches('"');
        let filled_in = value.contains("$secret.") || value.starts_with("$ctx.");
        !value.is_empty() && !filled_in && names_a_secret(name)
    };
    let mut parts = text.split(['?', '&', ',', ';', '{', '}', '<', '\n']);
    carries_a_password(text)
        || parts.any(|part| {
            let mut steps = part.split('/').filter_map(|step| step.split_once('='));
            part.split_once([':', '=', '>']).is_some_and(gives_one) || steps.any(gives_one)
        })
}

/// `postgres://user:password@host/database`
pub(super) fn carries_a_password(text: &str) -> bool {
    let mut addresses = text.split("://").skip(1);
    addresses.any(|rest| {
        let end = |c: char| c.is_whitespace() || matches!(c, '"' | '<');
        let address = rest.split(end).next().unwrap_or_default();
        let (host, below) = address.split_once('/').unwrap_or((address, ""));
        let path = below.split(['?', '#']).next().unwrap_or_default();
        // `?`, `#` and `/` in a password ought to be escaped, and are not by everybody.
        host.contains('@') || path.contains('@')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_in_a_recipes_text_is_told_from_a_placeholder() {
        for text in [
            "https://sms.example/send?api_key=k1&to=$ctx.num",
            "https://u:p@sms.example/send",
            "postgres://u:p?q#r@db.example/people",
            "postgres://u:p/q@db.example/people",
            "Content-Type: application/json,Authorization: Basic dTpw",
            "X-API-Key: k1",
            "{\"apiSecret\": \"s\", \"to\": \"$ctx.num\"}",
            "<login>u</login><password>p</password>",
            "user=u\npwd=p",
            "https://sms.example/send?user=u&pass=p",
            "X-Auth: k",
            "{\"pin\":\"1234\"}",
            "https://sms.example/api_key=k1/send",
            "https://sms.example/send;token=k1",
            "api_secret=k1&to=$ctx.num",
            "authorization: k1",
            "https://sms.example/send?key=$secret.key&api_secret=k1",
            "<back>https://shop.example</back><hook>https://u:p@sms.example</hook>",
        ] {
            assert!(holds_a_credential(text), "{text}");
        }
        for text in [
            "https://sms.example/send?to=$ctx.num&text=$ctx.msg",
            "https://sms.example/send?api_key=$secret.key&to=$ctx.num",
            "Authorization: Bearer $secret.token,Content-Type: text/plain",
            "<password>$secret.password</password>",
            "https://idp.example/oauth/access_token",
            "+15005550006",
            "{\"pin\":\"$ctx.otp\"}",
            "https://sms.example/pin=$ctx.otp",
            "https://tokens.example:8443/send",
            "{\"back\":\"https://shop.example\",\"mail\":\"shop@shop.example\"}",
            "https://sms.example/send?from=shop@shop.example",
        ] {
            assert!(!holds_a_credential(text), "{text}");
        }
    }
}
