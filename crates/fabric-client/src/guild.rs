//! One guild node: channels, messages, turns (spec/3).

use fabric_api::guild::{
    AddMembers, ChannelRow, CommandAnswer, CreateChannel, EditMessage, MarkRead, MemberRow, Message,
    MessagePage, PatchChannel, PostAnswer, PostMessage, PresenceRow, SearchPage, SetBypass, SetPresence,
    SetWakeMapping, TurnCommand, TurnView,
};
use reqwest::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::http::{Call, Http, Timeouts};
use crate::model::{ChannelId, GuildId, MessageId, PresenceStatus, Seq, UserId};
use crate::realtime::{Events, Realtime};
use crate::tokens::Tokens;

/// The client of one guild, as one user. Cheap to clone.
#[derive(Debug, Clone)]
pub struct GuildClient {
    pub(crate) http: Http,
    id: GuildId,
    pub(crate) tokens: Tokens,
}

/// Which messages of a channel to read. The default: the newest, as many as the server likes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Range {
    /// From this seq on.
    pub from: Option<Seq>,
    /// Up to this seq, inclusive.
    pub to: Option<Seq>,
    /// At most so many, 1 to 200.
    pub limit: Option<u32>,
}

impl Range {
    /// What came after `seq`.
    pub fn after(seq: Seq) -> Self {
        Self { from: Some(seq.next()), ..Self::default() }
    }
}

/// Where to search, and for how much. The default: everywhere, as much as the server likes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchIn {
    /// Only in this channel.
    pub channel: Option<ChannelId>,
    /// Only what this user wrote.
    pub author: Option<UserId>,
    /// Only what is older than this message: the last one of the page before.
    pub before: Option<MessageId>,
    /// At most so many, 1 to 100.
    pub limit: Option<u32>,
}

impl GuildClient {
    /// A client with a guild access token of its own, which is never renewed.
    pub fn with_token(endpoint: &str, id: GuildId, token: &str) -> Result<Self, Error> {
        let http = Http::new(endpoint, Timeouts::default())?;
        Ok(Self::new(http, id, Tokens::Fixed(token.into())))
    }

    pub(crate) fn new(http: Http, id: GuildId, tokens: Tokens) -> Self {
        Self { http, id, tokens }
    }

    /// The guild's id.
    pub fn id(&self) -> &GuildId {
        &self.id
    }

    /// The node's address, without `/api`.
    pub fn endpoint(&self) -> &str {
        self.http.base().as_str().trim_end_matches('/')
    }

    /// Opens a socket with a token fetched just now.
    pub async fn connect(&self) -> Result<(Realtime, Events), Error> {
        let token = self.tokens.fresh().await?;
        Realtime::connect(self.http.base(), &token, self.http.timeouts()).await
    }

    /// A guild token fetched just now, for [`Realtime::refresh_session`].
    pub async fn fresh_token(&self) -> Result<String, Error> {
        self.tokens.fresh().await.map(|token| token.as_ref().to_owned())
    }

    // Channels

    /// Public channels and the caller's own, closed ones too.
    pub async fn channels(&self) -> Result<Vec<ChannelRow>, Error> {
        self.call(&Call::new(Method::GET, &["channels"]).query("guildId", Some(&self.id))).await
    }

    /// Creates a channel; the caller becomes a member.
    pub async fn create_channel(&self, channel: &CreateChannel) -> Result<ChannelRow, Error> {
        self.call(&Call::new(Method::POST, &["channels"]).body(channel)?).await
    }

    /// One channel.
    pub async fn channel(&self, id: &ChannelId) -> Result<ChannelRow, Error> {
        self.call(&Call::new(Method::GET, &["channels", id.as_str()])).await
    }

    /// Changes name, purpose or settings.
    pub async fn patch_channel(&self, id: &ChannelId, patch: &PatchChannel) -> Result<ChannelRow, Error> {
        self.call(&Call::new(Method::PATCH, &["channels", id.as_str()]).body(patch)?).await
    }

