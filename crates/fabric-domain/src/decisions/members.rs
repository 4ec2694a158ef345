//! Members: come, go, wake mapping, bypass.

use std::collections::{BTreeSet, HashSet};

use super::turns::move_turn;
use super::{Access, Change, ChannelAggregate, Event, Moment};
use crate::model::{Ack, AckCause, Member, Refusal, Timestamp, UserId};
use crate::rules::turn::{Input, Seat, Seed};

/// A participant becomes a member; joining twice changes nothing.
pub fn join(access: Access<'_>, now: Timestamp) -> Result<Change, Refusal> {
    access.require_participant()?;
    Ok(with_members(access.channel, std::slice::from_ref(access.user), now))
}

/// A member makes others members; those who are already stay as they are.
pub fn add(access: Access<'_>, users: &[UserId], now: Timestamp) -> Result<Change, Refusal> {
    access.require_member()?;
    Ok(with_members(access.channel, users, now))
}

/// A member's own membership ends, with their place in the turn and the wake mapping.
pub fn leave(access: Access<'_>, moment: &Moment) -> Result<Change, Refusal> {
    access.require_member()?;
    Ok(without_member(access.channel, access.user, moment))
}

/// Ends another's membership. Anybody may remove themselves.
pub fn remove(access: Access<'_>, removed: &UserId, moment: &Moment) -> Result<Change, Refusal> {
    if access.user == removed {
        access.require_member()?;
    } else {
        access.require_manager()?;
    }
    if !access.channel.is_member(removed) {
        return Err(Refusal::MemberNotFound);
    }
    Ok(without_member(access.channel, removed, moment))
}

/// Replaces the wake list of a `triage` or `custom`; whoever is on it becomes a member.
pub fn set_wake_mapping(access: Access<'_>, mapped: &[UserId], now: Timestamp) -> Result<Change, Refusal> {
    access.require_manager()?;
    let channel = access.channel;
    if !channel.channel.channel_type.has_wake_mapping() {
        return Err(Refusal::NoWakeMapping);
    }
    let mut change = with_members(channel, mapped, now);
    let has_new = !change.upserted_members.is_empty();
    for member in &mut change.upserted_members {
        member.wake_mapped = true;
    }
    let mapped: BTreeSet<&UserId> = mapped.iter().collect();
    let out = channel.members.wake_mapped().filter(|user| !mapped.contains(user)).map(|user| (user, false));
    let is_unmapped = |user: &&UserId| channel.members.get(user).is_some_and(|member| !member.wake_mapped);
    let in_now = mapped.iter().copied().filter(is_unmapped).map(|user| (user, true));
    change
        .upserted_members
        .extend(out.chain(in_now).map(|(user, wake_mapped)| Member { user_id: user.clone(), wake_mapped }));
    // New members have it announced already.
    if !change.upserted_members.is_empty() && !has_new {
        change.events.push(row_updated(channel, &change, channel.members.len()));
    }
    Ok(change)
}

/// A member moves another one, or themselves, out of the rotation, or back to its end.
pub fn set_seat(access: Access<'_>, target: &UserId, seat: Seat, moment: &Moment) -> Result<Change, Refusal> {
    access.require_member()?;
    access.channel.require_turn()?;
    if !access.channel.is_member(target) {
        return Err(Refusal::MemberNotFound);
    }
    let user = target.clone();
    Ok(match seat {
        Seat::Order => move_turn(access.channel, &Input::MovedToOrder { user }, None, moment),
        Seat::Bypass => {
            let ack = Ack { cause: AckCause::MovedToBypass, by: user.clone() };
            move_turn(access.channel, &Input::MovedToBypass { user }, Some(ack), moment)
        }
    })
}

/// The channel with these users as members, in the rotation where there is one.
fn with_members(channel: &ChannelAggregate, users: &[UserId], now: Timestamp) -> Change {
    let mut change = Change::default();
    let mut turn = channel.turn.clone();
    let channel_type = channel.channel.channel_type;
    // One may be named twice.
    let mut seen = HashSet::new();
    for user in users.iter().filter(|user| !channel.is_member(user) && seen.insert(*user)) {
        change.upserted_members.push(Member::new(user.clone()));
        change.events.push(Event::MemberJoined { user: user.clone(), channel_type, at: now });
        if let Some(record) = &mut turn {
            let input = Input::MemberAdded { user: user.clone(), seat: Seat::Order };
            // Nobody's turn changes, so there is nothing to be random about.
            record.state.apply(&input, Seed(0));
        }
    }
    if turn != channel.turn {
        change.events.extend(turn.clone().map(Event::TurnUpdated));
        change.turn = turn;
    }
    if !change.upserted_members.is_empty() {
        let member_count = channel.members.len() + change.upserted_members.len();
        change.events.push(row_updated(channel, &change, member_count));
    }
    change
}

/// The channel without this member.
fn without_member(channel: &ChannelAggregate, user: &UserId, moment: &Moment) -> Change {
    let mut change = Change::default();
    if channel.turn.is_some() {
        let mut remaining = channel.clone();
        remaining.members.remove(user);
        let input = Input::MemberRemoved { user: user.clone() };
        let ack = Ack { cause: AckCause::MemberLeft, by: user.clone() };
        change = move_turn(&remaining, &input, Some(ack), moment);
    }
    change.removed_members.push(user.clone());
    let left = Event::MemberLeft {
        user: user.clone(),
        channel_type: channel.channel.channel_type,
        at: moment.now,
        may_read: channel.channel.is_public,
    };
    change.events.insert(0, left);
    change.events.push(row_updated(channel, &change, channel.members.len() - 1));
    change
}

/// How many members there are, and whom the channel wakes, shows in its row: whoever shows it fetches anew.
fn row_updated(before: &ChannelAggregate, change: &Change, member_count: usize) -> Event {
    let channel = change.channel.clone().unwrap_or_else(|| before.channel.clone());
    Event::ChannelUpdated { channel, member_count: member_count as u64 }
}
