// Tokens that end, and a Center that is away: the real programs, set up by their environment.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { eventually, newPerson, serve, signIn, withDeadline } from "../harness.mjs";
import { closeSockets, decided, Inbox, outcome, rawSocket } from "../sockets.mjs";

/** Just so long that the notice does not come at once. */
const LONG = 62;
/** Long enough for what comes before the end, on a machine that stands still now and then. */
const SHORT = 20;
/** The guild is to hear of a token only when a socket brings it. */
const UNHEARD = { toBeKnown: false };

let server, people, ada, bob, carol, dave, erin;

before(async () => {
  server = await serve({ center: { GUILD_TOKEN_SECONDS: LONG } });
  const names = ["ada", "bob", "carol", "dave", "erin"];
  people = await Promise.all(names.map((name) => newPerson(name, server, UNHEARD)));
  const [first] = people;
  ada = await watch(first);
  await withTokensOf(SHORT);
  [bob, carol, dave] = await Promise.all(people.slice(1, 4).map(async (person) => watch(await again(person))));
  await withTokensOf(900);
  [erin] = people.slice(4);
});
after(async () => {
  closeSockets();
  await server?.stop();
});

/** Center, started again with another life for its tokens. */
async function withTokensOf(seconds) {
  await server.stopCenter();
  await server.startCenter({ GUILD_TOKEN_SECONDS: seconds });
}

const again = ({ email, password }) => signIn(email, password, server, UNHEARD);

/** The moment at which a token says that it ends. */
function endOf(token) {
  const [, claims] = token.split(".");
  return JSON.parse(Buffer.from(claims, "base64url").toString()).exp * 1_000;
}

const isNotice = ({ name }) => name === "session.expiring";

/** A socket of somebody; notes when it was disconnected. */
async function watch(person) {
  const inbox = await Inbox.connect(person);
  const watched = { inbox, person };
  watched.ended = new Promise((done) => inbox.socket.once("disconnect", () => {
    watched.endedAt = Date.now();
    done();
  }));
  return watched;
}

test("a client whose token has less than a minute left is told at once, with the token's end", async () => {
  for (const watched of [bob, carol, dave]) {
    const { expiresAt } = await watched.inbox.wait("session.expiring");
    assert.equal(Date.parse(expiresAt), endOf(watched.person.token));
    assert.ok(watched.inbox.events.find(isNotice).at < endOf(watched.person.token), "before the end");
  }
});

/** The answer to a token, once Center could be asked about it. */
function refresh({ inbox }, token) {
  const ask = () => inbox.ask("session.refresh", { token });
  return eventually("Center to be asked", ask, ({ error }) => error !== "center_unavailable", { every: 500 });
}

test("session.refresh: a fresh token of the same user is taken, and only that", async () => {
  const fresh = (await again(bob.person)).token;
  const refusals = { "another user's": fresh, nonsense: "nonsense", "one of Center itself": carol.person.session.accessToken };
  for (const [name, token] of Object.entries(refusals)) {
    assert.deepEqual(await refresh(carol, token), { ok: false, error: "invalid_token" }, name);
  }
  for (const payload of [{}, { token: "" }, { token: 7 }, null, "text"]) {
    const { ok, error } = await carol.inbox.ask("session.refresh", payload);
    assert.equal(ok, false, JSON.stringify(payload));
    assert.match(error, /^[a-z_]+$/);
  }
  assert.equal(carol.inbox.socket.connected, true, "a refusal is an answer and no more");
  assert.deepEqual(await refresh(bob, fresh), { ok: true });
  bob.fresh = fresh;
});

test("without a fresh token the socket ends when the token does, and not before", async () => {
  for (const watched of [carol, dave]) {
    await withDeadline(watched.ended, "the socket to end", (SHORT + 20) * 1_000);
    const end = endOf(watched.person.token);
    assert.ok(watched.endedAt >= end, `${end - watched.endedAt} ms too early`);
    assert.ok(watched.endedAt - end < 20_000, `${watched.endedAt - end} ms too late`);
  }
});

test("with a fresh token the socket goes on past the end of the first one", async () => {
  const author = await again(ada.person);
  const channel = await author.create("general", { members: [bob.person] });
  // The others' tokens may have ended a second before his.
  const isOver = (now) => now > endOf(bob.person.token) + 2_000;
  await eventually("the end of the first token", async () => Date.now(), isOver);
  assert.equal(bob.inbox.socket.connected, true);
  await bob.inbox.join(channel);
  await bob.inbox.delivered(await author.post(channel, "still there?"));
  assert.equal(bob.inbox.events.filter(isNotice).length, 1, "told once, of the first");
});

test("an expired token: connect_error invalid_token, over either transport", async () => {
  for (const transports of [["polling", "websocket"], ["websocket"]]) {
    const { error } = await decided(rawSocket(server, { auth: { token: dave.person.token }, transports }));
    assert.equal(error?.data?.error, "invalid_token", error?.message);
  }
  const answer = await dave.person.ask("GET", "/channels");
  assert.equal(answer.status, 401, answer.text);
});

test("a client is told a minute before its token ends, once", async () => {
  const { expiresAt } = await ada.inbox.wait("session.expiring");
  const end = endOf(ada.person.token);
  assert.equal(Date.parse(expiresAt), end);
  const left = end - ada.inbox.events.find(isNotice).at;
  assert.ok(left <= 60_500 && left > 30_000, `${left} ms before the end`);
  await ada.inbox.ask("leave_channel", { channelId: "a round trip" });
  assert.equal(ada.inbox.events.filter(isNotice).length, 1);
});

test("while Center is away, a known token goes on and an unknown one is told center_unavailable", async () => {
  const unknown = (await again(erin)).token;
  await server.stopCenter();
  const known = await outcome(rawSocket(server, { auth: { token: bob.fresh } }));
  assert.equal(known.error, undefined, known.error?.message);
  for (const transports of [["polling", "websocket"], ["websocket"]]) {
    const { error } = await outcome(rawSocket(server, { auth: { token: unknown }, transports }));
    assert.equal(error?.data?.error, "center_unavailable", error?.message);
  }
  const refused = await bob.inbox.ask("session.refresh", { token: unknown });
  assert.deepEqual(refused, { ok: false, error: "center_unavailable" });
  assert.equal(bob.inbox.socket.connected, true);

  await server.startCenter();
  const connects = () => outcome(rawSocket(server, { auth: { token: unknown } }));
  await eventually("Center to be asked again", connects, ({ connected }) => connected);
});
