// Connection state recovery: a client that lost its connection gets what it missed, in order, once (spec/4 section 1).
import { after, afterEach, before, test } from "node:test";
import assert from "node:assert/strict";
import { eventually, newPeople, startServer, stopServer, withDeadline } from "../harness.mjs";
import { closeSockets, Inbox, outcome, rawSocket } from "../sockets.mjs";

let server, alice, bob, carol;

before(async () => {
  server = await startServer();
  [alice, bob, carol] = await newPeople("alice", "bob", "carol");
});
// Who is online by another socket is not seen to lose one.
afterEach(closeSockets);
after(stopServer);

const next = (socket, event) => withDeadline(new Promise((done) => socket.once(event, done)), event);

/**
 * Loses the connection as a network does, and waits until client and guild have noticed: there is nothing to recover
 * before.
 */
async function lose({ person, socket }) {
  const noticed = next(socket, "disconnect");
  socket.io.engine.close();
  await noticed;
  const presence = () => alice.get(`/agents/${person.id}/presence`);
  await eventually("the guild to notice that a connection is lost", presence, ({ online }) => !online);
}

/** Connects again, and waits until that is done. */
async function comeBack(socket) {
  const back = next(socket, "connect");
  socket.connect();
  await back;
}

for (const [name, transports] of [
  ["default options", ["polling", "websocket"]],
  ["websocket only", ["websocket"]],
  ["polling only", ["polling"]],
]) {
  test(`with ${name} a client comes back as it was, and gets what it missed, in order and once`, async () => {
    const channel = await alice.create("general", { members: [bob] });
    const inbox = await Inbox.connect(bob, { transports });
    await inbox.join(channel);
    const { id } = inbox.socket;
    const first = await alice.post(channel, "before");
    await inbox.delivered(first);
    for (let round = 0; round < 3; round += 1) {
      await lose(inbox);
      const missed = [];
      for (let n = 0; n < 5; n += 1) missed.push(await alice.post(channel, `away ${round}/${n}`));
      await comeBack(inbox.socket);
      assert.equal(inbox.socket.recovered, true);
      assert.equal(inbox.socket.id, id);
      await inbox.delivered(await alice.post(channel, `live ${round}`));
      assert.ok((await inbox.delivered(missed[0])).wakeup, "a missed message still wakes");
    }
    const seqs = inbox.messages(channel.id).map(({ seq }) => seq);
    assert.deepEqual(seqs, Array.from({ length: 19 }, (_, n) => n + 1));
  });
}

test("who becomes a member while away is in the channel when back", async () => {
  const known = await alice.create("report", { members: [bob] });
  const inbox = await Inbox.connect(bob);
  await inbox.join(known);
  await inbox.delivered(await alice.post(known, "before"));
  await lose(inbox);
  const fresh = await alice.create("general", { members: [bob] });
  const welcome = await alice.post(fresh, "welcome");
  await comeBack(inbox.socket);
  assert.equal(inbox.socket.recovered, true);
  await inbox.wait("channel.joined", ({ channelId }) => channelId === fresh.id);
  assert.ok((await inbox.delivered(welcome)).wakeup);
});

test("nobody gets another's session, and an unknown one is a new one", async () => {
  const channel = await alice.create("general", { members: [bob, carol] });
  const inbox = await Inbox.connect(bob);
  await inbox.join(channel);
  await inbox.delivered(await alice.post(channel, "before"));
  const { id, _pid: pid, _lastOffset: offset } = inbox.socket;
  assert.ok(id && pid && offset);
  await lose(inbox);
  for (const [what, auth, isBack] of [
    ["another's token", { token: carol.token, pid, offset }, false],
    ["an unknown session", { token: bob.token, pid: "unknown", offset }, false],
    ["an unknown offset", { token: bob.token, pid, offset: "unknown" }, false],
    ["the very session", { token: bob.token, pid, offset }, true],
    ["the very session once more", { token: bob.token, pid, offset }, false],
  ]) {
    const socket = rawSocket(server, { auth });
    assert.deepEqual(await outcome(socket), { connected: true }, what);
    assert.equal(socket.id === id, isBack, what);
  }
});

test("a client that left on purpose does not come back to its session", async () => {
  const channel = await alice.create("general", { members: [bob] });
  const inbox = await Inbox.connect(bob);
  await inbox.join(channel);
  await inbox.delivered(await alice.post(channel, "before"));
  inbox.socket.disconnect();
  await comeBack(inbox.socket);
  assert.equal(inbox.socket.recovered, false);
});

test("a client cut off while it catches up misses nothing, recovered or not", async () => {
  const channel = await alice.create("report", { members: [bob] });
  const total = 1_500;
  for (let n = 0; n < total; n += 50) {
    await Promise.all(Array.from({ length: 50 }, () => alice.post(channel, "x".repeat(2_000))));
  }
  const again = { reconnection: true, reconnectionDelay: 300, reconnectionDelayMax: 300 };
  const inbox = await Inbox.connect(bob, { transports: ["websocket"], ...again });
  const seqs = () => inbox.messages(channel.id).map(({ seq }) => seq);
  inbox.socket.on("connect", () => {
    if (!inbox.socket.recovered) inbox.socket.emit("join_channel", { channelId: channel.id, sinceSeq: seqs().at(-1) ?? 0 });
  });
  const begun = next(inbox.socket, "message.created");
  inbox.socket.emit("join_channel", { channelId: channel.id, sinceSeq: 0 });
  await begun;
  const back = next(inbox.socket, "connect");
  inbox.socket.io.engine.close();
  await back;
  const last = await alice.post(channel, "live");
  await inbox.delivered(last);
  assert.deepEqual([...new Set(seqs())], Array.from({ length: total + 1 }, (_, n) => n + 1), "in order, none missing");
});
