//! The person at the terminal: an ordinary client that shows #roundtable.

use std::collections::HashMap;
use std::time::Duration;

use fabric_api::Open;
use fabric_api::guild::{ChannelState, Message, PostMessage, TurnView};
use fabric_client::{Event, Events, GuildClient, Realtime};
use fabric_domain::model::{AckCause, ChannelId, UserId};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::settings::ROUNDTABLE;
use super::world::{DevError, World};
use crate::terminal::say;

/// How long a conversation may take until it pauses.
const PAUSE_WITHIN: Duration = Duration::from_mins(1);

/// A connected person in #roundtable.
pub(super) struct Chat {
    guild: GuildClient,
    channel: ChannelId,
    names: HashMap<UserId, String>,
    // Kept open as long as its events are wanted.
    _socket: Realtime,
    events: Events,
    /// The last wake that was shown: its turn and its message.
    shown: Option<(u64, u64)>,
}

impl Chat {
    pub(super) async fn open(world: &World) -> Result<Self, DevError> {
        let guild = world.sign_in().await?;
        let rows = guild.channels().await?;
        let row = rows.into_iter().find(|row| row.name == ROUNDTABLE).ok_or("there is no #roundtable")?;
        let members = guild.members(&row.id).await?;
        let names =
            members.into_iter().map(|m| (m.user_id.clone(), m.name.unwrap_or_else(|| m.user_id.to_string())));
        let (socket, events) = guild.connect().await?;
        let joined = socket.join(&row.id, None).await?;
        let shown = joined.turn.and_then(|turn| Some((turn.turn, turn.wake_seq?.0)));
        Ok(Self { guild, channel: row.id, names: names.collect(), _socket: socket, events, shown })
    }

    pub(super) fn channel(&self) -> &str {
        self.channel.as_str()
    }

    /// Posts once and shows the conversation until the channel pauses.
    pub(super) async fn say_once(mut self, text: &str) -> Result<(), DevError> {
        self.guild.post(&self.channel, &PostMessage::text(text), None).await?;
        let until_pause = async {
            while self.next().await? != ChannelState::Settled {}
            Ok::<(), DevError>(())
        };
        match tokio::time::timeout(PAUSE_WITHIN, until_pause).await {
            Ok(ended) => ended,
            Err(_) => Err(format!("the channel did not pause within {} s", PAUSE_WITHIN.as_secs()).into()),
        }
    }

    /// Posts what is typed and shows what is said, until the input ends. Without a terminal there may be no
    /// input at all, so its end ends nothing.
    pub(super) async fn converse(mut self, is_terminal: bool) -> Result<(), DevError> {
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        let mut is_open = true;
        loop {
            tokio::select! {
                line = lines.next_line(), if is_open => match line? {
                    Some(line) if line.trim().is_empty() => {}
                    Some(line) => {
                        if let Err(error) = self.guild.post(&self.channel, &PostMessage::text(line), None).await {
                            say(&format!("  ! {error}"));
                        }
                    }
                    None if is_terminal => return Ok(()),
                    None => is_open = false,
                },
                shown = self.next() => { shown?; }
            }
        }
    }

    /// Shows the next event of the channel that moves its turn; answers the state after it.
    async fn next(&mut self) -> Result<Open<ChannelState>, DevError> {
        loop {
            match self.events.recv().await.map_err(|reason| format!("the connection ended: {reason}"))? {
                Event::MessageCreated(created) if created.message.channel_id == self.channel => {
                    say(&self.line(&created.message));
                }
                Event::TurnUpdated(turn) if turn.channel_id == self.channel => {
                    self.show_wake(&turn);
                    return Ok(turn.state);
                }
                _ => {}
            }
        }
    }

    fn name<'a>(&'a self, user: &'a UserId) -> &'a str {
        self.names.get(user).map_or(user.as_str(), String::as_str)
    }

    fn line(&self, message: &Message) -> String {
        if let Some(ack) = &message.ack {
            let what = match &ack.command {
                Open::Known(AckCause::NoReply) => "passes",
                Open::Known(AckCause::ForceProceed) => "moves the turn on",
                Open::Known(AckCause::Timeout) => "was silent too long",
                Open::Known(AckCause::Inactive) => "cannot sign in any more",
                Open::Known(AckCause::MemberLeft) => "has left",
                Open::Known(AckCause::MovedToBypass) => "leaves the rotation",
                Open::Known(AckCause::Reopened) => "reopens the channel",
                Open::Other(cause) => cause,
            };
            return format!("        ({} {what})", self.name(&ack.by_user_id));
        }
        let mut content = message.content.clone();
        for (id, name) in &self.names {
            content = content.replace(&format!("<@{id}>"), &format!("@{name}"));
        }
        format!("{:>6}  {content}", self.name(&message.author_user_id))
    }

    fn show_wake(&mut self, turn: &TurnView) {
        let Some(speaker) = &turn.active_speaker else {
            say("        — the channel pauses; the next message begins a round —");
            self.shown = None;
            return;
        };
        let wake = turn.wake_seq.map(|seq| (turn.turn, seq.0));
        if wake.is_none() || wake == self.shown {
            return;
        }
        let reason = if turn.frames.is_empty() { "turn" } else { "mention" };
        say(&format!("        ↳ wakes {} ({reason})", self.name(speaker)));
        self.shown = wake;
    }
}
