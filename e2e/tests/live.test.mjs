// What clients say over the socket: typing, presence, and posting.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { expectStatus, newPeople, startServer, stopServer } from "../harness.mjs";
import { closeSockets, Inbox, reading, Room } from "../sockets.mjs";

let alice, bob, carol, dave;

before(async () => {
  await startServer();
  [alice, bob, carol, dave] = await newPeople("alice", "bob", "carol", "dave");
});
after(async () => {
  closeSockets();
  await stopServer();
});

const typings = (inbox, channel) =>
  inbox.events.filter(({ name, payload }) => name === "typing" && payload.channelId === channel.id).map(({ payload }) => payload);
const isTyping = (person, typing) => (payload) => payload.userId === person.id && payload.typing === typing;

test("typing reaches the others in the channel, all of their sockets, and none of the author's", async () => {
  const channel = await alice.create("general", { members: [bob, carol] });
  const room = await Room.open(channel, [alice, bob, carol]);
  const [second, elsewhere] = [await Inbox.in(alice, channel), await Inbox.in(bob, channel)];
  for (const typing of [true, false]) {
    assert.equal((await room.of(alice).ask("typing", { channelId: channel.id, typing })).ok, true);
    for (const inbox of [room.of(bob), room.of(carol), elsewhere]) {
      const payload = await inbox.wait("typing", isTyping(alice, typing));
      assert.deepEqual(payload, { channelId: channel.id, userId: alice.id, typing });
    }
  }
  const marker = await bob.post(channel, "marker");
  for (const inbox of [room.of(alice), second]) {
    await inbox.delivered(marker);
    assert.deepEqual(typings(inbox, channel), []);
  }
});

test("typing in a channel that one has not joined reaches nobody", async () => {
  const open = await alice.create("general", { members: [bob], isPublic: true });
  const hidden = await alice.create("general", { members: [bob] });
  const inbox = await Inbox.in(bob, open, hidden);
  const guest = await Inbox.connect(dave);
  for (const channel of [open, hidden]) await guest.ask("typing", { channelId: channel.id, typing: true });
  await guest.ask("typing", { channelId: randomUUID(), typing: true });
  for (const channel of [open, hidden]) {
    await inbox.delivered(await alice.post(channel, "marker"));
    assert.deepEqual(typings(inbox, channel), []);
  }
});

test("typing is throttled: who says it all the time is heard now and then, and stopping is heard at once", async () => {
  const channel = await alice.create("general", { members: [bob] });
  const room = await Room.open(channel, [alice, bob]);
  const say = (typing) => room.of(alice).ask("typing", { channelId: channel.id, typing });
  const began = Date.now();
  for (let n = 0; n < 100; n += 1) assert.equal((await say(true)).ok, true);
  await say(false);
  await room.of(bob).wait("typing", isTyping(alice, false));
  const seconds = (Date.now() - began) / 1_000;
  const heard = typings(room.of(bob), channel).filter(({ typing }) => typing);
  assert.ok(heard.length >= 1 && heard.length <= 2 + seconds, `${heard.length} in ${seconds} s`);
});

test("typing that is not said again expires after six seconds, and saying it again makes it last", async () => {
  const [quick, lasting] = [await alice.create("general", { members: [bob] }), await alice.create("general", { members: [bob] })];
  const [author, inbox] = [await Inbox.in(alice, quick, lasting), await Inbox.in(bob, quick, lasting)];
  const ended = new Map();
  inbox.socket.on("typing", ({ channelId, typing }) => { if (!typing) ended.set(channelId, Date.now()); });
  const said = [];
  const say = async () => {
    const one = { sent: Date.now() };
    said.push(one);
    await author.ask("typing", { channelId: lasting.id, typing: true });
    one.acked = Date.now();
  };
  const start = Date.now();
  await author.ask("typing", { channelId: quick.id, typing: true });
  await say();
  const again = setInterval(() => say().catch(() => {}), 1_000);
  const ends = (channel) => inbox.wait("typing", ({ channelId, typing }) => channelId === channel.id && !typing, "the end of typing");
  await ends(quick).finally(() => clearInterval(again));
  // Where the machine stood still it may have been said too late.
  const gaps = said.map(({ sent }, n) => (said[n + 1]?.acked ?? Date.now()) - sent);
  if (Math.max(...gaps) < 5_500) assert.equal(ended.has(lasting.id), false, "it was said again");
  const lasted = ended.get(quick.id) - start;
  assert.ok(lasted >= 5_900 && lasted < 25_000, `${lasted} ms`);
});

