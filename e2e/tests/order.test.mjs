// Many at once: seq without gaps, delivery in order, nothing delivered before it can be read.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { expectStatus, newPeople, startServer, stopServer } from "../harness.mjs";
import { closeSockets, Inbox, Room } from "../sockets.mjs";

const POSTERS = 16;
const EACH = 12;
const FLOODS = 5;
let posters;

before(async () => {
  await startServer();
  posters = await newPeople(...Array.from({ length: POSTERS }, (_, n) => `poster${n}`));
});
after(async () => {
  closeSockets();
  await stopServer();
});

/** Everybody posts at the same time as fast as they can; gives what the server answered. */
async function flood(channel) {
  const posted = await Promise.all(posters.map(async (poster) => {
    const messages = [];
    for (let n = 0; n < EACH; n += 1) messages.push(await poster.post(channel, `${poster.name} ${n}`));
    return messages;
  }));
  return posted.flat();
}

const upTo = (count) => Array.from({ length: count }, (_, n) => n + 1);

for (const xType of ["general", "discuss"]) {
  test(`${xType}: ${POSTERS} posters at once: seq has no gap and every socket gets every message once, in seq order`, async () => {
    const [creator, ...members] = posters;
    const channel = await creator.create(xType, { members });
    const room = await Room.open(channel, posters.slice(0, 4));
    const tooEarly = [];
    const reads = [];
    const [watcher] = room.inboxes;
    watcher.socket.on("message.created", (created) => {
      if (created.channelId !== channel.id) return;
      const read = creator.ask("GET", `/channels/${channel.id}/messages/${created.id}`);
      reads.push(read.then((answer) => { if (answer.status !== 200) tooEarly.push([created.seq, answer.status]); }));
    });
    const posted = await flood(channel);
    const total = POSTERS * EACH;
    assert.deepEqual(posted.map(({ seq }) => seq).sort((a, b) => a - b), upTo(total), "answers: seq without gaps or repeats");
    const idAt = new Map(posted.map(({ seq, id }) => [seq, id]));
    for (const inbox of room.inboxes) {
      await inbox.wait("message.created", (created) => created.seq === total && created.channelId === channel.id, `the last of ${total}`);
      const got = inbox.messages(channel.id);
      assert.deepEqual(got.map(({ seq }) => seq), upTo(total), `${inbox.person.name}: in seq order, once`);
      assert.ok(got.every(({ seq, id }) => idAt.get(seq) === id), "the ids that the posts were answered with");
    }
    await Promise.all(reads);
    assert.deepEqual(tooEarly, [], "what is delivered can be read");
    assert.equal(reads.length, total);
    if (xType === "discuss") await checkTurns(channel, posted);
  });
}

/** Each message wakes the speaker of its moment, so nobody is woken by their own and one at most by each. */
async function checkTurns(channel, posted) {
  const all = await Promise.all(posters.map((poster) => Inbox.connect(poster)));
  const woken = new Map(posted.map(({ seq }) => [seq, []]));
  for (const inbox of all) await inbox.join(channel, posted.length);
  const last = await posters[0].post(channel, "after the storm");
  for (const inbox of all) {
    const created = await inbox.delivered(last);
    if (created.wakeup) woken.set(last.seq, [...(woken.get(last.seq) ?? []), inbox.person.id]);
  }
  const { activeSpeaker } = await posters[0].turn(channel);
  assert.deepEqual(woken.get(last.seq), [activeSpeaker]);
}

test("a post that was answered can be read at once, by everybody", async () => {
  const [creator, other] = posters;
  const channel = await creator.create("general", { members: [other] });
  for (let n = 0; n < 20; n += 1) {
    const message = await creator.post(channel, `${n}`);
    assert.deepEqual(await other.get(`/channels/${channel.id}/messages/${message.id}`), message);
  }
});

test("joining with sinceSeq in the middle of a flood loses nothing and repeats nothing", async () => {
  const [creator, ...members] = posters;
  const channel = await creator.create("general", { members });
  const early = await creator.post(channel, "first");
  const inboxes = await Promise.all(posters.slice(0, 4).map((poster) => Inbox.connect(poster)));
  let flooding = true;
  const flooded = (async () => {
    for (let n = 0; n < FLOODS; n += 1) await flood(channel);
  })().finally(() => { flooding = false; });
  let joins = 0;
  await Promise.all(inboxes.map(async (inbox) => {
    do {
      const seen = inbox.messages(channel.id).at(-1)?.seq ?? early.seq;
      const { lastSeq } = await inbox.join(channel, seen);
      assert.ok(lastSeq >= seen);
      joins += 1;
      if (flooding) await inbox.ask("leave_channel", { channelId: channel.id });
      else break;
    } while (true);
  }));
  await flooded;
  const total = FLOODS * POSTERS * EACH + 1;
  for (const inbox of inboxes) {
    await inbox.wait("message.created", ({ seq }) => seq === total, `the last of ${total}`);
    assert.deepEqual(inbox.messages(channel.id).map(({ seq }) => seq), upTo(total).slice(1), `${inbox.person.name}, ${joins} joins in all`);
  }
});

test("members come and go while others post: nobody who stays misses anything", async () => {
  const [creator, ...members] = posters;
  const leaver = members.at(-1);
  const channel = await creator.create("discuss", { members });
  const inbox = await Inbox.in(members[0], channel);
  const churn = (async () => {
    for (let n = 0; n < 5; n += 1) {
      expectStatus(await creator.ask("DELETE", `/channels/${channel.id}/members/${leaver.id}`), 200, 204);
      expectStatus(await creator.act(channel, "members", { userIds: [leaver.id] }), 200, 201, 204);
    }
  })();
  const posted = (await Promise.all(members.slice(0, 8).map(async (member) => {
    const messages = [];
    for (let n = 0; n < EACH; n += 1) messages.push(await member.post(channel, `${n}`));
    return messages;
  }))).flat();
  await churn;
  const total = posted.length;
  await inbox.wait("message.created", ({ seq }) => seq === total, `the last of ${total}`);
  assert.deepEqual(inbox.messages(channel.id).map(({ seq }) => seq), upTo(total));
  const { order, bypass } = await creator.turn(channel);
  assert.deepEqual([...order, ...bypass].sort(), posters.map(({ id }) => id).sort(), "order and bypass are the members");
});

for (const [count, size] of [[1_200, 10], [40, 50_000]]) {
  test(`sinceSeq: ${count} missed messages of ${size} characters arrive in order, on every transport`, async () => {
    const [creator, reader] = posters;
    const channel = await creator.create("report", { members: posters.slice(1) });
    for (let n = 0; n < count; n += 16) {
      await Promise.all(posters.slice(0, Math.min(16, count - n)).map((poster) => poster.post(channel, "x".repeat(size))));
    }
    for (const transports of [["websocket"], ["polling"], ["polling", "websocket"]]) {
      const inbox = await Inbox.connect(reader, { transports });
      await inbox.join(channel, 0);
      await inbox.wait("message.created", ({ seq }) => seq === count);
      assert.deepEqual(inbox.messages(channel.id).map(({ seq }) => seq), upTo(count));
      inbox.close();
    }
  });
}
