//! Wakes that a member has missed, and that are sent again when they come back (spec/2 section 8).

use std::collections::BTreeMap;

use super::ChannelView;
use crate::model::{ChannelType, Message, MissedWake, Seq, UserId, Wake};

/// What a member has missed of one channel: wakes of single messages, until a live socket has got them, and the wake
/// of a running turn, until the turn moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissedWakes {
    channel_type: ChannelType,
    of_messages: BTreeMap<Seq, Wake>,
    of_turn: Option<(Seq, Wake)>,
}

impl MissedWakes {
    /// What this user has missed of the channel; `stored` is what the store says of single messages.
    pub fn new(channel: &ChannelView, user: &UserId, stored: Vec<MissedWake>) -> Self {
        // As the first time: a late answer to one names the turn that it found, and so takes nobody's place.
        let turn_number = channel.turn.as_ref().map(|turn| turn.state.turn());
        let of_messages = stored.into_iter().map(|missed| {
            (
                missed.seq,
                Wake {
                    turn_number,
                    deadline: None,
                    hop: missed.hop,
                    budget_left: None,
                    reason: missed.reason,
                },
            )
        });
        Self {
            channel_type: channel.channel.channel_type,
            of_messages: of_messages.collect(),
            of_turn: wake_of_turn(channel, user),
        }
    }

    /// The member has got the wakes of single messages up to this one. Answers whether one of them counted as missed.
    pub fn receive(&mut self, until: Seq) -> bool {
        let missed = self.of_messages.split_off(&until.next());
        !std::mem::replace(&mut self.of_messages, missed).is_empty()
    }

    /// The first message whose wake was missed.
    pub fn first(&self) -> Option<Seq> {
        let of_messages = self.of_messages.keys().next().copied();
        of_messages.into_iter().chain(self.of_turn.map(|(seq, _)| seq)).min()
    }

    /// The wake with which the message is sent again, if it was missed. Nobody is to answer what is no longer there;
    /// but a turn is the speaker's all the same.
    pub fn of(&self, message: &Message) -> Option<Wake> {
        if message.deleted_at.is_some() && !self.channel_type.has_turns() {
            return None;
        }
        let of_turn = self.of_turn.filter(|(seq, _)| *seq == message.seq).map(|(_, wake)| wake);
        of_turn.or_else(|| self.of_messages.get(&message.seq).copied())
    }
}

/// Where members speak in turn, the turn itself is what is pending: the message that woke the active speaker wakes them
/// again.
fn wake_of_turn(channel: &ChannelView, user: &UserId) -> Option<(Seq, Wake)> {
    let turn = channel.turn.as_ref()?;
    let speaker = turn.state.speaker().filter(|speaker| speaker.user() == user)?;
    let wake = Wake {
        reason: speaker.into(),
        turn_number: Some(turn.state.turn()),
        deadline: turn.deadline,
        hop: channel.channel.agent_run,
        budget_left: None,
    };
    Some((turn.wake_seq?, wake))
}
