//! Files of a guild (spec/3 section 7).

use std::time::Duration;

use fabric_api::guild::UploadedFile;
use reqwest::{Method, Response};

use crate::error::{ApiError, Error};
use crate::guild::GuildClient;
use crate::http::Call;
use crate::model::FileId;

/// How long a file may take on its way: more than any other answer.
const ON_ITS_WAY: Duration = Duration::from_hours(1);

/// A file on its way down.
#[derive(Debug)]
pub struct Download {
    response: Response,
}

impl Download {
    /// How many bytes there are, where the server says so.
    pub fn size(&self) -> Option<u64> {
        self.response.content_length()
    }

    /// The next bytes; `None` at the end.
    pub async fn chunk(&mut self) -> Result<Option<impl AsRef<[u8]> + use<>>, Error> {
        Ok(self.response.chunk().await?)
    }

    /// All of it, in memory.
    pub async fn bytes(mut self) -> Result<Vec<u8>, Error> {
        let mut all = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            all.extend_from_slice(chunk.as_ref());
        }
        Ok(all)
    }
}

impl GuildClient {
    /// Uploads a file, to be attached by [`PostMessage::attachment_ids`](fabric_api::guild::PostMessage). `mime` is
    /// its media type, such as `image/png`. The content is held in memory.
    pub async fn upload(&self, name: &str, mime: &str, content: &[u8]) -> Result<UploadedFile, Error> {
        let (body, content_type) = form(name, mime, content)?;
        let token = self.tokens.get().await?;
        let sent = match self.send_file(body.clone(), &content_type, &token).await {
            Err(error) if error.status() == Some(401) => match self.tokens.instead_of(&token).await? {
                Some(token) => self.send_file(body, &content_type, &token).await,
                None => Err(error),
            },
            sent => sent,
        };
        let answer = sent?.bytes().await?;
        serde_json::from_slice(&answer).map_err(|error| Error::unexpected("POST files", error))
    }

    /// Reads a file. It is an error of the server's, such as `file_expired`, when there is none to read.
    pub async fn download(&self, id: &FileId) -> Result<Download, Error> {
        let token = self.tokens.get().await?;
        let response = match self.fetch_file(id, &token).await {
            Err(error) if error.status() == Some(401) => match self.tokens.instead_of(&token).await? {
                Some(token) => self.fetch_file(id, &token).await,
                None => Err(error),
            },
            response => response,
        };
        Ok(Download { response: response? })
    }

    async fn send_file(&self, body: Vec<u8>, content_type: &str, token: &str) -> Result<Response, Error> {
        let request = self.http.request(&Call::new(Method::POST, &["files"]), Some(token))?;
        let request = request.header("content-type", content_type).body(body).timeout(ON_ITS_WAY);
        accepted(request.send().await?).await
    }

    async fn fetch_file(&self, id: &FileId, token: &str) -> Result<Response, Error> {
        let path = ["files", id.as_str()];
        let request = self.http.request(&Call::new(Method::GET, &path), Some(token))?;
        accepted(request.timeout(ON_ITS_WAY).send().await?).await
    }
}

async fn accepted(response: Response) -> Result<Response, Error> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    Err(ApiError::read(status.as_u16(), &response.bytes().await?).into())
}

/// The file as `multipart/form-data`, and the type that says so. The boundary is random, so that no content can hold
/// it.
fn form(name: &str, mime: &str, content: &[u8]) -> Result<(Vec<u8>, String), Error> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| Error::Request(error.into()))?;
    let boundary = format!("fabric-{:032x}", u128::from_le_bytes(random));
    // Neither may end the header that it stands in.
    let plain = |text: &str| text.replace(|char: char| char.is_control() || char == '"', "_");
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{}\"\r\nContent-Type: {}\r\n\r\n",
        plain(name).replace('\\', "_"),
        plain(mime),
    );
    let tail = format!("\r\n--{boundary}--\r\n");
    Ok((
        [head.as_bytes(), content, tail.as_bytes()].concat(),
        format!("multipart/form-data; boundary={boundary}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_ends_the_header_that_it_stands_in() {
        let (body, content_type) = form("a\"\r\nX: y", "text/plain\r\nX: z", b"content").unwrap();
        let body = String::from_utf8(body).unwrap();
        assert!(
            body.contains("filename=\"a___X: y\"") && body.contains("Content-Type: text/plain__X: z\r\n\r\n")
        );
        let boundary = content_type.split_once("boundary=").unwrap().1;
        assert!(
            body.starts_with(&format!("--{boundary}\r\n"))
                && body.ends_with(&format!("\r\n--{boundary}--\r\n"))
        );
    }
}