    /// Closes a channel: from then on it can only be read.
    pub async fn close_channel(&self, id: &ChannelId) -> Result<(), Error> {
        self.act(id, "close", None::<&()>).await
    }

    /// Opens a closed channel again.
    pub async fn reopen_channel(&self, id: &ChannelId) -> Result<(), Error> {
        self.act(id, "reopen", None::<&()>).await
    }

    /// Becomes a member of a public channel.
    pub async fn join_channel(&self, id: &ChannelId) -> Result<(), Error> {
        self.act(id, "join", None::<&()>).await
    }

    /// Stops being a member.
    pub async fn leave_channel(&self, id: &ChannelId) -> Result<(), Error> {
        self.act(id, "leave", None::<&()>).await
    }

    /// The channel's members.
    pub async fn members(&self, id: &ChannelId) -> Result<Vec<MemberRow>, Error> {
        self.call(&Call::new(Method::GET, &["channels", id.as_str(), "members"])).await
    }

    /// Adds members.
    pub async fn add_members(&self, id: &ChannelId, user_ids: Vec<UserId>) -> Result<(), Error> {
        self.act(id, "members", Some(&AddMembers { user_ids })).await
    }

    /// Removes a member.
    pub async fn remove_member(&self, id: &ChannelId, user: &UserId) -> Result<(), Error> {
        let path = ["channels", id.as_str(), "members", user.as_str()];
        self.call_only(&Call::new(Method::DELETE, &path)).await
    }

    /// Sets who is woken in a `triage` or `custom` channel.
    pub async fn set_wake_mapping(&self, id: &ChannelId, user_ids: Vec<UserId>) -> Result<(), Error> {
        let path = ["channels", id.as_str(), "wake-mapping"];
        self.call_only(&Call::new(Method::PUT, &path).body(&SetWakeMapping { user_ids })?).await
    }

    /// Takes a member out of the rotation.
    pub async fn bypass(&self, id: &ChannelId, user_id: UserId) -> Result<(), Error> {
        self.act(id, "bypass", Some(&SetBypass { user_id })).await
    }

    /// Puts a member back, at the end of the rotation.
    pub async fn unbypass(&self, id: &ChannelId, user_id: UserId) -> Result<(), Error> {
        self.act(id, "unbypass", Some(&SetBypass { user_id })).await
    }

    /// Marks everything up to `seq` as read.
    pub async fn mark_read(&self, id: &ChannelId, seq: Seq) -> Result<(), Error> {
        let path = ["channels", id.as_str(), "read"];
        self.call_only(&Call::new(Method::PUT, &path).body(&MarkRead { seq })?).await
    }

    // Turns

    /// Whose turn it is, in a `discuss` or `work` channel.
    pub async fn turn(&self, id: &ChannelId) -> Result<TurnView, Error> {
        self.call(&Call::new(Method::GET, &["channels", id.as_str(), "turn"])).await
    }

    /// Passes the caller's turn: the one that the command names, or whichever it is. With an idempotency key the
    /// same call can be repeated safely when its answer was lost.
    pub async fn pass(
        &self,
        id: &ChannelId,
        command: &TurnCommand,
        idempotency_key: Option<&str>,
    ) -> Result<CommandAnswer, Error> {
        let path = ["channels", id.as_str(), "turn", "pass"];
        self.call(&Call::new(Method::POST, &path).body(command)?.idempotency_key(idempotency_key)).await
    }

    /// Moves the turn on, whosever it is. Of several who name the same turn only the first ends it.
    pub async fn force_proceed(&self, id: &ChannelId, command: &TurnCommand) -> Result<CommandAnswer, Error> {
        let path = ["channels", id.as_str(), "turn", "force-proceed"];
        self.call(&Call::new(Method::POST, &path).body(command)?).await
    }

    // Messages

