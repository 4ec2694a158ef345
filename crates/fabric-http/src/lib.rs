//! Fabric's REST interface (spec/3): thin handlers over the use cases of `fabric-domain`.
//!
//! A handler says who asks, reads the request, calls one use case and answers. Every rule lives below;
//! every error becomes the one error shape in `fabric-serverkit`.

mod auth;
mod body;
mod metrics;
mod room;
mod routes;

use std::sync::Arc;

use actix_web::web;
use fabric_domain::services::Guild;
use fabric_serverkit::Secret;

pub use metrics::measured;
pub use room::Room;
pub use routes::{UploadPace, cors};

/// What the routes work on.
#[derive(Debug, Clone)]
pub struct Api {
    /// The application.
    pub guild: Arc<Guild>,
    /// Whoever gives it may post as the guild itself; an empty one lets nobody.
    pub system_key: Secret,
    /// How slowly files may be uploaded.
    pub upload_pace: UploadPace,
    /// Where long answers are made.
    pub room: Room,
}

/// Registers every route. The scope must also be wrapped in [`cors`], and around that in
/// [`with_request_id`](fabric_serverkit::web::with_request_id): a preflight's answer has an id, too.
pub fn configure(api: Api) -> impl FnOnce(&mut web::ServiceConfig) + Clone {
    metrics::describe();
    move |config| routes::configure(config, api)
}
