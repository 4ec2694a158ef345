//! The table of spec/2 section 1, cell by cell: every channel type, every author, with and without
//! mentions, ordinary and system posts, for every kind of member.

use std::collections::BTreeSet;

use fabric_domain::model::{
    Author, Caller, ChannelType, Delivery, DeliveryPlan, Member, Members, PendingWake, UserId, UserKind,
    WakeReason, WakeRecipients,
};
use fabric_domain::rules::delivery::{self, Delivered};
use fabric_domain::rules::turn::{Input, Seat, Seed, TurnState};

/// The columns are members: `plain` is nothing special, `named` is mentioned where the row says so,
/// `duty` is in the wake mapping, `both` is mentioned and in the wake mapping, `busy` has that presence,
/// `admin` is Center's admin, `turn` is the active speaker of a channel with turns. `out` are those who
/// have joined a public channel's room without being members.
///
/// `o` observes, `-` is skipped, any other letter wakes: general, dm, listener, Duty, mention, turn,
/// targeted (`*`).
///
/// | row | the post |
/// |---|---|
/// | `x` | by the member `x`, or by a `guest` who is none, without mentions |
/// | `x @` | the same, mentioning `named` and `both` |
/// | `x @y` | the same, mentioning `y` alone |
/// | `sys`, `sys @`, `sys>x` | by the system: no target, mentions, the target `x` |
const TABLE: &str = "
              plain named duty both busy admin turn | out
general
  plain         o     g    g    g    g     g     g  |  o
  plain @       o     m    o    m    o     o     o  |  o
  plain @plain  o     g    g    g    g     g     g  |  o
  plain @guest  o     g    g    g    g     g     g  |  o
  plain @turn   o     o    o    o    o     o     m  |  o
  named @       o     o    o    m    o     o     o  |  o
  guest         g     g    g    g    g     g     g  |  o
  guest @       o     m    o    m    o     o     o  |  o
  guest @guest  g     g    g    g    g     g     g  |  o
  sys           o     o    o    o    o     o     o  |  o
  sys @         o     o    o    o    o     o     o  |  o
  sys>plain     *     o    o    o    o     o     o  |  o
  sys>busy      o     o    o    o    *     o     o  |  o
  sys>guest     o     o    o    o    o     o     o  |  o
dm
  plain         o     d    d    d    d     d     d  |  o
  plain @       o     d    d    d    d     d     d  |  o
  plain @plain  o     d    d    d    d     d     d  |  o
  busy          d     d    d    d    o     d     d  |  o
  guest @       d     d    d    d    d     d     d  |  o
  sys           o     o    o    o    o     o     o  |  o
  sys>named     o     *    o    o    o     o     o  |  o
report
  plain         o     o    o    o    o     o     o  |  o
  plain @       o     o    o    o    o     o     o  |  o
  admin @       o     o    o    o    o     o     o  |  o
  guest @       o     o    o    o    o     o     o  |  o
  sys           o     o    o    o    o     o     o  |  o
  sys>plain     *     o    o    o    o     o     o  |  o
custom
  plain         o     o    l    l    o     o     o  |  o
  plain @       o     o    l    l    o     o     o  |  o
  plain @plain  o     o    l    l    o     o     o  |  o
  duty          o     o    o    l    o     o     o  |  o
  both @        o     o    l    o    o     o     o  |  o
  guest @       o     o    l    l    o     o     o  |  o
  sys           o     o    o    o    o     o     o  |  o
  sys>plain     *     o    o    o    o     o     o  |  o
  sys>duty      o     o    *    o    o     o     o  |  o
triage
  plain         -     -    D    D    -     o     -  |  -
  plain @       -     m    D    D    -     o     -  |  -
  plain @plain  -     -    D    D    -     o     -  |  -
  plain @admin  -     -    D    D    -     m     -  |  -
  duty          -     -    -    D    -     o     -  |  -
  named @       -     -    D    D    -     o     -  |  -
  both @        -     m    D    -    -     o     -  |  -
  admin @       -     m    D    D    -     -     -  |  -
  guest @       -     m    D    D    -     o     -  |  -
  sys           -     -    o    o    -     o     -  |  -
  sys @         -     o    o    o    -     o     -  |  -
  sys>plain     -     -    o    o    -     o     -  |  -
  sys>duty      -     -    *    o    -     o     -  |  -
  sys>admin     -     -    o    o    -     *     -  |  -
  sys>guest     -     -    o    o    -     o     -  |  -
