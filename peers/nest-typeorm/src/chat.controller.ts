import { Body, Controller, Get, Param, Post, UseGuards } from "@nestjs/common";
import { BearerGuard, User } from "./auth";
import { ChatGateway } from "./chat.gateway";
import { ChatService } from "./chat.service";

@Controller()
export class ChatController {
  constructor(private readonly chat: ChatService, private readonly gateway: ChatGateway) {}

  @Get("healthz")
  health() {
    return { ok: true };
  }

  @Post("api/channels")
  @UseGuards(BearerGuard)
  create(@User() user: string, @Body() body: { name: string; memberUserIds: string[] }) {
    return this.chat.create(user, body.name, body.memberUserIds);
  }

  @Post("api/channels/:id/members")
  @UseGuards(BearerGuard)
  add(@Param("id") channel: string, @Body() body: { userIds: string[] }) {
    return this.chat.add(channel, body.userIds);
  }

  @Post("api/channels/:id/messages")
  @UseGuards(BearerGuard)
  async post(@User() user: string, @Param("id") channel: string, @Body() body: { content: string }) {
    const message = await this.chat.post(channel, user, body.content);
    this.gateway.deliver(message);
    return message;
  }
}
