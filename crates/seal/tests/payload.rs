//! A facemap is never in memory twice because of sealing or opening it.

use model::{FacemapBytes, rng::SeededRng};
use seal::{Place, Purpose, SealError, SealingKey, SystemRng};
use zeroize::Zeroizing;

const PLACE: Place<'_> = Place { table: "content", record: &[1; 16], field: "facemap", generation: 2 };

fn key() -> SealingKey {
    SealingKey::generate(&SeededRng::new(3))
}

#[test]
fn a_facemap_is_sealed_in_the_buffer_that_held_it() {
    let buffer = vec![5; 200_000];
    let address = buffer.as_ptr();
    let sealed = key().seal_payload(&SystemRng::new(), Purpose::Facemap, &PLACE, FacemapBytes::new(buffer));
    let [header, body, tag] = sealed.parts();
    assert_eq!(body.as_ptr(), address);
    assert_ne!(body[..64], [5; 64], "it is sealed");
    assert_eq!(header.len() + body.len() + tag.len(), sealed.len());
    assert_eq!(sealed.to_envelope().len(), sealed.len());
}

#[test]
fn a_facemap_is_opened_in_the_buffer_that_held_its_file() {
    let facemap: Vec<u8> = (0..=255).cycle().take(200_003).collect();
    let sealed =
        key().seal_payload(&SystemRng::new(), Purpose::Facemap, &PLACE, FacemapBytes::new(facemap.clone()));
    for before in [0, 1, 16, 200] {
        let file = Zeroizing::new([&vec![9; before][..], &sealed.to_envelope()].concat());
        let address = file.as_ptr();
        let opened = key().open_payload_at(Purpose::Facemap, &PLACE, file, before).unwrap();
        assert_eq!(opened.expose().as_ptr(), address);
        assert!(opened.expose() == facemap, "{before} bytes before the envelope");
    }
}

#[test]
fn an_envelope_that_does_not_begin_where_it_should_fails() {
    let sealed =
        key().seal_payload(&SystemRng::new(), Purpose::Facemap, &PLACE, FacemapBytes::new(vec![5; 100]));
    let file = [&[9; 20], &sealed.to_envelope()[..]].concat();
    for start in (0..file.len() + 3).filter(|start| *start != 20).chain([usize::MAX]) {
        let opened = key().open_payload_at(Purpose::Facemap, &PLACE, Zeroizing::new(file.clone()), start);
        assert_eq!(opened.map(|bytes| bytes.len()), Err(SealError::DoesNotOpen), "from {start}");
    }
}
