//! The table of spec/2 section 1, cell by cell: every channel type, every author, with and without
//! mentions, ordinary and system posts, for every kind of member.

use fabric_domain::model::{
    Author, Caller, ChannelType, Delivery, DeliveryPlan, Member, PresenceStatus, UserId, UserKind, WakeReason,
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
        assert_eq!(plan.recipients.len() + 1, columns.len(), "one decision a member");
        for (column, expected) in columns.iter().zip(cells) {
            let found = match (*column, plan.others_observe) {
                ("out", true) => 'o',
                ("out", false) => '-',
                (name, _) => letter(plan.of(&name.into()).unwrap()),
            };
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

fn members() -> Vec<Member> {
    ["plain", "named", "duty", "both", "busy", "admin", "turn"]
        .map(|name| Member {
            user_id: name.into(),
            wake_mapped: matches!(name, "duty" | "both"),
            presence: if name == "busy" { PresenceStatus::Busy } else { PresenceStatus::Unknown },
        })
        .into()
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
    };
    delivery::plan(&message, &members())
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
            };
            let plan = delivery::plan(&message, &members());
            let woken: Vec<_> = plan.woken().map(|(user, reason)| (user.as_str(), reason)).collect();
            assert_eq!(
                woken,
                expected.into_iter().collect::<Vec<_>>(),
                "{channel_type} {author:?} ack {is_ack}"
            );
            assert!(plan.recipients.iter().all(|(_, delivery)| *delivery != Delivery::Skip));
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
            };
            let plan = delivery::plan(&message, &members());
            let expected = (channel_type == ChannelType::Triage).then_some(in_triage);
            assert_eq!(plan.of(&admin), expected, "{channel_type} {author:?}");
            let nobody = Delivered { admin: None, ..message };
            assert_eq!(
                delivery::plan(&nobody, &members()).of(&admin),
                None,
                "{channel_type}: no admin is known"
            );
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
    };
    assert_eq!(delivery::plan(&message, &members()).of(&admin), Some(Delivery::Observe));
    let mut members = members();
    members.push(Member { user_id: admin.clone(), wake_mapped: false, presence: PresenceStatus::Unknown });
    assert_eq!(delivery::plan(&message, &members).of(&admin), Some(Delivery::Wake(WakeReason::Mention)));
}

#[test]
fn announce_goes_by_presence() {
    for presence in PresenceStatus::ALL {
        let member = Member { user_id: "plain".into(), wake_mapped: false, presence };
        let expected = if presence == PresenceStatus::Busy { Delivery::Skip } else { Delivery::Observe };
        for author in [by("guest"), Author::System { wakeup: None }] {
            let message = Delivered {
                channel_type: ChannelType::Announce,
                author: &author,
                mentions: &[],
                turn: None,
                is_ack: false,
                admin: None,
            };
            let plan = delivery::plan(&message, std::slice::from_ref(&member));
            assert_eq!(plan.of(&member.user_id), Some(expected), "{presence} {author:?}");
        }
    }
}

#[test]
fn presence_matters_to_nothing_but_announce() {
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
        };
        let of = |presence| {
            let members = [("plain", false), ("duty", true), ("turn", false)];
            let members =
                members.map(|(name, wake_mapped)| Member { user_id: name.into(), wake_mapped, presence });
            delivery::plan(&message, &members)
        };
        for presence in PresenceStatus::ALL {
            assert_eq!(of(presence), of(PresenceStatus::Unknown), "{channel_type} {presence}");
        }
    }
}
