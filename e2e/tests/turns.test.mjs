// Turns in discuss and work channels, followed from outside by who is woken.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { expectError, expectStatus, newPeople, startServer, stopServer, systemPost, SYSTEM_USER } from "../harness.mjs";
import { closeSockets, Room } from "../sockets.mjs";

let alice, bob, carol, dave;
let people;

before(async () => {
  await startServer();
  people = await newPeople("alice", "bob", "carol", "dave");
  [alice, bob, carol, dave] = people;
});
after(async () => {
  closeSockets();
  await stopServer();
});

/** A discuss channel of alice with bob and carol (and whoever else), all of them listening. */
async function discuss({ members = [bob, carol], ...options } = {}) {
  const channel = await alice.create("discuss", { members, ...options });
  return Room.open(channel, [alice, ...members]);
}

const byId = (id) => people.find((person) => person.id === id);

/** The people in speaking order. */
async function order({ channel }) {
  return (await alice.turn(channel)).order.map(byId);
}

/** Alice opens the round; gives the first and the second speaker after her. */
async function begin(room) {
  const opening = await alice.post(room.channel, "begin");
  const { person: first } = await room.woken(opening);
  const rest = (await order(room)).filter((person) => person !== alice && person !== first);
  return { opening, first, second: rest[0] };
}

test("a first message begins a round with the first in order who is not its author", async () => {
  const room = await discuss();
  assert.deepEqual((await order(room)).map(String), [alice, bob, carol].map(String), "as they were named, the creator first");
  const before = await alice.turn(room.channel);
  assert.equal(before.state, "settled");
  assert.equal(before.activeSpeaker, null);
  await room.wakes(await alice.post(room.channel, "begin"), bob);
  const turn = await alice.turn(room.channel);
  assert.equal(turn.state, "active");
  assert.equal(turn.activeSpeaker, bob.id);
  assert.equal(turn.cursor, bob.id);
  assert.ok(turn.turn > before.turn);
  assert.ok(turn.since);
});

test("everybody speaks in turn, and silence means consent: a pause once all but the last author have passed", async () => {
  const room = await discuss();
  let { person } = await room.woken(await alice.post(room.channel, "what do we do?"));
  const spoke = [];
  for (let n = 0; n < 6; n += 1) {
    assert.ok(person, "somebody is woken");
    spoke.push(person.name);
    ({ person } = await room.woken(await person.post(room.channel, `thought ${n}`)));
  }
  assert.deepEqual(spoke.slice(0, 2), ["bob", "carol"], "the first round goes in order");
  const lastAuthor = spoke.at(-1);
  const passed = [];
  while (person) {
    passed.push(person.name);
    assert.ok(passed.length <= 2, `a pause after everybody has passed: ${passed}`);
    const answer = await person.command(room.channel, "/no-reply");
    assert.equal(answer.accepted, true);
    ({ person } = await room.woken(answer.ack));
  }
  assert.deepEqual([...passed, lastAuthor].sort(), ["alice", "bob", "carol"], "each was asked once about the last message");
  const turn = await alice.turn(room.channel);
  assert.equal(turn.activeSpeaker, null);
  assert.equal(turn.cursor, null);
  assert.equal(turn.state, "settled");
  assert.deepEqual([turn.lastAuthor, turn.declined, turn.frames], [null, [], []]);
});

test("the next message after a pause begins anew", async () => {
  const room = await discuss({ members: [bob] });
  await room.wakes(await alice.post(room.channel, "begin"), bob);
  await room.wakes((await bob.command(room.channel, "/no-reply")).ack, undefined);
  await room.wakes(await bob.post(room.channel, "well, after all"), alice);
});

test("no round begins with whoever spoke last in the round before", async () => {
  const room = await discuss({ members: [bob, carol, dave] });
  let { person } = await room.woken(await alice.post(room.channel, "begin"));
  for (let n = 0; n < 24; n += 1) {
    const speaker = person;
    ({ person } = await room.woken(await speaker.post(room.channel, `${n}`)));
    assert.ok(person, "speaking goes on");
    assert.notEqual(person.name, speaker.name, "nobody answers themselves");
  }
});

