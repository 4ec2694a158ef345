//! What a guild allows, as its operator configured it.

use crate::model::{FileRules, Refusal};

/// Configured limits of a guild.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most characters of a message.
    pub content_max_chars: usize,
    /// How long after posting a message may be edited, in seconds; 0 = for ever.
    pub edit_window_seconds: u32,
    /// How long texts of deleted messages are kept out of sight before they are erased, in days; 0 = not at
    /// all.
    pub retention_days: u32,
    /// Those of files.
    pub files: FileRules,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            content_max_chars: 1_000_000,
            edit_window_seconds: 900,
            retention_days: 30,
            files: FileRules::default(),
        }
    }
}

impl Limits {
    /// Refuses a text that is too long.
    pub fn check_content(&self, content: &str) -> Result<(), Refusal> {
        let most = self.content_max_chars;
        // Counting is only needed where there may be too many.
        if content.len() > most && content.chars().count() > most {
            return Err(Refusal::field("content", format!("must have at most {most} characters")));
        }
        Ok(())
    }
}
