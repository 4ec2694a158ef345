//! Nasty cases, one by one: what removal, depth, silence and strangers could break.

use std::collections::{BTreeMap, BTreeSet};

use fabric_domain::model::{Author, Caller, ChannelType, Member, Members, Rejection, UserId, UserKind};
use fabric_domain::rules::delivery::{self, Delivered};
use fabric_domain::rules::turn::{Effect, Input, MAX_FRAMES, Seat, Seed, TurnState};

/// A channel that can be talked to.
struct Room {
    state: TurnState,
    steps: u64,
}

fn users(names: &str) -> Vec<UserId> {
    names.split_whitespace().map(UserId::new).collect()
}

impl Room {
    fn new(order: &str, bypass: &str) -> Self {
        Self { state: TurnState::new(users(order), users(bypass)), steps: 0 }
    }

    fn apply(&mut self, input: &Input) -> Effect {
        self.steps += 1;
        self.state.apply(input, Seed(self.steps))
    }

    fn says(&mut self, author: &str, mentioned: &str) -> Effect {
        self.apply(&Input::Message { author: author.into(), mentioned: users(mentioned), turn: None })
    }

    fn passes(&mut self, by: &str) -> Effect {
        self.apply(&Input::NoReply { by: by.into(), turn: None })
    }

    fn forces(&mut self, by: &str) -> Effect {
        self.apply(&Input::ForceProceed { by: by.into(), turn: None })
    }

    fn leaves(&mut self, user: &str) -> Effect {
        self.apply(&Input::MemberRemoved { user: user.into() })
    }

    fn joins(&mut self, user: &str, seat: Seat) -> Effect {
        self.apply(&Input::MemberAdded { user: user.into(), seat })
    }

    fn moves_to_bypass(&mut self, user: &str) -> Effect {
        self.apply(&Input::MovedToBypass { user: user.into() })
    }

    fn times_out(&mut self, turn: u64) -> Effect {
        self.apply(&Input::Timeout { turn })
    }

    fn active(&self) -> &str {
        self.state.active().map_or("nobody", UserId::as_str)
    }

    fn root(&self) -> &str {
        self.state.cursor().map_or("nobody", UserId::as_str)
    }

    fn order(&self) -> String {
        self.state.order().iter().map(UserId::as_str).collect::<Vec<_>>().join(" ")
    }

    /// `[a* b] [c d*]`, the bottom-most first.
    fn frames(&self) -> String {
        let told = self.state.frames().iter().map(|frame| {
            let entries = frame.queue().iter().enumerate();
            let entries =
                entries.map(|(i, user)| format!("{user}{}", if i == frame.position() { "*" } else { "" }));
            format!("[{}]", entries.collect::<Vec<_>>().join(" "))
        });
        told.collect::<Vec<_>>().join(" ")
    }
}

/// `a` at root below three frames; `b`, `x`, `y`, `z` are interrupted, `w` is active.
fn nested() -> Room {
    let mut room = Room::new("a b c", "x y z w");
    room.says("c", "");
    room.says("a", "b x");
    room.says("b", "x y");
    room.says("c", "w b");
    assert_eq!((room.root(), room.frames().as_str()), ("a", "[b* x] [x* y] [w* b]"));
    room
}

#[test]
fn the_active_entry_of_the_top_frame_is_removed() {
    let mut room = nested();
    assert_eq!(room.leaves("w"), Effect::Moved);
    assert_eq!((room.active(), room.frames().as_str()), ("b", "[b* x] [x* y] [b*]"));
    assert_eq!(room.leaves("b"), Effect::Moved, "active on top, interrupted below, and in the order");
    assert_eq!((room.active(), room.frames().as_str(), room.order().as_str()), ("x", "[x*] [x* y]", "a c"));
    assert_eq!(room.leaves("x"), Effect::Moved);
    assert_eq!((room.active(), room.frames().as_str()), ("y", "[y*]"));
    assert_eq!(room.leaves("y"), Effect::Moved);
    assert_eq!((room.active(), room.frames().as_str()), ("a", ""));
}

#[test]
fn an_interrupted_entry_of_a_lower_frame_is_removed() {
    let mut room = nested();
    let turn = room.state.turn();
    assert_eq!(room.leaves("x"), Effect::Stayed);
    assert_eq!((room.active(), room.frames().as_str()), ("w", "[b*] [y*] [w* b]"));
    assert_eq!(room.leaves("y"), Effect::Stayed, "a frame in the middle is spent");
    assert_eq!(room.frames(), "[b*] [w* b]");
    assert_eq!(room.state.turn(), turn);
    room.passes("w");
    room.passes("b");
    assert_eq!((room.active(), room.frames().as_str()), ("a", ""), "b has declined, below as well");
}

