//! Reading an answer's body: never more than the cap, never half of it, into one buffer.

use crate::{BodyCap, EgressError};
use bytes::Bytes;
use http::{
    StatusCode,
    header::{CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING},
};
use zeroize::Zeroizing;

/// Bytes that are set aside on the word of a Content-Length alone. Beyond it, the chunks are collected first.
const TRUSTED_LENGTH: u64 = 32 * 1024 * 1024;

/// Bytes of a block in which a body without a declared length is kept.
const BLOCK: usize = 64 * 1024;

pub(crate) async fn read(
    response: &mut reqwest::Response,
    wanted: BodyCap,
) -> Result<Zeroizing<Vec<u8>>, EgressError> {
    let (cap, must_be_whole) = match wanted {
        BodyCap::Nothing => return Ok(Zeroizing::default()),
        BodyCap::UpTo(cap) => (cap, false),
        BodyCap::Whole(cap) | BodyCap::WholeOfAny(cap) => (cap, true),
    };
    // RFC 9110, 15.3.5, 15.3.6, 15.4.5: with these nothing follows the head, and no length has to say so.
    let bodiless = [StatusCode::NO_CONTENT, StatusCode::RESET_CONTENT, StatusCode::NOT_MODIFIED];
    if bodiless.contains(&response.status()) {
        return Ok(Zeroizing::default());
    }
    let headers = response.headers();
    if headers.get(CONTENT_ENCODING).is_some_and(|value| value != "identity") {
        return Err(EgressError::Encoded);
    }
    if must_be_whole && !headers.contains_key(CONTENT_LENGTH) && !headers.contains_key(TRANSFER_ENCODING) {
        return Err(EgressError::Truncated);
    }
    match response.content_length() {
        Some(length) if usize::try_from(length).map_or(true, |length| length > cap) => {
            Err(EgressError::TooLarge { cap })
        }
        Some(length) if length <= TRUSTED_LENGTH => read_sized(response, length, cap).await,
        _ => read_chunks(response, cap).await,
    }
}

/// With a declared length the buffer is set aside once and the body goes straight into it.
async fn read_sized(
    response: &mut reqwest::Response,
    length: u64,
    cap: usize,
) -> Result<Zeroizing<Vec<u8>>, EgressError> {
    let length = usize::try_from(length).map_err(|_| EgressError::TooLarge { cap })?;
    let mut body = Zeroizing::new(Vec::with_capacity(length));
    while let Some(chunk) = next(response).await? {
        if chunk.len() > length - body.len() {
            return Err(EgressError::Truncated);
        }
        body.extend_from_slice(&chunk);
    }
    if body.len() == length { Ok(body) } else { Err(EgressError::Truncated) }
}

/// Without one the bytes are kept in blocks until the length is known: a buffer that grows leaves unwiped copies
/// behind, and chunks kept as they came, each with its share of the connection's buffer, would take many times the cap.
async fn read_chunks(
    response: &mut reqwest::Response,
    cap: usize,
) -> Result<Zeroizing<Vec<u8>>, EgressError> {
    let mut blocks: Vec<Zeroizing<Vec<u8>>> = Vec::new();
    let mut length = 0_usize;
    while let Some(chunk) = next(response).await? {
        length = length.saturating_add(chunk.len());
        if length > cap {
            return Err(EgressError::TooLarge { cap });
        }
        keep(&mut blocks, &chunk);
    }
    let mut body = Zeroizing::new(Vec::with_capacity(length));
    for block in blocks {
        body.extend_from_slice(&block);
    }
    Ok(body)
}

/// Fills the last block, then sets new ones aside. None ever grows.
fn keep(blocks: &mut Vec<Zeroizing<Vec<u8>>>, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let free = blocks.last().map_or(0, |block| block.capacity() - block.len());
        let (now, later) = bytes.split_at(free.min(bytes.len()));
        if let Some(block) = blocks.last_mut() {
            block.extend_from_slice(now);
        }
        bytes = later;
        if !bytes.is_empty() {
            blocks.push(Zeroizing::new(Vec::with_capacity(BLOCK)));
        }
    }
}

async fn next(response: &mut reqwest::Response) -> Result<Option<Bytes>, EgressError> {
    response
        .chunk()
        .await
        .map_err(|error| if error.is_timeout() { EgressError::TimedOut } else { EgressError::Truncated })
}
