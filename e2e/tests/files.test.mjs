// Files: upload, attach, read, and what must not go wrong with either.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  answerTo, eventually, expectError, expectStatus, launch, newPeople, newPerson, serve, signIn, startServer,
  stopServer,
} from "../harness.mjs";
import { Inbox, closeSockets } from "../sockets.mjs";

let server, alice, bob, carol;

before(async () => {
  server = await startServer();
  [alice, bob, carol] = await newPeople("alice", "bob", "carol");
});
after(async () => {
  closeSockets();
  await stopServer();
});

/** An answer as the harness has them, of a request with any body. What is read while it is sent is sent once. */
function send(person, method, path, options = {}) {
  const once = () => sendOnce(person, method, path, options);
  return options.body instanceof ReadableStream ? once() : answerTo(method, options.headers ?? {}, once);
}

async function sendOnce(person, method, path, options) {
  const { body, headers = {}, token = person?.token, at = person?.server ?? server } = options;
  const response = await fetch(`${at.guildUrl}/api${path}`, {
    method, body, headers: { ...(token && { authorization: `Bearer ${token}` }), ...headers },
    ...(body instanceof ReadableStream && { duplex: "half" }),
  });
  const bytes = Buffer.from(await response.arrayBuffer());
  const text = bytes.toString();
  let json;
  try { json = JSON.parse(text); } catch { json = undefined; }
  return { status: response.status, headers: response.headers, bytes, text, body: json, what: `${method} ${path}` };
}

function form(content, name = "file.txt", type = "text/plain") {
  const data = new FormData();
  data.append("file", new Blob([content], { type }), name);
  return data;
}

const upload = async (person, content, name, type) =>
  expectStatus(await send(person, "POST", "/files", { body: form(content, name, type) }), 201);

/**
 * The answer to a long upload that is refused before its end. The server then reads on for a second: who sends more
 * after that finds the connection closed.
 */
function refusal(person, makeOptions) {
  const ask = () => send(person, "POST", "/files", makeOptions()).catch(() => undefined);
  return eventually("an answer", ask, (answer) => answer !== undefined);
}

const download = (person, file, headers) => send(person, "GET", `/files/${file.id}`, { headers });

/** A multipart body as it is written here. */
function raw(parts, { boundary = "x", end = `--${boundary}--\r\n` } = {}) {
  const body = parts.map(([head, content]) => `--${boundary}\r\n${head}\r\n\r\n${content}\r\n`).join("") + end;
  return { body, headers: { "content-type": `multipart/form-data; boundary=${boundary}` } };
}

const DISPOSITION = 'Content-Disposition: form-data; name="file"';

test("a file goes up, into a message, and down again, wherever the message is seen", async () => {
  const channel = await alice.create("general", { members: [bob] });
  const inbox = await Inbox.in(bob, channel);
  const content = randomBytes(100_000);
  const file = await upload(alice, content, "Plan für Zoë.bin", "application/x-plan");
  assert.deepEqual(file, {
    id: file.id, name: "Plan für Zoë.bin", mime: "application/x-plan", size: 100_000, url: `/api/files/${file.id}`,
    sha256: createHash("sha256").update(content).digest("hex"),
  });
  expectError(await download(bob, file), 404, "file_not_found");
  const { sha256, ...attachment } = file;
  const posted = await alice.post(channel, "", { attachmentIds: [file.id] });
  assert.deepEqual(posted.attachments, [attachment]);
  const { attachments } = await inbox.delivered(posted);
  assert.deepEqual(attachments, [attachment]);
  const { messages } = await bob.get(`/channels/${channel.id}/messages`);
  assert.deepEqual(messages.map((message) => message.attachments), [[attachment]]);
  assert.deepEqual((await bob.get(`/channels/${channel.id}/messages/${posted.id}`)).attachments, [attachment]);
  const replayed = await Inbox.connect(bob);
  await replayed.join(channel, 0);
  assert.deepEqual((await replayed.delivered(posted)).attachments, [attachment]);

  for (const person of [alice, bob]) {
    const answer = await download(person, file);
    expectStatus(answer, 200);
    assert.ok(answer.bytes.equals(content));
    assert.equal(answer.headers.get("content-length"), "100000");
    assert.equal(answer.headers.get("etag"), `"${sha256}"`);
  }
  const linked = await send(undefined, "GET", `/files/${file.id}?access_token=${encodeURIComponent(bob.token)}`);
  assert.ok(linked.bytes.equals(content));
  for (const token of [carol.token, "nonsense", ""]) {
    const answer = await send(undefined, "GET", `/files/${file.id}?access_token=${encodeURIComponent(token)}`);
    assert.equal(answer.status, token === carol.token ? 404 : 401, answer.text);
  }
  expectError(await send(undefined, "GET", `/files/${file.id}`), 401, "missing_bearer_token");
});