test("presence over the socket has the effect of the PUT, and its answer", async () => {
  const inbox = await Inbox.connect(bob);
  const watching = await Inbox.connect(carol);
  for (const status of ["idle", "on_call", "busy", "exhausted", "offline", "unknown"]) {
    const ack = await inbox.ask("presence", { status, source: "e2e" });
    const stored = await carol.get(`/agents/${bob.id}/presence`);
    assert.deepEqual(ack, stored);
    assert.deepEqual([stored.status, stored.source, stored.online], [status, "e2e", true]);
    const pushed = await watching.wait("presence", (payload) => payload.userId === bob.id && payload.status === status);
    assert.deepEqual(pushed, { userId: bob.id, status, online: true });
  }
  const announce = await alice.create("announce", { members: [bob, carol] });
  await inbox.ask("presence", { status: "busy" });
  const unheard = await alice.post(announce, "cake");
  await watching.delivered(unheard);
  await inbox.ask("presence", { status: "idle" });
  await inbox.delivered(await alice.post(announce, "more cake"));
  assert.equal(inbox.count(unheard), 0, "the busy are skipped, however they said so");
});

test("presence over the socket is refused as the PUT is", async () => {
  const inbox = await Inbox.connect(bob);
  for (const payload of [{}, { status: "asleep" }, { status: 7 }, { status: null }]) {
    const { requestId, ...refusal } = await inbox.ask("presence", payload);
    const answer = await bob.ask("PUT", `/agents/${bob.id}/presence`, payload);
    const { requestId: other, ...expected } = answer.body;
    assert.equal(answer.status, 400, answer.text);
    assert.deepEqual(refusal, expected, JSON.stringify(payload));
    assert.ok(requestId && other);
  }
  for (const payload of [null, "idle", ["idle"]]) {
    const { statusCode } = await inbox.ask("presence", payload);
    assert.equal(statusCode, 400, JSON.stringify(payload));
  }
});

test("online: with the first socket of a user, until the last one ends", async () => {
  const [erin] = await newPeople("erin");
  const watching = await Inbox.connect(carol);
  const ofErin = () => watching.events.filter(({ name, payload }) => name === "presence" && payload.userId === erin.id).map(({ payload }) => payload.online);
  const isOnline = async () => (await carol.get("/presence")).find(({ userId }) => userId === erin.id)?.online ?? false;
  const marker = async (status) => {
    expectStatus(await bob.ask("PUT", `/agents/${bob.id}/presence`, { status }), 200);
    await watching.wait("presence", (payload) => payload.userId === bob.id && payload.status === status);
  };
  assert.equal(await isOnline(), false);
  const first = await Inbox.connect(erin);
  await watching.wait("presence", ({ userId, online }) => userId === erin.id && online);
  assert.equal((await carol.get(`/agents/${erin.id}/presence`)).online, true);
  const second = await Inbox.connect(erin);
  first.close();
  await marker("busy");
  assert.deepEqual(ofErin(), [true], "the second socket, and the end of one of two, change nothing");
  second.close();
  await watching.wait("presence", ({ userId, online }) => userId === erin.id && !online);
  assert.equal((await carol.get(`/agents/${erin.id}/presence`)).online, false);
  assert.deepEqual(ofErin(), [true, false]);
});

test("message.post answers what the POST answers, and does the same", async () => {
  const channel = await alice.create("general", { members: [bob] });
  const room = await Room.open(channel, [alice, bob]);
  const posted = await room.of(alice).ask("message.post", { channelId: channel.id, content: `hello ${bob} ünïcödé 💬` });
  assert.deepEqual(posted, await bob.get(`/channels/${channel.id}/messages/${posted.id}`));
  assert.equal(reading(await room.of(bob).delivered(posted)), "wake:mention");
  const reply = await room.of(bob).ask("message.post", { channelId: channel.id, content: "hi", replyTo: posted.id });
  assert.equal(reply.replyTo, posted.id);
  assert.equal(reply.seq, posted.seq + 1);
  const { id, seq, createdAt, content, ...rest } = await alice.post(channel, "by REST");
  const { id: id2, seq: seq2, createdAt: at2, content: content2, ...same } = await room.of(alice).ask("message.post", { channelId: channel.id, content: "by socket" });
  assert.deepEqual(rest, same, "the same fields");
  assert.ok(id !== id2 && seq2 === seq + 1 && at2 >= createdAt && content !== content2);
});