    /// Posts. With an idempotency key (1 to 255 characters) the same call can be repeated safely
    /// when its answer was lost.
    pub async fn post(
        &self,
        id: &ChannelId,
        message: &PostMessage,
        idempotency_key: Option<&str>,
    ) -> Result<PostAnswer, Error> {
        let path = ["channels", id.as_str(), "messages"];
        self.call(&Call::new(Method::POST, &path).body(message)?.idempotency_key(idempotency_key)).await
    }

    /// A page of messages, ascending.
    pub async fn messages(&self, id: &ChannelId, range: Range) -> Result<MessagePage, Error> {
        let path = ["channels", id.as_str(), "messages"];
        let call = Call::new(Method::GET, &path)
            .query("seqFrom", range.from)
            .query("seqTo", range.to)
            .query("limit", range.limit);
        self.call(&call).await
    }

    /// One message.
    pub async fn message(&self, id: &ChannelId, message: &MessageId) -> Result<Message, Error> {
        let path = ["channels", id.as_str(), "messages", message.as_str()];
        self.call(&Call::new(Method::GET, &path)).await
    }

    /// Changes the text of the caller's own message.
    pub async fn edit_message(
        &self,
        id: &ChannelId,
        message: &MessageId,
        content: &str,
    ) -> Result<Message, Error> {
        let path = ["channels", id.as_str(), "messages", message.as_str()];
        let body = EditMessage { content: content.into() };
        self.call(&Call::new(Method::PATCH, &path).body(&body)?).await
    }

    /// Deletes a message; a tombstone stays in its place.
    pub async fn delete_message(&self, id: &ChannelId, message: &MessageId) -> Result<(), Error> {
        let path = ["channels", id.as_str(), "messages", message.as_str()];
        self.call_only(&Call::new(Method::DELETE, &path)).await
    }

    /// Messages with all of these words (`*` behind one stands for any ending), the newest first.
    pub async fn search(&self, words: &str, within: &SearchIn) -> Result<SearchPage, Error> {
        let call = Call::new(Method::GET, &["search"])
            .query("q", Some(words))
            .query("channelId", within.channel.as_ref())
            .query("authorUserId", within.author.as_ref())
            .query("before", within.before.as_ref())
            .query("limit", within.limit);
        self.call(&call).await
    }

    // Presence

    /// Says how the caller (`me`) is doing.
    pub async fn set_presence(
        &self,
        me: &UserId,
        status: PresenceStatus,
        source: Option<&str>,
    ) -> Result<(), Error> {
        let path = ["agents", me.as_str(), "presence"];
        let body = SetPresence { status, source: source.map(str::to_owned) };
        self.call_only(&Call::new(Method::PUT, &path).body(&body)?).await
    }

    /// How somebody is doing.
    pub async fn presence(&self, user: &UserId) -> Result<PresenceRow, Error> {
        self.call(&Call::new(Method::GET, &["agents", user.as_str(), "presence"])).await
    }

    // Calling

    async fn act(&self, id: &ChannelId, what: &str, body: Option<&impl Serialize>) -> Result<(), Error> {
        let path = ["channels", id.as_str(), what];
        let mut call = Call::new(Method::POST, &path);
        if let Some(body) = body {
            call = call.body(body)?;
        }
        self.call_only(&call).await
    }

    /// A call with the token; a refused token is replaced once.
    async fn call<T: DeserializeOwned>(&self, call: &Call<'_>) -> Result<T, Error> {
        let token = self.tokens.get().await?;
        match self.http.send(call, Some(&token)).await {
            Err(error) if error.status() == Some(401) => match self.tokens.instead_of(&token).await? {
                Some(token) => self.http.send(call, Some(&token)).await,
                None => Err(error),
            },
            answer => answer,
        }
    }

    async fn call_only(&self, call: &Call<'_>) -> Result<(), Error> {
        let token = self.tokens.get().await?;
        match self.http.send_only(call, Some(&token)).await {
            Err(error) if error.status() == Some(401) => match self.tokens.instead_of(&token).await? {
                Some(token) => self.http.send_only(call, Some(&token)).await,
                None => Err(error),
            },
            answer => answer,
        }
    }
}
