//! As much of a Dockerfile as its checks want to know.

use std::collections::BTreeMap;

/// The stages, in their order.
pub(super) struct Dockerfile {
    pub(super) stages: Vec<Stage>,
}

/// What is between two `FROM`s.
pub(super) struct Stage {
    pub(super) name: String,
    /// An image, or an earlier stage.
    pub(super) base: String,
    /// Keyword and arguments, lines joined.
    instructions: Vec<(String, String)>,
}

impl Stage {
    /// The arguments of every instruction of this kind.
    pub(super) fn all(&self, keyword: &str) -> impl DoubleEndedIterator<Item = &str> {
        self.instructions
            .iter()
            .filter(move |(own, _)| own == keyword)
            .map(|(_, arguments)| arguments.as_str())
    }
}

impl Dockerfile {
    pub(super) fn parse(text: &str) -> Self {
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let joined = lines.join("\n").replace("\\\n", " ");
        let mut stages: Vec<Stage> = Vec::new();
        for line in joined.lines().filter(|line| !line.trim().is_empty()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["FROM", base, "AS", name] => {
                    let (name, base) = (name.to_owned(), base.to_owned());
                    stages.push(Stage { name, base, instructions: Vec::new() });
                }
                [keyword, ..] => {
                    let stage = stages.last_mut().expect("FROM comes first, with a name");
                    stage.instructions.push((keyword.to_owned(), words[1..].join(" ")));
                }
                [] => {}
            }
        }
        Self { stages }
    }

    /// The stages that no other is made from: what people run.
    pub(super) fn products(&self) -> impl Iterator<Item = &Stage> {
        let is_used = |name: &str| {
            let from = format!("--from={name} ");
            self.stages
                .iter()
                .any(|stage| stage.base == name || stage.all("COPY").any(|copy| copy.starts_with(&from)))
        };
        self.stages.iter().filter(move |stage| !is_used(&stage.name))
    }

    /// A stage, and those that it is made from.
    fn lineage<'a>(&'a self, stage: &'a Stage) -> impl Iterator<Item = &'a Stage> {
        std::iter::successors(Some(stage), |stage| self.stages.iter().find(|other| other.name == stage.base))
    }

    /// What holds in the end.
    pub(super) fn last<'a>(&'a self, stage: &'a Stage, keyword: &'a str) -> Option<&'a str> {
        self.lineage(stage).find_map(|stage| stage.all(keyword).next_back())
    }

    /// The words of an instruction that no shell reads.
    pub(super) fn exec_form(&self, stage: &Stage, keyword: &str) -> Vec<String> {
        let arguments = self.last(stage, keyword).expect(keyword);
        serde_json::from_str(arguments).unwrap_or_else(|error| panic!("{keyword} {arguments}: {error}"))
    }

    /// What `ENV` sets, in the form `NAME=value`.
    pub(super) fn environment(&self, stage: &Stage) -> BTreeMap<String, String> {
        let words = self.lineage(stage).flat_map(|stage| stage.all("ENV")).flat_map(str::split_whitespace);
        words
            .map(|word| word.split_once('=').expect("NAME=value"))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }
}
