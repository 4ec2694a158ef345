// A random walk through everything that moves a turn, checked after each step against what must always hold.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { expectStatus, newPeople, startServer, stopServer } from "../harness.mjs";
import { picker, randomness, SEED } from "../random.mjs";
import { closeSockets, Room } from "../sockets.mjs";

const STEPS = Number(process.env.FABRIC_E2E_STEPS ?? 250);

let people;

before(async () => {
  await startServer();
  people = await newPeople("alice", "bob", "carol", "dave", "erin");
});
after(async () => {
  closeSockets();
  await stopServer();
});

test(`${STEPS} random steps (FABRIC_E2E_SEED=${SEED}) keep every promise about turns`, async () => {
  const random = randomness();
  const pick = picker(random);
  const byId = (id) => people.find((person) => person.id === id);
  const [alice, ...members] = people;
  const channel = await alice.create("discuss", { members, bypassUserIds: [members.at(-1).id], isPublic: true });
  const room = await Room.open(channel, people);
  const stepsTaken = [];

  /** The message that a step led to, if any. */
  const step = async (turn) => {
    const active = byId(turn.activeSpeaker);
    const inside = [...turn.order, ...turn.bypass].map(byId);
    const who = pick(people);
    const roll = random();
    if (roll < 0.35 && active) {
      const mentions = random() < 0.4 ? `${pick(people)} ${pick(people)}` : "";
      return [`${active.name} speaks ${mentions}`, await active.post(channel, `in turn ${mentions}`)];
    }
    if (roll < 0.5) {
      const mentions = random() < 0.4 ? `${pick(people)}` : "";
      return [`${who.name} says ${mentions}`, await who.post(channel, `whenever ${mentions}`)];
    }
    if (roll < 0.75) {
      const speaker = active && random() < 0.9 ? active : who;
      const answer = await speaker.command(channel, "/no-reply");
      assert.equal(answer.accepted, speaker === active, `${speaker.name} passes`);
      return [`${speaker.name} passes`, answer.ack];
    }
    if (roll < 0.83) return [`${who.name} forces`, (await who.command(channel, "/force-proceed")).ack];
    if (roll < 0.91) {
      const other = pick(inside);
      const what = turn.bypass.includes(other.id) ? "unbypass" : "bypass";
      const caller = inside.includes(alice) ? alice : inside[0];
      expectStatus(await caller.act(channel, what, { userId: other.id }), 200);
      return [`${what} ${other.name}`];
    }
    if (inside.includes(who) && inside.length > 1 && who !== alice) {
      expectStatus(await who.act(channel, "leave"), 200);
      return [`${who.name} leaves`];
    }
    expectStatus(await who.act(channel, "join"), 200);
    // A guest's socket left the room together with the membership.
    await room.of(who).join(channel);
    return [`${who.name} joins`];
  };

  const check = (turn, memberIds) => {
    assert.deepEqual([...turn.order, ...turn.bypass].sort(), memberIds, "order and bypass are the members, without repeats");
    assert.ok(turn.frames.length <= 4, "at most four frames");
    for (const { queue, position } of turn.frames) {
      assert.ok(position >= 0 && position < queue.length && queue.every((id) => memberIds.includes(id)));
    }
    const top = turn.frames.at(-1);
    assert.equal(turn.activeSpeaker, top ? top.queue[top.position] : turn.cursor);
    if (turn.activeSpeaker === null) assert.equal(turn.frames.length, 0, "an idle channel has no frames");
    if (!top && turn.cursor !== null) assert.ok(turn.order.includes(turn.cursor));
    assert.equal(turn.state, turn.activeSpeaker === null ? "settled" : "active");
  };

  let turn = await alice.turn(channel);
  for (let n = 0; n < STEPS; n += 1) {
    const before = turn;
    try {
      const [what, message] = await step(before);
      stepsTaken.push(what);
      turn = await alice.turn(channel);
      const rows = await alice.get(`/channels/${channel.id}/members`);
      check(turn, rows.map(({ userId }) => userId).sort());
      assert.ok(turn.turn >= before.turn, "the counter never falls");
      if (turn.activeSpeaker !== before.activeSpeaker && turn.activeSpeaker !== null) {
        assert.ok(turn.turn > before.turn, "a new speaker is a new turn");
      }
      if (message) {
        const { person } = await room.woken(message);
        const expected = turn.activeSpeaker === message.authorUserId ? undefined : byId(turn.activeSpeaker);
        assert.equal(person?.name, expected?.name, "the speaker after the message is woken, and nobody else");
      }
    } catch (error) {
      error.message += `\nafter: ${stepsTaken.slice(-12).join(" | ")}\nturn before: ${JSON.stringify(before)}\nturn: ${JSON.stringify(turn)}`;
      throw error;
    }
  }
  for (const inbox of room.inboxes) {
    const seqs = inbox.messages(channel.id).map(({ seq }) => seq);
    const inOrder = [...new Set(seqs)].sort((a, b) => a - b);
    assert.deepEqual([...new Set(seqs)], inOrder, `${inbox.person.name} got everything in seq order`);
  }
});
