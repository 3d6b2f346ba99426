//! Charts, written by hand: bars of ratios and curves of growth. Each carries its own background, light or dark as the
//! reader's browser is, so that it can be read on every page.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{Comparison, Row, Verdict};
use crate::statistics::{counted, shown};
use crate::workload::Target;

/// As wide as a page of a repository shows a picture without making it smaller.
const WIDTH: f64 = 880.0;
/// Where bars begin.
const LABELS: f64 = 318.0;
const ROW: f64 = 24.0;
const TOP: f64 = 84.0;

/// The classes: text and strong lines, faint lines, the background, bars and curves.
const STYLE: &str = "\
    text{fill:#1f2933}\
    .ink{stroke:#1f2933}\
    .faint{stroke:#d5dbe1}\
    .page{fill:#ffffff}\
    .halo{stroke:#ffffff;stroke-width:4;paint-order:stroke}\
    .reached{fill:#2c8a57}\
    .missed{fill:#cf7733}\
    .a{fill:#2c8a57;stroke:#2c8a57}\
    .b{fill:#cf7733;stroke:#cf7733}\
    .c{fill:#3b6ea5;stroke:#3b6ea5}\
    @media (prefers-color-scheme:dark){\
    text{fill:#e6edf3}\
    .ink{stroke:#e6edf3}\
    .faint{stroke:#343b44}\
    .page{fill:#0d1117}\
    .halo{stroke:#0d1117}\
    .reached{fill:#3fa76b}\
    .missed{fill:#d98545}\
    .a{fill:#3fa76b;stroke:#3fa76b}\
    .b{fill:#d98545;stroke:#d98545}\
    .c{fill:#6ca0dc;stroke:#6ca0dc}\
    }";

/// A line of a chart: a name and points of x (logarithmic) and y.
#[derive(Debug)]
pub struct Curve {
    /// Whose it is.
    pub name: String,
    /// The points, x ascending.
    pub points: Vec<(f64, f64)>,
}

/// Bars of how many times as good as the peer we are, for the rows that have a goal, on a logarithmic scale. A stroke marks
/// the goal.
pub fn ratios(comparison: &Comparison) -> String {
    let bars: Vec<(&Row, &str, f64)> = [(&comparison.rows, ""), (&comparison.tls_rows, " (TLS)")]
        .into_iter()
        .flat_map(|(rows, suffix)| rows.iter().filter_map(move |row| Some((row, suffix, row.ratio()?))))
        .filter(|(row, _, _)| matches!(row.workload.target, Target::Ratio(_) | Target::AtMost(_)))
        .collect();
    let most = bars.iter().map(|(_, _, ratio)| *ratio).fold(20.0, f64::max) * 1.2;
    let least = bars.iter().map(|(_, _, ratio)| *ratio).fold(0.6, f64::min) * 0.85;
    let scale = LogScale { least, most, from: LABELS, to: WIDTH - 78.0 };
    let height = TOP + ROW * bars.len() as f64 + 16.0;
    let peer = comparison.peer_name();
    let mut svg = opened(height, &format!("postrider beside {peer}: how many times as good ({peer} = 1)"));
    svg.push_str(&legend(comparison));
    for grid in [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0] {
        if grid > least && grid < most {
            grid_line(&mut svg, scale.at(grid), height, grid);
        }
    }
    for (number, (row, suffix, ratio)) in bars.iter().enumerate() {
        bar(&mut svg, row, suffix, *ratio, TOP + ROW * number as f64, &scale);
    }
    svg.push_str("</svg>\n");
    svg
}

