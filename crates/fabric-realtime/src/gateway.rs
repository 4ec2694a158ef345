//! The namespace `/realtime`: lets sockets in, answers what clients ask (spec/4).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_socketio::{Args, ConnectError, DisconnectReason, Event, Handler, Handshake, Previous, Socket};
use async_trait::async_trait;
use fabric_api::error_answer::ErrorAnswer;
use fabric_api::fields::{self, FromFields};
use fabric_api::guild::{CommandAnswer, PostAnswer, PresenceRow, SetPresence, TurnCommand};
use fabric_api::realtime::{
    ConnectJoin, JoinAll, JoinChannel, JoinChannels, LeaveChannel, RefreshSession, SetTyping, SocketPost,
    SocketTurnCommand, event,
};
use fabric_domain::decisions::Post;
use fabric_domain::model::{Author, ChannelId, CommandOutcome, Refusal, UserId};
use fabric_domain::rules::command::Command;
use fabric_domain::services::{CommandRequest, Guild, RequestKey, ServiceError};
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::{Value, json};

use crate::audience::Audience;
use crate::hub::Hub;
use crate::line::Line;
use crate::position::Offset;
use crate::session::{NewSession, SocketSession, Token};
use crate::watch;

/// The handler of the namespace.
#[derive(Debug, Clone)]
pub struct Gateway {
    pub(crate) hub: Arc<Hub>,
    pub(crate) guild: Arc<Guild>,
    sockets_per_user: usize,
}

impl Gateway {
    /// The gateway to a guild whose publisher is this hub. Starts the tasks that watch over tokens
    /// and typists; they end with the hub. A user may have `sockets_per_user` sockets at a time.
    pub fn start(hub: Arc<Hub>, guild: Arc<Guild>, sockets_per_user: usize) -> Self {
        let gateway = Self { hub, guild, sockets_per_user };
        watch::start(&gateway.hub, &gateway.guild);
        gateway
    }

    /// Notes what has not been noted yet; before the end of the process.
    pub async fn flush(&self) {
        watch::note_settled(&self.hub, &self.guild).await;
    }

    pub(crate) fn leave(&self, session: &Arc<SocketSession>, channel: &ChannelId) {
        session.station().leave(&self.hub.audience, session, channel);
    }

    async fn post(&self, session: &SocketSession, request: SocketPost) -> Result<Value, ServiceError> {
        let key = request.idempotency_key.as_deref().map(RequestKey::parse).transpose()?;
        let post = Post {
            content: request.message.content,
            reply_to: request.message.reply_to,
            attachments: request.message.attachment_ids,
            turn: request.message.turn,
        };
        let author = Author::User(session.caller.clone());
        let outcome = self.guild.post(&author, &request.channel_id, post, key).await?;
        Ok(to_value(&PostAnswer::from(outcome)))
    }

    async fn command(
        &self,
        session: &SocketSession,
        command: Command,
        request: SocketTurnCommand,
    ) -> Result<Value, ServiceError> {
        let key = request.idempotency_key.as_deref().map(RequestKey::parse).transpose()?;
        let TurnCommand { turn, reason } = request.command;
        let asked = CommandRequest { turn, reason: reason.clone() };
        let channel = &request.channel_id;
        let outcome = self.guild.command(&session.caller, channel, command, asked, key).await?;
        if let (Some(reason), CommandOutcome::Accepted { .. }) = (reason, &outcome) {
            tracing::info!(%channel, user = %session.user(), command = command.as_str(), reason, "a turn ended early");
        }
        Ok(to_value(&CommandAnswer::from(outcome)))
    }

    async fn set_presence(
        &self,
        session: &SocketSession,
        request: SetPresence,
    ) -> Result<Value, ServiceError> {
        let SetPresence { status, source } = request;
        let presence = self.guild.set_presence(&session.caller, session.user(), status, source).await?;
        Ok(to_value(&PresenceRow::new(presence, true)))
    }

