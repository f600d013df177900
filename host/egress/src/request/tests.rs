#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::*;
use crate::address::Private;
use crate::grant::Ungranted;
use crate::leaf::Broken;
use crate::limits::{INTERMEDIATE_BYTES_MAX, OPERATIONS_MAX};
use crate::material::{KeptValue, NamedSecret, Nonce, Recipient, Secrets, Text};
use crate::program::{Fault, ProgramError};
use crate::reply::Reply;
use crate::secret::Secret;

const HOME: &str = "https://api.example";
const OTHER: &str = "https://other.example";
const TEXT: &str = "Code: 123456 & \"quotes\"\n\n@login.example #123456";

fn grant() -> Grant {
    Grant {
        entries: vec![HOME.parse().unwrap(), OTHER.parse().unwrap()],
        private: Private::default(),
    }
}

/// Both origins are granted, but the secrets and the kept value are bound to the first.
fn material() -> Material {
    let here = || vec![HOME.parse().unwrap()];
    Material {
        secrets: Secrets::new(vec![
            NamedSecret::new("sid", "AC0123456789", here()),
            NamedSecret::new("token", "s3cr3t/+token", here()),
            NamedSecret::new("crlf", "a\r\nX-Evil: 1", here()),
        ])
        .unwrap(),
        kept: vec![KeptValue {
            name: "bearer".into(),
            value: Secret::from("kept-bearer-1"),
            origin: Origin::parse(HOME).unwrap(),
        }],
        recipient: Some(Recipient {
            e164: "+94771234567".into(),
            calling_code: "94".into(),
            national: "771234567".into(),
            dialled: "0771234567".into(),
        }),
        text: Some(Text {
            whole: TEXT.into(),
            parts: vec!["Code: 12".into(), "3456".into()],
        }),
        code: Some(Secret::from("123456")),
        receipt_url: Some("https://me.example/r/abcdef".into()),
        now_unix_ms: 1_769_903_999_007,
        nonce: Nonce {
            bytes: *b"0123456789abcdef",
            int31: 7,
        },
    }
}

fn lit(text: &str) -> Op {
    Op::Lit(text.into())
}

fn recipient(form: &str) -> Op {
    Op::Recipient(form.into())
}

fn escape(place: &str, at: u16) -> Op {
    Op::Escape(place.into(), at)
}

/// A POST of a body of some type made by the last operation of a program.
fn post(media_type: &str, mut program: Vec<Op>) -> Outgoing {
    let body = program.len() as u16 - 1;
    program.push(lit("/send"));
    Outgoing {
        method: "POST".into(),
        origin: HOME.into(),
        target: body + 1,
        body: Some((media_type.into(), body)),
        program,
        ..Outgoing::default()
    }
}

/// A GET of a target made by the last operation of a program.
fn get(program: Vec<Op>) -> Outgoing {
    Outgoing {
        method: "GET".into(),
        origin: HOME.into(),
        target: program.len() as u16 - 1,
        program,
        ..Outgoing::default()
    }
}

fn send(outgoing: &Outgoing) -> Result<Finished, Denied> {
    finish(outgoing, &grant(), &material())
}

fn body_of(finished: &Finished) -> &str {
    std::str::from_utf8(finished.body()).unwrap()
}

/// A form as Twilio takes it, with basic authentication.
fn twilio() -> Outgoing {
    Outgoing {
        method: "POST".into(),
        origin: HOME.into(),
        target: 8,
        headers: vec![("authorization".into(), 6)],
        body: Some(("application/x-www-form-urlencoded".into(), 15)),
        program: vec![
            lit("Basic "),
            Op::Secret("sid".into()),
            lit(":"),
            Op::Secret("token".into()),
            Op::Concat(vec![1, 2, 3]),
            Op::Encode("base64".into(), 4),
            Op::Concat(vec![0, 5]),
            lit("/2010/Accounts/"),
            Op::Concat(vec![7, 1]),
            recipient("e164"),
            escape("form", 9),
            Op::Text(0),
            escape("form", 11),
            lit("To="),
            lit("&Body="),
            Op::Concat(vec![13, 10, 14, 12]),
        ],
        ..Outgoing::default()
    }
}

