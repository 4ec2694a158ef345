// A wake is owed until it has arrived at whom it is for (spec/2 section 8).
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { eventually, expectStatus, newPeople, startServer, stopServer, systemPost } from "../harness.mjs";
import { closeSockets, Inbox, reading } from "../sockets.mjs";

let alice, bob, carol;

before(async () => {
  await startServer();
  [alice, bob, carol] = await newPeople("alice", "bob", "carol");
});
after(async () => {
  closeSockets();
  await stopServer();
});

/** Leaves by its own word, which says that everything has arrived, and waits until the guild knows. */
async function leave(inbox) {
  inbox.close();
  const isOffline = (rows) => rows.every(({ userId, online }) => userId !== inbox.person.id || !online);
  await eventually("the guild to know that a socket left", () => alice.get("/presence"), isOffline);
}

/** What a fresh socket gets from joining up to a marker, as `seq reading`. */
async function gets(person, channel, since) {
  const inbox = await Inbox.connect(person);
  await inbox.join(channel, since);
  const marker = await alice.post(channel, "marker");
  await inbox.delivered(marker);
  const before = inbox.messages(channel.id).filter(({ seq }) => seq < marker.seq);
  await leave(inbox);
  return before.map((created) => `${created.seq} ${reading(created)}`);
}

test("who was away is woken on joining, with the same message, in order and once", async () => {
  const channel = await alice.create("general", { members: [bob, carol] });
  const first = await alice.post(channel, "to all");
  await alice.post(channel, `only ${carol}`);
  await alice.post(channel, `and ${bob}`);
  assert.equal(first.seq, 1);
  assert.deepEqual(await gets(bob, channel), ["1 wake:general", "3 wake:mention"]);
  assert.deepEqual(await gets(bob, channel), [], "they are settled");
  assert.deepEqual(await gets(carol, channel), ["1 wake:general", "2 wake:mention", "4 wake:general", "5 wake:general"]);
});

test("with sinceSeq the missed messages carry the wakes that are owed, and nothing comes twice", async () => {
  const channel = await alice.create("general", { members: [bob, carol] });
  for (const text of ["one", `two ${carol}`, "three", `four ${bob}`]) await alice.post(channel, text);
  assert.deepEqual(await gets(bob, channel, 1), ["2 observe", "3 wake:general", "4 wake:mention"]);
});

test("an answer over REST settles what was owed before it", async () => {
  const channel = await alice.create("dm", { members: [bob] });
  await alice.post(channel, "are you there?");
  await bob.post(channel, "yes");
  await alice.post(channel, "good");
  assert.deepEqual(await gets(bob, channel), ["3 wake:dm"]);
});

test("what a system post asks for is owed, also where members speak in turn", async () => {
  const channel = await alice.create("discuss", { members: [bob, carol] });
  const notice = expectStatus(await systemPost(channel, "look", { wakeupUserId: carol.id }), 201);
  assert.deepEqual(await gets(carol, channel), [`${notice.seq} wake:targeted`]);
  assert.deepEqual(await gets(bob, channel), [`${notice.seq + 1} wake:turn`], "the marker made it bob's turn");
});

test("announce and report owe nothing, since they wake nobody", async () => {
  for (const xType of ["announce", "report"]) {
    const channel = await alice.create(xType, { members: [bob] });
    await alice.post(channel, `hear, <@${bob.id}>`);
    assert.deepEqual(await gets(bob, channel), [], xType);
  }
});
