// A network that cuts, delays, splits, stalls and refuses: what was committed arrives all the same.
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { eventually, newPeople, startServer, stopServer, withDeadline } from "../harness.mjs";
import { Proxy } from "../proxy.mjs";
import { picker, randomness, SEED } from "../random.mjs";
import { closeSockets, Inbox, rawSocket } from "../sockets.mjs";

const AGENTS = Number(process.env.FABRIC_E2E_AGENTS ?? 50);
const BLOWS = Number(process.env.FABRIC_E2E_BLOWS ?? 8);
const POST_EVERY_MS = 40;
const ANSWER_TIMEOUT_MS = 3_000;

let server;
const proxies = [];
const followers = [];

before(async () => {
  server = await startServer();
});
after(async () => {
  for (const follower of followers) follower.close();
  closeSockets();
  for (const proxy of proxies) proxy.close();
  await stopServer();
});

async function newProxy() {
  const proxy = await Proxy.to(server.guildUrl);
  proxies.push(proxy);
  return proxy;
}

/** A client as it should be: its own reconnect, joins again on each connect with what it has, drops ids it knows. */
class Follower {
  constructor(person, proxy, channels, options = {}) {
    followers.push(this);
    this.person = person;
    this.channels = new Map(channels.map(({ id }) => [id, { lastSeq: 0, ids: new Set(), messages: [] }]));
    this.connects = 0;
    this.disconnects = 0;
    this.received = 0;
    this.duplicates = 0;
    this.problems = [];
    this.isClosed = false;
    const auth = { token: person.token };
    const reconnect = { reconnection: true, reconnectionDelay: 20, reconnectionDelayMax: 200, timeout: 5_000 };
    this.socket = rawSocket({ guildUrl: proxy.url }, { auth, ...reconnect, ...options });
    this.socket.on("connect", () => this.#joinAll());
    this.socket.on("disconnect", (reason) => {
      // Said also of an attempt to connect that was cut.
      this.disconnects = this.connects;
      // Sent away: what it missed could not be read.
      if (reason === "io server disconnect") this.#connectSoon();
    });
    // Refused, not cut: then the client does not try again by itself.
    this.socket.on("connect_error", () => {
      if (!this.socket.active) this.#connectSoon();
    });
    this.socket.on("message.created", (created) => this.#take(created));
    this.socket.io.on("open", () => this.#endFailedUpgrade(this.socket.io.engine));
    this.socket.connect();
  }

  /**
   * When the websocket dies in the middle of an upgrade, the npm client leaves its polling paused, and notices
   * only when no ping comes, after 45 s. Here it connects again at once.
   */
  #endFailedUpgrade(engine) {
    engine.once("upgradeError", () => {
      if (!engine.upgrading) return;
      // `close()` would wait for the upgrade to end.
      engine._onClose("transport close");
    });
  }

  #connectSoon() {
    setTimeout(() => {
      if (!this.isClosed) this.socket.connect();
    }, 100);
  }

  #joinAll() {
    this.connects += 1;
    for (const channelId of this.channels.keys()) this.#join(channelId);
  }

  #join(channelId) {
    const { connects } = this;
    const { id } = this.socket;
    const again = () => {
      if (this.socket.connected && this.connects === connects) this.#join(channelId);
    };
    this.socket.emit("join_channel", { channelId, sinceSeq: this.channels.get(channelId).lastSeq }, (ack) => {
      if (ack.error === "storage_unavailable") setTimeout(again, 100);
      else if (!ack.ok) this.problems.push(`joining at ${id}: ${JSON.stringify(ack)}`);
    });
  }

  #take(created) {
    this.received += 1;
    const channel = this.channels.get(created.channelId);
    const known = channel.ids.has(created.id);
    if (known) {
      this.duplicates += 1;
    } else {
      if (created.seq !== channel.lastSeq + 1) this.problems.push(`seq ${created.seq} after ${channel.lastSeq}`);
      channel.ids.add(created.id);
      channel.lastSeq = created.seq;
      channel.messages.push(created);
    }
    if (created.wakeup) this.woken?.(created);
  }

  got(channel) {
    return this.channels.get(channel.id).messages;
  }

  close() {
    this.isClosed = true;
    this.socket.close();
  }
}

/** Posts in turn by everybody in `people`, outside of the proxy, until it is stopped. */
function keepPosting(people, channels) {
  const poster = { committed: 0, stopped: false };
  poster.ended = (async () => {
    for (let n = 0; !poster.stopped; n += 1) {
      const channel = channels[n % channels.length];
      await people[Math.floor(n / channels.length) % people.length].post(channel, `message ${n}`);
      poster.committed += 1;
      await new Promise((next) => setTimeout(next, POST_EVERY_MS));
    }
  })();
  poster.more = (count) => {
    const until = poster.committed + count;
    return Promise.race([
      eventually(`${count} more posts`, async () => poster.committed, (committed) => committed >= until),
      poster.ended.then(() => Promise.reject(new Error("posting has ended"))),
    ]);
  };
  poster.stop = () => {
    poster.stopped = true;
    return poster.ended;
  };
  return poster;
}