test("those who declined since the last message speak last in the next round", async () => {
  const room = await discuss({ members: [bob, carol, dave] });
  const channel = room.channel;
  await alice.post(channel, "begin");
  await bob.post(channel, "something");
  await carol.command(channel, "/no-reply");
  await dave.command(channel, "/no-reply");
  const turn = await alice.turn(channel);
  assert.deepEqual(turn.order.slice(2), [carol.id, dave.id], "the tail, in the order of passing");
  assert.equal(turn.order[0], alice.id, "bob spoke last and does not begin");
  assert.equal(turn.activeSpeaker, alice.id);
  assert.deepEqual([turn.lastAuthor, turn.declined], [bob.id, [carol.id, dave.id]]);
  await room.wakes((await alice.command(channel, "/no-reply")).ack, undefined);
});

test("who passed before somebody spoke is asked about what was said", async () => {
  const room = await discuss({ members: [bob, carol] });
  await room.wakes(await alice.post(room.channel, "begin"), bob);
  await room.wakes((await bob.command(room.channel, "/no-reply")).ack, carol);
  const { person } = await room.woken(await carol.post(room.channel, "I have an idea"));
  const next = (await room.woken((await person.command(room.channel, "/no-reply")).ack)).person;
  assert.deepEqual([person.name, next.name].sort(), ["alice", "bob"]);
  await room.wakes((await next.command(room.channel, "/no-reply")).ack, undefined);
});

test("queue jump: the message is delivered, the rotation stays, the speaker is woken with it", async () => {
  const room = await discuss();
  const { first, second } = await begin(room);
  const jump = await second.post(room.channel, "I cannot wait");
  await room.wakes(jump, first);
  const turn = await alice.turn(room.channel);
  assert.equal(turn.activeSpeaker, first.id);
  assert.deepEqual([turn.lastAuthor, turn.declined], [second.id, []]);
  await room.wakes(await first.post(room.channel, "my turn"), second);
});

test("queue jump with mentions: the mentioned speak first, then the interrupted speaker", async () => {
  const room = await discuss({ members: [bob, carol, dave] });
  await room.wakes(await alice.post(room.channel, "begin"), bob);
  await room.wakes(await carol.post(room.channel, `${dave} quick question`), dave, "mention");
  const turn = await alice.turn(room.channel);
  assert.equal(turn.cursor, bob.id, "bob is interrupted");
  assert.deepEqual(turn.frames.map((frame) => frame.queue), [[dave.id]]);
  await room.wakes(await dave.post(room.channel, "quick answer"), bob);
});

test("the speaker's mentions speak one after another, then the speaker again", async () => {
  const room = await discuss({ members: [bob, carol, dave] });
  await room.wakes(await alice.post(room.channel, "begin"), bob);
  await room.wakes(await bob.post(room.channel, `${dave} and ${carol}, please`), dave, "mention");
  await room.wakes(await dave.post(room.channel, "done"), carol, "mention");
  await room.wakes(await carol.post(room.channel, "done"), bob);
  await room.wakes(await bob.post(room.channel, "thanks"), carol);
});

test("mentions nest, and unwind to the first who asked", async () => {
  const room = await discuss({ members: [bob, carol, dave] });
  await room.wakes(await alice.post(room.channel, "begin"), bob);
  await room.wakes(await bob.post(room.channel, `${carol}?`), carol, "mention");
  await room.wakes(await carol.post(room.channel, `${dave}?`), dave, "mention");
  await room.wakes(await dave.post(room.channel, "yes"), carol, "mention");
  await room.wakes(await carol.post(room.channel, "yes"), bob);
});

test("mentions in the first message speak first, then the rotation begins", async () => {
  const room = await discuss({ members: [bob, carol, dave] });
  await room.wakes(await alice.post(room.channel, `${dave} begin`), dave, "mention");
  await room.wakes(await dave.post(room.channel, "begun"), bob);
});