#[test]
fn the_root_speaker_below_the_frames_is_removed() {
    let mut room = nested();
    let turn = room.state.turn();
    assert_eq!(room.leaves("a"), Effect::Stayed);
    assert_eq!((room.active(), room.root(), room.order().as_str()), ("w", "b", "b c"));
    assert_eq!(room.state.turn(), turn, "the active speaker keeps the turn");
}

#[test]
fn the_root_speaker_who_is_active_on_top_and_interrupted_below_is_removed() {
    let mut room = Room::new("a b", "x y");
    room.says("b", "");
    room.says("b", "a x");
    room.says("a", "y");
    room.says("x", "a");
    assert_eq!((room.root(), room.frames().as_str()), ("a", "[a* x] [y*] [a*]"));
    assert_eq!(room.leaves("a"), Effect::Moved);
    assert_eq!((room.active(), room.root(), room.frames().as_str()), ("y", "b", "[x*] [y*]"));
}

#[test]
fn the_last_of_everything_is_removed_at_once() {
    let mut room = Room::new("a", "x");
    room.says("x", "a");
    assert_eq!((room.root(), room.frames().as_str()), ("a", "[a*]"));
    assert_eq!(room.leaves("a"), Effect::Moved);
    assert!(room.state.is_idle() && room.state.last_author().is_none());
    assert_eq!(room.forces("x"), Effect::Rejected(Rejection::NobodyToProceedTo));
}

#[test]
fn everybody_is_removed_in_the_middle_of_it_and_may_come_back() {
    for leaving in ["a b c x y z w", "w z y x c b a", "x b w a y c z"] {
        let mut room = nested();
        for user in leaving.split(' ') {
            room.leaves(user);
        }
        assert!(room.state.is_idle() && room.order().is_empty() && room.state.bypass().is_empty());
        assert_eq!(room.says("ghost", "a ghost"), Effect::Stayed);
        room.joins("a", Seat::Order);
        assert_eq!(room.says("ghost", "a ghost"), Effect::Moved);
        assert_eq!((room.active(), room.frames().as_str()), ("a", "[a*]"));
    }
}

#[test]
fn the_fifth_nested_mention_drops_the_bottom_most_frame() {
    let mut room = Room::new("root next", "a b c d e");
    room.says("next", "");
    for (author, mentioned) in [("root", "a"), ("a", "b e"), ("b", "c"), ("c", "d")] {
        room.says(author, mentioned);
    }
    assert_eq!(room.frames(), "[a*] [b* e] [c*] [d*]");
    room.says("d", "e");
    assert_eq!((room.frames().as_str(), room.root()), ("[b* e] [c*] [d*] [e*]", "root"));
    for speaker in ["e", "d", "c", "b", "e"] {
        assert_eq!(room.active(), speaker);
        room.says(speaker, "");
    }
    assert_eq!((room.active(), room.frames().as_str()), ("root", ""), "a is never asked again");
}

#[test]
fn endless_mentions_of_each_other_stay_bounded() {
    let mut room = Room::new("a b c", "");
    room.says("c", "");
    let mut heard: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..1_000 {
        let speaker = room.active().to_owned();
        let other = if speaker == "a" { "b" } else { "a" };
        room.says(&speaker, if speaker == "c" { "" } else { other });
        assert!(room.state.frames().len() <= MAX_FRAMES);
        *heard.entry(speaker).or_default() += 1;
    }
    assert!(heard["c"] > 50, "{heard:?}");
    for _ in 0..MAX_FRAMES {
        let speaker = room.active().to_owned();
        room.passes(&speaker);
    }
    assert_eq!(room.frames(), "");
}

#[test]
fn everybody_passes_across_a_round_boundary() {
    let mut room = Room::new("a b c d", "");
    room.says("a", "");
    room.says("b", "");
    room.passes("c");
    room.passes("d");
    assert_eq!((room.order().as_str(), room.active()), ("a b c d", "a"));
    assert_eq!(room.state.declined(), users("c d"));
    room.passes("a");
    assert!(room.state.is_idle(), "b wrote last");
    assert_eq!(room.order(), "a b c d", "a pause shuffles nothing");
}