async function history(person, channel) {
  const messages = [];
  for (let more = true; more;) {
    const page = await person.get(`/channels/${channel.id}/messages?seqFrom=${messages.length + 1}&limit=200`);
    messages.push(...page.messages);
    more = page.page.hasMore;
  }
  return messages;
}

/** Waits until a follower has what is stored, and compares id by id, in order. */
async function hasEverything(follower, channel, stored) {
  await eventually(
    `${stored.length} messages at ${follower.person.name}`,
    async () => follower.got(channel).length,
    (count) => count >= stored.length,
  );
  assert.deepEqual(follower.got(channel).map(({ seq, id }) => [seq, id]), stored.map(({ seq, id }) => [seq, id]));
}

describe("under a network that misbehaves", { concurrency: true }, () => {
  for (const [name, options] of [
    ["default options", {}],
    ["websocket only", { transports: ["websocket"] }],
    ["polling only", { transports: ["polling"] }],
  ]) {
    test(`the client with ${name} gets every message once and in order`, async (t) => {
      const [poster, other, reader] = await newPeople("poster", "other", "reader");
      // Nobody is woken in a report, so nothing has a reason to be sent twice.
      const channel = await poster.create("report", { members: [other, reader] });
      const proxy = await newProxy();
      const follower = new Follower(reader, proxy, [channel], options);
      const posts = keepPosting([poster, other], [channel]);
      const receives = (count) => {
        const until = follower.received + count;
        return eventually(`${count} more messages`, async () => follower.received, (received) => received >= until);
      };
      // A client that polls may have no connection at the moment of the cut, and then does not notice.
      const cut = () => {
        const until = follower.disconnects + 1;
        return eventually("a client that is cut off", async () => {
          if (follower.socket.connected) proxy.cut();
          return follower.disconnects;
        }, (disconnects) => disconnects >= until);
      };
      await receives(3);
      for (let n = 0; n < 3; n += 1) {
        await cut();
        await receives(4);
      }
      proxy.split();
      await receives(3);
      await cut();
      await receives(3);
      proxy.heal();
      proxy.delay(30);
      await receives(3);
      await cut();
      await receives(2);
      proxy.heal();
      for (const direction of ["down", "up"]) {
        proxy.stall(direction);
        await posts.more(5);
        proxy.heal();
        await receives(5);
        proxy.stall(direction);
        await posts.more(5);
        await cut();
        proxy.heal();
        await receives(6);
      }
      const { refused } = proxy.counts;
      proxy.refuse();
      await cut();
      await eventually("attempts that are refused", async () => proxy.counts.refused, (count) => count >= refused + 3);
      proxy.heal();
      await receives(3);
      await posts.stop();

      const stored = await history(poster, channel);
      await hasEverything(follower, channel, stored);
      assert.equal(stored.length, posts.committed);
      assert.deepEqual(follower.problems, []);
      assert.equal(follower.duplicates, 0, "nothing twice, even before duplicates are dropped");
      assert.ok(follower.connects >= 9, `connected ${follower.connects} times, once more after each cut`);
      t.diagnostic(`${stored.length} messages over ${follower.connects} connections`);
      follower.close();
    });
  }
});

/** An agent: answers each turn it is woken for, once, over its socket. */
class Agent extends Follower {
  constructor(person, proxy, channels, options, random) {
    super(person, proxy, channels, options);
    this.random = random;
    this.stopping = false;
    this.wakes = new Map();
    /** The messages outside of turns that woke it. */
    this.summons = new Set();
    this.answers = [];
  }

  woken(created) {
    const { turn } = created.wake;
    if (turn === undefined) {
      this.summons.add(created.id);
      return;
    }
    const debt = `${created.channelId} ${turn}`;
    const seen = this.wakes.get(debt);
    this.wakes.set(debt, (seen ?? 0) + 1);
    if (seen === undefined) this.answers.push(this.#answer(created.channelId, turn, debt));
  }

  /** Until the server has it: the key makes one message of any number of attempts. */
  async #answer(channelId, turn, idempotencyKey) {
    const passes = this.stopping || this.random() < 0.1;
    const content = passes ? "/no-reply" : `${this.person.name} in turn ${turn}`;
    for (;;) {
      await new Promise((thought) => setTimeout(thought, 20 + this.random() * 80));
      if (this.isClosed) return;
      if (!this.socket.connected) continue;
      try {
        const post = { channelId, content, idempotencyKey };
        const answer = await this.socket.timeout(ANSWER_TIMEOUT_MS).emitWithAck("message.post", post);
        if (answer.statusCode === undefined) return;
        if (answer.statusCode < 500 && answer.statusCode !== 429) {
          this.problems.push(`answering: ${JSON.stringify(answer)}`);
          return;
        }
      } catch {
        // Cut while it was on its way.
      }
    }
  }
}

