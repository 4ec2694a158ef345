// Posting, reading, editing, deleting, and posting the same thing twice.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import {
  eventually, expectError, expectStatus, newPeople, request, startServer, stopServer, systemPost, SYSTEM_USER,
} from "../harness.mjs";
import { closeSockets, Inbox, Room } from "../sockets.mjs";

let alice, bob, carol;

before(async () => {
  await startServer();
  [alice, bob, carol] = await newPeople("alice", "bob", "carol");
});
after(async () => {
  closeSockets();
  await stopServer();
});

const general = (options = {}) => alice.create("general", { members: [bob], ...options });
const messagesOf = (channel, query = "") => `/channels/${channel.id}/messages${query}`;

test("a message has every field, and GET gives what POST gave", async () => {
  const channel = await general();
  const first = await alice.post(channel, `hi ${bob} and ${bob} and <@nobody>`);
  const { id, createdAt, ...rest } = first;
  assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-/, "a UUIDv7");
  assert.match(createdAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.deepEqual(rest, {
    channelId: channel.id, guildId: channel.guildId, seq: 1, authorUserId: alice.id,
    content: `hi ${bob} and ${bob} and <@nobody>`, mentions: [bob.id, "nobody"], attachments: [],
    replyTo: null, editedAt: null, deletedAt: null, ack: null,
  });
  assert.deepEqual(await bob.get(messagesOf(channel, `/${id}`)), first);
  const reply = await bob.post(channel, "hi", { replyTo: id });
  assert.deepEqual([reply.seq, reply.replyTo], [2, id]);
  assert.equal((await alice.get(`/channels/${channel.id}`)).lastSeq, 2);
});

test("mentions in code are text", async () => {
  const channel = await general();
  for (const [content, mentions] of [
    [`\`${bob}\` ${alice}`, [alice.id]],
    [`\`\`\`\n${bob}\n\`\`\``, []],
    [`${alice} \`unclosed ${bob}`, [alice.id, bob.id]],
    [`\`\`${bob}\` ${alice}\`\``, []],
    [`\`\`\`js\n${bob}\n\n${bob}`, []],
  ]) {
    assert.deepEqual((await alice.post(channel, content)).mentions, mentions, content);
  }
});

test("names are translated to ids before anything is stored; unknown ones stay as typed", async () => {
  const channel = await general();
  // As typed while Center does not answer in time.
  const post = () => alice.post(channel, `<@user.name:${bob.email}> <@user.name:nobody at all>`);
  const message = await eventually("Center to know the name", post, ({ mentions }) => mentions.length > 0);
  assert.equal(message.content, `${bob} <@user.name:nobody at all>`);
  assert.ok(message.mentions.includes(bob.id));
  const code = await alice.post(channel, `\`<@user.name:${bob.email}>\``);
  assert.equal(code.content, `\`<@user.name:${bob.email}>\``);
});

test("replyTo must be a message of this channel", async () => {
  const [here, there] = [await general(), await general()];
  const elsewhere = await alice.post(there, "over there");
  for (const replyTo of [elsewhere.id, randomUUID()]) {
    expectError(await alice.ask("POST", messagesOf(here), { content: "re", replyTo }), 400);
  }
});

test("bad posts are refused with every bad field", async () => {
  const channel = await general();
  for (const body of [{}, { content: 5 }, { content: "" }, { content: "   " }, [], "{", { content: "x", replyTo: 7 }]) {
    expectError(await alice.ask("POST", messagesOf(channel), body), 400);
  }
  const error = expectError(await alice.ask("POST", messagesOf(channel), { content: 5, replyTo: 7 }), 400);
  assert.deepEqual(error.details.map(({ field }) => field).sort(), ["content", "replyTo"]);
  assert.equal((await alice.post(channel, "fine", { unknown: { field: 1 } })).seq, 1, "unknown fields are ignored");
});

test("pages: the newest by default, ascending; bounds and limit as asked", async () => {
  const channel = await general();
  for (let n = 1; n <= 12; n += 1) await alice.post(channel, `${n}`);
  const seqs = async (query) => (await bob.get(messagesOf(channel, query))).messages.map(({ seq }) => seq);
  assert.deepEqual(await seqs("?limit=3"), [10, 11, 12]);
  assert.deepEqual(await seqs("?seqFrom=5&limit=3"), [5, 6, 7]);
  assert.deepEqual(await seqs("?seqTo=5&limit=3"), [3, 4, 5]);
  assert.deepEqual(await seqs("?seqFrom=4&seqTo=6"), [4, 5, 6]);
  assert.deepEqual(await seqs("?seqFrom=13"), []);
  assert.equal((await seqs("")).length, 12);
  const { page } = await bob.get(messagesOf(channel, "?seqFrom=5&limit=3"));
  assert.deepEqual(page, { seqFrom: 5, seqTo: 7, limit: 3, lastSeq: 12, nextExpectedSeq: 8, hasMore: true });
  const { page: last } = await bob.get(messagesOf(channel, "?seqFrom=10&limit=3"));
  assert.deepEqual([last.hasMore, last.nextExpectedSeq, last.limit], [false, 13, 3]);
  const next = async (query) => (await bob.get(messagesOf(channel, query))).page.nextExpectedSeq;
  assert.deepEqual([await next("?seqTo=0"), await next("?seqFrom=5&seqTo=3"), await next("?seqFrom=50")], [1, 5, 13]);
  assert.equal((await bob.get(messagesOf(channel))).page.limit, 50);
  for (const query of ["?limit=0", "?limit=201", "?limit=x", "?seqFrom=-1", "?seqTo=x"]) {
    expectError(await bob.ask("GET", messagesOf(channel, query)), 400);
  }
});

