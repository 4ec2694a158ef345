// Whoever applies events to what was fetched once, has what is fetched afresh.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { DEADLINE_MS, expectStatus, newPeople, startServer, stopServer } from "../harness.mjs";
import { picker, randomness, SEED } from "../random.mjs";
import { closeSockets, Inbox } from "../sockets.mjs";

const STEPS = Number(process.env.FABRIC_E2E_STEPS ?? 250);
const CHECK_EVERY = 25;

let server, people;

before(async () => {
  server = await startServer();
  people = await newPeople("alice", "bob", "carol", "dave", "erin");
});
after(async () => {
  closeSockets();
  await stopServer();
});

const byId = (rows) => [...rows].sort((a, b) => (a.id < b.id ? -1 : 1));
const asObject = (map) => Object.fromEntries([...map].sort(([a], [b]) => (a < b ? -1 : 1)));

/** What differs between callers or is told to nobody: see `Replica`. */
const shared = ({ unreadCount, memberCount, ...row }, turn) => ({ ...row, ...(turn && { memberCount }) });

/**
 * The state of one client. It fetches what it knows nothing about, and from then on only listens.
 * Not compared: `unreadCount`, which follows from what was read and where, and `memberCount` where no turn
 * tells who the members are.
 */
class Replica {
  constructor(inbox) {
    this.inbox = inbox;
    this.person = inbox.person;
    this.channels = new Map();
    this.presence = new Map();
    this.loading = Promise.resolve();
    this.waiting = new Map();
    this.fetched = 0;
    const on = (name, apply) => inbox.socket.on(name, (payload) => this.#inOrder(payload.channelId ?? payload.id, () => apply(payload)));
    on("message.created", ({ xType, wakeup, wake, ...message }) => {
      const channel = this.channels.get(message.channelId);
      channel?.messages.set(message.id, message);
      if (channel) channel.row.lastSeq = Math.max(channel.row.lastSeq, message.seq);
    });
    on("message.updated", (message) => this.channels.get(message.channelId)?.messages.set(message.id, message));
    on("message.deleted", ({ channelId, id, deletedAt }) => {
      const messages = this.channels.get(channelId)?.messages;
      const message = messages?.get(id);
      if (message) messages.set(id, { ...message, content: "", mentions: [], attachments: [], deletedAt });
    });
    on("channel.updated", (row) => {
      const channel = this.channels.get(row.id);
      if (channel) channel.row = { ...channel.row, ...row };
    });
    on("turn.updated", (turn) => {
      const channel = this.channels.get(turn.channelId);
      if (!channel) return;
      channel.turn = turn;
      channel.row.state = turn.state;
      channel.row.memberCount = turn.order.length + turn.bypass.length;
    });
    inbox.socket.on("presence", ({ userId, ...rest }) => this.presence.set(userId, rest));
    for (const name of ["channel.joined", "channel.left"]) {
      inbox.socket.on(name, ({ channelId }) => this.load(channelId));
    }
  }

  /** Applies at once; where the channel is being fetched, after that. */
  #inOrder(channelId, apply) {
    const waiting = this.waiting.get(channelId);
    if (waiting) waiting.push(apply);
    else apply();
  }

  static async open(person) {
    const replica = new Replica(await Inbox.connect(person));
    replica.presence = await fetchPresence(person);
    for (const { id, isMember } of await person.get("/channels")) if (isMember) replica.load(id);
    await replica.loading;
    return replica;
  }

  /** Joins, fetches, and then applies what came in between. */
  load(channelId) {
    if (!this.waiting.has(channelId)) this.waiting.set(channelId, []);
    this.loading = this.loading.then(async () => {
      // An earlier load of the same channel has ended since.
      if (!this.waiting.has(channelId)) this.waiting.set(channelId, []);
      const joined = await this.inbox.ask("join_channel", { channelId });
      const state = joined.ok ? await fetchChannel(this.person, channelId) : undefined;
      this.fetched += 1;
      if (state) this.channels.set(channelId, state);
      else this.channels.delete(channelId);
      for (const apply of this.waiting.get(channelId) ?? []) apply();
      this.waiting.delete(channelId);
    });
  }

  state() {
    const channels = [...this.channels].filter(([, { row }]) => row.isMember).map(([id, channel]) => [id, plain(channel)]);
    return { channels: asObject(new Map(channels)), presence: asObject(this.presence) };
  }

  /** The same, fetched afresh. */
  async afresh() {
    const channels = new Map();
    for (const { id, isMember } of await this.person.get("/channels")) {
      const channel = isMember ? await fetchChannel(this.person, id) : undefined;
      if (channel) channels.set(id, plain(channel));
    }
    return { channels: asObject(channels), presence: asObject(await fetchPresence(this.person)) };
  }
}