test("message.post takes commands as the POST does", async () => {
  const channel = await alice.create("discuss", { members: [bob, carol] });
  const room = await Room.open(channel, [alice, bob, carol]);
  await room.wakes(await alice.post(channel, "begin"), bob);
  const refused = await room.of(carol).ask("message.post", { channelId: channel.id, content: "/no-reply" });
  assert.deepEqual(refused, { accepted: false, reason: "not_current_speaker" });
  const passed = await room.of(bob).ask("message.post", { channelId: channel.id, content: "/no-reply" });
  assert.equal(passed.accepted, true);
  assert.deepEqual(passed.ack.ack, { command: "/no-reply", byUserId: bob.id });
  await room.wakes(passed.ack, carol);
});

test("message.post is refused as the POST is, error by error", async () => {
  const channel = await alice.create("general", { members: [bob] });
  const closed = await alice.create("general", { members: [bob] });
  expectStatus(await alice.act(closed, "close"), 200, 204);
  const hidden = await alice.create("general");
  const elsewhere = await alice.post(hidden, "elsewhere");
  const inbox = await Inbox.connect(bob);
  const cases = [
    [channel, {}],
    [channel, { content: "" }],
    [channel, { content: "   " }],
    [channel, { content: 7 }],
    [channel, { content: "x", replyTo: 7 }],
    [channel, { content: "x", replyTo: elsewhere.id }],
    [channel, { content: "x", attachmentIds: ["no-such-file"] }],
    [channel, { content: ["x"], replyTo: {}, wakeupUserId: 3 }],
    [closed, { content: "too late" }],
    [hidden, { content: "who is there?" }],
    [{ id: randomUUID() }, { content: "where is that?" }],
  ];
  for (const [where, body] of cases) {
    const { requestId, ...refusal } = await inbox.ask("message.post", { channelId: where.id, ...body });
    const answer = await bob.ask("POST", `/channels/${where.id}/messages`, body);
    const { requestId: other, ...expected } = answer.body;
    assert.ok(answer.status >= 400, answer.text);
    assert.deepEqual(refusal, expected, JSON.stringify(body));
    assert.ok(requestId && other);
  }
  for (const payload of [null, "text", [], { content: "where?" }, { channelId: 7, content: "x" }]) {
    const { statusCode, error } = await inbox.ask("message.post", payload);
    assert.equal(statusCode, 400, JSON.stringify(payload));
    assert.match(error, /^[a-z_]+$/);
  }
  assert.equal((await alice.get(`/channels/${channel.id}`)).lastSeq, 0, "nothing was stored");
});

test("message.post with an idempotency key: once, over whichever way it is tried again", async () => {
  const channel = await alice.create("general", { members: [bob] });
  const [inbox, other, author] = [await Inbox.in(bob, channel), await Inbox.in(alice, channel), await Inbox.in(alice, channel)];
  const idempotencyKey = randomUUID();
  const post = { channelId: channel.id, content: "once", idempotencyKey };
  const answers = await Promise.all([author, author, other, author, other].map((socket) => socket.ask("message.post", post)));
  const byRest = await alice.ask("POST", `/channels/${channel.id}/messages`, { content: "once" }, { "idempotency-key": idempotencyKey });
  for (const answer of [...answers, byRest.body]) assert.deepEqual(answer, answers[0]);
  const misused = await author.ask("message.post", { ...post, content: "something else" });
  assert.deepEqual([misused.statusCode, misused.error], [422, "idempotency_key_reused"]);
  const ofBob = await inbox.ask("message.post", post);
  assert.notEqual(ofBob.id, answers[0].id, "a key is the caller's own");
  for (const key of ["", "k".repeat(256)]) {
    const refused = await author.ask("message.post", { ...post, idempotencyKey: key });
    assert.equal(refused.statusCode, 400, `a key of ${key.length} characters`);
  }
  await inbox.delivered(ofBob);
  assert.deepEqual(inbox.messages(channel.id).map(({ id }) => id), [answers[0].id, ofBob.id]);
});

test("messages posted over one socket are stored in the order in which they were sent", async () => {
  const channel = await alice.create("general", { members: [bob] });
  const [author, inbox] = [await Inbox.in(alice, channel), await Inbox.in(bob, channel)];
  const answers = await Promise.all(Array.from({ length: 40 }, (_, n) => author.ask("message.post", { channelId: channel.id, content: `${n}` })));
  assert.deepEqual(answers.map(({ seq }) => seq), answers.map((_, n) => n + 1));
  await inbox.delivered(answers.at(-1));
  assert.deepEqual(inbox.messages(channel.id).map(({ content }) => content), answers.map((_, n) => `${n}`));
});
