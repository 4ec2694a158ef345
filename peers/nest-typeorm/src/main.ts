// A chat server as NestJS, TypeORM on MariaDB and a socket.io gateway make it: what Fabric is compared with.
// One channel post = one transaction (membership, the channel's row locked, next seq, insert, update), then one emit
// to each member's socket with that recipient's own `wakeup` flag. No turns, no search, no owed wakes.
//
//   PORT=… DB_URL=mysql://… node dist/main.js
import "reflect-metadata";
import { Module } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { TypeOrmModule } from "@nestjs/typeorm";
import type { NestExpressApplication } from "@nestjs/platform-express";
import { ChatController } from "./chat.controller";
import { ChatGateway } from "./chat.gateway";
import { ChatService } from "./chat.service";
import { Channel, Member, Message } from "./entities";

@Module({
  imports: [
    TypeOrmModule.forRoot({
      type: "mariadb",
      url: process.env.DB_URL,
      entities: [Channel, Member, Message],
      synchronize: true,
      extra: { connectionLimit: 16 },
    }),
  ],
  controllers: [ChatController],
  providers: [ChatGateway, ChatService],
})
class AppModule {}

async function main() {
  const app = await NestFactory.create<NestExpressApplication>(AppModule, { logger: ["error", "warn"], bodyParser: false });
  app.useBodyParser("json", { limit: "4mb" });
  await app.listen(Number(process.env.PORT ?? 0), "127.0.0.1");
}

void main();
