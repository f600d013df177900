//! Building a request.
//!
//! Owns: turning what a provider wants (a path, a query, a form, a JSON or XML body, headers)
//! into the interface's straight-line program, with the escaping of each place chosen here and
//! never by the plugin's author. Knows nothing of sending.

use crate::settings::Base;
use crate::value::{Node, Value, concat, lit};
use crate::wire;

/// A request, as it grows.
#[derive(Clone, Debug)]
pub struct Request {
    method: &'static str,
    origin: String,
    path: Vec<Value>,
    query: Vec<Value>,
    headers: Vec<(String, Value)>,
    body: Option<(String, Value)>,
    keep: Vec<wire::Keep>,
    idempotent: bool,
    state: Vec<u8>,
}

impl Request {
    pub fn get(base: impl Into<Base>, path: &str) -> Request {
        Request::new("GET", base.into(), path)
    }

    /// `path` is appended to the base's own; it is literal and begins with `/` unless empty.
    pub fn post(base: impl Into<Base>, path: &str) -> Request {
        Request::new("POST", base.into(), path)
    }

    pub fn put(base: impl Into<Base>, path: &str) -> Request {
        Request::new("PUT", base.into(), path)
    }

    fn new(method: &'static str, base: Base, path: &str) -> Request {
        Request {
            method,
            origin: base.origin,
            path: vec![lit(base.path), lit(path)],
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
            keep: Vec::new(),
            idempotent: false,
            state: Vec::new(),
        }
    }

    /// Appends `/` and the value, percent-encoded: one segment, whatever is in it.
    pub fn segment(mut self, value: impl Into<Value>) -> Request {
        self.path.push(lit("/"));
        self.path.push(value.into().percent_escaped());
        self
    }

    /// Appends literal path text.
    pub fn path(mut self, text: &str) -> Request {
        self.path.push(lit(text));
        self
    }

    /// Appends fields to the query.
    pub fn query<N: Into<Value>>(
        mut self,
        fields: impl IntoIterator<Item = (N, Value)>,
    ) -> Request {
        push_fields(&mut self.query, fields);
        self
    }

    /// Replaces what follows the origin, path and query alike, with a value escaped elsewhere.
    pub fn raw_target(mut self, target: Value) -> Request {
        self.path = vec![target];
        self.query = Vec::new();
        self
    }

    /// Adds a header. The host refuses values with a line break, and names that frame a message.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Request {
        self.headers
            .push((name.to_owned(), value.into().header_escaped()));
        self
    }

    /// `Authorization: Basic` (RFC 7617).
    pub fn basic(self, user: impl Into<Value>, password: impl Into<Value>) -> Request {
        let pair = concat([user.into(), lit(":"), password.into()]).base64();
        self.raw_header("authorization", concat([lit("Basic "), pair]))
    }

    /// `Authorization: Bearer` (RFC 6750).
    pub fn bearer(self, token: impl Into<Value>) -> Request {
        self.raw_header(
            "authorization",
            concat([lit("Bearer "), token.into().header_escaped()]),
        )
    }

    /// Adds a header whose value is already fit for one.
    pub fn raw_header(mut self, name: &str, value: Value) -> Request {
        self.headers.push((name.to_owned(), value));
        self
    }

    /// A form as body (`application/x-www-form-urlencoded`).
    pub fn form<N: Into<Value>>(self, fields: impl IntoIterator<Item = (N, Value)>) -> Request {
        let mut parts = Vec::new();
        push_fields(&mut parts, fields);
        self.body("application/x-www-form-urlencoded", concat(parts))
    }

    /// JSON as body (`application/json`).
    pub fn json(self, json: impl Into<Json>) -> Request {
        self.body("application/json", json.into().0)
    }

    /// XML as body (`application/xml`).
    pub fn xml(self, element: Element) -> Request {
        let declaration = lit("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
        self.body("application/xml", concat([declaration, element.finish()]))
    }

    /// A body of this media type, with its values already escaped for their places.
    pub fn body(mut self, media_type: impl Into<String>, value: Value) -> Request {
        self.body = Some((media_type.into(), value));
        self
    }

    /// Lets the host cut the string at `pointer` out of a successful JSON reply, and keep it under
    /// `name` for `lifetime` seconds (at most 86400), or as long as the number at
    /// `lifetime_pointer` says.
    pub fn keep(
        mut self,
        name: &str,
        pointer: &str,
        lifetime_pointer: Option<&str>,
        lifetime: u32,
    ) -> Request {
        self.keep.push(wire::Keep {
            name: name.to_owned(),
            pointer: pointer.to_owned(),
            lifetime_pointer: lifetime_pointer.map(str::to_owned),
            lifetime,
        });
        self
    }

    /// Declares that sending the request twice has the effect of sending it once, because it
    /// carries an idempotency key the provider honours.
    pub fn idempotent(mut self) -> Request {
        self.idempotent = true;
        self
    }

    /// What the plugin wants to find again at the next step, at most 64 KiB.
    pub fn state(mut self, state: impl Into<Vec<u8>>) -> Request {
        self.state = state.into();
        self
    }

    pub(crate) fn method(&self) -> &'static str {
        self.method
    }

    /// Host, and port if there is one, as in the `Host` header.
    pub(crate) fn authority(&self) -> &str {
        crate::settings::strip_scheme(&self.origin).unwrap_or_default()
    }

    pub(crate) fn path_value(&self) -> Value {
        concat(self.path.iter().cloned())
    }

    pub(crate) fn media_type(&self) -> Option<&str> {
        self.body
            .as_ref()
            .map(|(media_type, _)| media_type.as_str())
    }

    pub(crate) fn body_value(&self) -> Value {
        self.body
            .as_ref()
            .map_or(lit(""), |(_, value)| value.clone())
    }

    /// The request as the host receives it, and the state.
    pub fn finish(self) -> (wire::Request, Vec<u8>) {
        let mut program = Program::default();
        let mut target = self.path;
        if !self.query.is_empty() {
            target.push(lit("?"));
            target.extend(self.query);
        }
        let mut target = concat(target);
        if target == lit("") {
            target = lit("/");
        }
        let request = wire::Request {
            method: self.method.to_owned(),
            origin: self.origin,
            target: program.place(&target),
            headers: self
                .headers
                .into_iter()
                .map(|(name, value)| (name, program.place(&value)))
                .collect(),
            body: self
                .body
                .map(|(media_type, value)| (media_type, program.place(&value))),
            program: program.ops,
            keep: self.keep,
            idempotent: self.idempotent,
            extra: Vec::new(),
        };
        (request, self.state)
    }
}

