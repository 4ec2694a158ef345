// Real sockets of the npm client, with a memory: a test asks for what has arrived or waits for it.
import assert from "node:assert/strict";
import { io } from "socket.io-client";
import { DEADLINE_MS, eventually, withDeadline } from "./harness.mjs";

const open = new Set();

/** Call in `after`: an open socket keeps the process alive. */
export function closeSockets() {
  for (const socket of open) socket.close();
}

/** A socket that is not connected yet; for tests about connecting. */
export function rawSocket(server, { namespace = "/realtime", auth, ...options } = {}) {
  const socket = io(`${server.guildUrl}${namespace}`, {
    path: "/socket.io/", auth, forceNew: true, reconnection: false, autoConnect: false, ...options,
  });
  open.add(socket);
  return socket;
}

/** Resolves with how connecting ended: `{connected: true}` or `{error}`. */
export function outcome(socket) {
  return eventually("connecting to be decided", () => attempt(socket), ({ error }) => !isTooLate(error));
}

/** 408: the head of the request took too long, as the machine stood still, and nobody has looked at it. */
const isTooLate = (error) => `${error?.description?.message ?? error?.description}`.includes("408");

function attempt(socket) {
  const ended = new Promise((done) => {
    socket.once("connect", () => done({ connected: true }));
    socket.once("connect_error", (error) => done({ error }));
  });
  socket.connect();
  return withDeadline(ended, "connect or connect_error");
}

/** The same, once Center could say whose token it is; until then everybody who is not known is refused. */
export function decided(socket) {
  const isDecided = ({ error }) => error?.data?.error !== "center_unavailable";
  return eventually("Center to be asked", () => outcome(socket), isDecided, { every: 500 });
}

/** Everything that one socket of a person receives, in order. */
export class Inbox {
  constructor(person, socket) {
    this.person = person;
    this.socket = socket;
    this.events = [];
    this.waiting = new Set();
    socket.onAny((name, payload) => {
      this.events.push({ name, payload, at: Date.now() });
      for (const check of this.waiting) check();
    });
  }

  /** Connects somebody. `options` go to the client. */
  static async connect(person, options = {}) {
    const socket = rawSocket(person.server, { auth: { token: person.token }, ...options });
    const inbox = new Inbox(person, socket);
    const { error } = await decided(socket);
    assert.equal(error, undefined, `${person.name} could not connect: ${error?.message}`);
    return inbox;
  }

  /** Connects somebody and joins these channels. */
  static async in(person, ...channels) {
    const inbox = await Inbox.connect(person);
    for (const channel of channels) await inbox.join(channel);
    return inbox;
  }

  /** Sends an event and gives its acknowledgement; asks again, where that is harmless, while the database is away. */
  ask(event, payload) {
    const once = () => this.socket.timeout(DEADLINE_MS).emitWithAck(event, payload);
    const isHarmless = event !== "message.post" || payload?.idempotencyKey !== undefined;
    const isFinal = (answer) => !isHarmless || answer?.error !== "storage_unavailable";
    return eventually(`an answer to ${event}`, once, isFinal);
  }

  async join(channel, sinceSeq) {
    const ack = await this.ask("join_channel", { channelId: channel.id, ...(sinceSeq === undefined ? {} : { sinceSeq }) });
    assert.equal(ack.ok, true, `${this.person.name} joins: ${JSON.stringify(ack)}`);
    return ack;
  }

  /** The first event of this name that fits, from the past or the future. */
  wait(name, fits = () => true, what = name) {
    const find = () => this.events.find((event) => event.name === name && fits(event.payload))?.payload;
    const seen = () => JSON.stringify(this.events.map((event) => [event.name, event.payload?.content ?? event.payload?.channelId]));
    let check;
    const found = new Promise((done) => {
      check = () => {
        const payload = find();
        if (payload !== undefined) done(payload);
      };
      this.waiting.add(check);
      check();
    });
    return withDeadline(found, () => `${what} at ${this.person.name}; seen: ${seen()}`)
      .finally(() => this.waiting.delete(check));
  }

  /** This message as it was delivered here. */
  delivered(message) {
    return this.wait("message.created", (created) => created.id === message.id, `message ${message.content}`);
  }

  /** How often this message was delivered here so far. */
  count(message) {
    return this.messages(message.channelId).filter((created) => created.id === message.id).length;
  }

  /** The messages of a channel so far, in the order of their arrival. */
  messages(channelId) {
    return this.events
      .filter(({ name, payload }) => name === "message.created" && payload.channelId === channelId)
      .map(({ payload }) => payload);
  }

  /** Forgets everything so far, so that `wait` looks ahead. */
  clear() {
    this.events.length = 0;
  }

  close() {
    this.socket.close();
  }
}

/** How a delivered message reads: `observe`, or `wake:reason`. */
export function reading(created) {
  assert.equal(typeof created.wakeup, "boolean", "wakeup is a plain boolean");
  if (!created.wakeup) {
    assert.equal(created.wake, null, "wake is null for those who are not woken");
    return "observe";
  }
  return `wake:${created.wake?.reason}`;
}

/** People with a socket each, all of them in one channel. */
export class Room {
  constructor(channel, inboxes) {
    this.channel = channel;
    this.inboxes = inboxes;
    this.mustNotHave = [];
  }

  static async open(channel, people) {
    return new Room(channel, await Promise.all(people.map((person) => Inbox.in(person, channel))));
  }

  of(person) {
    return this.inboxes.find((inbox) => inbox.person === person);
  }

  /**
   * Asserts how everybody gets a message: `[[person, "wake:turn"], [person, "observe"], [person, "skip"]]`.
   * A skip is proven by `settle`, after something later has arrived at the same person.
   */
  async expect(message, expected) {
    for (const [person, how] of expected) {
      if (how === "skip") {
        this.mustNotHave.push([this.of(person), message]);
      } else {
        const created = await this.of(person).delivered(message);
        assert.equal(reading(created), how, `${person.name} and "${message.content}" in ${created.xType}`);
      }
    }
  }

  /** Later messages of the channel, so that everybody who was skipped gets one that is not their own. */
  async settle(...markers) {
    for (const [inbox, message] of this.mustNotHave) {
      await inbox.delivered(markers.find((marker) => marker.authorUserId !== inbox.person.id));
      assert.equal(inbox.count(message), 0, `${inbox.person.name} must not get "${message.content}"`);
    }
    for (const inbox of this.inboxes) {
      const seqs = inbox.messages(this.channel.id).map((created) => created.seq);
      assert.deepEqual(seqs, [...new Set(seqs)].sort((a, b) => a - b), `${inbox.person.name}: once, in seq order`);
    }
  }

  /** Who is woken by a message; waits until everybody has it. */
  async woken(message) {
    const all = await Promise.all(this.inboxes.map(async (inbox) => [inbox.person, await inbox.delivered(message)]));
    const woken = all.filter(([, created]) => created.wakeup);
    assert.ok(woken.length <= 1, `at most one is woken: ${woken.map(([person]) => person.name)}`);
    const [person, created] = woken[0] ?? [];
    return { person, reason: created?.wake.reason, wake: created?.wake };
  }

  /** Asserts that a message wakes just this person, for this reason. */
  async wakes(message, person, reason = "turn") {
    const woken = await this.woken(message);
    assert.equal(woken.person?.name, person?.name, `"${message.content}" wakes`);
    if (person) assert.equal(woken.reason, reason);
    return woken;
  }
}
