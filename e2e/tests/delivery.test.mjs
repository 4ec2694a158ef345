// Who is woken, who observes, who gets nothing: the table of delivery, cell by cell.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { expectError, expectStatus, newPeople, signIn, startServer, stopServer, systemPost } from "../harness.mjs";
import { closeSockets, Inbox, reading, Room } from "../sockets.mjs";

let author, bob, carol, dave;

before(async () => {
  await startServer();
  [author, bob, carol, dave] = await newPeople("author", "bob", "carol", "dave");
});
after(async () => {
  closeSockets();
  await stopServer();
});

async function room(xType, options = {}) {
  const members = [bob, carol];
  const channel = await author.create(xType, { members, ...options });
  return Room.open(channel, [author, ...members]);
}

test("general: without mentions everybody but the author is woken", async () => {
  const general = await room("general");
  const message = await author.post(general.channel, "hello all");
  await general.expect(message, [[author, "observe"], [bob, "wake:general"], [carol, "wake:general"]]);
});

test("general: with mentions the mentioned are woken and the rest observe", async () => {
  const general = await room("general");
  const message = await author.post(general.channel, `hello ${bob}`);
  await general.expect(message, [[author, "observe"], [bob, "wake:mention"], [carol, "observe"]]);
});

test("general: mentioning only strangers, oneself or a name that nobody has is mentioning nobody", async () => {
  const general = await room("general");
  for (const text of [`has anybody seen ${dave}?`, `I, ${author}, say so`, "<@bbo>?", "<@user.name:nobody>?"]) {
    const message = await author.post(general.channel, text);
    await general.expect(message, [[author, "observe"], [bob, "wake:general"], [carol, "wake:general"]]);
  }
  const message = await author.post(general.channel, `${dave}, ${author} and ${bob}`);
  await general.expect(message, [[author, "observe"], [bob, "wake:mention"], [carol, "observe"]]);
});

test("general: mentions in code are none, and code is what Markdown takes for it", async () => {
  const general = await room("general");
  for (const text of [`\`${bob}\``, `\`\`${bob} \` ${carol}\`\``, `see\n~~~ js\n${bob}\n\n${carol}`, `\`\`\`\n${bob}\n\`\`\``]) {
    const message = await author.post(general.channel, text);
    assert.deepEqual(message.mentions, [], text);
    await general.expect(message, [[author, "observe"], [bob, "wake:general"], [carol, "wake:general"]]);
  }
  for (const text of [`\`\`\`\n${carol}\n\`\`\`\n${bob}`, `it\`s for ${bob}`, `\`${carol}\`, ${bob}`]) {
    const message = await author.post(general.channel, text);
    assert.deepEqual(message.mentions, [bob.id], text);
    await general.expect(message, [[author, "observe"], [bob, "wake:mention"], [carol, "observe"]]);
  }
});

test("dm: the other is woken, whatever is mentioned", async () => {
  const channel = await author.create("dm", { members: [bob] });
  const dm = await Room.open(channel, [author, bob]);
  for (const text of ["psst", `is ${carol} there?`, `${bob}!`]) {
    const message = await author.post(channel, text);
    await dm.expect(message, [[author, "observe"], [bob, "wake:dm"]]);
  }
});

test("report: everybody observes, whatever is mentioned", async () => {
  const report = await room("report");
  for (const text of ["numbers", `numbers for ${bob}`]) {
    const message = await author.post(report.channel, text);
    await report.expect(message, [[author, "observe"], [bob, "observe"], [carol, "observe"]]);
  }
});

test("custom: listeners are woken and mentions change nothing", async () => {
  const custom = await room("custom", { listeners: [bob.id] });
  for (const text of ["tick", `tick ${carol}`]) {
    const message = await author.post(custom.channel, text);
    await custom.expect(message, [[author, "observe"], [bob, "wake:listener"], [carol, "observe"]]);
  }
});

test("custom: a listener who writes only observes", async () => {
  const custom = await room("custom", { listeners: [bob.id, carol.id] });
  const message = await bob.post(custom.channel, "tock");
  await custom.expect(message, [[author, "observe"], [bob, "observe"], [carol, "wake:listener"]]);
});

