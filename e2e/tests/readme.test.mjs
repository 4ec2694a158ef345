// The agent of the README, as it stands there, in a room with people.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { agentSignIn, launch, newPerson } from "../harness.mjs";
import { closeSockets, Inbox } from "../sockets.mjs";

// Where it finds what it imports.
const SCRIPT = join(import.meta.dirname, "../node_modules/readme-agent.mjs");

let server, alice, mira, apiKey, script;

before(async () => {
  server = await launch();
  apiKey = JSON.parse(await readFile(join(server.dataDir, "dev-keys.json"), "utf8")).agents[0];
  [alice, mira] = await Promise.all([newPerson("alice", server), agentSignIn(apiKey, server)]);
  const readme = await readFile(join(import.meta.dirname, "../../README.md"), "utf8");
  await writeFile(SCRIPT, readme.match(/```js\n(import \{ io \}[^]*?)```/)[1]);
});
after(async () => {
  script?.kill("SIGTERM");
  closeSockets();
  await rm(SCRIPT, { force: true });
  await server.stop();
});

test("it answers each turn once, and never leaves the room standing", async () => {
  const channel = await alice.create("discuss", { members: [mira] });
  const inbox = await Inbox.in(alice, channel);
  script = spawn(process.execPath, [SCRIPT, server.centerUrl, server.nodeId, apiKey], { stdio: "inherit" });
  const answer = (content) => inbox.wait("message.created",
    (created) => created.authorUserId === mira.id && created.content === content, `the answer "${content}"`);
  await alice.post(channel, "hello");
  assert.equal((await answer("I heard: hello")).wakeup, true, "the floor goes on");
  await alice.post(channel, `${mira}, and you?`);
  assert.equal((await answer(`I heard: ${mira}, and you?`)).wakeup, true, "not to whom has just used it");
  assert.equal((await alice.command(channel, "/no-reply")).accepted, true);
  const { state, activeSpeaker } = await alice.turn(channel);
  assert.deepEqual([state, activeSpeaker], ["settled", null], "silence means consent");
  const answers = inbox.messages(channel.id).filter((created) => created.authorUserId === mira.id);
  assert.equal(answers.length, 2);
});
