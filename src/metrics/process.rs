//! The process itself, as the kernel sees it.

use prometheus_client::{metrics::gauge::Gauge, registry::Registry};
use std::{fs, sync::atomic::AtomicU64, time::Duration};

pub(super) fn register(registry: &mut Registry, uptime: Duration) {
    if let Some(bytes) = resident() {
        let gauge: Gauge = Gauge::default();
        gauge.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        registry.register("resident_memory_bytes", "Memory of the process that is in use", gauge);
    }
    let gauge = Gauge::<f64, AtomicU64>::default();
    gauge.set(uptime.as_secs_f64());
    registry.register("uptime_seconds", "Seconds since the start; counts begin there", gauge);
}

/// Bytes of memory in use. `None` where the system does not tell.
fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_on_linux_knows_its_size() {
        assert!(resident().is_some_and(|bytes| bytes > 1024 * 1024), "{:?}", resident());
    }
}
