//! Sealing and opening 200 KB, against ring's own speed in the same run. The aim is 90 % of it.
//!
//! "ring alone" gets what is cheapest for it: a prepared key, no key derivation, no header, no check. Every measured
//! call meets a buffer that was just filled, so both find it in the processor's cache.
//!
//! At the end both are called in turn, a few thousand times, and the ratio of their medians is printed: what else runs on
//! the machine then slows both.

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

/// The medians of both, called in turn.
fn medians(mut ours: impl FnMut() -> Duration, mut rings: impl FnMut() -> Duration) -> (Duration, Duration) {
    let mut times: Vec<_> = (0..5000).map(|_| (ours(), rings())).collect();
    let middle = times.len() / 2;
    times.sort_by_key(|(ours, _)| *ours);
    let ours = times[middle].0;
    times.sort_by_key(|(_, rings)| *rings);
    (ours, times[middle].1)
}

fn print_ratio(what: &str, (ours, rings): (Duration, Duration)) {
    let percent = 100.0 * rings.as_secs_f64() / ours.as_secs_f64();
    println!("{what} 200 KB at {percent:.1} % of ring's own speed (medians: {ours:?}, ring alone {rings:?})");
}

fn ratios(_: &mut Criterion) {
    let (raw, rng) = (ring_alone(), SystemRng::new());
    let key = SealingKey::generate(&rng);
    let facemap = vec![1; FACEMAP_BYTES];
    let envelope =
        key.seal_payload(&rng, Purpose::Facemap, &PLACE, FacemapBytes::new(facemap.clone())).to_envelope();
    let mut sealed = facemap.clone();
    raw.seal_in_place_append_tag(nonce(), Aad::empty(), &mut sealed).expect("it is short");

    let ours = || {
        measured(1, &facemap, |buffer: Zeroizing<Vec<u8>>| {
            key.seal_payload(&rng, Purpose::Facemap, &PLACE, buffer.into())
        })
    };
    let rings = || {
        measured(1, &facemap, |mut buffer: Vec<u8>| {
            let tag = raw.seal_in_place_separate_tag(nonce(), Aad::empty(), &mut buffer);
            (buffer, tag.expect("it is short"))
        })
    };
    print_ratio("sealing", medians(ours, rings));

    let ours = || {
        measured(1, &envelope, |file: Zeroizing<Vec<u8>>| {
            key.open_payload(Purpose::Facemap, &PLACE, file).expect("it opens")
        })
    };
    let rings = || {
        measured(1, &sealed, |mut buffer: Vec<u8>| {
            raw.open_in_place(nonce(), Aad::empty(), &mut buffer).expect("it opens");
            buffer
        })
    };
    print_ratio("opening", medians(ours, rings));
}

criterion_group!(benches, seal, open, ratios);
criterion_main!(benches);
