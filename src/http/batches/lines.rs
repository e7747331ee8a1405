//! A list of people as CSV (RFC 4180), read piece by piece as it comes in.

use csv_core::{ReadRecordResult, Reader};
use reauth::{ListOf, NewItem};

/// Bytes of a line's cells at most: three references with room.
const LINE_BYTES: usize = 2048;
/// Columns at most: more than there are, so that one too many is told by its name.
const COLUMNS: usize = 16;
/// What spreadsheets write before the first byte.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// A line that is not one. It repeats nothing of the line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadLine {
    /// The line, counted from 1, on which its record begins: a quote that nobody closes swallows what follows it.
    pub(super) line: u64,
    /// What is wrong.
    pub(super) rule: String,
}

/// What stands in which column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Who(ListOf),
    Locale,
    RequestReference,
}

/// The reader between two pieces.
pub(super) struct Lines {
    reader: Reader,
    head: Option<Vec<Column>>,
    cells: Vec<u8>,
    ends: [usize; COLUMNS],
    /// How much of `cells` and `ends` is filled.
    filled: (usize, usize),
    /// Lines that have ended so far, and whether the last byte was a carriage return.
    ended: (u64, bool),
    /// The line on which what is being read began.
    began: Option<u64>,
    /// Bytes of the mark that were seen; `None` once it is known whether there is one.
    mark: Option<usize>,
}

impl Default for Lines {
    fn default() -> Self {
        Self {
            reader: Reader::new(),
            head: None,
            cells: vec![0; LINE_BYTES],
            ends: [0; COLUMNS],
            filled: (0, 0),
            ended: (0, false),
            began: None,
            mark: Some(0),
        }
    }
}

impl Lines {
    /// Reads a piece, and puts what it holds at the end of `items`, with its line. `check` makes an item of cells.
    pub(super) fn read(
        &mut self,
        piece: &[u8],
        at_end: bool,
        check: impl Fn(ListOf, &str, Option<&str>, Option<&str>) -> Result<NewItem, String>,
        items: &mut Vec<(u64, NewItem)>,
    ) -> Result<(), BadLine> {
        let mut rest = self.without_mark(piece);
        loop {
            // Nothing more to read means its end, so it is not said before that.
            if rest.is_empty() && !at_end {
                return Ok(());
            }
            let (cells, ends) = self.filled;
            let room = (&mut self.cells[cells..], &mut self.ends[ends..]);
            let (result, read, written, ended) = self.reader.read_record(rest, room.0, room.1);
            self.count(&rest[..read]);
            rest = &rest[read..];
            self.filled = (cells + written, ends + ended);
            match result {
                // More is asked for above; at the end an empty rest makes the reader give what it still holds.
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => {
                    return Err(self.bad(format!("is longer than {LINE_BYTES} bytes")));
                }
                ReadRecordResult::OutputEndsFull => {
                    return Err(self.bad(format!("has more than {COLUMNS} columns")));
                }
                ReadRecordResult::Record => {
                    let item = self.record(&check)?;
                    items.extend(item.map(|item| (self.line(), item)));
                    (self.filled, self.began) = ((0, 0), None);
                }
                ReadRecordResult::End => {
                    return if self.head.is_some() { Ok(()) } else { Err(no_head()) };
                }
            }
        }
    }

    /// The piece without the mark that it may begin with, however the pieces are cut.
    fn without_mark<'a>(&mut self, piece: &'a [u8]) -> &'a [u8] {
        let Some(seen) = self.mark else { return piece };
        let same = MARK[seen..].iter().zip(piece).take_while(|(wanted, is)| wanted == is).count();
        let done = seen + same == MARK.len() || same < piece.len();
        self.mark = (!done).then_some(seen + same);
        &piece[same..]
    }

    /// Counts lines as the reader ends records: at CR, at LF, and once at both of a CRLF, however it is cut.
    fn count(&mut self, read: &[u8]) {
        for byte in read {
            let (lines, after_return) = self.ended;
            match byte {
                b'\r' => self.ended = (lines + 1, true),
                b'\n' => self.ended = (lines + u64::from(!after_return), false),
                _ => {
                    self.began.get_or_insert(lines + 1);
                    self.ended.1 = false;
                }
            }
        }
    }

    /// The line on which what was read last began.
    fn line(&self) -> u64 {
        self.began.unwrap_or(self.ended.0 + 1)
    }

    fn bad(&self, rule: impl Into<String>) -> BadLine {
        BadLine { line: self.line(), rule: rule.into() }
    }

    fn record(
        &mut self,
        check: impl Fn(ListOf, &str, Option<&str>, Option<&str>) -> Result<NewItem, String>,
    ) -> Result<Option<NewItem>, BadLine> {
        let mut cells = Vec::with_capacity(self.filled.1);
        let mut from = 0;
        for end in &self.ends[..self.filled.1] {
            let cell = std::str::from_utf8(&self.cells[from..*end]).map_err(|_| self.bad("is not UTF-8"))?;
            cells.push(cell);
            from = *end;
        }
        let Some(head) = &self.head else {
            self.head = Some(head_of(&cells).map_err(|rule| self.bad(rule))?);
            return Ok(None);
        };
        if cells.len() != head.len() {
            return Err(self.bad(format!("has {} cells, and the head has {}", cells.len(), head.len())));
        }
        let (mut who, mut locale, mut own) = (None, None, None);
        for (column, cell) in head.iter().zip(cells) {
            match column {
                Column::Who(of) => who = Some((*of, cell)),
                Column::Locale => locale = Some(cell).filter(|cell| !cell.is_empty()),
                Column::RequestReference => own = Some(cell).filter(|cell| !cell.is_empty()),
            }
        }
        let Some((of, reference)) = who else { return Err(no_head()) };
        check(of, reference, locale, own).map(Some).map_err(|rule| self.bad(rule))
    }
}

fn no_head() -> BadLine {
    BadLine { line: 1, rule: "must be a head with the column enrollment or userReference".to_owned() }
}

fn head_of(cells: &[&str]) -> Result<Vec<Column>, String> {
    let mut head: Vec<Column> = Vec::with_capacity(cells.len());
    for cell in cells {
        let column = match *cell {
            "enrollment" => Column::Who(ListOf::Enrollments),
            "userReference" => Column::Who(ListOf::Users),
            "locale" => Column::Locale,
            "requestReference" => Column::RequestReference,
            _ => {
                return Err(
                    "has a column that is none of enrollment, userReference, locale, requestReference"
                        .to_owned(),
                );
            }
        };
        head.push(column);
    }
    let who = head.iter().filter(|column| matches!(column, Column::Who(_))).count();
    let repeated = (1..head.len()).any(|n| head[..n].contains(&head[n]));
    match (who, repeated) {
        (1, false) => Ok(head),
        (1, true) => Err("names a column twice".to_owned()),
        _ => Err("must have exactly one of the columns enrollment and userReference".to_owned()),
    }
}

#[cfg(test)]
#[path = "lines_tests.rs"]
mod tests;
