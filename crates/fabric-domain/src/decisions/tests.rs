//! Decisions without a store: what is loaded, decided and written is all in one value.

use super::messages::{Posting, delete, edit};
use super::{
    Access, Change, ChannelAggregate, CreateChannel, Event, Limits, Moment, Post, channels, members,
    messages, once, turns,
};
use crate::model::{
    Active, Author, Caller, ChannelType, CommandOutcome, FileId, IdempotencySlot, Member, Message,
    PostOutcome, PriorAnswer, Refusal, Timestamp, UserId, UserKind, WakeReason,
};
use crate::rules::command::Command;
use crate::rules::turn::{Seat, Seed};

fn user(id: &str) -> UserId {
    UserId::new(id)
}

fn person(id: &str) -> Author {
    Author::User(Caller { user_id: user(id), kind: UserKind::Human })
}

fn moment(now: i64) -> Moment {
    Moment { now: Timestamp(now), seed: Seed(7), message_id: format!("m{now}").into() }
}

/// A channel that alice made, with bob as a member and root as the admin.
struct Room(ChannelAggregate);

impl Room {
    fn new(channel_type: ChannelType) -> Self {
        let mut new = CreateChannel::new("room", channel_type);
        new.members = vec![user("bob")];
        let new = channels::create(&"guild".into(), "c".into(), &user("alice"), new, Timestamp(0));
        Self(new.into())
    }

    fn access<'a>(&'a self, user: &'a UserId, admin: &'a UserId) -> Access<'a> {
        Access { channel: &self.0, user, admin: Some(admin) }
    }

    /// What a store does with a change, as far as these tests need it.
    fn write(&mut self, change: &Change) {
        let channel = &mut self.0;
        channel.advance(change, channel.channel.version + 1);
        let message = change.new_message.as_ref().or(change.updated_message.as_ref());
        channel.message = message.cloned().or(channel.message.take());
    }

    fn try_post(&self, author: &Author, post: &Post, now: i64) -> Result<Change, Refusal> {
        let (active, limits) = (&Active::default(), &Limits::default());
        let posting = Posting { post, author, admin: None, active, limits };
        messages::post(&self.0, posting, &moment(now))
    }

    fn post(&mut self, author: &str, content: &str, now: i64) -> Change {
        let change = self.try_post(&person(author), &Post::text(content), now).expect("posted");
        self.write(&change);
        change
    }
}

fn woken(room: &Room, change: &Change) -> Vec<(String, WakeReason)> {
    let plans = change.events.iter().filter_map(|event| match event {
        Event::MessageCreated { plan, .. } => Some(plan),
        _ => None,
    });
    plans
        .flat_map(|plan| plan.woken(&room.0.members))
        .map(|(user, reason)| (user.to_string(), reason))
        .collect()
}

#[test]
fn a_post_moves_the_turn_and_remembers_which_message_woke_the_speaker() {
    let mut room = Room::new(ChannelType::Discuss);
    let change = room.post("alice", "hello", 1_000);
    assert_eq!(woken(&room, &change), [("bob".to_owned(), WakeReason::Turn)]);
    let turn = room.0.turn.as_ref().expect("a turn");
    assert_eq!((turn.state.active(), turn.since), (Some(&user("bob")), Some(Timestamp(1_000))));
    assert_eq!(turn.wake_seq, Some(room.0.channel.last_seq));
    assert_eq!(turn.deadline, Some(Timestamp(1_000).plus_seconds(900)));
    assert!(matches!(change.events.as_slice(), [Event::MessageCreated { .. }, Event::TurnUpdated(_)]));
}

#[test]
fn a_typed_command_and_a_called_one_do_the_same() {
    let mut room = Room::new(ChannelType::Discuss);
    room.post("alice", "hello", 1_000);
    let bob = user("bob");
    let called = turns::command(room.access(&bob, &user("root")), Command::NoReply, None, &moment(2_000));
    let typed = room.try_post(&person("bob"), &Post::text("/no-reply nothing to add"), 2_000);
    assert_eq!(called, typed);
    let outcome = typed.expect("accepted").outcome;
    assert!(matches!(outcome, Some(PostOutcome::Command(CommandOutcome::Accepted { .. }))));
    let too_soon = room.try_post(&person("alice"), &Post::text("/no-reply"), 2_000).expect("answered");
    assert!(too_soon.is_silent(), "a command without effect writes nothing");
}

#[test]
fn a_turn_expires_at_its_deadline_and_not_before() {
    let mut room = Room::new(ChannelType::Work);
    room.post("alice", "hello", 0);
    assert_eq!(turns::expire(&room.0, &moment(899_999)), Change::default());
    let change = turns::expire(&room.0, &moment(900_000));
    assert_eq!(change.new_message.as_ref().map(|ack| ack.content.as_str()), Some("/ack"));
    room.0.channel.closed = true;
    assert_eq!(turns::expire(&room.0, &moment(900_000)), Change::default(), "closed is read-only");
}

#[test]
fn a_request_is_carried_out_once_and_its_key_stands_for_no_other() {
    let mut room = Room::new(ChannelType::General);
    let slot = |fingerprint: &str| IdempotencySlot {
        caller: user("alice"),
        route: "POST".to_owned(),
        key: "key".to_owned(),
        fingerprint: fingerprint.to_owned(),
    };
    let first = room.post("alice", "hello", 0);
    let outcome = first.outcome.expect("an answer");
    room.0.prior = Some(PriorAnswer { fingerprint: "one".to_owned(), outcome: outcome.clone() });
    let never = || -> Result<Change, Refusal> { panic!("decided again") };
    let again = once(&room.0, Some(&slot("one")), never).expect("the same answer");
    assert!(again.is_silent());
    assert_eq!(again.outcome, Some(outcome));
    assert_eq!(once(&room.0, Some(&slot("other")), never), Err(Refusal::IdempotencyKeyReused));
    assert_eq!(once(&room.0, None, || Ok(Change::default())), Ok(Change::default()));
}