fn push_fields<N: Into<Value>>(
    parts: &mut Vec<Value>,
    fields: impl IntoIterator<Item = (N, Value)>,
) {
    for (name, value) in fields {
        if !parts.is_empty() {
            parts.push(lit("&"));
        }
        parts.extend([name.into().form_escaped(), lit("="), value.form_escaped()]);
    }
}

/// The operations so far. Equal operations are one: a text used twice is evaluated once.
#[derive(Debug, Default)]
struct Program {
    ops: Vec<wire::Op>,
}

impl Program {
    /// The position of the value's result, after what it is made of.
    fn place(&mut self, value: &Value) -> u16 {
        use wire::Op;
        let op = match &value.0 {
            Node::Lit(text) => Op::Lit(text.clone()),
            Node::Bytes(bytes) => Op::Bytes(bytes.clone()),
            Node::Secret(name) => Op::Secret(name.clone()),
            Node::Kept(name) => Op::Kept(name.clone()),
            Node::Recipient(form) => Op::Recipient((*form).to_owned()),
            Node::Text(part) => Op::Text(*part),
            Node::Code => Op::Code,
            Node::ReceiptUrl => Op::ReceiptUrl,
            Node::Time(format) => Op::Time((*format).to_owned()),
            Node::Nonce(format) => Op::Nonce((*format).to_owned()),
            Node::Concat(parts) => Op::Concat(parts.iter().map(|part| self.place(part)).collect()),
            Node::Charset(name, of) => Op::Charset((*name).to_owned(), self.place(of)),
            Node::Escape(place, of) => Op::Escape((*place).to_owned(), self.place(of)),
            Node::Encode(how, of) => Op::Encode((*how).to_owned(), self.place(of)),
            Node::Digest(algorithm, of) => Op::Digest((*algorithm).to_owned(), self.place(of)),
            Node::Hmac(algorithm, key, data) => {
                let key = self.place(key);
                Op::Hmac((*algorithm).to_owned(), key, self.place(data))
            }
            Node::Sign(algorithm, secret, data) => {
                Op::Sign((*algorithm).to_owned(), secret.clone(), self.place(data))
            }
        };
        let position = self
            .ops
            .iter()
            .position(|other| *other == op)
            .unwrap_or_else(|| {
                self.ops.push(op);
                self.ops.len() - 1
            });
        // Past 65,535 operations the host refuses the program anyway; it takes 256.
        u16::try_from(position).unwrap_or(u16::MAX)
    }
}

/// A piece of JSON whose strings may be values only the host has.
#[derive(Clone, Debug)]
pub struct Json(Value);

/// An object of these fields, in this order.
pub fn object<'a>(fields: impl IntoIterator<Item = (&'a str, Json)>) -> Json {
    let mut parts = vec![lit("{")];
    for (index, (name, Json(value))) in fields.into_iter().enumerate() {
        if index > 0 {
            parts.push(lit(","));
        }
        parts.extend([lit("\""), lit(name).json_escaped(), lit("\":"), value]);
    }
    parts.push(lit("}"));
    Json(concat(parts))
}

