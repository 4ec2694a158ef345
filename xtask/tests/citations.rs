//! Every part of the specification that is cited anywhere in the repository exists (`docs/spec/README.md`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// Files that may cite.
const EXTENSIONS: [&str; 11] = ["rs", "md", "mjs", "js", "ts", "py", "txt", "toml", "yaml", "yml", "sh"];

/// Folders that are made, not written.
const MADE: [&str; 3] = ["target", "node_modules", "corpus"];

/// What begins a line of a comment or a quote. A citation may go on in the next line.
const LINE_MARKS: [&str; 7] = ["///", "//!", "//", "--", "#", "*", ">"];

/// The numbers of each document's sections.
type Spec = BTreeMap<u32, BTreeSet<u32>>;

#[test]
fn every_cited_section_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let spec = read_spec(&root.join("docs/spec"));
    let mut cited = 0;
    let mut problems = Vec::new();
    for file in files(&root) {
        let text = fs::read_to_string(&file).unwrap();
        let citations = citations(&text);
        cited += citations.len();
        let place = file.strip_prefix(&root).unwrap().display().to_string();
        problems.extend(
            citations.iter().filter_map(|citation| {
                Some(format!("{place}:{}: {}", citation.line, citation.problem(&spec)?))
            }),
        );
    }
    assert!(cited > 100, "citations are found: {cited}");
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn sections_are_numbered_from_1() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let spec = read_spec(&root.join("docs/spec"));
    assert_eq!(spec.keys().copied().collect::<Vec<_>>(), (1..=6).collect::<Vec<_>>());
    for (document, sections) in spec {
        let numbers: Vec<_> = sections.into_iter().collect();
        assert_eq!(numbers, (1..=u32::try_from(numbers.len()).unwrap()).collect::<Vec<_>>(), "{document}");
    }
}

/// Citations of these tests are written with an `@`, since this file is read, too.
fn problems(text: &str) -> Vec<String> {
    let spec = Spec::from([(1, BTreeSet::from([1, 2])), (2, (1..=11).collect())]);
    let citations = citations(&text.replace('@', "spec/"));
    citations
        .iter()
        .filter_map(|citation| Some(format!("{}: {}", citation.line, citation.problem(&spec)?)))
        .collect()
}

#[test]
fn what_exists_is_no_problem() {
    for text in [
        "@1 and @2 section 11, and (@1)",
        "@2 sections 3 to 6, @2 sections 3 and 11; @2 sections 1, 4 and 5.",
        "/// What is said in @2\n    /// section 7, which …",
        "docs/@9-other.md, my@7, @N, @x",
    ] {
        assert_eq!(problems(text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn what_does_not_exist_is_a_problem_with_its_line() {
    assert_eq!(problems("one\ntwo (@3)"), ["2: there is no document @3".replace('@', "spec/")]);
    assert_eq!(problems("@1 section 3"), ["1: @1 has no section 3".replace('@', "spec/")]);
    assert_eq!(problems("@2 sections 10 to 12"), ["1: @2 has no section 12".replace('@', "spec/")]);
    assert_eq!(problems("@2 sections 1, 4 and 50"), ["1: @2 has no section 50".replace('@', "spec/")]);
    assert_eq!(problems("//! see @2\n//! section 0"), ["1: @2 has no section 0".replace('@', "spec/")]);
}

#[test]
fn a_section_is_cited_by_its_number() {
    for text in ["@1, glossary", "@1, `Words`", "@2 §3", "@2 Section 3"] {
        assert_eq!(
            problems(text),
            ["1: cite a section of @N as `section M`".replace("@N", &format!("spec/{}", &text[1..2]))]
        );
    }
}

/// A place that cites a document, or sections of it.
#[derive(Debug)]
struct Citation {
    line: usize,
    document: u32,
    sections: Vec<RangeInclusive<u32>>,
    /// Whether something else follows that is meant as a section.
    is_vague: bool,
}

impl Citation {
    fn problem(&self, spec: &Spec) -> Option<String> {
        let document = self.document;
        let Some(sections) = spec.get(&document) else {
            return Some(format!("there is no document spec/{document}"));
        };
        if self.is_vague {
            return Some(format!("cite a section of spec/{document} as `section M`"));
        }
        let missing = self.sections.iter().cloned().flatten().find(|section| !sections.contains(section))?;
        Some(format!("spec/{document} has no section {missing}"))
    }
}

/// The citations of a text: `spec/2`, `spec/2 section 4`, `spec/2 sections 3 to 6`, `spec/2 sections 3, 5 and 11`.
fn citations(text: &str) -> Vec<Citation> {
    let mut flat = String::new();
    let mut lines = Vec::new();
    for line in text.lines() {
        let line = line.trim_start();
        let mark = LINE_MARKS.iter().find(|mark| line.starts_with(**mark)).map_or(0, |mark| mark.len());
        lines.push(flat.len());
        flat.push_str(line[mark..].trim());
        flat.push(' ');
    }
    let mut found = Vec::new();
    for (at, name) in flat.match_indices("spec/") {
        let is_path =
            flat[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '/' | '_' | '-' | '.'));
        let Some((document, rest)) = number(&flat[at + name.len()..]) else { continue };
        if is_path || rest.starts_with('-') {
            continue;
        }
        let (sections, rest) = sections(rest);
        let is_vague =
            sections.is_empty() && [", ", " §", " Section"].iter().any(|vague| rest.starts_with(vague));
        let line = lines.partition_point(|start| *start <= at);
        found.push(Citation { line, document, sections, is_vague });
    }
    found
}

/// ` section 4`, ` sections 3 to 6`, ` sections 3, 5 and 11`; and what follows.
fn sections(rest: &str) -> (Vec<RangeInclusive<u32>>, &str) {
    if let Some((section, rest)) = rest.strip_prefix(" section ").and_then(number) {
        return (vec![section..=section], rest);
    }
    let Some((first, mut rest)) = rest.strip_prefix(" sections ").and_then(number) else {
        return (Vec::new(), rest);
    };
    let mut sections = vec![first..=first];
    while let Some((separator, (section, after))) = [" to ", ", ", " and "]
        .into_iter()
        .find_map(|separator| Some((separator, rest.strip_prefix(separator).and_then(number)?)))
    {
        let start = if separator == " to " { sections.pop().map(|last| *last.start()) } else { None };
        sections.push(start.unwrap_or(section)..=section);
        rest = after;
    }
    (sections, rest)
}

/// A number at the beginning, and what follows.
fn number(text: &str) -> Option<(u32, &str)> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    Some((text[..digits].parse().ok()?, &text[digits..]))
}

/// Documents are files that begin with their number; sections are headings of the second level that do.
fn read_spec(folder: &Path) -> Spec {
    let mut spec = Spec::new();
    for file in files(folder) {
        let name = file.file_name().unwrap().to_str().unwrap();
        let Some((document, _)) = number(name) else { continue };
        let text = fs::read_to_string(&file).unwrap();
        let headings = text.lines().filter_map(|line| number(line.strip_prefix("## ")?));
        let sections = headings.filter(|(_, title)| title.starts_with(". ")).map(|(section, _)| section);
        spec.insert(document, sections.collect());
    }
    spec
}

/// Everything below a folder that may cite.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() && !name.starts_with('.') && !MADE.contains(&name.as_str()) {
            found.extend(files(&path));
        } else if kind.is_file()
            && path.extension().is_some_and(|ext| EXTENSIONS.iter().any(|known| ext == *known))
        {
            found.push(path);
        }
    }
    found
}