test("message.post over the socket takes files, and the same key gives the same answer", async () => {
  const channel = await alice.create("general", { members: [bob] });
  const inbox = await Inbox.in(alice, channel);
  const [one, two] = [await upload(alice, "1", "one.txt"), await upload(alice, "2", "two.txt")];
  const request = { channelId: channel.id, attachmentIds: [two.id, one.id], idempotencyKey: "k" };
  const answer = await inbox.ask("message.post", request);
  assert.deepEqual(answer.attachments.map(({ name }) => name), ["two.txt", "one.txt"]);
  assert.deepEqual(await inbox.ask("message.post", request), answer);
  const other = await inbox.ask("message.post", { ...request, attachmentIds: [one.id] });
  assert.equal(other.error, "idempotency_key_reused");
});

test("only one's own files that exist can be attached, each once, ten at most", async () => {
  const channel = await alice.create("general", { members: [bob] });
  const file = await upload(alice, "mine");
  const ids = [];
  for (let n = 0; n < 11; n++) ids.push((await upload(bob, `${n}`)).id);
  const path = `/channels/${channel.id}/messages`;
  for (const attachmentIds of [[file.id], ["nowhere"], [ids[0], ids[0]], ids, ["../x"], ["\u0000"], [""], "x", [7], {}]) {
    const { details } = expectError(await bob.ask("POST", path, { content: "look", attachmentIds }), 400, "validation_failed");
    assert.deepEqual(details.map(({ field }) => field), ["attachmentIds"], JSON.stringify(attachmentIds));
  }
  assert.equal((await bob.post(channel, "ten", { attachmentIds: ids.slice(1) })).attachments.length, 10);
  expectError(await bob.ask("POST", path, { content: " ", attachmentIds: [] }), 400, "validation_failed");
});

test("who may not read the message may not read its files: leaving, deleting, another channel", async () => {
  const channel = await alice.create("general", { members: [bob] });
  const file = await upload(alice, "secret");
  const posted = await alice.post(channel, "look", { attachmentIds: [file.id] });
  expectStatus(await download(bob, file), 200);
  expectError(await download(carol, file), 404, "file_not_found");
  const edited = await alice.ask("PATCH", `/channels/${channel.id}/messages/${posted.id}`, { content: "" });
  assert.deepEqual(expectStatus(edited, 200).attachments, posted.attachments);
  expectStatus(await bob.act(channel, "leave"), 200, 204);
  expectError(await download(bob, file), 404, "file_not_found");

  const another = await alice.create("general", { members: [carol] });
  const again = await alice.post(another, "you, too", { attachmentIds: [file.id] });
  expectStatus(await download(carol, file), 200);
  const deleted = `/channels/${another.id}/messages/${again.id}`;
  expectStatus(await alice.ask("DELETE", deleted), 200);
  expectError(await download(carol, file), 404, "file_not_found");
  assert.deepEqual((await carol.get(deleted)).attachments, []);
  expectStatus(await download(alice, file), 200);
});

