//! The rules and the codec, one step of each; turns are in `turns.rs`.

use std::collections::BTreeSet;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fabric_domain::model::{Author, Caller, ChannelType, Member, Members, UserId, UserKind};
use fabric_domain::rules::delivery::{Delivered, plan};
use fabric_domain::rules::mention;
use fabric_domain::rules::turn::TurnState;
use serde_json::json;
use socketio_proto::Outgoing;
use socketio_proto::packet::{Decoder, EnginePacket, Packet};

fn users(count: usize) -> Vec<UserId> {
    (0..count).map(|number| UserId::from(format!("019a0000-0000-7000-8000-{number:012}"))).collect()
}

fn delivery(criterion: &mut Criterion) {
    let ids = users(1_000);
    let members: Members = ids.iter().cloned().map(Member::new).collect();
    let nobody = BTreeSet::new();
    let author = Author::User(Caller { user_id: ids[0].clone(), kind: UserKind::Human });
    let turn = TurnState::new(ids.clone(), []);
    for (channel_type, mentions) in
        [(ChannelType::General, 0), (ChannelType::General, 10), (ChannelType::Discuss, 0)]
    {
        let message = Delivered {
            channel_type,
            author: &author,
            mentions: &ids[1..=mentions],
            turn: channel_type.has_turns().then_some(&turn),
            is_ack: false,
            admin: None,
            members: &members,
            busy: &nobody,
        };
        let name = format!("delivery plan/{channel_type}, {mentions} mentions, 1,000 members");
        criterion.bench_function(&name, |bencher| bencher.iter(|| plan(black_box(&message))));
    }
}

fn mentions(criterion: &mut Criterion) {
    let plain = "Nothing but words, and a few signs: a < b, `code`, an @ or two. ".repeat(16);
    let tokens: Vec<_> =
        users(20).iter().map(|user| format!("<@{user}> look at `<@this>` please. ")).collect();
    let tokens = tokens.concat();
    let mut group = criterion.benchmark_group("mentions");
    for (name, text) in [("none", &plain), ("twenty", &tokens)] {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |bencher| bencher.iter(|| mention::parse(black_box(text))));
    }
    group.finish();
}

fn packets(criterion: &mut Criterion) {
    let payload = json!({
        "id": "019a0000-0000-7000-8000-000000000000", "channelId": "019a0000-0000-7000-8000-000000000001",
        "guildId": "fabric", "seq": 17, "authorUserId": "019a0000-0000-7000-8000-000000000002",
        "content": "a message of an ordinary length, say.", "mentions": [], "attachments": [],
        "replyTo": null, "createdAt": "2026-01-01T00:00:00.000Z", "editedAt": null, "deletedAt": null,
        "ack": null, "xType": "general", "wakeup": true, "wake": { "reason": "general", "hop": 0 }
    });
    criterion.bench_function("packet/encode an event for all", |bencher| {
        bencher.iter(|| Outgoing::event("/realtime", "message.created", black_box(&payload)));
    });
    let event = Packet::Event {
        namespace: "/realtime".into(),
        ack: Some(1),
        name: "message.post".into(),
        args: vec![json!({ "channelId": "019a0000-0000-7000-8000-000000000001", "content": "hello" })],
        attachments: Vec::new(),
    };
    criterion
        .bench_function("packet/encode a request", |bencher| bencher.iter(|| black_box(&event).encode()));
    let text = event.encode().map(|encoded| EnginePacket::Message(encoded.text).encode()).unwrap_or_default();
    criterion.bench_function("packet/decode a request", |bencher| {
        let mut decoder = Decoder::default();
        bencher.iter(|| match EnginePacket::decode(black_box(&text)) {
            Ok(EnginePacket::Message(text)) => decoder.text(&text).is_ok(),
            _ => false,
        });
    });
    let hostile = format!("42/realtime,[\"x\",{}", "[".repeat(100_000));
    criterion.bench_function("packet/refuse 100,000 lists in each other", |bencher| {
        bencher.iter(|| Decoder::new(10, 1_000_000).with_max_values(20_000).text(black_box(&hostile[1..])));
    });
}

criterion_group!(rules, delivery, mentions, packets);
criterion_main!(rules);
