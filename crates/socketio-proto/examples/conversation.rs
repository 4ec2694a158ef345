//! A client and a server that talk to each other in memory: no sockets, no clock, no runtime.
//!
//! `cargo run -p socketio-proto --example conversation`

#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::{collections::VecDeque, error::Error, sync::Arc, time::Duration};

use serde_json::{Map, Value, json};
use socketio_proto::{
    Args, ClientEvent, ClientLimits, ClientSession, Outgoing, ServerSession, SessionLimits,
    client::Transmit,
    packet::Encoded,
    server::{Input, Output, Transport},
};

/// The number of the only websocket.
const CONN: u64 = 0;

fn main() -> Result<(), Box<dyn Error>> {
    let mut now = Duration::ZERO;
    let limits = Arc::new(SessionLimits::default());
    let mut server = ServerSession::open(limits, "session-1", Transport::WebSocket { conn: CONN }, now);
    let mut client = ClientSession::new(&ClientLimits::default(), now);
    let auth = Map::from_iter([("name".to_owned(), Value::from("ada"))]);
    client.connect("/", auth, None)?;

    for round in 0..6 {
        // A second passes; on a real connection both sides would be woken at their `deadline`.
        now += Duration::from_secs(1);
        client.handle_timeout(now);
        let mut outputs = server.handle(Input::Time, now);

        // From the server to the client, as whole websocket frames.
        let mut frames = VecDeque::new();
        server.pull(CONN, usize::MAX, &mut frames);
        for frame in frames {
            let text = std::str::from_utf8(&frame[2..])?;
            println!("server > {text}");
            client.handle_text(text, now);
        }
        while let Some(event) = client.poll_event() {
            println!("           the client sees {event:?}");
            if let ClientEvent::Connected { .. } = event {
                client.emit_with_ack("/", "say", &("hello", json!({ "round": round })))?;
            }
        }

        // From the client to the server.
        while let Some(Transmit::Text(text)) = client.poll_transmit() {
            println!("client > {text}");
            outputs.extend(server.handle(Input::Text { conn: CONN, text: &text }, now));
        }
        let mut more = Vec::new();
        for output in outputs {
            match output {
                Output::Connect { namespace, auth } => {
                    println!("           the server lets {} in", auth["name"]);
                    server.accept(&namespace, "socket-1", None, now, &mut more);
                }
                Output::Event { namespace, name, args, attachments, ack: Some(ack), .. } => {
                    let said: String = Args::new(args, attachments).get(0)?;
                    println!("           the server is told {name}: {said}");
                    let heard = Outgoing::event(&namespace, "heard", &said)?;
                    server.send(&heard, now, &mut more)?;
                    let noted = Encoded::ack(&namespace, ack, "noted")?;
                    server.acknowledge(&namespace, &noted, now, &mut more)?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}
