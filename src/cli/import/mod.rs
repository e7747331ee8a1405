//! `enrollments import`: brings in facemaps that are held elsewhere, through the private API.

mod manifest;
mod progress;

use crate::{
    client::{Answer, Api, Server, bar},
    failure::Failure,
};
use bytes::Bytes;
use clap::{Args, Subcommand};
use futures_util::{StreamExt as _, stream};
use http::{HeaderName, header};
use manifest::{Checked, Format, Numbered};
use model::{EnrollmentRef, FacemapBytes};
use progress::{Done, Journal};
use serde_json::json;
use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};

/// Tries of a row while the server is away or busy.
const TRIES: u32 = 6;
/// The first pause between tries; it doubles.
const PAUSE: Duration = Duration::from_millis(500);

#[derive(Debug, Subcommand)]
pub(super) enum EnrollmentsCommand {
    /// Brings in facemaps that are held elsewhere; run it again and it goes on where it stopped
    #[command(
        after_help = "Example:  facemap-vault enrollments import --manifest people.csv --attestation 'exported 2026-05, case 17'

Columns: reference, user, path or base64, onboardedAt, lastUsedAt, status, similarity, validity.
A reference that stands in the manifest twice is refused each time. With `--manifest -` rows come from standard input, and
only the second and later ones of a reference can be refused."
    )]
    Import(ImportArgs),
}

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// The manifest; `-` is standard input
    #[arg(long, value_name = "FILE")]
    manifest: PathBuf,
    /// How the manifest is written; by its ending (.csv, else NDJSON) if not given
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Your word, kept in the audit trail, that those whose original is gone at Jumio are who the manifest says
    #[arg(long)]
    attestation: Option<String>,
    /// Where refused rows are listed, as one JSON object in a line; standard error if not given
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Where it is remembered what was done; beside the manifest if not given
    #[arg(long, value_name = "FILE")]
    progress: Option<PathBuf>,
    /// Rows that are sent at the same time
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=32))]
    at_once: u16,
    #[command(flatten)]
    server: Server,
}

/// How often what came of it.
#[derive(Default)]
struct Counts {
    imported: u64,
    already: u64,
    refused: u64,
}

/// What came of a row.
enum Outcome {
    Imported(EnrollmentRef),
    Already(EnrollmentRef),
    Refused { code: String, detail: String },
}

pub(super) fn run(command: &EnrollmentsCommand) -> Result<(), Failure> {
    let EnrollmentsCommand::Import(args) = command;
    super::block_on(async {
        let api = args.server.api()?;
        let counts = args.import(&api).await?;
        args.tell(&counts)
    })
}

impl ImportArgs {
    async fn import(&self, api: &Api) -> Result<Counts, Failure> {
        let manifest = (!self.is_stdin()).then_some(self.manifest.as_path());
        // The whole manifest is looked through before anything is sent, where it can be read twice.
        let (total, repeated) = if manifest.is_some() { self.look_through()? } else { Default::default() };
        let remembered = self.progress.clone().or_else(|| manifest.map(progress::beside));
        let (done, mut journal) = progress::open(remembered.as_deref())?;
        let mut report = self.open_report()?;
        let shown = bar(total, "rows");
        let mut counts = Counts::default();
        let rows = manifest::rows(self.open_manifest()?, self.format())?;
        let mut outcomes = stream::iter(judged(rows, repeated))
            .map(|(line, row)| self.bring(api, &done, line, row))
            .buffer_unordered(self.at_once.into());
        while let Some((line, outcome)) = outcomes.next().await {
            shown.inc(1);
            counts.add(line, outcome?, &mut journal, &mut *report)?;
        }
        shown.finish_and_clear();
        Ok(counts)
    }

    /// How many rows there are, and which references stand there more than once: nobody can say which row is right.
    fn look_through(&self) -> Result<(u64, HashSet<EnrollmentRef>), Failure> {
        let mut rows = 0;
        let mut times: HashMap<EnrollmentRef, u32> = HashMap::new();
        for (_, row) in manifest::rows(self.open_manifest()?, self.format())? {
            rows += 1;
            if let Some(reference) = row.ok().and_then(|row| row.reference()) {
                *times.entry(reference).or_default() += 1;
            }
        }
        Ok((
            rows,
            times.into_iter().filter(|(_, times)| *times > 1).map(|(reference, _)| reference).collect(),
        ))
    }

    async fn bring(
        &self,
        api: &Api,
        done: &Done,
        line: u64,
        row: Result<Checked, String>,
    ) -> (u64, Result<Outcome, Failure>) {
        let outcome = match row {
            Ok(row) if done.has(&row.reference) => Ok(Outcome::Already(row.reference)),
            Ok(row) => self.send(api, row).await,
            Err(detail) => Ok(Outcome::Refused { code: "row".to_owned(), detail }),
        };
        (line, outcome)
    }