test("an edit is pushed as message.updated, keeps the former text, and wakes nobody", async () => {
  const channel = await general();
  const room = await Room.open(channel, [alice, bob]);
  const message = await alice.post(channel, "teh text");
  const edited = expectStatus(await alice.ask("PATCH", messagesOf(channel, `/${message.id}`), { content: `the text ${bob}` }), 200);
  assert.equal(edited.content, `the text ${bob}`);
  assert.ok(edited.editedAt);
  assert.deepEqual([edited.id, edited.seq], [message.id, message.seq]);
  const pushed = await room.of(bob).wait("message.updated", ({ id }) => id === message.id);
  assert.deepEqual(pushed, edited);
  assert.deepEqual(await bob.get(messagesOf(channel, `/${message.id}`)), edited);
  const marker = await alice.post(channel, "marker");
  await room.of(bob).delivered(marker);
  assert.equal(room.of(bob).count(message), 1, "an edit is not delivered as a new message");
  expectError(await bob.ask("PATCH", messagesOf(channel, `/${message.id}`), { content: "mine" }), 403);
  expectError(await alice.ask("PATCH", messagesOf(channel, `/${message.id}`), { content: "" }), 400);
});

test("a deleted message is a tombstone: pushed as message.deleted, its seq stays, its text is gone", async () => {
  const channel = await general();
  const room = await Room.open(channel, [alice, bob]);
  const message = await bob.post(channel, "regrettable");
  expectError(await carol.ask("DELETE", messagesOf(channel, `/${message.id}`)), 404);
  expectStatus(await alice.ask("DELETE", messagesOf(channel, `/${message.id}`)), 200, 204);
  const pushed = await room.of(bob).wait("message.deleted", ({ id }) => id === message.id);
  assert.deepEqual([pushed.channelId, pushed.seq], [channel.id, message.seq]);
  assert.ok(pushed.deletedAt);
  const { messages } = await bob.get(messagesOf(channel));
  assert.deepEqual(messages.map(({ seq, content }) => [seq, content]), [[1, ""]]);
  assert.equal(messages[0].deletedAt, pushed.deletedAt);
  assert.equal((await alice.post(channel, "next")).seq, 2);
  const mine = await alice.post(channel, "alice's");
  expectError(await bob.ask("DELETE", messagesOf(channel, `/${mine.id}`)), 403);
});

test("a closed channel answers 409 to posts, commands and system posts alike; reading works", async () => {
  const channel = await alice.create("discuss", { members: [bob] });
  const room = await Room.open(channel, [alice, bob]);
  const message = await alice.post(channel, "last words");
  expectStatus(await bob.act(channel, "close"), 200, 204);
  const row = await room.of(alice).wait("channel.updated", ({ id, closed }) => id === channel.id && closed);
  assert.equal(row.id, channel.id);
  for (const content of ["too late", "/no-reply", "/force-proceed"]) {
    expectError(await bob.ask("POST", messagesOf(channel), { content }), 409, "channel_closed");
  }
  for (const what of ["turn/pass", "turn/force-proceed"]) {
    expectError(await bob.act(channel, what), 409, "channel_closed");
  }
  expectError(await systemPost(channel, "too late"), 409, "channel_closed");
  const ack = await room.of(bob).ask("message.post", { channelId: channel.id, content: "too late" });
  assert.ok(JSON.stringify(ack).includes("channel_closed"), JSON.stringify(ack));
  assert.equal((await bob.get(messagesOf(channel))).messages.length, 1);
  assert.equal((await bob.get(messagesOf(channel, `/${message.id}`))).content, "last words");
  assert.equal((await bob.turn(channel)).channelId, channel.id);
  assert.equal((await (await Inbox.connect(bob)).join(channel)).lastSeq, 1);
  assert.ok((await bob.get(`/channels?guildId=${channel.guildId}`)).some(({ id, closed }) => id === channel.id && closed));
  expectError(await bob.act(channel, "reopen"), 403);
  expectStatus(await alice.act(channel, "reopen"), 200, 204);
  // The turn was bob's when the channel was closed: reopening wakes him.
  const reopened = await room.of(bob).wait("message.created", ({ ack }) => ack?.command === "reopened");
  assert.deepEqual([reopened.seq, reopened.wakeup, reopened.ack.byUserId], [2, true, alice.id]);
  assert.equal((await bob.post(channel, "again")).seq, 3);
});

