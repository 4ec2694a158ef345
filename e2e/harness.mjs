// A running Fabric and people in it. Every test file is a process of its own with a server of its own,
// unless the environment names one that already runs.
import { execFile, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import assert from "node:assert/strict";

/** Nothing here takes this long unless it is broken; a slow machine must not fail a test. */
export const DEADLINE_MS = Number(process.env.FABRIC_E2E_DEADLINE_MS ?? 30_000);

/** A start, or a gentle stop, on a machine that has much else to do. */
const UP_OR_DOWN_MS = 60_000;

export const SYSTEM_USER = "00000000-0000-0000-0000-000000000000";

let server;

/** Call once at the top of a test file; returns what `dev --json` printed. */
export async function startServer() {
  server ??= process.env.FABRIC_GUILD_URL ? fromEnvironment() : await launch();
  return server;
}

/** Call in `after`. */
export async function stopServer() {
  await server?.stop();
}

function fromEnvironment() {
  const { env } = process;
  return {
    centerUrl: env.FABRIC_CENTER_URL,
    guildUrl: env.FABRIC_GUILD_URL,
    nodeId: env.FABRIC_NODE_ID,
    email: env.FABRIC_ADMIN_EMAIL,
    password: env.FABRIC_ADMIN_PASSWORD,
    adminEmail: env.FABRIC_ADMIN_EMAIL,
    systemKey: env.FABRIC_SYSTEM_KEY,
    stop: async () => {},
  };
}

const DEBUG_BINARY = join(import.meta.dirname, "../target/debug/fabric-guild-server");

/** Absolute, since servers run where their data is. */
export const BINARY = resolve(process.env.FABRIC_GUILD_SERVER_BIN ?? DEBUG_BINARY);

/** Center's binary is beside the guild's. */
export const CENTER_BINARY = join(dirname(BINARY), "fabric-center");

export const temporaryFolder = () => mkdtemp(join(tmpdir(), "fabric-e2e-"));

/** Starts a server; with a `dir` of an earlier one it goes on where that one ended. */
export async function launch({ dir, agents = false } = {}) {
  const dataDir = dir ?? await temporaryFolder();
  for (let tries = 1; ; tries += 1) {
    try {
      return await start(dataDir, { agents, isOurs: dir === undefined });
    } catch (error) {
      // Where the process stands still for some seconds, Center and guild in it miss each other's answers.
      if (tries === 3 || !error.message.includes("_unavailable")) throw error;
    }
  }
}

async function start(dataDir, { agents, isOurs }) {
  // The system chooses the ports, so that nobody else has them.
  const options = ["dev", "--json", "--data-dir", dataDir, "--center-port", "0", "--guild-port", "0"];
  const child = spawn(BINARY, agents ? options : [...options, "--no-agents"], {
    cwd: dataDir,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let log = "";
  child.stderr.on("data", (chunk) => { log = (log + chunk).slice(-20_000); });
  // Not at its exit: then there may be more of its log to come.
  const exited = new Promise((done) => child.once("close", (code, signal) => done(`${code ?? signal}`)));
  child.once("error", (error) => { log += `\n${error}`; });
  const ready = new Promise((done) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (line.startsWith("{")) done(JSON.parse(line));
    });
  });
  const stop = async () => {
    child.kill("SIGTERM");
    await withDeadline(exited, "the server to stop", UP_OR_DOWN_MS).catch(() => child.kill("SIGKILL"));
    if (process.env.FABRIC_E2E_LOG) process.stderr.write(log);
    if (isOurs) await rm(dataDir, { recursive: true, force: true });
    return exited;
  };
  /** As if the power went. */
  const kill = () => {
    child.kill("SIGKILL");
    return exited;
  };
  process.once("exit", () => child.kill("SIGKILL"));
  const failed = exited.then((how) => Promise.reject(new Error(`the server ended (${how}):\n${log}`)));
  failed.catch(() => {});
  const details = await withDeadline(Promise.race([ready, failed]), "the server to be ready", UP_OR_DOWN_MS);
  return { ...details, stop, kill, dataDir, pid: child.pid };
}

