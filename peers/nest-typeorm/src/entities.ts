import { Column, Entity, Index, PrimaryColumn } from "typeorm";

@Entity("channels")
export class Channel {
  @PrimaryColumn("char", { length: 36 })
  id: string;

  @Column("varchar", { length: 100 })
  name: string;

  @Column("bigint", { default: 0 })
  lastSeq: string;

  @Column("datetime", { precision: 3, nullable: true })
  lastMessageAt: Date | null;
}

@Entity("channel_members")
export class Member {
  @PrimaryColumn("char", { length: 36 })
  channelId: string;

  @PrimaryColumn("varchar", { length: 80 })
  userId: string;
}

@Entity("messages")
@Index(["channelId", "seq"], { unique: true })
export class Message {
  @PrimaryColumn("char", { length: 36 })
  id: string;

  @Column("char", { length: 36 })
  channelId: string;

  @Column("bigint")
  seq: string;

  @Column("varchar", { length: 80 })
  authorUserId: string;

  @Column("mediumtext")
  content: string;

  @Column("datetime", { precision: 3 })
  createdAt: Date;
}
