// Sockets: transports, who may connect, joining, what the server does by itself.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { DEADLINE_MS, expectStatus, newPeople, request, startServer, stopServer, withDeadline } from "../harness.mjs";
import { closeSockets, decided, Inbox, outcome, rawSocket, reading, Room } from "../sockets.mjs";

let server, alice, bob, carol, dave;

before(async () => {
  server = await startServer();
  [alice, bob, carol, dave] = await newPeople("alice", "bob", "carol", "dave");
});
after(async () => {
  closeSockets();
  await stopServer();
});

for (const [name, transports] of [
  ["default options", undefined],
  ["websocket only", ["websocket"]],
  ["polling only", ["polling"]],
]) {
  test(`the client with ${name} connects, joins and receives`, async () => {
    const channel = await alice.create("general", { members: [bob] });
    const inbox = await Inbox.connect(bob, transports ? { transports } : {});
    const ack = await inbox.join(channel);
    assert.equal(ack.lastSeq, 0);
    const texts = ["plain", "ünïcödé 💬 \u2028 \u001e \u0000".replace("\u0000", ""), "x".repeat(50_000)];
    for (const text of texts) {
      const created = await inbox.delivered(await alice.post(channel, text));
      assert.equal(created.content, text);
      assert.equal(reading(created), "wake:general");
    }
    const { engine } = inbox.socket.io;
    if (name === "default options") {
      const upgraded = new Promise((done) => (engine.transport.name === "websocket" ? done() : engine.once("upgrade", done)));
      await withDeadline(upgraded, "the upgrade to websocket");
      await inbox.delivered(await alice.post(channel, "after the upgrade"));
    }
    assert.equal(engine.transport.name, name === "polling only" ? "polling" : "websocket");
  });
}

test("messages on the way while the client upgrades arrive once and in order", async () => {
  const channel = await alice.create("general", { members: [bob] });
  for (let round = 0; round < 3; round += 1) {
    const { lastSeq } = await alice.get(`/channels/${channel.id}`);
    const inbox = await Inbox.connect(bob);
    await inbox.join(channel, lastSeq);
    for (let n = 0; n < 30; n += 1) await alice.post(channel, `${n}`);
    await inbox.wait("message.created", ({ seq }) => seq === lastSeq + 30);
    const seqs = inbox.messages(channel.id).map(({ seq }) => seq);
    assert.deepEqual(seqs, Array.from({ length: 30 }, (_, n) => lastSeq + 1 + n));
    inbox.close();
  }
});

test("bad, missing and foreign tokens: connect_error invalid_token, never connect and then drop", async () => {
  const auths = {
    "no auth": undefined,
    "an empty auth": {},
    "an empty token": { token: "" },
    "no token at all": { token: 7 },
    nonsense: { token: "nonsense" },
    "a token of Center itself": { token: alice.session.accessToken },
    "a broken signature": { token: `${alice.token.slice(0, -4)}AAAA` },
  };
  for (const [name, auth] of Object.entries(auths)) {
    for (const transports of [["polling", "websocket"], ["websocket"]]) {
      const socket = rawSocket(server, { auth, transports });
      let connected = false;
      socket.on("connect", () => { connected = true; });
      const { error } = await decided(socket);
      assert.equal(error?.data?.error, "invalid_token", `${name}: ${error?.message}`);
      assert.equal(connected, false, name);
      socket.close();
    }
  }
});

test("other namespaces: connect_error Invalid namespace", async () => {
  for (const namespace of ["/", "/other", "/realtime2"]) {
    const { error } = await outcome(rawSocket(server, { namespace, auth: { token: alice.token } }));
    assert.equal(error?.message, "Invalid namespace", namespace);
  }
});

test("join_channel answers lastSeq, and the turn where there is one", async () => {
  const channel = await alice.create("discuss", { members: [bob] });
  await alice.post(channel, "begin");
  const ack = await (await Inbox.connect(bob)).join(channel);
  assert.equal(ack.lastSeq, 1);
  assert.deepEqual(ack.turn, await bob.turn(channel));
  const general = await alice.create("general", { members: [bob] });
  const other = await (await Inbox.connect(bob)).join(general);
  assert.equal(other.lastSeq, 0);
  assert.equal(other.turn ?? null, null);
});

test("join_channel is refused for channels one may not read, as for those that do not exist", async () => {
  const hidden = await alice.create("general", { members: [bob] });
  const inbox = await Inbox.connect(dave);
  const refused = await inbox.ask("join_channel", { channelId: hidden.id });
  const missing = await inbox.ask("join_channel", { channelId: "00000000-0000-7000-8000-000000000000" });
  assert.equal(refused.ok, false);
  assert.match(refused.error, /^[a-z_]+$/);
  assert.deepEqual(refused, missing, "the two are not told apart");
  for (const payload of [{}, { channelId: 7 }, null, "x", { channelId: hidden.id, sinceSeq: "x" }]) {
    const ack = await inbox.ask("join_channel", payload);
    assert.equal(ack.ok, false, JSON.stringify(payload));
  }
  const open = await alice.create("general", { members: [dave] });
  await inbox.join(open);
  await alice.post(hidden, "secret");
  await inbox.delivered(await alice.post(open, "marker"));
  assert.deepEqual(inbox.messages(hidden.id), []);
});