fn legend(comparison: &Comparison) -> String {
    let versions = escaped(&comparison.versions.join(", "));
    format!(
        "<rect x='16' y='40' width='12' height='12' rx='2' class='reached'/><text x='33' y='50' font-size='12'>goal reached</text>\
         <rect x='122' y='40' width='12' height='12' rx='2' class='missed'/><text x='139' y='50' font-size='12'>not reached</text>\
         <line x1='222' y1='38' x2='222' y2='54' class='ink' stroke-width='2.5'/><text x='230' y='50' font-size='12'>goal</text>\
         <text x='{:.0}' y='50' font-size='12' text-anchor='end'>logarithmic · {versions} · {}</text>",
        WIDTH - 16.0,
        escaped(&comparison.machine.date)
    )
}

fn bar(svg: &mut String, row: &Row, suffix: &str, ratio: f64, y: f64, scale: &LogScale) {
    let (one, end) = (scale.at(1.0), scale.at(ratio));
    let class = if row.verdict() == Verdict::Reached { "reached" } else { "missed" };
    let name = row.workload.label();
    let _ = write!(
        svg,
        "<text x='{:.0}' y='{:.0}' font-size='13' text-anchor='end'>{}{suffix}</text>\
         <rect x='{:.1}' y='{:.0}' width='{:.1}' height='15' rx='2' class='{class}'/>",
        LABELS - 10.0,
        y + 13.0,
        escaped(name),
        one.min(end),
        y + 1.0,
        (end - one).abs().max(1.0),
    );
    if let Target::Ratio(goal) = row.workload.target {
        let x = scale.at(goal);
        let (from, to) = (y - 2.0, y + 19.0);
        let _ =
            write!(svg, "<line x1='{x:.1}' y1='{from:.0}' x2='{x:.1}' y2='{to:.0}' class='ink' stroke-width='2.5'/>");
    }
    // All figures in one column: beside their bars they would lie on the strokes of the goals.
    let _ = write!(
        svg,
        "<text x='{:.1}' y='{:.0}' font-size='13' font-weight='600' text-anchor='end'>{}×</text>",
        WIDTH - 16.0,
        y + 13.0,
        shown(ratio),
    );
}

fn grid_line(svg: &mut String, x: f64, height: f64, value: f64) {
    let (class, bottom) = (if value == 1.0 { "ink" } else { "faint" }, height - 12.0);
    let _ = write!(
        svg,
        "<line x1='{x:.1}' y1='{:.0}' x2='{x:.1}' y2='{bottom:.0}' class='{class}' stroke-width='1'/>\
         <text x='{x:.1}' y='{:.0}' font-size='12' text-anchor='middle'>{value}×</text>",
        TOP - 5.0,
        TOP - 9.0
    );
}

/// The part of a chart where curves are: left, right, top, bottom.
const PLOT: (f64, f64, f64, f64) = (84.0, 830.0, 62.0, 284.0);

