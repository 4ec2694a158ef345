//! Calls to Center: one deadline, one retry, one circuit breaker for all.

use std::sync::Arc;
use std::time::Duration;

use backon::{ConstantBuilder, Retryable as _};
use fabric_api::center::NODE_KEY_HEADER;
use fabric_domain::ports::{CenterError, Clock};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, StatusCode, redirect};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::breaker::Breaker;
use crate::config::{BuildError, Config};

/// The pause before the retry is this long at least, and up to twice as long, so that not every node comes back at the
/// same moment.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// Center's routes, as the node calls them.
pub(crate) struct Api {
    http: Client,
    /// Without `/api`.
    base: String,
    timeout: Duration,
    breaker: Breaker,
    clock: Arc<dyn Clock>,
}

/// Why one attempt failed.
#[derive(Debug)]
enum AttemptError {
    /// Center did not answer, or could not: it may the next time.
    Silent(String),
    /// Center has answered, but not with what was asked for: it would again.
    Refused(String),
}

impl Api {
    pub(crate) fn new(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, BuildError> {
        let base = config.base_url.trim().trim_end_matches('/');
        let base = base.strip_suffix("/api").unwrap_or(base).trim_end_matches('/');
        let url = reqwest::Url::parse(base).map_err(|_| BuildError::BaseUrl)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(BuildError::BaseUrl);
        }
        let mut key = HeaderValue::from_str(config.api_key.expose()).map_err(|_| BuildError::ApiKey)?;
        key.set_sensitive(true);
        let headers = HeaderMap::from_iter([(HeaderName::from_static(NODE_KEY_HEADER), key)]);
        let mut http = Client::builder()
            .default_headers(headers)
            // Another host must not be shown the key.
            .redirect(redirect::Policy::none())
            .timeout(config.timeout)
            .tcp_nodelay(true);
        if matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")) {
            http = http.no_proxy();
        }
        Ok(Self {
            http: http.build()?,
            base: base.to_owned(),
            timeout: config.timeout,
            breaker: Breaker::new(config.breaker_failures, config.breaker_pause),
            clock,
        })
    }

    /// `path` starts after `/api`.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CenterError> {
        self.call(Method::GET, path, None::<&()>).await
    }

    /// For requests that may be made twice, as all of ours may.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<T, CenterError> {
        self.call(Method::POST, path, Some(body)).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<T, CenterError> {
        if !self.breaker.allows(self.clock.now()) {
            return Err(CenterError::Unavailable("it has not answered for a while".to_owned()));
        }
        let once_more = ConstantBuilder::new().with_delay(RETRY_PAUSE).with_max_times(1).with_jitter();
        let twice = (|| self.attempt(&method, path, body))
            .retry(once_more)
            .when(|error| matches!(error, AttemptError::Silent(_)))
            .notify(|error, _| tracing::debug!(path, ?error, "Center did not answer; once more"));
        let outcome = tokio::time::timeout(self.timeout, twice).await;
        match outcome.unwrap_or_else(|_| Err(AttemptError::Silent("no answer in time".to_owned()))) {
            Ok(answer) => {
                self.breaker.succeeded();
                Ok(answer)
            }
            Err(AttemptError::Refused(reason)) => {
                self.breaker.succeeded();
                tracing::warn!(path, reason, "Center refused a request of this node");
                Err(CenterError::Unavailable(reason))
            }
            Err(AttemptError::Silent(reason)) => {
                self.breaker.failed(self.clock.now());
                Err(CenterError::Unavailable(reason))
            }
        }
    }

    async fn attempt<T: DeserializeOwned>(
        &self,
        method: &Method,
        path: &str,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<T, AttemptError> {
        let mut request = self.http.request(method.clone(), format!("{}/api{path}", self.base));
        if let Some(body) = body {
            request = request.json(body);
        }
        // The address in the error's text tells nothing that the log does not know.
        let response =
            request.send().await.map_err(|error| AttemptError::Silent(error.without_url().to_string()))?;
        let status = response.status();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(AttemptError::Silent(format!("it answered {status}")));
        }
        if !status.is_success() {
            return Err(AttemptError::Refused(format!("it answered {status}")));
        }
        let body =
            response.bytes().await.map_err(|error| AttemptError::Silent(error.without_url().to_string()))?;
        serde_json::from_slice(&body)
            .map_err(|error| AttemptError::Refused(format!("its answer makes no sense: {error}")))
    }
}
