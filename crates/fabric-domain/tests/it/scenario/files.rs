//! One test per file of scenarios, and the proof that a scenario can fail.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use super::check;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/scenarios")
}

fn read(name: &str) -> String {
    fs::read_to_string(folder().join(name).with_extension("txt")).unwrap()
}

macro_rules! scenario_files {
    ($($name:ident),* $(,)?) => {
        const FILES: &[&str] = &[$(stringify!($name)),*];

        $(
            #[test]
            fn $name() {
                if let Err(failed) = check(concat!(stringify!($name), ".txt"), &read(stringify!($name))) {
                    panic!("{failed}\n");
                }
            }
        )*
    };
}

scenario_files! {
    s1_general_dm_report,
    s1_custom_triage_announce,
    s1_discuss_work,
    s1_s7_system_posts,
    s2_mentions,
    s3_state,
    s4_1_idle,
    s4_2_active_speaker,
    s4_3_queue_jump,
    s4_no_reply,
    s4_force_proceed,
    s4_timeout,
    s4_members,
    s5_rounds,
    s6_sub_frames,
    s7_commands,
    s7_named_turns,
}

#[test]
fn every_file_is_run() {
    let found: BTreeSet<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(found, FILES.iter().map(ToString::to_string).collect());
}

#[test]
fn no_title_is_used_twice() {
    let mut titles = BTreeSet::new();
    for name in FILES {
        for title in read(name).lines().filter(|line| line.starts_with("## ")) {
            assert!(titles.insert(title.to_owned()), "{name}: {title}");
        }
    }
}

/// A step whose outcome is replaced by another one must fail, in every scenario: none of them is idle talk.
#[test]
fn every_expected_outcome_can_fail() {
    for name in FILES {
        let text = read(name);
        for (number, line) in (1..).zip(text.lines()) {
            let Some((deed, outcome)) = line.rsplit_once("=>").filter(|_| !line.starts_with('#')) else {
                continue;
            };
            let wrong = if outcome.trim() == "idle" { "stays" } else { "idle" };
            let changed = text.replacen(line, &format!("{deed}=> {wrong}"), 1);
            assert!(check(name, &changed).is_err(), "{name}:{number} accepts any outcome: {line}");
        }
    }
}

