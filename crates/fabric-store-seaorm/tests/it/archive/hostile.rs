//! Archives that are damaged, or that somebody has made: refused with a clear word, and nothing is written.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fabric_archive::{Archive, ArchiveError, Part};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{export_with, import, import_with, no_bytes, rows, unusual, walked};
use crate::databases::{self, Fresh};

on_each_database!(what_only_the_database_can_tell_is_told_with_its_line,);

/// A copy of an archive, to be spoiled.
struct Spoiled {
    folder: PathBuf,
}

impl Spoiled {
    fn lines(&self, part: Part) -> Vec<String> {
        let text = fs::read_to_string(self.folder.join(part.file())).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    fn manifest(&self) -> Value {
        serde_json::from_slice(&fs::read(self.folder.join("manifest.json")).unwrap()).unwrap()
    }

    fn write_manifest(&self, manifest: &Value) {
        fs::write(self.folder.join("manifest.json"), manifest.to_string()).unwrap();
    }

    /// Other lines, which the manifest knows nothing of.
    fn write(&self, part: Part, lines: &[String]) {
        let text: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
        fs::write(self.folder.join(part.file()), text).unwrap();
    }

    /// Other lines, and a manifest that fits them: nobody can tell by the sums.
    fn forge(&self, part: Part, lines: &[String]) {
        self.write(part, lines);
        let bytes = fs::read(self.folder.join(part.file())).unwrap();
        let mut manifest = self.manifest();
        let sha256 = hex::encode(Sha256::digest(&bytes));
        manifest["parts"][part.name()] = json!({
            "records": lines.len(), "bytes": bytes.len(), "sha256": sha256,
            "longestLine": lines.iter().map(String::len).max().unwrap_or_default(),
        });
        self.write_manifest(&manifest);
    }

    fn change(&self, part: Part, place: usize, change: impl FnOnce(&mut Value)) {
        let mut lines = self.lines(part);
        let mut line = serde_json::from_str(&lines[place]).unwrap();
        change(&mut line);
        lines[place] = line.to_string();
        self.forge(part, &lines);
    }

    /// Where the bytes of a file are that has some.
    fn bytes(&self) -> PathBuf {
        fs::read_dir(self.folder.join("files")).unwrap().next().expect("a file").unwrap().path()
    }

    fn change_manifest(&self, change: impl FnOnce(&mut Value)) {
        let mut manifest = self.manifest();
        change(&mut manifest);
        self.write_manifest(&manifest);
    }
}

/// An archive of a guild that has at least one of everything that is spoiled here.
async fn archive(folder: &Path) -> PathBuf {
    let (source, place) = (databases::sqlite(), folder.join("archive"));
    let mut side = walked("source", &source, 11, 200).await;
    unusual(&mut side).await;
    let files = Arc::clone(&side.guild.files);
    export_with(&source, files.as_ref(), &place).await.unwrap();
    place
}

fn copy(from: &Path, to: &Path) -> Spoiled {
    fs::create_dir_all(to.join("files")).unwrap();
    for folder in ["", "files"] {
        for entry in fs::read_dir(from.join(folder)).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                fs::copy(entry.path(), to.join(folder).join(entry.file_name())).unwrap();
            }
        }
    }
    Spoiled { folder: to.to_owned() }
}

