import { CanActivate, ExecutionContext, Injectable, UnauthorizedException, createParamDecorator } from "@nestjs/common";

/** The token's user, or nothing: the judge's tokens are `token-` and the user's id. */
export const userOf = (token?: string) => (token?.startsWith("token-") ? token.slice(6) : undefined);

@Injectable()
export class BearerGuard implements CanActivate {
  canActivate(context: ExecutionContext) {
    const request = context.switchToHttp().getRequest();
    request.user = userOf(request.headers.authorization?.replace(/^Bearer /, ""));
    if (!request.user) throw new UnauthorizedException("invalid token");
    return true;
  }
}

export const User = createParamDecorator((_: unknown, context: ExecutionContext) => context.switchToHttp().getRequest().user);