test("a system post is the guild's own: its author is the system user, and wakeupUserId counts for it only", async () => {
  const channel = await general();
  const room = await Room.open(channel, [alice, bob]);
  const post = expectStatus(await systemPost(channel, "notice", { wakeupUserId: bob.id }), 201);
  assert.equal(post.authorUserId, SYSTEM_USER);
  await room.wakes(post, bob, "targeted");
  const report = await alice.create("report", { members: [bob] });
  const reading = await Room.open(report, [alice, bob]);
  const forged = expectStatus(await alice.ask("POST", messagesOf(report), { content: "x", wakeupUserId: bob.id }), 201);
  await reading.wakes(forged, undefined);
});

test("the system key opens nothing else, and a wrong one opens nothing", async () => {
  const server = await startServer();
  const channel = await general();
  const headers = { "x-fabric-system-key": server.systemKey };
  expectError(await request(server.guildUrl, "GET", messagesOf(channel), { headers }), 401);
  expectError(await request(server.guildUrl, "GET", `/channels/${channel.id}`, { headers }), 401);
  expectError(await request(server.guildUrl, "POST", `/channels/${channel.id}/close`, { headers }), 401);
  for (const key of ["", "wrong", `${server.systemKey}x`]) {
    const options = { headers: { "x-fabric-system-key": key }, body: { content: "x" } };
    expectError(await request(server.guildUrl, "POST", messagesOf(channel), options), 401);
  }
});

test("idempotency: the same key and body gives the first answer again and delivers once", async () => {
  const channel = await general();
  const room = await Room.open(channel, [alice, bob]);
  const headers = { "idempotency-key": randomUUID() };
  const first = expectStatus(await alice.ask("POST", messagesOf(channel), { content: "once" }, headers), 201);
  const second = expectStatus(await alice.ask("POST", messagesOf(channel), { content: "once" }, headers), 201);
  assert.deepEqual(second, first);
  const marker = await alice.post(channel, "marker");
  assert.equal(marker.seq, first.seq + 1);
  await room.of(bob).delivered(marker);
  assert.equal(room.of(bob).count(first), 1);
});

test("idempotency: also for many requests at once", async () => {
  const channel = await general();
  const room = await Room.open(channel, [alice, bob]);
  const headers = { "idempotency-key": randomUUID() };
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => alice.ask("POST", messagesOf(channel), { content: "once" }, headers)));
  const ids = new Set(answers.map((answer) => expectStatus(answer, 201).id));
  assert.equal(ids.size, 1);
  const marker = await alice.post(channel, "marker");
  assert.equal(marker.seq, 2);
  await room.of(bob).delivered(marker);
  assert.equal(room.of(bob).count({ id: [...ids][0], channelId: channel.id }), 1);
});

test("idempotency: a command is answered again and not done again", async () => {
  const channel = await alice.create("discuss", { members: [bob, carol] });
  await alice.post(channel, "begin");
  const headers = { "idempotency-key": randomUUID() };
  const ask = () => bob.ask("POST", messagesOf(channel), { content: "/no-reply" }, headers);
  const [first, second] = [expectStatus(await ask(), 202), expectStatus(await ask(), 202)];
  assert.equal(first.accepted, true);
  assert.deepEqual(second, first);
  assert.equal((await alice.turn(channel)).activeSpeaker, carol.id);
});

test("idempotency: a key with another body is 422, and other people's keys are their own", async () => {
  const channel = await general();
  const headers = { "idempotency-key": randomUUID() };
  const first = expectStatus(await alice.ask("POST", messagesOf(channel), { content: "one" }, headers), 201);
  expectError(await alice.ask("POST", messagesOf(channel), { content: "two" }, headers), 422, "idempotency_key_reused");
  const other = expectStatus(await bob.ask("POST", messagesOf(channel), { content: "one" }, headers), 201);
  assert.notEqual(other.id, first.id);
  for (const key of ["", "k".repeat(256)]) {
    expectError(await alice.ask("POST", messagesOf(channel), { content: "x" }, { "idempotency-key": key }), 400);
  }
});

test("posting over the socket is the same path: same answer, same key, same refusals", async () => {
  const channel = await general();
  const inbox = await Inbox.in(alice, channel);
  const idempotencyKey = randomUUID();
  const post = { channelId: channel.id, content: "over the socket", idempotencyKey };
  const answer = await inbox.ask("message.post", post);
  assert.deepEqual(await inbox.ask("message.post", post), answer);
  const stored = await bob.get(messagesOf(channel, "?limit=1"));
  assert.equal(stored.page.lastSeq, 1);
  const over = expectStatus(await alice.ask("POST", messagesOf(channel), { content: post.content }, { "idempotency-key": idempotencyKey }), 201);
  assert.equal(over.id, stored.messages[0].id, "one key, over either way");
  assert.ok(JSON.stringify(answer).includes(over.id), JSON.stringify(answer));
});
