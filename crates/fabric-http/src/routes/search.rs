//! Searching.

use std::collections::HashMap;

use actix_web::{HttpResponse, web};
use fabric_api::guild::{Message, SearchHit, SearchPage, SearchQuery, SnippetPart};
use fabric_domain::services::Find;
use fabric_serverkit::web::HttpError;

use crate::auth::GuildUser;

pub(super) async fn search(
    user: GuildUser,
    query: web::Query<HashMap<String, String>>,
) -> Result<HttpResponse, HttpError> {
    let SearchQuery { query, channel_id, author_user_id, before, limit } = SearchQuery::from_query(&query)?;
    let find = Find { query, channel: channel_id, author: author_user_id, before, limit };
    let _place = user.room.for_a_search().await?;
    let found = user.guild.search(&user.caller, find).await?;
    let hits = found.hits.into_iter().map(|hit| SearchHit {
        channel_id: hit.message.channel_id.clone(),
        message: Message::from(hit.message),
        snippet: hit.snippet.into_iter().map(SnippetPart::from).collect(),
    });
    Ok(HttpResponse::Ok().json(SearchPage { hits: hits.collect(), has_more: found.has_more }))
}
