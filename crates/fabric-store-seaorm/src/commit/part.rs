//! The parts of a channel's row.

use fabric_domain::decisions::ChannelAggregate;
use sea_orm::Value;

use crate::error::DatabaseError;
use crate::schema::convert::{self, to_column, to_json};
use crate::schema::entity::channel;

/// A part of a channel's row, whose columns are written together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Where the channel stands, which changes with every message.
    Position,
    /// Name, purpose, settings, whether it is closed.
    Settings,
    /// The turn, but for its seats, and its deadline.
    Turn,
}

impl Part {
    pub(super) const ALL: [Self; 3] = [Self::Position, Self::Settings, Self::Turn];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Position => "position",
            Self::Settings => "settings",
            Self::Turn => "turn",
        }
    }

    pub(super) fn columns(self) -> &'static [channel::Column] {
        use channel::Column;
        match self {
            Self::Position => &[Column::Version, Column::LastSeq, Column::AgentRun],
            Self::Settings => {
                &[Column::Name, Column::Purpose, Column::IsPublic, Column::Closed, Column::Settings]
            }
            Self::Turn => &[Column::Turn, Column::TurnDeadline],
        }
    }

    /// Of each column.
    pub(super) fn values(self, now: &ChannelAggregate) -> Result<Vec<Value>, DatabaseError> {
        let ChannelAggregate { channel, turn, .. } = now;
        Ok(match self {
            Self::Position => vec![
                to_column(channel.version).into(),
                to_column(channel.last_seq.0).into(),
                i64::from(channel.agent_run).into(),
            ],
            Self::Settings => vec![
                channel.name.as_str().into(),
                channel.purpose.clone().into(),
                channel.is_public.into(),
                channel.closed.into(),
                to_json(&channel.settings)?.into(),
            ],
            Self::Turn => {
                let deadline = turn.as_ref().and_then(|turn| turn.deadline);
                vec![convert::turn_column(turn.as_ref())?.into(), deadline.map(|deadline| deadline.0).into()]
            }
        })
    }
}