test("ranges, tags and HEAD are as RFC 9110 has them", async () => {
  const file = await upload(alice, "0123456789");
  const tag = `"${file.sha256}"`;
  for (const [headers, status, text, contentRange] of [
    [{ range: "bytes=2-4" }, 206, "234", "bytes 2-4/10"],
    [{ range: "bytes=7-" }, 206, "789", "bytes 7-9/10"],
    [{ range: "bytes=-2" }, 206, "89", "bytes 8-9/10"],
    [{ range: "bytes=0-99999" }, 206, "0123456789", "bytes 0-9/10"],
    [{ range: "bytes=10-" }, 416, undefined, "bytes */10"],
    [{ range: "bytes=0-1,4-5" }, 200, "0123456789", null],
    [{ range: "bytes=4-2" }, 200, "0123456789", null],
    [{ range: "potatoes=1-2" }, 200, "0123456789", null],
    [{ range: "bytes=2-4", "if-range": tag }, 206, "234", "bytes 2-4/10"],
    [{ range: "bytes=2-4", "if-range": '"another"' }, 200, "0123456789", null],
    [{ range: "bytes=2-4", "if-range": `W/${tag}` }, 200, "0123456789", null],
    [{ range: "bytes=2-4", "if-range": "Fri, 20 Nov 2026 08:00:00 GMT" }, 200, "0123456789", null],
    [{ "if-none-match": tag }, 304, "", null],
    [{ "if-none-match": `"another", W/${tag}` }, 304, "", null],
    [{ "if-none-match": "*" }, 304, "", null],
    [{ "if-none-match": '"another"' }, 200, "0123456789", null],
    [{ "if-match": '"another"' }, 412, undefined, null],
    [{ "if-match": tag }, 200, "0123456789", null],
  ]) {
    const answer = await download(alice, file, headers);
    assert.equal(answer.status, status, `${JSON.stringify(headers)}: ${answer.text}`);
    if (text !== undefined) assert.equal(answer.text, text, JSON.stringify(headers));
    else assert.match(answer.body.error, /^[a-z_]+$/);
    assert.equal(answer.headers.get("content-range"), contentRange, JSON.stringify(headers));
    if (status < 400) assert.equal(answer.headers.get("etag"), tag);
  }
  const head = await send(alice, "HEAD", `/files/${file.id}`);
  assert.deepEqual([head.status, head.text, head.headers.get("content-length")], [200, "", "10"]);
  assert.equal(head.headers.get("accept-ranges"), "bytes");
});

test("nothing in a file runs in a browser", async () => {
  for (const [type, name, shown] of [
    ["image/png", "a.png", true], ["text/plain", "a.txt", true], ["application/pdf", "a.pdf", true],
    ["video/mp4", "a.mp4", true], ["text/html", "a.html", false], ["image/svg+xml", "a.svg", false],
    ["application/xhtml+xml", "a.xhtml", false], ["text/xml", "a.xml", false], ["", "a", false],
  ]) {
    const file = await upload(alice, "<script>alert(1)</script>", name, type);
    const { headers } = await download(alice, file);
    assert.equal(headers.get("content-disposition").split(";")[0], shown ? "inline" : "attachment", type);
    assert.equal(headers.get("x-content-type-options"), "nosniff");
    const policy = headers.get("content-security-policy");
    assert.match(policy, /default-src 'none'/);
    if (type !== "application/pdf") assert.match(policy, /sandbox/);
    assert.equal(headers.get("referrer-policy"), "no-referrer");
    assert.match(headers.get("cache-control"), /private/);
  }
});

test("hostile names become harmless ones, and come back in a header that everybody can read", async () => {
  for (const [given, name] of [
    ["../../etc/passwd", "passwd"], ["C:\\\\me\\\\photo.png", "photo.png"], ["nul.txt", "_nul.txt"],
    ["photo\u202Egnp.exe", "photognp.exe"], ["ä".repeat(1000) + ".txt", "ä".repeat(195) + ".txt"], ["..", "file"],
  ]) {
    const { body, headers } = raw([[`${DISPOSITION}; filename="${given}"\r\nContent-Type: text/plain`, "x"]]);
    const file = expectStatus(await send(alice, "POST", "/files", { body, headers }), 201);
    assert.equal(file.name, name);
    const disposition = (await download(alice, file)).headers.get("content-disposition");
    assert.ok(!/[^\x20-\x7e]/.test(disposition), disposition);
    const extended = /filename\*=UTF-8''([^;]+)/.exec(disposition);
    assert.equal(extended ? decodeURIComponent(extended[1]) : /filename="([^"]*)"/.exec(disposition)[1], name);
  }
  const { body, headers } = raw([[`${DISPOSITION}; filename="a.txt"; filename*=UTF-8''%e2%82%ac%20rates`, "x"]]);
  assert.equal(expectStatus(await send(alice, "POST", "/files", { body, headers }), 201).name, "€ rates");
});

