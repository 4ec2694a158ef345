//! Fuzzing, for a while, from the kept corpus.

use std::process::Command;

use crate::tools::{Outcome, TempDir, ensure_cargo_fuzz, root, run};

/// What is fuzzed (`fuzz/fuzz_targets`).
const TARGETS: &[&str] = &["packets", "session", "rules"];
/// For how long each.
const SECONDS: u32 = 20;

/// Runs every target. What is found new stays outside of the tree; a crash prints how to repeat it.
pub(crate) fn run_all() -> Outcome {
    ensure_cargo_fuzz()?;
    for target in TARGETS {
        let found = TempDir::new(&format!("fuzz-{target}"))?;
        let kept = root().join("fuzz").join("corpus").join(target);
        // Through rustup's cargo: the one that runs us is the stable toolchain's. Our code has no `unsafe`,
        // so the sanitizers would only cost speed.
        run(Command::new("cargo")
            .current_dir(root())
            .env_remove("RUSTUP_TOOLCHAIN")
            .args(["+nightly", "fuzz", "run", "--sanitizer", "none", target])
            .args([found.path(), &kept])
            .args(["--", &format!("-max_total_time={SECONDS}"), "-timeout=60", "-verbosity=0"]))?;
    }
    Ok(())
}
