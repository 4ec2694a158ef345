// The far corners of turns: deep nesting, passing and removal inside it, orders of one and of none.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { expectStatus, newPeople, startServer, stopServer } from "../harness.mjs";
import { closeSockets, Room } from "../sockets.mjs";

let people, alice, bob, carol, dave, erin, frank, gina;

before(async () => {
  await startServer();
  people = await newPeople("alice", "bob", "carol", "dave", "erin", "frank", "gina");
  [alice, bob, carol, dave, erin, frank, gina] = people;
});
after(async () => {
  closeSockets();
  await stopServer();
});

/** A discuss channel of alice with these members, all of them listening; bob has the turn. */
async function discuss(members = people.slice(1), options = {}) {
  const channel = await alice.create("discuss", { members, ...options });
  const room = await Room.open(channel, [alice, ...members]);
  await room.wakes(await alice.post(channel, "begin"), bob);
  return room;
}

const pass = async (room, who) => (await who.command(room.channel, "/no-reply")).ack;
const force = async (room, who) => (await who.command(room.channel, "/force-proceed")).ack;
const queues = async (room) => (await alice.turn(room.channel)).frames.map(({ queue }) => queue);

test("four frames nest; a fifth drops the bottom-most, and all others unwind", async () => {
  const room = await discuss();
  const { channel } = room;
  await room.wakes(await bob.post(channel, `${carol}?`), carol, "mention");
  await room.wakes(await carol.post(channel, `${dave}?`), dave, "mention");
  await room.wakes(await dave.post(channel, `${erin}?`), erin, "mention");
  await room.wakes(await erin.post(channel, `${frank}?`), frank, "mention");
  assert.deepEqual(await queues(room), [[carol.id], [dave.id], [erin.id], [frank.id]]);
  await room.wakes(await frank.post(channel, `${gina}?`), gina, "mention");
  assert.deepEqual(await queues(room), [[dave.id], [erin.id], [frank.id], [gina.id]]);
  await room.wakes(await gina.post(channel, "!"), frank, "mention");
  await room.wakes(await frank.post(channel, "!"), erin, "mention");
  await room.wakes(await erin.post(channel, "!"), dave, "mention");
  await room.wakes(await dave.post(channel, "!"), bob);
  assert.deepEqual(await queues(room), []);
});

test("passing in a frame consumes the entry, and who passed is not asked again at the root", async () => {
  const room = await discuss();
  await room.wakes(await bob.post(room.channel, `${carol} ${dave}`), carol, "mention");
  await room.wakes(await pass(room, carol), dave, "mention");
  await room.wakes(await pass(room, dave), bob);
  const { declined } = await alice.turn(room.channel);
  assert.deepEqual(declined, [carol.id, dave.id]);
  await room.wakes(await pass(room, bob), erin);
});

test("/force-proceed in a frame consumes the entry", async () => {
  const room = await discuss();
  await room.wakes(await bob.post(room.channel, `${carol} ${dave}`), carol, "mention");
  await room.wakes(await force(room, gina), dave, "mention");
  await room.wakes(await force(room, gina), bob);
});

test("the root speaker may not pass while the mentioned speak", async () => {
  const room = await discuss();
  await room.wakes(await bob.post(room.channel, `${carol}`), carol, "mention");
  assert.deepEqual(await bob.command(room.channel, "/no-reply"), { accepted: false, reason: "not_current_speaker" });
  await room.wakes(await bob.post(room.channel, "one more thing"), carol, "mention");
});

test("whoever is removed leaves every queue, and the next in it speaks", async () => {
  const room = await discuss();
  const remove = (who) => alice.ask("DELETE", `/channels/${room.channel.id}/members/${who.id}`);
  await room.wakes(await bob.post(room.channel, `${carol} ${dave} ${erin}`), carol, "mention");
  expectStatus(await remove(dave), 200, 204);
  expectStatus(await remove(carol), 200, 204);
  assert.equal((await alice.turn(room.channel)).activeSpeaker, erin.id);
  expectStatus(await remove(erin), 200, 204);
  const turn = await alice.turn(room.channel);
  assert.deepEqual([turn.activeSpeaker, turn.frames], [bob.id, []], "the spent frame is gone");
});

