//! What a command prints: tables for people, JSON for scripts, progress on a terminal and nowhere else.

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use model::text::printable;
use serde_json::Value;
use std::io::IsTerminal as _;

/// Characters of a cell at most.
const CELL_CHARS: usize = 100;

/// For whom a command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// People.
    Text,
    /// Scripts.
    Json,
}

impl Output {
    /// Whether it is for scripts.
    pub(crate) fn is_json(self) -> bool {
        self == Self::Json
    }

    /// Prints the answer as it came, or as a text.
    pub(crate) fn print(self, body: &Value, text: impl FnOnce(&Value) -> String) {
        match self {
            Self::Json => println!("{body}"),
            Self::Text => println!("{}", text(body).trim_end()),
        }
    }
}

/// A value as one cell: printable, and a dash where there is nothing.
pub(crate) fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => printable(text, CELL_CHARS),
        other => printable(&other.to_string(), CELL_CHARS),
    }
}

/// Rows under their heads, in columns.
pub(crate) fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let all: Vec<&Vec<String>> = std::iter::once(&heads).chain(rows).collect();
    let width = |column: usize| {
        all.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let mut text = String::new();
    for row in all {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// A progress bar on standard error; nothing is drawn where that is no terminal.
pub(crate) fn bar(total: u64, unit: &str) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(total), target);
    let template = format!("{{bar:30}} {{pos}} of {{len}} {unit}, {{elapsed}} gone, {{eta}} left {{msg}}");
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    bar
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_stand_under_each_other_and_nothing_moves_the_cursor() {
        let rows =
            vec![vec![cell(&json!("a\u{1b}[2J")), cell(&json!(7))], vec![cell(&Value::Null), "x".into()]];
        let text = table(&["reference", "n"], &rows);
        assert!(!text.contains('\u{1b}'));
        let ends: Vec<_> = text.lines().map(|line| line.chars().count()).collect();
        assert_eq!(ends, [ends[0]; 3], "the second column begins at the same place: {text}");
    }
}