async function fetchChannel(person, id) {
  const answer = await person.ask("GET", `/channels/${id}`);
  if (answer.status === 404) return undefined;
  const row = expectStatus(answer, 200);
  const messages = new Map();
  for (let more = true; more;) {
    const page = await person.ask("GET", `/channels/${id}/messages?seqFrom=${messages.size + 1}&limit=200`);
    if (page.status === 404) return undefined;
    for (const message of expectStatus(page, 200).messages) messages.set(message.id, message);
    more = page.body.page.hasMore;
  }
  const hasTurns = ["discuss", "work"].includes(row.xType);
  const turn = hasTurns ? await person.ask("GET", `/channels/${id}/turn`) : undefined;
  return { row, messages, turn: turn?.body };
}

const plain = ({ row, messages, turn }) => ({ row: shared(row, turn), messages: byId(messages.values()), turn });

async function fetchPresence(person) {
  const rows = await Promise.all(people.map(({ id }) => person.get(`/agents/${id}/presence`)));
  return new Map(rows.map(({ userId, status, online }) => [userId, { status, online }]));
}

/** Everything that somebody can do, each with how often it is tried. */
function actions({ random, pick, channels, replicas }) {
  const [alice, ...others] = people;
  const anybody = () => pick(people);
  const anywhere = () => pick(channels);
  const withTurns = () => pick(channels.filter(({ xType }) => ["discuss", "work"].includes(xType)));
  // Some messages of a triage are for some members only, by design.
  const forAll = () => pick(channels.filter(({ xType }) => xType !== "triage"));
  const aMessage = async (channel) => pick((await alice.get(`/channels/${channel.id}/messages`)).messages);
  const author = (message) => people.find(({ id }) => id === message.authorUserId) ?? alice;
  const some = (count) => Array.from({ length: count }, () => anybody().id);
  let guest;
  return [
    [6, "post", () => anybody().act(forAll(), "messages", { content: `text ${random()} ${random() < 0.3 ? anybody() : ""}` })],
    [1, "post a reply", async () => {
      const channel = forAll();
      const replyTo = (await aMessage(channel))?.id;
      return anybody().act(channel, "messages", { content: "a reply", ...(replyTo && { replyTo }) });
    }],
    [1, "post over the socket", () => pick(replicas).inbox.ask("message.post", { channelId: forAll().id, content: "by socket" })],
    [3, "speak in turn", async () => {
      const channel = withTurns();
      const { activeSpeaker } = await alice.turn(channel);
      return (people.find(({ id }) => id === activeSpeaker) ?? alice).act(channel, "messages", { content: "in turn" });
    }],
    [2, "edit", async () => {
      const channel = forAll();
      const message = await aMessage(channel);
      return message && author(message).ask("PATCH", `/channels/${channel.id}/messages/${message.id}`, { content: `edited ${anybody()}` });
    }],
    [2, "delete", async () => {
      const channel = forAll();
      const message = await aMessage(channel);
      return message && pick([author(message), alice]).ask("DELETE", `/channels/${channel.id}/messages/${message.id}`);
    }],
    [2, "pass", async () => {
      const channel = withTurns();
      const { activeSpeaker } = await alice.turn(channel);
      return (people.find(({ id }) => id === activeSpeaker) ?? alice).act(channel, "turn/pass", { reason: "nothing to say" });
    }],
    [1, "pass by command", () => anybody().act(withTurns(), "messages", { content: "/no-reply" })],
    [1, "force-proceed", () => anybody().act(withTurns(), "turn/force-proceed")],
    [2, "bypass", () => anybody().act(withTurns(), "bypass", { userId: anybody().id })],
    [2, "unbypass", () => anybody().act(withTurns(), "unbypass", { userId: anybody().id })],
    [2, "join", () => pick(others).act(anywhere(), "join")],
    [2, "leave", () => pick(others).act(anywhere(), "leave")],
    [3, "add members", () => alice.act(anywhere(), "members", { userIds: some(2) })],
    [2, "remove a member", () => alice.ask("DELETE", `/channels/${anywhere().id}/members/${pick(others).id}`)],
    [1, "set the purpose", () => anybody().ask("PATCH", `/channels/${anywhere().id}`, { purpose: pick(["", "to talk", `${random()}`]) })],
    [1, "set the name", () => alice.ask("PATCH", `/channels/${anywhere().id}`, { name: `name ${random()}` })],
    [1, "set settings", () => alice.ask("PATCH", `/channels/${anywhere().id}`, {
      settings: { turnTimeoutSeconds: pick([0, 300, 900]), autonomyBudget: pick([0, 60]), agentMentions: pick(["wake", "text"]) },
    })],
    [0.5, "close", () => alice.act(anywhere(), "close")],
    [2, "reopen", () => alice.act(anywhere(), "reopen")],
    [1, "set the wake mapping", () => {
      const channel = pick(channels.filter(({ xType }) => ["triage", "custom"].includes(xType)));
      return alice.ask("PUT", `/channels/${channel.id}/wake-mapping`, { userIds: some(2) });
    }],
    [1, "mark as read", () => anybody().ask("PUT", `/channels/${anywhere().id}/read`, { seq: Math.floor(random() * 50) })],
    [2, "set presence", () => {
      const who = anybody();
      return who.ask("PUT", `/agents/${who.id}/presence`, { status: pick(["idle", "on_call", "exhausted", "offline", "unknown"]) });
    }],
    [1, "set presence over the socket", () => pick(replicas).inbox.ask("presence", { status: pick(["idle", "busy"]) })],
    [1, "come or go", async () => {
      if (guest) guest.close();
      guest = guest ? undefined : await Inbox.connect(people.at(-1));
    }],
    [0.5, "create a channel", async () => {
      const members = [pick(others), pick(others)];
      channels.push(await alice.create(pick(["discuss", "general", "work", "report", "custom"]), { members, isPublic: random() < 0.5 }));
    }],
  ];
}