test("sinceSeq: the missed messages follow in order, before anything newer", async () => {
  // Nobody is woken in a report, so nothing is owed, and nothing has a reason to be sent again.
  const channel = await alice.create("report", { members: [bob] });
  for (let n = 1; n <= 25; n += 1) await alice.post(channel, `${n}`);
  const inbox = await Inbox.connect(bob);
  const ack = await inbox.join(channel, 5);
  assert.equal(ack.lastSeq, 25);
  await inbox.delivered(await alice.post(channel, "live"));
  assert.deepEqual(inbox.messages(channel.id).map(({ seq }) => seq), Array.from({ length: 21 }, (_, n) => n + 6));
  const none = await Inbox.connect(bob);
  await none.join(channel);
  await none.delivered(await alice.post(channel, "later"));
  assert.deepEqual(none.messages(channel.id).map(({ seq }) => seq), [27], "without sinceSeq nothing is replayed");
});

test("a new member's socket is in the channel before anything is posted, without asking", async () => {
  const inbox = await Inbox.connect(bob);
  const channel = await alice.create("discuss", { members: [bob] });
  const greeting = await alice.post(channel, `welcome ${bob}`);
  const created = await inbox.delivered(greeting);
  assert.equal(reading(created), "wake:mention");
  const joined = await inbox.wait("channel.joined", ({ channelId }) => channelId === channel.id);
  assert.deepEqual([joined.userId, joined.xType], [bob.id, "discuss"]);
  assert.match(joined.occurredAt, /Z$/);
  const names = inbox.events.filter(({ payload }) => payload.channelId === channel.id).map(({ name }) => name);
  assert.ok(names.indexOf("channel.joined") < names.indexOf("message.created"), `${names}`);
  await inbox.join(channel);
  const next = await alice.post(channel, "once");
  await inbox.delivered(next);
  const marker = await alice.post(channel, "marker");
  await inbox.delivered(marker);
  assert.equal(inbox.count(next), 1, "joining again doubles nothing");
});

test("channel.joined and channel.left reach all sockets of the user, and only where something changed", async () => {
  const channel = await alice.create("general");
  const [one, two, other] = [await Inbox.connect(bob), await Inbox.connect(bob), await Inbox.connect(carol)];
  expectStatus(await alice.act(channel, "members", { userIds: [bob.id] }), 200, 201, 204);
  for (const inbox of [one, two]) await inbox.wait("channel.joined", ({ channelId }) => channelId === channel.id);
  expectStatus(await alice.act(channel, "members", { userIds: [bob.id, carol.id] }), 200, 201, 204);
  await other.wait("channel.joined", ({ channelId }) => channelId === channel.id);
  const first = await alice.post(channel, "to both");
  for (const inbox of [one, two, other]) await inbox.delivered(first);
  expectStatus(await alice.ask("DELETE", `/channels/${channel.id}/members/${bob.id}`), 200, 204);
  for (const inbox of [one, two]) {
    const left = await inbox.wait("channel.left", ({ channelId }) => channelId === channel.id);
    assert.equal(left.userId, bob.id);
  }
  const unseen = await alice.post(channel, "not for bob");
  await other.delivered(unseen);
  expectStatus(await alice.act(channel, "members", { userIds: [bob.id] }), 200, 201, 204);
  const marker = await alice.post(channel, "bob again");
  for (const inbox of [one, two]) {
    await inbox.delivered(marker);
    assert.equal(inbox.count(unseen), 0, "after leaving nothing arrives");
    const joins = inbox.events.filter(({ name, payload }) => name === "channel.joined" && payload.channelId === channel.id);
    assert.equal(joins.length, 2, "adding a member again changes nothing and says nothing");
  }
  await other.delivered(marker);
  const names = other.events.map(({ name }) => name);
  assert.equal(names.includes("channel.left"), false, "membership of others is not our event");
});

test("a public channel: joining makes a member, joining again nothing, leaving ends it", async () => {
  const channel = await alice.create("general", { isPublic: true });
  const inbox = await Inbox.connect(dave);
  for (let n = 0; n < 2; n += 1) expectStatus(await dave.act(channel, "join"), 200, 201, 204);
  await inbox.wait("channel.joined", ({ channelId }) => channelId === channel.id);
  const message = await alice.post(channel, "hello");
  assert.equal(reading(await inbox.delivered(message)), "wake:general");
  expectStatus(await dave.act(channel, "leave"), 200, 204);
  await inbox.wait("channel.left", ({ channelId }) => channelId === channel.id);
  assert.equal(inbox.events.filter(({ name }) => name === "channel.joined").length, 1);
  assert.equal((await dave.get(`/channels/${channel.id}`)).isMember, false);
});

