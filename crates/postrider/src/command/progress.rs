//! Showing how far long work is: a bar on a terminal, a line now and then where nobody watches.
//!
//! All of it goes to standard error, so that the answer on standard output is the answer and nothing else.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use indicatif::{HumanBytes, HumanCount, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use postrider_pull::agreeing;
use serde::Serialize;

use super::output::Form;
use crate::control::{Event, Progress};

/// How often a line is written where there is no terminal.
const LINE_STEP: Duration = Duration::from_secs(10);

/// Shows events as they come.
pub struct Display {
    style: Style,
    began: Instant,
    /// When the last line was written, where lines are.
    last: Instant,
}

enum Style {
    Bar(ProgressBar),
    Lines,
    Json,
}

impl Display {
    /// A display for what `form` asks for.
    pub fn new(form: Form) -> Self {
        let style = match form {
            Form::Json => Style::Json,
            Form::Text if io::stderr().is_terminal() => Style::Bar(bar()),
            Form::Text => Style::Lines,
        };
        let began = Instant::now();
        Self { style, began, last: began }
    }

    /// Shows an event.
    pub fn show<T: Serialize>(&mut self, event: &Event<T>) {
        match (&self.style, event) {
            (_, Event::Done(_) | Event::Failed(_)) => {}
            (Style::Bar(bar), Event::Progress(progress)) => {
                let (done, total) = measure(progress);
                if let Some(total) = total {
                    if bar.length().is_none() {
                        restyle(bar, BAR);
                    }
                    bar.set_length(total);
                }
                bar.set_position(done);
                bar.set_message(describe(progress, self.began.elapsed()));
                bar.tick();
            }
            (Style::Bar(bar), Event::Note(note)) => bar.suspend(|| tell(note)),
            // What is done within seconds needs no word.
            (_, Event::Progress(_)) if self.last.elapsed() < LINE_STEP => {}
            (Style::Lines, Event::Note(note)) => tell(note),
            (Style::Lines, Event::Progress(progress)) => {
                tell(&describe(progress, self.began.elapsed()));
                self.last = Instant::now();
            }
            (Style::Json, event) => {
                if let Ok(line) = serde_json::to_string(event) {
                    tell(&line);
                }
                self.last = Instant::now();
            }
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        if let Style::Bar(bar) = &self.style {
            bar.finish_and_clear();
        }
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    restyle(&bar, NO_TOTAL);
    bar
}

/// Until it is known how much there is to do, an empty bar would look like standing still.
const NO_TOTAL: &str = "{spinner} {wide_msg}";
const BAR: &str = "{spinner} {wide_bar} {msg}";

fn restyle(bar: &ProgressBar, template: &str) {
    // The templates are constants that indicatif knows how to read; were they not, its own style would do.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}

/// How much is done of how much: in messages, else in bytes, as an mbox file does not tell how many messages it holds.
fn measure(progress: &Progress) -> (u64, Option<u64>) {
    match (progress.messages_total, progress.bytes_total) {
        (None, Some(total)) => (progress.bytes, Some(total)),
        (total, _) => (progress.messages, total),
    }
}

/// What is being done, how much, how fast, and how long it will take.
fn describe(progress: &Progress, elapsed: Duration) -> String {
    let mut text = format!("{}: {}", progress.doing, HumanCount(progress.messages));
    if let Some(total) = progress.messages_total {
        text.push_str(&format!(" of {}", HumanCount(total)));
    }
    text.push_str(agreeing(progress.messages_total.unwrap_or(progress.messages), " message", " messages"));
    if progress.bytes > 0 {
        text.push_str(&format!(", {}", HumanBytes(progress.bytes)));
        if let Some(total) = progress.bytes_total {
            text.push_str(&format!(" of {}", HumanBytes(total)));
        }
        let seconds = elapsed.as_secs_f64();
        if seconds >= 1.0 {
            text.push_str(&format!(", {}/s", HumanBytes((progress.bytes as f64 / seconds) as u64)));
        }
    }
    // Before a hundredth is done, an estimate would be a guess.
    if let (done, Some(total)) = measure(progress)
        && done > 0
        && done.saturating_mul(100) >= total
    {
        let rest = total.saturating_sub(done) as f64 / done as f64;
        text.push_str(&format!(", {} left", HumanDuration(elapsed.mul_f64(rest.max(0.0)))));
    }
    text
}

/// A closed standard error is no reason to end the work.
fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_told_with_what_is_known_of_it() {
        let doing = "reading messages".to_owned();
        let progress = Progress { doing, messages: 1500, ..Progress::default() };
        let ten_seconds = Duration::from_secs(10);
        assert_eq!(describe(&progress, ten_seconds), "reading messages: 1,500 messages");
        let progress = Progress { messages_total: Some(3000), bytes: 20 << 20, ..progress };
        assert_eq!(
            describe(&progress, ten_seconds),
            "reading messages: 1,500 of 3,000 messages, 20.00 MiB, 2.00 MiB/s, 10 seconds left"
        );
        let progress = Progress { messages: 1, messages_total: Some(3000), bytes: 0, ..progress };
        assert_eq!(describe(&progress, ten_seconds), "reading messages: 1 of 3,000 messages");
        let mbox = Progress { messages_total: None, bytes: 20 << 20, bytes_total: Some(40 << 20), ..progress };
        assert_eq!(measure(&mbox), (20 << 20, Some(40 << 20)));
        assert_eq!(
            describe(&mbox, ten_seconds),
            "reading messages: 1 message, 20.00 MiB of 40.00 MiB, 2.00 MiB/s, 10 seconds left"
        );
    }
}
