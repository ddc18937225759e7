use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use tandem_contract::Error;

use super::output;
use crate::config::{ConfigError, mask_url_passwords};

/// What the process tells whoever started it. The numbers are part of the interface and are
/// listed in `tandem --help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The operation failed.
    Failed = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// The server cannot be reached.
    Unreachable = 3,
    /// There is no such function or invocation.
    NotFound = 4,
    /// The function failed.
    Function = 5,
    /// The token is missing or wrong.
    Token = 6,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a verb did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What the process exits with.
    pub exit: Exit,
    /// For the person; empty when everything was said before.
    pub message: String,
}

impl Failure {
    /// A failure with a sentence.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    /// A failure whose reasons were printed already.
    pub const fn said(exit: Exit) -> Self {
        Self { exit, message: String::new() }
    }

    /// Writes it to standard error.
    pub fn print(&self) {
        if !self.message.is_empty() {
            let red = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
            output::note(format_args!("{red}error:{red:#} {}", self.message));
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(Exit::Usage, error.to_string())
    }
}

/// An error of this process's own parts. Its detail is shown: who runs the process operates it.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(Exit::Failed, operator_text(&error))
    }
}

/// The message and the detail of `error`, without passwords.
pub(super) fn operator_text(error: &Error) -> String {
    match error.detail() {
        Some(detail) => mask_url_passwords(&format!("{}: {detail}", error.message())),
        None => mask_url_passwords(error.message()),
    }
}
