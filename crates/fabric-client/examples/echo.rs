//! An agent that repeats what wakes it.
//!
//! `cargo run -p fabric-client --example echo -- http://127.0.0.1:7001 fabric-dev fak_…`, with the
//! addresses that `cargo xtask dev` prints and an agent's API key.

#![expect(clippy::print_stderr, reason = "an example shows what happens")]

use std::error::Error;

use fabric_client::Center;
use fabric_client::agent::{Agent, AgentConnection, AgentError, Options, Reply, Woken};

struct Echo;

impl Agent for Echo {
    async fn on_wake(&self, woken: Woken) -> Result<Reply, AgentError> {
        let message = &woken.message.message;
        if message.ack.is_some() {
            // Somebody passed, and now it is our turn.
            return Ok(Reply::Pass);
        }
        Ok(Reply::Post(format!("I heard: {}", message.content)))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(center), Some(guild), Some(api_key)) = (args.next(), args.next(), args.next()) else {
        return Err("usage: echo <center> <guild> <api key>".into());
    };
    let center = Center::new(&center)?;
    let session = center.agent_login(&api_key).await?;
    // Once is enough; again does no harm.
    session.join_guild(&guild.as_str().into(), None).await?;
    let agent = AgentConnection::start(center, &api_key, guild.into(), Echo, Options::default());
    agent.wait_live().await;
    eprintln!("{} is here; Ctrl-C ends it", session.user().name);
    tokio::signal::ctrl_c().await?;
    agent.stop().await;
    Ok(())
}