test("a mentioned root speaker does not get the floor again after their own message", async () => {
  const room = await discuss();
  await room.wakes(await alice.post(room.channel, `${bob} begin`), bob, "mention");
  assert.equal((await alice.turn(room.channel)).cursor, bob.id);
  await room.wakes(await bob.post(room.channel, "begun"), carol);
});

test("naming the one who asked gives the floor back to them and opens nothing", async () => {
  const room = await discuss();
  await room.wakes(await alice.post(room.channel, "begin"), bob);
  await room.wakes(await bob.post(room.channel, `${carol}?`), carol, "mention");
  await room.wakes(await carol.post(room.channel, `${bob} yes`), bob);
  assert.deepEqual((await alice.turn(room.channel)).frames, []);
});

test("nobody starves: two who mention each other in every answer do not keep a third from speaking", async () => {
  const room = await discuss({ members: [bob, carol, dave] });
  let { person } = await room.woken(await alice.post(room.channel, "begin"));
  let messages = 0;
  while (person === bob || person === carol) {
    messages += 1;
    assert.ok(messages <= 4 * 4 + 8, "somebody else speaks");
    ({ person } = await room.woken(await person.post(room.channel, `${person === bob ? carol : bob} and you?`)));
  }
  assert.ok(person, "the floor went on");
});

test("mentioning oneself or somebody who is no member moves nothing", async () => {
  const room = await discuss();
  const { first, second } = await begin(room);
  await room.wakes(await first.post(room.channel, `${first} and ${dave}`), second);
  assert.deepEqual((await alice.turn(room.channel)).frames, []);
});

test("a bypass member is woken only while mentioned, and is back in bypass afterwards", async () => {
  const room = await discuss({ members: [bob, dave], bypassUserIds: [dave.id] });
  const start = await alice.turn(room.channel);
  assert.deepEqual([start.order, start.bypass], [[alice.id, bob.id], [dave.id]]);
  await room.wakes(await alice.post(room.channel, "begin"), bob);
  await room.wakes(await bob.post(room.channel, `${dave} what do you think?`), dave, "mention");
  await room.wakes(await dave.post(room.channel, "I think so"), bob);
  await room.wakes(await bob.post(room.channel, "so it is"), alice);
  const end = await alice.turn(room.channel);
  assert.deepEqual([[...end.order].sort(), end.bypass], [[alice.id, bob.id].sort(), [dave.id]]);
});

test("bypass and unbypass move a member out of the rotation and to its end", async () => {
  const room = await discuss();
  expectStatus(await alice.act(room.channel, "bypass", { userId: bob.id }), 200, 204);
  let turn = await alice.turn(room.channel);
  assert.deepEqual([turn.order, turn.bypass], [[alice.id, carol.id], [bob.id]]);
  expectStatus(await alice.act(room.channel, "unbypass", { userId: bob.id }), 200, 204);
  turn = await alice.turn(room.channel);
  assert.deepEqual([turn.order, turn.bypass], [[alice.id, carol.id, bob.id], []]);
});

test("the speaker's turn goes to the successor when they move to bypass", async () => {
  const room = await discuss();
  const { first, second } = await begin(room);
  expectStatus(await alice.act(room.channel, "bypass", { userId: first.id }), 200, 204);
  assert.equal((await alice.turn(room.channel)).activeSpeaker, second.id);
});

test("the speaker's turn goes to the successor when they are removed or leave", async () => {
  const removed = await discuss();
  const one = await begin(removed);
  expectStatus(await alice.ask("DELETE", `/channels/${removed.channel.id}/members/${one.first.id}`), 200, 204);
  assert.equal((await alice.turn(removed.channel)).activeSpeaker, one.second.id);
  const left = await discuss();
  const two = await begin(left);
  expectStatus(await two.first.act(left.channel, "leave"), 200, 204);
  const turn = await alice.turn(left.channel);
  assert.equal(turn.activeSpeaker, two.second.id);
  assert.equal(turn.order.includes(two.first.id), false);
});