#[test]
fn an_ordinary_request_is_finished_byte_for_byte() {
    let finished = send(&twilio()).unwrap();
    assert_eq!(finished.uri(), "/2010/Accounts/AC0123456789");
    assert_eq!(
        body_of(&finished),
        "To=%2B94771234567&Body=Code%3A+123456+%26+%22quotes%22%0A%0A%40login.example+%23123456"
    );
    let header = |name: &str| finished.headers().get(name).unwrap().to_str().unwrap();
    assert_eq!(
        header("authorization"),
        "Basic QUMwMTIzNDU2Nzg5OnMzY3IzdC8rdG9rZW4="
    );
    assert_eq!(header("content-type"), "application/x-www-form-urlencoded");
    assert_eq!(header("host"), "api.example");
    assert!(header("user-agent").starts_with("postern/"));
    assert!(!finished.headers().contains_key("accept-encoding"));
    assert_eq!(
        finished.carried(),
        Carried {
            recipient: true,
            text: true,
            code: false
        }
    );
}

/// L-03, L-04
#[test]
fn what_is_printed_of_a_request_holds_no_value() {
    let finished = send(&twilio()).unwrap();
    assert_eq!(
        finished.url_for_log(),
        "https://api.example/2010/Accounts/…"
    );
    let printed = format!("{:?}", finished.url_for_log());
    assert!(!printed.contains("AC0123"));
    let query = get(vec![
        lit("/x/y?key="),
        Op::Secret("sid".into()),
        lit("&to="),
        recipient("digits"),
        lit("&fixed=1&"),
        recipient("national"),
        Op::Concat(vec![0, 1, 2, 3, 4, 5]),
    ]);
    assert_eq!(
        send(&query).unwrap().url_for_log(),
        "https://api.example/x/y?key=…&to=…&fixed=…&…"
    );
}

#[test]
fn the_operator_sees_the_message_and_no_secret() {
    let shown = send(&twilio()).unwrap().shown();
    assert_eq!(shown.url, "https://api.example/2010/Accounts/[secret]");
    let authorization = shown
        .headers
        .iter()
        .find(|(name, _)| name == "authorization")
        .unwrap();
    assert_eq!(authorization.1, "Basic [secret]");
    assert!(shown.body.contains("To=%2B94771234567&Body=Code%3A+123456"));
}

#[test]
fn every_source_yields_what_the_registry_says() {
    for (op, value) in [
        (lit("a"), "a"),
        (Op::Bytes(b"b".to_vec()), "b"),
        (Op::Secret("sid".into()), "AC0123456789"),
        (Op::Kept("bearer".into()), "kept-bearer-1"),
        (recipient("e164"), "+94771234567"),
        (recipient("digits"), "94771234567"),
        (recipient("national"), "771234567"),
        (recipient("dialled"), "0771234567"),
        (recipient("calling-code"), "94"),
        (Op::Text(0), TEXT),
        (Op::Text(1), "Code: 12"),
        (Op::Text(2), "3456"),
        (Op::Code, "123456"),
        (Op::ReceiptUrl, "https://me.example/r/abcdef"),
        (Op::Time("basic".into()), "20260131T235959Z"),
        (
            Op::Nonce("uuid".into()),
            "30313233-3435-4637-b839-616263646566",
        ),
        (Op::Nonce("hex".into()), "30313233343536373839616263646566"),
        (Op::Nonce("base64url".into()), "MDEyMzQ1Njc4OWFiY2RlZg"),
        (Op::Nonce("int31".into()), "7"),
    ] {
        assert_eq!(
            body_of(&send(&post("text/plain", vec![op.clone()])).unwrap()),
            value,
            "{op:?}"
        );
    }
    let mut bare = material();
    bare.receipt_url = None;
    let finished = finish(&post("text/plain", vec![Op::ReceiptUrl]), &grant(), &bare).unwrap();
    assert_eq!(body_of(&finished), "");
}

