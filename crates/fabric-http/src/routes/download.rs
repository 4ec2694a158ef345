//! GET and HEAD /files/:id: in parts where that is wanted, and so that nothing in a file runs in a browser.

use actix_web::body::SizedStream;
use actix_web::http::header::{
    self, ByteRangeSpec, Charset, ContentDisposition, ContentRange, ContentRangeSpec, DispositionParam,
    DispositionType, EntityTag, ExtendedValue, Header, HeaderValue, IfMatch, IfNoneMatch, IfRange, Range,
};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use fabric_domain::model::{File, FileId};
use fabric_domain::ports::ByteSource;
use fabric_domain::services::{Guild, ServiceError};
use fabric_serverkit::web::{HttpError, request_id};
use futures_util::stream::try_unfold;

use crate::auth::LinkUser;

/// What a file may do in a browser that opens it: be looked at.
const SANDBOX: &str =
    "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; sandbox";
/// Browsers show no PDF in a sandbox; their viewer is one.
const VIEWER: &str = "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'";
/// Types besides images, sounds and films that browsers show and nothing can run in.
const SHOWN: &[&str] = &["text/plain", "text/markdown", "text/csv", "application/json", "application/pdf"];
/// Types of images in which something can run.
const SCRIPTABLE: &[&str] = &["image/svg+xml"];

pub(super) async fn get(
    request: HttpRequest,
    LinkUser(user): LinkUser,
    id: web::Path<FileId>,
) -> Result<HttpResponse, HttpError> {
    let file = user.guild.file(&user.caller, &id).await?;
    if let Some(unchanged) = precondition(&request, &file)? {
        return Ok(unchanged);
    }
    let asked = match asked(&request, &file) {
        Asked::Part(first, last) => Some((first, last)),
        Asked::Everything => None,
        Asked::Nothing => return Ok(unsatisfiable(&file)),
    };
    let (first, last) = asked.unwrap_or((0, file.size.saturating_sub(1)));
    let source = user.guild.read_file(&file, first..last + 1).await?;
    let mut response = if asked.is_some() { HttpResponse::PartialContent() } else { HttpResponse::Ok() };
    if asked.is_some() {
        response.insert_header(content_range(Some((first, last)), &file));
    }
    describe(&mut response, &file, content_type(&user.guild, &file).await);
    Ok(response.body(SizedStream::new(last + 1 - first, stream(source, request_id(&request)))))
}

pub(super) async fn head(
    request: HttpRequest,
    LinkUser(user): LinkUser,
    id: web::Path<FileId>,
) -> Result<HttpResponse, HttpError> {
    let file = user.guild.file(&user.caller, &id).await?;
    if let Some(unchanged) = precondition(&request, &file)? {
        return Ok(unchanged);
    }
    // The file is as long as that, but nobody reads it here.
    let nothing = futures_util::stream::empty::<Result<web::Bytes, std::io::Error>>();
    let mut response = HttpResponse::Ok();
    describe(&mut response, &file, content_type(&user.guild, &file).await);
    Ok(response.body(SizedStream::new(file.size, nothing)))
}

/// The bytes as they come. A failure in the middle ends the connection: the status is long gone.
fn stream(
    source: Box<dyn ByteSource>,
    request_id: String,
) -> impl futures_util::Stream<Item = Result<web::Bytes, std::io::Error>> {
    try_unfold((source, request_id), |(mut source, request_id)| async move {
        match source.next().await {
            Ok(portion) => Ok(portion.map(|portion| (portion, (source, request_id)))),
            Err(error) => {
                tracing::error!(request_id, %error, "cannot read a file to its end");
                Err(std::io::Error::other(error))
            }
        }
    })
}

fn entity_tag(file: &File) -> EntityTag {
    EntityTag::new_strong(file.sha256.clone())
}

/// So many bytes at its beginning tell whether a text is in UTF-8.
const LOOKED_AT: u64 = 256 * 1024;

/// Without a charset browsers show UTF-8 as if it were Latin-1; with a wrong one they show other texts wrongly.
async fn content_type(guild: &Guild, file: &File) -> String {
    let mime = file.mime.as_str();
    // Where it cannot be read, the answer fails by itself.
    if is_text(mime) && begins_as_utf8(guild, file).await.unwrap_or(false) {
        return format!("{mime}; charset=utf-8");
    }
    mime.to_owned()
}