async function sameAsFresh(replica) {
  const end = Date.now() + DEADLINE_MS;
  for (;;) {
    await replica.loading;
    const fresh = await replica.afresh();
    try {
      return assert.deepStrictEqual(replica.state(), fresh);
    } catch (error) {
      if (Date.now() > end) {
        error.message = `${replica.person.name} (+ events, - fetched): ${error.message}`;
        throw error;
      }
      await new Promise((again) => setTimeout(again, 25));
    }
  }
}

test(`after ${STEPS} random actions (FABRIC_E2E_SEED=${SEED}) whoever applied the events has what a fresh client fetches`, async (t) => {
  const random = randomness();
  const pick = picker(random);
  const [alice, bob, carol, dave] = people;
  const members = [bob, carol];
  const channels = [
    await alice.create("discuss", { members, isPublic: true, purpose: "to begin with" }),
    await alice.create("work", { members: [bob, carol, dave], bypassUserIds: [dave.id] }),
    await alice.create("general", { members, isPublic: true }),
    await alice.create("custom", { members, listeners: [bob.id] }),
    await alice.create("report", { members }),
    await alice.create("triage", { members, onDuty: carol.id }),
  ];
  const replicas = [await Replica.open(alice), await Replica.open(bob)];
  const all = actions({ random, pick, channels, replicas });
  const weights = all.reduce((sum, [weight]) => sum + weight, 0);
  const choose = () => {
    let at = random() * weights;
    return all.find(([weight]) => (at -= weight) < 0) ?? all[0];
  };
  const done = [];
  const did = new Set();
  const act = async ([, name, run] = choose()) => {
    const answer = await run();
    // Of REST, or of an acknowledgement, which has a code only when it is a refusal.
    const code = [answer?.status, answer?.statusCode, 200].find(Number.isInteger);
    // "Try again" is an answer, too; whether it was done, everybody sees for themselves.
    assert.ok(code < 500 || code === 503, `${name}: ${code} ${answer?.text}`);
    done.push(code < 400 ? name : `(${name})`);
    if (code < 400) did.add(name);
  };
  try {
    for (let n = 1; n <= STEPS; n += 1) {
      // Sometimes several at once.
      if (random() < 0.2) await Promise.all([act(), act(), act()]);
      else await act();
      if (n % CHECK_EVERY === 0) {
        for (const replica of replicas) await sameAsFresh(replica);
      }
    }
    for (const kind of all) {
      for (let tries = 0; tries < 200 && !did.has(kind[1]); tries += 1) await act(kind);
      assert.ok(did.has(kind[1]), `${kind[1]} succeeded at least once`);
    }
    // Nothing older may come in and undo it.
    for (const channel of channels) {
      await alice.act(channel, "reopen");
      if (channel.xType !== "triage") await replicas[0].inbox.delivered(await alice.post(channel, "the end"));
    }
    for (const replica of replicas) await sameAsFresh(replica);
  } catch (error) {
    error.message += `\nafter ${done.length}: ${done.slice(-CHECK_EVERY).join(" | ")}`;
    throw error;
  }
  t.diagnostic(`${done.length} actions; alice fetched ${replicas[0].fetched} channels, bob ${replicas[1].fetched}`);
});
