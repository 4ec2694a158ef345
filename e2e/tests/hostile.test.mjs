// Clients that mean harm: their socket is closed, and nobody else notices.
import { after, afterEach, before, test } from "node:test";
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { Agent, request as httpRequest } from "node:http";
import { eventually, newPeople, startServer, stopServer, withDeadline } from "../harness.mjs";
import { closeRaw, eventPacket, RawPolling, RawSocket } from "../raw.mjs";
import { closeSockets, Inbox, outcome, rawSocket } from "../sockets.mjs";

const POST_EVERY_MS = 20;
/** Other addresses of the same machine, so that their limits are their own. */
const [ELSEWHERE, AFAR] = ["127.0.0.2", "127.0.0.3"];
const onLinux = { skip: process.platform !== "linux" };
const withItsMemory = { skip: onLinux.skip || process.env.FABRIC_GUILD_URL !== undefined };

let server, mallory, channel, posters, bystanders, posting;
let stopped = false;

before(async () => {
  server = await startServer();
  let watcher;
  [mallory, watcher, ...posters] = await newPeople("mallory", "watcher", "ada", "brian");
  channel = await posters[0].create("report", { members: [posters[1], watcher] });
  // On one connection: were each poll to open its own, a pause of the machine just then would end it with 408.
  const agent = new Agent({ keepAlive: true });
  bystanders = [await Inbox.connect(watcher), await Inbox.connect(watcher, { transports: ["polling"], agent })];
  for (const inbox of bystanders) {
    inbox.socket.on("disconnect", (reason) => { inbox.disturbed = reason; });
    await inbox.join(channel);
  }
  posting = (async () => {
    for (let n = 0; !stopped; n += 1) {
      await posters[n % 2].post(channel, `${n}`);
      await new Promise((next) => setTimeout(next, POST_EVERY_MS));
    }
  })();
});
afterEach(async () => {
  const marker = await posters[0].post(channel, "marker");
  for (const inbox of bystanders) {
    assert.equal(inbox.disturbed, undefined, "a bystander stays connected");
    await inbox.delivered(marker);
    const seqs = inbox.messages(channel.id).map(({ seq }) => seq);
    assert.deepEqual(seqs, seqs.map((_, n) => n + 1), "a bystander gets every message, once and in order");
    assert.equal(inbox.disturbed, undefined, "a bystander stays connected");
  }
});
after(async () => {
  stopped = true;
  await posting;
  closeRaw();
  closeSockets();
  await stopServer();
});

const nested = (depth, open, close) => `${open.repeat(depth)}1${close.repeat(depth)}`;
const huge = "9".repeat(30);

/** What no client sends that keeps to the protocol. */
const BOMBS = {
  "arrays nested 100,000 deep": eventPacket("typing", nested(100_000, "[", "]")),
  "objects nested 100,000 deep": eventPacket("typing", nested(100_000, '{"a":', "}")),
  "nesting that never ends": eventPacket("typing", "[".repeat(500_000)),
  "nesting in an acknowledgement": `43/realtime,1[${nested(100_000, "[", "]")}]`,
  "half a million values": eventPacket("typing", `[${"0,".repeat(490_000)}0]`),
  "a million attachments announced": `451000000-/realtime,["typing",{"_placeholder":true,"num":0}]`,
  "more attachments than a number can say": `45${huge}-/realtime,["typing",{"_placeholder":true,"num":0}]`,
  "a binary event without a number of attachments": `45/realtime,["typing",{"_placeholder":true,"num":0}]`,
  "an acknowledgement id that no number can hold": eventPacket("leave_channel", "{}", huge),
  "an acknowledgement of an id that no number can hold": `43/realtime,${huge}[]`,
  "bytes that are no UTF-8": Buffer.concat([Buffer.from('42/realtime,["typing",{"channelId":"'), Buffer.from([0xff, 0xc0, 0x80]), Buffer.from('"}]')]),
  "a lone surrogate as UTF-8": Buffer.concat([Buffer.from('42/realtime,["typing","'), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from('"]')]),
  "a second CONNECT": () => `40/realtime,${JSON.stringify({ token: mallory.token })}`,
  "a second CONNECT without a token": "40/realtime,",
  "an event of a namespace that was not joined": '42/elsewhere,["typing",{}]',
  "an event of the main namespace": '42["typing",{}]',
  "an event that is an object": "42/realtime,{}",
  "an event without a name": "42/realtime,[]",
  "an event whose name is an object": '42/realtime,[{"toString":1},1]',
  "an event with a reserved name": '42/realtime,["disconnect",1]',
  "an event of broken JSON": '42/realtime,["typing",{]',
  "JSON and more": '42/realtime,["typing",{}]["typing",{}]',
  "a packet of an unknown kind": "49/realtime,[]",
  "a CONNECT_ERROR": '44/realtime,{"message":"no"}',
  "an Engine.IO packet of an unknown kind": "9",
  "an open packet": '0{"sid":"mine"}',
  "an empty frame": "",
  "a message of a megabyte and a byte": `4${"x".repeat(1_000_000)}`,
};

