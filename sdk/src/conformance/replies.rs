//! What may come of a request: the replies of the vectors, garbage, and no reply at all.
//!
//! Owns: the bodies and statuses that are tried, and the order in which they come. Knows nothing of what the
//! plugin makes of them.

use super::trial::spread;
use crate::manifest::Manifest;
use crate::provider::Event;
use crate::reply::Reply;
use crate::vectors::Expect;

/// Bodies no provider should send, and some do.
const GARBAGE: &[&str] = &[
    "",
    "null",
    "true",
    "0",
    "[]",
    "[[]]",
    "{}",
    "[{}]",
    "\"text\"",
    "{\"messages\":null}",
    "{\"messages\":[]}",
    "{\"messages\":[null]}",
    "{\"messages\":{\"0\":1}}",
    "<html>Bad gateway</html>",
    "|||",
    "0|",
    "99999999999999999999|x|y",
];

/// Statuses of every kind, and some that are none.
const STATUSES: &[u16] = &[
    0, 199, 200, 201, 202, 204, 299, 302, 400, 401, 403, 404, 429, 500, 503, 999,
];

/// Why there is no reply, in the interface's words and in words of a later one.
const FAILURES: &[&str] = &[
    "denied",
    "dns",
    "connect",
    "tls",
    "timeout",
    "too-large",
    "protocol",
    "something new",
];

/// What a provider's replies are made of.
pub(super) struct Bodies {
    /// As the vectors have them: replies that lead to another request.
    leading: Vec<(u16, String)>,
    /// Of replies that are accepted.
    accepted: Vec<String>,
    /// All others of the vectors, and garbage.
    others: Vec<String>,
    /// Nested as deep as no parser follows.
    deep: String,
}

impl Bodies {
    pub(super) fn of(manifest: &Manifest) -> Bodies {
        let (mut leading, mut accepted, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for vector in &manifest.vectors {
            let Some(reply) = &vector.reply else { continue };
            match vector.expect {
                Expect::Accepted(_) => accepted.push(reply.body_text()),
                _ => others.push(reply.body_text()),
            }
            if matches!(vector.expect, Expect::Request(_)) {
                leading.push((reply.status, reply.body_text()));
            }
        }
        others.extend(GARBAGE.iter().map(|body| (*body).to_owned()));
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        Bodies {
            leading,
            accepted,
            others,
            deep,
        }
    }

    /// Whatever may come of a request.
    pub(super) fn groups(&self) -> [Vec<Comes<'_>>; 5] {
        let leading = self.leading.iter();
        let leading = leading.map(|(status, body)| Comes::Reply(*status, body.as_bytes()));
        let cuts = self.accepted.iter().chain(&self.others).flat_map(|body| {
            // Cut anywhere, a reply is not a crash.
            let ends = (0..body.len()).step_by(7);
            ends.map(move |end| Comes::Reply(200, &body.as_bytes()[..end]))
        });
        let mut odd = vec![
            Comes::StrangeState,
            Comes::Reply(200, self.deep.as_bytes()),
            Comes::Reply(200, &[0xff, 0xfe, 0x00]),
        ];
        odd.extend(FAILURES.iter().map(|how| Comes::Failure(how)));
        [
            leading.collect(),
            with_every_status(&self.accepted),
            with_every_status(&self.others),
            cuts.collect(),
            odd,
        ]
    }
}

fn with_every_status(bodies: &[String]) -> Vec<Comes<'_>> {
    let mut all = Vec::with_capacity(bodies.len() * STATUSES.len());
    for body in bodies {
        let body = body.as_bytes();
        all.extend(STATUSES.iter().map(|status| Comes::Reply(*status, body)));
    }
    all
}

/// What comes of a request.
#[derive(Clone, Copy)]
pub(super) enum Comes<'a> {
    Reply(u16, &'a [u8]),
    /// A reply, with a state that the plugin never wrote.
    StrangeState,
    Failure(&'static str),
}

impl Comes<'_> {
    pub(super) fn event(self) -> Event {
        match self {
            Comes::Reply(status, body) => Event::Reply(Reply::new(
                status,
                vec![("retry-after".to_owned(), "soon".to_owned())],
                body,
            )),
            Comes::StrangeState => Event::Reply(Reply::new(200, Vec::new(), "{}")),
            Comes::Failure(how) => Event::Failed(how.to_owned()),
        }
    }
}

/// One of each group after the other, and so on.
pub(super) fn in_turns<'a>(groups: &[Vec<Comes<'a>>], first: usize) -> Vec<Comes<'a>> {
    let mut orders: Vec<_> = groups
        .iter()
        .map(|group| (group, spread(group.len(), first)))
        .collect();
    let mut all = Vec::new();
    loop {
        let before = all.len();
        for (group, order) in &mut orders {
            all.extend(order.next().map(|at| group[at]));
        }
        if all.len() == before {
            return all;
        }
    }
}
