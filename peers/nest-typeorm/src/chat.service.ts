import { randomUUID } from "node:crypto";
import { Injectable, NotFoundException } from "@nestjs/common";
import { InjectDataSource } from "@nestjs/typeorm";
import { DataSource } from "typeorm";
import { Channel, Member, Message } from "./entities";

@Injectable()
export class ChatService {
  constructor(@InjectDataSource() private readonly db: DataSource) {}

  async create(user: string, name: string, others: string[]) {
    const channel = this.db.manager.create(Channel, { id: randomUUID(), name, lastSeq: "0", lastMessageAt: null });
    await this.db.manager.insert(Channel, channel);
    await this.add(channel.id, [user, ...others]);
    return { id: channel.id, name };
  }

  async add(channelId: string, users: string[]) {
    await this.db.manager.insert(Member, users.map((userId) => ({ channelId, userId })));
    return { ok: true };
  }

  isMember(channelId: string, userId: string) {
    return this.db.manager.existsBy(Member, { channelId, userId });
  }

  async lastSeq(id: string) {
    const channel = await this.db.manager.findOneBy(Channel, { id });
    return Number(channel?.lastSeq ?? 0);
  }

  /** The next seq under the channel's row lock, the message, the channel; one transaction. */
  post(channelId: string, authorUserId: string, content: string) {
    return this.db.transaction(async (tx) => {
      if (!(await tx.existsBy(Member, { channelId, userId: authorUserId }))) throw new NotFoundException();
      const channel = await tx.findOneOrFail(Channel, { where: { id: channelId }, lock: { mode: "pessimistic_write" } });
      const seq = Number(channel.lastSeq) + 1;
      const createdAt = new Date();
      const message = { id: randomUUID(), channelId, seq, authorUserId, content, createdAt };
      await tx.insert(Message, { ...message, seq: String(seq) });
      await tx.update(Channel, { id: channelId }, { lastSeq: String(seq), lastMessageAt: createdAt });
      return message;
    });
  }
}