/** A program of ours in the background, with a log and an end. */
function background(binary, args, env, cwd) {
  const child = spawn(binary, args, { cwd, env, stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  child.stderr.on("data", (chunk) => { log = (log + chunk).slice(-20_000); });
  child.once("error", (error) => { log += `\n${error}`; });
  const exited = new Promise((done) => child.once("exit", (code, signal) => done(`${code ?? signal}`)));
  process.once("exit", () => child.kill("SIGKILL"));
  const stop = async () => {
    child.kill("SIGTERM");
    await withDeadline(exited, "the program to stop", UP_OR_DOWN_MS).catch(() => child.kill("SIGKILL"));
    if (process.env.FABRIC_E2E_LOG) process.stderr.write(log);
    return exited;
  };
  return { stop, log: () => log, isRunning: () => child.exitCode === null && child.signalCode === null };
}

const fabricEnvironment = (prefix, values) =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [`FABRIC_BACKEND_${prefix}_${name}`, `${value}`]));

/**
 * Center and a guild as they run for real: a process each, set up by their environment. `center` and `guild` are
 * settings by their names (`{ GUILD_TOKEN_SECONDS: 5 }`).
 */
export async function serve({ center = {}, guild = {} } = {}) {
  const dir = await temporaryFolder();
  const [centerPort, guildPort] = await Promise.all([freePort(), freePort()]);
  const [centerUrl, guildUrl] = [centerPort, guildPort].map((port) => `http://127.0.0.1:${port}`);
  const nodeId = "north";
  const { PATH } = process.env;
  const ofCenter = (settings) => ({ PATH, ...fabricEnvironment("CENTER", {
    BIND: "127.0.0.1", PORT: centerPort, DB_URL: `sqlite://${dir}/center.db`, OPEN_REGISTRATION: true, ...center, ...settings,
  }) });
  const register = ["node", "register", "--node-id", nodeId, "--name", "North", "--endpoint", guildUrl];
  const { stdout } = await promisify(execFile)(CENTER_BINARY, register, { env: ofCenter(), cwd: dir });

  const answers = async (program, url) => {
    const isUp = () => fetch(`${url}/healthz`).then(({ ok }) => ok, () => false);
    await eventually(`${url} to answer`, isUp, (up) => {
      assert.ok(program.isRunning(), program.log());
      return up;
    }, { within: UP_OR_DOWN_MS });
    return program;
  };
  let runningCenter;
  const server = {
    centerUrl,
    guildUrl,
    nodeId,
    startCenter: async (settings = {}) => {
      runningCenter = await answers(background(CENTER_BINARY, ["serve"], ofCenter(settings), dir), centerUrl);
    },
    stopCenter: () => runningCenter.stop(),
  };
  await server.startCenter();
  const environment = { PATH, ...fabricEnvironment("GUILD", {
    BIND: "127.0.0.1", PORT: guildPort, DB_URL: `sqlite://${dir}/guild.db`, NODE_ID: nodeId,
    CENTER_BASE_URL: centerUrl, CENTER_API_KEY: JSON.parse(stdout).apiKey, PUBLIC_ENDPOINT: guildUrl, ...guild,
  }) };
  const runningGuild = await answers(background(BINARY, ["serve"], environment, dir), guildUrl);
  server.stop = async () => {
    await Promise.all([runningGuild.stop(), runningCenter.stop()]);
    await rm(dir, { recursive: true, force: true });
  };
  return server;
}

/** Below the ports that the system gives to whoever asks for any. */
const PORTS = { from: 10_000, count: 22_000 };
/** Test files that run at once are processes, and begin elsewhere. */
let nextPort = process.pid * 16;