test(`${AGENTS} agents under ${BLOWS} blows to the network (FABRIC_E2E_SEED=${SEED}): every message reaches every member once, and every wake its agent`, async (t) => {
  const random = randomness();
  const pick = picker(random);
  const posters = await newPeople("ada", "brian", "chloe");
  const [ada] = posters;
  const people = await newPeople(...Array.from({ length: AGENTS }, (_, n) => `agent${n}`));
  const report = await ada.create("report", { members: [...posters, ...people] });
  const general = await ada.create("general", { members: [...posters, ...people] });
  const discussions = [];
  const groups = [0, 1, 2, 3].map((group) => people.filter((_, n) => n % 4 === group));
  for (const members of groups) {
    // The posters only watch: whose turn it is, is up to the agents.
    const bypassUserIds = posters.map(({ id }) => id);
    const options = { members: [...posters, ...members], bypassUserIds };
    discussions.push(await ada.create("discuss", options));
  }
  const watcher = await Inbox.in(ada, ...discussions);
  const proxy = await newProxy();
  const transports = [undefined, ["websocket"], ["polling"]];
  const agents = people.map((person, n) => {
    const channels = [report, general, discussions[n % 4]];
    const options = transports[n % 3] ? { transports: transports[n % 3] } : {};
    return new Agent(person, proxy, channels, options, random);
  });
  for (const channel of discussions) await ada.post(channel, "What now?");
  const posts = keepPosting(posters, [report, general]);
  const blows = [];

  const disturb = {
    "cut all": async () => proxy.cut(),
    "cut half": async () => proxy.cut(() => random() < 0.5),
    "cut all while new ones are refused": async () => {
      const { refused } = proxy.counts;
      proxy.refuse();
      proxy.cut();
      await eventually("refused attempts", async () => proxy.counts.refused, (count) => count >= refused + AGENTS / 2);
    },
    "stall and cut": async () => {
      proxy.stall(pick(["up", "down"]));
      await posts.more(4);
      proxy.cut(() => random() < 0.5);
    },
    "split, delay and cut": async () => {
      proxy.split();
      proxy.delay(10);
      await posts.more(2);
      proxy.cut(() => random() < 0.5);
    },
  };
  await posts.more(5);
  for (let n = 0; n < BLOWS; n += 1) {
    const blow = pick(Object.keys(disturb));
    blows.push(blow);
    await disturb[blow]();
    proxy.heal();
    await posts.more(8);
  }
  await posts.stop();
  for (const agent of agents) agent.stopping = true;
  try {
    for (const channel of discussions) {
      const { turn } = await eventually("a pause", () => ada.turn(channel), ({ state }) => state === "settled");
      const isOfTurn = (pushed) => pushed.channelId === channel.id && pushed.turn === turn;
      await watcher.wait("turn.updated", (pushed) => isOfTurn(pushed) && pushed.state === "settled", "the pause");
    }
    await withDeadline(Promise.all(agents.flatMap(({ answers }) => answers)), "the answers");
    for (const channel of [report, general, ...discussions]) {
      const stored = await history(ada, channel);
      const members = agents.filter((agent) => agent.channels.has(channel.id));
      for (const agent of members) await hasEverything(agent, channel, stored);
      const said = stored.filter(({ content }) => content.includes(" in turn ")).map(({ content }) => content);
      assert.equal(new Set(said).size, said.length, "each answer once, however often it was tried");
    }
    const chatter = await history(ada, general);
    for (const agent of agents) {
      const unheard = chatter.filter(({ id }) => !agent.summons.has(id)).map(({ seq }) => seq);
      assert.deepEqual(unheard, [], `${agent.person.name} was woken by every message in the general channel`);
    }
    const turns = watcher.events
      .filter(({ name, payload }) => name === "turn.updated" && payload.activeSpeaker !== null)
      .map(({ payload }) => payload);
    for (const { channelId, turn, activeSpeaker } of turns) {
      const agent = agents.find(({ person }) => person.id === activeSpeaker);
      assert.ok(agent.wakes.has(`${channelId} ${turn}`), `${agent.person.name} was woken for turn ${turn}`);
    }
    const woken = agents.reduce((sum, { wakes }) => sum + wakes.size, 0);
    assert.equal(woken, new Set(turns.map(({ channelId, turn }) => `${channelId} ${turn}`)).size, "and nobody else");
    assert.deepEqual(agents.flatMap(({ problems }) => problems), []);
    const sum = (what) => agents.reduce((total, agent) => total + agent[what], 0);
    t.diagnostic(`${sum("received")} deliveries, ${sum("duplicates")} of them again, ${woken} wakes, ${sum("connects")} connections`);
  } catch (error) {
    error.message += `\nafter: ${blows.join(" | ")}`;
    throw error;
  } finally {
    for (const agent of agents) agent.close();
  }
});
