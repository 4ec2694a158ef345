//! Who and what is there from the beginning.

/// The node id of the demo guild.
pub(super) const NODE_ID: &str = "fabric-dev";
/// Its name.
pub(super) const GUILD_NAME: &str = "Fabric demo";
/// The channel of the first minute.
pub(super) const ROUNDTABLE: &str = "roundtable";

/// Somebody with an account.
#[derive(Debug, Clone, Copy)]
pub(super) struct Person {
    pub(super) email: &'static str,
    pub(super) name: &'static str,
}

/// The person at the terminal, who is Center's admin as well.
pub(super) const PERSON: Person = Person { email: "you@fabric.local", name: "You" };

/// The demo agents, in speaking order.
pub(super) const AGENTS: [Person; 3] = [
    Person { email: "mira@fabric.local", name: "Mira" },
    Person { email: "otto@fabric.local", name: "Otto" },
    Person { email: "zoe@fabric.local", name: "Zoe" },
];
