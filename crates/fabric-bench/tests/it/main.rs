//! All scenarios in their quick profile.

use fabric_bench::rng::any_seed;
use fabric_bench::stress::{Profile, SCENARIOS, play};

/// One after the other: they count sockets, lines of the log and memory of the whole process.
#[test]
fn every_scenario_holds() {
    let failures: Vec<String> =
        SCENARIOS.iter().filter_map(|scenario| play(scenario, Profile::Quick, any_seed()).err()).collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}
