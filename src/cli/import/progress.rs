//! What an import has done already: a file beside the manifest, so that it goes on where it stopped. It holds hashes of
//! rows' references and nothing about anybody.

use crate::failure::Failure;
use model::{EnrollmentRef, hex};
use ring::digest;
use std::{
    collections::HashSet,
    fs::{File, OpenOptions},
    io::{BufRead as _, BufReader, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// The rows that were in the vault when this run began.
pub(super) struct Done(HashSet<String>);

impl Done {
    /// Whether this one is in the vault already.
    pub(super) fn has(&self, reference: &EnrollmentRef) -> bool {
        self.0.contains(&mark(reference))
    }
}

/// Where it is written down what this run does.
pub(super) struct Journal(Option<File>);

impl Journal {
    /// This one is in the vault now.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub(super) fn add(&mut self, reference: &EnrollmentRef) -> Result<(), Failure> {
        if let Some(file) = &mut self.0 {
            // The new line first: it ends whatever a crash has cut short.
            writeln!(file, "\n{}", mark(reference)).map_err(Failure::failed)?;
        }
        Ok(())
    }
}

/// Reads what was done before, and opens the file for what will be. Without a path nothing is remembered.
///
/// # Errors
/// When the file cannot be read or written.
pub(super) fn open(path: Option<&Path>) -> Result<(Done, Journal), Failure> {
    let Some(path) = path else { return Ok((Done(HashSet::new()), Journal(None))) };
    let told = |error: std::io::Error| Failure::failed(format!("{}: {error}", path.display()));
    let options = OpenOptions::new().read(true).append(true).create(true).mode(0o600).to_owned();
    let file = options.open(path).map_err(told)?;
    // A line that a crash cut short is no reference's hash, and its row is sent again: that changes nothing.
    let done = BufReader::new(&file).lines().collect::<Result<_, _>>().map_err(told)?;
    Ok((Done(done), Journal(Some(file))))
}

/// Where the progress of this manifest is remembered, if nobody says otherwise.
pub(super) fn beside(manifest: &Path) -> PathBuf {
    let mut name = manifest.as_os_str().to_owned();
    name.push(".progress");
    name.into()
}

fn mark(reference: &EnrollmentRef) -> String {
    hex::encode(digest::digest(&digest::SHA256, reference.as_bytes()).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_is_known_the_next_time_and_a_line_cut_short_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = beside(&dir.path().join("people.csv"));
        let [first, second]: [EnrollmentRef; 2] =
            ["0f0e0d0c-0b0a-4908-8706-050403020100", "1f0e0d0c-0b0a-4908-8706-050403020100"]
                .map(|text| text.parse().unwrap());
        let (done, mut journal) = open(Some(&path)).unwrap();
        assert!(!done.has(&first));
        journal.add(&first).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{text}{}", &mark(&second)[..20])).unwrap();
        let (done, mut journal) = open(Some(&path)).unwrap();
        assert_eq!((done.has(&first), done.has(&second)), (true, false));
        journal.add(&second).unwrap();
        assert!(open(Some(&path)).unwrap().0.has(&second));
        assert!(!text.contains("0f0e0d0c"));
    }
}