    /// Typing is for those who are in the channel, by one who is.
    async fn typing(&self, session: &SocketSession, request: SetTyping) {
        let SetTyping { channel_id, typing } = request;
        if !session.station().is_in(session, &channel_id) {
            return;
        }
        let user = session.user().clone();
        if typing {
            self.hub.begin_typing(channel_id, user, session.number, self.guild.now()).await;
        } else {
            self.hub.end_typing(channel_id, user).await;
        }
    }

    async fn refresh(&self, session: &SocketSession, request: &RefreshSession) -> Value {
        match self.guild.identify(&request.token).await {
            Ok(identity) if identity.user_id == *session.user() => {
                session.refresh(Token::new(&request.token, identity.expires_at));
                json!({ "ok": true })
            }
            Ok(_) => json!({ "ok": false, "error": "invalid_token" }),
            Err(error) => failed(error),
        }
    }

    /// Gives a client that lost its connection its session back, or returns the reason why not.
    async fn come_back(
        &self,
        socket: &Socket,
        previous: &Previous,
        user: &UserId,
        token: &Token,
    ) -> Result<Attached, &'static str> {
        let Audience { sessions, .. } = &*self.hub.audience;
        let session = sessions.unpark(&previous.pid).filter(|session| session.user() == user);
        let session = session.ok_or("the connection cannot be recovered any more")?;
        let line = Line::Socket(socket.clone());
        let offset = Offset::parse(&previous.offset).unwrap_or_default();
        let station = self.hub.audience.station();
        let arrived = self.hub.audience.come_back(&session, &station, &line, offset, token).await;
        let Ok(arrived) = arrived else {
            self.hub.audience.disconnect(&session);
            return Err("what was missed is not kept any more");
        };
        self.hub.settled.settle_all(user, arrived);
        let is_first = sessions.come_back(&session);
        // It is where it was.
        Ok(Attached::new(session, is_first, None))
    }

    async fn tell_presence(&self, session: &SocketSession) {
        loop {
            let changes = self.hub.presence_changes(session.user());
            // Without the database nobody hears of it, and nothing else fails.
            let Ok(presence) = self.guild.presence(session.user()).await else { return };
            if self.hub.tell_presence(&presence, changes).await {
                return;
            }
        }
    }
}

pub(crate) fn to_value(payload: &impl Serialize) -> Value {
    serde_json::to_value(payload).unwrap_or_default()
}

pub(crate) fn failed(error: impl Into<ErrorAnswer>) -> Value {
    json!({ "ok": false, "error": error.into().code })
}

/// The event's payload as a request.
fn read<T: FromFields>(args: &Args) -> Result<T, Refusal> {
    fields::read(args.values().first().unwrap_or(&Value::Null))
}

/// What a socket carries along.
struct Attached {
    session: Arc<SocketSession>,
    /// Whether everybody is yet to be told that with this socket its user came online.
    is_news: AtomicBool,
    /// The channels that it asked for while it connected.
    join: Mutex<Option<JoinAll>>,
}

impl Attached {
    fn new(session: Arc<SocketSession>, is_news: bool, join: Option<JoinAll>) -> Self {
        Self { session, is_news: AtomicBool::new(is_news), join: Mutex::new(join) }
    }
}

/// Whether a client takes an offset behind the arguments of its events, as the reference server sends them to
/// everybody. Python clients pass every argument to the handler, which then fails for having too few
/// parameters; they never recover, so they get no offsets. They say who they are, but for one of their
/// websocket libraries, which sends an `Origin` and no name.
fn takes_offsets(user_agent: Option<&str>, has_origin: bool) -> bool {
    match user_agent {
        Some(name) => {
            let name = name.to_ascii_lowercase();
            !name.contains("python") && !name.contains("aiohttp")
        }
        None => !has_origin,
    }
}

