//! The rules from outside: what an embedder of the engine sees (spec/2).

mod adversarial;
mod corners;
mod delivery_table;
mod former_state;
mod invariants;
mod mentions;
mod model_based;
mod naive;
mod parts;
mod scenario;
mod search;
mod talkers;
mod walk;
