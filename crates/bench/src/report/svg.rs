//! Charts, written by hand: bars of ratios and curves of growth. They carry their own light background, so that they can be
//! read on dark pages, too.

use std::fmt::Write as _;

use super::{Comparison, Row, Verdict};
use crate::statistics::shown;
use crate::workload::Target;

const WIDTH: f64 = 980.0;
const LABELS: f64 = 440.0;
const ROW: f64 = 24.0;
const TOP: f64 = 66.0;
const REACHED: &str = "#2f7d4f";
const MISSED: &str = "#c2703d";
const INK: &str = "#1f2933";
const FAINT: &str = "#c9d1d9";

/// A line of a chart: a name and points of x (logarithmic) and y.
#[derive(Debug)]
pub struct Curve {
    /// Whose it is.
    pub name: String,
    /// The points, x ascending.
    pub points: Vec<(f64, f64)>,
}

/// Bars of how many times as good as the peer we are, on a logarithmic scale, with the goal as a tick.
pub fn ratios(comparison: &Comparison) -> String {
    let bars: Vec<(&Row, &str, f64)> = [(&comparison.rows, ""), (&comparison.tls_rows, " (TLS)")]
        .into_iter()
        .flat_map(|(rows, suffix)| rows.iter().filter_map(move |row| Some((row, suffix, row.ratio()?))))
        .collect();
    let most = bars.iter().map(|(_, _, ratio)| *ratio).fold(20.0, f64::max) * 1.3;
    let least = bars.iter().map(|(_, _, ratio)| *ratio).fold(0.5, f64::min) * 0.9;
    let scale = LogScale { least, most, from: LABELS, to: WIDTH - 60.0 };
    let height = TOP + ROW * bars.len() as f64 + 20.0;
    let mut svg = opened(height, &format!("{}: how many times as good", comparison.versions.join(" beside ")));
    let _ = write!(
        svg,
        "<text x='16' y='44' font-size='12'>bar: ratio, logarithmic · line: goal · green: goal reached · {}</text>",
        escaped(&comparison.machine.date)
    );
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

fn bar(svg: &mut String, row: &Row, suffix: &str, ratio: f64, y: f64, scale: &LogScale) {
    let (one, end) = (scale.at(1.0), scale.at(ratio));
    let colour = if row.verdict() == Verdict::Reached { REACHED } else { MISSED };
    let mut name: String = row.workload.name.chars().take(46).collect();
    if name.len() < row.workload.name.len() {
        name.push('…');
    }
    let _ = write!(
        svg,
        "<text x='{:.0}' y='{:.0}' font-size='12' text-anchor='end'>{}{suffix}</text>\
         <rect x='{:.1}' y='{:.0}' width='{:.1}' height='14' rx='2' fill='{colour}'/>",
        LABELS - 50.0,
        y + 12.0,
        escaped(&name),
        one.min(end),
        y + 1.0,
        (end - one).abs().max(1.0),
    );
    if let Target::Ratio(goal) = row.workload.target {
        let x = scale.at(goal);
        let (from, to) = (y - 2.0, y + 18.0);
        let _ =
            write!(svg, "<line x1='{x:.1}' y1='{from:.0}' x2='{x:.1}' y2='{to:.0}' stroke='{INK}' stroke-width='2'/>");
    }
    // The white border keeps the figure readable where it lies on a line.
    let _ = write!(
        svg,
        "<text x='{:.1}' y='{:.0}' font-size='12' stroke='#ffffff' stroke-width='4' paint-order='stroke'>{}×</text>",
        one.max(end) + 6.0,
        y + 12.0,
        shown(ratio),
    );
}

fn grid_line(svg: &mut String, x: f64, height: f64, value: f64) {
    let (stroke, bottom) = (if value == 1.0 { INK } else { FAINT }, height - 14.0);
    let _ = write!(
        svg,
        "<line x1='{x:.1}' y1='{TOP:.0}' x2='{x:.1}' y2='{bottom:.0}' stroke='{stroke}' stroke-width='1'/>\
         <text x='{x:.1}' y='{:.0}' font-size='11' text-anchor='middle'>{value}×</text>",
        TOP - 6.0
    );
}

/// Curves over sizes of a mailbox, both axes logarithmic.
pub fn curves(title: &str, unit: &str, curves: &[Curve]) -> String {
    const COLOURS: [&str; 4] = [REACHED, MISSED, "#3b6ea5", "#7a4f9a"];
    let height = 340.0;
    let values = || curves.iter().flat_map(|curve| curve.points.iter());
    let least = values().map(|point| point.1).fold(f64::INFINITY, f64::min).max(1e-6) / 1.5;
    let most = values().map(|point| point.1).fold(1e-6, f64::max) * 1.5;
    let x_least = values().map(|point| point.0).fold(f64::INFINITY, f64::min).max(1.0);
    let x_most = values().map(|point| point.0).fold(1.0, f64::max).max(x_least * 1.01);
    let across = LogScale { least: x_least, most: x_most, from: 90.0, to: 700.0 };
    let up = LogScale { least, most: most.max(least * 2.0), from: height - 40.0, to: 50.0 };
    let mut svg = opened(height, &format!("{title}, {unit}"));
    let mut grid = 10_f64.powf(least.log10().floor());
    while grid < most {
        if grid > least {
            let y = up.at(grid);
            let _ = write!(
                svg,
                "<line x1='90' y1='{y:.1}' x2='700' y2='{y:.1}' stroke='{FAINT}'/>\
                 <text x='82' y='{:.1}' font-size='11' text-anchor='end'>{}</text>",
                y + 4.0,
                shown(grid)
            );
        }
        grid *= 10.0;
    }
    for (number, curve) in curves.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let points: Vec<String> =
            curve.points.iter().map(|(x, y)| format!("{:.1},{:.1}", across.at(*x), up.at(*y))).collect();
        let _ = write!(svg, "<polyline points='{}' fill='none' stroke='{colour}' stroke-width='2'/>", points.join(" "));
        for (x, y) in &curve.points {
            let (x, y, text) = (across.at(*x), up.at(*y), shown(*y));
            let _ = write!(svg, "<circle cx='{x:.1}' cy='{y:.1}' r='3.5' fill='{colour}'/>");
            let _ =
                write!(svg, "<text x='{x:.1}' y='{:.1}' font-size='11' text-anchor='middle'>{text}</text>", y - 8.0);
        }
        let y = 70.0 + 20.0 * number as f64;
        let name = escaped(&curve.name);
        let _ = write!(svg, "<text x='760' y='{y:.0}' font-size='13' fill='{colour}'>● {name}</text>");
    }
    let sizes: std::collections::BTreeSet<u64> = values().map(|point| point.0 as u64).collect();
    for size in sizes {
        let (x, y) = (across.at(size as f64), height - 18.0);
        let text = shown(size as f64);
        let _ = write!(svg, "<text x='{x:.1}' y='{y:.1}' font-size='11' text-anchor='middle'>{text}</text>");
    }
    svg.push_str("</svg>\n");
    svg
}

fn opened(height: f64, title: &str) -> String {
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH:.0} {height:.0}' width='{WIDTH:.0}' height='{height:.0}' \
         font-family='system-ui, sans-serif' fill='{INK}'><rect width='100%' height='100%' fill='#ffffff'/>\
         <text x='16' y='24' font-size='15' font-weight='600'>{}</text>",
        escaped(title)
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
