//! A file that is being written.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use fabric_domain::ports::{BytesError, Draft};
use fabric_serverkit::private;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

use crate::folder::{Folder, Paths};
use crate::{blocking, failed};

/// A draft; dropped before it is complete, it takes its file with it.
pub(crate) struct DiskDraft {
    folder: Arc<Folder>,
    file: File,
    paths: Paths,
    part: Part,
}

impl DiskDraft {
    pub(crate) async fn begin(folder: Arc<Folder>, paths: Paths) -> Result<Self, BytesError> {
        let path = paths.part.clone();
        // In one go with its guard: whoever gives up waiting must not leave the file there.
        let (file, part) = blocking(move || {
            let file = private::options().write(true).create_new(true).open(&path)?;
            Ok((file, Part(Some(path))))
        })
        .await?;
        Ok(Self { folder, file: File::from_std(file), paths, part })
    }
}

#[async_trait]
impl Draft for DiskDraft {
    async fn write(&mut self, chunk: Bytes) -> Result<(), BytesError> {
        self.file.write_all(&chunk).await.map_err(|error| failed(&error))
    }

    async fn complete(self: Box<Self>) -> Result<(), BytesError> {
        let Self { folder, mut file, paths, part } = *self;
        // What is still on its way to the system, and whether that failed.
        file.flush().await.map_err(|error| failed(&error))?;
        let file = file.into_std().await;
        blocking(move || {
            file.sync_all()?;
            drop(file);
            fs::rename(&paths.part, &paths.whole)?;
            part.keep();
            folder.sync()
        })
        .await
    }
}

/// The file of a draft, which goes when this is dropped.
struct Part(Option<PathBuf>);

impl Part {
    /// The file has another name now, and stays.
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let Some(path) = self.0.take() else { return };
        let remove = move || {
            if let Err(error) = fs::remove_file(&path) {
                tracing::warn!(%error, path = %path.display(), "what is left of an upload stays for the sweep");
            }
        };
        // Freeing a large file takes a while.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}
