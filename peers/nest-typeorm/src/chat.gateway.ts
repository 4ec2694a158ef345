import {
  ConnectedSocket, MessageBody, OnGatewayDisconnect, OnGatewayInit, SubscribeMessage, WebSocketGateway,
} from "@nestjs/websockets";
import type { Namespace, Socket } from "socket.io";
import { userOf } from "./auth";
import { ChatService } from "./chat.service";

type Posted = Awaited<ReturnType<ChatService["post"]>>;

@WebSocketGateway({ namespace: "/realtime" })
export class ChatGateway implements OnGatewayInit, OnGatewayDisconnect {
  /** By channel: who sits at which socket. */
  private readonly rooms = new Map<string, Map<Socket, string>>();
  /** By channel: the message that is sent next. Transactions may end in another order than they began. */
  private readonly lines = new Map<string, { next: number; waiting: Map<number, Posted> }>();

  constructor(private readonly chat: ChatService) {}

  afterInit(server: Namespace) {
    server.use((socket, next) => {
      socket.data.user = userOf(socket.handshake.auth.token);
      next(socket.data.user ? undefined : new Error("invalid_token"));
    });
  }

  handleDisconnect(socket: Socket) {
    for (const room of this.rooms.values()) room.delete(socket);
  }

  @SubscribeMessage("join_channel")
  async join(@ConnectedSocket() socket: Socket, @MessageBody() { channelId }: { channelId: string }) {
    if (!(await this.chat.isMember(channelId, socket.data.user))) return { ok: false, error: "not_found" };
    await socket.join(channelId);
    const room = this.rooms.get(channelId) ?? new Map<Socket, string>();
    this.rooms.set(channelId, room.set(socket, socket.data.user));
    return { ok: true, lastSeq: await this.chat.lastSeq(channelId) };
  }

  /** To each socket with its own flag, in the order of seqs. */
  deliver(message: Posted) {
    const line = this.lines.get(message.channelId) ?? { next: 1, waiting: new Map<number, Posted>() };
    this.lines.set(message.channelId, line);
    line.waiting.set(message.seq, message);
    for (let ready = line.waiting.get(line.next); ready; ready = line.waiting.get(line.next)) {
      line.waiting.delete(line.next);
      line.next += 1;
      for (const [socket, user] of this.rooms.get(message.channelId) ?? []) {
        socket.emit("message.created", { ...ready, wakeup: user !== ready.authorUserId });
      }
    }
  }
}
