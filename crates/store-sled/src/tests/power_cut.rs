//! The power fails.

use super::witness::{Witness, losses};
use powercut::Disk;

const SIZE: u64 = 96 * 1024 * 1024;
const ROUNDS: u64 = 6;

async fn cut(disk: &mut Disk, round: u64, with_sync: bool) -> Result<(), String> {
    let mut witness = Witness::start(&disk.path(), with_sync);
    witness.wait_for(1 + round * 400);
    disk.cut_power().unwrap();
    if with_sync {
        // Without its disk it must acknowledge nothing more, and neither hang nor end.
        witness.wait_until_stopped();
    }
    let acknowledged = witness.kill();
    assert!(!acknowledged.is_empty());
    disk.restore_power().unwrap();
    losses(&disk.path(), &acknowledged).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_loses_nothing_acknowledged_and_leaves_no_half_commit() {
    let Some(mut disk) = Disk::new_or_explain(SIZE) else { return };
    for round in 0..ROUNDS {
        assert_eq!(cut(&mut disk, round, true).await, Ok(()), "round {round}");
    }
}

/// The test above can fail: with sled's `flush()` alone the same cuts do lose what was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_sync_of_our_own_the_same_power_cut_loses_acknowledged_commits() {
    let Some(mut disk) = Disk::new_or_explain(SIZE) else { return };
    for round in 1..=ROUNDS {
        if cut(&mut disk, round, false).await.is_err() {
            return;
        }
    }
    panic!("{ROUNDS} power cuts lost nothing, although nothing was synced: the cut does not cut");
}
