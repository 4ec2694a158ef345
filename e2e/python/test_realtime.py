"""python-socketio against a running guild: somebody else's client of the same protocol.

`FABRIC_GUILD_SERVER_BIN` names the binary; each run starts a server of its own.
"""

import json
import os
import pathlib
import queue
import shutil
import subprocess
import tempfile
import time
import unittest
import uuid

import requests
import socketio

DEADLINE = float(os.environ.get("FABRIC_E2E_DEADLINE_MS", "30000")) / 1000
NAMESPACE = "/realtime"
TARGET = pathlib.Path(__file__).resolve().parents[2] / "target" / "debug"
# Absolute, since the server runs where its data is.
BINARY = os.path.abspath(os.environ.get("FABRIC_GUILD_SERVER_BIN", TARGET / "fabric-guild-server"))

server = None


class Server:
    """Center and a guild with data in a temporary folder."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="fabric-e2e-python-")
        # Where the process stands still for some seconds, Center and guild in it miss each other's answers.
        details = self.start() or self.start()
        if details is None:
            raise RuntimeError("the server ended before it was ready")
        self.center, self.guild = details["centerUrl"], details["guildUrl"]
        self.node = details["nodeId"]

    def start(self):
        command = [BINARY, "dev", "--json", "--no-agents", "--data-dir", self.folder]
        # The system chooses the ports, so that nobody else has them.
        command += ["--center-port", "0", "--guild-port", "0"]
        self.process = subprocess.Popen(
            command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        self.process.wait()
        self.process.stdout.close()
        return None

    def stop(self):
        self.process.terminate()
        self.process.wait(2 * DEADLINE)
        self.process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def setUpModule():
    global server
    server = Server()


def tearDownModule():
    server.stop()


def ask(base, method, path, body=None, token=None):
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    end = time.monotonic() + DEADLINE
    while True:
        answer = requests.request(method, f"{base}/api{path}", json=body, headers=headers, timeout=DEADLINE)
        # On a machine that stands still the server's own time-outs strike; reading again does no harm.
        if method != "GET" or answer.status_code != 503 or time.monotonic() > end:
            break
        time.sleep(0.2)
    assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
    return answer.json()


class Person:
    """Somebody who is signed in and in the guild."""

    def __init__(self, name):
        email = f"{name}-{uuid.uuid4()}@example.test"
        password = f"Secret-{uuid.uuid4()}"
        ask(server.center, "POST", "/auth/register", {"email": email, "password": password, "name": name})
        session = ask(server.center, "POST", "/auth/login", {"email": email, "password": password})
        self.id = session["user"]["id"]
        self.center_token = session["accessToken"]
        joined = ask(server.center, "POST", "/auth/me/guilds/join", {"nodeId": server.node}, self.center_token)
        tokens = joined["guildAccessTokens"]
        self.token = next(token["token"] for token in tokens if token["guildNodeId"] == server.node)
        # Sockets are refused while the guild cannot ask Center about a new token.
        self.ask("GET", "/channels")

    def ask(self, method, path, body=None):
        return ask(server.guild, method, path, body, self.token)

    def create(self, x_type, *members):
        body = {"guildId": server.node, "name": f"{x_type} {uuid.uuid4()}", "xType": x_type}
        return self.ask("POST", "/channels", {**body, "memberUserIds": [member.id for member in members]})

    def post(self, channel, content):
        return self.ask("POST", f"/channels/{channel['id']}/messages", {"content": content})


class Client:
    """A client that keeps what it gets."""

    def __init__(self):
        self.socket = socketio.Client(reconnection=False, request_timeout=DEADLINE)
        self.messages = queue.Queue()
        self.seen = {}
        self.refusals = queue.Queue()
        self.socket.on("message.created", self.messages.put, namespace=NAMESPACE)
        self.socket.on("connect_error", self.refusals.put, namespace=NAMESPACE)

    def connect(self, token, transports):
        self.socket.connect(
            server.guild,
            auth={"token": token},
            namespaces=[NAMESPACE],
            transports=transports,
            wait_timeout=DEADLINE,
        )

    def ask(self, event, payload):
        return self.socket.call(event, payload, namespace=NAMESPACE, timeout=DEADLINE)

    def join(self, channel, since=None):
        payload = {"channelId": channel["id"]}
        return self.ask("join_channel", payload if since is None else {**payload, "sinceSeq": since})

    def delivered(self, message):
        """The message as it was delivered. The client has a thread for each packet, so others may overtake it."""
        while message["id"] not in self.seen:
            created = self.messages.get(timeout=DEADLINE)
            assert created["id"] not in self.seen, f"{created['content']} twice"
            self.seen[created["id"]] = created
        return self.seen[message["id"]]


class Realtime:
    """The tests, for each choice of transports."""

    transports = None

    @classmethod
    def setUpClass(cls):
        cls.alice, cls.bob, cls.carol = Person("alice"), Person("bob"), Person("carol")

    def client(self, person):
        client = Client()
        client.connect(person.token, self.transports)
        self.addCleanup(client.socket.disconnect)
        return client

    def test_connects_joins_and_is_woken(self):
        channel = self.alice.create("discuss", self.bob, self.carol)
        bob, carol = self.client(self.bob), self.client(self.carol)
        for client in (bob, carol):
            ack = client.join(channel)
            self.assertEqual((ack["ok"], ack["lastSeq"]), (True, 0))
            self.assertIsNone(ack["turn"]["activeSpeaker"])
        message = self.alice.post(channel, "who begins? ünïcödé 💬")
        woken, observing = bob.delivered(message), carol.delivered(message)
        self.assertEqual((woken["wakeup"], woken["wake"]["reason"]), (True, "turn"))
        self.assertEqual((observing["wakeup"], observing["wake"]), (False, None))
        self.assertEqual(woken["content"], message["content"])

    def test_uses_the_wanted_transport(self):
        client = self.client(self.alice)
        self.assertEqual(client.socket.transport(), "websocket")

    def test_posts_with_an_acknowledgement(self):
        channel = self.alice.create("general", self.bob)
        alice, bob = self.client(self.alice), self.client(self.bob)
        bob.join(channel)
        key = str(uuid.uuid4())
        post = {"channelId": channel["id"], "content": "hello", "idempotencyKey": key}
        posted = alice.ask("message.post", post)
        self.assertEqual(posted, self.bob.ask("GET", f"/channels/{channel['id']}/messages/{posted['id']}"))
        self.assertEqual(alice.ask("message.post", post), posted, "the same key, the same message")
        self.assertEqual(bob.delivered(posted)["wake"]["reason"], "general")
        refused = alice.ask("message.post", {"channelId": channel["id"], "content": ""})
        self.assertEqual(refused["statusCode"], 400)
        bob.delivered(self.alice.post(channel, "nothing in between"))
        self.assertEqual(len(bob.seen), 2)

    def test_gets_what_it_missed(self):
        channel = self.alice.create("report", self.bob)
        missed = [self.alice.post(channel, f"{n}") for n in range(1, 21)]
        bob = self.client(self.bob)
        self.assertEqual(bob.join(channel, since=5)["lastSeq"], 20)
        for message in missed[5:]:
            bob.delivered(message)
        bob.delivered(self.alice.post(channel, "and on"))
        self.assertEqual(sorted(message["seq"] for message in bob.seen.values()), list(range(6, 22)))

    def test_a_large_message_arrives_whole(self):
        channel = self.alice.create("general", self.bob)
        bob = self.client(self.bob)
        bob.join(channel)
        message = self.alice.post(channel, "ß" * 200_000)
        self.assertEqual(bob.delivered(message)["content"], message["content"])

    def test_a_stranger_may_not_join(self):
        channel = self.alice.create("general", self.bob)
        ack = self.client(self.carol).join(channel)
        self.assertEqual((ack["ok"], ack["error"]), (False, "channel_not_found"))

    def refusal(self, token):
        """Why a client is refused, once Center could be asked about its token."""
        end = time.monotonic() + DEADLINE
        while True:
            client = Client()
            with self.assertRaises(socketio.exceptions.ConnectionError):
                client.connect(token, self.transports)
            self.assertFalse(client.socket.connected)
            refusal = client.refusals.get(timeout=DEADLINE)
            if refusal["data"] != {"error": "center_unavailable"} or time.monotonic() > end:
                return refusal
            time.sleep(0.5)

    def test_a_bad_token_is_refused_with_a_reason(self):
        for token in ("nonsense", "", self.alice.center_token):
            refusal = self.refusal(token)
            self.assertEqual(refusal["data"], {"error": "invalid_token"})
            self.assertIsInstance(refusal["message"], str)


class WithDefaultOptions(Realtime, unittest.TestCase):
    """Polling first, then the upgrade."""


class WithWebsocketOnly(Realtime, unittest.TestCase):
    transports = ["websocket"]


class WithPollingOnly(Realtime, unittest.TestCase):
    transports = ["polling"]

    def test_uses_the_wanted_transport(self):
        client = self.client(self.alice)
        self.assertEqual(client.socket.transport(), "polling")


if __name__ == "__main__":
    unittest.main()
