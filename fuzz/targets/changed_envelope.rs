//! Envelopes with something changed.

#![no_main]

facemap_vault_fuzz::hold!(seal::fuzzing::changed_envelope);