/// A list of these items.
pub fn array(items: impl IntoIterator<Item = Json>) -> Json {
    let mut parts = vec![lit("[")];
    for (index, Json(value)) in items.into_iter().enumerate() {
        if index > 0 {
            parts.push(lit(","));
        }
        parts.push(value);
    }
    parts.push(lit("]"));
    Json(concat(parts))
}

impl Json {
    /// A value as a number: it is written without quotes, so it must be one.
    pub fn number(value: impl Into<Value>) -> Json {
        Json(value.into())
    }
}

/// The text of the JSON, for signing or for a place of its own.
impl From<Json> for Value {
    fn from(json: Json) -> Value {
        json.0
    }
}

impl From<Value> for Json {
    fn from(value: Value) -> Json {
        Json(concat([lit("\""), value.json_escaped(), lit("\"")]))
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Json {
        Json::from(lit(text))
    }
}

impl From<bool> for Json {
    fn from(flag: bool) -> Json {
        Json(lit(if flag { "true" } else { "false" }))
    }
}

impl From<u32> for Json {
    fn from(number: u32) -> Json {
        Json(lit(number.to_string()))
    }
}

/// An XML element whose text and attributes may be values only the host has. Names are literal.
#[derive(Clone, Debug)]
pub struct Element {
    name: &'static str,
    start: Vec<Value>,
    content: Vec<Value>,
}

/// An element of this name.
pub fn element(name: &'static str) -> Element {
    Element {
        name,
        start: vec![lit("<"), lit(name)],
        content: Vec::new(),
    }
}

impl Element {
    pub fn attribute(mut self, name: &'static str, value: impl Into<Value>) -> Element {
        self.start.extend([
            lit(" "),
            lit(name),
            lit("=\""),
            value.into().xml_escaped(),
            lit("\""),
        ]);
        self
    }

    pub fn text(mut self, value: impl Into<Value>) -> Element {
        self.content.push(value.into().xml_escaped());
        self
    }

    pub fn child(mut self, child: Element) -> Element {
        self.content.push(child.finish());
        self
    }

    fn finish(self) -> Value {
        let mut parts = self.start;
        if self.content.is_empty() {
            parts.push(lit("/>"));
        } else {
            parts.push(lit(">"));
            parts.extend(self.content);
            parts.extend([lit("</"), lit(self.name), lit(">")]);
        }
        concat(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{code, recipient, secret, text};
    use crate::wire::Op;

    #[test]
    fn a_form_is_one_small_program() {
        let (request, _) = Request::post("https://a.example", "/send")
            .form([
                ("To", recipient::e164()),
                ("Body", text()),
                ("From", lit("A&B")),
            ])
            .finish();
        assert_eq!(
            request.program,
            [
                Op::Lit("/send".to_owned()),
                Op::Lit("To=".to_owned()),
                Op::Recipient("e164".to_owned()),
                Op::Escape("form".to_owned(), 2),
                Op::Lit("&Body=".to_owned()),
                Op::Text(0),
                Op::Escape("form".to_owned(), 5),
                Op::Lit("&From=A%26B".to_owned()),
                Op::Concat(vec![1, 3, 4, 6, 7]),
            ]
        );
        assert_eq!(request.target, 0);
        assert_eq!(
            request.body,
            Some(("application/x-www-form-urlencoded".to_owned(), 8))
        );
    }

    #[test]
    fn a_value_used_twice_is_worked_out_once() {
        let (request, _) = Request::get("https://a.example", "/")
            .header("a", secret("key"))
            .header("b", secret("key"))
            .finish();
        assert_eq!(request.program.len(), 3);
        assert_eq!(request.headers[0].1, request.headers[1].1);
    }

    #[test]
    fn an_empty_path_is_the_root() {
        let (request, _) = Request::get("https://a.example", "").finish();
        assert_eq!(request.program, [Op::Lit("/".to_owned())]);
    }

    #[test]
    fn json_strings_are_escaped_and_quoted() {
        let Json(value) = object([
            ("a\"", Json::from("b\"c")),
            ("log", Json::from(false)),
            ("to", array([Json::from(code()), Json::from(7)])),
        ]);
        assert_eq!(
            value,
            concat([
                lit(r#"{"a\"":"b\"c","log":false,"to":[""#),
                code().json_escaped(),
                lit(r#"",7]}"#)
            ])
        );
    }

    #[test]
    fn xml_text_and_attributes_are_escaped() {
        let value = element("m")
            .attribute("to", "a\"b")
            .child(element("t").text("<&>"))
            .child(element("e"))
            .finish();
        assert_eq!(
            value,
            lit("<m to=\"a&quot;b\"><t>&lt;&amp;&gt;</t><e/></m>")
        );
    }

    #[test]
    fn a_segment_stays_one_segment() {
        let (request, _) = Request::get("https://a.example/base/", "/v1")
            .segment("a/../b?c")
            .query([("q", lit("1 2"))])
            .finish();
        assert_eq!(
            request.program,
            [Op::Lit("/base/v1/a%2F..%2Fb%3Fc?q=1+2".to_owned())]
        );
    }
}
