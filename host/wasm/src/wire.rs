//! What crosses the pipe between the host and its worker: plain values in length-prefixed frames.
//!
//! Owns: the messages and the framing. The peer is believed about nothing: every length is bounded
//! before it is allocated, and a frame that does not parse ends the connection.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::bindings::log;
use crate::error::{Fault, Refusal};
use crate::limits::Limits;
use crate::manifest::{Kind, RuntimeClass};
use crate::{provider, resolver, types};

/// Bytes of a frame without attachment: a reply of 256 KiB, a state of 64 KiB, settings and names.
pub(crate) const FRAME_BYTES_MAX: usize = 4 << 20;

/// Bytes of compiled code in one frame. Python's runtime compiles to some 60 MiB.
pub(crate) const CODE_BYTES_MAX: usize = 256 << 20;

/// Length of head and attachment, each as four bytes, little-endian.
pub(crate) const PREFIX_BYTES: usize = 8;

/// What the host asks of a guest, with the values where they are.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) enum CallRef<'a> {
    Instantiate,
    ProviderStep {
        settings: &'a [types::Pair],
        message: &'a provider::Message,
        event: &'a provider::Event,
        state: &'a [u8],
    },
    ResolverStep {
        settings: &'a [types::Pair],
        login: &'a resolver::FederatedLogin,
        event: &'a resolver::Event,
        state: &'a [u8],
    },
    Check {
        settings: &'a [types::Pair],
    },
}

/// The same as it arrives; the order of cases and fields is that of [`CallRef`].
#[derive(Debug, Deserialize)]
pub(crate) enum Call {
    Instantiate,
    ProviderStep {
        settings: Vec<types::Pair>,
        message: provider::Message,
        event: provider::Event,
        state: Vec<u8>,
    },
    ResolverStep {
        settings: Vec<types::Pair>,
        login: resolver::FederatedLogin,
        event: resolver::Event,
        state: Vec<u8>,
    },
    Check {
        settings: Vec<types::Pair>,
    },
}

impl Call {
    pub(crate) fn as_ref(&self) -> CallRef<'_> {
        match self {
            Call::Instantiate => CallRef::Instantiate,
            Call::ProviderStep {
                settings,
                message,
                event,
                state,
            } => CallRef::ProviderStep {
                settings,
                message,
                event,
                state,
            },
            Call::ResolverStep {
                settings,
                login,
                event,
                state,
            } => CallRef::ResolverStep {
                settings,
                login,
                event,
                state,
            },
            Call::Check { settings } => CallRef::Check { settings },
        }
    }
}

/// What a guest answered.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    Instantiated,
    Provider(provider::Action),
    Resolver(resolver::Action),
    Problems(Vec<types::Problem>),
}

/// A call's end: the answer or the fault, and what the guest logged on the way.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) result: Result<Answer, Fault>,
    pub(crate) log: Log,
    /// Whether a memory grew past the size it began with.
    pub(crate) grew: bool,
}

impl Outcome {
    pub(crate) fn failed(fault: Fault) -> Self {
        Outcome {
            result: Err(fault),
            log: Log::default(),
            grew: false,
        }
    }
}

/// What a guest logged in one call, bounded.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Log {
    pub(crate) lines: Vec<LogLine>,
    /// Lines that were cut or not kept.
    pub(crate) dropped: u32,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LogLine {
    pub(crate) level: Level,
    pub(crate) text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

impl From<log::Level> for Level {
    fn from(level: log::Level) -> Self {
        match level {
            log::Level::Debug => Level::Debug,
            log::Level::Info => Level::Info,
            log::Level::Warn => Level::Warn,
            log::Level::Error => Level::Error,
        }
    }
}

/// A component as it is loaded: compiled, and what is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shape {
    pub(crate) kind: Kind,
    pub(crate) class: RuntimeClass,
}

