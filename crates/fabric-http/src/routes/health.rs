//! Whether the node can work.

use actix_web::{HttpResponse, web};
use serde_json::json;

use crate::Api;

/// 200 when everything that posting needs is there; 503 otherwise, with what is missing.
pub(super) async fn ready(api: web::Data<Api>) -> HttpResponse {
    let health = api.guild.health().await;
    let word = |is_up| if is_up { "up" } else { "down" };
    let body = json!({ "database": word(health.store), "center": word(health.center) });
    if health.is_ready() {
        HttpResponse::Ok().json(body)
    } else {
        HttpResponse::ServiceUnavailable().json(body)
    }
}
