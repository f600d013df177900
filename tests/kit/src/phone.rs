//! What arrived at one number, read in order.

use anyhow::{Context, Result};
use postern_gateway::Outbox;
use sms_gateway::Gateway;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(15);

/// A phone, with a thumb on the last message that was read.
#[derive(Debug)]
pub struct Phone {
    number: String,
    line: Line,
    read: u64,
}

#[derive(Debug)]
pub(crate) enum Line {
    Gateway(Gateway),
    Outbox(Outbox),
}

impl Phone {
    pub(crate) fn new(number: &str, line: Line) -> Self {
        Self {
            number: number.to_owned(),
            line,
            read: 0,
        }
    }

    /// The next message that was not read yet; waits for it.
    pub async fn next(&mut self) -> Result<String> {
        match &self.line {
            Line::Gateway(gateway) => {
                let message = gateway
                    .phone()
                    .next(&self.number, self.read, PATIENCE)
                    .await;
                let message = message.with_context(|| {
                    format!("no SMS to {} within {} s", self.number, PATIENCE.as_secs())
                })?;
                self.read = message.number;
                Ok(message.text)
            }
            Line::Outbox(outbox) => loop {
                let seen = outbox.count();
                let mut mine = outbox
                    .messages()
                    .into_iter()
                    .filter(|message| message.to == self.number);
                if let Some(message) = mine.nth(usize::try_from(self.read)?) {
                    self.read += 1;
                    return Ok(message.text);
                }
                let came = outbox.wait_for(seen + 1, PATIENCE).await;
                anyhow::ensure!(
                    came,
                    "no message to {} within {} s",
                    self.number,
                    PATIENCE.as_secs()
                );
            },
        }
    }

    /// The code in the next message.
    pub async fn next_code(&mut self) -> Result<String> {
        let text = self.next().await?;
        code_in(&text).with_context(|| format!("no code in {text:?}"))
    }

    /// How many messages arrived in all, read or not.
    pub fn count(&self) -> usize {
        match &self.line {
            Line::Gateway(gateway) => gateway.phone().messages(Some(&self.number)).len(),
            Line::Outbox(outbox) => outbox
                .messages()
                .iter()
                .filter(|message| message.to == self.number)
                .count(),
        }
    }
}

/// Another code than this one.
pub fn another_code(code: &str) -> String {
    if code == "000000" { "000001" } else { "000000" }.to_owned()
}

/// The code of the origin-bound last line (`@host #123456`), else the first run of six digits.
pub fn code_in(text: &str) -> Option<String> {
    let bound = text
        .lines()
        .last()
        .and_then(|last| last.strip_prefix('@')?.split_once('#'));
    if let Some((_, code)) = bound {
        return Some(code.trim().to_owned());
    }
    text.split(|c: char| !c.is_ascii_digit())
        .find(|word| word.len() == 6)
        .map(str::to_owned)
}
