// Every route, asked by every kind of caller.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import {
  eventually, expectError, expectStatus, newPeople, newPerson, request, startServer, stopServer,
} from "../harness.mjs";

let server, alice, member, outsider, third;

before(async () => {
  server = await startServer();
  [alice, member, outsider, third] = await newPeople("alice", "member", "outsider", "third");
});
after(stopServer);

// Who may: `participant` is anybody where the channel is public. Every call gets a channel of its own, of
// type `type`, with alice as its creator, `member` in it, and `third` too where `withThird` says so.
const ROUTES = [
  ["GET", "", { who: "participant" }],
  ["PATCH", "", { who: "participant", body: { purpose: "x" } }],
  ["PATCH", "", { who: "creator", body: { name: "x" } }],
  ["PATCH", "", { who: "creator", body: { settings: { autonomyBudget: 3 } } }],
  ["POST", "/close", { who: "participant" }],
  ["POST", "/reopen", { who: "creator" }],
  ["POST", "/join", { who: "participant" }],
  ["POST", "/leave", { who: "member" }],
  ["GET", "/members", { who: "participant" }],
  ["POST", "/members", { who: "member", body: () => ({ userIds: [third.id] }) }],
  ["DELETE", "/members/:third", { who: "creator", withThird: true }],
  ["PUT", "/wake-mapping", { who: "creator", type: "custom", body: () => ({ userIds: [third.id] }) }],
  ["POST", "/bypass", { who: "member", type: "discuss", body: () => ({ userId: member.id }) }],
  ["POST", "/unbypass", { who: "member", type: "discuss", body: () => ({ userId: member.id }) }],
  ["GET", "/turn", { who: "participant", type: "discuss" }],
  ["POST", "/turn/pass", { who: "participant", type: "discuss" }],
  ["POST", "/turn/force-proceed", { who: "participant", type: "discuss" }],
  ["PUT", "/read", { who: "participant", body: { seq: 1 } }],
  ["POST", "/messages", { who: "participant", body: { content: "x" } }],
  ["GET", "/messages", { who: "participant" }],
  ["GET", "/messages/:message", { who: "participant" }],
  ["GET", "/messages/:message/revisions", { who: "participant" }],
  ["PATCH", "/messages/:message", { who: "author", body: { content: "x" } }],
  ["DELETE", "/messages/:message", { who: "author" }],
];

/** A new channel with a message of alice. */
async function place([, , { type = "general", withThird = false }], isPublic) {
  const channel = await alice.create(type, { members: withThird ? [member, third] : [member], isPublic });
  return { channel, message: await alice.post(channel, "hello") };
}

function call([method, path, options], { channel, message }, token) {
  const tail = path.replace(":third", third.id).replace(":message", message.id);
  const body = typeof options.body === "function" ? options.body() : options.body;
  return request(server.guildUrl, method, `/channels/${channel.id}${tail}`, { body, token });
}

const may = (answer) => assert.ok(answer.status >= 200 && answer.status < 300, `${answer.what}: ${answer.status} ${answer.text}`);

for (const route of ROUTES) {
  const [method, path, { who, body }] = route;
  const fields = body && typeof body !== "function" ? ` ${Object.keys(body)}` : "";
  const name = `${method} /channels/:id${path}${fields}`;

  test(`${name}: no token and a bad token are 401`, async () => {
    const where = await place(route, true);
    for (const token of [undefined, "nonsense", alice.session.accessToken, `${alice.token}x`]) {
      expectError(await call(route, where, token), 401);
    }
  });

  test(`${name}: for a stranger a private channel does not exist`, async () => {
    const where = await place(route, false);
    const refused = expectError(await call(route, where, outsider.token), 404);
    const nowhere = { ...where, channel: { id: "00000000-0000-7000-8000-000000000000" } };
    const missing = expectError(await call(route, nowhere, outsider.token), 404);
    assert.deepEqual([refused.error, refused.message], [missing.error, missing.message]);
  });

  test(`${name}: for ${who === "author" ? "its author" : `every ${who}`}, and no further`, async () => {
    may(await call(route, await place(route, false), alice.token));
    const inside = await call(route, await place(route, false), member.token);
    if (who === "participant" || who === "member") may(inside);
    else expectError(inside, 403);
    const guest = await call(route, await place(route, true), outsider.token);
    if (who === "participant") may(guest);
    else expectError(guest, 403);
  });
}