/// How it is spoiled; the code and some words of what is said about it.
type Spoil = (&'static str, fn(&Spoiled), &'static str, &'static str);

const DAMAGED: &str = "archive_damaged";

#[rustfmt::skip]
const SPOILS: &[Spoil] = &[
    ("no manifest", |it| fs::remove_file(it.folder.join("manifest.json")).unwrap(), "archive_incomplete", "no manifest.json"),
    ("half a manifest", |it| {
        let manifest = it.manifest().to_string();
        fs::write(it.folder.join("manifest.json"), &manifest[..manifest.len() / 2]).unwrap();
    }, DAMAGED, "manifest.json"),
    ("a huge manifest", |it| fs::write(it.folder.join("manifest.json"), " ".repeat(2_000_000)).unwrap(), DAMAGED, "larger than"),
    ("something else", |it| it.change_manifest(|m| m["format"] = json!("backup")), DAMAGED, "backup"),
    ("version 3", |it| it.change_manifest(|m| m["version"] = json!(3)), "archive_too_new", "version 3"),
    ("version 0", |it| it.change_manifest(|m| m["version"] = json!(0)), DAMAGED, "version 0"),
    ("an unknown part", |it| it.change_manifest(|m| {
        m["parts"]["polls"] = m["parts"]["channels"].clone();
    }), "archive_too_new", "polls"),
    ("a part elsewhere", |it| it.change_manifest(|m| {
        m["parts"]["../../etc/passwd"] = m["parts"]["channels"].clone();
    }), "archive_too_new", "passwd"),
    ("a part less", |it| it.change_manifest(|m| {
        m["parts"].as_object_mut().unwrap().remove("revisions");
    }), DAMAGED, "revisions"),
    ("longer lines than any", |it| it.change_manifest(|m| m["parts"]["messages"]["longestLine"] = json!(1_u64 << 40)), DAMAGED, "longer"),
    ("a file is missing", |it| fs::remove_file(it.folder.join("members.jsonl")).unwrap(), DAMAGED, "members.jsonl: the file is missing"),
    ("a link", |it| {
        let (file, other) = (it.folder.join("messages.jsonl"), it.folder.join("elsewhere"));
        fs::rename(&file, &other).unwrap();
        std::os::unix::fs::symlink(&other, &file).unwrap();
    }, DAMAGED, "messages.jsonl: it is no regular file"),
    ("a linked manifest", |it| {
        let (file, other) = (it.folder.join("manifest.json"), it.folder.join("elsewhere"));
        fs::rename(&file, &other).unwrap();
        std::os::unix::fs::symlink(&other, &file).unwrap();
    }, DAMAGED, "manifest.json: it is no regular file"),
    ("a folder", |it| {
        fs::remove_file(it.folder.join("messages.jsonl")).unwrap();
        fs::create_dir(it.folder.join("messages.jsonl")).unwrap();
    }, DAMAGED, "messages.jsonl: it is no regular file"),
    ("cut off in a line", |it| {
        let text = fs::read(it.folder.join("messages.jsonl")).unwrap();
        fs::write(it.folder.join("messages.jsonl"), &text[..text.len() - 5]).unwrap();
    }, DAMAGED, "the file ends within it"),
    ("cut off after a line", |it| {
        let lines = it.lines(Part::Messages);
        it.write(Part::Messages, &lines[..lines.len() - 1]);
    }, DAMAGED, "the manifest says"),
    ("a line more", |it| {
        let mut lines = it.lines(Part::Presences);
        lines.push(lines[0].clone());
        it.write(Part::Presences, &lines);
    }, DAMAGED, "the manifest says that there are"),
    ("a letter changed", |it| {
        let text = fs::read_to_string(it.folder.join("messages.jsonl")).unwrap();
        fs::write(it.folder.join("messages.jsonl"), text.replacen("one", "two", 1)).unwrap();
    }, DAMAGED, "messages.jsonl: it was changed after it was written"),
    ("a line of 10 MB", |it| {
        let mut lines = it.lines(Part::Messages);
        lines[2] = lines[2].replace("\"content\":\"", &format!("\"content\":\"{}", "x".repeat(10_000_000)));
        it.write(Part::Messages, &lines);
    }, DAMAGED, "messages.jsonl, line 3: it is longer than the longest line has to be"),
    ("no JSON", |it| {
        let mut lines = it.lines(Part::Members);
        "members!".clone_into(&mut lines[1]);
        it.forge(Part::Members, &lines);
    }, DAMAGED, "members.jsonl, line 2: "),
    ("an unknown field", |it| it.change(Part::Messages, 0, |line| line["colour"] = json!("red")), DAMAGED, "messages.jsonl, line 1: unknown field `colour`"),
    ("an unknown type", |it| it.change(Part::Channels, 0, |line| line["xType"] = json!("voice")), DAMAGED, "voice"),
    ("a NUL", |it| it.change(Part::Messages, 1, |line| line["content"] = json!("a\0b")), DAMAGED, "messages.jsonl, line 2: there is a NUL"),
    ("no text", |it| {
        let mut text = fs::read(it.folder.join("messages.jsonl")).unwrap();
        let place = text.windows(7).position(|window| window == b"content").unwrap() + 10;
        text[place] = 0xff;
        fs::write(it.folder.join("messages.jsonl"), text).unwrap();
    }, DAMAGED, "messages.jsonl, line 1: "),
    ("a seq is missing", |it| {
        let mut lines = it.lines(Part::Messages);
        lines.remove(1);
        it.forge(Part::Messages, &lines);
    }, DAMAGED, "messages.jsonl, line 2: its seq is"),
    ("a message twice", |it| {
        let mut lines = it.lines(Part::Messages);
        lines.insert(1, lines[0].clone());
        it.forge(Part::Messages, &lines);
    }, DAMAGED, "messages.jsonl, line 2: its seq is"),
    ("messages at the end are missing", |it| {
        let mut lines = it.lines(Part::Messages);
        lines.pop();
        it.forge(Part::Messages, &lines);
    }, DAMAGED, "messages.jsonl: the channel"),
    ("a channel twice", |it| {
        let mut lines = it.lines(Part::Channels);
        lines.insert(1, lines[0].clone());
        it.forge(Part::Channels, &lines);
    }, DAMAGED, "channels.jsonl, line 2: lines are not in their order"),
    ("a channel is missing", |it| {
        let mut lines = it.lines(Part::Channels);
        lines.pop();
        it.forge(Part::Channels, &lines);
    }, DAMAGED, "there is no channel"),
    ("a seq beyond the database", |it| it.change(Part::Channels, 0, |line| line["lastSeq"] = json!(u64::MAX)), DAMAGED, "lastSeq is too large"),
    ("a seq below 0", |it| it.change(Part::Channels, 0, |line| line["lastSeq"] = json!(-1)), DAMAGED, "channels.jsonl, line 1: "),
    ("a long id", |it| it.change(Part::Messages, 0, |line| line["authorUserId"] = json!("ü".repeat(81))), DAMAGED, "authorUserId is longer than 80"),
    ("no id", |it| it.change(Part::Members, 0, |line| line["userId"] = json!("")), DAMAGED, "userId is empty"),
    ("a long name", |it| it.change(Part::Channels, 0, |line| line["name"] = json!("ü".repeat(101))), DAMAGED, "name is longer than 100"),
    ("a member twice", |it| {
        let mut lines = it.lines(Part::Members);
        lines.insert(1, lines[0].clone());
        it.forge(Part::Members, &lines);
    }, DAMAGED, "members.jsonl, line 2: "),
    ("a turn without a member", |it| {
        let place = it.lines(Part::Channels).iter().position(|line| line.contains("\"turn\":{")).unwrap();
        it.change(Part::Channels, place, |line| line["turn"]["bypass"].as_array_mut().unwrap().push(json!("nobody")));
    }, DAMAGED, "is no member"),
    ("a turn that cannot be", |it| {
        let place = it.lines(Part::Channels).iter().position(|line| line.contains("\"turn\":{")).unwrap();
        it.change(Part::Channels, place, |line| line["turn"]["cursor"] = json!("nobody"));
    }, DAMAGED, "the cursor is not in the order"),
    ("no turn where there are turns", |it| {
        let place = it.lines(Part::Channels).iter().position(|line| line.contains("\"turn\":{")).unwrap();
        it.change(Part::Channels, place, |line| drop(line.as_object_mut().unwrap().remove("turn")));
    }, DAMAGED, "a turn belongs to"),
    ("a wake of no message", |it| it.change(Part::OwedWakes, 0, |line| line["seq"] = json!(0)), DAMAGED, "owed-wakes.jsonl, line 1: there is no message 0"),
    ("an answer of nobody", |it| it.change(Part::IdempotencyKeys, 0, |line| line["answer"] = json!({"perhaps": 1})), DAMAGED, "idempotency-keys.jsonl, line 1: "),
    ("a marker in no channel", |it| it.change(Part::ReadMarkers, 0, |line| line["channelId"] = json!("0")), DAMAGED, "read-markers.jsonl, line 1: there is no channel 0"),
    ("a number of nothing", |it| it.change(Part::SearchOrder, 0, |line| line["number"] = json!(0)), DAMAGED, "search-order.jsonl, line 1: number is less than 1"),
    ("a number twice", |it| {
        let line: Value = serde_json::from_str(&it.lines(Part::SearchOrder)[0]).unwrap();
        it.change(Part::SearchOrder, 1, |next| next["number"] = line["number"].clone());
    }, DAMAGED, "search-order.jsonl, line 2: lines are not in their order"),
    ("a number is missing", |it| {
        let mut lines = it.lines(Part::SearchOrder);
        lines.remove(1);
        it.forge(Part::SearchOrder, &lines);
    }, DAMAGED, "search-order.jsonl: "),
    ("no search order", |it| it.forge(Part::SearchOrder, &[]), DAMAGED, "and 0 have a place in its order"),
    ("a number more", |it| {
        let mut lines = it.lines(Part::SearchOrder);
        lines.push(json!({"number": 1_000_000, "messageId": "more"}).to_string());
        it.forge(Part::SearchOrder, &lines);
    }, DAMAGED, "search-order.jsonl: "),
    ("bytes are missing", |it| fs::remove_file(it.bytes()).unwrap(), DAMAGED, "the file is missing"),
    ("bytes have changed", |it| {
        let mut bytes = fs::read(it.bytes()).unwrap();
        bytes[0] ^= 1;
        fs::write(it.bytes(), bytes).unwrap();
    }, DAMAGED, "its size or SHA-256"),
    ("bytes more", |it| fs::write(it.bytes(), vec![7; 2_000_000]).unwrap(), DAMAGED, "its size or SHA-256"),
    ("bytes elsewhere", |it| {
        let (file, other) = (it.bytes(), it.folder.join("elsewhere"));
        fs::rename(&file, &other).unwrap();
        std::os::unix::fs::symlink(&other, &file).unwrap();
    }, DAMAGED, "it is no regular file"),
    ("all bytes elsewhere", |it| {
        let (files, other) = (it.folder.join("files"), it.folder.join("elsewhere"));
        fs::rename(&files, &other).unwrap();
        std::os::unix::fs::symlink(&other, &files).unwrap();
    }, DAMAGED, "files: it is no folder"),
    ("a file that climbs", |it| it.change(Part::Files, 0, |line| line["id"] = json!("../../guild.db")), DAMAGED, "files.jsonl, line 1: "),
    ("a name that climbs", |it| it.change(Part::Files, 0, |line| line["name"] = json!("../x")), DAMAGED, "no harmless name"),
    ("a name in an attachment", |it| it.change(Part::Attachments, 0, |line| line["name"] = json!("a\r\nb")), DAMAGED, "no harmless name"),
    ("a type that is none", |it| it.change(Part::Files, 0, |line| line["mime"] = json!("text/html\r\nx: y")), DAMAGED, "no media type"),
    ("an attachment in no channel", |it| it.change(Part::Attachments, 0, |line| line["channelId"] = json!("0")), DAMAGED, "attachments.jsonl, line 1: there is no channel 0"),
];

async fn verify(folder: &Path) -> Result<(), ArchiveError> {
    Archive::open(folder)?.verify(Arc::new(|_| ())).await.map(drop)
}

#[tokio::test]
async fn whatever_is_wrong_with_an_archive_is_told_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (place, target) = (archive(folder.path()).await, databases::sqlite_at(folder.path()));
    for (n, (name, spoil, code, words)) in SPOILS.iter().enumerate() {
        let spoiled = copy(&place, &folder.path().join(n.to_string()));
        spoil(&spoiled);
        let refused = import(&target, &spoiled.folder).await.expect_err(name);
        let told = refused.to_string();
        assert_eq!(refused.code(), *code, "{name}: {told}");
        assert!(told.contains(words), "{name}: {told}");
        assert_eq!(verify(&spoiled.folder).await.expect_err(name).to_string(), told, "{name}");
        // Not even a database has been made.
        assert!(!folder.path().join("guild.db").exists(), "{name}");
    }
    import(&target, &place).await.expect("what was copied is good");
}

