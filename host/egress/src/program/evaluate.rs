//! Evaluation of a program: once over what the host knows, and once over harmless stand-ins, which gives the shape the
//! request must have (see [`crate::leaf`]).
//!
//! The first evaluation also writes down every form a sensitive value took on its way ([`Form`]), because a reply that
//! echoes it may echo any of them.

use zeroize::Zeroizing;

use super::provenance::{Label, Sources};
use super::sign::{Algorithm, Key};
use super::{Fault, Op, ProgramError, charset, digest, encode, escape, time};
use crate::limits::{
    FORMS_MAX, INTERMEDIATE_BYTES_MAX, OPERANDS_MAX, OPERATIONS_MAX, SIGNATURES_MAX,
};
use crate::material::Material;

/// The result of one operation. What stands in the program or the material is borrowed.
pub(crate) enum Bytes<'a> {
    Borrowed(&'a [u8]),
    Owned(Zeroizing<Vec<u8>>),
}

impl Bytes<'_> {
    pub(crate) fn get(&self) -> &[u8] {
        match self {
            Bytes::Borrowed(bytes) => bytes,
            Bytes::Owned(bytes) => bytes,
        }
    }
}

impl From<Vec<u8>> for Bytes<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::Owned(Zeroizing::new(bytes))
    }
}

pub(crate) struct Value<'a> {
    pub(crate) bytes: Bytes<'a>,
    /// Everything it was made from.
    pub(crate) from: Sources,
    /// What of that can still be read in it: a digest or a signature shows nothing.
    pub(crate) shows: Sources,
    /// The forms of sensitive values in it, by position in the list of forms.
    forms: Vec<u16>,
    /// Whether it is exactly its one form, and not something around it.
    is_form: bool,
}

impl<'a> Value<'a> {
    fn plain(bytes: Bytes<'a>) -> Value<'a> {
        Value {
            bytes,
            from: Sources::NONE,
            shows: Sources::NONE,
            forms: Vec::new(),
            is_form: false,
        }
    }
}

/// A form in which a sensitive value may be on the wire.
enum Form {
    /// The whole result of an operation.
    Result(Label, u16),
    /// A piece of a result: the escape of a concatenation is the concatenation of escapes.
    Piece(Label, Zeroizing<Vec<u8>>),
}

/// A program evaluated over what the host knows.
pub(crate) struct Evaluated<'a> {
    pub(crate) values: Vec<Value<'a>>,
    forms: Vec<Form>,
}

impl Evaluated<'_> {
    /// Every form of a sensitive value, with what it is called.
    pub(crate) fn forms(&self) -> impl Iterator<Item = (Label, &[u8])> {
        self.forms.iter().map(|form| match form {
            Form::Result(label, at) => (*label, self.values[usize::from(*at)].bytes.get()),
            Form::Piece(label, bytes) => (*label, bytes.as_slice()),
        })
    }
}

/// Evaluates a program over what the host knows.
///
/// # Errors
/// The first operation that cannot be evaluated, or that exceeds a limit.
pub(crate) fn evaluate<'a>(
    program: &'a [Op],
    material: &'a Material,
) -> Result<Evaluated<'a>, ProgramError> {
    if program.len() > OPERATIONS_MAX {
        return Err(ProgramError {
            at: OPERATIONS_MAX,
            fault: Fault::TooManyOperations,
        });
    }
    let mut evaluation = Evaluation {
        material,
        done: Evaluated {
            values: Vec::with_capacity(program.len()),
            forms: Vec::new(),
        },
        bytes_left: INTERMEDIATE_BYTES_MAX,
        signatures_left: SIGNATURES_MAX,
    };
    for (at, op) in program.iter().enumerate() {
        let value = evaluation
            .step(op)
            .map_err(|fault| ProgramError { at, fault })?;
        evaluation.done.values.push(value);
    }
    Ok(evaluation.done)
}

struct Evaluation<'a> {
    material: &'a Material,
    done: Evaluated<'a>,
    bytes_left: usize,
    signatures_left: usize,
}