/// Host to worker. Compiled code travels as the attachment of `Load`.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) enum ToWorkerRef<'a> {
    /// The first frame of either kind of child; the component follows it to a compiling one.
    Start {
        limits: &'a Limits,
    },
    Load {
        plugin: u32,
        shape: Shape,
    },
    Unload {
        plugin: u32,
    },
    Call {
        request: u64,
        plugin: u32,
        call: CallRef<'a>,
    },
}

/// The same as it arrives; the order of cases and fields is that of [`ToWorkerRef`].
#[derive(Debug, Deserialize)]
pub(crate) enum ToWorker {
    Start {
        limits: Limits,
    },
    Load {
        plugin: u32,
        shape: Shape,
    },
    Unload {
        plugin: u32,
    },
    Call {
        request: u64,
        plugin: u32,
        call: Call,
    },
}

/// Worker to host.
#[derive(Debug, Serialize, Deserialize)]
#[expect(clippy::large_enum_variant, reason = "nearly every frame is an answer")]
pub(crate) enum FromWorker {
    /// The first frame: which compiled code it takes, how it makes instances, and which walls
    /// stand around it.
    Ready {
        code_key: String,
        pooled: bool,
        walls: Vec<String>,
    },
    /// It cannot run at all.
    Failed {
        reason: String,
    },
    Loaded {
        plugin: u32,
        result: Result<(), Refusal>,
    },
    Ended {
        request: u64,
        outcome: Outcome,
    },
    /// The only frame of a compiling child; the code is its attachment.
    Compiled {
        result: Result<(), Refusal>,
    },
}

/// Appends `head` as a frame, with `attachment` behind it.
///
/// # Errors
/// If the head is larger than a frame may be.
pub(crate) fn encode(
    into: &mut Vec<u8>,
    head: &impl Serialize,
    attachment: &[u8],
) -> Result<(), TooLarge> {
    let start = into.len();
    into.extend([0; PREFIX_BYTES]);
    let filled = postcard::to_extend(head, std::mem::take(into)).map_err(|_| TooLarge)?;
    *into = filled;
    let length = into.len() - start - PREFIX_BYTES;
    if length > FRAME_BYTES_MAX || attachment.len() > CODE_BYTES_MAX {
        into.truncate(start);
        return Err(TooLarge);
    }
    let prefix = u64::try_from(length).map_err(|_| TooLarge)?
        | u64::try_from(attachment.len()).map_err(|_| TooLarge)? << 32;
    into[start..start + PREFIX_BYTES].copy_from_slice(&prefix.to_le_bytes());
    into.extend_from_slice(attachment);
    Ok(())
}

/// A value that does not fit a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the values of this call are larger than {FRAME_BYTES_MAX} bytes")]
pub(crate) struct TooLarge;

/// Cuts frames out of a stream.
#[derive(Debug)]
pub(crate) struct Frames {
    buffer: Vec<u8>,
    /// Where the first byte not yet taken is.
    start: usize,
    attachment_max: usize,
}

/// The stream is not one of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    #[error("a frame claims {0} bytes")]
    TooLong(usize),
    #[error("a frame does not parse: {0}")]
    Unreadable(String),
}

impl Frames {
    /// `attachment_max` is zero for the direction in which no code may travel.
    pub(crate) fn new(attachment_max: usize) -> Self {
        Frames {
            buffer: Vec::new(),
            start: 0,
            attachment_max,
        }
    }

    /// The buffer to read more bytes into; `parsed` frames are dropped first.
    pub(crate) fn space(&mut self) -> &mut Vec<u8> {
        const KEEP: usize = 256 << 10;
        self.buffer.drain(..self.start);
        self.start = 0;
        if self.buffer.is_empty() && self.buffer.capacity() > KEEP {
            // A large component passed through: its room is given back.
            self.buffer = Vec::new();
        }
        let wanted = self
            .claimed()
            .unwrap_or(0)
            .saturating_sub(self.buffer.len());
        self.buffer.reserve(wanted.clamp(64 << 10, 8 << 20));
        &mut self.buffer
    }

