//! What a process uses, as the kernel tells (proc(5)).

use std::fs;

use anyhow::Context;

/// Resident memory, in bytes.
///
/// # Errors
/// When the process is gone.
pub fn resident_bytes(pid: u32) -> anyhow::Result<u64> {
    status(pid, "VmRSS:")
}

/// The most resident memory since its start or since [`forget_peak`], in bytes.
///
/// # Errors
/// When the process is gone.
pub fn peak_resident_bytes(pid: u32) -> anyhow::Result<u64> {
    status(pid, "VmHWM:")
}

/// Begins [`peak_resident_bytes`] anew.
///
/// # Errors
/// When the process is gone, or not ours.
pub fn forget_peak(pid: u32) -> anyhow::Result<()> {
    Ok(fs::write(format!("/proc/{pid}/clear_refs"), "5")?)
}

/// How many processes it has started that have not been waited for.
///
/// # Errors
/// When the process is gone.
pub fn children(pid: u32) -> anyhow::Result<usize> {
    let mut count = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread that has ended meanwhile has no children either.
        let children = fs::read_to_string(thread?.path().join("children")).unwrap_or_default();
        count += children.split_whitespace().count();
    }
    Ok(count)
}

/// Open file descriptors.
///
/// # Errors
/// When the process is gone.
pub fn descriptors(pid: u32) -> anyhow::Result<usize> {
    Ok(fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}

fn status(pid: u32, field: &str) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)).context("no such field")?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kibibytes * 1024)
}
