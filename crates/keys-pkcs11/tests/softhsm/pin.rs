//! The PIN: read anew, never shown, never tried so often that it locks.

use crate::house::{House, PIN, with_a_token};
use keys_pkcs11::Pkcs11Error;
use seal::{KeyProvider, Place, ProviderError};
use std::fs;

const PLACE: Place<'_> = Place { table: "slots", record: b"1", field: "data-key", generation: 1 };

#[test]
fn a_pin_that_others_could_read_is_refused() {
    with_a_token("pin::a_pin_that_others_could_read_is_refused", async |house: House| {
        for mode in [0o604, 0o601, 0o620, 0o666, 0o602] {
            house.write_pin(PIN, mode);
            assert!(matches!(house.create().await, Err(Pkcs11Error::PinExposed { .. })), "{mode:o}");
        }
        house.write_pin(PIN, 0o640);
        house.create().await.unwrap();
    });
}

#[test]
fn a_file_without_a_pin_is_refused() {
    with_a_token("pin::a_file_without_a_pin_is_refused", async |house: House| {
        for text in ["", "  ", "two\nlines", &"x".repeat(256)] {
            house.write_pin(text, 0o600);
            assert!(matches!(house.create().await, Err(Pkcs11Error::NotAPin { .. })), "{text:?}");
        }
        fs::remove_file(house.pin_file()).unwrap();
        assert!(matches!(house.create().await, Err(Pkcs11Error::PinUnreadable { .. })));
    });
}

/// Somebody types a wrong PIN into the file: the running provider tries it once, and goes on with the right one.
#[test]
fn a_wrong_pin_is_tried_once_until_the_file_changes() {
    with_a_token("pin::a_wrong_pin_is_tried_once_until_the_file_changes", async |house: House| {
        let provider = house.create().await.unwrap();
        let wrapped = provider.wrap(&PLACE, b"v").await.unwrap();
        house.write_pin("the-wrong-pin", 0o600);
        // What is logged in stays so; only a lost login asks for the PIN again.
        assert_eq!(*provider.unwrap(&PLACE, &wrapped).await.unwrap(), b"v");
        crate::lost::forget_everything();
        let mut tries = Vec::new();
        for _ in 0..20 {
            match provider.unwrap(&PLACE, &wrapped).await {
                Err(ProviderError::Unavailable(why)) => tries.push(why),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(tries.iter().filter(|why| why.contains("Login")).count(), 1, "{tries:?}");
        assert!(tries.iter().all(|why| !why.contains("the-wrong-pin")));
        assert!(format!("{provider:?}").len() < 100);
        house.write_pin(PIN, 0o600);
        assert_eq!(*provider.unwrap(&PLACE, &wrapped).await.unwrap(), b"v");
    });
}

#[test]
fn a_wrong_pin_at_the_start_is_not_worth_another_try() {
    with_a_token("pin::a_wrong_pin_at_the_start_is_not_worth_another_try", async |house: House| {
        house.write_pin("the-wrong-pin", 0o600);
        let error = house.create().await.unwrap_err();
        assert!(matches!(error, Pkcs11Error::PinRefused { .. }) && !error.is_retryable(), "{error}");
        assert!(!format!("{error} {error:?}").contains("the-wrong-pin"));
    });
}
