//! Center as a table, over HTTP: what a guild asks of the real one while it is measured, without what nobody
//! wants to wait for, ten thousand passwords.

use std::net::SocketAddr;

use actix_web::web::{self, Json};
use actix_web::{App, HttpResponse, HttpServer};
use fabric_api::IsoTime;
use fabric_api::center::{Introspect, Introspection, Member, TokenOwner};
use fabric_domain::model::{Timestamp, UserKind};
use serde_json::json;

use super::people::{GUILD, USERS, user, user_of};
use crate::Outcome;

/// 2100-01-01: no token ends during a measurement.
const FAR: Timestamp = Timestamp(4_102_444_800_000);

/// Serves in a thread of this process until the process ends.
pub(super) fn serve() -> Outcome<SocketAddr> {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::Builder::new()
        .name("center".into())
        .spawn(move || {
            let result = actix_web::rt::System::new().block_on(async move {
                let server = HttpServer::new(|| App::new().configure(routes))
                    .workers(1)
                    .disable_signals()
                    .bind(("127.0.0.1", 0))?;
                // Nobody may be waiting any more.
                let _ = tell.send(server.addrs()[0]);
                server.run().await
            });
            drop(result);
        })
        .map_err(|error| format!("no thread: {error}"))?;
    told.recv().map_err(|_| "Center cannot listen".to_owned())
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/api/healthz", web::get().to(async || HttpResponse::Ok().json(json!({}))))
        .route("/api/auth/introspect", web::post().to(introspect))
        .route("/api/auth/admin-email", web::get().to(async || HttpResponse::Ok().json(json!(null))))
        .route("/api/auth/guilds/{node}/members", web::get().to(members))
        .route(
            "/api/auth/resolve-names",
            web::post().to(async || HttpResponse::Ok().json(json!({"resolved": {}}))),
        )
        .route("/api/nodes/register", web::post().to(register));
}

async fn introspect(asked: Json<Introspect>) -> HttpResponse {
    let owner = user_of(&asked.token);
    let answer = match owner {
        Some(user) => Introspection::Active(TokenOwner {
            user_id: user.into(),
            name: user.to_owned(),
            kind: UserKind::Human,
            guild_node_id: GUILD.into(),
            expires_at: IsoTime(FAR),
        }),
        None => Introspection::Inactive,
    };
    HttpResponse::Ok().json(answer)
}

async fn members() -> HttpResponse {
    let members = (0..USERS).map(|number| Member {
        id: user(number).into(),
        name: user(number),
        email: None,
        kind: UserKind::Human.into(),
        active: true,
    });
    HttpResponse::Ok().json(members.collect::<Vec<_>>())
}

async fn register() -> HttpResponse {
    let now = IsoTime(FAR);
    HttpResponse::Ok().json(json!({
        "nodeId": GUILD, "name": GUILD, "endpoint": "http://127.0.0.1", "status": "online", "purpose": null,
        "open": true, "createdAt": now, "updatedAt": now,
    }))
}
