//! `/nodes…`

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::web::{Data, Json, ServiceConfig};
use fabric_api::center::Node;
use fabric_api::fields::{Fields, FromFields};
use fabric_serverkit::web::{HttpError, on, resource};

use super::body::{Body, optional, required};
use super::caller::{Caller, Origin};
use crate::audit::Actor;
use crate::center::Center;
use crate::error::Error;
use crate::guilds::NodeDetails;
use crate::values::{DisplayName, Endpoint, NodeId};

pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(resource("/nodes/register", [on(Method::POST, register)]))
        .service(resource("/nodes", [on(Method::GET, list)]));
}

impl FromFields for NodeDetails {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let id = required(fields, "nodeId", NodeId::parse);
        let name = optional(fields, "name", DisplayName::parse);
        let endpoint = required(fields, "endpoint", Endpoint::parse);
        Some(Self { id: id?, name, endpoint: endpoint?, open: None })
    }
}

/// 201 with the key for a new node, 200 for a known one.
async fn register(
    center: Data<Center>,
    caller: Caller,
    origin: Origin,
    body: Body<NodeDetails>,
) -> Result<HttpResponse, HttpError> {
    let actor = match caller {
        Caller::Node(node) => Actor::Node(node.id),
        _ if origin.local_program && center.settings().loopback_registration => Actor::Loopback,
        _ => return Err(Error::InvalidNodeKey.into()),
    };
    let registered = center.enrol_node(&actor, body.0).await?;
    let mut answer = if registered.api_key.is_some() { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(answer.json(registered))
}

async fn list(center: Data<Center>, caller: Caller) -> Result<Json<Vec<Node>>, HttpError> {
    match caller {
        Caller::Node(_) => {}
        Caller::User(who) if center.is_admin(&who.user.id).await? => {}
        Caller::User(_) => return Err(Error::Forbidden("only the admin may list the nodes").into()),
        Caller::Nobody => return Err(Error::MissingToken.into()),
    }
    Ok(Json(center.all_nodes().await?))
}
