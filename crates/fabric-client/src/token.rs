//! How long a token is good for.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::time::Instant;

/// Assumed of tokens that do not tell.
const DEFAULT_LIFETIME: Duration = Duration::from_mins(10);
/// A token is replaced this long before it ends, or in the last tenth of a short life.
const MARGIN: Duration = Duration::from_mins(1);

/// A token and when it should be replaced. Its age is measured from its arrival, so a wrong wall
/// clock on this side does no harm.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) text: Arc<str>,
    stale_at: Instant,
}

impl Token {
    pub(crate) fn new(text: &str) -> Self {
        let good_for = good_for(lifetime(text).unwrap_or(DEFAULT_LIFETIME));
        Self { text: text.into(), stale_at: Instant::now() + good_for }
    }

    pub(crate) fn is_fresh(&self) -> bool {
        Instant::now() < self.stale_at
    }
}

fn good_for(lifetime: Duration) -> Duration {
    lifetime.saturating_sub(MARGIN.min(lifetime / 10))
}

/// From `iat` to `exp` of a JWT.
fn lifetime(token: &str) -> Option<Duration> {
    #[derive(serde::Deserialize)]
    struct Claims {
        iat: u64,
        exp: u64,
    }
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Claims = serde_json::from_slice(&payload).ok()?;
    // A year bounds what a strange server may say.
    claims.exp.checked_sub(claims.iat).map(|s| Duration::from_secs(s.min(365 * 86_400)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(claims: &str) -> String {
        format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn the_lifetime_is_the_distance_of_the_claims() {
        assert_eq!(lifetime(&jwt(r#"{"iat":100,"exp":1000}"#)), Some(Duration::from_mins(15)));
        for strange in [jwt(r#"{"iat":100,"exp":1}"#), jwt("{}"), "a.b".into(), String::new()] {
            assert_eq!(lifetime(&strange), None, "{strange}");
        }
    }

    #[test]
    fn a_token_is_replaced_a_minute_before_its_end_or_in_the_last_tenth() {
        assert_eq!(good_for(Duration::from_mins(15)), Duration::from_mins(14));
        assert_eq!(good_for(Duration::from_secs(100)), Duration::from_secs(90));
        assert_eq!(good_for(Duration::ZERO), Duration::ZERO);
    }
}
