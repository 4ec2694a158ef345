//! The demo agents: ordinary clients with a small script each.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use fabric_client::agent::{Agent, AgentError, Reply, Woken};
use fabric_domain::model::{ChannelId, ChannelType, UserId, WakeReason};

use super::settings::Person;

/// So that a person can follow.
const THINKING: Duration = Duration::from_millis(250);
/// The most characters of a topic that are quoted.
const TOPIC_CHARS: usize = 60;

/// One agent.
#[derive(Debug)]
pub(super) struct Persona {
    name: &'static str,
    agents: HashMap<&'static str, UserId>,
    threads: Mutex<HashMap<ChannelId, Thread>>,
}

/// What an agent remembers of a channel since a person last wrote there.
#[derive(Debug, Clone, Default)]
struct Thread {
    topic: String,
    replies: usize,
}

impl Persona {
    pub(super) fn new(name: &'static str, agents: &[(Person, UserId)]) -> Self {
        let agents = agents.iter().map(|(person, id)| (person.name, id.clone())).collect();
        Self { name, agents, threads: Mutex::default() }
    }

    /// Notes what was said since the last wake, and how often this agent has answered since a person wrote.
    fn follow(&self, woken: &Woken) -> Thread {
        let mut threads = self.threads.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let thread = threads.entry(woken.message.message.channel_id.clone()).or_default();
        for created in woken.recent.iter().chain([&woken.message]) {
            let author = &created.message.author_user_id;
            let is_person = *author != UserId::system() && !self.agents.values().any(|agent| agent == author);
            if is_person {
                *thread = Thread { topic: quote(&created.message.content), replies: 0 };
            }
        }
        thread.replies += 1;
        thread.clone()
    }

    fn mention(&self, name: &str) -> String {
        self.agents.get(name).map_or_else(|| name.to_owned(), |id| format!("<@{id}>"))
    }

    fn in_turn(&self, woken: &Woken, thread: &Thread) -> Reply {
        let was_asked = woken.message.wake.as_ref().is_some_and(|wake| wake.reason == WakeReason::Mention);
        let topic = &thread.topic;
        match (self.name, thread.replies) {
            ("Mira", 1) => Reply::Post(format!(
                "About “{topic}”: I would begin with the smallest thing that works end to end. {}, what could go wrong?",
                self.mention("Otto")
            )),
            ("Mira", 2) => {
                Reply::Post("Fair. Then that is what we prove first, and the rest waits.".to_owned())
            }
            // Otto speaks when he is asked; otherwise he sometimes has nothing to add.
            ("Otto", _) if was_asked => Reply::Post(
                "That it works once and never again. Let us try it twice, from an empty folder.".to_owned(),
            ),
            ("Otto", 1) => Reply::Post(format!("I doubt that “{topic}” is the hard part, but go on.")),
            ("Zoe", 1) => Reply::Post(format!(
                "So for “{topic}”: small, end to end, tried twice. I will write it down."
            )),
            _ => Reply::Pass,
        }
    }
}

impl Agent for Persona {
    async fn on_wake(&self, woken: Woken) -> Result<Reply, AgentError> {
        tokio::time::sleep(THINKING).await;
        let thread = self.follow(&woken);
        Ok(match woken.message.channel_type.known() {
            Some(ChannelType::Discuss | ChannelType::Work) => self.in_turn(&woken, &thread),
            // Elsewhere a message of another agent is not answered: nobody would stop them.
            _ if woken.message.wake.as_ref().is_some_and(|wake| wake.hop > 0) => Reply::Nothing,
            _ => Reply::Post(format!("{} here. You said “{}”.", self.name, thread.topic)),
        })
    }
}

/// The beginning of a text, as a topic. Mentions are left out: quoting one would summon again.
fn quote(text: &str) -> String {
    let words =
        text.lines().next().unwrap_or_default().split_whitespace().filter(|word| !word.contains("<@"));
    let topic = words.collect::<Vec<_>>().join(" ");
    match topic.char_indices().nth(TOPIC_CHARS) {
        Some((end, _)) => format!("{}…", &topic[..end]),
        None => topic,
    }
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn a_topic_is_short_and_summons_nobody() {
        assert_eq!(quote("<@mira> what\tnow, <@otto>?\nmore"), "what now,");
        assert_eq!(quote(&"wörter ".repeat(20)).chars().count(), 61);
        assert_eq!(quote(""), "");
    }
}
