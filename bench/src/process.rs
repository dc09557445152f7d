//! What the kernel says about the processes that are measured.

use anyhow::Context as _;

/// Processor time used so far, user and system, in seconds.
pub(crate) fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    Ok(Times::of(pid)?.own)
}

/// The same of a process that starts others, with all of them: those that run and those that have ended.
pub(crate) fn family_cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let parent = Times::of(pid)?;
    let mut seconds = parent.own + parent.ended_children;
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Some(child) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // One that ends while we look is counted the next time, as an ended one.
        if let Ok(times) = Times::of(child)
            && times.parent == pid
        {
            seconds += times.own + times.ended_children;
        }
    }
    Ok(seconds)
}

struct Times {
    parent: u32,
    own: f64,
    ended_children: f64,
}

impl Times {
    fn of(pid: u32) -> anyhow::Result<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name in parentheses may contain anything.
        let after_name = stat.rsplit(')').next().context("no statistics")?;
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        let number = |at: usize| anyhow::Ok(fields.get(at).context("too few statistics")?.parse::<u64>()?);
        Ok(Self {
            parent: u32::try_from(number(1)?)?,
            own: (number(11)? + number(12)?) as f64 / 100.0,
            ended_children: (number(13)? + number(14)?) as f64 / 100.0,
        })
    }
}

/// The most memory it held at once, in MiB.
pub(crate) fn peak_memory_mebibytes(pid: u32) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmHWM")).context("no peak memory")?;
    let kibibytes: f64 = line.split_whitespace().nth(1).context("no figure")?.parse()?;
    Ok(kibibytes / 1024.0)
}