#[test]
fn a_program_that_cannot_be_evaluated_is_refused_by_operation() {
    let mut nobody = material();
    (nobody.recipient, nobody.text, nobody.code) = (None, None, None);
    for (op, fault) in [
        (Op::Secret("none".into()), Fault::NoSecret("none".into())),
        (Op::Kept("none".into()), Fault::NoKept("none".into())),
        (recipient("e164"), Fault::NoRecipient),
        (Op::Text(0), Fault::NoText),
        (Op::Code, Fault::NoCode),
        (
            Op::Time("rfc850".into()),
            Fault::Unknown {
                registry: "time format",
                name: "rfc850".into(),
            },
        ),
        (
            Op::Nonce("uuid7".into()),
            Fault::Unknown {
                registry: "nonce",
                name: "uuid7".into(),
            },
        ),
        (escape("json", 1), Fault::Forward(1)),
        (escape("json", 9), Fault::Forward(9)),
        (Op::Concat(vec![0, 1]), Fault::Forward(1)),
        (Op::Hmac("sha256".into(), 0, 1), Fault::Forward(1)),
        (
            Op::Sign("rs256".into(), "token".into(), 0),
            Fault::NotAKey {
                secret: "token".into(),
                algorithm: "rs256",
            },
        ),
    ] {
        let outgoing = post("text/plain", vec![lit("a"), op.clone()]);
        let refused = finish(&outgoing, &grant(), &nobody).unwrap_err();
        assert_eq!(
            refused,
            Denied::Program(ProgramError { at: 1, fault }),
            "{op:?}"
        );
    }
    let fault = |op| match send(&post("text/plain", vec![op])).unwrap_err() {
        Denied::Program(error) => error.fault,
        other => panic!("{other}"),
    };
    assert_eq!(fault(Op::Text(3)), Fault::NoPart(3));
    assert!(matches!(fault(recipient("tel")), Fault::Unknown { .. }));
}

#[test]
fn a_program_is_bounded_in_operations_bytes_and_signatures() {
    let program = |n: usize| post("text/plain", vec![lit("a"); n - 1]);
    assert!(send(&program(OPERATIONS_MAX)).is_ok());
    let fault = |outgoing: &Outgoing| match send(outgoing).unwrap_err() {
        Denied::Program(error) => error.fault,
        other => panic!("{other}"),
    };
    assert_eq!(
        fault(&program(OPERATIONS_MAX + 1)),
        Fault::TooManyOperations
    );

    // 1, 2, 4, ... bytes, and the sum of them.
    let doubling = |n: u16| {
        let steps = (0..n).map(|at| Op::Concat(vec![at, at]));
        std::iter::once(lit("a"))
            .chain(steps)
            .chain([lit("/")])
            .collect::<Vec<_>>()
    };
    assert!(2usize.pow(20) == INTERMEDIATE_BYTES_MAX);
    assert!(send(&get(doubling(18))).is_ok());
    assert_eq!(fault(&get(doubling(19 + 1))), Fault::TooManyBytes);
    assert_eq!(fault(&get(doubling(200))), Fault::TooManyBytes);

    let digests = vec![lit(&"a".repeat(30_000))]
        .into_iter()
        .chain((0..100).map(|_| Op::Digest("md5".into(), 0)));
    assert_eq!(
        fault(&get(digests.collect())),
        Fault::TooManyBytes,
        "what a digest reads is counted too"
    );

    let empty =
        (0..200).flat_map(|n: u16| [escape("form", n * 2), Op::Concat(vec![n * 2, n * 2 + 1])]);
    let program = std::iter::once(Op::ReceiptUrl)
        .chain(empty)
        .take(255)
        .collect();
    assert!(matches!(
        fault(&get(program)),
        Fault::TooManyForms | Fault::TooManyBytes
    ));
    assert_eq!(
        fault(&get(vec![lit(""), Op::Concat(vec![0; 1025])])),
        Fault::TooManyOperands
    );
}

