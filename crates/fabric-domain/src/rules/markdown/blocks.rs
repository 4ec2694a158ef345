//! The blocks of a text: which lines belong together, and which are fenced code.

use std::mem;
use std::ops::Range;

use super::line::{BlockStart, Fence, Line, lines};
use super::spans;

/// Deeper than this, markers of block quotes and lists are text. It bounds the work for one line.
const MAX_DEPTH: usize = 64;

/// The parts of a text that are code: in order, none of them empty, without overlap.
pub(super) fn code(text: &str) -> Vec<Range<usize>> {
    if !text.contains('`') && !text.contains("~~~") {
        return Vec::new();
    }
    let mut blocks = Blocks { text, containers: Vec::new(), leaf: Leaf::None, code: Vec::new() };
    for line in lines(text) {
        blocks.read(line);
    }
    blocks.close(0, text.len());
    blocks.code
}

/// What is open after the lines that were read.
struct Blocks<'t> {
    text: &'t str,
    /// The outermost first.
    containers: Vec<Container>,
    /// What the innermost container ends with.
    leaf: Leaf,
    /// What was found so far.
    code: Vec<Range<usize>>,
}

enum Container {
    Quote,
    Item {
        /// By how many columns its content is indented.
        offset: usize,
        /// Only the marker was there so far.
        is_empty: bool,
    },
}

enum Leaf {
    None,
    /// The lines of a paragraph.
    Paragraph(Vec<Range<usize>>),
    /// A fenced code block that begins at `start`.
    Code {
        start: usize,
        fence: Fence,
    },
}

impl Blocks<'_> {
    fn read(&mut self, mut line: Line<'_>) {
        let whole = line.range();
        let mut kept = self.continued(&mut line);
        let all_continue = kept == self.containers.len();
        if let (Leaf::Code { fence, .. }, true) = (&self.leaf, all_continue) {
            if line.closes(*fence) {
                self.close(kept, whole.end);
            }
            return;
        }
        let mut after_paragraph = matches!(self.leaf, Leaf::Paragraph(_));
        while kept < MAX_DEPTH {
            let Some(start) = line.block_start(after_paragraph && all_continue) else { break };
            self.close(kept, whole.start);
            after_paragraph = false;
            match start {
                BlockStart::Quote => self.open(Container::Quote),
                BlockStart::Item { offset } => self.open(Container::Item { offset, is_empty: true }),
                BlockStart::Fence(fence) => return self.add(Leaf::Code { start: line.range().start, fence }),
                BlockStart::Heading => {
                    self.add(Leaf::Paragraph(vec![line.range()]));
                    return self.close(kept, whole.end);
                }
                BlockStart::ThematicBreak | BlockStart::Underline => return self.add(Leaf::None),
            }
            kept += 1;
        }
        if line.is_blank() {
            self.close(kept, whole.start);
        } else if let (Leaf::Paragraph(lines), true) = (&mut self.leaf, after_paragraph) {
            // Even where its containers do not go on: a "lazy" line.
            lines.push(line.range());
        } else {
            self.close(kept, whole.start);
            self.add(Leaf::Paragraph(vec![line.range()]));
        }
    }

    /// How many of the open containers go on in this line; their marks are consumed.
    fn continued(&self, line: &mut Line<'_>) -> usize {
        let goes_on = |container: &Container| match *container {
            Container::Quote => line.skip_quote(),
            // An item begins with one blank line at most.
            Container::Item { is_empty, .. } if line.is_blank() => !is_empty,
            Container::Item { offset, .. } => {
                let is_inside = line.indent() >= offset;
                if is_inside {
                    line.skip_columns(offset);
                }
                is_inside
            }
        };
        self.containers.iter().map(goes_on).take_while(|goes_on| *goes_on).count()
    }

    /// Begins a container in the innermost one.
    fn open(&mut self, container: Container) {
        self.add(Leaf::None);
        self.containers.push(container);
    }

    /// Begins a leaf in the innermost container.
    fn add(&mut self, leaf: Leaf) {
        if let Some(Container::Item { is_empty, .. }) = self.containers.last_mut() {
            *is_empty = false;
        }
        self.leaf = leaf;
    }

    /// Closes the leaf, and all containers but the outermost `kept`. A block of code ends at `end`.
    fn close(&mut self, kept: usize, end: usize) {
        match mem::replace(&mut self.leaf, Leaf::None) {
            Leaf::Paragraph(lines) => spans::find(self.text, &lines, &mut self.code),
            Leaf::Code { start, .. } => self.code.push(start..end),
            Leaf::None => {}
        }
        self.containers.truncate(kept);
    }
}
