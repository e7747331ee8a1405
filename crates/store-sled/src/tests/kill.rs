//! `kill -9` at random moments.

use super::witness::{Witness, losses};

const ROUNDS: u64 = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_loses_nothing_acknowledged_and_leaves_no_half_commit() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..ROUNDS {
        let mut witness = Witness::start(folder.path(), true);
        // Spread over some groups; what happens at that very moment is different each time anyway.
        witness.wait_for(1 + round.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 700);
        let acknowledged = witness.kill();
        assert!(!acknowledged.is_empty());
        assert_eq!(losses(folder.path(), &acknowledged).await, Ok(()), "round {round}");
    }
}
