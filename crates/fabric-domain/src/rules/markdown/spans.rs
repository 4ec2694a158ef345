//! The code spans of a paragraph.

use std::collections::HashMap;
use std::ops::Range;

/// Adds the code spans of a paragraph, which consists of these lines: each from a run of backticks to the next
/// run of the same length.
pub(super) fn find(text: &str, lines: &[Range<usize>], code: &mut Vec<Range<usize>>) {
    let runs: Vec<_> = lines.iter().flat_map(|line| runs(text, line.clone())).collect();
    // Where a length was last seen: whoever opens after that is not searched a partner, so that each run is
    // looked at twice at most.
    let last: HashMap<usize, usize> = runs.iter().enumerate().map(|(at, run)| (run.len(), at)).collect();
    let mut next = 0;
    while let Some(run) = runs.get(next) {
        next += 1;
        let opener = run.start + usize::from(is_escaped(text, run.start))..run.end;
        if last.get(&opener.len()).is_none_or(|last| *last < next) {
            continue;
        }
        // A backslash is no escape in code: the whole run counts here.
        if let Some(between) = runs[next..].iter().position(|run| run.len() == opener.len()) {
            code.push(opener.start..runs[next + between].end);
            next += between + 1;
        }
    }
}

/// The runs of backticks in a line.
fn runs(text: &str, line: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let mut at = line.start;
    std::iter::from_fn(move || {
        let start = at + text[at..line.end].find('`')?;
        let rest = &text[start..line.end];
        at = start + rest.len() - rest.trim_start_matches('`').len();
        Some(start..at)
    })
}

/// Whether the character at this place follows a backslash that is not escaped itself.
fn is_escaped(text: &str, at: usize) -> bool {
    let before = &text[..at];
    let backslashes = before.len() - before.trim_end_matches('\\').len();
    backslashes % 2 == 1
}
