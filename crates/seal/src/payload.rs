//! Facemaps: sealed and opened in the buffer that holds them, because two of 16 MiB are one too many.

use crate::{
    Place, Purpose, SealError, SealingKey, aead,
    envelope::{self, ENVELOPE_HEADER, ENVELOPE_OVERHEAD},
};
use model::{FacemapBytes, Rng};
use std::fmt;
use zeroize::Zeroizing;

/// A sealed facemap, in the three pieces in which it is written: the body is the facemap's own buffer.
pub struct SealedPayload {
    header: [u8; ENVELOPE_HEADER],
    body: Zeroizing<Vec<u8>>,
    tag: aead::Tag,
}

impl SealedPayload {
    /// Header, ciphertext and tag: one after the other they are the envelope.
    #[must_use]
    pub fn parts(&self) -> [&[u8]; 3] {
        [&self.header, &self.body, &self.tag]
    }

    /// Bytes of the whole envelope.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "an envelope is never empty, it has a header and a tag")]
    pub fn len(&self) -> usize {
        ENVELOPE_OVERHEAD + self.body.len()
    }

    /// The envelope in one piece. This copies: write [`SealedPayload::parts`] instead where it matters.
    #[must_use]
    pub fn to_envelope(&self) -> Vec<u8> {
        self.parts().concat()
    }
}

impl fmt::Debug for SealedPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedPayload({} bytes)", self.len())
    }
}

impl SealingKey {
    /// Seals a facemap in its own buffer. The envelope is of the same format as that of [`SealingKey::seal`].
    ///
    /// # Panics
    /// Above 64 GiB, AES-GCM's own limit. A facemap has 16 MiB at most.
    #[must_use]
    pub fn seal_payload(
        &self,
        rng: &dyn Rng,
        purpose: Purpose,
        place: &Place<'_>,
        plaintext: FacemapBytes,
    ) -> SealedPayload {
        let (header, prepared) = envelope::start(self, rng, purpose, place);
        let mut body = plaintext.into_buffer();
        let key = prepared.keys.encryption();
        let tag = aead::seal_payload(key, &prepared.nonce, &prepared.associated_data, &mut body);
        SealedPayload { header, body, tag }
    }

    /// Opens a facemap: the buffer that holds the envelope comes back as the facemap.
    ///
    /// # Errors
    /// [`SealError::DoesNotOpen`] for everything that was not sealed for this purpose and place, without saying why.
    pub fn open_payload(
        &self,
        purpose: Purpose,
        place: &Place<'_>,
        envelope: Zeroizing<Vec<u8>>,
    ) -> Result<FacemapBytes, SealError> {
        self.open_payload_at(purpose, place, envelope, 0)
    }

    /// Opens a facemap whose envelope begins at `start` of `file` and ends with it: the file's buffer comes back as
    /// the facemap, without what was before.
    ///
    /// # Errors
    /// As [`SealingKey::open_payload`].
    pub fn open_payload_at(
        &self,
        purpose: Purpose,
        place: &Place<'_>,
        mut file: Zeroizing<Vec<u8>>,
        start: usize,
    ) -> Result<FacemapBytes, SealError> {
        let envelope = file.get(start..).ok_or(SealError::DoesNotOpen)?;
        let prepared = envelope::check(self, purpose, place, envelope)?;
        let ciphertext_at = start + ENVELOPE_HEADER;
        let key = prepared.keys.encryption();
        let length =
            aead::open_payload(key, &prepared.nonce, &prepared.associated_data, &mut file, ciphertext_at)?;
        file.truncate(length);
        Ok(file.into())
    }
}
