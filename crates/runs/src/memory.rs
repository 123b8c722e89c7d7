//! The memory of this process and of the machine, where Linux reports it.

const PROCESS: &str = "/proc/self/status";
const MACHINE: &str = "/proc/meminfo";

/// Resident memory of this process in bytes.
pub fn resident() -> Option<u64> {
    bytes(PROCESS, "VmRSS:")
}

/// The most that was resident since the start or the last reset, in bytes.
pub fn peak_resident() -> Option<u64> {
    bytes(PROCESS, "VmHWM:")
}

/// Memory that a new program can take, in bytes: what the machine has, and a container allows.
pub fn available() -> Option<u64> {
    let machine = bytes(MACHINE, "MemAvailable:")?;
    let allowed = GROUPS.iter().filter_map(|group| group.left());
    Some(allowed.fold(machine, u64::min))
}

/// The files of a control group, which limits the memory of a container.
struct Group {
    limit: &'static str,
    used: &'static str,
    details: &'static str,
    /// The line of the details with what counts as used and is given up when memory is short: pages of files.
    given_up: &'static str,
}

/// Version 2 of control groups, and version 1.
const GROUPS: [Group; 2] = [
    Group {
        limit: "/sys/fs/cgroup/memory.max",
        used: "/sys/fs/cgroup/memory.current",
        details: "/sys/fs/cgroup/memory.stat",
        given_up: "inactive_file",
    },
    Group {
        limit: "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        used: "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        details: "/sys/fs/cgroup/memory/memory.stat",
        given_up: "total_inactive_file",
    },
];

impl Group {
    /// What the limit leaves; `None` if there is none.
    fn left(&self) -> Option<u64> {
        let read = |path| std::fs::read_to_string(path).ok();
        let details = read(self.details).unwrap_or_default();
        left(
            &read(self.limit)?,
            &read(self.used)?,
            &details,
            self.given_up,
        )
    }
}

fn left(limit: &str, used: &str, details: &str, given_up: &str) -> Option<u64> {
    let limit: u64 = limit.trim().parse().ok()?;
    let used: u64 = used.trim().parse().ok()?;
    let pages = details.lines().find_map(|line| {
        let (name, bytes) = line.split_once(' ')?;
        (name == given_up).then(|| bytes.trim().parse::<u64>().ok())?
    });
    Some(limit.saturating_sub(used.saturating_sub(pages.unwrap_or(0))))
}

/// The number of KiB in the line of a file that begins with `name`, as bytes.
fn bytes(file: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_leaves_what_is_not_used_and_the_pages_of_files() {
        let details = "anon 500\ninactive_file 300\nactive_file 7\n";
        assert_eq!(left("1000\n", "900\n", details, "inactive_file"), Some(400));
        assert_eq!(left("1000", "900", "", "inactive_file"), Some(100));
        // More is used than is allowed, for a moment.
        assert_eq!(left("1000", "1200", "", "inactive_file"), Some(0));
        assert_eq!(left("max\n", "900", details, "inactive_file"), None);
    }
}