test("leave_channel: nothing more from there until joined again", async () => {
  const channel = await alice.create("general", { isPublic: true });
  const inbox = await Inbox.in(dave, channel);
  await inbox.delivered(await alice.post(channel, "heard"));
  assert.deepEqual(await inbox.ask("leave_channel", { channelId: channel.id }), { ok: true });
  const unheard = await alice.post(channel, "not heard");
  await inbox.join(channel);
  await inbox.delivered(await alice.post(channel, "heard again"));
  assert.equal(inbox.count(unheard), 0);
});

test("every socket of a user gets its own copy", async () => {
  const channel = await alice.create("general", { members: [bob] });
  const inboxes = await Promise.all([Inbox.in(bob, channel), Inbox.in(bob, channel), Inbox.in(alice, channel)]);
  const message = await alice.post(channel, "hello");
  const read = await Promise.all(inboxes.map(async (inbox) => reading(await inbox.delivered(message))));
  assert.deepEqual(read, ["wake:general", "wake:general", "observe"]);
});

test("a speaker who was away when their turn came is woken when they join", async () => {
  const channel = await alice.create("discuss", { members: [bob, carol] });
  const message = await alice.post(channel, "begin");
  const inbox = await Inbox.in(bob, channel);
  assert.equal(reading(await inbox.delivered(message)), "wake:turn");
  const bystander = await Inbox.in(carol, channel);
  await bob.post(channel, "here I am");
  const back = await Inbox.in(bob, channel);
  const marker = await alice.post(channel, "marker");
  await back.delivered(marker);
  await bystander.delivered(marker);
  assert.equal(back.count(message), 0, "what is settled is not sent again");
  assert.equal(bystander.count(message), 0, "nor to anybody else");
});

test("events without an acknowledgement, and unknown ones, do no harm", async () => {
  const channel = await alice.create("general", { members: [bob] });
  const inbox = await Inbox.in(bob, channel);
  inbox.socket.emit("no_such_event", { a: 1 });
  inbox.socket.emit("join_channel", { channelId: channel.id });
  inbox.socket.emit("join_channel");
  inbox.socket.emit("message.post", { channelId: channel.id });
  await inbox.delivered(await alice.post(channel, "still here"));
  assert.equal(inbox.socket.connected, true);
});

test("typing is seen by the others in the channel", async () => {
  const channel = await alice.create("general", { members: [bob, carol] });
  const room = await Room.open(channel, [alice, bob, carol]);
  room.of(alice).socket.emit("typing", { channelId: channel.id, typing: true });
  for (const person of [bob, carol]) {
    const typing = await room.of(person).wait("typing", ({ channelId }) => channelId === channel.id);
    assert.deepEqual([typing.userId, typing.typing], [alice.id, true]);
  }
  const marker = await bob.post(channel, "marker");
  await room.of(alice).delivered(marker);
  assert.equal(room.of(alice).events.some(({ name }) => name === "typing"), false, "not by its author");
});

test("presence is pushed to the guild, over either way of setting it", async () => {
  const watching = await Inbox.connect(carol);
  expectStatus(await bob.ask("PUT", `/agents/${bob.id}/presence`, { status: "busy", source: "e2e" }), 200, 204);
  await watching.wait("presence", ({ userId, status }) => userId === bob.id && status === "busy");
  const inbox = await Inbox.connect(bob);
  await inbox.ask("presence", { status: "on_call" });
  const pushed = await watching.wait("presence", ({ userId, status }) => userId === bob.id && status === "on_call");
  assert.equal(pushed.online, true);
  assert.equal((await carol.get(`/agents/${bob.id}/presence`)).status, "on_call");
});

test("a malformed packet closes that socket and no other", async () => {
  const channel = await alice.create("general", { members: [bob] });
  const healthy = await Inbox.in(bob, channel);
  const sick = await Inbox.connect(bob, { transports: ["websocket"] });
  const gone = new Promise((done) => sick.socket.once("disconnect", done));
  sick.socket.io.engine.write("2/realtime,{broken");
  await withDeadline(gone, "the socket to be closed", DEADLINE_MS);
  await healthy.delivered(await alice.post(channel, "still here"));
});

test("the Engine.IO handshake says what the protocol says", async () => {
  const answer = await fetch(`${server.guildUrl}/socket.io/?EIO=4&transport=polling`);
  const text = await answer.text();
  assert.equal(answer.status, 200);
  const open = JSON.parse(text.slice(1));
  assert.equal(text[0], "0");
  assert.deepEqual(open.upgrades, ["websocket"]);
  assert.ok(open.sid && open.pingInterval > 0 && open.pingTimeout > 0 && open.maxPayload > 0);
  const { status } = await request(server.guildUrl, "GET", "/healthz");
  assert.equal(status, 200);
});