    async fn send(&self, api: &Api, row: Checked) -> Result<Outcome, Failure> {
        let reference = row.reference;
        let mut query = vec![("userReference", row.user.as_str().to_owned())];
        let times = [("onboardedAt", row.onboarded_at), ("lastUsedAt", row.last_used_at)];
        query.extend(times.into_iter().filter_map(|(name, time)| time.map(|time| (name, time.to_string()))));
        let words = [("status", &row.status), ("similarity", &row.similarity), ("validity", &row.validity)];
        query.extend(words.into_iter().filter_map(|(name, word)| word.clone().map(|word| (name, word))));
        let facemap = match row.facemap(self.manifest_dir()) {
            Ok(facemap) => Bytes::from_owner(Shared(facemap)),
            Err(detail) => return Ok(Outcome::Refused { code: "facemap".to_owned(), detail }),
        };
        let query: Vec<_> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut headers = vec![(header::CONTENT_TYPE, "application/octet-stream")];
        let attestation = self.attestation.as_deref();
        headers.extend(attestation.map(|text| (HeaderName::from_static("x-attestation"), text)));
        let path = ["enrollments", &reference.to_string(), "facemap"];
        let mut pause = PAUSE;
        for tries in 1.. {
            let answer = api.put(&path, &query, &headers, facemap.clone()).await?;
            if tries == TRIES || !matches!(answer.status, 429 | 503) {
                return came_to(reference, &answer);
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        unreachable!("the last try answers")
    }

    fn is_stdin(&self) -> bool {
        self.manifest.as_os_str() == "-"
    }

    fn format(&self) -> Format {
        let by_ending = match self.manifest.extension() {
            Some(ending) if ending.eq_ignore_ascii_case("csv") => Format::Csv,
            _ => Format::Ndjson,
        };
        self.format.unwrap_or(by_ending)
    }

    fn open_manifest(&self) -> Result<Box<dyn Read>, Failure> {
        if self.is_stdin() {
            return Ok(Box::new(io::stdin()));
        }
        let told = |error| Failure::failed(format!("{} cannot be read: {error}", self.manifest.display()));
        Ok(Box::new(File::open(&self.manifest).map_err(told)?))
    }

    fn manifest_dir(&self) -> &Path {
        let parent = self.manifest.parent().filter(|parent| !parent.as_os_str().is_empty());
        parent.unwrap_or_else(|| Path::new("."))
    }

    fn open_report(&self) -> Result<Box<dyn Write>, Failure> {
        let Some(path) = &self.report else { return Ok(Box::new(io::stderr())) };
        let told = |error| Failure::failed(format!("{} cannot be written: {error}", path.display()));
        Ok(Box::new(File::create(path).map_err(told)?))
    }

    fn tell(&self, counts: &Counts) -> Result<(), Failure> {
        let Counts { imported, already, refused } = counts;
        self.server
            .output
            .print(&json!({ "imported": imported, "already": already, "refused": refused }), |_| {
                format!("{imported} imported, {already} there already, {refused} refused.")
            });
        if *refused == 0 {
            return Ok(());
        }
        Err(Failure::failed(format!(
            "{refused} rows were refused and changed nothing; the report names each line and why"
        )))
    }
}

/// Each row checked; a reference that stands there more than once is refused, each time where that is known beforehand.
fn judged(
    rows: impl Iterator<Item = Numbered>,
    repeated: HashSet<EnrollmentRef>,
) -> impl Iterator<Item = (u64, Result<Checked, String>)> {
    let mut seen = HashSet::new();
    rows.map(move |(line, row)| {
        let checked = row.and_then(|row| match row.reference() {
            Some(reference) if repeated.contains(&reference) || !seen.insert(reference) => {
                Err("its reference stands in the manifest more than once; nobody can say which row is right"
                    .to_owned())
            }
            _ => row.check(),
        });
        (line, checked)
    })
}

/// What the server's answer means for the row. What is wrong with every row ends the import.
fn came_to(reference: EnrollmentRef, answer: &Answer) -> Result<Outcome, Failure> {
    match answer.status {
        201 => Ok(Outcome::Imported(reference)),
        200 => Ok(Outcome::Already(reference)),
        401 | 403 | 429 | 503 => Err(Failure::failed(answer.problem())),
        _ => Ok(Outcome::Refused { code: answer.code().to_owned(), detail: answer.problem() }),
    }
}

impl Counts {
    fn add(
        &mut self,
        line: u64,
        outcome: Outcome,
        journal: &mut Journal,
        report: &mut dyn Write,
    ) -> Result<(), Failure> {
        match outcome {
            Outcome::Imported(reference) => {
                journal.add(&reference)?;
                self.imported += 1;
            }
            Outcome::Already(reference) => {
                journal.add(&reference)?;
                self.already += 1;
            }
            Outcome::Refused { code, detail } => {
                let told = json!({ "line": line, "code": code, "detail": detail });
                writeln!(report, "{told}").map_err(Failure::failed)?;
                self.refused += 1;
            }
        }
        Ok(())
    }
}

/// A facemap that is sent from where it lies.
struct Shared(FacemapBytes);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0.expose()
    }
}