/// A secret, a kept value and everything made from them stay where they are bound; the message goes where the grant goes.
#[test]
fn a_value_goes_only_to_an_origin_granted_to_all_it_was_made_from() {
    let secret = || Op::Secret("token".into());
    for (program, withheld) in [
        (vec![secret()], Some("token")),
        (vec![Op::Kept("bearer".into())], Some("bearer")),
        (
            vec![secret(), lit("a"), Op::Concat(vec![1, 0])],
            Some("token"),
        ),
        (
            vec![secret(), Op::Digest("sha256".into(), 0)],
            Some("token"),
        ),
        (
            vec![secret(), Op::Encode("base64".into(), 0), escape("form", 1)],
            Some("token"),
        ),
        (
            vec![secret(), lit("a"), Op::Hmac("sha1".into(), 0, 1)],
            Some("token"),
        ),
        (
            vec![
                secret(),
                lit("a"),
                Op::Hmac("sha1".into(), 1, 0),
                Op::Encode("hex".into(), 2),
            ],
            Some("token"),
        ),
        (vec![recipient("e164")], None),
        (vec![Op::Text(0)], None),
        (vec![secret(), lit("a")], None),
    ] {
        let mut outgoing = post("text/plain", program.clone());
        assert!(send(&outgoing).is_ok(), "{program:?}");
        outgoing.origin = OTHER.into();
        let refused = send(&outgoing).err();
        let expected = withheld.map(|name| Denied::Withheld {
            place: "body".into(),
            name: name.into(),
            origin: OTHER.into(),
        });
        assert_eq!(refused, expected, "{program:?}");
    }
    // By a header, by the path.
    let mut outgoing = post(
        "text/plain",
        vec![
            secret(),
            Op::Digest("md5".into(), 0),
            Op::Encode("hex".into(), 1),
            lit("a"),
        ],
    );
    outgoing.origin = OTHER.into();
    outgoing.headers = vec![("x-trace".into(), 2)];
    assert!(
        matches!(send(&outgoing).unwrap_err(), Denied::Withheld { place, .. } if place == "x-trace")
    );
    let mut outgoing = get(vec![
        lit("/"),
        Op::Secret("sid".into()),
        Op::Concat(vec![0, 1]),
    ]);
    outgoing.origin = OTHER.into();
    assert!(
        matches!(send(&outgoing).unwrap_err(), Denied::Withheld { place, .. } if place == "target")
    );
}

/// A value split over two leaves is still the same value: each half carries its whole provenance.
#[test]
fn halves_of_a_value_stay_where_the_whole_stays() {
    let mut outgoing = post(
        "application/x-www-form-urlencoded",
        vec![
            Op::Secret("sid".into()),
            Op::Digest("md5".into(), 0),
            Op::Encode("hex".into(), 1),
            lit("a=1&b="),
            lit("&c="),
            Op::Concat(vec![3, 0, 4, 2]),
        ],
    );
    assert!(send(&outgoing).is_ok());
    outgoing.origin = OTHER.into();
    assert!(matches!(send(&outgoing).unwrap_err(), Denied::Withheld { name, .. } if name == "sid"));
}

#[test]
fn what_a_request_carries_is_seen_through_every_operation() {
    let carried = |program| send(&post("text/plain", program)).unwrap().carried();
    let none = Carried::default();
    assert_eq!(carried(vec![Op::Text(2)]), Carried { text: true, ..none });
    assert_eq!(
        carried(vec![Op::Code, Op::Digest("sha1".into(), 0)]),
        Carried { code: true, ..none }
    );
    assert_eq!(
        carried(vec![Op::Code, Op::Encode("hex".into(), 0)]),
        Carried { code: true, ..none }
    );
    assert_eq!(
        carried(vec![recipient("national")]),
        Carried {
            recipient: true,
            ..none
        }
    );
    assert_eq!(carried(vec![recipient("calling-code")]), none);
    assert_eq!(
        carried(vec![recipient("e164"), Op::Digest("sha1".into(), 0)]),
        none,
        "a digest shows no number"
    );
    assert_eq!(
        carried(vec![Op::Text(0), lit("unused")]),
        none,
        "what does not leave is not carried"
    );
}