test("custom: a changed wake mapping counts from the next message on", async () => {
  const custom = await room("custom", { listeners: [bob.id] });
  expectStatus(await author.ask("PUT", `/channels/${custom.channel.id}/wake-mapping`, { userIds: [carol.id] }), 200, 204);
  const message = await author.post(custom.channel, "tick");
  await custom.expect(message, [[bob, "observe"], [carol, "wake:listener"]]);
});

test("triage: on duty is woken, the mentioned are woken, the author and anybody else get nothing", async () => {
  const triage = await room("triage", { onDuty: bob.id });
  const plain = await author.post(triage.channel, "the printer burns");
  await triage.expect(plain, [[author, "skip"], [bob, "wake:on_duty"], [carol, "skip"]]);
  const mention = await author.post(triage.channel, `${carol} ${bob} it still burns`);
  await triage.expect(mention, [[author, "skip"], [bob, "wake:on_duty"], [carol, "wake:mention"]]);
  const first = await bob.post(triage.channel, `${author} ${carol} put out`);
  await triage.expect(first, [[bob, "skip"], [author, "wake:mention"], [carol, "wake:mention"]]);
  const last = await carol.post(triage.channel, `thanks ${author}`);
  await triage.expect(last, [[bob, "wake:on_duty"], [author, "wake:mention"], [carol, "skip"]]);
  const end = await author.post(triage.channel, `${carol} welcome`);
  await triage.settle(end, last);
});

test("triage: the admin observes, may read, and need not be a member", async () => {
  const server = await startServer();
  assert.equal(server.email, server.adminEmail, "the person of `dev` is Center's admin");
  const admin = await signIn(server.email, server.password);
  const triage = await room("triage", { onDuty: bob.id });
  const watching = await Inbox.in(admin, triage.channel);
  const message = await author.post(triage.channel, "the printer burns");
  assert.equal(reading(await watching.delivered(message)), "observe");
  assert.equal((await admin.get(`/channels/${triage.channel.id}/messages/${message.id}`)).id, message.id);
  expectError(await admin.act(triage.channel, "join"), 403);
  expectError(await admin.act(triage.channel, "leave"), 403);
  expectStatus(await author.act(triage.channel, "members", { userIds: [admin.id] }), 200);
  const mention = await author.post(triage.channel, `${admin} look`);
  assert.equal(reading(await watching.delivered(mention)), "wake:mention", "as a member, like any other");
});

test("announce: nobody is woken, and the busy get nothing until they are free again", async () => {
  const announce = await room("announce");
  await presence(bob, "busy");
  const first = await author.post(announce.channel, `${carol} and ${bob}: cake`);
  await announce.expect(first, [[author, "observe"], [bob, "skip"], [carol, "observe"]]);
  await presence(bob, "idle");
  const second = await author.post(announce.channel, "more cake");
  await announce.expect(second, [[author, "observe"], [bob, "observe"], [carol, "observe"]]);
  await announce.settle(second);
});

test("announce: every presence but busy gets it", async () => {
  const announce = await room("announce");
  for (const status of ["on_call", "exhausted", "offline", "unknown"]) {
    await presence(bob, status);
    const message = await author.post(announce.channel, `cake for those who are ${status}`);
    await announce.expect(message, [[bob, "observe"], [carol, "observe"]]);
  }
});

for (const xType of ["discuss", "work"]) {
  test(`${xType}: the speaker after the message's own turn is woken and the rest observe`, async () => {
    const channel = await room(xType);
    const first = await author.post(channel.channel, "begin");
    const { order } = await author.turn(channel.channel);
    const next = [author, bob, carol].find((person) => person.id === order.find((id) => id !== author.id));
    const other = next === bob ? carol : bob;
    await channel.expect(first, [[author, "observe"], [next, "wake:turn"], [other, "observe"]]);
    const second = await next.post(channel.channel, "go on");
    await channel.expect(second, [[next, "observe"], [other, "wake:turn"], [author, "observe"]]);
  });
}