#[async_trait]
impl Handler for Gateway {
    /// A client that lost its connection gets its session back, if it is still who it was and what it missed
    /// is still kept.
    async fn recover(&self, handshake: &Handshake, previous: &Previous) -> Option<String> {
        let token = handshake.auth.get("token").and_then(Value::as_str).unwrap_or_default();
        let session = self.hub.audience.sessions.parked(&previous.pid)?;
        let identity = self.guild.identify(token).await.ok()?;
        let offset = Offset::parse(&previous.offset)?;
        let is_same = identity.user_id == *session.user();
        let can_come_back = is_same && self.hub.audience.can_come_back(&session, offset).await;
        can_come_back.then(|| session.id().to_owned())
    }

    async fn connect(&self, socket: &Socket, handshake: &Handshake) -> Result<(), ConnectError> {
        let token = handshake.auth.get("token").and_then(Value::as_str).unwrap_or_default();
        let refuse = |answer: ErrorAnswer| {
            ConnectError::new(answer.message).with_data(json!({ "error": answer.code }))
        };
        if token.is_empty() {
            return Err(refuse(ErrorAnswer::new(401, "invalid_token", "missing token")));
        }
        let identity = self.guild.identify(token).await.map_err(|error| refuse(error.into()))?;
        let fresh = Token::new(token, identity.expires_at);
        if socket.is_recovered()
            && let Some(previous) = &handshake.previous
        {
            let attached = self.come_back(socket, previous, &identity.user_id, &fresh).await;
            let (attached, outcome) = match attached {
                Ok(attached) => (Ok(attached), &self.hub.audience.metrics.recovered),
                Err(why) => {
                    (Err(refuse(ErrorAnswer::new(409, "session_lost", why))), &self.hub.audience.metrics.lost)
                }
            };
            outcome.increment(1);
            socket.set_data(attached?);
            return Ok(());
        }
        let ConnectJoin(join) = fields::read(&handshake.auth).map_err(|bad| refuse(bad.into()))?;
        let new = NewSession {
            id: socket.id().into(),
            line: Line::Socket(socket.clone()),
            caller: identity.caller(),
            token: fresh,
            takes_offsets: takes_offsets(handshake.header("user-agent"), handshake.origin.is_some()),
        };
        // Counted here, before it is connected: many sockets at once must not get past the limit.
        let station = self.hub.audience.station();
        let Ok((session, is_first)) = self.hub.audience.connect(new, &station, self.sockets_per_user) else {
            let message = format!("a user has at most {} sockets", self.sockets_per_user);
            return Err(refuse(ErrorAnswer::new(429, "too_many_sockets", message)));
        };
        socket.set_data(Attached::new(session, is_first, join));
        Ok(())
    }

    async fn connected(&self, socket: &Socket) {
        let Some(attached) = socket.data::<Attached>() else { return };
        let session = &attached.session;
        if attached.is_news.swap(false, Ordering::Relaxed) {
            self.tell_presence(session).await;
        }
        let join = attached.join.lock().take();
        if let Some(all) = join {
            match self.all_of(session, all).await {
                Ok(requests) => self.join_many(session, &requests, |_| {}).await,
                Err(error) => {
                    tracing::warn!(%error, "a socket cannot join its channels: disconnecting it");
                    session.abandon();
                }
            }
        }
    }