fn is_text(mime: &str) -> bool {
    mime.starts_with("text/")
        || mime.ends_with("+json")
        || mime.ends_with("+xml")
        || matches!(mime, "application/json" | "application/xml" | "application/javascript")
}

async fn begins_as_utf8(guild: &Guild, file: &File) -> Result<bool, ServiceError> {
    let mut source = guild.read_file(file, 0..file.size.min(LOOKED_AT)).await?;
    let mut beginning = Vec::new();
    while let Some(portion) = source.next().await? {
        beginning.extend_from_slice(&portion);
    }
    Ok(is_utf8(&beginning, file.size > LOOKED_AT))
}

/// Whether these bytes are UTF-8; where there are more of them, the last character may be cut.
fn is_utf8(bytes: &[u8], is_cut: bool) -> bool {
    std::str::from_utf8(bytes).map_or_else(|error| is_cut && error.error_len().is_none(), |_| true)
}

/// What every answer about the file says.
fn describe(response: &mut HttpResponseBuilder, file: &File, content_type: String) {
    let mime = file.mime.as_str();
    response
        .insert_header((header::CONTENT_TYPE, content_type))
        .insert_header(disposition(file))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((
            header::CONTENT_SECURITY_POLICY,
            if mime == "application/pdf" { VIEWER } else { SANDBOX },
        ))
        // The address may hold a token.
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header((header::ACCEPT_RANGES, "bytes"));
    validators(response, file);
}

/// By what a client keeps its copy. It asks each time: who may read a file can change.
fn validators(response: &mut HttpResponseBuilder, file: &File) {
    response
        .insert_header(header::ETag(entity_tag(file)))
        .insert_header((header::CACHE_CONTROL, "private, no-cache"));
}

/// Whether a browser may show the file instead of saving it.
fn is_shown(mime: &str) -> bool {
    let is_medium = ["image/", "audio/", "video/"].iter().any(|kind| mime.starts_with(kind));
    (is_medium && !SCRIPTABLE.contains(&mime)) || SHOWN.contains(&mime)
}

fn disposition(file: &File) -> ContentDisposition {
    let name = file.name.as_str();
    let plain: String = name.chars().map(|char| if char.is_ascii() { char } else { '_' }).collect();
    let mut parameters = vec![DispositionParam::Filename(plain)];
    if !name.is_ascii() {
        parameters.push(DispositionParam::FilenameExt(ExtendedValue {
            charset: Charset::Ext("UTF-8".to_owned()),
            language_tag: None,
            value: name.as_bytes().to_vec(),
        }));
    }
    let disposition =
        if is_shown(file.mime.as_str()) { DispositionType::Inline } else { DispositionType::Attachment };
    ContentDisposition { disposition, parameters }
}

fn content_range(range: Option<(u64, u64)>, file: &File) -> ContentRange {
    ContentRange(ContentRangeSpec::Bytes { range, instance_length: Some(file.size) })
}

/// RFC 9110 section 13.2.2. Dates are ignored: we give none.
fn precondition(request: &HttpRequest, file: &File) -> Result<Option<HttpResponse>, HttpError> {
    let tag = entity_tag(file);
    if let Some(wanted) = read::<IfMatch>(request, header::IF_MATCH) {
        let is_it = match wanted {
            IfMatch::Any => true,
            IfMatch::Items(tags) => tags.iter().any(|wanted| wanted.strong_eq(&tag)),
        };
        if !is_it {
            return Err(HttpError::new(412, "precondition_failed", "the file is another one"));
        }
    }
    let is_known = match read::<IfNoneMatch>(request, header::IF_NONE_MATCH) {
        None => false,
        Some(IfNoneMatch::Any) => true,
        Some(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(&tag)),
    };
    Ok(is_known.then(|| {
        let mut response = HttpResponse::NotModified();
        validators(&mut response, file);
        response.finish()
    }))
}