#[test]
fn the_example_in_the_readme_is_true() {
    let readme = fs::read_to_string(folder().join("README.md")).unwrap();
    let example = readme.split("```text\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert_eq!(check("README.md", example), Ok(1));
}

const CONVERSATION: &str = "
## A title
channel discuss: alice bob carol | bypass: dave
alice: hello <@dave> => wake dave (mention)
state: active: dave | root: bob | frames: [dave*] | declined: none | order: alice bob carol
state: last author: alice | summoned: dave 1
stored: hello <@dave>
mentions: dave
carol: /no-reply => rejected not_current_speaker
dave leaves => turn bob (turn)
";

#[test]
fn a_wrong_expectation_is_reported_with_what_came_instead() {
    assert_eq!(check("talk.txt", CONVERSATION), Ok(1));
    for (right, wrong, report) in [
        ("wake dave (mention)", "wake carol (mention)", "got: wake dave (mention), outsiders observe"),
        ("wake dave (mention)", "wake dave (turn)", "got: wake dave (mention)"),
        ("wake dave (mention)", "wake alice dave (mention)", "got: wake dave (mention)"),
        ("wake dave (mention)", "wake one of bob carol (mention)", "got: wake dave (mention)"),
        ("wake dave (mention)", "wake dave (mention), skip bob", "got: wake dave (mention)"),
        ("wake dave (mention)", "wake dave (mention), outsiders skip", "outsiders observe"),
        ("wake dave (mention)", "ack, wake dave (mention)", "got: wake dave (mention)"),
        ("wake dave (mention)", "nobody", "expected: nobody"),
        ("active: dave", "idle", "expected: idle"),
        ("active: dave", "active: bob", "got: active: dave | root: bob"),
        ("root: bob", "root: nobody", "expected: root: nobody"),
        ("[dave*]", "[dave bob*]", "frames: [dave*]"),
        ("frames: [dave*]", "frames: none", "frames: [dave*]"),
        ("declined: none", "declined: alice", "declined: none"),
        ("order: alice bob carol", "order: alice carol bob", "order: alice bob carol"),
        ("order: alice bob carol", "order: {alice bob} (first not bob)", "order: alice bob carol"),
        ("order: alice bob carol", "order: {alice bob} carol (first not alice)", "order: alice bob carol"),
        ("declined: none", "turn: 2", "turn: 1"),
        ("declined: none", "bypass: none", "bypass: dave"),
        ("last author: alice", "last author: nobody", "last author: alice"),
        ("summoned: dave 1", "summoned: dave 2", "summoned: dave 1"),
        ("summoned: dave 1", "summoned: none", "summoned: dave 1"),
        ("stored: hello <@dave>", "stored: hello", "got: hello <@dave>"),
        ("mentions: dave", "mentions: none", "got: dave"),
        ("rejected not_current_speaker", "rejected other", "got: rejected not_current_speaker"),
        ("carol: /no-reply", "carol (turn 2): /no-reply", "got: rejected turn_over"),
        ("turn bob (turn)", "stays", "got: turn bob (turn)"),
        ("turn bob (turn)", "turn bob (mention)", "got: turn bob (turn)"),
    ] {
        let text = CONVERSATION.replacen(right, wrong, 1);
        assert_ne!(text, CONVERSATION);
        let failed = check("talk.txt", &text).expect_err(wrong);
        assert!(failed.contains(report) && failed.contains("A title"), "{wrong}:\n{failed}");
    }
}

#[test]
fn what_is_not_understood_is_an_error() {
    for (right, wrong) in [
        ("## A title", ""),
        ("channel discuss: alice", "channel disco: alice"),
        ("alice bob carol |", "alice bob alice |"),
        ("bypass: dave", "by-pass: dave"),
        ("bypass: dave", "on duty: dave"),
        ("bypass: dave", "bypass: dave | busy: eve"),
        ("bypass: dave", "bypass: state"),
        ("channel discuss: alice bob carol | bypass: dave", "channel discuss: alice bob carol dave |"),
        ("channel discuss", "channel dm"),
        ("alice: hello", "alcie: hello"),
        (" => wake dave (mention)", ""),
        ("wake dave (mention)", ""),
        ("wake dave (mention)", "wake dvae (mention)"),
        ("wake dave (mention)", "wake dave"),
        ("wake dave (mention)", "wake dave (because)"),
        ("wake dave (mention)", "wake (mention)"),
        ("wake dave (mention)", "wake dave (mention), nobody"),
        ("wake dave (mention)", "ack"),
        ("wake dave (mention)", "skip"),
        ("active: dave", "actvie: dave"),
        ("active: dave", "active: eve"),
        ("[dave*]", "[dave]"),
        ("[dave*]", "dave*"),
        ("declined: none", "declined: nobody"),
        ("declined: none", "turn: few"),
        ("last author: alice", "last author: eve"),
        ("summoned: dave 1", "summoned: dave"),
        ("summoned: dave 1", "summoned: dave few"),
        ("carol: /no-reply", "carol (turn x): /no-reply"),
        ("carol: /no-reply", "carol (turn 1: /no-reply"),
        ("carol: /no-reply", "eve (turn 1): /no-reply"),
        ("order: alice bob carol", "order: {alice bob carol"),
        ("order: alice bob carol", "order: alice bob carol (first not bob)"),
        ("mentions: dave", "mention: dave"),
        ("dave leaves", "dave vanishes"),
        ("dave leaves", "timeout of turn x"),
        ("dave leaves", "system to dave: hello"),
        ("dave leaves => turn bob (turn)", "dave is tired"),
        ("dave leaves => turn bob (turn)", "seed x"),
        ("dave leaves => turn bob (turn)", "## Another title"),
        ("dave leaves => turn bob (turn)", "something"),
    ] {
        let text = CONVERSATION.replacen(right, wrong, 1);
        assert_ne!(text, CONVERSATION, "{right} is not in the text");
        assert!(check("talk.txt", &text).is_err(), "{wrong:?} instead of {right:?} was accepted");
    }
    assert!(check("talk.txt", "").is_err());
    assert!(check("talk.txt", "## A title\nchannel discuss: alice\nseed 1\n").is_err(), "expects nothing");
}
