//! Whether the files in `deploy/` are what the programs that read them take.

use std::process::Command;

use crate::process::{self, root};
use crate::services::python;

/// Knows the schemas of Kubernetes.
const VALIDATOR: &str = "kubernetes-validate==1.37.0";

pub(crate) fn run() -> Result<(), String> {
    let folder = root().join("deploy");
    process::run(Command::new("systemd-analyze").arg("verify").arg(folder.join("tandem.service")))?;
    let downloads = std::env::temp_dir().join("tandem-services-downloads").join("kubernetes-validate");
    let validate = python::program("kubernetes-validate", &downloads, &[VALIDATOR])?;
    process::run(Command::new(validate).arg("--strict").arg(folder.join("kubernetes.yaml")))
}
