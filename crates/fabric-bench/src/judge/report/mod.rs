//! Tables, ratios, verdicts and plots of what was measured.

mod book;
mod goals;
mod plot;

use std::fmt::Write as _;
use std::path::Path;

pub(super) use book::{Book, Key, Quantity, Table};
use plot::Plot;

use super::measures::quantities as of;
use crate::Outcome;

const BEGIN: &str = "<!-- judge: begin -->";
const END: &str = "<!-- judge: end -->";

/// Everything, as Markdown. Plots are linked from `pictures`, a folder beside the text, where there is one.
pub(super) fn text(book: &Book, about: &str, ours: &str, pictures: Option<&str>) -> String {
    let mut text = format!("{about}\n");
    for table in book.tables() {
        // Writing to a string cannot fail; so below.
        let _ = write!(text, "\n### {}\n\n", table.title);
        write_table(&mut text, book, table);
    }
    let verdicts = goals::verdicts(book, ours);
    if verdicts.iter().any(|verdict| verdict.measured.is_some()) {
        text.push_str("\n### Goals\n\n| goal | | measured | met |\n|---|---|--:|---|\n");
        for verdict in verdicts {
            let measured =
                verdict.measured.map_or("not measured".into(), |measured| format!("{measured:.2}"));
            let is_met = match verdict.is_met() {
                Some(true) => "yes",
                Some(false) => "**no**",
                None => "",
            };
            let _ = writeln!(text, "| {} | {} | {measured} | {is_met} |", verdict.goal, verdict.bound());
        }
    }
    if let Some(folder) = pictures {
        text.push('\n');
        for (name, title, ..) in PLOTS {
            let _ = writeln!(text, "![{title}]({folder}/{name}.svg)");
        }
    }
    if !book.failures.is_empty() {
        text.push_str("\nNot measured:\n\n");
        for failure in &book.failures {
            let _ = writeln!(text, "- {failure}");
        }
    }
    text
}

/// One row for each case and target; the last column says how far the rounds were apart.
fn write_table(text: &mut String, book: &Book, table: Table) {
    let quantities = book.quantities(table);
    let names: Vec<_> = quantities.iter().map(|quantity| quantity.name).collect();
    let _ = writeln!(text, "| {} | target | {} | most / least |", table.of, names.join(" | "));
    let _ = writeln!(text, "|---|---|{}--:|", "--:|".repeat(names.len()));
    for case in book.cases(table) {
        for target in book.targets(table) {
            let value = |quantity: &Quantity| {
                let median = book.median(table, &case, &target, *quantity);
                median.map(|median| digits(median, quantity.digits))
            };
            let values: Vec<_> = quantities.iter().map(value).collect();
            if values.iter().all(Option::is_none) {
                continue;
            }
            let values: Vec<_> = values.into_iter().map(Option::unwrap_or_default).collect();
            let spread = quantities.first().and_then(|first| book.spread(table, &case, &target, *first));
            let spread = spread.map_or_else(String::new, |spread| format!("{spread:.2}"));
            let _ = writeln!(text, "| {case} | {target} | {} | {spread} |", values.join(" | "));
        }
    }
}

fn digits(value: f64, digits: usize) -> String {
    if digits == 0 { crate::whole(value) } else { format!("{value:.digits$}") }
}

/// Name of the file, title, table and quantity.
const PLOTS: [(&str, &str, Table, Quantity); 4] = [
    (
        "posts",
        "Durable posts per second in one channel, by connections that post",
        of::POSTS,
        of::POSTS_PER_SECOND,
    ),
    ("deliveries", "Deliveries per second with 8 posts in flight, by sockets", of::FAN_OUT, of::EIGHT),
    ("cpu", "CPU time of a delivery in µs with 8 posts in flight, by sockets", of::FAN_OUT, of::EIGHT_CPU),
    (
        "receipts",
        "p99 of post to receipt in ms at 20,000 deliveries per second, by sockets",
        of::FAN_OUT,
        of::SLOWEST,
    ),
];

/// Puts the report between its marks in this file, and the plots into a folder of the same name beside it.
pub(super) fn write(book: &Book, about: &str, ours: &str, file: &Path) -> Outcome {
    let failed = |error: std::io::Error| format!("{}: {error}", file.display());
    let folder = file.with_extension("");
    std::fs::create_dir_all(&folder).map_err(failed)?;
    for (name, title, table, quantity) in PLOTS {
        let (groups, series) = (book.cases(table), book.targets(table));
        let row = |case: &String| {
            series.iter().map(|target| book.median(table, case, target, quantity)).collect::<Vec<_>>()
        };
        let values: Vec<_> = groups.iter().map(row).collect();
        let plot = Plot { title, groups: &groups, series: &series, values: &values };
        if let Some(svg) = plot.svg() {
            std::fs::write(folder.join(format!("{name}.svg")), svg).map_err(failed)?;
        }
    }
    let old = std::fs::read_to_string(file).map_err(failed)?;
    let pictures = folder.file_name().and_then(|name| name.to_str());
    let new = between_marks(&old, &text(book, about, ours, pictures));
    let new = new.ok_or_else(|| format!("{} has no {BEGIN} and {END}", file.display()))?;
    std::fs::write(file, new).map_err(failed)
}

fn between_marks(old: &str, text: &str) -> Option<String> {
    let (before, rest) = old.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{}\n{END}{after}", text.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(book: &mut Book, target: &str, values: &[f64]) {
        for value in values {
            let key = Key {
                table: of::POSTS,
                case: "1".into(),
                target: target.into(),
                quantity: of::POSTS_PER_SECOND,
            };
            book.note(key, *value);
        }
    }

    #[test]
    fn a_report_has_medians_and_says_which_goals_are_met() {
        let mut book = Book::default();
        note(&mut book, "fabric", &[1_000.0, 3_000.0, 2_000.0]);
        note(&mut book, "node", &[1_000.0, 1_100.0]);
        let text = text(&book, "Here.", "fabric", None);
        assert!(text.contains("| 1 | fabric | 2,000 | 3.00 |"), "{text}");
        assert!(text.contains("| 1 | node | 1,050 | 1.10 |"), "{text}");
        assert!(text.contains("| at least 1.2 | 1.90 | yes |"), "{text}");
        note(&mut book, "node", &[9_000.0, 9_000.0, 9_000.0]);
        let text = super::text(&book, "Here.", "fabric", None);
        assert!(text.contains("| at least 1.2 | 0.22 | **no** |"), "{text}");
    }

    #[test]
    fn what_is_outside_the_marks_stays() {
        let old = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        assert_eq!(between_marks(&old, "new\n"), Some(format!("a\n{BEGIN}\nnew\n{END}\nb\n")));
        assert_eq!(between_marks("a", "new"), None);
    }
}
