//! What a forger would post, and what a thief would look for.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// A callback that claims that everything is fine with somebody's onboarding.
pub(super) fn approved(reference: &str, user: &str) -> String {
    form(&[
        ("callBackType", "NETVERIFYID"),
        ("jumioIdScanReference", reference),
        ("verificationStatus", "APPROVED_VERIFIED"),
        ("idScanStatus", "SUCCESS"),
        ("customerId", user),
        ("identityVerification", r#"{"similarity":"MATCH","validity":true}"#),
        ("facemap", "https://facemaps.example.net/mine"),
    ])
}

/// A callback that claims that somebody passed.
pub(super) fn passed(reference: &str, enrollment: &str) -> String {
    form(&[
        ("callBackType", "NETVERIFY_AUTHENTICATION"),
        ("transactionReference", reference),
        ("enrollmentTransactionReference", enrollment),
        ("transactionResult", "PASSED"),
        ("transactionDate", "2026-01-01T00:00:00Z"),
    ])
}

fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// The files below `dir` that hold any of these bytes.
pub(super) fn files_with(dir: &Path, needles: &[&[u8]]) -> io::Result<(usize, Vec<PathBuf>)> {
    let (mut looked_at, mut found) = (0, Vec::new());
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = fs::read(&path)?;
            looked_at += 1;
            if needles.iter().any(|needle| bytes.windows(needle.len()).any(|window| window == *needle)) {
                found.push(path);
            }
        }
    }
    Ok((looked_at, found))
}
