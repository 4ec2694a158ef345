//! What is no packet.

use std::time::{Duration, Instant};

use actix_socketio::Config as SocketConfig;
use fabric_domain::model::ChannelType;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::{Counts, Stage};
use crate::client::{Options, Wire, connect_all, join_all, masked, message, run_of};
use crate::world::{GLANCE, PATIENCE, node_limits};
use crate::{Outcome, ensure};

pub(super) fn limits() -> SocketConfig {
    let mut config = node_limits();
    config.limits.connect_timeout = Duration::from_secs(6);
    config
}

/// How far a connection gets before it sends what it should not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The websocket is open.
    Open,
    /// The namespace is joined.
    Joined,
}

/// One way of being malformed: a name and the bytes on the connection.
type Kind = (&'static str, Phase, Vec<u8>);

/// Each kind closes the connection that sends it, and leaves one line in the log; those who stand by get a
/// message after every single one.
pub(super) async fn run(stage: &mut Stage) -> Outcome<Counts> {
    let users = stage.users("u", stage.pick(100, 10));
    stage.world.user("mallory");
    let channel = stage.world.channel(ChannelType::Announce, &users).await?;
    let others = connect_all(stage.world.address(), users.iter().cloned(), Options::default()).await?;
    join_all(&others, &channel).await?;
    let mut kinds: Vec<Kind> = engine().chain(socket()).chain(frames()).collect();
    stage.rng.shuffle(&mut kinds);
    let (count, mut problems, mut posts) = (kinds.len() + BODIES.len(), Vec::new(), 0);
    for (name, phase, bytes) in kinds {
        stage.logs.take();
        let sid = match misbehave(stage, phase, &bytes).await {
            Ok(sid) => sid,
            Err(problem) => {
                problems.push(format!("{name}: {problem}"));
                continue;
            }
        };
        problems
            .extend(one_line(stage, &sid, others.len()).await.err().map(|line| format!("{name}: {line}")));
        posts = stage.world.post(&users[0], &channel, "still here").await?;
    }
    for (name, body) in BODIES {
        stage.logs.take();
        match post_body(stage, body).await {
            Ok(sid) => {
                let line = one_line(stage, &sid, others.len()).await;
                problems.extend(line.err().map(|line| format!("{name}: {line}")));
            }
            Err(problem) => problems.push(format!("{name}: {problem}")),
        }
    }
    ensure!(problems.is_empty(), "{}", problems.join("; "));
    for peer in &others {
        peer.journal.until_seq(&channel, posts).await?;
        peer.journal.look(|state| {
            ensure!(state.end.is_none(), "{} was closed, too: {:?}", peer.user, state.end);
            run_of(&peer.user, &state.seqs(&channel), 1, posts)
        })?;
    }
    Ok(vec![("kinds", count), ("others", others.len())])
}

/// Sends the bytes and waits for the end; answers which session it was.
async fn misbehave(stage: &Stage, phase: Phase, bytes: &[u8]) -> Outcome<String> {
    let mut wire = Wire::open(stage.world.address(), None).await?;
    if phase == Phase::Joined {
        wire.enter("mallory").await?;
    }
    // The server may have seen enough before it has read everything.
    let _ = wire.write(bytes).await;
    wire.end(Duration::from_secs(10)).await?;
    Ok(wire.sid.clone())
}

/// Waits until only the others are left; then the log has one line, about this session.
async fn one_line(stage: &Stage, sid: &str, others: usize) -> Outcome {
    let until = Instant::now() + PATIENCE;
    while stage.world.connection_count() != others || stage.world.socket_count() != others {
        ensure!(Instant::now() < until, "{} connections are left", stage.world.connection_count());
        tokio::time::sleep(GLANCE).await;
    }
    let lines = stage.logs.take();
    ensure!(lines.len() == 1 && lines[0].text.contains(sid), "one line was to be logged: {lines:?}");
    Ok(())
}

fn texts<const N: usize>(phase: Phase, texts: [(&'static str, String); N]) -> impl Iterator<Item = Kind> {
    texts.into_iter().map(move |(name, text)| (name, phase, masked(0x81, text.as_bytes())))
}

/// What Engine.IO does not allow.
fn engine() -> impl Iterator<Item = Kind> {
    let same = |text: &'static str| (text, text.to_owned());
    texts(
        Phase::Joined,
        [
            ("an empty message", String::new()),
            same("7"),
            same("x"),
            same("é"),
            same("11"),
            same("2"),
            same("2probe"),
            same("3probe"),
            same("0{}"),
            same("b*"),
            same("bAQID"),
            same("6 "),
        ],
    )
    .chain([("silence", Phase::Open, Vec::new())])
}

/// What Socket.IO does not allow.
fn socket() -> impl Iterator<Item = Kind> {
    let say = |text: &str| message(text);
    let event = |rest: &str| message(&format!("2/realtime,{rest}"));
    let deep = |open: &str| event(&format!("[\"x\",{}", open.repeat(100_000)));
    let joined = texts(
        Phase::Joined,
        [
            ("no type", say("")),
            ("an unknown type", say("7")),
            ("a second CONNECT", say("0/realtime,{\"token\":\"mallory\"}")),
            ("a namespace that was not joined", say("2/other,[\"x\"]")),
            ("a namespace without end", say(&format!("2/{},[\"x\"]", "n".repeat(300)))),
            ("an event for the root", say("2[\"x\"]")),
            ("a CONNECT_ERROR", say("4/realtime,{\"message\":\"x\"}")),
            ("an answer without an id", say("3/realtime,[1]")),
            ("no JSON", event("hello")),
            ("half of JSON", event("[\"x\",{")),
            ("an object for a list", event("{}")),
            ("an empty list", event("[]")),
            ("an object as a name", event("[{}]")),
            ("null as a name", event("[null]")),
            ("text before the list", event("abc[\"x\"]")),
            ("text after the list", event("[\"x\"]abc")),
            ("the name connect", event("[\"connect\"]")),
            ("the name connect_error", event("[\"connect_error\"]")),
            ("the name disconnect", event("[\"disconnect\"]")),
            ("the name disconnecting", event("[\"disconnecting\"]")),
            ("the name newListener", event("[\"newListener\"]")),
            ("the name removeListener", event("[\"removeListener\"]")),
            ("a huge id", event("99999999999999999999[\"x\"]")),
            ("an id past 2^53", event("9007199254740993[\"x\"]")),
            ("100,000 lists in each other", deep("[")),
            ("100,000 objects in each other", deep("{\"a\":")),
            ("too many values", event(&format!("[\"x\"{}]", ",0".repeat(30_000)))),
            ("a million attachments", say("51000000-/realtime,[\"x\"]")),
            ("no attachments", say("50-/realtime,[\"x\"]")),
            ("attachments of no number", say("5-/realtime,[\"x\"]")),
            ("more attachments than allowed", say("511-/realtime,[\"x\"]")),
            ("a placeholder for nothing", say("51-/realtime,[\"x\",{\"_placeholder\":true,\"num\":7}]")),
            (
                "a placeholder of a wrong type",
                say("51-/realtime,[\"x\",{\"_placeholder\":true,\"num\":\"0\"}]"),
            ),
        ],
    );
    let open = texts(
        Phase::Open,
        [
            ("an event before CONNECT", event("[\"x\"]")),
            ("a list as auth", say("0/realtime,[]")),
            ("a text as auth", say("0/realtime,\"token\"")),
            ("auth without end", say("0/realtime,{\"token\":")),
        ],
    );
    let attachment = "51-/realtime,[\"x\",{\"_placeholder\":true,\"num\":0}]";
    let text_for_binary =
        [masked(0x81, message(attachment).as_bytes()), masked(0x81, b"42/realtime,[\"x\"]")];
    joined.chain(open).chain([
        ("bytes that nobody announced", Phase::Joined, masked(0x82, &[1, 2, 3])),
        ("text where bytes were announced", Phase::Joined, text_for_binary.concat()),
    ])
}

/// What a websocket does not allow.
fn frames() -> impl Iterator<Item = Kind> {
    let unmasked = vec![0x81, 0x02, b'4', b'2'];
    let length = |bytes: u64| [&[0x81, 0xff][..], &bytes.to_be_bytes(), &[0; 4]].concat();
    let mut pieces = masked(0x01, b"4");
    for _ in 0..1_100 {
        pieces.extend(masked(0x00, b"2"));
    }
    let big = masked(0x81, format!("42/realtime,[\"x\",\"{}\"]", "y".repeat(1_000_000)).as_bytes());
    [
        ("invalid UTF-8", masked(0x81, b"42/realtime,[\"\xff\"]")),
        ("a frame without a mask", unmasked),
        ("a reserved bit", masked(0xc1, b"3")),
        ("a reserved opcode", masked(0x83, b"3")),
        ("a reserved control opcode", masked(0x8b, b"")),
        ("a ping in pieces", masked(0x09, b"x")),
        ("a ping that is too long", masked(0x89, &[b'x'; 126])),
        ("the end of a message that never began", masked(0x80, b"x")),
        ("a message within another", [masked(0x01, b"4"), masked(0x81, b"3")].concat()),
        ("gigabytes announced", length(1 << 40)),
        ("every bit of the length", length(u64::MAX)),
        ("a message that is too long", big),
        ("a message in too many pieces", pieces),
        ("a close code that does not exist", masked(0x88, &5_u16.to_be_bytes())),
        ("half a close code", masked(0x88, &[3])),
    ]
    .into_iter()
    .map(|(name, bytes)| (name, Phase::Joined, bytes))
}

/// Bodies of a POST that end a polling session.
const BODIES: &[(&str, &[u8])] = &[
    ("a body that is no packet", b"garbage"),
    ("a body of separators", b"\x1e\x1e\x1e"),
    ("a body that is no text", b"4\xff\xfe"),
    ("a body with half a packet", b"42/realtime,[\"x\""),
];

/// A polling session that sends this body; answers its id.
async fn post_body(stage: &Stage, body: &[u8]) -> Outcome<String> {
    let target = "/socket.io/?EIO=4&transport=polling";
    let opened = http(stage, &format!("GET {target}"), b"").await?;
    let (_, rest) = opened.split_once("\"sid\":\"").ok_or_else(|| format!("no session: {opened:?}"))?;
    let sid = rest.split('"').next().unwrap_or_default().to_owned();
    let answer = http(stage, &format!("POST {target}&sid={sid}"), body).await?;
    // What is wrong for Socket.IO only has arrived nevertheless; then the next poll gets a close packet.
    let arrived = answer.contains(" 200 ");
    ensure!(arrived || answer.contains(" 400 "), "it was answered {answer:?}");
    let gone = http(stage, &format!("GET {target}&sid={sid}"), b"").await?;
    let ended = if arrived { gone.ends_with('1') } else { gone.contains(" 400 ") };
    ensure!(ended, "the session lives on: {gone:?}");
    Ok(sid)
}

/// One request on a connection of its own; answers everything that comes back.
async fn http(stage: &Stage, request: &str, body: &[u8]) -> Outcome<String> {
    let mut stream = Wire::dial(stage.world.address(), None).await?;
    let head = format!(
        "{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let failed = |error: std::io::Error| error.to_string();
    stream.write_all(&[head.as_bytes(), body].concat()).await.map_err(failed)?;
    let mut answer = Vec::new();
    let reading = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    reading.map_err(|_| "no answer")?.map_err(failed)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