/** The files in a folder, without the note whose it is. */
const lying = async (dir) => (await readdir(dir)).filter((name) => !name.startsWith("."));

test("what is no upload is a clear 400 and leaves nothing behind", async () => {
  const dir = await mkdtemp(join(tmpdir(), "fabric-files-"));
  const ours = await serve({ guild: { FILE_DIR: dir } });
  try {
    const person = await newPerson("dora", ours);
    const file = `${DISPOSITION}; filename="a.txt"`;
    const cases = {
      "no body": {},
      "JSON": { body: "{}", headers: { "content-type": "application/json" } },
      "no boundary": { body: "--x--", headers: { "content-type": "multipart/form-data" } },
      "another boundary": { ...raw([[file, "x"]]), headers: { "content-type": "multipart/form-data; boundary=y" } },
      "no part": raw([]),
      "another field": raw([['Content-Disposition: form-data; name="avatar"; filename="a"', "x"]]),
      "a field after the file": raw([[file, "x"], ['Content-Disposition: form-data; name="note"', "y"]]),
      "two files": raw([[file, "x"], [file, "y"]]),
      "an empty file": raw([[file, ""]]),
      "no disposition": raw([["Content-Type: text/plain", "x"]]),
      "no end": raw([[file, "x"]], { end: "" }),
    };
    for (const [name, options] of Object.entries(cases)) {
      const answer = await send(person, "POST", "/files", options);
      assert.equal(answer.status, 400, `${name}: ${answer.text}`);
      expectError(answer, 400, "validation_failed");
    }
    const longHead = raw([[`${file}\r\nX-Long: ${"a".repeat(1_000_000)}`, "x"]]);
    expectError(await refusal(person, () => longHead), 400, "validation_failed");
    await eventually("nothing to be left", () => lying(dir), (names) => names.length === 0);
    expectError(await send(undefined, "POST", "/files", { ...raw([[file, "x"]]), at: ours }), 401, "missing_bearer_token");
    expectError(await send(person, "GET", "/files"), 405, "method_not_allowed");
    for (const id of ["nowhere", "..%2f..%2fetc%2fpasswd", "%00", "a".repeat(300)]) {
      expectError(await send(person, "GET", `/files/${id}`), 404);
    }
  } finally {
    await ours.stop();
    await rm(dir, { recursive: true, force: true });
  }
});

test("too large is 413, announced or not, and over the quota is 507; nothing is left behind", async () => {
  const dir = await mkdtemp(join(tmpdir(), "fabric-files-"));
  const ours = await serve({ guild: { FILE_DIR: dir, FILE_MAX_BYTES: 1_000_000, FILE_QUOTA_BYTES: 2_500_000 } });
  try {
    const person = await newPerson("erna", ours);
    await upload(person, Buffer.alloc(1_000_000));
    for (const size of [1_000_001, 5_000_000]) {
      expectError(await refusal(person, () => ({ body: form(Buffer.alloc(size)) })), 413, "file_too_large");
    }
    const { body, headers } = raw([[`${DISPOSITION}; filename="a"`, "x".repeat(1_500_000)]]);
    const stream = () => new ReadableStream({
      start(controller) {
        for (let at = 0; at < body.length; at += 50_000) controller.enqueue(Buffer.from(body.slice(at, at + 50_000)));
        controller.close();
      },
    });
    expectError(await refusal(person, () => ({ body: stream(), headers })), 413, "file_too_large");
    await upload(person, Buffer.alloc(1_000_000));
    const answers = await Promise.all([1, 2, 3].map(() =>
      send(person, "POST", "/files", { body: form(Buffer.alloc(300_000)) })));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 507, 507]);
    expectError(answers.find(({ status }) => status === 507), 507, "guild_quota_exceeded");
    await eventually("three files to be left", () => lying(dir), (names) => names.length === 3);
  } finally {
    await ours.stop();
    await rm(dir, { recursive: true, force: true });
  }
});