#[tokio::test]
async fn an_archive_of_another_guild_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive::open(&archive(folder.path()).await).unwrap();
    let refused = archive.of_guild(&"south".into()).unwrap_err();
    assert!(matches!(refused, ArchiveError::OtherGuild { .. }), "{refused}");
    assert!(refused.to_string().contains("guild") && refused.to_string().contains("south"), "{refused}");
}

/// What takes more memory than an import has is found while it loads; the database is empty again afterwards.
async fn what_only_the_database_can_tell_is_told_with_its_line(fresh: Fresh) {
    let folder = tempfile::tempdir().unwrap();
    let place = archive(folder.path()).await;
    let spoils: [Spoil; 6] = [
        (
            "an id twice",
            |it| {
                let last = it.lines(Part::Messages).len() - 1;
                let id = serde_json::from_str::<Value>(&it.lines(Part::Messages)[0]).unwrap()["id"].clone();
                it.change(Part::Messages, last, |line| line["id"] = id);
            },
            DAMAGED,
            "its id is that of line 1",
        ),
        (
            "a message with two numbers",
            |it| {
                let line: Value = serde_json::from_str(&it.lines(Part::SearchOrder)[0]).unwrap();
                it.change(Part::SearchOrder, 1, |next| next["messageId"] = line["messageId"].clone());
            },
            DAMAGED,
            "search-order.jsonl: a message is there twice",
        ),
        (
            "a number of no message",
            |it| it.change(Part::SearchOrder, 2, |line| line["messageId"] = json!("nothing")),
            DAMAGED,
            "search-order.jsonl, line 3: there is no such message",
        ),
        (
            "an answer to nothing",
            |it| it.change(Part::Messages, 3, |line| line["replyTo"] = json!("nothing")),
            DAMAGED,
            "messages.jsonl, line 4: it answers a message that is not in its channel",
        ),
        (
            "an attachment of nothing",
            |it| it.change(Part::Attachments, 0, |line| line["messageId"] = json!("a")),
            DAMAGED,
            "attachments.jsonl, line",
        ),
        (
            "a former text of nothing",
            |it| {
                let lines = [r#"{"messageId":"nothing","number":0,"content":"","replacedAt":1}"#.to_owned()];
                it.forge(Part::Revisions, &lines);
            },
            DAMAGED,
            "revisions.jsonl, line 1: its message is not there",
        ),
    ];
    for (n, (name, spoil, code, words)) in spoils.iter().enumerate() {
        let spoiled = copy(&place, &folder.path().join(n.to_string()));
        spoil(&spoiled);
        let bytes = no_bytes();
        let refused = import_with(&fresh, Arc::clone(&bytes), &spoiled.folder).await.expect_err(name);
        assert!(bytes.everything().is_empty(), "{name}: bytes stayed behind");
        assert_eq!(refused.code(), *code, "{name}: {refused}");
        assert!(refused.to_string().contains(words), "{name}: {refused}");
        assert_eq!(rows(&fresh).await, 0, "{name}");
    }
    import(&fresh, &place).await.expect("what was copied is good");
}
