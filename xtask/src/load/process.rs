use std::path::Path;

/// What a process holds, as the kernel tells.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Holdings {
    /// Resident memory in KiB.
    pub(crate) resident: u64,
    pub(crate) threads: u64,
    pub(crate) files: u64,
}

impl Holdings {
    pub(crate) fn of(pid: u32) -> Result<Self, String> {
        let folder = Path::new("/proc").join(pid.to_string());
        let gone = |error: std::io::Error| format!("the server is gone: {error}");
        let status = std::fs::read_to_string(folder.join("status")).map_err(gone)?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
        };
        let files = std::fs::read_dir(folder.join("fd")).map_err(gone)?.count() as u64;
        Ok(Self { resident: field("VmRSS:"), threads: field("Threads:"), files })
    }
}

impl std::fmt::Display for Holdings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} MiB resident, {} threads, {} files", self.resident / 1024, self.threads, self.files)
    }
}