#[test]
fn a_message_is_edited_within_its_window_and_deleted_with_or_without_its_text() {
    let mut room = Room::new(ChannelType::General);
    room.post("bob", "hello", 0);
    let (alice, bob, admin) = (user("alice"), user("bob"), user("root"));
    let limits = Limits::default();
    let try_edit = |user: &UserId, content: &str, now| {
        edit(room.access(user, &admin), content, &limits, Timestamp(now)).map_err(|refusal| refusal.code())
    };
    assert_eq!(try_edit(&alice, "hi", 1), Err("not_message_author"));
    assert_eq!(try_edit(&bob, " ", 1), Err("validation_failed"));
    assert_eq!(try_edit(&bob, "hi", 900_001), Err("edit_window_expired"));
    assert_eq!(try_edit(&bob, "hello", 900_000), Ok(Change::default()), "nothing to change");
    let edited = try_edit(&bob, "hi", 900_000).expect("edited");
    assert_eq!(edited.revision.map(|revision| revision.content).as_deref(), Some("hello"));
    for (retention_days, is_kept) in [(30, true), (0, false)] {
        let limits = Limits { retention_days, ..limits };
        let deleted = delete(room.access(&alice, &admin), &limits, Timestamp(5)).expect("the creator may");
        assert_eq!(deleted.revision.is_some(), is_kept);
        let tombstone = deleted.updated_message.expect("a tombstone");
        assert!(
            matches!(tombstone, Message { deleted_at: Some(Timestamp(5)), .. })
                && tombstone.content.is_empty()
        );
    }
}

#[test]
fn who_may_decide_what() {
    type Decision = fn(Access<'_>) -> Result<Change, Refusal>;
    let decisions: [(&str, Decision); 8] = [
        ("join", |access| members::join(access, Timestamp(1))),
        ("leave", |access| members::leave(access, &moment(1))),
        ("add", |access| members::add(access, &["carol".into()], Timestamp(1))),
        ("remove another", |access| members::remove(access, &"bob".into(), &moment(1))),
        ("change a seat", |access| members::set_seat(access, &"bob".into(), Seat::Bypass, &moment(1))),
        ("close", |access| channels::close(access)),
        ("reopen", |access| channels::reopen(access, &moment(1))),
        ("pass", |access| turns::command(access, Command::NoReply, None, &moment(1))),
    ];
    let hidden = "channel_not_found";
    let codes = |channel_type, is_public, who: &str| {
        let mut room = Room::new(channel_type);
        room.0.channel.is_public = is_public;
        decisions.map(|(_, decide)| {
            let (who, admin) = (user(who), user("root"));
            decide(room.access(&who, &admin)).err().map_or("ok", |refusal| refusal.code())
        })
    };
    let (member, owner) = ("not_a_member", "not_channel_owner");
    for (is_public, who, expected) in [
        (false, "alice", ["ok"; 8]),
        (false, "bob", ["ok", "ok", "ok", "ok", "ok", "ok", owner, "ok"]),
        (false, "eve", [hidden; 8]),
        (true, "eve", ["ok", member, member, owner, member, "ok", owner, "ok"]),
        (false, "root", [hidden, hidden, hidden, "ok", hidden, "ok", "ok", hidden]),
    ] {
        assert_eq!(codes(ChannelType::Discuss, is_public, who), expected, "{who}, public: {is_public}");
    }
    // The admin reads every triage, and so learns why not.
    let no_turns = "turns_not_supported";
    assert_eq!(
        codes(ChannelType::Triage, false, "root"),
        [member, member, member, "ok", member, "ok", "ok", member]
    );
    assert_eq!(
        codes(ChannelType::Triage, false, "alice"),
        ["ok", "ok", "ok", "ok", no_turns, "ok", "ok", no_turns]
    );
}

#[test]
fn files_are_named_once_and_only_where_there_could_be_one() {
    let post = |ids: &[&str]| Post { attachments: ids.iter().map(FileId::new).collect(), ..Post::default() };
    let check = |ids: &[&str]| post(ids).check(&Limits::default());
    assert_eq!(check(&["f1", "f2"]), Ok(()));
    for ids in [&["f1", "f1"][..], &["no id"], &[""], &["x"; 11]] {
        assert!(matches!(check(ids), Err(Refusal::Invalid(_))), "{ids:?}");
    }
    assert!(matches!(Post::text(" ").check(&Limits::default()), Err(Refusal::Invalid(_))));
}

/// Whoever keeps an aggregate carries it forward by this instead of loading it again.
#[test]
fn an_aggregate_after_a_change_is_what_the_next_write_would_load() {
    let mut channel = Room::new(ChannelType::Custom);
    let (alice, root) = (user("alice"), user("root"));
    let version = channel.0.channel.version;
    let added = members::add(channel.access(&alice, &root), &[user("eve"), user("eve")], Timestamp(1));
    channel.write(&added.expect("added"));
    let mapped = members::set_wake_mapping(channel.access(&alice, &root), &[user("bob")], Timestamp(2));
    channel.write(&mapped.expect("mapped"));
    let left = members::leave(channel.access(&alice, &root), &moment(3)).expect("left");
    assert!(matches!(left.events.last(), Some(Event::ChannelUpdated { member_count: 2, .. })));
    channel.write(&left);
    let bob = Member { wake_mapped: true, ..Member::new(user("bob")) };
    assert_eq!(channel.0.members, [bob, Member::new(user("eve"))].into());
    assert_eq!(channel.0.channel.version, version + 3);
}
