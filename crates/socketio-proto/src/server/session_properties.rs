//! What holds in any order of anything.

use super::*;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Poll,
    Abort(u64),
    PostStarted,
    Post(String),
    TooLarge,
    Broken,
    WebSocket(u64),
    Text(u64, String),
    Binary(u64),
    Gone(u64),
    Wait(u64),
    Accept,
    Refuse,
    Send,
    Leave,
    Disconnect,
    Pull(u64),
}

fn steps() -> impl Strategy<Value = Step> {
    let texts = || {
        prop_oneof![
            Just("40".to_owned()),
            Just("41".into()),
            Just("42[\"a\"]".into()),
            Just("421[\"a\",{}]".into()),
            Just("431[]".into()),
            Just("40/b,".into()),
            Just("2probe".into()),
            Just("5".into()),
            Just("3".into()),
            Just("1".into()),
            Just("2".into()),
            Just("6".into()),
            Just("451-[\"a\"]".into()),
            "[0-6]{0,3}.{0,6}",
        ]
    };
    let conn = || prop_oneof![Just(WS), Just(WS + 1)];
    prop_oneof![
        Just(Step::Poll),
        (0..20_u64).prop_map(Step::Abort),
        Just(Step::PostStarted),
        texts().prop_map(Step::Post),
        Just(Step::TooLarge),
        Just(Step::Broken),
        conn().prop_map(Step::WebSocket),
        (conn(), texts()).prop_map(|(conn, text)| Step::Text(conn, text)),
        conn().prop_map(Step::Binary),
        conn().prop_map(Step::Gone),
        (0..400_u64).prop_map(Step::Wait),
        Just(Step::Accept),
        Just(Step::Refuse),
        Just(Step::Send),
        Just(Step::Leave),
        Just(Step::Disconnect),
        conn().prop_map(Step::Pull),
    ]
}

proptest! {
    /// Whatever a client does: every poll is answered once at most, a namespace is left exactly
    /// once for every CONNECT that was not refused, nothing happens after the end, and time alone
    /// brings every session to its end.
    #[test]
    fn any_order_of_anything(
        bare in any::<bool>(), ws in any::<bool>(), steps in proptest::collection::vec(steps(), 0..60)
    ) {
        let transport =
            if ws { Transport::WebSocket { conn: WS } } else { Transport::Polling };
        let mut client = Client::new(limits(), transport, bare);
        let mut all = Vec::new();
        let mut refusals = 0;
        for step in steps {
            let mut out = Vec::new();
            let now = client.now;
            let session = &mut client.session;
            match step {
                Step::Poll => out = client.poll(),
                Step::Abort(poll) => out = client.handle(Input::PollAborted { poll }),
                Step::PostStarted => out = client.handle(Input::PostStarted),
                Step::Post(body) => out = client.handle(Input::PostBody { body: &body }),
                Step::TooLarge => out = client.handle(Input::PostTooLarge),
                Step::Broken => out = client.handle(Input::PostBroken),
                Step::WebSocket(conn) => out = client.handle(Input::WebSocket { conn }),
                Step::Text(conn, text) => {
                    out = client.handle(Input::Text { conn, text: &text });
                }
                Step::Binary(conn) => {
                    out = client.handle(Input::Binary { conn, bytes: Bytes::from_static(&[1]) });
                }
                Step::Gone(conn) => out = client.handle(Input::WebSocketClosed { conn }),
                Step::Wait(time) => out = client.at(u64::try_from(now.as_millis()).unwrap() + time),
                Step::Accept => { session.accept("/", "id", None, now, &mut out); }
                Step::Refuse => {
                    let waiting = all.iter().fold(0, |sum, output| match output {
                        Output::Connect { namespace, .. } if namespace == "/b" => sum + 1,
                        Output::Left { namespace, .. } if namespace == "/b" => sum - 1,
                        _ => sum,
                    }) - refusals;
                    session.refuse("/b", "no", None, now, &mut out);
                    refusals += waiting;
                }
                Step::Send => {
                    let event = Outgoing::event("/", "a", &1).unwrap();
                    let _ = session.send(&event, now, &mut out);
                }
                Step::Leave => session.leave("/", now, &mut out),
                Step::Disconnect => session.disconnect(now, &mut out),
                Step::Pull(conn) => { session.pull(conn, 64, &mut VecDeque::new()); }
            }
            all.append(&mut out);
        }
        for _ in 0..100 {
            let Some(deadline) = client.session.deadline() else { break };
            client.now = client.now.max(deadline);
            all.append(&mut client.handle(Input::Time));
        }
        prop_assert!(client.session.is_closed());
        prop_assert_eq!(client.session.deadline(), None);
        prop_assert_eq!(all.iter().filter(|o| matches!(o, Output::Closed { .. })).count(), 1);
        prop_assert_eq!(all.iter().filter(|o| matches!(o, Output::Forget)).count(), 1);
        for poll in 1..=client.polls {
            let answers = all.iter()
                .filter(|o| matches!(o, Output::AnswerPoll { poll: number, .. } if *number == poll))
                .count();
            prop_assert!(answers <= 1);
        }
        let count = |wanted: &str| all.iter().fold((0, 0), |(came, went), output| match output {
            Output::Connect { namespace, .. } if namespace == wanted => (came + 1, went),
            Output::Left { namespace, .. } if namespace == wanted => (came, went + 1),
            _ => (came, went),
        });
        let (came, went) = count("/");
        prop_assert_eq!(came, went);
        let (came, went) = count("/b");
        prop_assert_eq!(came, went + refusals);
        let closed = all.iter().position(|o| matches!(o, Output::Closed { .. })).unwrap();
        let after = all[closed + 1..].iter().find(|o| matches!(
            o,
            Output::Event { .. } | Output::Connect { .. } | Output::Left { .. }
                | Output::Message(_) | Output::Ack { .. }
        ));
        prop_assert_eq!(after, None);
    }
}