test("a participant of a public channel who is no member observes and is never woken", async () => {
  for (const xType of ["general", "discuss", "report", "announce"]) {
    const channel = await author.create(xType, { members: [bob], isPublic: true });
    const open = await Room.open(channel, [author, bob, dave]);
    const message = await author.post(channel, `anybody? ${dave}`);
    await open.expect(message, [[dave, "observe"]]);
  }
});

test("a participant of a public triage channel who is no member gets nothing", async () => {
  const channel = await author.create("triage", { members: [bob], onDuty: bob.id, isPublic: true });
  const triage = await Room.open(channel, [bob, dave]);
  const message = await author.post(channel, "the printer burns");
  await triage.expect(message, [[bob, "wake:on_duty"], [dave, "skip"]]);
  expectStatus(await dave.act(channel, "join"), 200, 201, 204);
  const marker = await author.post(channel, `${dave} hello`);
  await triage.expect(marker, [[dave, "wake:mention"]]);
  await triage.settle(marker);
});

test("a wake says why: reason and hop, and the turn where there is one", async () => {
  const discuss = await room("discuss");
  const message = await author.post(discuss.channel, "begin");
  const { wake } = await discuss.woken(message);
  const turn = await author.turn(discuss.channel);
  assert.equal(wake.turn, turn.turn);
  assert.equal(wake.deadline ?? null, turn.deadline);
  assert.equal(wake.hop, 0, "a person wrote");
  const general = await room("general");
  const created = await general.of(bob).delivered(await author.post(general.channel, "hello"));
  assert.equal(created.wake.turn, undefined);
});

test("wakeup is on the push only: never in an answer of REST", async () => {
  const general = await room("general");
  const message = await author.post(general.channel, "hello");
  const page = await bob.get(`/channels/${general.channel.id}/messages`);
  const one = await bob.get(`/channels/${general.channel.id}/messages/${message.id}`);
  for (const answer of [message, one, page.messages[0]]) {
    assert.equal("wakeup" in answer || "wake" in answer, false, JSON.stringify(answer));
  }
  const { xType, wakeup, wake, ...pushed } = await general.of(bob).delivered(message);
  assert.equal(xType, "general");
  assert.equal(wakeup, true);
  assert.equal(wake.reason, "general");
  assert.deepEqual(pushed, one, "the push is the message and those three");
});

test("system post: the user it is meant for is woken and the rest observe", async () => {
  for (const xType of ["general", "discuss", "report", "custom", "dm"]) {
    const { channel, ...rest } = await room(xType, xType === "dm" ? { members: [bob, carol] } : {});
    assert.ok(rest);
    const all = await Room.open(channel, [bob, carol]);
    const targeted = expectStatus(await systemPost(channel, "for bob", { wakeupUserId: bob.id }), 201);
    await all.expect(targeted, [[bob, "wake:targeted"], [carol, "observe"]]);
    const plain = expectStatus(await systemPost(channel, `for all, ${carol} too`), 201);
    await all.expect(plain, [[bob, "observe"], [carol, "observe"]]);
  }
});

test("system post: announce still skips the busy, triage still follows its list", async () => {
  const announce = await room("announce");
  await presence(bob, "busy");
  const cake = expectStatus(await systemPost(announce.channel, "cake", { wakeupUserId: carol.id }), 201);
  await announce.expect(cake, [[bob, "skip"], [carol, "wake:targeted"]]);
  await presence(bob, "idle");
  const more = expectStatus(await systemPost(announce.channel, "more cake"), 201);
  await announce.expect(more, [[bob, "observe"], [carol, "observe"]]);
  await announce.settle(more);

  const triage = await room("triage", { onDuty: bob.id });
  const alarm = expectStatus(await systemPost(triage.channel, "alarm"), 201);
  await triage.expect(alarm, [[bob, "observe"], [carol, "skip"]]);
  const marker = await author.post(triage.channel, `${carol} look`);
  await triage.expect(marker, [[carol, "wake:mention"]]);
  const skipped = triage.of(carol);
  assert.equal(skipped.count(alarm), 0, "carol is not on the list of the alarm");
});

async function presence(person, status) {
  expectStatus(await person.ask("PUT", `/agents/${person.id}/presence`, { status }), 200, 204);
}