/** Sends the beginning of an upload, and waits until the server has begun with the file. */
async function begun(person, dir) {
  const { hostname, port } = new URL(person.server.guildUrl);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => {});
  const before = (await lying(dir)).filter((name) => name.endsWith(".part")).length;
  const head = `POST /api/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${person.token}\r\n`
    + "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 1000000\r\n\r\n";
  socket.write(`${head}--x\r\n${DISPOSITION}; filename="a"\r\n\r\n${"y".repeat(100_000)}`);
  await eventually("a draft", () => lying(dir), (names) => names.filter((name) => name.endsWith(".part")).length > before);
  return socket;
}

test("a client that goes away leaves nothing behind, and a user has four uploads at once", async () => {
  const dir = await mkdtemp(join(tmpdir(), "fabric-files-"));
  const ours = await serve({ guild: { FILE_DIR: dir } });
  try {
    const [person, other] = [await newPerson("frida", ours), await newPerson("gerd", ours)];
    const sockets = [];
    for (let n = 0; n < 4; n++) sockets.push(await begun(person, dir));
    expectError(await send(person, "POST", "/files", { body: form("x") }), 429, "too_many_uploads");
    await upload(other, "somebody else's");
    for (const socket of sockets) socket.destroy();
    await eventually("only the whole file to be left", () => lying(dir), (names) => names.length === 1);
    await upload(person, "now there is room");
  } finally {
    await ours.stop();
    await rm(dir, { recursive: true, force: true });
  }
});

/** The most memory that the server ever had, in bytes. */
async function peak(pid) {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/VmHWM:\s*(\d+) kB/.exec(status)[1]) * 1024;
}

test("a hundred megabytes go up and down without being held in memory", {
  skip: (process.env.FABRIC_GUILD_URL || process.platform !== "linux") && "needs the process",
}, async () => {
  const [chunk, chunks] = [Buffer.alloc(1_000_000, "0123456789"), 100];
  await upload(alice, chunk);
  const before = await peak(server.pid);
  const [start, end] = raw([[`${DISPOSITION}; filename="large.bin"`, "\n"]]).body.split("\n\r\n--x--").map(Buffer.from);
  let sent = -1;
  const body = new ReadableStream({
    pull(controller) {
      if (sent === -1) controller.enqueue(start);
      else if (sent < chunks) controller.enqueue(chunk);
      else {
        controller.enqueue(Buffer.concat([Buffer.from("\r\n--x--"), end]));
        controller.close();
      }
      sent += 1;
    },
  });
  const { headers } = raw([]);
  const file = expectStatus(await send(alice, "POST", "/files", { body, headers }), 201);
  assert.equal(file.size, chunk.length * chunks);
  const response = await fetch(`${server.guildUrl}${file.url}`, { headers: { authorization: `Bearer ${alice.token}` } });
  const hash = createHash("sha256");
  for await (const part of response.body) hash.update(part);
  assert.equal(hash.digest("hex"), file.sha256);
  const grown = (await peak(server.pid)) - before;
  assert.ok(grown < 24_000_000, `the server's memory grew by ${grown} bytes`);
});

test("files are there after a kill", { skip: process.env.FABRIC_GUILD_URL && "needs a server to kill" }, async () => {
  const first = await launch({ dir: await mkdtemp(join(tmpdir(), "fabric-files-")) });
  let last = first;
  try {
    const person = await newPerson("hanna", first);
    const file = await upload(person, "kept");
    assert.deepEqual(await lying(join(first.dataDir, "files")), [file.id]);
    await first.kill();
    last = await launch({ dir: first.dataDir });
    const again = await signIn(person.email, person.password, last);
    assert.equal((await download(again, file)).text, "kept");
  } finally {
    await last.stop();
    await rm(first.dataDir, { recursive: true, force: true });
  }
});