test("a root speaker who goes while the mentioned speak: only the cursor moves on", async () => {
  const room = await discuss();
  await room.wakes(await bob.post(room.channel, `${dave}`), dave, "mention");
  expectStatus(await bob.act(room.channel, "leave"), 200, 204);
  const turn = await alice.turn(room.channel);
  assert.deepEqual([turn.activeSpeaker, turn.cursor], [dave.id, carol.id]);
  const answer = await dave.post(room.channel, "to whom?");
  assert.equal((await room.of(carol).delivered(answer)).wakeup, true);
});

test("one member alone: a message wakes nobody and the channel stays idle", async () => {
  const channel = await alice.create("discuss");
  const room = await Room.open(channel, [alice]);
  await room.wakes(await alice.post(channel, "hello?"), undefined);
  assert.equal((await alice.turn(channel)).state, "settled");
  assert.equal((await alice.command(channel, "/force-proceed")).accepted, false);
});

test("everybody in bypass: only the mentioned are woken, and then the channel is idle again", async () => {
  const channel = await alice.create("discuss", { members: [bob], bypassUserIds: [alice.id, bob.id] });
  const room = await Room.open(channel, [alice, bob]);
  assert.deepEqual((await alice.turn(channel)).order, []);
  await room.wakes(await alice.post(channel, "hello"), undefined);
  await room.wakes(await alice.post(channel, `${bob} hello`), bob, "mention");
  await room.wakes(await bob.post(channel, "hello"), undefined);
  const { state, activeSpeaker, cursor, frames } = await alice.turn(channel);
  assert.deepEqual([state, activeSpeaker, cursor, frames], ["settled", null, null, []]);
});

test("two members answer each other until one has nothing to add", async () => {
  const channel = await alice.create("discuss", { members: [bob] });
  const room = await Room.open(channel, [alice, bob]);
  await room.wakes(await alice.post(channel, "ping"), bob);
  for (let n = 0; n < 4; n += 1) {
    await room.wakes(await bob.post(channel, "pong"), alice);
    await room.wakes(await alice.post(channel, "ping"), bob);
  }
  await room.wakes(await pass(room, bob), undefined);
});

test("a round in which only one spoke and all others passed ends in a pause", async () => {
  const room = await discuss([bob, carol]);
  await room.wakes(await bob.post(room.channel, "my view"), carol);
  await room.wakes(await pass(room, carol), alice);
  const { order } = await alice.turn(room.channel);
  assert.deepEqual([order[0], order.at(-1)], [alice.id, carol.id]);
  await room.wakes(await pass(room, alice), undefined);
});

test("bypass members may speak at any time without moving the rotation", async () => {
  const room = await discuss([bob, carol], { bypassUserIds: [carol.id] });
  await room.wakes(await carol.post(room.channel, "from the side"), bob);
  const { activeSpeaker, lastAuthor } = await alice.turn(room.channel);
  assert.deepEqual([activeSpeaker, lastAuthor], [bob.id, carol.id]);
});

test("in a public channel a guest speaks like a queue jump and is in no order", async () => {
  const channel = await alice.create("discuss", { members: [bob], isPublic: true });
  const room = await Room.open(channel, [alice, bob, gina]);
  await room.wakes(await gina.post(channel, "may I?"), alice);
  await room.wakes(await gina.post(channel, "thank you"), alice);
  const { order, bypass, lastAuthor } = await alice.turn(channel);
  assert.deepEqual([order, bypass, lastAuthor], [[alice.id, bob.id], [], gina.id]);
  await room.wakes((await gina.command(channel, "/force-proceed")).ack, bob);
});
