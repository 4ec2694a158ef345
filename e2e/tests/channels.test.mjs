// Channels: making, changing, and who is in them.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { expectError, expectStatus, newPeople, request, startServer, stopServer, SYSTEM_USER } from "../harness.mjs";
import { closeSockets, Inbox } from "../sockets.mjs";

const X_TYPES = ["general", "work", "report", "discuss", "triage", "custom", "dm", "announce"];
const ROW = ["id", "guildId", "name", "xType", "kind", "purpose", "isPublic", "closed", "lastSeq", "createdBy",
  "createdAt", "memberCount", "isMember", "unreadCount", "settings"];

let server, alice, bob, carol, dave;

before(async () => {
  server = await startServer();
  [alice, bob, carol, dave] = await newPeople("alice", "bob", "carol", "dave");
});
after(async () => {
  closeSockets();
  await stopServer();
});

const members = async (channel) => alice.get(`/channels/${channel.id}/members`);

for (const xType of X_TYPES) {
  test(`a channel of type ${xType} is created with its creator as a member, and listed`, async () => {
    const row = await alice.create(xType, { members: [bob], purpose: "to test" });
    for (const field of ROW) assert.ok(field in row, field);
    assert.equal(row.guildId, server.nodeId);
    assert.deepEqual(
      [row.xType, row.purpose, row.isPublic, row.closed, row.lastSeq, row.createdBy, row.memberCount, row.isMember, row.unreadCount],
      [xType, "to test", false, false, 0, alice.id, 2, true, 0]);
    assert.deepEqual(await alice.get(`/channels/${row.id}`), row);
    const listed = await bob.get(`/channels?guildId=${server.nodeId}`);
    assert.deepEqual(listed.find(({ id }) => id === row.id), row);
    const others = await dave.get(`/channels?guildId=${server.nodeId}`);
    assert.equal(others.some(({ id }) => id === row.id), false, "not by those who are not in it");
    assert.deepEqual((await members(row)).map(({ userId }) => userId).sort(), [alice.id, bob.id].sort());
  });
}

test("a bad request names every bad field", async () => {
  const ask = (body) => alice.ask("POST", "/channels", body);
  const fields = (error) => error.details.map(({ field }) => field).sort();
  assert.deepEqual(fields(expectError(await ask({}), 400)), ["guildId", "name", "xType"]);
  const bad = { guildId: server.nodeId, name: "", xType: "party", isPublic: "yes", memberUserIds: "bob", purpose: 7 };
  assert.deepEqual(fields(expectError(await ask(bad), 400)), ["isPublic", "memberUserIds", "name", "purpose", "xType"]);
  for (const body of ["", "nonsense", "[]", "null", "7"]) expectError(await ask(body), 400);
  expectError(await ask({ guildId: "another", name: "x", xType: "general" }), 400);
});

test("a dm is never public, and every create makes a new one", async () => {
  const body = { guildId: server.nodeId, name: "dm", xType: "dm", isPublic: true, memberUserIds: [bob.id] };
  const answer = await alice.ask("POST", "/channels", body);
  if (answer.status === 201) assert.equal(answer.body.isPublic, false);
  else expectError(answer, 400);
  const [one, two] = [await alice.create("dm", { members: [bob] }), await alice.create("dm", { members: [bob] })];
  assert.notEqual(one.id, two.id);
  assert.equal(one.kind, "dm");
});

test("on duty and listeners become members; bypass is taken from the members", async () => {
  const triage = await alice.create("triage", { onDuty: bob.id });
  assert.deepEqual((await members(triage)).map(({ userId, onDuty }) => [userId, onDuty]).sort(),
    [[alice.id, false], [bob.id, true]].sort());
  const custom = await alice.create("custom", { listeners: [bob.id, carol.id] });
  assert.deepEqual((await members(custom)).filter(({ listener }) => listener).map(({ userId }) => userId).sort(),
    [bob.id, carol.id].sort());
  const discuss = await alice.create("discuss", { members: [bob], bypassUserIds: [bob.id, dave.id] });
  assert.deepEqual((await members(discuss)).map(({ userId, bypass }) => [userId, bypass]).sort(),
    [[alice.id, false], [bob.id, true]].sort());
});

