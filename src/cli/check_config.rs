//! `check-config`: everything that `serve` would check, what is in force, and what deserves a second thought.

use super::load_checked;
use crate::config::{self, Config, Origin, Setting};
use crate::failure::Failure;
use std::{
    io::{self, Write},
    path::Path,
};

pub(super) fn run(path: &Path) -> Result<(), Failure> {
    let config = load_checked(path)?;
    print(&config, path, &mut io::stdout().lock())
        .map_err(|error| Failure::failed(format!("printing: {error}")))?;
    for warning in config::warnings(&config) {
        eprintln!("warning: {warning}");
    }
    eprintln!("{} can be served.", path.display());
    Ok(())
}

/// Prints what is in force, as TOML.
fn print(config: &Config, path: &Path, to: &mut impl Write) -> io::Result<()> {
    writeln!(to, "# What is in force with {}. Secrets are redacted, paths are absolute.", path.display())?;
    let mut section = "";
    for setting in &config.settings {
        if setting.section != section {
            section = setting.section;
            writeln!(to, "\n[{section}]")?;
        }
        match &setting.value {
            Some(value) => writeln!(to, "{} = {value}  # {}", setting.key, note(setting))?,
            None => writeln!(to, "# {}: {}", setting.key, note(setting))?,
        }
    }
    Ok(())
}

fn note(setting: &Setting) -> String {
    let mut note = match &setting.origin {
        Origin::Default if setting.value.is_none() => "not set".to_owned(),
        Origin::Default => "default".to_owned(),
        Origin::Line(line) => format!("line {line}"),
        Origin::Variable(name) => name.clone(),
    };
    if config::acts_later(setting) {
        note.push_str("; checked, but acts only in a later version");
    }
    note
}
