//! Grouped bars as SVG, on a logarithmic scale: ratios are what is to be seen.

use std::fmt::Write as _;

const WIDTH: f64 = 820.0;
const HEIGHT: f64 = 340.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 64.0;
const BOTTOM: f64 = 36.0;
/// Told apart also by those who see no colours well.
const COLOURS: [&str; 8] =
    ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#999999", "#f0e442"];

/// What is drawn: for each group (say, a number of sockets) one bar for each series (a target).
#[derive(Debug)]
pub(super) struct Plot<'a> {
    pub(super) title: &'a str,
    pub(super) groups: &'a [String],
    pub(super) series: &'a [String],
    /// By group, then by series; what was not measured has no bar.
    pub(super) values: &'a [Vec<Option<f64>>],
}

impl Plot<'_> {
    /// The picture; `None` when there is nothing to see.
    pub(super) fn svg(&self) -> Option<String> {
        let all = self.values.iter().flatten().flatten().copied().filter(|value| *value > 0.0);
        let (least, most) =
            all.fold((f64::MAX, 0.0_f64), |(least, most), value| (least.min(value), most.max(value)));
        if most <= 0.0 {
            return None;
        }
        // Whole powers of ten, with some room below the lowest bar.
        let (low, high) = ((least / 1.5).log10().floor(), most.log10().ceil());
        let height = HEIGHT - TOP - BOTTOM;
        let y = |value: f64| HEIGHT - BOTTOM - height * (value.log10() - low) / (high - low).max(1.0);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
             <text x=\"{LEFT}\" y=\"20\" font-size=\"15\">{}</text>\n",
            self.title
        );
        let mut power = low;
        while power <= high {
            let (at, value) = (y(10_f64.powf(power)), short(10_f64.powf(power)));
            // Writing to a string cannot fail; so below.
            let _ = writeln!(
                svg,
                "<path d=\"M{LEFT} {at:.1}H{:.1}\" stroke=\"#ddd\"/><text x=\"{:.1}\" y=\"{:.1}\" \
                 text-anchor=\"end\">{value}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                at + 4.0,
            );
            power += 1.0;
        }
        self.legend(&mut svg);
        self.bars(&mut svg, y);
        svg.push_str("</svg>\n");
        Some(svg)
    }

    fn legend(&self, svg: &mut String) {
        let mut x = LEFT;
        for (name, colour) in self.series.iter().zip(COLOURS.iter().cycle()) {
            let _ = writeln!(
                svg,
                "<rect x=\"{x:.1}\" y=\"34\" width=\"10\" height=\"10\" fill=\"{colour}\"/>\
                 <text x=\"{:.1}\" y=\"43\">{name}</text>",
                x + 14.0,
            );
            x += 26.0 + 7.0 * float(name.chars().count());
        }
    }

    fn bars(&self, svg: &mut String, y: impl Fn(f64) -> f64) {
        let group_width = (WIDTH - LEFT - RIGHT) / float(self.groups.len().max(1));
        let bar_width = group_width * 0.8 / float(self.series.len().max(1));
        for (place, (group, values)) in self.groups.iter().zip(self.values).enumerate() {
            let begin = LEFT + group_width * (float(place) + 0.1);
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{group}</text>",
                begin + group_width * 0.4,
                HEIGHT - 12.0,
            );
            for (bar, (value, colour)) in values.iter().zip(COLOURS.iter().cycle()).enumerate() {
                let Some(value) = value.filter(|value| *value > 0.0) else { continue };
                let (x, top) = (begin + bar_width * float(bar), y(value));
                let _ = writeln!(
                    svg,
                    "<rect x=\"{x:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{colour}\"/>\
                     <text x=\"{:.1}\" y=\"{:.1}\" font-size=\"10\" text-anchor=\"middle\">{}</text>",
                    bar_width * 0.9,
                    HEIGHT - BOTTOM - top,
                    x + bar_width * 0.45,
                    top - 3.0,
                    short(value),
                );
            }
        }
    }
}

/// A place in a list as a number to multiply.
fn float(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

/// Two or three digits and a letter.
fn short(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{:.1}M", value / 1e6),
        value if value >= 1e4 => format!("{:.0}k", value / 1e3),
        value if value >= 1e3 => format!("{:.1}k", value / 1e3),
        value if value >= 10.0 => format!("{value:.0}"),
        value if value >= 1.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_drawn_for_each_value_and_none_for_what_is_missing() {
        let [groups, series] = [["100", "1000"], ["ours", "theirs"]].map(|names| names.map(str::to_owned));
        let values = [vec![Some(20_000.0), Some(5.0)], vec![None, Some(0.02)]];
        let plot = Plot { title: "deliveries", groups: &groups, series: &series, values: &values };
        let svg = plot.svg().unwrap();
        assert_eq!(svg.matches("font-size=\"10\"").count(), 3);
        assert!(
            [">20k<", ">5.0<", ">0.02<", ">theirs<", ">1000<"].iter().all(|text| svg.contains(text)),
            "{svg}"
        );
        assert_eq!(Plot { values: &[], ..plot }.svg(), None);
    }
}