/// T-01 to T-05: layer 2, with an attacker's value where a checked number or a worded text would stand.
#[test]
fn a_value_that_breaks_out_of_its_place_is_refused() {
    let json = |escapes: &[Op]| {
        let mut program = vec![Op::Text(0), lit("{\"to\":[\""), lit("\"]}")];
        program.extend_from_slice(escapes);
        let last = if escapes.is_empty() { 0 } else { 3 };
        program.push(Op::Concat(vec![1, last, 2]));
        post("application/json", program)
    };
    let form = |escapes: &[Op]| {
        let mut program = vec![Op::Text(0), lit("to=")];
        program.extend_from_slice(escapes);
        program.push(Op::Concat(vec![1, if escapes.is_empty() { 0 } else { 2 }]));
        post("application/x-www-form-urlencoded", program)
    };
    let xml = |escapes: &[Op]| {
        let mut program = vec![Op::Text(0), lit("<to>"), lit("</to>")];
        program.extend_from_slice(escapes);
        program.push(Op::Concat(vec![
            1,
            if escapes.is_empty() { 0 } else { 3 },
            2,
        ]));
        post("text/xml", program)
    };
    let path = |escapes: &[Op]| {
        let mut program = vec![Op::Text(0), lit("/to/")];
        program.extend_from_slice(escapes);
        program.push(Op::Concat(vec![1, if escapes.is_empty() { 0 } else { 2 }]));
        get(program)
    };
    let header = |escapes: &[Op]| {
        let mut program = vec![Op::Text(0)];
        program.extend_from_slice(escapes);
        let mut outgoing = post("text/plain", program);
        outgoing.headers = vec![("x-to".into(), escapes.len() as u16)];
        outgoing.body = None;
        outgoing
    };
    let check = |outgoing: &Outgoing, value: &str| {
        let mut material = material();
        material.text = Some(Text {
            whole: value.into(),
            parts: vec![],
        });
        finish(outgoing, &grant(), &material)
            .map(|_| ())
            .map_err(|error| {
                assert!(
                    value.is_empty() || !error.to_string().contains(value),
                    "{error}"
                );
                matches!(error, Denied::Escaped(_) | Denied::Program(_))
                    .then_some(())
                    .unwrap()
            })
    };
    for value in ["+1\",\"+999", "\"}{\"", "\\", "+1\u{0}", "a\nb"] {
        assert!(check(&json(&[]), value).is_err(), "{value:?}");
        assert!(
            check(&json(&[escape("json", 0)]), value).is_ok(),
            "{value:?}"
        );
    }
    for value in ["+1&to=+999", "+1;to=2", "100%", "a b", "é"] {
        assert!(check(&form(&[]), value).is_err(), "{value:?}");
        assert!(
            check(&form(&[escape("form", 0)]), value).is_ok(),
            "{value:?}"
        );
        assert!(
            check(&form(&[escape("percent", 0)]), value).is_ok(),
            "{value:?}"
        );
    }
    for value in ["]]>", "<to>", "&x;", "</to><to>", "<!--", "a & b"] {
        assert!(check(&xml(&[]), value).is_err(), "{value:?}");
        assert!(check(&xml(&[escape("xml", 0)]), value).is_ok(), "{value:?}");
    }
    for value in ["a?b", "a#b", "a b", "../..", "..", "a\\b", "é", "a\r\nb"] {
        assert!(check(&path(&[]), value).is_err(), "{value:?}");
    }
    for value in ["a?b", "a#b", "é", "a b"] {
        assert!(
            check(&path(&[escape("percent", 0)]), value).is_ok(),
            "{value:?}"
        );
    }
    // Even well escaped these lead elsewhere.
    for value in ["..", "a/b", "../../admin", "a\\b", ""] {
        assert!(
            check(&path(&[escape("percent", 0)]), value).is_err(),
            "{value:?}"
        );
    }
    for value in ["+1555\r\nX-Evil: 1", "a\nb", "a\0b"] {
        assert!(check(&header(&[]), value).is_err(), "{value:?}");
        assert!(
            check(&header(&[escape("header", 0)]), value).is_err(),
            "{value:?}"
        );
    }
    assert!(
        check(&header(&[]), "+1,X-Evil: 1").is_ok(),
        "a comma ends no header here"
    );
    // The escape of another place.
    assert!(
        check(&json(&[escape("form", 0)]), "\"").is_ok(),
        "a percent sign is a character in JSON"
    );
    assert!(check(&form(&[escape("json", 0)]), "+1&to=2").is_err());
    assert!(check(&xml(&[escape("json", 0)]), "<to>").is_err());
    assert!(check(&json(&[escape("xml", 0)]), "a\\").is_err());
}

