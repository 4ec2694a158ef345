//! Guilds of any size.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use fabric_archive::{BulkError, BulkWriter, Record};
use fabric_domain::model::{
    Channel, ChannelId, ChannelSettings, ChannelType, GuildId, Message, MessageId, Seq, Timestamp, UserId,
};
use fabric_store_seaorm::bulk::SqlBulkWriter;

use super::text::{RARE, Vocabulary};
use crate::Outcome;
use crate::rng::Rng;

const CHANNELS: u64 = 300;
const USERS: usize = 200;
/// The largest channel has this share of all messages; the others share the rest by Zipf's law.
const LARGEST_PERCENT: u64 = 30;
/// Of how many messages one has the rare word.
const RARE_EVERY: u64 = 5_000;
/// Milliseconds over which the messages of a guild are spread: two years, until the beginning of the clock.
const YEARS: i64 = 2 * 365 * 86_400_000;
const NOW: i64 = 1_800_000_000_000;

/// The guild of everything that is made here.
pub(super) fn guild() -> GuildId {
    "guild".into()
}

/// Who reads everything.
pub(super) const READER: &str = "u0";

/// A channel that was made.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) id: ChannelId,
    pub(super) last_seq: u64,
}

/// What was made: channels, the largest first.
#[derive(Debug)]
pub(super) struct Guild {
    pub(super) channels: Vec<Made>,
}

impl Guild {
    pub(super) fn largest(&self) -> &Made {
        &self.channels[0]
    }
}

/// A message's id: in the order of time across channels, as real ones are.
pub(super) fn message_id(channel: usize, seq: u64, created_at: Timestamp) -> MessageId {
    let mut mixed = Rng::new(((channel as u64) << 40) ^ seq);
    let (high, low) = (mixed.number(), mixed.number());
    MessageId::new(format!(
        "{:08x}-{:04x}-7{:03x}-{:04x}-{:012x}",
        created_at.0 >> 16,
        created_at.0 & 0xffff,
        high & 0xfff,
        0x8000 | (high >> 12) & 0x3fff,
        low & 0xffff_ffff_ffff
    ))
}

/// When a message of a channel was written: evenly over the years, each channel a little apart.
pub(super) fn created_at(channel: usize, seq: u64, last_seq: u64) -> Timestamp {
    let place = i64::try_from(u128::from(seq) * u128::from(YEARS.unsigned_abs()) / u128::from(last_seq + 1));
    Timestamp(NOW - YEARS + place.unwrap_or_default() + i64::try_from(channel).unwrap_or_default())
}

/// Fills an empty database with so many messages.
pub(super) async fn make(url: &str, messages: u64) -> Outcome<Guild> {
    let failed = |error: BulkError| format!("no guild: {error}");
    let begun = SqlBulkWriter::begin(url, true, 1, Timestamp(NOW)).await;
    let mut load = begun.map_err(|error| format!("no guild: {error}"))?;
    let guild = fill(&mut load, messages).await.map_err(failed)?;
    load.finish().await.map_err(failed)?;
    Ok(guild)
}

async fn fill(load: &mut SqlBulkWriter, messages: u64) -> Result<Guild, BulkError> {
    let (vocabulary, mut rng) = (Vocabulary::new(), Rng::new(1));
    let mut channels = Vec::new();
    for (number, last_seq) in sizes(messages).into_iter().enumerate() {
        // Their ids have nothing to do with their sizes.
        let id = ChannelId::new(format!("{:016x}-{number}", rng.number()));
        let channel = channel(&id, number, last_seq);
        load.write(Record::Channel { channel: Box::new(channel), turn: None }).await?;
        for user in 0..USERS {
            if user == 0 || rng.one_in(5) {
                let user = UserId::new(format!("u{user}"));
                let position = u64::try_from(number).unwrap_or_default();
                load.write(Record::Member {
                    channel: id.clone(),
                    position,
                    user: user.clone(),
                    wake_mapped: false,
                    settled: Seq(last_seq),
                })
                .await?;
                let seq = Seq(last_seq.saturating_sub(rng.below(100) as u64));
                load.write(Record::ReadMarker { channel: id.clone(), user, seq }).await?;
            }
        }
        for seq in 1..=last_seq {
            let created_at = created_at(number, seq, last_seq);
            let mut content = vocabulary.message(&mut rng);
            if seq % RARE_EVERY == RARE_EVERY / 2 {
                content.push(' ');
                content.push_str(RARE);
            }
            let message = Message {
                id: message_id(number, seq, created_at),
                channel_id: id.clone(),
                guild_id: guild(),
                seq: Seq(seq),
                author: UserId::new(format!("u{}", rng.below(USERS))),
                content,
                mentions: Vec::new(),
                attachments: Vec::new(),
                reply_to: None,
                created_at,
                edited_at: None,
                deleted_at: None,
                ack: None,
            };
            load.write(Record::Message(Box::new(message))).await?;
        }
        channels.push(Made { id, last_seq });
    }
    number(load, &channels).await?;
    Ok(Guild { channels })
}

/// As if messages had been stored in the order of time, across channels.
async fn number(load: &mut SqlBulkWriter, channels: &[Made]) -> Result<(), BulkError> {
    // The next message of each channel.
    let mut next = BinaryHeap::new();
    let at =
        |channel: usize, seq| Reverse((created_at(channel, seq, channels[channel].last_seq), channel, seq));
    next.extend(
        (0..channels.len()).filter(|channel| channels[*channel].last_seq > 0).map(|channel| at(channel, 1)),
    );
    let mut place = 0;
    while let Some(Reverse((created_at, channel, seq))) = next.pop() {
        place += 1;
        let message = message_id(channel, seq, created_at);
        load.write(Record::SearchOrder { number: place, message }).await?;
        if seq < channels[channel].last_seq {
            next.push(at(channel, seq + 1));
        }
    }
    Ok(())
}

fn channel(id: &ChannelId, number: usize, last_seq: u64) -> Channel {
    Channel {
        id: id.clone(),
        guild_id: guild(),
        name: format!("channel {number}"),
        channel_type: ChannelType::Report,
        purpose: None,
        is_public: number.is_multiple_of(3),
        closed: false,
        last_seq: Seq(last_seq),
        created_by: READER.into(),
        created_at: Timestamp(NOW - YEARS),
        settings: ChannelSettings::default(),
        version: last_seq + 1,
        agent_run: 0,
    }
}

/// How many messages each channel has, the largest first.
fn sizes(messages: u64) -> Vec<u64> {
    let largest = messages * LARGEST_PERCENT / 100;
    let weights: Vec<u64> = (1..CHANNELS).map(|rank| 1_000_000 / rank).collect();
    let all: u64 = weights.iter().sum();
    let mut sizes = vec![largest];
    sizes.extend(weights.iter().map(|weight| (messages - largest) * weight / all));
    // What rounding has left.
    sizes[1] += messages - sizes.iter().sum::<u64>();
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_have_all_messages_and_very_different_sizes() {
        let sizes = sizes(10_000_000);
        assert_eq!((sizes.len(), sizes.iter().sum::<u64>(), sizes[0]), (300, 10_000_000, 3_000_000));
        assert!(sizes.is_sorted_by(|more, fewer| more >= fewer) && sizes[299] < 5_000);
    }

    #[test]
    fn ids_are_in_the_order_of_time_across_channels() {
        let at = |channel, seq| message_id(channel, seq, created_at(channel, seq, 1_000));
        assert!(at(5, 10) < at(2, 20) && at(2, 20) < at(5, 30));
        assert_eq!(at(1, 1).as_str().len(), 36);
    }
}