#[test]
fn a_one_member_order() {
    let mut room = Room::new("a", "x");
    assert_eq!(room.says("a", ""), Effect::Stayed);
    assert_eq!(room.forces("a"), Effect::Rejected(Rejection::NobodyToProceedTo));
    for finish in ["says", "passes", "forces", "times out", "moves"] {
        assert_eq!(room.says("x", ""), Effect::Moved);
        assert_eq!(room.active(), "a");
        let turn = room.state.turn();
        let effect = match finish {
            "says" => room.says("a", ""),
            "passes" => room.passes("a"),
            "forces" => room.forces("x"),
            "times out" => room.times_out(turn),
            _ => room.moves_to_bypass("a"),
        };
        assert_eq!(effect, Effect::Moved, "{finish}");
        assert!(room.state.is_idle() && room.state.last_author().is_none(), "{finish}");
    }
}

#[test]
fn an_empty_order_with_a_mention_of_a_bypass_member() {
    let mut room = Room::new("", "x y");
    assert_eq!(room.says("x", "y"), Effect::Moved);
    assert_eq!((room.active(), room.root(), room.frames().as_str()), ("y", "nobody", "[y*]"));
    assert_eq!(room.says("y", "x"), Effect::Moved);
    assert_eq!(room.frames(), "[y*] [x*]");
    room.says("x", "");
    assert_eq!(room.active(), "y");
    assert_eq!(room.forces("stranger"), Effect::Moved, "even here a frame can be forced on");
    assert!(room.state.is_idle());
}

#[test]
fn somebody_joins_the_order_while_frames_without_a_root_speaker_are_open() {
    let mut room = Room::new("", "x y");
    room.says("x", "y");
    room.joins("a", Seat::Order);
    room.says("a", "");
    assert_eq!(room.active(), "y");
    room.says("y", "");
    assert_eq!((room.active(), room.root()), ("a", "a"), "the rotation begins with whoever joined");
}

#[test]
fn a_queue_jump_with_mentions_and_another_into_it() {
    let mut room = Room::new("a b c d", "x");
    room.says("a", "");
    room.passes("b");
    assert_eq!(room.state.declined(), users("b"));
    room.says("d", "x a d stranger x");
    assert_eq!((room.frames().as_str(), room.state.declined()), ("[x* a]", &[][..]));
    room.says("stranger", "c");
    assert_eq!((room.active(), room.root(), room.frames().as_str()), ("c", "c", "[x* a] [c*]"));
    for speaker in ["c", "x", "a"] {
        room.says(speaker, "");
    }
    assert_eq!((room.active(), room.frames().as_str()), ("c", ""));
    assert_eq!(room.state.last_author().map(UserId::as_str), Some("a"));
}

#[test]
fn the_root_speaker_moves_to_the_bypass_while_frames_are_open() {
    let mut room = Room::new("a b", "x");
    room.says("b", "");
    room.says("a", "x b");
    assert_eq!(room.moves_to_bypass("a"), Effect::Stayed);
    assert_eq!((room.active(), room.root(), room.order().as_str()), ("x", "b", "b"));
    assert_eq!(room.moves_to_bypass("b"), Effect::Stayed, "that ends in a pause, which waits for the frame");
    assert_eq!((room.active(), room.root(), room.frames().as_str()), ("x", "nobody", "[x* b]"));
    room.says("x", "");
    assert_eq!(room.active(), "b", "moved to the bypass, but not out of the frame");
    room.says("b", "");
    assert!(room.state.is_idle());
}

#[test]
fn a_member_twice() {
    let mut room = Room::new("a b a", "b x x");
    assert_eq!((room.order().as_str(), room.state.bypass()), ("a", &users("b x")[..]));
    room.joins("a", Seat::Bypass);
    room.joins("x", Seat::Order);
    assert_eq!((room.order().as_str(), room.state.bypass()), ("a", &users("b x")[..]));
    room.says("x", "a a b a b");
    assert_eq!(room.frames(), "[a* b]");
    room.leaves("a");
    let before = room.state.clone();
    assert_eq!(room.leaves("a"), Effect::Stayed);
    assert_eq!(room.state, before);
}

#[test]
fn stale_timeouts_do_nothing() {
    let mut room = Room::new("a b c", "x");
    room.says("c", "");
    for happens in ["", "x", "b", ""] {
        let old = room.state.turn();
        let speaker = room.active().to_owned();
        room.says(&speaker, happens);
        let before = room.state.clone();
        for turn in [0, old - 1, old, room.state.turn() + 1, u64::MAX] {
            assert_eq!(room.times_out(turn), Effect::Stayed);
            assert_eq!(room.state, before);
        }
    }
    let speaker = room.active().to_owned();
    assert_eq!(room.times_out(room.state.turn()), Effect::Moved);
    assert_ne!(room.active(), speaker);
}

