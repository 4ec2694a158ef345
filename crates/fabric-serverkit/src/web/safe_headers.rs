//! Headers that keep browsers from being misled.

use actix_web::http::header;
use actix_web::middleware::DefaultHeaders;

/// Middleware: on every answer, errors too, unless its handler has said otherwise (a file that may be shown does).
/// Answers are data, some of it secret: they are no pages, belong in no frame and in no cache.
pub fn safe_headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .add((header::X_FRAME_OPTIONS, "DENY"))
        .add((header::REFERRER_POLICY, "no-referrer"))
        .add((header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"))
        .add((header::CACHE_CONTROL, "no-store"))
}
