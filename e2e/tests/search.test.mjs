// Finding messages by their words.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { expectError, expectStatus, newPeople, request, startServer, stopServer, systemPost } from "../harness.mjs";

let server, alice, bob, carol;

before(async () => {
  server = await startServer();
  [alice, bob, carol] = await newPeople("alice", "bob", "carol");
});
after(stopServer);

/** A word that is in no other test. */
const word = () => `w${randomUUID().replaceAll("-", "")}`;
const path = (q, options = {}) => `/search?${new URLSearchParams({ q, ...options })}`;
const search = (who, q, options) => who.get(path(q, options));
const found = async (who, q, options) => (await search(who, q, options)).hits.map(({ message }) => message.content);

test("a hit is the whole message, with its channel and a snippet that shows the words", async () => {
  const [channel, it] = [await alice.create("general", { members: [bob] }), word()];
  const message = await alice.post(channel, `Über <b>${it}</b>, the CAFÉ\n\nof ${bob} 東京都`);
  assert.deepEqual(await search(bob, `cafe ${it.toUpperCase()} the 京都`), {
    hits: [{
      channelId: channel.id,
      message,
      snippet: [
        { text: "Über <b>", hit: false }, { text: it, hit: true }, { text: "</b>, ", hit: false },
        { text: "the", hit: true }, { text: " ", hit: false }, { text: "CAFÉ", hit: true },
        { text: ` of ${bob} 東`, hit: false }, { text: "京都", hit: true },
      ],
    }],
    hasMore: false,
  });
  assert.deepEqual(await search(bob, `${it} nowhere`), { hits: [], hasMore: false });
});

test("all words must be there; a star stands for any ending", async () => {
  const [channel, it] = [await alice.create("general"), word()];
  for (const text of ["a deployment", "two deployments", "no such thing", "🧵"]) await alice.post(channel, `${it} ${text}`);
  assert.deepEqual(await found(alice, `${it} deploy*`), [`${it} two deployments`, `${it} a deployment`]);
  assert.deepEqual(await found(alice, `A ${it}`), [`${it} a deployment`]);
  assert.deepEqual(await found(alice, `${it} 🧵`), [`${it} 🧵`]);
  assert.deepEqual(await found(alice, `"such ${it}" -thing`), [`${it} no such thing`]);
  assert.deepEqual(await found(alice, `${it} such two`), []);
});

test("everybody finds what they may read at that moment", async () => {
  const it = word();
  const [own, open] = [await alice.create("discuss", { members: [bob] }), await alice.create("general", { isPublic: true })];
  await alice.post(own, `${it} own`);
  await alice.post(open, `${it} open`);
  for (const [who, expected] of [[alice, ["open", "own"]], [bob, ["open", "own"]], [carol, ["open"]]]) {
    assert.deepEqual(await found(who, it), expected.map((text) => `${it} ${text}`), who.name);
  }
  expectError(await carol.ask("GET", path(it, { channelId: own.id })), 404, "channel_not_found");
  expectError(await carol.ask("GET", path(it, { channelId: randomUUID() })), 404, "channel_not_found");
  expectStatus(await bob.act(own, "leave"), 200);
  assert.deepEqual(await found(bob, it), [`${it} open`]);
  expectStatus(await alice.act(own, "members", { userIds: [carol.id] }), 200, 201);
  assert.deepEqual(await found(carol, it), [`${it} open`, `${it} own`]);
  expectError(await request(server.guildUrl, "GET", path(it)), 401);
  expectError(await request(server.guildUrl, "GET", path(it), { headers: { "x-fabric-system-key": server.systemKey } }), 401);
});

test("within one channel, by one author", async () => {
  const it = word();
  const channels = [await alice.create("general", { members: [bob] }), await alice.create("general", { members: [bob] })];
  for (const [n, channel] of channels.entries()) {
    for (const who of [alice, bob]) await who.post(channel, `${it} ${who.name} ${n}`);
    expectStatus(await systemPost(channel, `${it} system ${n}`), 201);
  }
  assert.deepEqual(await found(bob, it, { channelId: channels[0].id }), [`${it} system 0`, `${it} bob 0`, `${it} alice 0`]);
  assert.deepEqual(await found(bob, it, { authorUserId: alice.id }), [`${it} alice 1`, `${it} alice 0`]);
  assert.deepEqual(await found(bob, it, { authorUserId: alice.id, channelId: channels[1].id }), [`${it} alice 1`]);
});

test("an edit and a deletion count at once", async () => {
  const [channel, it, other] = [await alice.create("general"), word(), word()];
  const { id } = await alice.post(channel, it);
  expectStatus(await alice.ask("PATCH", `/channels/${channel.id}/messages/${id}`, { content: other }), 200);
  assert.deepEqual([await found(alice, it), await found(alice, other)], [[], [other]]);
  expectStatus(await alice.ask("DELETE", `/channels/${channel.id}/messages/${id}`), 200);
  assert.deepEqual(await found(alice, other), []);
});

test("page by page, the newest first, while others go on writing and deleting", async () => {
  const [channel, it] = [await alice.create("general"), word()];
  for (let n = 1; n <= 7; n += 1) await alice.post(channel, `${it} ${n}`);
  const seen = [];
  for (let before, more = true; more;) {
    const { hits, hasMore } = await search(alice, it, { limit: 3, ...(before && { before }) });
    seen.push(...hits.map(({ message }) => message.content));
    before = hits.at(-1).message.id;
    more = hasMore;
    await alice.post(channel, `${it} meanwhile`);
    expectStatus(await alice.ask("DELETE", `/channels/${channel.id}/messages/${before}`), 200);
  }
  assert.deepEqual(seen, [7, 6, 5, 4, 3, 2, 1].map((n) => `${it} ${n}`));
});

test("the guild's answers to commands are not found", async () => {
  const channel = await alice.create("discuss", { members: [bob] });
  await alice.post(channel, "begin");
  await alice.command(channel, "/force-proceed");
  assert.deepEqual(await found(alice, "ack", { channelId: channel.id }), []);
});

test("bad searches are refused with every bad field", async () => {
  const fields = async (query) =>
    expectError(await alice.ask("GET", `/search?${query}`), 400, "validation_failed").details.map(({ field }) => field).sort();
  for (const query of ["", "q=", "q=%20", "q=%2A%22", "q=%00", `q=${"a".repeat(257)}`]) {
    assert.deepEqual(await fields(query), ["q"], query);
  }
  assert.deepEqual(await fields("limit=0&channelId=%00&authorUserId=&before=%00"), ["authorUserId", "before", "channelId", "limit", "q"]);
  for (const limit of ["101", "-1", "1.5", "x", ""]) assert.deepEqual(await fields(`q=a&limit=${limit}`), ["limit"], limit);
  assert.deepEqual(await fields(`q=a&before=${randomUUID()}`), ["before"]);
  expectStatus(await alice.ask("GET", `/search?q=a&limit=100&more=1`), 200);
  expectError(await alice.ask("POST", "/search", { q: "a" }), 405);
});

test("whatever is typed is words, never syntax", async () => {
  const [channel, it] = [await alice.create("general"), word()];
  await alice.post(channel, `plain ${it}`);
  for (const around of ["\"", "'", "(", ")", "+", "-", "~", "<", ">", "@", "!", "&", "|", ":*", "\\", "%", "^", "{", "}", ";", "--", "`", "$1", "?"]) {
    const answer = await alice.ask("GET", path(`${around}${it}${around} plain`));
    expectStatus(answer, 200);
    assert.equal(answer.body.hits.length, around === "$1" ? 0 : 1, around);
  }
});
