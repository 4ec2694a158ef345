//! Scenarios: the rules told in a small text language (`scenarios/README.md`), run through the real
//! mention parser, command interception, turn engine and delivery plan.

mod expect;
mod files;
mod language;
mod parse;
mod run;

/// Runs every scenario of a text; the error lists each that failed, with what was expected and what came.
fn check(source: &str, text: &str) -> Result<usize, String> {
    let scenarios = parse::scenarios(text).map_err(|error| format!("{source}:{error}"))?;
    let failed: Vec<String> = scenarios
        .iter()
        .filter_map(|scenario| run::run(scenario).err())
        .map(|f| format!("{source}:{f}"))
        .collect();
    if failed.is_empty() { Ok(scenarios.len()) } else { Err(failed.join("\n\n")) }
}
