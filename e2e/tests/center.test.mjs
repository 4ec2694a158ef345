// Signing in at Center, and what its tokens open.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { expectError, expectStatus, newPerson, request, signIn, startServer, stopServer } from "../harness.mjs";

let server, alice;

before(async () => {
  server = await startServer();
  alice = await newPerson("alice");
});
after(stopServer);

const ask = (method, path, options) => request(server.centerUrl, method, path, options);

test("the person whom `dev` made signs in and finds the guild", async () => {
  const session = expectStatus(await ask("POST", "/auth/login", { body: { email: server.email, password: server.password } }), 200, 201);
  assert.ok(session.accessToken && session.refreshToken);
  assert.equal(session.user.email, server.email);
  assert.equal(session.user.kind, "human");
  const guild = session.guilds.find(({ nodeId }) => nodeId === server.nodeId);
  assert.equal(new URL(guild.endpoint).port, new URL(server.guildUrl).port);
  const { token } = session.guildAccessTokens.find(({ guildNodeId }) => guildNodeId === server.nodeId);
  expectStatus(await request(server.guildUrl, "GET", "/channels", { token }), 200);
});

test("a wrong password and an unknown email are refused alike", async () => {
  const wrong = expectError(await ask("POST", "/auth/login", { body: { email: alice.email, password: "wrong-password" } }), 401);
  const unknown = expectError(await ask("POST", "/auth/login", { body: { email: "nobody@example.test", password: "wrong-password" } }), 401);
  assert.deepEqual([wrong.error, wrong.message], [unknown.error, unknown.message]);
  expectError(await ask("POST", "/auth/agent/login", { body: { apiKey: "fak_nonsense" } }), 401);
});

test("emails are matched without case, and are unique so", async () => {
  const password = `Secret-${Date.now()}`;
  const email = `Case-${Date.now()}@Example.test`;
  expectStatus(await ask("POST", "/auth/register", { body: { email, password } }), 200, 201);
  const session = expectStatus(await ask("POST", "/auth/login", { body: { email: email.toLowerCase(), password } }), 200, 201);
  assert.equal(session.user.name, email, "the name is the email where none was given");
  const again = await ask("POST", "/auth/register", { body: { email: email.toUpperCase(), password } });
  expectError(again, 409);
});

test("GET and PATCH /auth/me", async () => {
  const { accessToken: token } = alice.session;
  const me = expectStatus(await ask("GET", "/auth/me", { token }), 200);
  assert.deepEqual([me.id, me.email, me.name], [alice.id, alice.email, "alice"]);
  assert.equal(expectStatus(await ask("PATCH", "/auth/me", { token, body: { name: "Alice" } }), 200).name, "Alice");
  expectError(await ask("GET", "/auth/me"), 401);
  expectError(await ask("GET", "/auth/me", { token: alice.token }), 401);
});

test("a refresh token is spent by its use; using it again revokes its family, and no other device", async () => {
  const refresh = (refreshToken) => ask("POST", "/auth/refresh", { body: { refreshToken } });
  const somebody = await newPerson("refresher");
  const device = await signIn(somebody.email, somebody.password);
  const first = somebody.session.refreshToken;
  const second = expectStatus(await refresh(first), 200, 201);
  assert.notEqual(second.refreshToken, first);
  assert.equal(second.user.id, somebody.id);
  expectError(await refresh(first), 401);
  expectError(await refresh(second.refreshToken), 401);
  expectStatus(await refresh(device.session.refreshToken), 200, 201);
});

test("GET /auth/me/guilds gives fresh tokens that the guild takes", async () => {
  const mine = expectStatus(await ask("GET", "/auth/me/guilds", { token: alice.session.accessToken }), 200);
  assert.deepEqual(mine.guilds.map(({ nodeId }) => nodeId), [server.nodeId]);
  const [{ token }] = mine.guildAccessTokens;
  expectStatus(await request(server.guildUrl, "GET", "/channels", { token }), 200);
});

test("somebody who has not joined the guild has no token for it", async () => {
  const body = { email: `loner-${Date.now()}@example.test`, password: "Secret-loner-1234" };
  expectStatus(await ask("POST", "/auth/register", { body }), 200, 201);
  const session = expectStatus(await ask("POST", "/auth/login", { body }), 200, 201);
  assert.deepEqual([session.guilds, session.guildAccessTokens], [[], []]);
  expectError(await request(server.guildUrl, "GET", "/channels", { token: session.accessToken }), 401);
});

test("members of the guild are listed without emails", async () => {
  const path = `/auth/guilds/${server.nodeId}/members`;
  const rows = expectStatus(await ask("GET", path, { token: alice.session.accessToken }), 200);
  const me = rows.find(({ id }) => id === alice.id);
  assert.equal(me.kind, "human");
  assert.equal(me.email, undefined);
  expectError(await ask("GET", path), 401);
});

test("introspection, names and the admin are for nodes", async () => {
  for (const [method, path, body] of [
    ["POST", "/auth/introspect", { token: alice.token }],
    ["GET", "/auth/admin-email"],
    ["GET", "/nodes"],
  ]) {
    const status = (await ask(method, path, { body, token: alice.session.accessToken })).status;
    assert.ok([401, 403].includes(status), `${path}: ${status}`);
  }
});
