//! Where the archive of V8 comes from that the crate `v8` links.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::process::{self, root};

/// Where releases of the crate's archives are.
const RELEASES: &str = "https://github.com/denoland/rusty_v8/releases/download";
/// The crate's features that change its archive, as they appear in the archive's name. The root
/// manifest turns them on.
const FEATURES: &str = "_simdutf";
/// The crate of the workspace that cannot be built without an archive.
pub(crate) const CRATE: &str = "tandem-engine-v8";
/// No archive of V8 is smaller.
const LEAST_BYTES: u64 = 10 << 20;

/// What a build with the feature `v8` would use.
pub(crate) enum Archive {
    /// The file that `RUSTY_V8_ARCHIVE` names.
    Given(PathBuf),
    /// The crate is built from its own source, since `V8_FROM_SOURCE` is set.
    FromSource,
    /// The file that the crate finds in cargo's home.
    InCargoHome(PathBuf),
    /// What the crate downloads.
    Download(String),
}

/// `cargo xtask v8`
pub(crate) fn run() -> Result<(), String> {
    let wanted = Wanted::here()?;
    println!("crate v8 {}, target {}", wanted.version, wanted.target);
    let archive = find()?;
    println!("{}", describe(&archive));
    println!("build with: cargo build --features v8");
    Ok(())
}

/// Looks for the archive, in the order in which the crate does.
///
/// # Errors
/// None can be had; the text says how to get one.
pub(crate) fn find() -> Result<Archive, String> {
    if std::env::var_os("V8_FROM_SOURCE").is_some() {
        return Ok(Archive::FromSource);
    }
    let wanted = Wanted::here()?;
    let url = match std::env::var("RUSTY_V8_ARCHIVE") {
        Ok(given) if !given.starts_with("http:") && !given.starts_with("https:") => {
            return fits(Path::new(&given), &wanted).map(|()| Archive::Given(given.into()));
        }
        Ok(url) => url,
        Err(_) => wanted.url(),
    };
    let kept = cargo_home().map(|home| home.join(".rusty_v8").join(escaped(&url)));
    if let Some(path) = kept.as_deref().filter(|path| path.exists()) {
        return Ok(Archive::InCargoHome(path.to_owned()));
    }
    if is_reachable(&url) {
        return Ok(Archive::Download(url));
    }
    Err(explanation(&wanted, &url, kept.as_deref()))
}

/// Whether to test V8 too: whenever its archive can be had. In CI it must.
pub(crate) fn for_tests(in_ci: bool) -> Result<bool, String> {
    match find() {
        Ok(archive) => {
            eprintln!("xtask: V8 is tested: {}", describe(&archive));
            Ok(true)
        }
        Err(reason) if in_ci => Err(reason),
        Err(reason) => {
            let first = reason.lines().next().unwrap_or_default();
            eprintln!("xtask: V8 IS NOT TESTED: {first} (cargo xtask v8 tells more)");
            Ok(false)
        }
    }
}

fn describe(archive: &Archive) -> String {
    match archive {
        Archive::Given(path) => format!("archive given by RUSTY_V8_ARCHIVE: {}", path.display()),
        Archive::FromSource => "V8_FROM_SOURCE is set: the crate builds V8 from its own source".to_owned(),
        Archive::InCargoHome(path) => format!("archive in cargo's home: {}", path.display()),
        Archive::Download(url) => format!("the crate downloads its archive: {url}"),
    }
}

/// What the archive has to fit.
struct Wanted {
    version: String,
    target: String,
}

impl Wanted {
    fn here() -> Result<Self, String> {
        let lock = root().join("Cargo.lock");
        let text = std::fs::read_to_string(&lock).map_err(|error| format!("{}: {error}", lock.display()))?;
        let version = locked_version(&text, "v8").ok_or_else(|| "Cargo.lock has no package v8".to_owned())?;
        let target = match std::env::var("CARGO_BUILD_TARGET") {
            Ok(target) => target,
            Err(_) => {
                let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
                let told = process::output(Command::new(rustc).arg("-vV").current_dir(root()))?;
                host(&told).ok_or_else(|| "rustc does not tell its host".to_owned())?
            }
        };
        Ok(Self { version, target })
    }

    fn name(&self) -> String {
        let (start, end) = if self.target.contains("windows") { ("", "lib") } else { ("lib", "a") };
        format!("{start}rusty_v8{FEATURES}_release_{}.{end}.gz", self.target)
    }

