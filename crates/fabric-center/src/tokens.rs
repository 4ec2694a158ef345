//! JWTs: the access token for Center itself and one token per guild.

use fabric_domain::model::{Timestamp, UserKind};
use fabric_serverkit::system::new_uuid;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Audience of access tokens. No node can have this id, and [`Use`] tells the two apart anyway.
const CENTER_AUDIENCE: &str = "urn:fabric:center/";

/// What a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Use {
    /// Center's own routes.
    Access,
    /// One guild node.
    Guild,
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    iss: String,
    /// The user.
    pub(crate) sub: String,
    /// The node, or Center.
    pub(crate) aud: String,
    /// Seconds since 1970.
    exp: i64,
    iat: i64,
    jti: String,
    /// Of the session.
    pub(crate) kind: UserKind,
    /// The session: its end ends every token made in it.
    pub(crate) sid: String,
    #[serde(rename = "use")]
    usage: Use,
}

impl Claims {
    /// When the token ends.
    pub(crate) fn expires_at(&self) -> Timestamp {
        Timestamp(self.exp.saturating_mul(1_000))
    }
}

/// For whom a token is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bearer<'a> {
    pub(crate) user_id: &'a str,
    pub(crate) kind: UserKind,
    pub(crate) session_id: &'a str,
}

/// Makes and checks tokens.
pub(crate) struct Signer {
    issuer: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

impl Signer {
    pub(crate) fn new(issuer: &str, secret: &[u8]) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[issuer]);
        validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        // Checked below, against our own clock and the expected audience.
        validation.validate_exp = false;
        validation.validate_aud = false;
        Self {
            issuer: issuer.to_owned(),
            encoding: EncodingKey::from_secret(secret),
            decoding: DecodingKey::from_secret(secret),
            validation,
        }
    }

    /// A token for Center's own routes.
    pub(crate) fn access(&self, bearer: Bearer<'_>, now: Timestamp, seconds: u32) -> Result<String, Error> {
        self.sign(bearer, CENTER_AUDIENCE, Use::Access, now, seconds)
    }

    /// A token for one guild node.
    pub(crate) fn guild(
        &self,
        bearer: Bearer<'_>,
        node_id: &str,
        now: Timestamp,
        seconds: u32,
    ) -> Result<String, Error> {
        self.sign(bearer, node_id, Use::Guild, now, seconds)
    }

    fn sign(
        &self,
        bearer: Bearer<'_>,
        audience: &str,
        usage: Use,
        now: Timestamp,
        seconds: u32,
    ) -> Result<String, Error> {
        let iat = now.0.div_euclid(1_000);
        let claims = Claims {
            iss: self.issuer.clone(),
            sub: bearer.user_id.to_owned(),
            aud: audience.to_owned(),
            exp: iat.saturating_add(i64::from(seconds)),
            iat,
            jti: new_uuid(now),
            kind: bearer.kind,
            sid: bearer.session_id.to_owned(),
            usage,
        };
        encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)
            .map_err(|error| Error::Internal(format!("signing a token: {error}")))
    }

    /// The claims of a live access token.
    pub(crate) fn read_access(&self, token: &str, now: Timestamp) -> Option<Claims> {
        self.read(token, CENTER_AUDIENCE, Use::Access, now)
    }

    /// The claims of a live token for that node.
    pub(crate) fn read_guild(&self, token: &str, node_id: &str, now: Timestamp) -> Option<Claims> {
        self.read(token, node_id, Use::Guild, now)
    }

    fn read(&self, token: &str, audience: &str, usage: Use, now: Timestamp) -> Option<Claims> {
        let claims = decode::<Claims>(token, &self.decoding, &self.validation).ok()?.claims;
        let fits = claims.aud == audience && claims.usage == usage && now < claims.expires_at();
        fits.then_some(claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_500);
    const ADA: Bearer<'_> = Bearer { user_id: "ada", kind: UserKind::Human, session_id: "s" };

    fn signer() -> Signer {
        Signer::new("center", b"0123456789abcdef0123456789abcdef")
    }

    #[test]
    fn a_token_lives_exactly_as_long_as_it_says() {
        let token = signer().access(ADA, NOW, 900).unwrap();
        let claims = signer().read_access(&token, NOW).unwrap();
        assert_eq!((claims.sub.as_str(), claims.kind), ("ada", UserKind::Human));
        assert!(signer().read_access(&token, Timestamp(claims.expires_at().0 - 1)).is_some());
        assert!(signer().read_access(&token, claims.expires_at()).is_none());
    }

    #[test]
    fn a_token_is_good_for_its_own_audience_only() {
        let guild = signer().guild(ADA, "north", NOW, 900).unwrap();
        assert!(signer().read_guild(&guild, "north", NOW).is_some());
        assert!(signer().read_guild(&guild, "south", NOW).is_none());
        assert!(signer().read_access(&guild, NOW).is_none());
        // Even if a node could call itself Center.
        let forged = signer().guild(ADA, CENTER_AUDIENCE, NOW, 900).unwrap();
        assert!(signer().read_access(&forged, NOW).is_none());
        assert!(crate::NodeId::parse(CENTER_AUDIENCE).is_err());
    }

    #[test]
    fn another_secret_issuer_or_algorithm_is_refused() {
        let other_secret = Signer::new("center", b"another secret of at least 32 bytes");
        let other_issuer = Signer::new("centre", b"0123456789abcdef0123456789abcdef");
        for other in [other_secret, other_issuer] {
            assert!(signer().read_access(&other.access(ADA, NOW, 900).unwrap(), NOW).is_none());
        }
        let claims = signer().read_access(&signer().access(ADA, NOW, 900).unwrap(), NOW).unwrap();
        let hs512 = encode(&Header::new(Algorithm::HS512), &claims, &signer().encoding).unwrap();
        assert!(signer().read_access(&hs512, NOW).is_none());
    }
}
