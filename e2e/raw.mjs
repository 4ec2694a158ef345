// A client without manners: websocket frames and polls as they are, for what the npm client would never send.
import assert from "node:assert/strict";
import { Agent, request as httpRequest } from "node:http";
import WebSocket from "ws";
import { answerTo, withDeadline } from "./harness.mjs";

const PATH = "/socket.io/?EIO=4";
const NAMESPACE = "/realtime";
const open = new Set();

/** Call in `after`. */
export function closeRaw() {
  for (const client of open) client.end();
}

/** `42/realtime,["name",payload]`, with the payload as it is written. */
export const eventPacket = (name, payload, ack = "") => `42${NAMESPACE},${ack}["${name}",${payload}]`;

/** One websocket. */
export class RawSocket {
  constructor(server, { query = "&transport=websocket", ...options } = {}) {
    open.add(this);
    this.received = [];
    this.waiting = new Set();
    this.ws = new WebSocket(`${server.guildUrl.replace("http", "ws")}${PATH}${query}`, { perMessageDeflate: false, ...options });
    this.ws.on("error", (error) => { this.error = error; });
    this.ws.on("message", (data, isBinary) => {
      const text = isBinary ? data : data.toString();
      if (text === "2") this.ws.send("3");
      else this.received.push(text);
      for (const check of this.waiting) check();
    });
    this.closed = new Promise((done) => this.ws.once("close", (code, reason) => done({ code, reason: reason.toString() })));
    this.opened = new Promise((done, fail) => {
      this.ws.once("open", done);
      this.ws.once("error", fail);
    });
    this.opened.catch(() => {});
  }

  /** Connected to the namespace. */
  static async of(person, options) {
    const raw = new RawSocket(person.server, options);
    await raw.wait((text) => text.startsWith("0{"), "the open packet");
    raw.send(`40${NAMESPACE},${JSON.stringify({ token: person.token })}`);
    await raw.wait((text) => text.startsWith(`40${NAMESPACE},`), "the CONNECT answer");
    return raw;
  }

  send(data, options) {
    this.ws.send(data, { binary: false, ...options }, () => {});
  }

  /** Bytes as they are, past the websocket's framing. */
  write(bytes) {
    this.ws._socket.write(bytes);
  }

  /** An event with an acknowledgement; gives its payload. */
  async ask(ack, name, payload) {
    this.send(eventPacket(name, JSON.stringify(payload), ack));
    const start = `43${NAMESPACE},${ack}[`;
    const text = await this.wait((packet) => packet.startsWith(start), `the answer to ${name}`);
    return JSON.parse(text.slice(start.length - 1))[0];
  }

  wait(fits, what) {
    let check;
    const found = new Promise((done, fail) => {
      check = () => {
        const text = this.received.find((packet) => typeof packet === "string" && fits(packet));
        if (text !== undefined) done(text);
      };
      this.waiting.add(check);
      check();
      this.closed.then(({ code }) => fail(new Error(`closed with ${code} instead of ${what}; ${this.error ?? ""}`)));
    });
    return withDeadline(found, what).finally(() => this.waiting.delete(check));
  }

  /** How the server closed it. */
  isClosed(what) {
    return withDeadline(this.closed, `the server to close it after ${what}`);
  }

  end() {
    open.delete(this);
    this.ws.terminate();
  }
}

/** One polling session. */
export class RawPolling {
  constructor(server, { localAddress } = {}) {
    this.server = server;
    this.localAddress = localAddress;
    this.agent = new Agent({ keepAlive: false });
    open.add(this);
  }

  /** Connected to the namespace. */
  static async of(person) {
    const raw = new RawPolling(person.server);
    await raw.handshake();
    assert.equal((await raw.post(`40${NAMESPACE},${JSON.stringify({ token: person.token })}`)).status, 200);
    const { text } = await raw.poll();
    assert.ok(text.startsWith(`40${NAMESPACE},`), text);
    return raw;
  }

  async handshake() {
    const answer = await this.poll();
    if (answer.status === 200) this.sid = JSON.parse(answer.text.slice(1)).sid;
    return answer;
  }

  poll() {
    return this.#ask("GET");
  }

  post(body, headers) {
    return this.#ask("POST", body, headers);
  }

  /** Sends an event and polls until its acknowledgement is there; gives the packets that came. */
  async ask(ack, name, payload) {
    const { status } = await this.post(eventPacket(name, JSON.stringify(payload), ack));
    assert.equal(status, 200);
    const packets = [];
    while (!packets.some((packet) => packet.startsWith(`43${NAMESPACE},${ack}[`))) {
      const { status, text } = await this.poll();
      assert.equal(status, 200, text);
      packets.push(...text.split("\u001e"));
    }
    return packets;
  }

  #ask(method, body, headers = {}) {
    // Never asked again for a 503: of a POST nobody knows what became.
    return answerTo("POST", {}, () => this.#askOnce(method, body, headers));
  }

  #askOnce(method, body, headers) {
    const { hostname, port } = new URL(this.server.guildUrl);
    const path = `${PATH}&transport=polling${this.sid ? `&sid=${this.sid}` : ""}`;
    const options = { method, hostname, port, path, headers, agent: this.agent, localAddress: this.localAddress };
    const answered = new Promise((done, fail) => {
      const asked = httpRequest(options, (response) => {
        const chunks = [];
        response.on("data", (chunk) => chunks.push(chunk));
        response.on("end", () => done({ status: response.statusCode, text: Buffer.concat(chunks).toString() }));
        response.on("error", fail);
      });
      asked.on("error", fail);
      asked.end(body);
    });
    return withDeadline(answered, `${method} ${path}`);
  }

  end() {
    open.delete(this);
    this.agent.destroy();
  }
}