for (const [name, bomb] of Object.entries(BOMBS)) {
  test(`${name}: that socket is closed`, async () => {
    const raw = await RawSocket.of(mallory);
    raw.send(typeof bomb === "function" ? bomb() : bomb);
    await raw.isClosed(name);
  });
}

const frame = (first, second, ...rest) => Buffer.from([first, second, ...rest.flat()]);
const MASK = [0, 0, 0, 0];
const FRAMES = {
  "a frame that announces an exabyte": frame(0x81, 0xff, [0x0f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], MASK),
  "a frame that announces two megabytes": frame(0x81, 0xff, [0, 0, 0, 0, 0, 0x20, 0, 0], MASK),
  "a frame without a mask": frame(0x81, 0x01, [0x33]),
  "a frame with reserved bits": frame(0xf1, 0x81, MASK, [0x33]),
  "a frame of an unknown kind": frame(0x83, 0x81, MASK, [0x33]),
  "a ping of two hundred bytes": frame(0x89, 0xfe, [0, 200], MASK, Array(200).fill(0)),
  "a continuation of nothing": frame(0x80, 0x81, MASK, [0x33]),
  "fragments of one byte without an end": Buffer.concat([frame(0x01, 0x81, MASK, [0x34]), ...Array(5_000).fill(frame(0x00, 0x81, MASK, [0x78]))]),
  "a megabyte of fragments": Buffer.concat([frame(0x01, 0x81, MASK, [0x34]), ...Array(40).fill(frame(0x00, 0xfe, [0x80, 0], MASK, Array(0x8000).fill(0x78)))]),
  "attachments in place of texts": Buffer.concat(Array(3).fill(frame(0x82, 0x81, MASK, [0x33]))),
};

for (const [name, bytes] of Object.entries(FRAMES)) {
  test(`${name}: that socket is closed`, async () => {
    const raw = await RawSocket.of(mallory);
    raw.write(bytes);
    await raw.isClosed(name);
  });
}

test("nesting and broken JSON in the CONNECT's auth: closed or refused, before any token is looked at", async () => {
  for (const auth of [nested(100_000, '{"token":', "}"), "[]", '"token"', "{", "7", `{"token":${nested(50_000, "[", "]")}}`]) {
    const raw = new RawSocket(server);
    await raw.wait((text) => text.startsWith("0{"), "the open packet");
    raw.send(`40/realtime,${auth}`);
    const refused = raw.wait((text) => text.startsWith("44/realtime,"), "a refusal");
    refused.catch(() => {});
    await withDeadline(Promise.any([refused, raw.closed]), "the end");
    assert.equal(raw.received.some((text) => `${text}`.startsWith("40")), false);
    raw.end();
  }
});

test("an acknowledgement that was never asked for, an event called error, and an upgrade of what is a websocket do no harm", async () => {
  const raw = await RawSocket.of(mallory);
  raw.send("5");
  raw.send('43/realtime,4711["thanks"]');
  raw.send('42/realtime,["error",{}]');
  assert.deepEqual(await raw.ask(1, "leave_channel", { channelId: "nowhere" }), { ok: true });
  raw.end();
});

test("polling: a body over the limit is 413, and nothing of it is taken", async () => {
  const mine = await mallory.create("report");
  for (const headers of [{}, { "transfer-encoding": "chunked" }]) {
    const post = { channelId: mine.id, content: "x".repeat(1_000_000) };
    const body = eventPacket("message.post", JSON.stringify(post));
    // The server answers early and reads on for a second: who sends more after that finds the connection closed.
    const refused = async () => {
      const raw = await RawPolling.of(mallory);
      const answer = await raw.post(body, headers).catch(() => undefined);
      raw.end();
      return answer;
    };
    const { status } = await eventually("an answer", refused, (answer) => answer !== undefined);
    assert.equal(status, 413);
    assert.equal((await mallory.get(`/channels/${mine.id}`)).lastSeq, 0);
  }
});

