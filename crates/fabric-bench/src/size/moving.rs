//! A guild out of one database and into others.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fabric_archive::{Archive, ExportOptions, Part};
use fabric_domain::model::Timestamp;
use fabric_store_seaorm::bulk::{SqlBulkReader, SqlBulkWriter};
use fabric_testkit::{MemoryBytes, TestClock};

use super::{Kind, making, rate, whole_of};
use crate::{Outcome, ensure, say, whole};

/// Loads a guild into `SQLite`, exports it, imports it into each database and exports that again.
pub(super) async fn measure(folder: &Path, messages: u64, databases: &[Kind]) -> Outcome {
    let source = Kind::Sqlite.fresh(folder, "source");
    let began = Instant::now();
    making::make(&source, messages).await?;
    say(&format!("generated and loaded into SQLite: {}", speed(messages, began.elapsed())));
    let place = folder.join("archive");
    let (bytes, exported) = export(&source, &place).await?;
    say(&format!("exported from SQLite: {} ({bytes} bytes)\n", speed(messages, exported)));
    say("| database | import | export again |");
    say("|---|--:|--:|");
    for kind in databases {
        let target = kind.fresh(folder, "target");
        let began = Instant::now();
        import(&target, &place).await.map_err(|error| format!("{}: {error}", kind.name()))?;
        let imported = began.elapsed();
        let again = folder.join("again");
        let (_, exported) = export(&target, &again).await?;
        for part in Part::ALL {
            let read = |folder: &Path| std::fs::read(folder.join(part.file())).map_err(|e| e.to_string());
            ensure!(read(&again)? == read(&place)?, "{}: {part:?} has changed", kind.name());
        }
        std::fs::remove_dir_all(&again).map_err(|error| error.to_string())?;
        say(&format!("| {} | {} | {} |", kind.name(), speed(messages, imported), speed(messages, exported)));
        if *kind == Kind::Sqlite {
            super::remove(folder, "target.db")?;
        }
    }
    Ok(())
}

/// These guilds have no files.
fn no_bytes() -> Arc<MemoryBytes> {
    Arc::new(MemoryBytes::new(Arc::new(TestClock::default())))
}

async fn export(url: &str, to: &Path) -> Outcome<(String, Duration)> {
    let options =
        ExportOptions { guild: making::guild(), now: Timestamp(0), program: "fabric-bench".to_owned() };
    let began = Instant::now();
    let reader = SqlBulkReader::open(url).await.map_err(|error| error.to_string())?;
    let summary = fabric_archive::export(reader, to, &options, no_bytes().as_ref(), &|_| ()).await;
    let summary = summary.map_err(|error| error.to_string())?;
    Ok((whole_of(summary.bytes), began.elapsed()))
}

async fn import(url: &str, from: &Path) -> Outcome {
    let archive = Archive::open(from).map_err(|error| error.to_string())?;
    let archive = archive.verify(Arc::new(|_| ())).await.map_err(|error| error.to_string())?;
    let writer = SqlBulkWriter::begin(url, true, 2, Timestamp(0)).await.map_err(|error| error.to_string())?;
    let loaded = archive.load(writer, no_bytes(), Arc::new(|_| ())).await;
    loaded.map(drop).map_err(|error| error.to_string())
}

fn speed(messages: u64, time: Duration) -> String {
    format!("{:.1} s, {} messages/s", time.as_secs_f64(), whole(rate(messages, time)))
}