announce
  plain         o     o    o    o    -     o     o  |  o
  plain @       o     o    o    o    -     o     o  |  o
  plain @busy   o     o    o    o    -     o     o  |  o
  busy          o     o    o    o    o     o     o  |  o
  guest @       o     o    o    o    -     o     o  |  o
  sys           o     o    o    o    -     o     o  |  o
  sys>plain     *     o    o    o    -     o     o  |  o
  sys>busy      o     o    o    o    -     o     o  |  o
discuss
  plain         o     o    o    o    o     o     t  |  o
  plain @       o     o    o    o    o     o     t  |  o
  turn          o     o    o    o    o     o     o  |  o
  turn @        o     o    o    o    o     o     o  |  o
  busy          o     o    o    o    o     o     t  |  o
  guest @       o     o    o    o    o     o     t  |  o
  sys           o     o    o    o    o     o     o  |  o
  sys @         o     o    o    o    o     o     o  |  o
  sys>plain     *     o    o    o    o     o     o  |  o
  sys>turn      o     o    o    o    o     o     *  |  o
  sys>guest     o     o    o    o    o     o     o  |  o
work
  plain         o     o    o    o    o     o     t  |  o
  plain @       o     o    o    o    o     o     t  |  o
  turn          o     o    o    o    o     o     o  |  o
  turn @        o     o    o    o    o     o     o  |  o
  busy          o     o    o    o    o     o     t  |  o
  guest @       o     o    o    o    o     o     t  |  o
  sys           o     o    o    o    o     o     o  |  o
  sys @         o     o    o    o    o     o     o  |  o
  sys>plain     *     o    o    o    o     o     o  |  o
  sys>turn      o     o    o    o    o     o     *  |  o
  sys>guest     o     o    o    o    o     o     o  |  o
";

