//! The recipe: an HTTP request written as templates, without code.
//!
//! Owns: reading the templates (address, method, headers, payload) into a request, and the success
//! rule. Placeholders are found in the templates once, before anything is put in, so no value is
//! ever read as a template, a header separator or a piece of JSON; each is escaped for the place it
//! stands in. Knows nothing of settings' names: `http-recipe` reads those.
//!
//! | placeholder | stands for |
//! |---|---|
//! | `$ctx.num`, formerly `&num` | the number, in the recipe's format |
//! | `$ctx.msg`, formerly `&msg` | the text of the message |
//! | `$ctx.otp` | the bare code |
//! | `$secret.NAME` | a secret of the sender |

use crate::request::Request;
use crate::settings::{Base, Settings};
use crate::value::{Value, code, concat, lit, recipient, secret, text};

/// The names of the settings a problem is told of.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    pub url: &'static str,
    pub method: &'static str,
    pub headers: &'static str,
    pub payload: &'static str,
}

/// The templates of a request.
#[derive(Clone, Copy, Debug)]
pub struct Recipe<'a> {
    pub url: &'a str,
    pub method: &'a str,
    pub headers: &'a str,
    pub payload: &'a str,
    pub number_format: NumberFormat,
}

/// How the number is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NumberFormat {
    #[default]
    E164,
    Digits,
    National,
}

/// Headers the host does not take from a plugin, because they frame the message, route it or let it
/// pass for another one. It judges them itself; a recipe is told when it is written.
const THE_HOSTS: [&str; 22] = [
    "alt-used",
    "connection",
    "content-encoding",
    "content-length",
    "cookie",
    "cookie2",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
    "accept-encoding",
];
const THE_HOSTS_PREFIXES: [&str; 3] = ["proxy-", "x-forwarded-", "sec-websocket-"];

