//! POST /files: one file, from the network to its place without being held in memory.

use std::future::Future;
use std::time::Duration;

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::http::header::{self, ContentDisposition};
use actix_web::rt::time::{Instant, timeout};
use actix_web::{HttpRequest, HttpResponse, web};
use fabric_api::guild::UploadedFile;
use fabric_domain::model::{FileName, MediaType, Refusal};
use fabric_domain::services::Upload;
use fabric_serverkit::web::{HttpError, Pace};
use futures_util::StreamExt;

use crate::Api;
use crate::auth::GuildUser;

/// The field that the file is in.
const FIELD: &str = "file";
/// What of a request's length may be something else than the file, in bytes: boundaries and the head of the part.
const FRAME: u64 = 64 * 1024;

/// How slowly a file may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadPace(pub Pace);

impl Default for UploadPace {
    /// A minute, and 16 KiB a second.
    fn default() -> Self {
        Self(Pace { grace: Duration::from_mins(1), bytes_per_second: 16 * 1024 })
    }
}

/// Not what the route takes, or it broke off.
fn not_one_file(error: &MultipartError) -> Refusal {
    let rule = format!("must be multipart/form-data with one field `{FIELD}`: {error}");
    Refusal::field("body", rule)
}

pub(super) async fn post(
    request: HttpRequest,
    api: web::Data<Api>,
    user: GuildUser,
    payload: web::Payload,
) -> Result<HttpResponse, HttpError> {
    let mut reading = Reading {
        parts: Multipart::new(request.headers(), payload),
        pace: api.upload_pace,
        begun: Instant::now(),
        received: 0,
    };
    let announced = content_length(&request).saturating_sub(FRAME);
    let upload = reading.file(&user, announced).await?;
    // In a task of its own: a client that goes away now must not leave it half done.
    let guild = user.guild;
    let finished = actix_web::rt::spawn(async move { guild.finish_upload(upload).await }).await;
    let file =
        finished.map_err(|_| HttpError::new(503, "storage_unavailable", "the server is stopping"))??;
    let answer = UploadedFile::from(file);
    let location = (header::LOCATION, answer.url.clone());
    Ok(HttpResponse::Created().insert_header(location).json(answer))
}

fn content_length(request: &HttpRequest) -> u64 {
    let value = request.headers().get(header::CONTENT_LENGTH);
    value.and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or_default()
}

/// A request that is read at a pace.
struct Reading {
    parts: Multipart,
    pace: UploadPace,
    begun: Instant,
    received: u64,
}

impl Reading {
    /// Reads the request to its end; what is left is to finish the upload.
    async fn file(&mut self, user: &GuildUser, announced: u64) -> Result<Upload, HttpError> {
        let Some(mut field) = self.part().await? else {
            return Err(Refusal::field(FIELD, "is required").into());
        };
        let (name, mime) = described(&field)?;
        let mut upload = user.guild.begin_upload(&user.caller, name, mime, announced).await?;
        while let Some(chunk) = self.in_time(field.next()).await? {
            let chunk = chunk.map_err(|error| not_one_file(&error))?;
            self.received += chunk.len() as u64;
            upload.write(chunk).await?;
        }
        drop(field);
        match self.part().await? {
            None => Ok(upload),
            Some(another) => {
                described(&another)?;
                Err(Refusal::field(FIELD, "must be there once").into())
            }
        }
    }

    async fn part(&mut self) -> Result<Option<Field>, HttpError> {
        let left = self.left();
        let part = timeout(left, self.parts.next()).await.map_err(|_| too_slow())?;
        Ok(part.transpose().map_err(|error| not_one_file(&error))?)
    }

    async fn in_time<T>(&self, work: impl Future<Output = T>) -> Result<T, HttpError> {
        timeout(self.left(), work).await.map_err(|_| too_slow())
    }

    /// How much time the client has left.
    fn left(&self) -> Duration {
        self.pace.0.allowed(self.received).saturating_sub(self.begun.elapsed())
    }
}

fn too_slow() -> HttpError {
    HttpError::new(408, "upload_too_slow", "the file did not come in time")
}

/// Name and type of the file that this part is, if it is one.
fn described(part: &Field) -> Result<(FileName, MediaType), Refusal> {
    if part.name() != Some(FIELD) {
        return Err(Refusal::field("body", format!("has a field that is not `{FIELD}`")));
    }
    let name = part.content_disposition().and_then(file_name).unwrap_or_default();
    let mime = part.content_type().map(|mime| MediaType::read(mime.essence_str()));
    Ok((FileName::sanitise(&name), mime.unwrap_or_default()))
}

/// The name that the client gave: `filename*` where there is one, as that says what its bytes mean.
fn file_name(disposition: &ContentDisposition) -> Option<String> {
    let extended = disposition.get_filename_ext().and_then(|name| String::from_utf8(name.value.clone()).ok());
    extended.or_else(|| disposition.get_filename().map(str::to_owned))
}
