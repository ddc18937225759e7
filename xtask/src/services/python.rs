//! Servers that come as Python packages.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::home::{find_program, install_once};
use crate::process;

/// A virtual environment with one package in it, made when it is missing.
///
/// # Errors
/// When there is no Python, or the package cannot be had.
pub(crate) fn environment(folder: &Path, packages: &[&str]) -> Result<PathBuf, String> {
    let bin = folder.join("bin");
    install_once(folder, &packages.join(" "), || {
        process::run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
        let install = ["-m", "pip", "install", "-q", "--disable-pip-version-check", "--only-binary", ":all:"];
        process::run(Command::new(bin.join("python")).args(install).args(packages))
    })?;
    Ok(bin)
}

/// A program that the system has, or else the one that `packages` bring.
pub(crate) fn program(name: &str, folder: &Path, packages: &[&str]) -> Result<PathBuf, String> {
    match find_program(name) {
        Some(program) => Ok(program),
        None => Ok(environment(folder, packages)?.join(name)),
    }
}