fn is_the_hosts(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    THE_HOSTS.contains(&name.as_str())
        || THE_HOSTS_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

impl Recipe<'_> {
    /// The request, with every problem noted in `settings` under the given names. With a problem
    /// the request is not fit to be sent.
    pub fn request(&self, names: Names, settings: &Settings) -> Request {
        let (base, target) = self.address(names.url, settings);
        let is_post = match self.method.trim() {
            method if method.eq_ignore_ascii_case("post") => true,
            method if method.eq_ignore_ascii_case("get") => false,
            "" => {
                settings.problem(names.method, "is missing");
                false
            }
            _ => {
                settings.problem(names.method, "is neither GET nor POST");
                false
            }
        };
        let mut request = if is_post {
            Request::post(base, "")
        } else {
            Request::get(base, "")
        };
        request = request.raw_target(target);
        let mut content_type = None;
        let mut names_seen: Vec<String> = Vec::new();
        for (name, template) in header_list(self.headers) {
            if names_seen.contains(&name.to_ascii_lowercase()) {
                settings.problem(names.headers, format!("has `{name}` twice"));
                continue;
            }
            names_seen.push(name.to_ascii_lowercase());
            if !is_token(name) {
                settings.problem(
                    names.headers,
                    format!("has `{name}`, which cannot be the name of a header"),
                );
            } else if is_the_hosts(name) {
                settings.problem(
                    names.headers,
                    format!("sets `{name}`, which is the host's to set"),
                );
            } else if name.eq_ignore_ascii_case("content-type") {
                if template.contains(['$', '&']) {
                    settings.problem(names.headers, "has a content-type that is not literal");
                }
                content_type = Some(template);
            } else {
                let value = self.fill(template, Place::Header, names.headers, settings);
                request = request.raw_header(name, value);
            }
        }
        if is_post {
            request = self.body(request, content_type, names.payload, settings);
        }
        request
    }

    /// Splits the address template into origin and target. Only the target may hold placeholders:
    /// a value can never choose the host.
    fn address(&self, name: &str, settings: &Settings) -> (Base, Value) {
        let url = self.url.trim();
        if url.is_empty() {
            settings.problem(name, "is missing");
            return (Base::default(), lit("/"));
        }
        let Some(rest) = crate::settings::strip_scheme(url) else {
            settings.problem(
                name,
                "is not an address that begins with https:// or http://",
            );
            return (Base::default(), lit("/"));
        };
        let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (origin, target) = url.split_at(url.len() - rest.len() + authority);
        let Some(base) = Base::parse(origin) else {
            settings.problem(name, "has no host, or a user name before it");
            return (Base::default(), lit("/"));
        };
        if origin.contains(['$', '&']) {
            settings.problem(
                name,
                "has a placeholder in the host: only path and query may hold one",
            );
        }
        if target.contains('#') {
            settings.problem(
                name,
                "has a fragment (#), which is never sent: write %23 for the character",
            );
        }
        let query = target.find('?').unwrap_or(target.len());
        let (path, query) = target.split_at(query);
        let path = if path.is_empty() { "/" } else { path };
        let target = [
            self.fill(path, Place::Path, name, settings),
            self.fill(query, Place::Query, name, settings),
        ];
        (base, concat(target))
    }

    fn body(
        &self,
        request: Request,
        content_type: Option<&str>,
        name: &str,
        settings: &Settings,
    ) -> Request {
        if self.payload.trim().is_empty() {
            // The media type alone still says that there is a body, an empty one.
            return match content_type {
                Some(media_type) => request.body(media_type, lit("")),
                None => request,
            };
        }
        let media_type = content_type.unwrap_or("application/x-www-form-urlencoded");
        let place = Place::of_media_type(media_type);
        if place == Place::Unknown
            && pieces(self.payload)
                .iter()
                .any(|piece| !matches!(piece, Piece::Literal(_)))
        {
            settings.problem(name, format!("has a placeholder in a body of type `{media_type}`: form, JSON, XML or plain text can hold one"));
        }
        if place == Place::Json {
            let sample: String = pieces(self.payload)
                .into_iter()
                .map(|piece| match piece {
                    Piece::Literal(text) => text,
                    // A digit fits inside a string and as a number.
                    Piece::Number | Piece::Message | Piece::Code | Piece::Secret(_) => "1",
                    Piece::Unknown(_) => "1",
                })
                .collect();
            if serde_json::from_str::<serde_json::Value>(&sample).is_err() {
                settings.problem(name, "is not JSON");
            }
        }
        let value = self.fill(self.payload, place, name, settings);
        request.body(media_type, value)
    }

    /// The template with its placeholders as values, each escaped for `place`.
    fn fill(&self, template: &str, place: Place, name: &str, settings: &Settings) -> Value {
        concat(pieces(template).into_iter().map(|piece| match piece {
            Piece::Literal(text) => place.literal(text),
            Piece::Number => place.value(match self.number_format {
                NumberFormat::E164 => recipient::e164(),
                NumberFormat::Digits => recipient::digits(),
                NumberFormat::National => recipient::national(),
            }),
            Piece::Message => place.value(text()),
            Piece::Code => place.value(code()),
            Piece::Secret(secret_name) => place.value(secret(secret_name)),
            Piece::Unknown(placeholder) => {
                settings.problem(
                    name,
                    format!("has `{placeholder}`: the placeholders are $ctx.num, $ctx.msg, $ctx.otp and $secret.NAME"),
                );
                lit("")
            }
        }))
    }
}

/// What a status and a body mean. `status` is the one status that means success, or blank for
/// 200, 201 and 202; `body` is text that must be in the body, or blank.
pub fn is_success(reply: &crate::reply::Reply, status: &str, body: &str) -> bool {
    let status_fits = match status.trim() {
        "" => matches!(reply.status, 200..=202),
        status => status == reply.status.to_string(),
    };
    status_fits && (body.is_empty() || reply.text().contains(body))
}

/// Where a template stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Path,
    Query,
    Header,
    Form,
    Json,
    Xml,
    /// Plain text: values go in as they are.
    Raw,
    /// A body of another media type: nobody could tell whether a value stayed in its place.
    Unknown,
}

impl Place {
    fn of_media_type(media_type: &str) -> Place {
        let essence = media_type
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        match essence.as_str() {
            "application/x-www-form-urlencoded" => Place::Form,
            "application/json" | "text/json" => Place::Json,
            "application/xml" | "text/xml" => Place::Xml,
            _ if essence.ends_with("+json") => Place::Json,
            _ if essence.ends_with("+xml") => Place::Xml,
            "text/plain" | "application/octet-stream" => Place::Raw,
            _ => Place::Unknown,
        }
    }

