//! Lines of `idempotency-keys.jsonl`.

use fabric_domain::model::{
    Attachment, CommandOutcome, FileId, GuildId, IdempotencySlot, Message, PostOutcome, Rejection, Timestamp,
    UserId,
};
use serde::{Deserialize, Serialize};

use super::file::attachment;
use super::message::MessageLine;

/// A line of `idempotency-keys.jsonl`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct IdempotencyLine {
    pub(crate) caller_user_id: UserId,
    pub(crate) route: String,
    pub(crate) key: String,
    pub(crate) fingerprint: String,
    answer: AnswerOfLine,
    pub(crate) created_at: Timestamp,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum AnswerOfLine {
    /// The message as it was then.
    Message(MessageOfAnswer),
    /// The `/ack` of an accepted command.
    Accepted(MessageOfAnswer),
    Rejected(Rejection),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MessageOfAnswer {
    guild_id: GuildId,
    message: MessageLine,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<KeptOfAnswer>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct KeptOfAnswer {
    file_id: FileId,
    name: String,
    mime: String,
    size: u64,
}

impl MessageOfAnswer {
    fn new(message: Message) -> Self {
        let kept = |Attachment { id, name, mime, size }: &Attachment| KeptOfAnswer {
            file_id: id.clone(),
            name: name.as_str().to_owned(),
            mime: mime.as_str().to_owned(),
            size: *size,
        };
        let (guild_id, attachments) =
            (message.guild_id.clone(), message.attachments.iter().map(kept).collect());
        Self { guild_id, message: MessageLine::new(message), attachments }
    }

    fn into_message(self) -> Result<Box<Message>, String> {
        let kept = |kept: KeptOfAnswer| attachment(kept.file_id, kept.name, kept.mime, kept.size);
        let attachments = self.attachments.into_iter().map(kept).collect::<Result<_, _>>()?;
        Ok(Box::new(Message { attachments, ..self.message.into_message(self.guild_id) }))
    }
}

impl IdempotencyLine {
    pub(crate) fn new(slot: IdempotencySlot, outcome: PostOutcome, created_at: Timestamp) -> Self {
        let IdempotencySlot { caller, route, key, fingerprint } = slot;
        let answer = match outcome {
            PostOutcome::Message(message) => AnswerOfLine::Message(MessageOfAnswer::new(*message)),
            PostOutcome::Command(CommandOutcome::Accepted { ack }) => {
                AnswerOfLine::Accepted(MessageOfAnswer::new(*ack))
            }
            PostOutcome::Command(CommandOutcome::Rejected { reason }) => AnswerOfLine::Rejected(reason),
        };
        Self { caller_user_id: caller, route, key, fingerprint, answer, created_at }
    }

    pub(crate) fn into_answer(self) -> Result<(IdempotencySlot, PostOutcome), String> {
        let Self { caller_user_id: caller, route, key, fingerprint, answer, .. } = self;
        let outcome = match answer {
            AnswerOfLine::Message(message) => PostOutcome::Message(message.into_message()?),
            AnswerOfLine::Accepted(ack) => {
                PostOutcome::Command(CommandOutcome::Accepted { ack: ack.into_message()? })
            }
            AnswerOfLine::Rejected(reason) => PostOutcome::Command(CommandOutcome::Rejected { reason }),
        };
        Ok((IdempotencySlot { caller, route, key, fingerprint }, outcome))
    }
}
