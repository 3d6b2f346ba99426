//! `growth.md` and its charts.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;

use super::{Results, Subject};
use crate::machine::Machine;
use crate::mail::Mail;
use crate::report::{self, Curve};
use crate::statistics::{counted, shown};

/// Prints and writes them; `options` are those that made them differ from what comes without any.
pub(super) fn write(
    machine: &Machine,
    mail: &Mail,
    results: &[(Subject, Results)],
    output: &Path,
    stem: &str,
    options: &str,
) -> Result<()> {
    let mut text = format!(
        "# Growth\n\n<!-- Made by `cargo run --release -p postrider-bench -- growth{options}`. Do not edit. -->\n\n"
    );
    text.push_str(&report::machine_paragraph(machine));
    let (median, mean) = mail.sizes();
    let _ = write!(
        text,
        "Messages have {} bytes in the median, {} in the mean. PSS counts pages of mapped files, too, such as postrider's \
         database; the kernel takes those back when it needs them. Anonymous memory is what it cannot take back.\n\n",
        shown(median as f64),
        shown(mean as f64)
    );
    if cfg!(debug_assertions) {
        text.push_str("**A build for debugging: these figures mean nothing.**\n\n");
    }
    for (subject, servers) in results {
        let _ = write!(text, "## {}\n\n{}\n\n", subject.title, subject.note);
        for (index, &(name, unit)) in subject.figures.iter().enumerate() {
            let file = format!("{stem}-{}{}.svg", subject.prefix, file_name(name));
            let _ = write!(text, "### {name}, {unit}\n\n");
            text.push_str(&table(subject, servers, index));
            let _ = write!(text, "\n![{name}, by {}]({file})\n\n", subject.counted);
            let curves = curves(servers, index);
            report::save(output, &file, &report::curves(name, unit, subject.counted, &curves))?;
        }
    }
    println!("\n{text}");
    report::save(output, &format!("{stem}.md"), &format!("{}\n", text.trim_end()))
}

fn table(subject: &Subject, servers: &Results, index: usize) -> String {
    let mut text = format!("| {} |", subject.counted);
    for (kind, _) in servers {
        let _ = write!(text, " {} |", kind.name());
    }
    let _ = writeln!(text, "\n|--:|{}", "--:|".repeat(servers.len()));
    for (row, (count, _)) in servers.first().map(|(_, rows)| rows.as_slice()).unwrap_or_default().iter().enumerate() {
        let _ = write!(text, "| {} |", counted(*count as f64));
        for (_, rows) in servers {
            let value = rows.get(row).and_then(|(_, values)| values.get(index)).copied().unwrap_or(0.0);
            let _ = write!(text, " {} |", shown(value));
        }
        text.push('\n');
    }
    text
}

fn curves(servers: &Results, index: usize) -> Vec<Curve> {
    let point = |(count, values): &(usize, Vec<f64>)| Some((*count as f64, values.get(index).copied()?));
    let curve = |(kind, rows): &(_, Vec<(usize, Vec<f64>)>)| Curve {
        name: crate::server::Kind::name(*kind).to_owned(),
        points: rows.iter().filter_map(point).collect(),
    };
    servers.iter().map(curve).collect()
}

/// A figure's name as part of a file's.
fn file_name(name: &str) -> String {
    let words = name.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).take(3);
    words.collect::<Vec<_>>().join("-").to_lowercase()
}