/// Curves over counts of something, both axes logarithmic.
pub fn curves(title: &str, unit: &str, subject: &str, curves: &[Curve]) -> String {
    let (left, right, top, bottom) = PLOT;
    let points = || curves.iter().flat_map(|curve| curve.points.iter());
    let least = points().map(|point| point.1).fold(f64::INFINITY, f64::min).max(1e-6) / 1.6;
    let most = points().map(|point| point.1).fold(1e-6, f64::max) * 1.6;
    let counts: BTreeSet<u64> = points().map(|point| point.0 as u64).collect();
    let x_least = counts.first().map_or(1.0, |count| *count as f64);
    let x_most = counts.last().map_or(1.0, |count| *count as f64).max(x_least * 1.01);
    let across = LogScale { least: x_least, most: x_most, from: left + 30.0, to: right - 30.0 };
    let up = LogScale { least, most: most.max(least * 2.0), from: bottom, to: top };
    let mut svg = opened(330.0, &format!("{title}, {unit}"));
    for grid in grid_values(least, most) {
        let y = up.at(grid);
        let _ = write!(
            svg,
            "<line x1='{left}' y1='{y:.1}' x2='{right}' y2='{y:.1}' class='faint'/>\
             <text x='{:.0}' y='{:.1}' font-size='12' text-anchor='end'>{}</text>",
            left - 8.0,
            y + 4.0,
            shown(grid)
        );
    }
    for count in counts {
        let x = across.at(count as f64);
        let text = counted(count as f64);
        let _ = write!(svg, "<text x='{x:.1}' y='304' font-size='12' text-anchor='middle'>{text}</text>");
    }
    let _ = write!(
        svg,
        "<line x1='{left}' y1='{bottom}' x2='{right}' y2='{bottom}' class='ink'/>\
         <text x='{:.0}' y='322' font-size='12' text-anchor='middle'>{subject} (both axes logarithmic)</text>",
        f64::midpoint(left, right)
    );
    for (number, (curve, class)) in curves.iter().zip(["a", "b", "c"].into_iter().cycle()).enumerate() {
        draw_curve(&mut svg, curve, class, curves, (&across, &up));
        let x = 600.0 + 120.0 * number as f64;
        let name = escaped(&curve.name);
        let _ = write!(
            svg,
            "<circle cx='{x:.0}' cy='40' r='5' class='{class}'/>\
             <text x='{:.0}' y='44' font-size='13'>{name}</text>",
            x + 10.0
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw_curve(svg: &mut String, curve: &Curve, class: &str, all: &[Curve], (across, up): (&LogScale, &LogScale)) {
    let line: Vec<String> =
        curve.points.iter().map(|(x, y)| format!("{:.1},{:.1}", across.at(*x), up.at(*y))).collect();
    let line = line.join(" ");
    let _ = write!(svg, "<polyline points='{line}' class='{class}' style='fill:none' stroke-width='2.5'/>");
    for &(x, y) in &curve.points {
        // The figure stands on the side where no other curve is.
        let others = all.iter().flat_map(|other| &other.points).filter(|other| other.0 == x);
        let above = others.map(|other| other.1).all(|other| other <= y);
        let offset = if above { -10.0 } else { 20.0 };
        let (x, y, text) = (across.at(x), up.at(y), shown(y));
        let _ = write!(
            svg,
            "<circle cx='{x:.1}' cy='{y:.1}' r='4' class='{class}'/>\
             <text x='{x:.1}' y='{:.1}' font-size='12' text-anchor='middle' class='halo'>{text}</text>",
            y + offset
        );
    }
}

/// Round values between two: powers of ten, and their doubles and fives if these alone were few.
fn grid_values(least: f64, most: f64) -> Vec<f64> {
    let steps: &[f64] = if most / least > 200.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let (first, last) = (least.log10().floor() as i32, most.log10().ceil() as i32);
    let values = (first..=last).flat_map(|power| steps.iter().map(move |step| step * 10_f64.powi(power)));
    values.filter(|value| *value > least && *value < most).collect()
}

fn opened(height: f64, title: &str) -> String {
    let title = escaped(title);
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH:.0} {height:.0}' width='{WIDTH:.0}' height='{height:.0}' \
         font-family='system-ui, -apple-system, \"Segoe UI\", \"Noto Sans\", Helvetica, Arial, sans-serif' role='img'>\
         <title>{title}</title><style>{STYLE}</style><rect width='100%' height='100%' rx='6' class='page'/>\
         <text x='16' y='26' font-size='16' font-weight='600'>{title}</text>"
    )
}

/// Places on a logarithmic axis.
struct LogScale {
    least: f64,
    most: f64,
    from: f64,
    to: f64,
}

impl LogScale {
    fn at(&self, value: f64) -> f64 {
        let part = (value.max(1e-12).ln() - self.least.ln()) / (self.most.ln() - self.least.ln());
        (self.to - self.from).mul_add(part, self.from)
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_have_some_lines_but_not_many() {
        for (least, most) in [(0.4, 0.9), (3.0, 40.0), (1.0, 1e6), (0.01, 30.0)] {
            let values = grid_values(least, most);
            assert!((1..=9).contains(&values.len()), "{values:?}");
        }
    }
}