/// T-13
#[test]
fn a_secret_with_a_line_break_does_not_leave_in_a_header() {
    let mut outgoing = post("text/plain", vec![Op::Secret("crlf".into()), lit("a")]);
    outgoing.headers = vec![("authorization".into(), 0)];
    assert!(
        matches!(send(&outgoing).unwrap_err(), Denied::Escaped(e) if e.broken == Broken::Character)
    );
}

#[test]
fn a_value_in_a_body_of_another_type_is_refused_and_a_literal_is_not() {
    assert!(send(&post("multipart/form-data; boundary=b", vec![Op::Text(0)])).is_err());
    assert!(
        send(&post(
            "multipart/form-data; boundary=b",
            vec![lit("anything")]
        ))
        .is_ok()
    );
    assert!(send(&post("text/plain", vec![Op::Text(0)])).is_ok());
}

/// O-09
#[test]
fn a_header_of_the_host_is_refused_by_name() {
    for name in [
        "Host",
        "connection",
        "Keep-Alive",
        "Transfer-Encoding",
        "Content-Length",
        "Proxy-Authorization",
        "proxy-connection",
        "TE",
        "Trailer",
        "Upgrade",
        "Expect",
        "HTTP2-Settings",
        "Cookie",
        "Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "Via",
        "Content-Type",
        "Content-Encoding",
        "X-HTTP-Method-Override",
        "X-Original-URL",
        "Sec-WebSocket-Key",
        "a b",
        "a:b",
        "",
        "a\r\nb",
        "é",
        ":authority",
    ] {
        let mut outgoing = get(vec![lit("/")]);
        outgoing.headers = vec![(name.into(), 0)];
        assert!(
            matches!(send(&outgoing), Err(Denied::Header { .. })),
            "{name:?}"
        );
    }
    let headers = |headers: &[(&str, u16)]| {
        let mut outgoing = get(vec![lit("identity"), lit("gzip"), lit("a\nb"), lit("/")]);
        outgoing.headers = headers
            .iter()
            .map(|(name, at)| ((*name).into(), *at))
            .collect();
        send(&outgoing)
    };
    assert!(headers(&[("Accept", 0), ("Authorization", 1), ("X-Api-Key", 0)]).is_ok());
    assert!(headers(&[("Accept-Encoding", 0)]).is_ok());
    assert!(headers(&[("Accept-Encoding", 1)]).is_err());
    assert!(headers(&[("X-A", 0), ("x-a", 1)]).is_err());
    assert!(
        headers(&[("X-A", 2)]).is_err(),
        "a literal with a line break"
    );
    let many: Vec<(String, u16)> = (0..=REQUEST_HEADERS_MAX)
        .map(|n| (format!("x-{n}"), 0))
        .collect();
    let mut outgoing = get(vec![lit("/")]);
    outgoing.headers = many[..REQUEST_HEADERS_MAX].to_vec();
    assert!(send(&outgoing).is_ok());
    outgoing.headers = many;
    assert_eq!(send(&outgoing).unwrap_err(), Denied::TooManyHeaders);
}

#[test]
fn only_five_methods_are_sent() {
    let with = |method: &str| {
        let outgoing = Outgoing {
            method: method.into(),
            ..get(vec![lit("/")])
        };
        send(&outgoing).map(|f| f.method().to_string())
    };
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        assert_eq!(with(method).unwrap(), method);
    }
    for method in [
        "get",
        "HEAD",
        "CONNECT",
        "TRACE",
        "OPTIONS",
        "",
        "GET /evil",
        "POST\r\n",
    ] {
        assert!(matches!(with(method), Err(Denied::Method(_))), "{method:?}");
    }
    let mut outgoing = post("text/plain", vec![lit("a")]);
    outgoing.method = "GET".into();
    assert_eq!(send(&outgoing).unwrap_err(), Denied::BodyOfGet);
}