    fn value(self, value: Value) -> Value {
        match self {
            Place::Path => value.percent_escaped(),
            Place::Query | Place::Form => value.form_escaped(),
            Place::Header => value.header_escaped(),
            Place::Json => value.json_escaped(),
            Place::Xml => value.xml_escaped(),
            Place::Raw | Place::Unknown => value,
        }
    }

    /// The operator's own text: it stays as written, but for characters an address cannot have
    /// and line breaks a header cannot.
    fn literal(self, text: &str) -> Value {
        match self {
            Place::Path | Place::Query => lit(in_address(text)),
            Place::Header => lit(text).header_escaped(),
            Place::Form | Place::Json | Place::Xml | Place::Raw | Place::Unknown => lit(text),
        }
    }
}

/// Percent-encodes what RFC 3986 has no place for, and the apostrophe, which a URL parser would: the
/// host sends an address only as a parser would write it.
fn in_address(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii_graphic() && !"\"'<>\\^`{|}".contains(character) {
            out.push(character);
        } else {
            out.push_str(&crate::escape::percent(
                character.encode_utf8(&mut [0; 4]).as_bytes(),
            ));
        }
    }
    out
}

/// A piece of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece<'a> {
    Literal(&'a str),
    Number,
    Message,
    Code,
    Secret(&'a str),
    /// Meant as a placeholder, and none.
    Unknown(&'a str),
}

/// The pieces of a template, in one pass from left to right.
fn pieces(template: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut literal = 0;
    let mut at = 0;
    while let Some(next) = template[at..].find(['$', '&']) {
        let start = at + next;
        let Some((piece, length)) = placeholder(&template[start..]) else {
            at = start + 1;
            continue;
        };
        if start > literal {
            pieces.push(Piece::Literal(&template[literal..start]));
        }
        pieces.push(piece);
        at = start + length;
        literal = at;
    }
    if literal < template.len() {
        pieces.push(Piece::Literal(&template[literal..]));
    }
    pieces
}

/// The placeholder that `text` begins with, and its length.
fn placeholder(text: &str) -> Option<(Piece<'_>, usize)> {
    for (token, piece) in [("&num", Piece::Number), ("&msg", Piece::Message)] {
        if let Some(rest) = text.strip_prefix(token) {
            // `&number=` and `&num=` are parameters of their own.
            let ends = !rest.starts_with(|c: char| c == '=' || is_word(c));
            return ends.then_some((piece, token.len()));
        }
    }
    if let Some(rest) = text.strip_prefix("$secret.") {
        let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let name = &rest[..length];
        let piece = if name.is_empty() {
            Piece::Unknown("$secret.")
        } else {
            Piece::Secret(name)
        };
        return Some((piece, "$secret.".len() + length));
    }
    let rest = text.strip_prefix("$ctx")?;
    let length = "$ctx".len() + rest.find(|c| c != '.' && !is_word(c)).unwrap_or(rest.len());
    // A full stop may end a sentence: it belongs to a placeholder only before a word.
    let word = text[..length].trim_end_matches('.');
    Some(match word {
        "$ctx.num" => (Piece::Number, word.len()),
        "$ctx.msg" => (Piece::Message, word.len()),
        "$ctx.otp" => (Piece::Code, word.len()),
        _ => (Piece::Unknown(word), word.len()),
    })
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// The names and templates of a header list, `Name: value,Name: value`. The list is split before
/// anything is put in; a part without a colon is no header.
fn header_list(list: &str) -> impl Iterator<Item = (&str, &str)> {
    list.split(',').filter_map(|part| {
        let header = part.split_once(':');
        if header.is_none() && !part.trim().is_empty() {
            crate::log(
                crate::Level::Warn,
                "a part of the header list has no colon and is left out",
            );
        }
        header.map(|(name, value)| (name.trim(), value.trim()))
    })
}

/// RFC 9110 section 5.6.2.
fn is_token(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
        && !name.contains('$')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::evaluate::{Rendered, render};
    use crate::reply::Reply;
    use crate::vectors::{MessageVector, StandIns};

    const NAMES: Names = Names {
        url: "url",
        method: "method",
        headers: "headers",
        payload: "payload",
    };

    fn recipe<'a>(url: &'a str, method: &'a str, headers: &'a str, payload: &'a str) -> Recipe<'a> {
        Recipe {
            url,
            method,
            headers,
            payload,
            number_format: NumberFormat::E164,
        }
    }

    /// The request for a number and a text, both as hostile as they like: the layer that parses
    /// numbers is switched off here.
    fn send(recipe: Recipe<'_>, number: &str, text: &str) -> Rendered {
        let settings = Settings::default();
        let (request, _) = recipe.request(NAMES, &settings).finish();
        assert_eq!(settings.problems(), []);
        let message = MessageVector {
            recipient: number.to_owned(),
            text: text.to_owned(),
            ..MessageVector::default()
        };
        render(&request, &StandIns::of(&message)).unwrap()
    }

    fn refused(recipe: Recipe<'_>, number: &str, text: &str) -> String {
        let (request, _) = recipe.request(NAMES, &Settings::default()).finish();
        let message = MessageVector {
            recipient: number.to_owned(),
            text: text.to_owned(),
            ..MessageVector::default()
        };
        render(&request, &StandIns::of(&message)).unwrap_err()
    }

    fn body(rendered: &Rendered) -> &str {
        std::str::from_utf8(rendered.body.as_deref().unwrap()).unwrap()
    }

    fn problems(recipe: Recipe<'_>) -> Vec<String> {
        let settings = Settings::default();
        let _ = recipe.request(NAMES, &settings);
        settings
            .problems()
            .iter()
            .map(|problem| format!("{} {}", problem.setting, problem.message))
            .collect()
    }

    const JSON: &str = r#"{"text":"$ctx.msg","to":["$ctx.num"]}"#;

    #[test]
    fn templates_are_read_in_one_pass() {
        use Piece::*;
        for (template, expected) in [
            (
                "to=&num&text=&msg",
                vec![Literal("to="), Number, Literal("&text="), Message],
            ),
            (
                "to=$ctx.num&text=$ctx.msg",
                vec![Literal("to="), Number, Literal("&text="), Message],
            ),
            (
                "&number=1&msgtype=2&num=3",
                vec![Literal("&number=1&msgtype=2&num=3")],
            ),
            ("$ctx.num$ctx.otp.", vec![Number, Code, Literal(".")]),
            ("$secret.api_key!", vec![Secret("api_key"), Literal("!")]),
            ("$1 ${x} $$ \\ $", vec![Literal("$1 ${x} $$ \\ $")]),
            ("&num&msg", vec![Number, Message]),
            ("é$ctx.numé", vec![Literal("é"), Number, Literal("é")]),
        ] {
            assert_eq!(pieces(template), expected, "{template}");
        }
    }

    /// T-09, W4
    #[test]
    fn what_only_resembles_a_placeholder_is_a_problem_and_not_expanded() {
        for template in [
            "$ctxXnum",
            "$ctx.number",
            "$ctx.numb",
            "$ctx",
            "$ctx.",
            "$ctx.num.x",
            "$secret.",
        ] {
            assert!(
                matches!(
                    pieces(template)[..],
                    [Piece::Unknown(_)] | [Piece::Unknown(_), Piece::Literal(".")]
                ),
                "{template}: {:?}",
                pieces(template)
            );
            let told = problems(recipe("https://a.example/", "POST", "", template));
            assert!(told[0].starts_with("payload has `$"), "{told:?}");
        }
    }

    /// T-03, W1
    #[test]
    fn a_number_cannot_leave_its_json_string() {
        for number in ["+1\",\"+999", "\\u0022,\\u0022+999", "\\", "\u{0}\u{2028}"] {
            let sent = send(
                recipe(
                    "https://a.example/",
                    "POST",
                    "content-type: application/json",
                    JSON,
                ),
                number,
                "t",
            );
            let json: serde_json::Value = serde_json::from_str(body(&sent)).unwrap();
            assert_eq!(json, serde_json::json!({"text": "t", "to": [number]}));
        }
    }

    /// T-05, W2
    #[test]
    fn a_number_with_a_comma_adds_no_header() {
        let sent = send(
            recipe("https://a.example/", "GET", "X-To: $ctx.num,X-B: b", ""),
            "+1,X-Evil: 1",
            "t",
        );
        assert_eq!(sent.headers.len(), 2);
        assert_eq!(sent.headers["x-to"], "+1,X-Evil: 1");
    }

    /// The original cut a value at its second colon and left a blank after a comma in the next name.
    #[test]
    fn a_header_value_keeps_its_colons_and_loses_the_blanks_around_it() {
        let list = " X-Link: https://b.example:8443/a:b , X-Words :  two  words,no header";
        let sent = send(recipe("https://a.example/", "GET", list, ""), "+1", "t");
        assert_eq!(sent.headers.len(), 2, "{:?}", sent.headers);
        assert_eq!(sent.headers["x-link"], "https://b.example:8443/a:b");
        assert_eq!(sent.headers["x-words"], "two  words");
    }

    /// T-01
    #[test]
    fn a_number_with_a_line_break_is_refused_as_a_header() {
        let why = refused(
            recipe("https://a.example/", "GET", "X-To: $ctx.num", ""),
            "+1555\r\nX-Evil: 1",
            "t",
        );
        assert!(why.contains("header"), "{why}");
    }

    /// T-02
    #[test]
    fn a_number_adds_no_parameter_to_address_or_form() {
        for number in ["+1&to=+999", "%26to=", ";", "#", "?", "a=b", "/../"] {
            let sent = send(
                recipe("https://a.example/p?to=$ctx.num&x=1", "GET", "", ""),
                number,
                "t",
            );
            let query = sent.url.strip_prefix("https://a.example/p?").unwrap();
            assert_eq!(query.matches('&').count(), 1, "{query}");
            assert!(!query.contains(['#', ';', '?', '/']), "{query}");
            let sent = send(
                recipe("https://a.example/", "POST", "", "to=$ctx.num&x=1"),
                number,
                "t",
            );
            assert_eq!(
                body(&sent).matches(['&', '=']).count(),
                3,
                "{}",
                body(&sent)
            );
        }
    }

    /// T-04
    #[test]
    fn a_number_cannot_leave_its_xml_text() {
        let template = "<m to=\"$ctx.num\">$ctx.msg</m>";
        let sent = send(
            recipe(
                "https://a.example/",
                "POST",
                "Content-Type: text/xml;charset=UTF-8",
                template,
            ),
            "\"><to>",
            "]]>&x;<b>",
        );
        assert_eq!(
            body(&sent),
            "<m to=\"&quot;&gt;&lt;to&gt;\">]]&gt;&amp;x;&lt;b&gt;</m>"
        );
    }

    /// T-07, T-08, W3, W4
    #[test]
    fn a_value_is_never_read_as_a_template() {
        for value in [
            "$1",
            "${x}",
            "$$",
            "\\",
            "%s",
            "{{7*7}}",
            "{0}",
            "$ctx.otp",
            "\\$ctx.otp",
            "&num",
            "$secret.key",
        ] {
            let sent = send(
                recipe(
                    "https://a.example/",
                    "POST",
                    "content-type: text/plain",
                    "<$ctx.num|$ctx.msg>",
                ),
                value,
                value,
            );
            assert_eq!(body(&sent), format!("<{value}|{value}>"));
        }
    }

    /// T-12
    #[test]
    fn nothing_but_literal_text_chooses_the_host() {
        for url in [
            "https://$ctx.num.example/",
            "https://a.example&num/",
            "https://$secret.host/x",
            "https://$ctx.num@evil.example/",
        ] {
            assert!(!problems(recipe(url, "GET", "", "")).is_empty(), "{url}");
        }
        let sent = send(
            recipe("https://a.example/v1/$ctx.num/send", "GET", "", ""),
            "../..//evil.example",
            "t",
        );
        assert_eq!(
            sent.url,
            "https://a.example/v1/..%2F..%2F%2Fevil.example/send"
        );
    }

    /// T-13
    #[test]
    fn templates_with_what_a_request_cannot_have_are_problems() {
        for (recipe, told) in [
            (
                recipe("ftp://a.example", "GET", "", ""),
                "url is not an address that begins with https:// or http://",
            ),
            (
                recipe("https://u:p@a.example/", "GET", "", ""),
                "url has no host, or a user name before it",
            ),
            (
                recipe("https://a.example/#x", "GET", "", ""),
                "url has a fragment (#), which is never sent: write %23 for the character",
            ),
            (
                recipe("https://a.example/", "", "", ""),
                "method is missing",
            ),
            (
                recipe("https://a.example/", "DELETE", "", ""),
                "method is neither GET nor POST",
            ),
            (
                recipe("https://a.example/", "GET", "Host: b", ""),
                "headers sets `Host`, which is the host's to set",
            ),
            (
                recipe("https://a.example/", "GET", "a b: c", ""),
                "headers has `a b`, which cannot be the name of a header",
            ),
            (
                recipe("https://a.example/", "GET", "$ctx.num: c", ""),
                "headers has `$ctx.num`, which cannot be the name of a header",
            ),
            (
                recipe(
                    "https://a.example/",
                    "POST",
                    "content-type: application/json",
                    "{“a”:1}",
                ),
                "payload is not JSON",
            ),
        ] {
            assert_eq!(problems(recipe), [told]);
        }
        let (request, _) = recipe("https://a.example/", "GET", "X-A: b\r\nX-Evil: 1", "")
            .request(NAMES, &Settings::default())
            .finish();
        assert!(
            render(&request, &StandIns::of(&MessageVector::default()))
                .unwrap_err()
                .contains("header")
        );
    }

    #[test]
    fn literal_text_in_an_address_is_only_made_legal() {
        let sent = send(
            recipe("https://a.example/a b/{id}?x=1+2%20&y=é|'", "GET", "", ""),
            "+1",
            "t",
        );
        assert_eq!(
            sent.url,
            "https://a.example/a%20b/%7Bid%7D?x=1+2%20&y=%C3%A9%7C%27"
        );
        assert_eq!(
            send(
                recipe("https://a.example?to=$ctx.num", "GET", "", ""),
                "+1",
                "t"
            )
            .url,
            "https://a.example/?to=%2B1"
        );
    }

    #[test]
    fn a_body_nobody_could_check_holds_no_placeholder() {
        let headers = "Content-Type: multipart/form-data; boundary=x";
        let told = problems(recipe(
            "https://a.example/",
            "POST",
            headers,
            "--x $ctx.num",
        ));
        assert!(told[0].contains("multipart/form-data"), "{told:?}");
        assert_eq!(
            problems(recipe("https://a.example/", "POST", headers, "--x literal")),
            [""; 0]
        );
    }

    #[test]
    fn a_header_is_there_once() {
        let told = problems(recipe("https://a.example/", "GET", "X-A: 1,x-a: 2", ""));
        assert_eq!(told, ["headers has `x-a` twice"]);
    }

    #[test]
    fn a_media_type_is_read_without_case_and_parameters() {
        for (media_type, place) in [
            ("Application/JSON; charset=utf-8", Place::Json),
            ("application/vnd.api+json", Place::Json),
            ("TEXT/XML;charset=UTF-8", Place::Xml),
            ("application/soap+xml", Place::Xml),
            ("application/x-www-form-urlencoded", Place::Form),
            ("text/plain", Place::Raw),
            ("multipart/form-data; boundary=x", Place::Unknown),
        ] {
            assert_eq!(Place::of_media_type(media_type), place, "{media_type}");
        }
    }

    #[test]
    fn success_is_the_configured_status_or_one_of_three_and_perhaps_a_text() {
        let reply = |status| Reply::new(status, Vec::new(), "OK: queued");
        for (status, configured, body, expected) in [
            (200, "", "", true),
            (201, "", "", true),
            (202, " ", "", true),
            (204, "", "", false),
            (302, "", "", false),
            (200, "202", "", false),
            (202, " 202 ", "", true),
            (200, "2", "", false),
            (200, "", "OK", true),
            (200, "", "ERR", false),
            (400, "", "OK", false),
        ] {
            assert_eq!(
                is_success(&reply(status), configured, body),
                expected,
                "{status} {configured} {body}"
            );
        }
    }
}
