//! Whether the node can work.

use actix_web::{HttpResponse, web};
use serde_json::json;

use crate::Api;

/// 200 when everything that posting needs is there; 503 otherwise, with what is missing.
pub(super) async fn ready(api: web::Data<Api>) -> HttpResponse {
    let ports = api.guild.ports();
    let database = ports.store.ping().await.is_ok();
    let center = ports.center.members().await.is_ok();
    let word = |is_up| if is_up { "up" } else { "down" };
    let body = json!({ "database": word(database), "center": word(center) });
    if database && center {
        HttpResponse::Ok().json(body)
    } else {
        HttpResponse::ServiceUnavailable().json(body)
    }
}