test("polling: bombs end the session as they do over a websocket", async () => {
  for (const name of ["arrays nested 100,000 deep", "a million attachments announced", "bytes that are no UTF-8", "a second CONNECT without a token", "an acknowledgement id that no number can hold", "an event of broken JSON"]) {
    const raw = await RawPolling.of(mallory);
    const { status } = await raw.post(BOMBS[name]);
    assert.ok(status === 200 || status === 400, `${name}: ${status}`);
    const after = await raw.poll();
    const isClosed = after.status === 400 || after.text.split("\u001e").at(-1) === "1";
    assert.ok(isClosed, `${name}: ${after.status} ${after.text}`);
    raw.end();
  }
});

test("polling: two polls at once, and ids and transports that do not exist, are 400", async () => {
  const raw = await RawPolling.of(mallory);
  // Whoever gets an event before the other has asked polls again: sooner or later there are two.
  const keepPolling = async () => {
    let status = 200;
    while (status === 200) ({ status } = await raw.poll());
    return status;
  };
  const ends = await withDeadline(Promise.all([keepPolling(), keepPolling()]), "two polls at once to be refused");
  assert.deepEqual(ends, [400, 400]);
  for (const query of ["EIO=4&transport=polling&sid=nobody", "EIO=4&transport=carrier-pigeon", "EIO=4&transport=constructor", "EIO=3&transport=polling", "EIO=4", `EIO=4&transport=polling&sid=${"x".repeat(5_000)}`, "EIO=4&transport=polling&sid=%ff%00"]) {
    const answer = await fetch(`${server.guildUrl}/socket.io/?${query}`);
    assert.equal(answer.status, 400, query);
  }
  const socket = new RawSocket(server, { query: "&transport=websocket&sid=nobody" });
  await assert.rejects(socket.opened, /400/);
});

test("half an upgrade: a websocket that probes and goes away, or never asks, leaves the session as it was", async () => {
  const mine = await posters[0].create("report", { members: [mallory] });
  const raw = await RawPolling.of(mallory);
  const messages = [];
  const ask = async (...event) => {
    const packets = await raw.ask(...event);
    messages.push(...packets.filter((packet) => packet.startsWith('42/realtime,["message.created"')));
  };
  await ask(0, "join_channel", { channelId: mine.id });
  const open = async () => {
    const probe = new RawSocket(server, { query: `&transport=websocket&sid=${raw.sid}` });
    await probe.opened;
    return probe;
  };
  /** A websocket that probes; nothing when it was sent away, as to the server the one before was still there. */
  const probed = async () => {
    const probe = await open();
    probe.send("2probe");
    return probe.wait((text) => text === "3probe", "the answer to the probe").then(() => probe, () => undefined);
  };
  for (let n = 1; n <= 3; n += 1) {
    const probe = n === 1 ? await open() : await eventually("a probe to be answered", probed, Boolean);
    if (n === 3) probe.send("4what?");
    probe.end();
    await probe.closed;
    await posters[0].post(mine, `${n}`);
    await ask(n, "leave_channel", { channelId: "nowhere" });
  }
  while (messages.length < 3) await ask(9, "leave_channel", { channelId: "nowhere" });
  const contents = messages.map((packet) => JSON.parse(packet.slice(packet.indexOf("[")))[1].content);
  assert.deepEqual(contents, ["1", "2", "3"]);
  raw.end();
});

test("a flood of events is read more slowly: nothing is lost, nobody is closed, and others do not wait", async () => {
  const fine = await RawSocket.of(mallory);
  const raw = await RawSocket.of(mallory);
  const begun = Date.now();
  for (let n = 0; n < 1_200; n += 1) raw.send(eventPacket("leave_channel", '{"channelId":"nowhere"}'));
  const last = raw.ask(1, "leave_channel", { channelId: "nowhere" });
  for (let n = 0; n < 200; n += 1) {
    assert.deepEqual(await fine.ask(n, "leave_channel", { channelId: "nowhere" }), { ok: true });
  }
  assert.deepEqual(await last, { ok: true });
  assert.ok(Date.now() - begun > 2_000, "1,000 at once, and then 50 a second");
  for (const socket of [fine, raw]) socket.end();
});

test("half an emoji is text, in a body as in an event", async () => {
  const channel = await mallory.create("report");
  const cut = "cut \ud83d";
  assert.equal((await mallory.post(channel, cut)).content, "cut \ufffd");
  const raw = await RawSocket.of(mallory);
  assert.equal((await raw.ask(1, "message.post", { channelId: channel.id, content: cut })).content, "cut \ufffd");
  raw.end();
});

test("a flood of CONNECTs on one connection ends it", async () => {
  // Before the flood, which counts for the address.
  const [raw, spaces] = [new RawSocket(server), new RawSocket(server)];
  await Promise.all([raw.opened, spaces.opened]);
  for (let n = 0; n < 5_000; n += 1) raw.send(`40/realtime,{"token":"guess ${n}"}`);
  await raw.isClosed("a flood of CONNECTs");
  for (let n = 0; n < 5_000; n += 1) spaces.send(`40/space${n},`);
  await spaces.isClosed("a flood of namespaces");
});

