//! Outcomes and states in the words of the scenarios, for the reports.

use std::fmt::{self, Display, Formatter};

use fabric_domain::model::UserId;
use fabric_domain::rules::turn::TurnState;

use super::expect::Outcome;

impl Display for Outcome {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejection) => write!(f, "rejected {}", rejection.code()),
            Self::Turn(user, reason) => write!(f, "turn {user} ({})", reason.as_str()),
            Self::Idle => f.write_str("idle"),
            Self::Stays => f.write_str("stays"),
            Self::Sent { is_ack, woken, skipped, others_observe } => {
                let mut parts: Vec<String> = Vec::new();
                if *is_ack {
                    parts.push("ack".into());
                }
                parts.extend(woken.iter().map(|(user, reason)| format!("wake {user} ({})", reason.as_str())));
                if woken.is_empty() {
                    parts.push("nobody".into());
                }
                if !skipped.is_empty() {
                    parts.push(format!("skip {}", names(skipped)));
                }
                parts.push(format!("outsiders {}", if *others_observe { "observe" } else { "skip" }));
                f.write_str(&parts.join(", "))
            }
        }
    }
}

/// A state as one `state:` line.
pub(super) struct Told<'a>(pub(super) &'a TurnState);

impl Display for Told<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let state = self.0;
        match state.active() {
            Some(active) => write!(f, "active: {active}")?,
            None => f.write_str("idle")?,
        }
        let root = state.cursor().map_or("nobody", UserId::as_str);
        let last_author = state.last_author().map_or("nobody", UserId::as_str);
        let summoned = state.summoned().iter().map(|(user, times)| format!("{user} {times}"));
        let frames = state.frames().iter().map(|frame| {
            let entries = frame.queue().iter().enumerate();
            let entries =
                entries.map(|(i, user)| format!("{user}{}", if i == frame.position() { "*" } else { "" }));
            format!("[{}]", entries.collect::<Vec<_>>().join(" "))
        });
        write!(
            f,
            " | root: {root} | order: {} | bypass: {} | frames: {} | last author: {last_author} | declined: {} \
             | summoned: {} | turn: {}",
            or_none(names(state.order())),
            or_none(names(state.bypass())),
            or_none(frames.collect::<Vec<_>>().join(" ")),
            or_none(names(state.declined())),
            or_none(summoned.collect::<Vec<_>>().join(", ")),
            state.turn(),
        )
    }
}

pub(super) fn names<'a>(users: impl IntoIterator<Item = &'a UserId>) -> String {
    users.into_iter().map(UserId::as_str).collect::<Vec<_>>().join(" ")
}

fn or_none(text: String) -> String {
    if text.is_empty() { "none".to_owned() } else { text }
}
