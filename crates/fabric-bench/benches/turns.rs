//! A step of a `discuss` channel, by how many members it has: what a write decides and carries forward, and the engine
//! alone.

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use fabric_domain::decisions::{
    Access, Change, ChannelAggregate, CreateChannel, Limits, Moment, Post, channels, messages, turns,
};
use fabric_domain::model::{Active, Author, Caller, ChannelType, Timestamp, UserId, UserKind};
use fabric_domain::rules::command::Command;
use fabric_domain::rules::turn::{Input, Seed, TurnState};

const MEMBERS: [usize; 3] = [10, 1_000, 10_000];

fn users(count: usize) -> Vec<UserId> {
    (0..count).map(|number| UserId::from(format!("019a0000-0000-7000-8000-{number:012}"))).collect()
}

/// Somebody wrote, and so it is the next one's turn.
fn running(count: usize) -> ChannelAggregate {
    let ids = users(count);
    let new = CreateChannel { members: ids.clone(), ..CreateChannel::new("room", ChannelType::Discuss) };
    let new = channels::create(&"guild".into(), "room".into(), &ids[0], new, Timestamp(0));
    let mut channel = ChannelAggregate::from(new);
    post(&mut channel, &ids[0], "hello", 0);
    channel
}

fn moment(step: u64) -> Moment {
    Moment { now: Timestamp(1), seed: Seed(step), message_id: "019a0000-0000-7000-8000-000000000000".into() }
}

fn active(channel: &ChannelAggregate) -> UserId {
    let active = channel.turn.as_ref().and_then(|turn| turn.state.active());
    active.cloned().unwrap_or_else(UserId::system)
}

fn post(channel: &mut ChannelAggregate, user: &UserId, content: &str, step: u64) {
    let author = Author::User(Caller { user_id: user.clone(), kind: UserKind::Agent });
    let post = Post::text(content);
    let posting = messages::Posting {
        post: &post,
        author: &author,
        admin: None,
        active: &Active::default(),
        limits: &Limits::default(),
    };
    carry_forward(channel, &messages::post(channel, posting, &moment(step)).expect("an open channel"));
}

fn pass(channel: &mut ChannelAggregate, step: u64) {
    let user = active(channel);
    let access = Access { channel, user: &user, admin: None };
    let change = turns::command(access, Command::NoReply, None, &moment(step)).expect("a member");
    assert!(change.turn.is_some(), "the speaker may pass");
    carry_forward(channel, &change);
}

fn carry_forward(channel: &mut ChannelAggregate, change: &Change) {
    channel.advance(change, channel.channel.version + 1);
    black_box(change);
}

/// Decided and carried forward: what is between loading a channel and writing it.
fn decisions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decision");
    for count in MEMBERS {
        let channel = running(count);
        let speaker = active(&channel);
        let someone = users(count).pop().unwrap_or_else(UserId::system);
        let mentioned = format!("<@{}> and <@{}>, please", users(count)[1], users(count)[2]);
        for (name, user, text) in [
            ("post by the speaker", &speaker, "hello"),
            ("queue jump", &someone, "hello"),
            ("post that mentions two", &someone, mentioned.as_str()),
        ] {
            group.bench_function(BenchmarkId::new(name, count), |bencher| {
                // What is carried forward is the same channel each time.
                let mut channel = running(count);
                let turn = channel.turn.clone();
                bencher.iter_batched(
                    || turn.clone(),
                    |turn| {
                        channel.turn = turn;
                        post(&mut channel, user, text, 1);
                    },
                    BatchSize::NumIterations(16),
                );
            });
        }
        // Half of them have passed.
        let mut channel = running(count);
        for step in 0..count as u64 / 2 {
            pass(&mut channel, step);
        }
        let turn = channel.turn.clone();
        group.bench_function(BenchmarkId::new("pass after half have passed", count), |bencher| {
            bencher.iter_batched(
                || turn.clone(),
                |turn| {
                    channel.turn = turn;
                    pass(&mut channel, 1);
                },
                BatchSize::NumIterations(16),
            );
        });
    }
    group.finish();
}

/// The engine alone; every round is shuffled once, which costs as much as it has members.
fn engine(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("engine");
    for count in MEMBERS {
        let order = users(count);
        let mut state = TurnState::new(order.clone(), []);
        state.apply(&Input::Message { author: order[0].clone(), mentioned: Vec::new(), turn: None }, Seed(0));
        let mut seed = 0;
        group.bench_function(BenchmarkId::new("message by the speaker, rounds included", count), |bencher| {
            bencher.iter(|| {
                seed += 1;
                let author = state.active().cloned().unwrap_or_else(UserId::system);
                black_box(
                    state.apply(&Input::Message { author, mentioned: Vec::new(), turn: None }, Seed(seed)),
                )
            });
        });
        let mentions =
            Input::Message { author: order[1].clone(), mentioned: order[2..6].to_vec(), turn: None };
        group.bench_function(BenchmarkId::new("mention of four", count), |bencher| {
            let fresh = || state.clone();
            bencher.iter_batched(
                fresh,
                |mut state| {
                    state.apply(&mentions, Seed(1));
                    state
                },
                BatchSize::NumIterations(16),
            );
        });
    }
    group.finish();
}

criterion_group!(steps, decisions, engine);
criterion_main!(steps);
