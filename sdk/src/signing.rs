//! Signing schemes, as programs.
//!
//! Owns: AWS Signature Version 4, WSSE UsernameToken and JSON Web Tokens, written with the same
//! values as any request. The plugin describes the signature; keys, time and nonce are the host's.

use crate::request::Request;
use crate::value::{Value, concat, hmac, lit, nonce, secret, sign, time};

/// What AWS Signature Version 4 is bound to.
#[derive(Clone, Copy, Debug)]
pub struct AwsScope<'a> {
    /// As in `eu-west-1`.
    pub region: &'a str,
    /// As in `sns`.
    pub service: &'a str,
    /// Access key id.
    pub key_id: &'a str,
    /// Name of the secret setting that holds the secret access key.
    pub secret: &'a str,
}

impl Request {
    /// Signs the request as AWS Signature Version 4 wants it: method, path, host, date, media type
    /// and body. Call it last. A query is not signed, so the request must have none: AWS takes its
    /// parameters as a form.
    pub fn sign_aws(self, scope: AwsScope<'_>) -> Request {
        let (instant, date) = (time::basic(), time::basic_date());
        let signed = if self.media_type().is_some() {
            "content-type;host;x-amz-date"
        } else {
            "host;x-amz-date"
        };
        let media_type = match self.media_type() {
            Some(media_type) => lit(format!("content-type:{media_type}\n")),
            None => lit(""),
        };
        let canonical = concat([
            lit(format!("{}\n", self.method())),
            self.path_value(),
            lit("\n\n"),
            media_type,
            lit(format!("host:{}\nx-amz-date:", self.authority())),
            instant.clone(),
            lit(format!("\n\n{signed}\n")),
            self.body_value().sha256().hex(),
        ]);
        let reach = concat([
            date.clone(),
            lit(format!("/{}/{}/aws4_request", scope.region, scope.service)),
        ]);
        let to_sign = concat([
            lit("AWS4-HMAC-SHA256\n"),
            instant.clone(),
            lit("\n"),
            reach.clone(),
            lit("\n"),
            canonical.sha256().hex(),
        ]);
        let key = [
            date,
            lit(scope.region),
            lit(scope.service),
            lit("aws4_request"),
        ]
        .into_iter()
        .fold(concat([lit("AWS4"), secret(scope.secret)]), |key, step| {
            hmac("sha256", key, step)
        });
        let authorization = concat([
            lit(format!("AWS4-HMAC-SHA256 Credential={}/", scope.key_id)),
            reach,
            lit(format!(", SignedHeaders={signed}, Signature=")),
            hmac("sha256", key, to_sign).hex(),
        ]);
        self.raw_header("x-amz-date", instant)
            .raw_header("authorization", authorization)
    }

    /// Adds `X-WSSE: UsernameToken` with the digest SHA-256(nonce, time, secret), as Huawei Cloud
    /// wants it, and the `Authorization` that announces it.
    pub fn sign_wsse(self, username: &str, secret_name: &str) -> Request {
        let (draw, created) = (nonce::hex(), time::iso8601());
        let digest = concat([draw.clone(), created.clone(), secret(secret_name)])
            .sha256()
            .base64();
        let token = concat([
            lit("UsernameToken Username=\""),
            lit(username).header_escaped(),
            lit("\",PasswordDigest=\""),
            digest,
            lit("\",Nonce=\""),
            draw,
            lit("\",Created=\""),
            created,
            lit("\""),
        ]);
        self.raw_header(
            "authorization",
            lit("WSSE realm=\"SDP\",profile=\"UsernameToken\",type=\"Appkey\""),
        )
        .raw_header("x-wsse", token)
    }
}

/// A JSON Web Token (RFC 7519) signed with the key in the secret setting `key`: `RS256`, `ES256` or
/// `EdDSA`. `claims` is a JSON object, `object([..]).into()`.
pub fn jwt(algorithm: JwtAlgorithm, key: &str, claims: Value) -> Value {
    let (name, primitive) = match algorithm {
        JwtAlgorithm::Rs256 => ("RS256", "rs256"),
        JwtAlgorithm::Es256 => ("ES256", "es256"),
        JwtAlgorithm::EdDsa => ("EdDSA", "ed25519"),
    };
    let header = lit(format!("{{\"alg\":\"{name}\",\"typ\":\"JWT\"}}")).base64url();
    let signed = concat([header, lit("."), claims.base64url()]);
    concat([
        signed.clone(),
        lit("."),
        sign(primitive, key, signed).base64url(),
    ])
}

/// How a JSON Web Token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwtAlgorithm {
    Rs256,
    Es256,
    EdDsa,
}

#[cfg(all(test, not(target_family = "wasm")))]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::evaluate::{Rendered, render};
    use crate::request::object;
    use crate::value::{recipient, text};
    use crate::vectors::{MessageVector, StandIns};

    fn rendered(request: Request) -> Rendered {
        let (request, _) = request.finish();
        assert!(
            request.program.len() < 64,
            "{} operations",
            request.program.len()
        );
        render(&request, &StandIns::of(&MessageVector::default())).unwrap()
    }

    /// The signature was computed by an independent implementation, whose signing key was checked
    /// against the example that AWS publishes.
    #[test]
    fn an_aws_signature_is_that_of_another_implementation() {
        let scope = AwsScope {
            region: "eu-west-1",
            service: "sns",
            key_id: "AKIDEXAMPLE",
            secret: "key",
        };
        let sent = rendered(
            Request::post("https://sns.eu-west-1.amazonaws.com", "/")
                .form([
                    ("Action", lit("Publish")),
                    ("Message", text()),
                    ("PhoneNumber", recipient::e164()),
                    ("Version", lit("2010-03-31")),
                ])
                .sign_aws(scope),
        );
        assert_eq!(sent.headers["x-amz-date"], "20260131T235959Z");
        assert_eq!(
            sent.headers["authorization"],
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260131/eu-west-1/sns/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=767f4655434274f957b58840ca54b55dc35da6f981f6bb3c4e098859ad90b2ed"
        );
    }

    #[test]
    fn a_wsse_token_digests_nonce_time_and_secret() {
        let sent = rendered(Request::post("https://a.example", "/").sign_wsse("app", "key"));
        assert_eq!(
            sent.headers["x-wsse"],
            "UsernameToken Username=\"app\",PasswordDigest=\"T/KAIp40VbwhLMtMNXkG8JBOaWP+ZTCB/nBCZ1Cz+Vc=\",Nonce=\"00112233445566778899aabbccddeeff\",Created=\"2026-01-31T23:59:59Z\""
        );
    }

    #[test]
    fn a_token_signs_what_it_shows() {
        let claims = object([
            ("iss", "me".into()),
            ("iat", crate::request::Json::number(time::unix())),
        ]);
        let sent = rendered(Request::get("https://a.example", "/").bearer(jwt(
            JwtAlgorithm::Es256,
            "key",
            claims.into(),
        )));
        let token = sent.headers["authorization"]
            .strip_prefix("Bearer ")
            .unwrap()
            .to_owned();
        let parts: Vec<&str> = token.split('.').collect();
        assert_eq!(parts[0], "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9");
        assert_eq!(parts[1], "eyJpc3MiOiJtZSIsImlhdCI6MTc2OTkwMzk5OX0");
        assert_eq!(parts.len(), 3);
    }
}
