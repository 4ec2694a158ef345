//! Password hashes: Argon2id, off the worker threads, a few at a time.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use tokio::sync::Semaphore;

use crate::error::Error;
use crate::values::Password;

/// Hashes and checks passwords.
#[derive(Clone)]
pub(crate) struct Passwords {
    /// Every hash takes some 19 MiB and a whole core: more at once than there are cores would only cost memory.
    running: Arc<Semaphore>,
    /// Checked when there is no such user, so that the answer takes as long as for one who exists.
    decoy: Arc<str>,
}

impl Passwords {
    /// Makes the decoy.
    pub(crate) async fn new() -> Result<Self, Error> {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let mut passwords = Self { running: Arc::new(Semaphore::new(cores)), decoy: Arc::from("") };
        passwords.decoy = Arc::from(passwords.hash_text("nobody has this password".to_owned()).await?);
        Ok(passwords)
    }

    /// The PHC string to store.
    pub(crate) async fn hash(&self, password: &Password) -> Result<String, Error> {
        self.hash_text(password.as_str().to_owned()).await
    }

    async fn hash_text(&self, password: String) -> Result<String, Error> {
        self.run(move || {
            let hash = Argon2::default().hash_password(password.as_bytes());
            hash.map(|hash| hash.to_string()).map_err(|error| Error::Internal(error.to_string()))
        })
        .await?
    }

    /// Whether the password is right. `stored` is `None` where there is no such user: that takes as long.
    pub(crate) async fn verify(&self, password: &str, stored: Option<&str>) -> Result<bool, Error> {
        // Longer than any stored password can be; hashing it would only be work.
        let too_long = password.len() > Password::MAX_BYTES;
        let password = if too_long { String::new() } else { password.to_owned() };
        let known = stored.is_some();
        let hash = stored.unwrap_or(&self.decoy).to_owned();
        let matches = self
            .run(move || {
                let hash = PasswordHash::new(&hash)
                    .map_err(|error| Error::Internal(format!("stored password hash: {error}")))?;
                Ok::<_, Error>(Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
            })
            .await??;
        Ok(matches && known && !too_long)
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        let permit = Arc::clone(&self.running).acquire_owned().await;
        let permit = permit.map_err(|error| Error::Internal(error.to_string()))?;
        let done = tokio::task::spawn_blocking(move || {
            // Held until the work is done, even when the caller has gone away in between.
            let _permit = permit;
            work()
        });
        done.await.map_err(|error| Error::Internal(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_stored_as_argon2id_and_found_again() {
        let passwords = Passwords::new().await.unwrap();
        let hash = passwords.hash(&Password::parse("correct horse").unwrap()).await.unwrap();
        assert!(hash.starts_with("$argon2id$"), "{hash}");
        assert!(passwords.verify("correct horse", Some(&hash)).await.unwrap());
        assert!(!passwords.verify("correct cow", Some(&hash)).await.unwrap());
        assert!(!passwords.verify("nobody has this password", None).await.unwrap());
        assert!(!passwords.verify(&"x".repeat(1 << 20), Some(&hash)).await.unwrap());
    }
}
