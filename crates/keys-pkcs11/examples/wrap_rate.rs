//! How many values a second a token wraps and unwraps: what a rewrap with it can be expected to do.
//!
//! `wrap_rate LIBRARY TOKEN PIN-FILE CALLERS SECONDS`: as many callers at the same time, on a token that `init` has been
//! run for or that has no key yet (then one is made). Prints pairs of a wrapping and an unwrapping a second.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot run has nothing better to say")]

use keys_pkcs11::{Pkcs11Config, Pkcs11Error, Pkcs11Provider};
use seal::{KeyProvider as _, Place, SystemRng};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [library, token, pin, callers, seconds] = args.as_slice() else {
        eprintln!("usage: wrap_rate LIBRARY TOKEN PIN-FILE CALLERS SECONDS");
        std::process::exit(64);
    };
    let config = Pkcs11Config::new(library, token, pin);
    let provider = match Pkcs11Provider::open(config.clone(), Arc::new(SystemRng::new())).await {
        Err(Pkcs11Error::NoKeys) => Pkcs11Provider::create(config, Arc::new(SystemRng::new())).await.unwrap(),
        opened => opened.unwrap(),
    };
    let provider = Arc::new(provider);
    let (began, length) = (Instant::now(), Duration::from_secs(seconds.parse().unwrap()));
    let mut tasks = tokio::task::JoinSet::new();
    for caller in 0..callers.parse::<u32>().unwrap() {
        let provider = Arc::clone(&provider);
        tasks.spawn(async move {
            let record = caller.to_be_bytes();
            let place = Place { table: "slots", record: &record, field: "data-key", generation: 1 };
            let mut pairs = 0_u32;
            while began.elapsed() < length {
                let wrapped = provider.wrap(&place, &[7; 160]).await.unwrap();
                assert_eq!(*provider.unwrap(&place, &wrapped).await.unwrap(), [7; 160]);
                pairs += 1;
            }
            pairs
        });
    }
    let pairs: u32 = tasks.join_all().await.into_iter().sum();
    println!("{:.0}", f64::from(pairs) / began.elapsed().as_secs_f64());
}