test("members are listed with name, presence and whether they are online", async () => {
  const channel = await alice.create("general", { members: [bob] });
  const inbox = await Inbox.connect(bob);
  const row = (await members(channel)).find(({ userId }) => userId === bob.id);
  assert.deepEqual([row.name, row.online, row.bypass, row.onDuty, row.listener], [bob.name, true, false, false, false]);
  assert.equal(row.presence, "unknown");
  inbox.close();
});

test("the purpose is for any participant to change, name and settings for the creator", async () => {
  const channel = await alice.create("discuss", { members: [bob] });
  const patch = (person, body) => person.ask("PATCH", `/channels/${channel.id}`, body);
  const inbox = await Inbox.in(alice, channel);
  assert.equal(expectStatus(await patch(bob, { purpose: "to talk" }), 200).purpose, "to talk");
  const pushed = await inbox.wait("channel.updated", ({ id }) => id === channel.id);
  assert.equal(pushed.purpose, "to talk");
  assert.equal(expectStatus(await patch(bob, { purpose: "" }), 200).purpose, null);
  expectError(await patch(bob, { name: "mine" }), 403);
  expectError(await patch(bob, { settings: { turnTimeoutSeconds: 5 } }), 403);
  assert.equal(expectStatus(await patch(alice, { name: "ours" }), 200).name, "ours");
  const { settings } = expectStatus(await patch(alice, { settings: { turnTimeoutSeconds: 30, agentMentions: "text" } }), 200);
  assert.deepEqual([settings.turnTimeoutSeconds, settings.agentMentions], [30, "text"]);
  assert.deepEqual([settings.offlineGraceSeconds, settings.autonomyBudget], [60, 60], "the others stay");
  for (const body of [{ name: "" }, { settings: { turnTimeoutSeconds: -1 } }, { settings: { agentMentions: "shout" } }, { purpose: 7 }]) {
    expectError(await patch(alice, body), 400);
  }
});

test("public channels are seen by all and joined by whom likes; private ones are not there", async () => {
  const open = await alice.create("general", { isPublic: true });
  const hidden = await alice.create("general");
  const listed = (await dave.get(`/channels?guildId=${server.nodeId}`)).map(({ id }) => id);
  assert.deepEqual([listed.includes(open.id), listed.includes(hidden.id)], [true, false]);
  assert.equal((await dave.get(`/channels/${open.id}`)).isMember, false);
  expectError(await dave.act(hidden, "join"), 404);
  for (let n = 0; n < 2; n += 1) expectStatus(await dave.act(open, "join"), 200, 201, 204);
  assert.equal((await dave.get(`/channels/${open.id}`)).memberCount, 2);
  expectStatus(await dave.act(open, "leave"), 200, 204);
  assert.equal((await dave.get(`/channels/${open.id}`)).memberCount, 1);
});

test("leaving cleans membership, wake mapping and turn state", async () => {
  const custom = await alice.create("custom", { listeners: [bob.id] });
  expectStatus(await bob.act(custom, "leave"), 200, 204);
  assert.deepEqual((await members(custom)).map(({ userId }) => userId), [alice.id]);
  expectStatus(await alice.act(custom, "members", { userIds: [bob.id] }), 200, 201, 204);
  assert.equal((await members(custom)).find(({ userId }) => userId === bob.id).listener, false);
  const discuss = await alice.create("discuss", { members: [bob, carol] });
  await alice.post(discuss, "begin");
  expectStatus(await bob.act(discuss, "leave"), 200, 204);
  const turn = await alice.turn(discuss);
  assert.deepEqual([turn.order, turn.activeSpeaker], [[alice.id, carol.id], carol.id]);
  expectError(await bob.ask("GET", `/channels/${discuss.id}`), 404);
});