test("a new member goes to the end of the order", async () => {
  const room = await discuss();
  expectStatus(await alice.act(room.channel, "members", { userIds: [dave.id] }), 200, 201, 204);
  assert.deepEqual((await alice.turn(room.channel)).order, [alice.id, bob.id, carol.id, dave.id]);
});

test("/no-reply by the speaker is answered with an /ack of the guild that wakes the next", async () => {
  const room = await discuss();
  const { opening, first, second } = await begin(room);
  const answer = await first.command(room.channel, "  /no-reply nothing to add ");
  assert.equal(answer.accepted, true);
  assert.equal(answer.ack.content, "/ack");
  assert.equal(answer.ack.authorUserId, SYSTEM_USER);
  assert.equal(answer.ack.ack.command, "/no-reply");
  assert.equal(answer.ack.ack.byUserId, first.id);
  assert.equal(answer.ack.seq, opening.seq + 1, "the command itself is not stored");
  await room.wakes(answer.ack, second);
  for (const inbox of room.inboxes) {
    assert.equal(inbox.messages(room.channel.id).some((created) => created.content.includes("/no-reply")), false);
  }
});

test("/no-reply by anybody else has no effect: 202, not accepted, not_current_speaker", async () => {
  const room = await discuss();
  const { opening, first, second } = await begin(room);
  const before = await alice.turn(room.channel);
  const answer = await second.command(room.channel, "/no-reply");
  assert.deepEqual(answer, { accepted: false, reason: "not_current_speaker" });
  assert.deepEqual(await alice.turn(room.channel), before);
  const marker = await first.post(room.channel, "go on");
  assert.equal(marker.seq, opening.seq + 1, "nothing was stored in between");
});

test("/force-proceed by any participant moves past the speaker and wakes the next", async () => {
  const room = await discuss();
  const { first, second } = await begin(room);
  const answer = await alice.command(room.channel, "/force-proceed");
  assert.equal(answer.accepted, true);
  assert.equal(answer.ack.ack.command, "/force-proceed");
  assert.equal(answer.ack.ack.byUserId, alice.id);
  await room.wakes(answer.ack, second);
  const turn = await alice.turn(room.channel);
  assert.deepEqual([turn.lastAuthor, turn.declined], [alice.id, [first.id]], "exactly as if they had passed");
});

test("/force-proceed in an idle channel begins with the first who is not the caller", async () => {
  const room = await discuss();
  const answer = await alice.command(room.channel, "/force-proceed");
  assert.equal(answer.accepted, true);
  await room.wakes(answer.ack, bob);
});

test("a late message of a speaker who was skipped is delivered like a queue jump", async () => {
  const room = await discuss();
  const { first, second } = await begin(room);
  await alice.command(room.channel, "/force-proceed");
  const late = await first.post(room.channel, "sorry, I was away");
  await room.wakes(late, second);
  assert.equal((await alice.turn(room.channel)).activeSpeaker, second.id);
});

test("a late answer that names its turn uses up nobody's place, and commands for it answer turn_over", async () => {
  const room = await discuss();
  const { channel } = room;
  const { first, second } = await begin(room);
  const { turn } = await alice.turn(channel);
  await alice.act(channel, "turn/force-proceed", { turn });
  await room.wakes(await second.post(channel, `${first}, are you there?`), first, "mention");
  const late = expectStatus(await first.ask("POST", `/channels/${channel.id}/messages`, { content: "sorry", turn }), 201);
  await room.wakes(late, undefined);
  assert.equal((await alice.turn(channel)).activeSpeaker, first.id);
  for (const what of ["turn/pass", "turn/force-proceed"]) {
    const over = expectStatus(await first.act(channel, what, { turn }), 202);
    assert.deepEqual(over, { accepted: false, reason: "turn_over" });
  }
  const typed = await first.ask("POST", `/channels/${channel.id}/messages`, { content: "/no-reply", turn });
  assert.deepEqual(expectStatus(typed, 202), { accepted: false, reason: "turn_over" });
  const now = (await alice.turn(channel)).turn;
  const passed = expectStatus(await first.act(channel, "turn/pass", { turn: now }), 202);
  assert.equal(passed.accepted, true);
});