test("a flood of handshakes from one address is answered 429 or hung up on, and other addresses are served", onLinux, async () => {
  const flood = Array.from({ length: 800 }, () => new RawPolling(server, { localAddress: ELSEWHERE }));
  const statuses = await Promise.all(flood.map(async (raw) => {
    // An address has room for so many connections, and one that waits gives way to a newcomer.
    const { status } = await raw.handshake().catch((error) => ({ status: error.code }));
    raw.end();
    return status;
  }));
  const count = (wanted) => statuses.filter((status) => status === wanted).length;
  assert.equal(count(200) + count(429) + count("ECONNRESET"), statuses.length, `${[...new Set(statuses)]}`);
  assert.ok(count(200) < statuses.length && count(200) >= 20, `${count(200)} were let in`);
  const { error } = await outcome(rawSocket(server, { auth: { token: mallory.token } }));
  assert.equal(error, undefined, error?.message);
});

test("connections that never say anything, or stop in the middle of a request, are in nobody's way", async () => {
  const { hostname, port } = new URL(server.guildUrl);
  // Theirs is another address: this one has used up its connects in the tests before.
  const silent = Array.from({ length: 30 }, () => new RawSocket(server, { localAddress: AFAR }));
  const half = Array.from({ length: 30 }, () => {
    const asked = httpRequest({ method: "POST", hostname, port, path: "/api/channels", headers: { "content-length": 1_000 } });
    asked.on("error", () => {});
    asked.write("{");
    return asked;
  });
  await Promise.all(silent.map(({ opened }) => opened));
  const inbox = await Inbox.connect(mallory);
  assert.deepEqual(await inbox.ask("leave_channel", { channelId: "nowhere" }), { ok: true });
  for (const raw of silent) raw.end();
  for (const asked of half) asked.destroy();
});

test("a reader that stops reading is closed and may come back; the others are served meanwhile", async () => {
  const [slow, quick] = await newPeople("slow", "quick");
  const [author] = posters;
  const busy = await author.create("report", { members: [slow, quick] });
  const [fine, watching] = [await Inbox.in(quick, busy), await Inbox.connect(mallory)];
  const raw = await RawSocket.of(slow);
  assert.equal((await raw.ask(1, "join_channel", { channelId: busy.id })).ok, true);
  raw.ws._socket.pause();
  const text = "x".repeat(500_000);
  let posted;
  const gone = watching.wait("presence", ({ userId, online }) => userId === slow.id && !online, "the slow reader to be closed");
  let isGone = false;
  gone.then(() => { isGone = true; }, () => {});
  for (let n = 1; n <= 60 && !isGone; n += 1) {
    posted = await author.post(busy, `${n} ${text}`);
    await fine.delivered(posted);
  }
  await gone;
  raw.ws._socket.resume();
  await raw.isClosed("not reading");
  const seqs = fine.messages(busy.id).map(({ seq }) => seq);
  assert.deepEqual(seqs, seqs.map((_, n) => n + 1));
  const back = await Inbox.connect(slow);
  await back.join(busy, posted.seq - 1);
  await back.delivered(posted);
});

test("a session that is never polled is closed when its queue is full", async () => {
  const [slow] = await newPeople("slow");
  const [author] = posters;
  const busy = await author.create("report", { members: [slow] });
  const watching = await Inbox.connect(mallory);
  const raw = await RawPolling.of(slow);
  await raw.ask(1, "join_channel", { channelId: busy.id });
  for (let n = 0; n < 20; n += 1) await author.post(busy, "x".repeat(60_000));
  await watching.wait("presence", ({ userId, online }) => userId === slow.id && !online, "the session to be closed");
  const { status, text } = await raw.poll();
  assert.ok(status === 400 || text.endsWith("1"), `${status} ${text.slice(0, 100)}`);
});

test("memory is given back: rounds of bombs leave no more behind than the first", withItsMemory, async () => {
  const { pid } = server;
  const resident = async () => Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, "utf8"))[1]) / 1_024;
  const round = async () => {
    for (const name of Object.keys(BOMBS)) {
      const raw = await RawSocket.of(mallory, { localAddress: AFAR });
      const bomb = BOMBS[name];
      raw.send(typeof bomb === "function" ? bomb() : bomb);
      await raw.isClosed(name);
    }
  };
  await round();
  const before = await resident();
  for (let n = 0; n < 4; n += 1) await round();
  await eventually("memory to be given back", resident, (now) => now < before + 64);
});
