//! The keyed digest of a request's body.

use model::hex;
use records::Records;
use std::fmt;

/// The keyed digest of a body that comes in pieces.
pub struct BodyDigest {
    records: Records,
    so_far: Vec<u8>,
    rest: Vec<u8>,
}

impl BodyDigest {
    /// Begins with what belongs to the request beside its body.
    pub(crate) fn beginning(records: Records, beside: &[&[u8]]) -> Self {
        Self { records, so_far: in_one(beside), rest: Vec::new() }
    }

    /// Bytes that are digested at once: where a body was cut on its way makes no difference.
    const PIECE: usize = 64 * 1024;

    /// Takes the next bytes in.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (head, tail) = bytes.split_at(bytes.len().min(Self::PIECE - self.rest.len()));
            self.rest.extend_from_slice(head);
            bytes = tail;
            if self.rest.len() == Self::PIECE {
                self.fold();
            }
        }
    }

    fn fold(&mut self) {
        let pseudonyms = self.records.keys().pseudonyms();
        let folded = pseudonyms.of("idempotency-body", &in_one(&[&self.so_far, &self.rest]));
        self.so_far = folded.as_bytes().to_vec();
        self.rest.clear();
    }

    pub(crate) fn finish(mut self) -> String {
        self.fold();
        hex::encode(&self.so_far)
    }
}

/// Each part with its length, so that no two lists are alike.
pub(crate) fn in_one(parts: &[&[u8]]) -> Vec<u8> {
    let mut all = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        all.extend((part.len() as u64).to_be_bytes());
        all.extend_from_slice(part);
    }
    all
}

impl fmt::Debug for BodyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BodyDigest(..)")
    }
}