/// O-02, T-12
#[test]
fn nothing_a_program_yields_moves_the_request() {
    let to = |origin: &str, target: &str| {
        let outgoing = Outgoing {
            origin: origin.into(),
            ..get(vec![lit(target)])
        };
        send(&outgoing)
    };
    for target in [
        "//evil/",
        "/\\evil",
        "@evil/",
        ":1/",
        ".evil/",
        "http://evil/",
        "*",
        "",
        "\\evil",
        "/a/../b",
        "/%2e%2e/",
    ] {
        assert!(
            matches!(to(HOME, target), Err(Denied::Escaped(_))),
            "{target:?}"
        );
    }
    let finished = to(HOME, "/a?b=http://evil/@evil").unwrap();
    assert_eq!(
        (finished.origin().to_string(), finished.uri().host()),
        (HOME.into(), None)
    );
    assert!(matches!(
        to("https://evil.example", "/"),
        Err(Denied::Ungranted(Ungranted::Origin { .. }))
    ));
    assert!(matches!(
        to("http://api.example", "/"),
        Err(Denied::Ungranted(_))
    ));
    assert!(matches!(
        to("https://api.example@evil.example", "/"),
        Err(Denied::Origin(_))
    ));
}

#[test]
fn a_request_is_bounded() {
    let sized = |n: usize| send(&post("text/plain", vec![lit(&"a".repeat(n))]));
    assert!(sized(REQUEST_BYTES_MAX - 15).is_ok());
    assert_eq!(
        sized(REQUEST_BYTES_MAX - 14).unwrap_err(),
        Denied::TooLarge {
            bytes: REQUEST_BYTES_MAX + 1,
            most: REQUEST_BYTES_MAX
        }
    );
    let nowhere = Outgoing {
        target: 9,
        ..get(vec![lit("/")])
    };
    assert_eq!(
        send(&nowhere).unwrap_err(),
        Denied::NoOperation {
            place: "target".into(),
            at: 9
        }
    );
    let keep = |name: &str| Keep {
        name: name.into(),
        pointer: "/a".into(),
        lifetime_pointer: None,
        lifetime: 1,
    };
    for (keep, fine) in [
        (vec![keep("a.b-c_1")], true),
        (vec![keep("")], false),
        (vec![keep("a\nb")], false),
        (vec![keep("a"); 9], false),
    ] {
        let outgoing = Outgoing {
            keep,
            ..get(vec![lit("/")])
        };
        assert_eq!(send(&outgoing).is_ok(), fine);
    }
}