test("routes of the guild as a whole need a token", async () => {
  const routes = [
    ["GET", `/channels?guildId=${server.nodeId}`],
    ["POST", "/channels", { guildId: server.nodeId, name: "x", xType: "general" }],
    ["GET", `/agents/${alice.id}/presence`],
    ["PUT", `/agents/${alice.id}/presence`, { status: "idle" }],
  ];
  for (const [method, path, body] of routes) {
    for (const token of [undefined, "nonsense"]) {
      const error = expectError(await request(server.guildUrl, method, path, { body, token }), 401);
      assert.equal(error.message, token === undefined ? "missing bearer token" : "invalid token");
    }
    const { status } = await request(server.guildUrl, method, path, { body, token: alice.token });
    assert.ok(status < 300, `${method} ${path}: ${status}`);
  }
});

test("a presence is set by its own user only", async () => {
  expectError(await member.ask("PUT", `/agents/${alice.id}/presence`, { status: "busy" }), 403);
  expectError(await alice.ask("PUT", `/agents/${alice.id}/presence`, { status: "sleepy" }), 400);
  const statuses = ["idle", "on_call", "busy", "exhausted", "offline", "unknown"];
  for (const status of statuses) {
    may(await alice.ask("PUT", `/agents/${alice.id}/presence`, { status, source: "e2e" }));
    const row = await member.get(`/agents/${alice.id}/presence`);
    assert.deepEqual([row.userId, row.status, row.source], [alice.id, status, "e2e"]);
  }
});

test("the first presence of somebody may be written many times at once", async () => {
  const newcomer = await newPerson("newcomer");
  assert.equal((await alice.get(`/agents/${newcomer.id}/presence`)).status, "unknown");
  const put = (status) => newcomer.ask("PUT", `/agents/${newcomer.id}/presence`, { status });
  for (const answer of await Promise.all(["idle", "busy", "on_call", "idle", "busy"].map(put))) may(answer);
  assert.ok(["idle", "busy", "on_call"].includes((await alice.get(`/agents/${newcomer.id}/presence`)).status));
});

test("what is not there is 404, of the one shape", async () => {
  for (const path of ["/nothing", "/channels/x/nothing", "/channels/%2e%2e/x", "/channels/%00", "/agents/a%00b/presence"]) {
    expectError(await alice.ask("GET", path), 404);
  }
  expectStatus(await request(server.guildUrl, "GET", "/healthz"), 200);
  expectStatus(await request(server.guildUrl, "GET", "/readyz"), 200);
});

test("a body of more values or bytes than any request has is refused before it is read", async () => {
  const { channel } = await place(ROUTES[0], false);
  const many = { content: "x", ignored: Array.from({ length: 20_001 }, () => 0) };
  expectError(await alice.ask("POST", `/channels/${channel.id}/messages`, many), 400);
  const long = { userIds: [], ignored: "x".repeat(1024 * 1024) };
  // The server answers early and reads on for a second: who sends more after that finds the connection closed.
  const refused = () => alice.ask("POST", `/channels/${channel.id}/members`, long).catch(() => undefined);
  expectError(await eventually("an answer", refused, (answer) => answer !== undefined), 413);
  const commas = { content: ",".repeat(30_000) };
  expectStatus(await alice.ask("POST", `/channels/${channel.id}/messages`, commas), 201);
});

test("a message is found in its own channel only", async () => {
  const [one, two] = [await place(ROUTES[0], false), await place(ROUTES[0], false)];
  const path = `/channels/${two.channel.id}/messages/${one.message.id}`;
  expectError(await alice.ask("GET", path), 404);
  expectError(await alice.ask("PATCH", path, { content: "x" }), 404);
  expectError(await alice.ask("DELETE", path), 404);
});