/** A port to keep over restarts; each is given once. */
async function freePort() {
  for (;;) {
    const port = PORTS.from + (nextPort % PORTS.count);
    nextPort += 1;
    if (await isFree(port)) return String(port);
  }
}

function isFree(port) {
  return new Promise((done) => {
    const probe = createServer().once("error", () => done(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => done(true)));
  });
}

/** Waits for a promise, but not for ever. `what` may be a function that describes the state at the end. */
export async function withDeadline(promise, what, ms = DEADLINE_MS) {
  let timer;
  const late = new Promise((_, fail) => {
    timer = setTimeout(() => {
      const name = typeof what === "function" ? what() : what;
      fail(new Error(`waited ${ms} ms for ${name}`));
    }, ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Asks again until `check` is happy: for things that no event tells of. */
export async function eventually(what, ask, check, { within = DEADLINE_MS, every = 25 } = {}) {
  const end = Date.now() + within;
  for (;;) {
    const last = await ask();
    if (check(last)) return last;
    if (Date.now() > end) throw new Error(`waited for ${what}; last: ${JSON.stringify(last)}`);
    await new Promise((again) => setTimeout(again, every));
  }
}

/**
 * Whether the server says that it could not, and asking again does no harm. Where a machine stands still for some
 * seconds, the server's own time-outs strike.
 */
function mayRepeat(answer, method, headers) {
  // The head of the request came too late, or nobody could say who is asking: that is all that was looked at.
  if (answer.status === 408 || answer.body?.error === "center_unavailable") return true;
  const isSafe = ["GET", "HEAD"].includes(method) || headers["idempotency-key"] !== undefined;
  return answer.status === 503 && isSafe;
}

/** Asks, and again while the answer is that of a server that could not. */
export async function answerTo(method, headers, ask) {
  const end = Date.now() + DEADLINE_MS;
  for (;;) {
    const answer = await ask();
    if (!mayRepeat(answer, method, headers) || Date.now() > end) return answer;
    await new Promise((again) => setTimeout(again, 200));
  }
}

/** One HTTP request; `body` is sent as JSON unless it is text. */
export function request(base, method, path, options = {}) {
  return answerTo(method, options.headers ?? {}, () => requestOnce(base, method, path, options));
}

async function requestOnce(base, method, path, { body, token, headers = {} }) {
  const response = await fetch(`${base}/api${path}`, {
    method,
    headers: {
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...headers,
    },
    body: body === undefined || typeof body === "string" ? body : JSON.stringify(body),
    signal: AbortSignal.timeout(DEADLINE_MS),
  });
  const text = await response.text();
  let json;
  try {
    json = text === "" ? undefined : JSON.parse(text);
  } catch {
    json = undefined;
  }
  return { status: response.status, headers: response.headers, text, body: json, what: `${method} ${path}` };
}

/** The body of an answer with this status; anything else fails with what the server said. */
export function expectStatus(answer, ...statuses) {
  assert.ok(statuses.includes(answer.status), `${answer.what}: ${answer.status} ${answer.text}`);
  return answer.body;
}

/** An error answer of the one shape that every error has. */
export function expectError(answer, status, code) {
  assert.equal(answer.status, status, `${answer.what}: ${answer.status} ${answer.text}`);
  const { body } = answer;
  assert.equal(body?.statusCode, status, answer.text);
  assert.match(body.error, /^[a-z][a-z0-9_]*$/, answer.text);
  assert.equal(typeof body.message, "string", answer.text);
  assert.equal(body.requestId, answer.headers.get("x-request-id"), "requestId and x-request-id");
  if (code !== undefined) assert.equal(body.error, code, answer.text);
  return body;
}

/** Somebody who is signed in and a member of the guild. */
export class Person {
  constructor(session, password, guildToken, server) {
    this.id = session.user.id;
    this.name = session.user.name;
    this.email = session.user.email;
    this.password = password;
    this.session = session;
    this.token = guildToken;
    this.server = server;
  }

  toString() {
    return `<@${this.id}>`;
  }

  /** A request to the guild. */
  ask(method, path, body, headers) {
    return request(this.server.guildUrl, method, path, { body, headers, token: this.token });
  }

  async get(path) {
    return expectStatus(await this.ask("GET", path), 200);
  }

  /** Creates a channel and gives its row. */
  async create(xType, options = {}) {
    const { members = [], ...rest } = options;
    const body = { guildId: this.server.nodeId, name: `${xType} ${randomUUID().slice(0, 8)}`, xType,
      memberUserIds: members.map((member) => member.id), ...rest };
    return expectStatus(await this.ask("POST", "/channels", body), 201);
  }

  /** Posts a text and gives the stored message. */
  async post(channel, content, extra = {}) {
    return expectStatus(await this.ask("POST", `/channels/${channel.id}/messages`, { content, ...extra }), 201);
  }

  /** Posts a command and gives its answer. */
  async command(channel, content) {
    return expectStatus(await this.ask("POST", `/channels/${channel.id}/messages`, { content }), 202);
  }

  turn(channel) {
    return this.get(`/channels/${channel.id}/turn`);
  }

  act(channel, what, body) {
    return this.ask("POST", `/channels/${channel.id}/${what}`, body);
  }
}

/** Makes a user at Center, signs them in and takes them into the guild. `options` as `signIn` has them. */
export async function newPerson(name, server, options) {
  const at = server ?? await startServer();
  const email = `${name}-${randomUUID().slice(0, 8)}@example.test`.toLowerCase();
  const password = `Secret-${randomUUID()}`;
  expectStatus(await request(at.centerUrl, "POST", "/auth/register", { body: { email, password, name } }), 200, 201);
  return signIn(email, password, at, options);
}

export async function newPeople(...names) {
  const people = [];
  // A few at once: each password keeps a processor busy, and who asks waits for everybody before them.
  for (let n = 0; n < names.length; n += 8) {
    people.push(...await Promise.all(names.slice(n, n + 8).map((name) => newPerson(name))));
  }
  return people;
}

/**
 * Signs somebody in, and takes them into the guild where they are not. It then knows the token, unless that is not
 * `toBeKnown`.
 */
export async function signIn(email, password, server, { toBeKnown = true } = {}) {
  const at = server ?? await startServer();
  const body = { email, password };
  const session = expectStatus(await request(at.centerUrl, "POST", "/auth/login", { body }), 200, 201);
  return enter(session, at, { password, toBeKnown });
}

/** Signs an agent in with its key. */
export async function agentSignIn(apiKey, server) {
  const at = server ?? await startServer();
  const body = { apiKey };
  return enter(expectStatus(await request(at.centerUrl, "POST", "/auth/agent/login", { body }), 200, 201), at);
}

async function enter(session, server, { password, toBeKnown = true } = {}) {
  const { centerUrl, nodeId } = server;
  const ofGuild = (tokens) => tokens.find((token) => token.guildNodeId === nodeId)?.token;
  let token = ofGuild(session.guildAccessTokens);
  if (token === undefined) {
    const options = { token: session.accessToken, body: { nodeId } };
    const mine = expectStatus(await request(centerUrl, "POST", "/auth/me/guilds/join", options), 200, 201);
    token = ofGuild(mine.guildAccessTokens);
  }
  assert.ok(token, "a guild access token");
  const person = new Person(session, password, token, server);
  // Sockets are refused while the guild cannot ask Center about a new token.
  if (toBeKnown) await person.get("/channels");
  return person;
}

/** Posts as the guild itself. */
export async function systemPost(channel, content, extra = {}) {
  const { guildUrl, systemKey } = await startServer();
  return request(guildUrl, "POST", `/channels/${channel.id}/messages`, {
    body: { content, ...extra },
    headers: { "x-fabric-system-key": systemKey },
  });
}