impl<'a> Evaluation<'a> {
    fn step(&mut self, op: &'a Op) -> Result<Value<'a>, Fault> {
        match op {
            Op::Lit(text) => self.literal(text.as_bytes()),
            Op::Bytes(bytes) => self.literal(bytes),
            Op::Secret(name) => {
                let secrets = self.material.secrets.all();
                let at = secrets
                    .iter()
                    .position(|s| s.name == *name)
                    .ok_or_else(|| Fault::NoSecret(name.clone()))?;
                self.source(secrets[at].value.expose(), Sources::secret(at))
            }
            Op::Kept(name) => {
                let kept = &self.material.kept;
                let at = kept
                    .iter()
                    .position(|k| k.name == *name)
                    .ok_or_else(|| Fault::NoKept(name.clone()))?;
                self.source(kept[at].value.expose(), Sources::kept(at))
            }
            Op::Recipient(form) => self.recipient(form),
            Op::Text(part) => {
                let text = self.material.text.as_ref().ok_or(Fault::NoText)?;
                let text = match part.checked_sub(1) {
                    None => &text.whole,
                    Some(n) => text.parts.get(usize::from(n)).ok_or(Fault::NoPart(*part))?,
                };
                self.source(text.as_bytes(), Sources::TEXT)
            }
            Op::Code => {
                let code = self.material.code.as_ref().ok_or(Fault::NoCode)?;
                self.source(code.expose(), Sources::CODE)
            }
            Op::ReceiptUrl => match &self.material.receipt_url {
                Some(url) => self.source(url.as_bytes(), Sources::RECEIPT_URL),
                None => self.literal(b""),
            },
            Op::Time(format) => {
                let text = time::format(format, self.material.now_unix_ms)?;
                self.made(text.into_bytes())
            }
            Op::Nonce(kind) => {
                let text = self.nonce(kind)?;
                self.made(text.into_bytes())
            }
            Op::Concat(operands) => self.concat(operands),
            Op::Charset(name, operand) => {
                self.transform(*operand, true, |bytes| charset::convert(name, bytes))
            }
            Op::Escape(name, operand) => {
                self.transform(*operand, true, |bytes| escape::escape(name, bytes))
            }
            Op::Encode(name, operand) => {
                self.transform(*operand, encode::is_piecewise(name), |bytes| {
                    encode::encode(name, bytes)
                })
            }
            Op::Digest(name, data) => {
                let data = self.operand(*data)?;
                let (from, length) = (data.from, data.bytes.get().len());
                let digest = digest::digest(name, data.bytes.get())?;
                self.one_way(digest, from, length)
            }
            Op::Hmac(name, key, data) => {
                let (key, data) = (self.operand(*key)?, self.operand(*data)?);
                let from = key.from | data.from;
                let length = key.bytes.get().len() + data.bytes.get().len();
                let mac = digest::hmac(name, key.bytes.get(), data.bytes.get())?;
                self.one_way(mac, from, length)
            }
            Op::Sign(name, secret, data) => self.sign(name, secret, *data),
        }
    }

    fn literal(&mut self, bytes: &'a [u8]) -> Result<Value<'a>, Fault> {
        self.spend(bytes.len())?;
        Ok(Value::plain(Bytes::Borrowed(bytes)))
    }

    /// A value the host made that tells nobody anything.
    fn made(&mut self, bytes: Vec<u8>) -> Result<Value<'a>, Fault> {
        self.spend(bytes.len())?;
        Ok(Value::plain(bytes.into()))
    }

    fn source(&mut self, bytes: &'a [u8], from: Sources) -> Result<Value<'a>, Fault> {
        self.spend(bytes.len())?;
        let form = self.form_of_this_result(from)?;
        Ok(Value {
            bytes: Bytes::Borrowed(bytes),
            from,
            shows: from,
            forms: vec![form],
            is_form: true,
        })
    }

    fn recipient(&mut self, form: &str) -> Result<Value<'a>, Fault> {
        let recipient = self.material.recipient.as_ref().ok_or(Fault::NoRecipient)?;
        let text = match form {
            "e164" => recipient.e164.as_str(),
            "digits" => recipient.digits(),
            "national" => &recipient.national,
            "dialled" => &recipient.dialled,
            // The plugin is told the calling code: it is nobody's secret, and a request that carries only it has no recipient.
            "calling-code" => return self.literal(recipient.calling_code.as_bytes()),
            _ => {
                return Err(Fault::Unknown {
                    registry: "recipient form",
                    name: form.into(),
                });
            }
        };
        self.source(text.as_bytes(), Sources::RECIPIENT)
    }

    fn nonce(&self, kind: &str) -> Result<String, Fault> {
        let bytes = &self.material.nonce.bytes;
        match kind {
            "uuid" => {
                // RFC 9562 section 5.4: version 4, variant 10.
                let mut b = *bytes;
                b[6] = b[6] & 0x0f | 0x40;
                b[8] = b[8] & 0x3f | 0x80;
                let h = hex::encode(b);
                Ok(format!(
                    "{}-{}-{}-{}-{}",
                    &h[..8],
                    &h[8..12],
                    &h[12..16],
                    &h[16..20],
                    &h[20..]
                ))
            }
            "hex" => Ok(hex::encode(bytes)),
            "base64url" => {
                let text = encode::encode("base64url", bytes)?;
                Ok(String::from_utf8(text).expect("base64 is ASCII"))
            }
            "int31" => Ok(self.material.nonce.int31.to_string()),
            _ => Err(Fault::Unknown {
                registry: "nonce",
                name: kind.into(),
            }),
        }
    }

    fn concat(&mut self, operands: &[u16]) -> Result<Value<'a>, Fault> {
        if operands.len() > OPERANDS_MAX {
            return Err(Fault::TooManyOperands);
        }
        // The length first: a program that doubles itself must not be built before it is refused.
        let mut length = 0;
        for operand in operands {
            length += self.operand(*operand)?.bytes.get().len();
        }
        self.spend(length)?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(length));
        let mut value = Value::plain(Bytes::Borrowed(&[]));
        for operand in operands {
            let piece = self.operand(*operand)?;
            bytes.extend_from_slice(piece.bytes.get());
            value.from = value.from | piece.from;
            value.shows = value.shows | piece.shows;
            for form in &piece.forms {
                if !value.forms.contains(form) {
                    value.forms.push(*form);
                }
            }
        }
        value.bytes = Bytes::Owned(bytes);
        Ok(value)
    }

    /// An operation that can be undone: what was in the operand is in the result, in another form.
    fn transform(
        &mut self,
        operand: u16,
        piecewise: bool,
        change: impl Fn(&[u8]) -> Result<Vec<u8>, Fault>,
    ) -> Result<Value<'a>, Fault> {
        let before = self.operand(operand)?;
        let bytes = change(before.bytes.get())?;
        let (from, shows, was_form) = (before.from, before.shows, before.is_form);
        let mut forms = Vec::new();
        if !from.is_empty() && piecewise && !was_form {
            let pieces: Vec<_> = before.forms.clone();
            for at in pieces {
                let (label, piece) = match &self.done.forms[usize::from(at)] {
                    Form::Result(label, at) => (
                        *label,
                        change(self.done.values[usize::from(*at)].bytes.get()),
                    ),
                    Form::Piece(label, piece) => (*label, change(piece)),
                };
                let Ok(piece) = piece else { continue };
                self.spend(piece.len())?;
                forms.push(self.push_form(Form::Piece(label, Zeroizing::new(piece)))?);
            }
        }
        self.spend(bytes.len())?;
        let is_form = !from.is_empty() && (was_form || !piecewise);
        if is_form {
            forms.push(self.form_of_this_result(from)?);
        }
        Ok(Value {
            bytes: bytes.into(),
            from,
            shows,
            forms,
            is_form,
        })
    }

    /// An operation that cannot be undone. Its result is still a form to be masked: six digits are found again from their
    /// digest by trying all of them.
    fn one_way(&mut self, bytes: Vec<u8>, from: Sources, read: usize) -> Result<Value<'a>, Fault> {
        self.spend(read + bytes.len())?;
        let mut value = Value::plain(bytes.into());
        value.from = from;
        if !from.is_empty() {
            value.forms = vec![self.form_of_this_result(from)?];
            value.is_form = true;
        }
        Ok(value)
    }

    fn sign(&mut self, name: &str, secret: &str, data: u16) -> Result<Value<'a>, Fault> {
        let algorithm = Algorithm::named(name)?;
        self.signatures_left = self
            .signatures_left
            .checked_sub(1)
            .ok_or(Fault::TooManySignatures)?;
        let secrets = self.material.secrets.all();
        let at = secrets
            .iter()
            .position(|s| s.name == secret)
            .ok_or_else(|| Fault::NoSecret(secret.into()))?;
        let not_a_key = || Fault::NotAKey {
            secret: secret.into(),
            algorithm: algorithm.name(),
        };
        let key = secrets[at].key(Key::parse).ok_or_else(not_a_key)?;
        let data = self.operand(data)?;
        let (from, length) = (data.from | Sources::secret(at), data.bytes.get().len());
        let signature = key
            .sign(algorithm, data.bytes.get())
            .ok_or_else(not_a_key)??;
        self.one_way(signature, from, length)
    }

    fn operand(&self, operand: u16) -> Result<&Value<'a>, Fault> {
        self.done
            .values
            .get(usize::from(operand))
            .ok_or(Fault::Forward(operand))
    }

    fn spend(&mut self, bytes: usize) -> Result<(), Fault> {
        self.bytes_left = self
            .bytes_left
            .checked_sub(bytes)
            .ok_or(Fault::TooManyBytes)?;
        Ok(())
    }

    fn form_of_this_result(&mut self, from: Sources) -> Result<u16, Fault> {
        let this = self.done.values.len() as u16;
        self.push_form(Form::Result(from.label(), this))
    }

    fn push_form(&mut self, form: Form) -> Result<u16, Fault> {
        if self.done.forms.len() == FORMS_MAX {
            return Err(Fault::TooManyForms);
        }
        self.done.forms.push(form);
        Ok((self.done.forms.len() - 1) as u16)
    }
}

