// The first minute: `dev` with its three agents, and what is left when it ends, gently or not.
import { after, test } from "node:test";
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { agentSignIn, BINARY, eventually, launch, signIn, temporaryFolder } from "../harness.mjs";
import { closeSockets, Inbox } from "../sockets.mjs";

const folders = [];

after(async () => {
  closeSockets();
  await Promise.all(folders.map((dir) => rm(dir, { recursive: true, force: true })));
});

async function folder() {
  const dir = await temporaryFolder();
  folders.push(dir);
  return dir;
}

const person = (server) => signIn(server.email, server.password, server);
const roundtable = async (who) => (await who.get("/channels")).find(({ name }) => name === "roundtable");
const history = async (who, channel) => (await who.get(`/channels/${channel.id}/messages?limit=200`)).messages;
/** Agents may talk for as long as `--say` lets them. */
const settled = (who, channel) =>
  eventually("a pause", () => who.turn(channel), ({ state }) => state === "settled", { within: 60_000 });

test("a person's message in #roundtable is answered by three agents in turn, ending by itself in a pause", async () => {
  const server = await launch({ agents: true });
  try {
    const you = await person(server);
    const channel = await roundtable(you);
    assert.equal(channel.xType, "discuss");
    // Names are left out while Center does not answer in time.
    const rows = () => you.get(`/channels/${channel.id}/members`);
    const members = await eventually("the names", rows, (listed) => listed.every(({ name }) => name));
    const agents = new Map(members.filter(({ userId }) => userId !== you.id).map(({ userId, name }) => [userId, name]));
    assert.deepEqual([...agents.values()].sort(), ["Mira", "Otto", "Zoe"]);
    assert.ok(members.filter(({ userId }) => agents.has(userId)).every(({ online }) => online), "they are connected");

    const inbox = await Inbox.in(you, channel);
    const question = await you.post(channel, "What should we build first?");
    await settled(you, channel);
    const said = (await history(you, channel)).filter(({ seq }) => seq > question.seq);
    const speakers = new Set(said.map(({ authorUserId }) => agents.get(authorUserId)).filter(Boolean));
    assert.deepEqual([...speakers].sort(), ["Mira", "Otto", "Zoe"]);
    const last = said.at(-1);
    await inbox.delivered(last);
    assert.deepEqual(inbox.messages(channel.id).map(({ seq }) => seq), [question, ...said].map(({ seq }) => seq));

    // The turn is told after the message that ends it.
    const isPause = ({ channelId, state }) => channelId === channel.id && state === "settled";
    await inbox.wait("turn.updated", isPause, "the pause");

    // Each speaks when it is their turn: the speaker before each answer is its author.
    const turns = inbox.events.filter(({ name }) => name === "turn.updated").map(({ payload }) => payload);
    assert.ok(turns.length >= said.length, `${turns.length} turns for ${said.length} messages`);
    assert.equal(turns.at(-1).activeSpeaker, null);

    const again = await you.post(channel, "And then?");
    await settled(you, channel);
    assert.ok((await history(you, channel)).some(({ seq, authorUserId }) => seq > again.seq && agents.has(authorUserId)));
  } finally {
    await server.stop();
  }
});

test("`dev --say` prints the conversation until the channel pauses, and exits 0", async () => {
  const dir = await folder();
  const options = ["dev", "--data-dir", dir, "--center-port", "0", "--guild-port", "0", "--say", "What is next?"];
  const { stdout } = await promisify(execFile)(BINARY, options, { cwd: dir, timeout: 90_000 });
  for (const word of ["What is next?", "Mira", "Otto", "Zoe"]) assert.ok(stdout.includes(word), stdout);
});

test("a second start finds everything as it was", async () => {
  const dir = await folder();
  const first = await launch({ dir });
  const you = await person(first);
  const channel = await roundtable(you);
  const message = await you.post(channel, "remember this");
  const turn = await you.turn(channel);
  assert.equal(await first.stop(), "0", "stopped gently");

  const second = await launch({ dir });
  try {
    const again = await person(second);
    assert.equal(again.id, you.id);
    assert.equal(second.nodeId, first.nodeId);
    assert.equal(second.systemKey, first.systemKey);
    assert.deepEqual((await history(again, channel)).at(-1), message);
    assert.deepEqual(await again.turn(channel), turn);
    assert.equal((await again.get("/channels")).length, (await distinctChannels(again)).size, "no channel twice");
  } finally {
    await second.stop();
  }
});

async function distinctChannels(who) {
  return new Set((await who.get("/channels")).map(({ name, xType }) => `${name} ${xType}`));
}

test("kill -9 while many post: every answered message is there once, seq has no gap, the turn goes on", async () => {
  const dir = await folder();
  const first = await launch({ dir });
  const you = await person(first);
  const channel = await roundtable(you);
  const answered = [];
  const posting = Array.from({ length: 8 }, async (_, poster) => {
    for (let n = 0; n < 1_000; n += 1) {
      try {
        answered.push(await you.post(channel, `${poster} ${n}`));
      } catch {
        return;
      }
    }
  });
  await eventually("some posts", async () => answered.length, (count) => count >= 60);
  await first.kill();
  await Promise.all(posting);

  const second = await launch({ dir });
  try {
    const again = await person(second);
    const kept = [];
    for (let from = 1, more = true; more; from = kept.length + 1) {
      const { messages, page } = await again.get(`/channels/${channel.id}/messages?seqFrom=${from}&limit=200`);
      kept.push(...messages);
      more = page.hasMore;
    }
    assert.deepEqual(kept.map(({ seq }) => seq), kept.map((_, index) => index + 1), "no gap, none twice");
    const byId = new Map(kept.map((message) => [message.id, message]));
    for (const message of answered) assert.deepEqual(byId.get(message.id), message);
    assert.ok(kept.length - answered.length <= 8, "at most the posts in flight are there without an answer");
    assert.equal((await again.post(channel, "go on")).seq, kept.length + 1);
    assert.equal((await again.turn(channel)).state, "active");
  } finally {
    await second.stop();
  }
});

test("an agent signs in with its key, is of kind agent, and its messages count as hops", async () => {
  const server = await launch();
  try {
    const { agents } = JSON.parse(await readFile(join(server.dataDir, "dev-keys.json"), "utf8"));
    const [mira, otto] = await Promise.all(agents.map((key) => agentSignIn(key, server)));
    assert.deepEqual([mira.session.user.name, mira.session.user.kind], ["Mira", "agent"]);
    const you = await person(server);
    const channel = await you.create("general", { members: [mira, otto] });
    const inbox = await Inbox.in(otto, channel);
    const hops = [];
    for (const who of [you, mira, mira, you, mira]) {
      hops.push((await inbox.delivered(await who.post(channel, "hello"))).wake.hop);
    }
    assert.deepEqual(hops, [0, 1, 2, 0, 1]);
    const rows = await you.get(`/channels/${channel.id}/members`);
    assert.equal(rows.find(({ userId }) => userId === otto.id).online, true);
  } finally {
    await server.stop();
  }
});
