//! Password hashes: Argon2id, off the worker threads, a few at a time, in memory that stays the same.

use std::sync::{Arc, Mutex, PoisonError};

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use fabric_serverkit::system::secret_bytes;
use subtle::ConstantTimeEq as _;
use tokio::sync::Semaphore;

use crate::error::Error;
use crate::values::Password;

/// So many attempts may wait for each that runs; further ones are turned away at once, instead of after minutes.
const WAITING: usize = 64;
/// Bytes of a salt.
const SALT: usize = 16;

/// Hashes and checks passwords.
#[derive(Clone)]
pub(crate) struct Passwords {
    /// Every hash takes some 19 MiB and a whole core: more at once than there are cores would only cost memory.
    running: Arc<Semaphore>,
    /// Whoever runs or waits.
    asking: Arc<Semaphore>,
    /// The memory of hashes that do not run, one for each that may: what allocators get back in such pieces, from many
    /// threads, they keep.
    memory: Arc<Mutex<Vec<Memory>>>,
    /// Checked when there is no such user, so that the answer takes as long as for one who exists.
    decoy: Arc<str>,
}

type Memory = Vec<Block>;

impl Passwords {
    /// Makes the decoy.
    pub(crate) async fn new() -> Result<Self, Error> {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let mut passwords = Self {
            running: Arc::new(Semaphore::new(cores)),
            asking: Arc::new(Semaphore::new(cores * (WAITING + 1))),
            memory: Arc::default(),
            decoy: Arc::from(""),
        };
        passwords.decoy = Arc::from(passwords.hash_text("nobody has this password".to_owned()).await?);
        Ok(passwords)
    }

    /// The PHC string to store.
    pub(crate) async fn hash(&self, password: &Password) -> Result<String, Error> {
        self.hash_text(password.as_str().to_owned()).await
    }

    async fn hash_text(&self, password: String) -> Result<String, Error> {
        self.run(move |memory| {
            let (params, salt) = (Params::default(), secret_bytes::<SALT>());
            let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
            digest(&password, &salt, Version::V0x13, params.clone(), &mut output, memory)?;
            let stored = PasswordHash {
                algorithm: Algorithm::Argon2id.ident(),
                version: Some(Version::V0x13.into()),
                params: ParamsString::try_from(&params).map_err(internal)?,
                salt: Some(Salt::new(&salt).map_err(internal)?),
                hash: Some(Output::new(&output).map_err(internal)?),
            };
            Ok(stored.to_string())
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
        let matches = self.run(move |memory| matches(&password, &hash, memory)).await??;
        Ok(matches && known && !too_long)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let asking = Arc::clone(&self.asking).try_acquire_owned().map_err(|_| Error::Overloaded)?;
        let permit = Arc::clone(&self.running).acquire_owned().await.map_err(internal)?;
        let memory = Arc::clone(&self.memory);
        let done = tokio::task::spawn_blocking(move || {
            // Held until the work is done, even when the caller has gone away in between.
            let _permits = (asking, permit);
            let kept = memory.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut blocks = kept.unwrap_or_default();
            let done = work(&mut blocks);
            memory.lock().unwrap_or_else(PoisonError::into_inner).push(blocks);
            done
        });
        done.await.map_err(internal)
    }
}

fn internal(error: impl std::fmt::Display) -> Error {
    Error::Internal(error.to_string())
}

/// Whether this password has that PHC string.
fn matches(password: &str, stored: &str, memory: &mut Memory) -> Result<bool, Error> {
    let unreadable =
        |error: &dyn std::fmt::Display| Error::Internal(format!("stored password hash: {error}"));
    let stored = PasswordHash::new(stored).map_err(|error| unreadable(&error))?;
    let (Some(salt), Some(expected)) = (&stored.salt, &stored.hash) else {
        return Err(unreadable(&"it has no salt or no hash"));
    };
    if stored.algorithm != Algorithm::Argon2id.ident() {
        return Err(unreadable(&"it is not Argon2id"));
    }
    let params = Params::try_from(&stored).map_err(|error| unreadable(&error))?;
    let version = stored.version.map_or(Ok(Version::V0x13), Version::try_from);
    let version = version.map_err(|error| unreadable(&error))?;
    let mut output = vec![0; expected.len()];
    digest(password, salt.as_ref(), version, params, &mut output, memory)?;
    Ok(bool::from(output.ct_eq(expected.as_ref())))
}

fn digest(
    password: &str,
    salt: &[u8],
    version: Version,
    params: Params,
    output: &mut [u8],
    memory: &mut Memory,
) -> Result<(), Error> {
    let needed = params.block_count();
    if memory.len() < needed {
        memory.resize(needed, Block::default());
    }
    let argon2 = Argon2::new(Algorithm::Argon2id, version, params);
    argon2.hash_password_into_with_memory(password.as_bytes(), salt, output, memory).map_err(internal)
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

    #[tokio::test]
    async fn a_flood_takes_the_memory_of_a_few_hashes_and_the_rest_is_turned_away() {
        let passwords = Passwords::new().await.unwrap();
        let cores = passwords.running.available_permits();
        let most = passwords.asking.available_permits();
        let mut flood = tokio::task::JoinSet::new();
        for _ in 0..most + 100 {
            let passwords = passwords.clone();
            flood.spawn(async move { passwords.verify("wrong", None).await });
        }
        let outcomes = flood.join_all().await;
        let refused = outcomes.iter().filter(|outcome| matches!(outcome, Err(Error::Overloaded))).count();
        assert!(
            refused > 0
                && outcomes.iter().all(|outcome| !matches!(outcome, Ok(true) | Err(Error::Internal(_))))
        );
        let kept = passwords.memory.lock().unwrap();
        assert!((1..=cores).contains(&kept.len()), "{} pieces for {cores} cores", kept.len());
        assert!(kept.iter().all(|blocks| blocks.len() == Params::default().block_count()));
    }

    #[tokio::test]
    async fn what_other_programs_have_hashed_is_read() {
        let passwords = Passwords::new().await.unwrap();
        let of_others =
            Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(64, 3, 2, Some(24)).unwrap());
        let stored = argon2::PasswordHasher::hash_password(&of_others, b"correct horse").unwrap().to_string();
        assert!(passwords.verify("correct horse", Some(&stored)).await.unwrap());
        assert!(!passwords.verify("correct cow", Some(&stored)).await.unwrap());
        assert!(passwords.verify("x", Some("$2b$12$abc")).await.is_err(), "not Argon2id");
    }
}
