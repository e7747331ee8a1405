//! Key files do what every provider must.

use keys_file::FileProvider;
use seal::SystemRng;
use std::sync::Arc;

#[tokio::test]
async fn the_file_provider_does_what_every_provider_must() {
    let parent = tempfile::tempdir().unwrap();
    let provider = FileProvider::create(&parent.path().join("keys"), Arc::new(SystemRng::new())).unwrap();
    seal::conformance::provider(&provider).await;
}