    /// The next whole frame, if it is there.
    pub(crate) fn next<T: DeserializeOwned>(&mut self) -> Result<Option<(T, &[u8])>, Broken> {
        let rest = &self.buffer[self.start..];
        let Some((head, attachment)) = lengths(rest) else {
            return Ok(None);
        };
        if head > FRAME_BYTES_MAX || attachment > self.attachment_max {
            return Err(Broken::TooLong(head.max(attachment)));
        }
        let whole = PREFIX_BYTES + head + attachment;
        if rest.len() < whole {
            return Ok(None);
        }
        let value = postcard::from_bytes(&rest[PREFIX_BYTES..PREFIX_BYTES + head])
            .map_err(|error| Broken::Unreadable(error.to_string()))?;
        self.start += whole;
        let attachment = &self.buffer[self.start - attachment..self.start];
        Ok(Some((value, attachment)))
    }

    fn claimed(&self) -> Option<usize> {
        lengths(&self.buffer).map(|(head, attachment)| {
            PREFIX_BYTES + head.min(FRAME_BYTES_MAX) + attachment.min(self.attachment_max)
        })
    }
}

fn lengths(bytes: &[u8]) -> Option<(usize, usize)> {
    let length = |at: usize| {
        let four = bytes.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(four)).ok()
    };
    Some((length(0)?, length(4)?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn frames(stream: &[u8]) -> Frames {
        let mut frames = Frames::new(16);
        frames.space().extend_from_slice(stream);
        frames
    }

    #[test]
    fn frames_survive_any_cut_of_the_stream() {
        let mut stream = Vec::new();
        encode(&mut stream, &"one", b"code").unwrap();
        encode(&mut stream, &"two", b"").unwrap();
        for cut in 0..stream.len() {
            let mut frames = Frames::new(16);
            let mut seen = Vec::new();
            for part in [&stream[..cut], &stream[cut..]] {
                frames.space().extend_from_slice(part);
                while let Some((text, code)) = frames.next::<String>().unwrap() {
                    seen.push((text, code.to_vec()));
                }
            }
            assert_eq!(
                seen,
                [("one".into(), b"code".to_vec()), ("two".into(), vec![])]
            );
        }
    }

    #[test]
    fn a_frame_that_claims_too_much_is_refused_before_it_is_read() {
        let mut stream = Vec::new();
        stream.extend(u32::MAX.to_le_bytes());
        stream.extend(0_u32.to_le_bytes());
        assert!(matches!(
            frames(&stream).next::<String>(),
            Err(Broken::TooLong(_))
        ));

        let mut stream = Vec::new();
        encode(&mut stream, &"x", &[0; 17]).unwrap();
        assert!(matches!(
            frames(&stream).next::<String>(),
            Err(Broken::TooLong(17))
        ));
    }

    #[test]
    fn a_frame_of_garbage_is_an_error_and_not_a_panic() {
        let mut stream = vec![5, 0, 0, 0, 0, 0, 0, 0];
        stream.extend([0xff; 5]);
        assert!(matches!(
            frames(&stream).next::<FromWorker>(),
            Err(Broken::Unreadable(_))
        ));
    }

    #[test]
    fn a_borrowed_call_arrives_as_the_owned_one() {
        let pairs = vec![("name".to_owned(), "value".to_owned())];
        let mut stream = Vec::new();
        let sent = ToWorkerRef::Call {
            request: 7,
            plugin: 3,
            call: CallRef::Check { settings: &pairs },
        };
        encode(&mut stream, &sent, b"").unwrap();
        let mut frames = frames(&stream);
        let (arrived, _) = frames.next::<ToWorker>().unwrap().unwrap();
        assert!(matches!(
            arrived,
            ToWorker::Call { request: 7, plugin: 3, call: Call::Check { settings } } if settings == pairs
        ));
    }
}
