//! What `soak` and `chaos` have in common: a server of their own, clients, and what they measure.

pub(crate) mod client;
pub(crate) mod process;
pub(crate) mod sources;
pub(crate) mod tally;
pub(crate) mod target;

use clap::Args;

/// How a server is started for a run.
#[derive(Args, Clone)]
pub(crate) struct TargetArgs {
    /// Which engine runs functions
    #[arg(long, default_value = "quickjs")]
    pub(crate) engine: String,
    /// Further settings of the server, such as `functions.backend=postgres`
    #[arg(long)]
    pub(crate) set: Vec<String>,
    /// The binary to start; left out: the release build, or the debug build where there is none
    #[arg(long, env = "TANDEM_BIN")]
    pub(crate) bin: Option<std::path::PathBuf>,
}

/// Numbers that look random and are the same for the same seed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// From 0 to just below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end.max(1)
    }
}