#[test]
fn no_turn_is_ever_given_the_number_of_an_earlier_one() {
    let mut room = Room::new("a b", "");
    let mut last = 0;
    for _ in 0..5 {
        room.says("b", "");
        while !room.state.is_idle() {
            assert!(room.state.turn() > last);
            last = room.state.turn();
            room.times_out(last);
        }
        assert_eq!(room.times_out(room.state.turn()), Effect::Stayed, "idle: there is nobody to time out");
    }
}

#[test]
fn the_active_speaker_is_mentioned_by_another() {
    let mut room = Room::new("a b c", "");
    room.says("b", "");
    assert_eq!((room.active(), room.state.turn()), ("a", 1));
    assert_eq!(room.says("b", "a"), Effect::Moved);
    assert_eq!(
        (room.active(), room.root(), room.frames().as_str(), room.state.turn()),
        ("a", "a", "[a*]", 2)
    );
    assert_eq!(room.passes("a"), Effect::Moved);
    assert_eq!((room.active(), room.frames().as_str(), room.state.turn()), ("c", "", 3));
    room.passes("c");
    assert!(room.state.is_idle(), "b wrote last");
}

#[test]
fn a_stored_state_that_breaks_the_rules_is_not_believed() {
    let state = nested().state;
    let good = serde_json::to_value(&state).unwrap();
    assert_eq!(serde_json::from_value::<TurnState>(good.clone()).unwrap(), state);
    for (field, bad) in [
        ("order", serde_json::json!(["a", "b", "c", "x"])),
        ("order", serde_json::json!(["b", "c"])),
        ("bypass", serde_json::json!(["x", "y", "z"])),
        ("cursor", serde_json::json!("x")),
        ("frames", serde_json::json!([{"queue": [], "position": 0}])),
        ("frames", serde_json::json!([{"queue": ["b"], "position": 1}])),
        ("frames", serde_json::json!([{"queue": ["b", "b"], "position": 0}])),
        ("frames", serde_json::json!(vec![serde_json::json!({"queue": ["b"], "position": 0}); 5])),
        ("declined", serde_json::json!(["stranger"])),
        ("declined", serde_json::json!(["x", "x"])),
        ("declined", serde_json::json!(["w"])),
        ("summoned", serde_json::json!({"stranger": 1})),
        ("summoned", serde_json::json!({"b": 0})),
        ("summoned", serde_json::json!({"b": 3})),
    ] {
        let mut stored = good.clone();
        stored[field] = bad.clone();
        assert!(serde_json::from_value::<TurnState>(stored).is_err(), "{field}: {bad}");
    }
    let idle = serde_json::to_value(TurnState::new(users("a b"), users("x"))).unwrap();
    for (field, remembered) in [
        ("lastAuthor", serde_json::json!("a")),
        ("declined", serde_json::json!(["a"])),
        ("summoned", serde_json::json!({"a": 1})),
    ] {
        let mut stored = idle.clone();
        stored[field] = remembered.clone();
        assert!(serde_json::from_value::<TurnState>(stored).is_err(), "idle, with {field}: {remembered}");
    }
}

/// Members and mentions have no common bound: whoever compares each with each stalls the guild for as long as
/// that takes, under the store's lock.
#[test]
fn a_text_full_of_mentions_in_a_channel_full_of_members_is_decided_in_one_pass() {
    const MANY: usize = 100_000;
    let id = |prefix: &str, n: usize| UserId::new(format!("{prefix}{n}"));
    let members: Members = (0..MANY).map(|n| Member::new(id("m", n))).collect();
    // Nobody of the channel, and at the very end its first and its last member.
    let mut mentions: Vec<UserId> = (0..MANY).map(|n| id("x", n)).collect();
    mentions.extend([id("m", 0), id("m", MANY - 1)]);
    let author = Author::User(Caller { user_id: id("m", 1), kind: UserKind::Human });

    let message = Delivered {
        channel_type: ChannelType::General,
        author: &author,
        mentions: &mentions,
        turn: None,
        is_ack: false,
        admin: None,
        members: &members,
        busy: &BTreeSet::new(),
    };
    let plan = delivery::plan(&message);
    let woken: Vec<_> = plan.woken(&members).map(|(user, _)| user.as_str()).collect();
    assert_eq!(woken, ["m0", &format!("m{}", MANY - 1)]);

    let mut turn = TurnState::new(members.users().cloned(), []);
    turn.apply(&Input::Message { author: author.id(), mentioned: mentions, turn: None }, Seed(7));
    assert_eq!(turn.active().map(UserId::as_str), Some("m0"));
}
