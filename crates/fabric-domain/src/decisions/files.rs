//! Which files a message may attach (spec/3 section 7).

use std::collections::HashSet;

use super::ChannelAggregate;
use crate::model::{Attachment, Author, FileId, FileRules, FileState, Refusal, Timestamp};

/// The most characters of an id that is looked up at all.
const MAX_ID: usize = 80;

/// Refuses what is wrong with a list of files to attach before anybody looks for them.
pub fn check_ids(ids: &[FileId]) -> Result<(), Refusal> {
    let field = "attachmentIds";
    let most = FileRules::MAX_ATTACHMENTS;
    if ids.len() > most {
        return Err(Refusal::field(field, format!("must have at most {most} entries")));
    }
    if ids.iter().collect::<HashSet<_>>().len() < ids.len() {
        return Err(Refusal::field(field, "must name each file once"));
    }
    if ids.iter().all(is_plausible) { Ok(()) } else { Err(no_such_attachment()) }
}

/// The files as the message keeps them: all are there, the author's own, and not expired.
pub fn attach(
    channel: &ChannelAggregate,
    ids: &[FileId],
    author: &Author,
    rules: &FileRules,
    now: Timestamp,
) -> Result<Vec<Attachment>, Refusal> {
    let attach = |id: &FileId| {
        let own = channel.files.iter().find(|file| file.id == *id && file.uploader == author.id());
        let file = own.ok_or_else(no_such_attachment)?;
        match rules.state(file, now) {
            FileState::Kept => Ok(file.attachment()),
            FileState::Expired => Err(Refusal::field("attachmentIds", "names a file that has expired")),
        }
    };
    ids.iter().map(attach).collect()
}

fn no_such_attachment() -> Refusal {
    Refusal::field("attachmentIds", "names a file that does not exist, or is not yours")
}

/// Whether there could be a file of this id: what is no id is not looked for.
pub fn is_plausible(id: &FileId) -> bool {
    let id = id.as_str();
    !id.is_empty() && id.len() <= MAX_ID && id.bytes().all(|byte| byte.is_ascii_graphic())
}
