//! The provider in memory, on which the rooms above are tested, does what every provider must.

use seal::MemoryProvider;

#[tokio::test]
async fn the_memory_provider_does_what_every_provider_must() {
    seal::conformance::provider(&MemoryProvider::new(1)).await;
}