    fn url(&self) -> String {
        let base = std::env::var("RUSTY_V8_MIRROR").unwrap_or_else(|_| RELEASES.to_owned());
        format!("{base}/v{}/{}", self.version, self.name())
    }
}

fn host(version: &str) -> Option<String> {
    version.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned)
}

/// The version of a package that is locked once.
fn locked_version(lock: &str, package: &str) -> Option<String> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name).skip(1);
    let version = lines.next()?.strip_prefix("version = \"")?.strip_suffix('"')?;
    Some(version.to_owned())
}

fn fits(path: &Path, wanted: &Wanted) -> Result<(), String> {
    let refuse = |reason: String| format!("RUSTY_V8_ARCHIVE names {}, {reason}", path.display());
    let known = std::fs::metadata(path).map_err(|error| refuse(format!("which cannot be read: {error}")))?;
    if !known.is_file() || known.len() < LEAST_BYTES {
        return Err(refuse("which is not an archive of V8".to_owned()));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let plain = wanted.name();
    let plain = plain.strip_suffix(".gz").unwrap_or(&plain);
    // A file under a name of its own is taken at its word.
    if name.contains("rusty_v8_") && !name.starts_with(plain) {
        return Err(refuse(format!("but this build needs {}", wanted.name())));
    }
    Ok(())
}

fn cargo_home() -> Option<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")))
}

/// The name under which the crate looks for what it would download.
fn escaped(url: &str) -> String {
    url.chars().map(|character| if character.is_ascii_alphanumeric() { character } else { '_' }).collect()
}

fn is_reachable(url: &str) -> bool {
    let arguments =
        ["--head", "--location", "--silent", "--fail", "--connect-timeout", "4", "--max-time", "10"];
    let mut curl = Command::new("curl");
    curl.args(arguments).arg(url).stdout(Stdio::null()).stderr(Stdio::null());
    curl.status().is_ok_and(|status| status.success())
}

fn explanation(wanted: &Wanted, url: &str, kept: Option<&Path>) -> String {
    let kept = kept.map_or_else(|| "$CARGO_HOME/.rusty_v8/…".to_owned(), |path| path.display().to_string());
    format!(
        "no archive of V8 can be had for the crate v8 {version} on {target}
The crate would download
    {url}
which this machine does not reach. Any of these will do:
  - get that file elsewhere and set RUSTY_V8_ARCHIVE to its path, or keep it as
    {kept}
  - set RUSTY_V8_MIRROR to a base URL that has v{version}/{name}
  - build it from the crate's own source: V8_FROM_SOURCE=1 cargo build --release --features v8
    It takes about two hours of two cores, and needs clang and lld 22 with libclang-rt, ninja, GN
    (newer than Debian 12's; GN and NINJA name the programs), Python 3 and glib, or, for what the
    crate leaves to its surroundings, GN_ARGS with
        use_glib=false enable_rust=false enable_rust_cxx=false v8_enable_temporal_support=false
Without the feature `v8` nothing of this is needed.",
        version = wanted.version,
        target = wanted.target,
        name = wanted.name(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Wanted {
        Wanted { version: "1.2.3".into(), target: "x86_64-unknown-linux-gnu".into() }
    }

    #[test]
    fn the_archive_is_named_as_the_crate_names_it() {
        assert_eq!(wanted().name(), "librusty_v8_simdutf_release_x86_64-unknown-linux-gnu.a.gz");
        assert_eq!(escaped("https://a.b/v1.2"), "https___a_b_v1_2");
    }

    #[test]
    fn the_version_is_the_locked_one() {
        let lock = "[[package]]\nname = \"v8-other\"\nversion = \"9.9.9\"\n\n[[package]]\nname = \"v8\"\nversion = \"1.2.3\"\n";
        assert_eq!(locked_version(lock, "v8").as_deref(), Some("1.2.3"));
        assert_eq!(locked_version(lock, "none"), None);
    }

    #[test]
    fn a_file_that_is_not_there_does_not_fit() {
        let refused = fits(Path::new("/nowhere/archive.a.gz"), &wanted()).unwrap_err();
        assert!(refused.contains("cannot be read"), "{refused}");
    }

    #[test]
    fn what_is_missing_is_explained() {
        let text = explanation(&wanted(), &wanted().url(), None);
        assert!(text.contains("RUSTY_V8_ARCHIVE") && text.contains("v1.2.3"), "{text}");
    }
}
