//! Jumio's answers: status and details of a scan, of an authentication, of what was started, and errors.

#![no_main]

facemap_vault_fuzz::hold!(jumio::fuzzing::answer);
