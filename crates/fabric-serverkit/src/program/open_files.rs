//! How many files and sockets the process may have open.

/// Raises the number of files and sockets that this process may have open to the most that the system lets it: the
/// usual soft limit of 1,024 is less than the sockets of one busy guild. What cannot be raised stays as it is, and the
/// log says so.
///
/// Answers how many that are, where it is known.
pub fn raise_open_files() -> Option<u64> {
    #[cfg(not(unix))]
    return None;
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        if current == maximum {
            return current;
        }
        match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
            Ok(()) => {
                tracing::debug!(?current, ?maximum, "more files may be open");
                maximum
            }
            Err(error) => {
                tracing::warn!(?current, ?maximum, %error, "the limit of open files stays");
                current
            }
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    use super::*;

    #[test]
    fn as_many_files_may_be_open_as_the_system_allows() {
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: Some(256), maximum }).unwrap();
        assert_eq!(raise_open_files(), maximum);
        assert_eq!(getrlimit(Resource::Nofile), Rlimit { current: maximum, maximum });
    }
}