#[test]
fn every_cell_of_the_table() {
    let mut lines = TABLE.lines().filter(|line| !line.is_empty());
    let columns: Vec<&str> =
        lines.next().unwrap().split([' ', '|']).filter(|word| !word.is_empty()).collect();
    let mut channel_type: Option<ChannelType> = None;
    let mut wrong = Vec::new();
    let mut types = Vec::new();
    for line in lines {
        let Some(row) = line.strip_prefix("  ") else {
            channel_type = Some(line.parse().unwrap());
            types.extend(channel_type);
            continue;
        };
        let channel_type = channel_type.unwrap();
        let (post, cells) = row.split_at("plain @plain".len());
        let cells: Vec<&str> = cells.split([' ', '|']).filter(|word| !word.is_empty()).collect();
        assert_eq!(cells.len(), columns.len(), "{line}");
        let plan = deliver(channel_type, post.trim());
        for (column, expected) in columns.iter().zip(cells) {
            let found = letter(plan.of(&(*column).into(), *column != "out"));
            if found.to_string() != expected {
                wrong.push(format!("{channel_type}, {}: {column} is {found}, not {expected}", post.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    types.sort_by_key(|t| ChannelType::ALL.iter().position(|other| other == t));
    assert_eq!(types, ChannelType::ALL, "every type has its rows");
}

fn letter(delivery: Delivery) -> char {
    match delivery {
        Delivery::Observe => 'o',
        Delivery::Skip => '-',
        Delivery::Wake(WakeReason::General) => 'g',
        Delivery::Wake(WakeReason::Dm) => 'd',
        Delivery::Wake(WakeReason::Listener) => 'l',
        Delivery::Wake(WakeReason::OnDuty) => 'D',
        Delivery::Wake(WakeReason::Mention) => 'm',
        Delivery::Wake(WakeReason::Turn) => 't',
        Delivery::Wake(WakeReason::Targeted) => '*',
    }
}

fn members() -> Members {
    ["plain", "named", "duty", "both", "busy", "admin", "turn"]
        .map(|name| Member { user_id: name.into(), wake_mapped: matches!(name, "duty" | "both") })
        .into()
}

fn busy() -> BTreeSet<UserId> {
    ["busy".into()].into()
}

/// One row: `plain @`, `sys>busy`, …
fn deliver(channel_type: ChannelType, post: &str) -> DeliveryPlan {
    let (author, mentioned) = match post.split_once(" @") {
        None => (post, vec![]),
        Some((author, "")) => (author, vec!["named", "both"]),
        Some((author, one)) => (author, vec![one]),
    };
    let author = match author.strip_prefix("sys") {
        None => by(author),
        Some(target) => Author::System { wakeup: target.strip_prefix('>').map(UserId::from) },
    };
    let mentions: Vec<UserId> = mentioned.into_iter().map(UserId::from).collect();
    let turn = speaking("turn");
    let message = Delivered {
        channel_type,
        author: &author,
        mentions: &mentions,
        turn: channel_type.has_turns().then_some(&turn),
        is_ack: false,
        admin: Some(&"admin".into()),
        members: &members(),
        busy: &busy(),
    };
    delivery::plan(&message)
}

fn by(name: &str) -> Author {
    Author::User(Caller { user_id: name.into(), kind: UserKind::Human })
}

/// A turn in which this member of the order is the active speaker.
fn speaking(name: &str) -> TurnState {
    let mut state = TurnState::new([name.into(), UserId::from("other")], []);
    state.apply(&Input::ForceProceed { by: "other".into(), turn: None }, Seed(0));
    assert_eq!(state.active(), Some(&name.into()));
    state
}

const TURNS: [ChannelType; 2] = [ChannelType::Discuss, ChannelType::Work];

#[test]
fn with_turns_the_mentioned_speaker_is_woken_as_mentioned_and_an_idle_channel_wakes_nobody() {
    let mut in_frame = speaking("plain");
    in_frame.apply(&Input::MemberAdded { user: "named".into(), seat: Seat::Order }, Seed(0));
    in_frame.apply(
        &Input::Message { author: "other".into(), mentioned: vec!["named".into()], turn: None },
        Seed(0),
    );
    let idle = TurnState::new(["plain".into(), "named".into()], []);
    for channel_type in TURNS {
        for (turn, is_ack, author, expected) in [
            (&in_frame, false, by("plain"), Some(("named", WakeReason::Mention))),
            (&in_frame, false, by("named"), None),
            (&in_frame, false, Author::System { wakeup: None }, None),
            (&in_frame, true, Author::System { wakeup: None }, Some(("named", WakeReason::Mention))),
            (&speaking("named"), true, Author::System { wakeup: None }, Some(("named", WakeReason::Turn))),
            (&idle, false, by("plain"), None),
            (&idle, true, Author::System { wakeup: None }, None),
        ] {
            let message = Delivered {
                channel_type,
                author: &author,
                mentions: &[],
                turn: Some(turn),
                is_ack,
                admin: None,
                members: &members(),
                busy: &busy(),
            };
            let plan = delivery::plan(&message);
            let everybody = members();
            let woken: Vec<_> =
                plan.woken(&everybody).map(|(user, reason)| (user.as_str(), reason)).collect();
            assert_eq!(
                woken,
                expected.into_iter().collect::<Vec<_>>(),
                "{channel_type} {author:?} ack {is_ack}"
            );
            assert!(everybody.users().all(|user| plan.of(user, true) != Delivery::Skip));
        }
    }
}

#[test]
fn the_admin_outside_of_the_channel_observes_triage_and_nothing_else() {
    let admin = UserId::from("boss");
    for channel_type in ChannelType::ALL {
        let turn = speaking("turn");
        let turn = channel_type.has_turns().then_some(&turn);
        for (author, in_triage) in [
            (by("plain"), Delivery::Observe),
            (by("guest"), Delivery::Observe),
            (by("boss"), Delivery::Skip),
            (Author::System { wakeup: None }, Delivery::Observe),
            (Author::System { wakeup: Some("plain".into()) }, Delivery::Observe),
        ] {
            let message = Delivered {
                channel_type,
                author: &author,
                mentions: &[],
                turn,
                is_ack: false,
                admin: Some(&admin),
                members: &members(),
                busy: &busy(),
            };
            let plan = delivery::plan(&message);
            let is_triage = channel_type == ChannelType::Triage;
            let as_any_other = if is_triage { Delivery::Skip } else { Delivery::Observe };
            let expected = if is_triage { in_triage } else { as_any_other };
            assert_eq!(plan.of(&admin, false), expected, "{channel_type} {author:?}");
            assert_eq!(plan.outside_observer.as_ref(), is_triage.then_some(&admin), "{channel_type}");
            let nobody = delivery::plan(&Delivered { admin: None, ..message });
            assert_eq!(nobody.of(&admin, false), as_any_other, "{channel_type}: no admin is known");
            assert_eq!(nobody.outside_observer, None);
        }
    }
}

#[test]
fn the_admin_outside_observes_also_when_mentioned_since_only_members_mentions_count() {
    let admin = UserId::from("boss");
    let author = by("plain");
    let message = Delivered {
        channel_type: ChannelType::Triage,
        author: &author,
        mentions: std::slice::from_ref(&admin),
        turn: None,
        is_ack: false,
        admin: Some(&admin),
        members: &members(),
        busy: &busy(),
    };
    assert_eq!(delivery::plan(&message).of(&admin, false), Delivery::Observe);
    let mut members = members();
    members.upsert(Member::new(admin.clone()));
    let message = Delivered { members: &members, ..message };
    assert_eq!(delivery::plan(&message).of(&admin, true), Delivery::Wake(WakeReason::Mention));
}

#[test]
fn announce_skips_the_busy_and_nobody_else() {
    let (everybody, busy) = (members(), busy());
    for author in [by("guest"), Author::System { wakeup: None }] {
        let message = Delivered {
            channel_type: ChannelType::Announce,
            author: &author,
            mentions: &[],
            turn: None,
            is_ack: false,
            admin: None,
            members: &everybody,
            busy: &busy,
        };
        let plan = delivery::plan(&message);
        for user in everybody.users() {
            let expected = if user.as_str() == "busy" { Delivery::Skip } else { Delivery::Observe };
            assert_eq!(plan.of(user, true), expected, "{user} {author:?}");
        }
    }
}

#[test]
fn presence_matters_to_nothing_but_announce() {
    let everybody = members();
    let all_busy: BTreeSet<UserId> = everybody.users().cloned().collect();
    for channel_type in
        ChannelType::ALL.into_iter().filter(|channel_type| *channel_type != ChannelType::Announce)
    {
        let turn = speaking("turn");
        let message = Delivered {
            channel_type,
            author: &by("guest"),
            mentions: &["plain".into()],
            turn: channel_type.has_turns().then_some(&turn),
            is_ack: false,
            admin: None,
            members: &everybody,
            busy: &all_busy,
        };
        let nobody_busy = Delivered { busy: &BTreeSet::new(), ..message };
        assert_eq!(delivery::plan(&message), delivery::plan(&nobody_busy), "{channel_type}");
    }
}

/// What is said of everybody costs nothing for each of them: only those are listed who get it in another way.
#[test]
fn a_plan_lists_only_who_differs_from_the_rest() {
    let everybody: Members = (0..10_000).map(|n| Member::new(UserId::new(format!("u{n}")))).collect();
    let (author, nobody) = (by("u0"), BTreeSet::new());
    let turn = speaking("plain");
    for channel_type in ChannelType::ALL {
        let message = Delivered {
            channel_type,
            author: &author,
            mentions: &["u7".into()],
            turn: channel_type.has_turns().then_some(&turn),
            is_ack: false,
            admin: None,
            members: &everybody,
            busy: &nobody,
        };
        let listed = delivery::plan(&message).exceptions.len();
        assert!(listed <= 2, "{channel_type} lists {listed}");
    }
}

#[test]
fn a_wake_of_everybody_is_pending_only_where_there_is_somebody_besides_the_author() {
    let author = by("plain");
    let pending = |members: &Members| {
        let message = Delivered {
            channel_type: ChannelType::Dm,
            author: &author,
            mentions: &[],
            turn: None,
            is_ack: false,
            admin: None,
            members,
            busy: &BTreeSet::new(),
        };
        let plan = delivery::plan(&message);
        delivery::pending_wake(ChannelType::Dm, &author.id(), &plan, members)
    };
    assert_eq!(pending(&[Member::new("plain".into())].into()), None);
    let both: Members = ["plain", "named"].map(|name| Member::new(name.into())).into();
    let recipients = WakeRecipients::Everybody(WakeReason::Dm);
    assert_eq!(pending(&both), Some(PendingWake { hop: 0, author: "plain".into(), recipients }));
}