/// What stands for a number or a code in the shape of a request: digits, because some APIs want a JSON number.
const DIGITS: &[u8] = b"15550100";
/// What stands for anything else.
const WORD: &[u8] = b"x1";

/// Evaluates a program again, with stand-ins for everything sensitive. Results that hold nothing sensitive are those of the
/// first evaluation.
pub(crate) fn stand_in<'r>(program: &[Op], real: &'r Evaluated<'_>) -> Vec<Bytes<'r>> {
    let mut values: Vec<Bytes<'r>> = Vec::with_capacity(program.len());
    for (op, real) in program.iter().zip(&real.values) {
        let value = if real.from.is_empty() {
            Bytes::Borrowed(real.bytes.get())
        } else {
            match op {
                Op::Recipient(_) | Op::Code => Bytes::Borrowed(DIGITS),
                Op::Concat(operands) => {
                    let pieces: Vec<&[u8]> = operands
                        .iter()
                        .map(|at| values[usize::from(*at)].get())
                        .collect();
                    pieces.concat().into()
                }
                Op::Charset(name, at) => {
                    changed(charset::convert(name, values[usize::from(*at)].get()))
                }
                Op::Escape(name, at) => {
                    changed(escape::escape(name, values[usize::from(*at)].get()))
                }
                Op::Encode(name, at) if !encode::is_decoding(name) => {
                    changed(encode::encode(name, values[usize::from(*at)].get()))
                }
                Op::Lit(_) | Op::Bytes(_) | Op::Time(_) | Op::Nonce(_) => {
                    Bytes::Borrowed(real.bytes.get())
                }
                Op::Secret(_) | Op::Kept(_) | Op::Text(_) | Op::ReceiptUrl => Bytes::Borrowed(WORD),
                Op::Encode(..) | Op::Digest(..) | Op::Hmac(..) | Op::Sign(..) => {
                    Bytes::Borrowed(WORD)
                }
            }
        };
        values.push(value);
    }
    values
}

/// A stand-in is plain ASCII, which everything can carry; should an operation refuse the literal text around it, the first
/// evaluation refused it too.
fn changed<'r>(result: Result<Vec<u8>, Fault>) -> Bytes<'r> {
    result.map_or(Bytes::Borrowed(WORD), Bytes::from)
}
