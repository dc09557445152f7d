//! What the kernel says about the server's process.

use anyhow::Context as _;

/// Processor time used so far, user and system, in seconds.
pub(crate) fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after_name = stat.rsplit(')').next().context("no statistics")?;
    let ticks: u64 =
        after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(ticks as f64 / 100.0)
}

/// The most memory it held at once, in MiB.
pub(crate) fn peak_memory_mebibytes(pid: u32) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmHWM")).context("no peak memory")?;
    let kibibytes: f64 = line.split_whitespace().nth(1).context("no figure")?.parse()?;
    Ok(kibibytes / 1024.0)
}
