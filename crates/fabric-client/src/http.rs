//! One server's REST side: addresses, time-outs, error answers.

use std::time::Duration;

use reqwest::{Method, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{ApiError, Error};

/// How long calls may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// Until the connection stands.
    pub connect: Duration,
    /// Until the whole answer is there; also for acknowledgements of socket events.
    pub answer: Duration,
}

impl Default for Timeouts {
    /// 5 s and 30 s.
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), answer: Duration::from_secs(30) }
    }
}

impl Timeouts {
    /// Sets [`Self::connect`].
    #[must_use]
    pub fn with_connect(self, connect: Duration) -> Self {
        Self { connect, ..self }
    }

    /// Sets [`Self::answer`].
    #[must_use]
    pub fn with_answer(self, answer: Duration) -> Self {
        Self { answer, ..self }
    }
}

/// A server and how to reach it. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    client: reqwest::Client,
    base: Url,
    timeouts: Timeouts,
}

/// A request that can be sent more than once.
pub(crate) struct Call<'a> {
    method: Method,
    path: &'a [&'a str],
    query: Vec<(&'static str, String)>,
    body: Option<serde_json::Value>,
    idempotency_key: Option<&'a str>,
}

impl<'a> Call<'a> {
    pub(crate) fn new(method: Method, path: &'a [&'a str]) -> Self {
        Self { method, path, query: Vec::new(), body: None, idempotency_key: None }
    }

    pub(crate) fn query(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.query.extend(value.map(|value| (name, value.to_string())));
        self
    }

    pub(crate) fn body(mut self, body: &impl Serialize) -> Result<Self, Error> {
        let body = serde_json::to_value(body).map_err(|error| Error::Request(error.into()))?;
        self.body = Some(body);
        Ok(self)
    }

    pub(crate) fn idempotency_key(mut self, key: Option<&'a str>) -> Self {
        self.idempotency_key = key;
        self
    }
}

impl Http {
    /// `base` is the server's address without `/api`.
    pub(crate) fn new(base: &str, timeouts: Timeouts) -> Result<Self, Error> {
        let invalid = || Error::InvalidUrl(base.to_owned());
        let url = Url::parse(base).map_err(|_| invalid())?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(invalid());
        }
        let mut client = reqwest::Client::builder()
            .connect_timeout(timeouts.connect)
            .timeout(timeouts.answer)
            // A redirect would carry the bearer token to wherever it points.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("fabric-client/", env!("CARGO_PKG_VERSION")));
        if matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")) {
            client = client.no_proxy();
        }
        Ok(Self { client: client.build()?, base: url, timeouts })
    }

    pub(crate) fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    pub(crate) fn base(&self) -> &Url {
        &self.base
    }

    fn url(&self, call: &Call<'_>) -> Result<Url, Error> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| Error::InvalidUrl(self.base.to_string()))?
            .pop_if_empty()
            .push("api");
        for segment in call.path {
            // `.` and `..` would be swallowed, and the call would mean another route.
            if matches!(*segment, "" | "." | "..") {
                return Err(Error::InvalidId((*segment).to_owned()));
            }
            if let Ok(mut segments) = url.path_segments_mut() {
                segments.push(segment);
            }
        }
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        Ok(url)
    }

    /// Sends the call and reads its answer.
    pub(crate) async fn send<T: DeserializeOwned>(
        &self,
        call: &Call<'_>,
        bearer: Option<&str>,
    ) -> Result<T, Error> {
        let body = self.exchange(call, bearer).await?;
        serde_json::from_slice(body.as_ref())
            .map_err(|error| Error::unexpected(format!("{} {}", call.method, call.path.join("/")), error))
    }

    /// Sends the call; what the answer says beyond its success does not matter.
    pub(crate) async fn send_only(&self, call: &Call<'_>, bearer: Option<&str>) -> Result<(), Error> {
        self.exchange(call, bearer).await.map(drop)
    }

    /// A request that is not finished yet.
    pub(crate) fn request(
        &self,
        call: &Call<'_>,
        bearer: Option<&str>,
    ) -> Result<reqwest::RequestBuilder, Error> {
        let request = self.client.request(call.method.clone(), self.url(call)?);
        Ok(match bearer {
            Some(token) => request.bearer_auth(token),
            None => request,
        })
    }

    async fn exchange(&self, call: &Call<'_>, bearer: Option<&str>) -> Result<impl AsRef<[u8]>, Error> {
        let mut request = self.request(call, bearer)?;
        if let Some(key) = call.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        let response = request.send().await?;
        let status = response.status();
        let body = response.bytes().await?;
        if status.is_success() { Ok(body) } else { Err(ApiError::read(status.as_u16(), &body).into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(path: &[&str]) -> Result<String, Error> {
        let http = Http::new("http://localhost:7002/", Timeouts::default()).unwrap();
        let call = Call::new(Method::GET, path).query("limit", Some(5)).query("seqTo", None::<u64>);
        http.url(&call).map(String::from)
    }

    #[test]
    fn ids_are_encoded_and_none_can_climb() {
        assert_eq!(
            url(&["channels", "a/b c?"]).unwrap(),
            "http://localhost:7002/api/channels/a%2Fb%20c%3F?limit=5"
        );
        assert!(matches!(url(&["channels", ".."]), Err(Error::InvalidId(_))));
        assert!(matches!(url(&["channels", ""]), Err(Error::InvalidId(_))));
    }

    #[test]
    fn only_http_addresses() {
        for base in ["", "localhost:7001", "ftp://a", "/api"] {
            assert!(matches!(Http::new(base, Timeouts::default()), Err(Error::InvalidUrl(_))), "{base}");
        }
    }

    #[test]
    fn an_answer_of_another_shape_keeps_its_status() {
        let error = ApiError::read(502, b"<html>Bad gateway</html>");
        assert_eq!((error.status, error.code.as_str()), (502, "unknown"));
    }
}