test("any member adds members; only the creator removes others", async () => {
  const channel = await alice.create("general", { members: [bob] });
  expectStatus(await bob.act(channel, "members", { userIds: [carol.id] }), 200, 201, 204);
  expectError(await bob.ask("DELETE", `/channels/${channel.id}/members/${carol.id}`), 403);
  expectStatus(await alice.ask("DELETE", `/channels/${channel.id}/members/${carol.id}`), 200, 204);
  expectError(await alice.ask("DELETE", `/channels/${channel.id}/members/${carol.id}`), 404);
  for (const body of [{}, { userIds: "carol" }, { userIds: [7] }]) {
    expectError(await alice.act(channel, "members", body), 400);
  }
});

test("the wake mapping is for triage and custom, and its users become members", async () => {
  const triage = await alice.create("triage", { members: [bob] });
  const put = (person, channel, userIds) => person.ask("PUT", `/channels/${channel.id}/wake-mapping`, { userIds });
  expectStatus(await put(alice, triage, [carol.id]), 200, 204);
  assert.deepEqual((await members(triage)).filter(({ onDuty }) => onDuty).map(({ userId }) => userId), [carol.id]);
  expectError(await put(bob, triage, [bob.id]), 403);
  expectError(await put(alice, await alice.create("general"), [bob.id]), 400);
});

test("closing is for any participant, reopening for the creator", async () => {
  const channel = await alice.create("general", { members: [bob] });
  expectStatus(await bob.act(channel, "close"), 200, 204);
  assert.equal((await alice.get(`/channels/${channel.id}`)).closed, true);
  expectError(await bob.act(channel, "reopen"), 403);
  expectStatus(await alice.act(channel, "reopen"), 200, 204);
  assert.equal((await alice.get(`/channels/${channel.id}`)).closed, false);
});

test("unread messages are counted from the read marker, which never moves back", async () => {
  const channel = await alice.create("general", { members: [bob] });
  for (let n = 0; n < 3; n += 1) await alice.post(channel, `${n}`);
  const unread = async () => (await bob.get(`/channels/${channel.id}`)).unreadCount;
  assert.equal(await unread(), 3);
  for (const [seq, left] of [[2, 1], [1, 1], [3, 0]]) {
    expectStatus(await bob.ask("PUT", `/channels/${channel.id}/read`, { seq }), 200, 204);
    assert.equal(await unread(), left, `after ${seq}`);
  }
});

test("every answer has a request id, taken over when it is sane", async () => {
  const ask = (id) => request(server.guildUrl, "GET", "/channels", { headers: id ? { "x-request-id": id } : {} });
  const own = await ask();
  assert.ok(own.headers.get("x-request-id"));
  assert.equal(expectError(await ask("my-request-7"), 401).requestId, "my-request-7");
  const long = expectError(await ask("x".repeat(5_000)), 401);
  assert.ok(long.requestId.length < 300);
});

test("a method that a route does not know is answered with those that it knows, and health is known to HEAD", async () => {
  const ask = (method, path) => fetch(`${server.guildUrl}/api${path}`, { method, headers: { origin: "https://x.test" } });
  const refused = await ask("DELETE", "/channels");
  assert.deepEqual([refused.status, refused.headers.get("allow")], [405, "GET, POST"]);
  assert.equal((await refused.json()).requestId, refused.headers.get("x-request-id"));
  assert.match(refused.headers.get("access-control-expose-headers"), /x-request-id/);
  for (const path of ["/healthz", "/readyz"]) assert.equal((await ask("HEAD", path)).status, 200);
});

test("the guild itself cannot be a member", async () => {
  const members = { memberUserIds: [SYSTEM_USER], guildId: server.nodeId, name: "odd", xType: "discuss" };
  expectError(await alice.ask("POST", "/channels", members), 400, "validation_failed");
});