test("over a socket, too: turn.pass and turn.force_proceed, and message.post with its turn", async () => {
  const room = await discuss();
  const { channel } = room;
  const { first, second } = await begin(room);
  const { turn } = await alice.turn(channel);
  const ask = (who, name, payload) => room.of(who).ask(name, { channelId: channel.id, ...payload });
  assert.deepEqual(await ask(second, "turn.pass", { turn }), { accepted: false, reason: "not_current_speaker" });
  const passed = await ask(first, "turn.pass", { turn, reason: "nothing to add" });
  assert.equal(passed.accepted, true);
  await room.wakes(passed.ack, second);
  assert.deepEqual(await ask(alice, "turn.force_proceed", { turn }), { accepted: false, reason: "turn_over" });
  const late = await ask(first, "message.post", { content: "after all", turn });
  await room.wakes(late, second);
  const forced = await ask(alice, "turn.force_proceed", { turn: turn + 1 });
  assert.equal(forced.accepted, true);
  for (const bad of [-1, 1.5, "1", 2 ** 53]) {
    const refused = await ask(first, "turn.pass", { turn: bad });
    assert.deepEqual([refused.statusCode, refused.details?.map(({ field }) => field)], [400, ["turn"]], `${bad}`);
  }
});

test("the calls turn/pass and turn/force-proceed do what the commands do", async () => {
  const room = await discuss();
  const { first, second } = await begin(room);
  const refused = expectStatus(await second.act(room.channel, "turn/pass"), 202);
  assert.deepEqual(refused, { accepted: false, reason: "not_current_speaker" });
  const passed = expectStatus(await first.act(room.channel, "turn/pass", { reason: "nothing to add" }), 202);
  assert.equal(passed.accepted, true);
  await room.wakes(passed.ack, second);
  const forced = expectStatus(await first.act(room.channel, "turn/force-proceed"), 202);
  assert.equal(forced.accepted, true);
  await room.wakes(forced.ack, undefined);
});

test("commands are case-sensitive, other commands and other channel types get ordinary messages", async () => {
  const room = await discuss();
  const { first, second } = await begin(room);
  await room.wakes(await first.post(room.channel, "/No-Reply"), second);
  await second.post(room.channel, "/help me");
  await alice.post(room.channel, "please /no-reply");
  const general = await alice.create("general", { members: [bob] });
  for (const text of ["/no-reply", "/force-proceed"]) {
    assert.equal((await bob.post(general, text)).content, text);
  }
});

test("system posts move no turn", async () => {
  const room = await discuss();
  await begin(room);
  const before = await alice.turn(room.channel);
  const post = expectStatus(await systemPost(room.channel, "a notice"), 201);
  await room.wakes(post, undefined);
  const { wakeSeq, ...after } = await alice.turn(room.channel);
  assert.deepEqual({ ...after, wakeSeq: before.wakeSeq }, before);
  assert.ok(wakeSeq !== undefined);
});

test("every change of the turn is pushed as turn.updated, the same view that GET gives", async () => {
  const room = await discuss();
  await begin(room);
  const view = await alice.turn(room.channel);
  for (const inbox of room.inboxes) {
    const pushed = await inbox.wait("turn.updated", (turn) => turn.channelId === room.channel.id && turn.turn === view.turn);
    assert.deepEqual(pushed, view);
  }
});

test("channel types without turns answer 400 to everything about turns", async () => {
  const general = await alice.create("general", { members: [bob] });
  expectError(await alice.ask("GET", `/channels/${general.id}/turn`), 400);
  for (const what of ["turn/pass", "turn/force-proceed"]) expectError(await alice.act(general, what), 400);
  for (const what of ["bypass", "unbypass"]) expectError(await alice.act(general, what, { userId: bob.id }), 400);
});