/// Digests of a code are masked as well: six digits are found again by trying all of them.
#[test]
fn a_reply_is_clean_of_every_form_the_program_made() {
    let mut outgoing = post(
        "text/plain",
        vec![
            Op::Code,
            Op::Digest("sha256".into(), 0),
            Op::Encode("hex".into(), 1),
            Op::Text(0),
            Op::Charset("utf-16be".into(), 3),
            Op::Encode("hex-upper".into(), 4),
            lit("To: "),
            recipient("national"),
            Op::Concat(vec![6, 7]),
            Op::Encode("hex".into(), 8),
            Op::Concat(vec![2, 5, 9]),
        ],
    );
    outgoing.keep = vec![Keep {
        name: "t".into(),
        pointer: "/t".into(),
        lifetime_pointer: None,
        lifetime: 60,
    }];
    let finished = send(&outgoing).unwrap();
    let digest = hex::encode(crate::program::digest::digest("sha256", b"123456").unwrap());
    let utf16: String = TEXT
        .encode_utf16()
        .map(|unit| format!("{unit:04X}"))
        .collect();
    let number = hex::encode("771234567");
    let body = format!(
        r#"{{"a":"{digest}","b":"{utf16}","c":"546f3a20{number}","d":"AC0123456789","t":"brand-new-token"}}"#
    );
    let mut headers = HeaderMap::new();
    headers.insert(
        "location",
        HeaderValue::from_static("/m?to=%2B94771234567&k=s3cr3t%2F%2Btoken"),
    );
    let reply = Reply::clean(&finished, 201, &headers, Bytes::from(body));
    assert_eq!(
        reply.text().unwrap(),
        r#"{"a":"[code]","b":"[text]","c":"546f3a20[recipient]","d":"[secret]","t":"[secret]"}"#
    );
    assert_eq!(
        reply.header("location"),
        Some("/m?to=[recipient]&k=[secret]")
    );
    assert_eq!(
        (reply.kept.len(), reply.kept[0].expose()),
        (1, &b"brand-new-token"[..])
    );
    let failed = Reply::clean(
        &finished,
        401,
        &headers,
        Bytes::from_static(br#"{"t":"x"}"#),
    );
    assert!(failed.kept.is_empty(), "nothing is kept of a failure");
}

proptest! {
    /// T-06, T-07, T-08: whatever a value is, its escape carries it exactly, and without one it breaks nothing unseen.
    #[test]
    fn any_text_arrives_exactly_or_not_at_all(text in any::<String>(), part in "[\\PC\"\\\\&=;<>%+{}\\[\\],: \n]{0,12}") {
        for value in [text, part] {
            let mut material = material();
            material.text = Some(Text { whole: value.clone(), parts: vec![] });
            let finish = |outgoing: &Outgoing| finish(outgoing, &grant(), &material);

            let json = |escapes: bool| post("application/json", vec![
                Op::Text(0), escape("json", 0), lit("{\"a\":\""), lit("\",\"b\":1}"), Op::Concat(vec![2, u16::from(escapes), 3]),
            ]);
            let body = finish(&json(true)).unwrap();
            let read: serde_json::Value = serde_json::from_slice(body.body()).unwrap();
            prop_assert_eq!(&read, &serde_json::json!({"a": value, "b": 1}));
            if let Ok(body) = finish(&json(false)) {
                let read: serde_json::Value = serde_json::from_slice(body.body()).unwrap();
                prop_assert_eq!((read.as_object().unwrap().len(), &read["b"]), (2, &serde_json::json!(1)));
            }

            for place in ["form", "percent"] {
                let form = |escapes: bool| post("application/x-www-form-urlencoded", vec![
                    Op::Text(0), escape(place, 0), lit("a="), lit("&b=1"), Op::Concat(vec![2, u16::from(escapes), 3]),
                ]);
                let fields = |body: &Finished| url::form_urlencoded::parse(body.body()).into_owned().collect::<Vec<_>>();
                let meant = |a: &str| vec![("a".to_owned(), a.to_owned()), ("b".to_owned(), "1".to_owned())];
                prop_assert_eq!(fields(&finish(&form(true)).unwrap()), meant(&value));
                if let Ok(body) = finish(&form(false)) {
                    prop_assert_eq!(fields(&body).len(), 2);
                }
            }
        }
    }

    #[test]
    fn any_echo_of_a_secret_is_masked(secret in "[!-~é日 ]{8,20}", before in "[a-z :\"{]{0,5}", after in "[a-z :\"}]{0,5}") {
        let secrets = vec![NamedSecret::new("s", secret.as_str(), vec![HOME.parse().unwrap()])];
        let material = Material { secrets: Secrets::new(secrets).unwrap(), ..material() };
        let finished = finish(&get(vec![lit("/")]), &grant(), &material).unwrap();
        let json = serde_json::to_string(&secret).unwrap();
        let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        for echo in [secret.as_str(), &json[1..json.len() - 1], &form, &hex::encode(&secret)] {
            let body = format!("{before}{echo}{after}");
            let reply = Reply::clean(&finished, 400, &HeaderMap::new(), Bytes::from(body));
            prop_assert!(!reply.text().unwrap().contains(echo), "{}", echo);
        }
    }
}
