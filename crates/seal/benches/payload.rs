//! Sealing and opening 200 KB, against ring's own speed in the same run. The aim is 90 % of it.
//!
//! "ring alone" gets what is cheapest for it: a prepared key, no key derivation, no header, no check. Every measured
//! call meets a buffer that was just filled, so both find it in the processor's cache.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use model::FacemapBytes;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use seal::{Place, Purpose, SealingKey, SystemRng};
use std::{
    hint::black_box,
    time::{Duration, Instant},
};
use zeroize::Zeroizing;

const FACEMAP_BYTES: usize = 200_000;
const PLACE: Place<'_> = Place { table: "content", record: &[7; 16], field: "facemap", generation: 3 };

/// The time that `act` takes, without the time to copy its input and to drop its output.
fn measured<I: From<Vec<u8>>, O>(rounds: u64, input: &[u8], mut act: impl FnMut(I) -> O) -> Duration {
    let mut total = Duration::ZERO;
    for _ in 0..rounds {
        let input = black_box(I::from(input.to_vec()));
        let start = Instant::now();
        let output = act(input);
        total += start.elapsed();
        drop(black_box(output));
    }
    total
}

fn ring_alone() -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).expect("32 bytes"))
}

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([1; 12])
}

fn seal(c: &mut Criterion) {
    let mut group = c.benchmark_group("seal");
    group.throughput(Throughput::Bytes(FACEMAP_BYTES as u64)).measurement_time(Duration::from_secs(4));
    let facemap = vec![1; FACEMAP_BYTES];

    let raw = ring_alone();
    group.bench_function(BenchmarkId::new("ring alone", FACEMAP_BYTES), |b| {
        b.iter_custom(|rounds| {
            measured(rounds, &facemap, |mut buffer: Vec<u8>| {
                let tag = raw.seal_in_place_separate_tag(nonce(), Aad::empty(), &mut buffer);
                (buffer, tag.expect("it is short"))
            })
        });
    });

    let (rng, key) = (SystemRng::new(), SealingKey::generate(&SystemRng::new()));
    group.bench_function(BenchmarkId::new("envelope", FACEMAP_BYTES), |b| {
        b.iter_custom(|rounds| {
            measured(rounds, &facemap, |buffer: Zeroizing<Vec<u8>>| {
                key.seal_payload(&rng, Purpose::Facemap, &PLACE, buffer.into())
            })
        });
    });
    group.finish();
}

fn open(c: &mut Criterion) {
    let mut group = c.benchmark_group("open");
    group.throughput(Throughput::Bytes(FACEMAP_BYTES as u64)).measurement_time(Duration::from_secs(4));

    let raw = ring_alone();
    let mut sealed = vec![1; FACEMAP_BYTES];
    raw.seal_in_place_append_tag(nonce(), Aad::empty(), &mut sealed).expect("it is short");
    group.bench_function(BenchmarkId::new("ring alone", FACEMAP_BYTES), |b| {
        b.iter_custom(|rounds| {
            measured(rounds, &sealed, |mut buffer: Vec<u8>| {
                raw.open_in_place(nonce(), Aad::empty(), &mut buffer).expect("it opens");
                buffer
            })
        });
    });

    let (rng, key) = (SystemRng::new(), SealingKey::generate(&SystemRng::new()));
    let facemap = FacemapBytes::new(vec![1; FACEMAP_BYTES]);
    let envelope = key.seal_payload(&rng, Purpose::Facemap, &PLACE, facemap).to_envelope();
    group.bench_function(BenchmarkId::new("envelope", FACEMAP_BYTES), |b| {
        b.iter_custom(|rounds| {
            measured(rounds, &envelope, |file: Zeroizing<Vec<u8>>| {
                key.open_payload(Purpose::Facemap, &PLACE, file).expect("it opens")
            })
        });
    });
    group.finish();
}

criterion_group!(benches, seal, open);
criterion_main!(benches);