    async fn event(&self, socket: &Socket, event: Event) -> Option<Vec<Value>> {
        let session = session(socket)?;
        let answer = match event.name.as_str() {
            event::JOIN_CHANNEL => {
                let ack = |answer: Value| {
                    if let Some(ack) = &event.ack {
                        // Gone, if it fails.
                        let _ = ack.send(&answer);
                    }
                };
                match read::<JoinChannel>(&event.args) {
                    Ok(request) => self.join(&session, &request, ack).await,
                    Err(refusal) => ack(failed(refusal)),
                }
                return None;
            }
            event::JOIN_CHANNELS => {
                let ack = |answer: Value| {
                    if let Some(ack) = &event.ack {
                        // Gone, if it fails.
                        let _ = ack.send(&answer);
                    }
                };
                let requests = match read::<JoinChannels>(&event.args) {
                    Ok(JoinChannels::These(requests)) => Ok(requests),
                    Ok(JoinChannels::All(all)) => self.all_of(&session, all).await,
                    Err(refusal) => Err(refusal.into()),
                };
                match requests {
                    Ok(requests) => self.join_many(&session, &requests, ack).await,
                    Err(error) => ack(failed(error)),
                }
                return None;
            }
            event::LEAVE_CHANNEL => match read::<LeaveChannel>(&event.args) {
                Ok(request) => {
                    self.leave(&session, &request.channel_id);
                    self.hub.end_typing_on(session.number, Some(&request.channel_id)).await;
                    json!({ "ok": true })
                }
                Err(refusal) => failed(refusal),
            },
            event::MESSAGE_POST => {
                let posted = match read::<SocketPost>(&event.args) {
                    Ok(request) => self.post(&session, request).await,
                    Err(refusal) => Err(refusal.into()),
                };
                posted.unwrap_or_else(|error| to_value(&ErrorAnswer::from(error).body(socket.id())))
            }
            event::TURN_PASS | event::TURN_FORCE_PROCEED => {
                let command = match event.name.as_str() {
                    event::TURN_PASS => Command::NoReply,
                    _ => Command::ForceProceed,
                };
                let answered = match read::<SocketTurnCommand>(&event.args) {
                    Ok(request) => self.command(&session, command, request).await,
                    Err(refusal) => Err(refusal.into()),
                };
                answered.unwrap_or_else(|error| to_value(&ErrorAnswer::from(error).body(socket.id())))
            }
            event::PRESENCE => {
                let set = match read::<SetPresence>(&event.args) {
                    Ok(request) => self.set_presence(&session, request).await,
                    Err(refusal) => Err(refusal.into()),
                };
                set.unwrap_or_else(|error| to_value(&ErrorAnswer::from(error).body(socket.id())))
            }
            event::TYPING => match read::<SetTyping>(&event.args) {
                Ok(request) => {
                    self.typing(&session, request).await;
                    json!({ "ok": true })
                }
                Err(refusal) => failed(refusal),
            },
            event::SESSION_REFRESH => match read::<RefreshSession>(&event.args) {
                Ok(request) => self.refresh(&session, &request).await,
                Err(refusal) => failed(refusal),
            },
            _ => json!({ "ok": false, "error": "unknown_event" }),
        };
        Some(vec![answer])
    }

    async fn disconnected(&self, socket: &Socket, reason: DisconnectReason) {
        let Some(attached) = socket.data::<Attached>() else { return };
        let session = &attached.session;
        crate::metrics::disconnected(reason);
        self.hub.end_typing_on(session.number, None).await;
        // Before anybody can see that it is gone: who comes back then is not owed what has arrived.
        // Who left by their own word was there until then; what was sent last to any other may have been lost.
        let all = reason == DisconnectReason::ClientNamespaceDisconnect;
        let settle = |arrived| self.hub.settled.settle_all(session.user(), arrived);
        session.station().settle_in_the_end(session, all, settle);
        let was_last = match socket.private_id().filter(|_| reason.may_return()) {
            Some(pid) => self.hub.audience.park(pid, session, self.guild.now()),
            None => self.hub.audience.disconnect(session),
        };
        // A socket that was never announced as connected leaves that to be announced, and there may be others by now.
        if was_last || attached.is_news.load(Ordering::Relaxed) {
            self.tell_presence(session).await;
        }
    }
}

fn session(socket: &Socket) -> Option<Arc<SocketSession>> {
    socket.data::<Attached>().map(|attached| Arc::clone(&attached.session))
}

#[cfg(test)]
mod tests {
    use super::takes_offsets;

    #[test]
    fn clients_that_look_like_python_get_no_offsets() {
        for (user_agent, has_origin, expected) in [
            (Some("Mozilla/5.0"), true, true),
            (Some("node-XMLHttpRequest"), false, true),
            (None, false, true),
            (Some("python-requests/2.32.3"), false, false),
            (Some("Python/3.11 aiohttp/3.10"), false, false),
            (None, true, false),
        ] {
            assert_eq!(takes_offsets(user_agent, has_origin), expected, "{user_agent:?} {has_origin}");
        }
    }
}
