// A network that misbehaves: a TCP proxy on loopback between clients and a server.
import { createServer, connect } from "node:net";
import { once } from "node:events";

/** Bytes of one direction: `up` is what clients send, `down` is what the server sends. */
export const DIRECTIONS = ["up", "down"];

export class Proxy {
  #listener;
  #port;
  #target;
  #links = new Set();
  #refusing = false;
  #delay = 0;
  #splitting = false;
  #stalled = new Set();
  #healed = new Set();

  /** How many connections came, were cut, and were refused. */
  counts = { opened: 0, cut: 0, refused: 0 };

  /** Listens on a free port for connections to `url`. */
  static async to(url) {
    const proxy = new Proxy();
    const { hostname, port } = new URL(url);
    proxy.#target = { host: hostname, port: Number(port) };
    proxy.#listener = createServer({ noDelay: true, allowHalfOpen: true, pauseOnConnect: true }, (client) => proxy.#accept(client));
    proxy.#listener.listen(0, "127.0.0.1");
    await once(proxy.#listener, "listening");
    proxy.#port = proxy.#listener.address().port;
    return proxy;
  }

  get url() {
    return `http://127.0.0.1:${this.#port}`;
  }

  get connections() {
    return this.#links.size;
  }

  /** Ends connections without a word: all of them, or those for which `pick()` is true. */
  cut(pick = () => true) {
    for (const link of [...this.#links].filter(() => pick())) {
      this.counts.cut += 1;
      link.end();
    }
  }

  /** Ends every new connection at once; those that are there go on. */
  refuse() {
    this.#refusing = true;
  }

  /** Every piece of data waits this long. */
  delay(ms) {
    this.#delay = ms;
  }

  /** Every byte is a write of its own. */
  split() {
    this.#splitting = true;
  }

  /** Nothing more is forwarded in this direction; the connections stay. */
  stall(direction) {
    this.#stalled.add(direction);
  }

  /** Everything as it should be; what waits goes on. */
  heal() {
    this.#refusing = false;
    this.#delay = 0;
    this.#splitting = false;
    this.#stalled.clear();
    for (const go of this.#healed) go();
    this.#healed.clear();
  }

  close() {
    this.#listener.close();
    this.cut();
    this.heal();
  }

  #accept(client) {
    client.on("error", () => {});
    if (this.#refusing) {
      this.counts.refused += 1;
      client.resetAndDestroy();
      return;
    }
    this.counts.opened += 1;
    const server = connect({ ...this.#target, noDelay: true, allowHalfOpen: true });
    server.on("error", () => {});
    const link = {
      end: () => {
        if (!this.#links.delete(link)) return;
        client.destroy();
        server.destroy();
      },
    };
    this.#links.add(link);
    // Either side may end while what it sent is still on its way.
    Promise.all([this.#pump("up", client, server), this.#pump("down", server, client)]).then(link.end);
  }

  async #pump(direction, from, to) {
    const write = (bytes) => new Promise((done, fail) => to.write(bytes, (error) => (error ? fail(error) : done())));
    try {
      for await (const chunk of from) {
        if (this.#delay > 0) await new Promise((go) => setTimeout(go, this.#delay));
        for (let at = 0; at < chunk.length;) {
          while (this.#stalled.has(direction)) await new Promise((go) => this.#healed.add(go));
          const end = this.#splitting ? at + 1 : chunk.length;
          await write(chunk.subarray(at, end));
          at = end;
        }
      }
      to.end();
    } catch {
      // Cut, here or by one of the two.
      from.destroy();
      to.destroy();
    }
  }
}