/// A header that is there and can be read.
fn read<H: Header>(request: &HttpRequest, name: header::HeaderName) -> Option<H> {
    if !request.headers().contains_key(name) {
        return None;
    }
    H::parse(request).ok()
}

/// Which bytes a request wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Everything,
    /// From the first to the last, both included.
    Part(u64, u64),
    /// None that there are.
    Nothing,
}

/// RFC 9110 section 14.2: a range that cannot be read, or several (which a server may refuse to put together), are
/// as none.
fn asked(request: &HttpRequest, file: &File) -> Asked {
    let mut ranges = request.headers().get_all(header::RANGE);
    let (Some(range), None) = (ranges.next(), ranges.next()) else { return Asked::Everything };
    let is_current = match read::<IfRange>(request, header::IF_RANGE) {
        Some(IfRange::EntityTag(tag)) => tag.strong_eq(&entity_tag(file)),
        Some(IfRange::Date(_)) => false,
        None => !request.headers().contains_key(header::IF_RANGE),
    };
    if is_current { part(range, file.size) } else { Asked::Everything }
}

fn part(range: &HeaderValue, size: u64) -> Asked {
    let Some(Range::Bytes(specs)) = range.to_str().ok().and_then(|range| range.parse::<Range>().ok()) else {
        return Asked::Everything;
    };
    match specs.as_slice() {
        [ByteRangeSpec::FromTo(first, last)] if first > last => Asked::Everything,
        [spec] => {
            spec.to_satisfiable_range(size).map_or(Asked::Nothing, |(first, last)| Asked::Part(first, last))
        }
        _ => Asked::Everything,
    }
}

fn unsatisfiable(file: &File) -> HttpResponse {
    let error = HttpError::new(416, "range_not_satisfiable", format!("the file has {} bytes", file.size));
    let mut response = HttpResponse::from_error(error);
    if let Ok(value) = header::TryIntoHeaderValue::try_into_value(content_range(None, file)) {
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_rfc_9110_has_it() {
        let asked = |range: &str| part(&HeaderValue::from_str(range).unwrap(), 10);
        for (range, wanted) in [
            ("bytes=0-0", Asked::Part(0, 0)),
            ("bytes=0-", Asked::Part(0, 9)),
            ("bytes=3-5", Asked::Part(3, 5)),
            ("bytes=3-500", Asked::Part(3, 9)),
            ("bytes=-3", Asked::Part(7, 9)),
            ("bytes=-300", Asked::Part(0, 9)),
            ("bytes=10-", Asked::Nothing),
            ("bytes=10-20", Asked::Nothing),
            ("bytes=-0", Asked::Nothing),
            ("bytes=5-3", Asked::Everything),
            ("bytes=0-1,3-4", Asked::Everything),
            ("bytes=", Asked::Everything),
            ("bytes=a-b", Asked::Everything),
            ("lines=1-2", Asked::Everything),
            ("bytes=99999999999999999999999-", Asked::Everything),
        ] {
            assert_eq!(asked(range), wanted, "{range}");
        }
    }

    #[test]
    fn a_text_is_in_utf_8_if_its_bytes_are() {
        let text = "Zoë 😀".as_bytes();
        assert!(is_utf8(text, false) && is_utf8(b"", false));
        assert!(!is_utf8(b"Zo\xeb", false) && !is_utf8(b"Zo\xeb, M\xfcller", true), "Latin-1");
        let cut = &text[..text.len() - 1];
        assert!(is_utf8(cut, true) && !is_utf8(cut, false));
        for mime in ["text/markdown", "text/csv", "application/json", "application/geo+json"] {
            assert!(is_text(mime), "{mime}");
        }
        assert!(!is_text("image/png") && !is_text("application/octet-stream"));
    }

    #[test]
    fn only_what_cannot_run_is_shown() {
        for mime in ["image/png", "image/webp", "audio/mpeg", "video/mp4", "text/plain", "application/pdf"] {
            assert!(is_shown(mime), "{mime}");
        }
        for mime in
            ["image/svg+xml", "text/html", "application/xhtml+xml", "text/xml", "application/octet-stream"]
        {
            assert!(!is_shown(mime), "{mime}");
        }
    }
}
