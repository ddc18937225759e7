//! Where settings come from, which one wins, and what is said when something is wrong.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails the test")]

use std::path::PathBuf;

use tandem_runtime::builtins::registry;
use tandem_runtime::config::{ByteSize, ConfigError, Duration, Loaded, Sources, load, token};
use tempfile::TempDir;

/// A folder with files, and the variables and assignments of a call.
#[derive(Default)]
struct Place {
    folder: Option<TempDir>,
    sources: Sources,
}

impl Place {
    /// With a `config/default.toml` of this text.
    fn with_default(text: &str) -> Self {
        Self::default().file("config/default.toml", text)
    }

    fn file(mut self, name: &str, text: &str) -> Self {
        let folder = self.folder.get_or_insert_with(|| tempfile::tempdir().unwrap());
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self.sources.base = folder.path().to_owned();
        self
    }

    fn config(mut self, name: &str) -> Self {
        self.sources.files.push(PathBuf::from(name));
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.sources.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    fn set(mut self, assignment: &str) -> Self {
        self.sources.sets.push(assignment.to_owned());
        self
    }

    fn load(&self) -> Result<Loaded, ConfigError> {
        let mut sources = self.sources.clone();
        if self.folder.is_none() {
            // A folder without files: the tests' own must not be read.
            sources.base = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src");
        }
        load(&sources, &registry())
    }

    fn loaded(&self) -> Loaded {
        self.load().unwrap_or_else(|error| panic!("{error}"))
    }

    fn refusal(&self) -> String {
        match self.load() {
            Ok(_) => panic!("the configuration was accepted"),
            Err(error) => error.to_string(),
        }
    }
}

/// The origin of a key as `tandem config` prints it.
fn origin(loaded: &Loaded, key: &str) -> String {
    let settings = &loaded.effective.settings;
    let setting = settings.iter().find(|setting| setting.path.join(".") == key);
    setting.unwrap_or_else(|| panic!("{key} is not shown")).origin.to_string()
}

#[test]
fn later_sources_win() {
    let line = "[engine]\nisolates = ";
    let steps: [(Place, usize, &str); 6] = [
        (Place::default(), 64, "default"),
        (Place::with_default(&format!("{line}1")), 1, "config/default.toml:2"),
        (
            Place::with_default(&format!("{line}1")).file("a.toml", &format!("{line}2")).config("a.toml"),
            2,
            "a.toml:2",
        ),
        (
            Place::default()
                .file("a.toml", &format!("{line}2"))
                .file("b.toml", &format!("\n{line}3"))
                .config("a.toml")
                .config("b.toml"),
            3,
            "b.toml:3",
        ),
        (
            Place::with_default(&format!("{line}1")).variable("TANDEM_ENGINE__ISOLATES", "4"),
            4,
            "variable TANDEM_ENGINE__ISOLATES",
        ),
        (
            Place::default().variable("TANDEM_ENGINE__ISOLATES", "4").set("engine.isolates=5"),
            5,
            "--set engine.isolates",
        ),
    ];
    for (place, isolates, from) in steps {
        let loaded = place.loaded();
        assert_eq!(
            (loaded.config.engine.isolates, origin(&loaded, "engine.isolates")),
            (isolates, from.to_owned())
        );
    }
}

#[test]
fn shared_variables_stand_below_the_file() {
    let shared =
        |place: Place| place.variable("S3_BUCKET", "shared").variable("DEVELOP_TOKEN", "shared-token");
    let config = shared(Place::default()).loaded().config;
    assert_eq!(config.storage.bucket, "shared");
    assert_eq!(config.server.token.unwrap().expose(), "shared-token");

    let file = "[server]\ntoken = \"of-the-file\"\n[storage]\nbucket = \"file\"";
    let config = shared(Place::with_default(file)).loaded().config;
    assert_eq!(config.storage.bucket, "file");
    assert_eq!(config.server.token.unwrap().expose(), "of-the-file");

    let config = shared(Place::with_default("[server]\ntoken_file = \"t\"")).loaded().config;
    assert_eq!((config.server.token, config.server.token_file), (None, Some(PathBuf::from("t"))));

    assert_eq!(Place::default().variable("S3_BUCKET", "").loaded().config.storage.bucket, "default");
}

#[test]
fn variables_are_read_as_the_key_wants_them() {
    let config = Place::default()
        .variable("TANDEM_SERVER__TOKEN", "12345")
        .variable("TANDEM_SERVER__LISTEN", "localhost:9000")
        .variable("TANDEM_SERVER__BODY_LIMIT", "64KiB")
        .variable("TANDEM_ENGINE__LIMITS__WALL_TIME", "1.5s")
        .variable("TANDEM_ENV__PASS", "APP_*, HOME")
        .variable("TANDEM_ENV__VARS__API__URL", "https://x")
        .variable("TANDEM_FETCH__ALLOW", "[\"a.example\"]")
        .variable("TANDEM_URL", "no setting of the server")
        .set("env.vars.dotted.name=1")
        .loaded()
        .config;
    assert_eq!(config.server.token.unwrap().expose(), "12345");
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:9000");
    assert_eq!(config.server.body_limit, ByteSize::kib(64));
    assert_eq!(config.engine.limits.wall_time, Duration::from_millis(1500));
    assert_eq!(config.env.pass, ["APP_*", "HOME"]);
    assert_eq!(config.env.vars.get("API__URL").map(String::as_str), Some("https://x"));
    assert_eq!(config.env.vars.get("dotted.name").map(String::as_str), Some("1"));
    assert_eq!(config.fetch.allow, ["a.example"]);
}

#[test]
fn what_is_wrong_is_named_with_its_key_and_place() {
    let in_file = |text: &str| Place::with_default(text);
    let cases: [(Place, &[&str]); 19] = [
        (
            in_file("[server]\nlisen = \"x\""),
            &["config/default.toml:2: `server.lisen`: unknown key", "did you mean `server.listen`?"],
        ),
        (in_file("[sever]\n"), &["config/default.toml:1: `sever`: unknown key", "did you mean `server`?"]),
        (in_file("[engine]\nzzzzzzzz = 1"), &["`engine.zzzzzzzz`: unknown key; known here: backend"]),
        (in_file("server = 5"), &["config/default.toml:1: `server`: is a section, not one value"]),
        (in_file("[engine.isolates]\na = 1"), &["`engine.isolates`: is one value, not a section"]),
        (
            in_file("[engine]\nisolates = \"many\""),
            &["config/default.toml:2: `engine.isolates`: must be a whole number of at least 0, not \"many\""],
        ),
        (
            in_file("[engine]\nisolates = 0"),
            &["config/default.toml:2: `engine.isolates`: must be at least 1"],
        ),
        (
            in_file("[server]\nbody_limit = 10"),
            &["config/default.toml:2: `server.body_limit`: \"10\" has no unit: write \"10MiB\""],
        ),
        (
            in_file("[server]\nlisten = \"nowhere\""),
            &["`server.listen`: \"nowhere\" is not an address with a port"],
        ),
        (
            in_file("[telemetry]\nformat = \"xml\""),
            &["`telemetry.format`: must be one of human, json, not \"xml\""],
        ),
        (in_file("[storage]\nbucket = \"/\""), &["`storage.bucket`: Invalid bucket name \"/\""]),
        (
            in_file("[functions.sqlite]\npath = 5"),
            &["config/default.toml:2: `functions.sqlite.path`: must be"],
        ),
        (in_file("[functions.sqlite]\npaht = \"x\""), &["did you mean `functions.sqlite.path`?"]),
        (in_file("[server\n"), &["config/default.toml:1: this is not TOML"]),
        (Place::default().config("nowhere.toml"), &["nowhere.toml: there is no such file"]),
        (
            Place::default().variable("TANDEM_SERVER__LISEN", "x"),
            &["variable TANDEM_SERVER__LISEN: `server.lisen`: unknown key"],
        ),
        (Place::default().set("server.lisen=x"), &["--set server.lisen: `server.lisen`: unknown key"]),
        (Place::default().set("server"), &["--set server: expected section.key=value"]),
        (
            in_file("[server]\nbody_limit = 1\nqueue = -1"),
            &["config/default.toml:2: `server.body_limit`", "config/default.toml:3: `server.queue`"],
        ),
    ];
    for (place, expected) in cases {
        let refusal = place.refusal();
        for part in expected {
            assert!(refusal.contains(part), "{part}\nis not in\n{refusal}");
        }
    }
}

#[test]
fn a_backend_is_picked_by_name() {
    let refusal = |section: &str, name: &str| {
        Place::with_default(&format!("[{section}]\nbackend = \"{name}\"")).refusal()
    };
    let unknown = refusal("functions", "sqlit");
    assert!(unknown.contains("config/default.toml:2: functions.backend = \"sqlit\""), "{unknown}");
    assert!(unknown.contains("known: sqlite, ") && unknown.contains("did you mean \"sqlite\"?"), "{unknown}");
    assert_eq!(unknown.lines().count(), 2, "[documents] repeats what it inherited: {unknown}");

    let registry = registry();
    for port in registry.sections() {
        for name in port.names() {
            let Some(feature) = port.feature(name) else { continue };
            let refusal = refusal(port.section(), name);
            let expected = format!(
                "{}.backend = {name:?} needs a build with the feature `{feature}`: cargo build --features {feature}",
                port.section()
            );
            assert!(refusal.contains(&expected), "{refusal}");
            // Not picked, its settings are nobody's business.
            Place::with_default(&format!("[{}.{name}]\nanything = 1", port.section())).loaded();
        }
    }
}

#[test]
fn a_known_backend_that_is_not_picked_is_checked_too() {
    let refusal =
        Place::with_default("[storage]\nbackend = \"memory\"\n[storage.local]\nroto = \"x\"").refusal();
    assert!(refusal.contains("config/default.toml:4: `storage.local.roto`: unknown key"), "{refusal}");
}

#[test]
fn documents_are_where_functions_are_unless_told_otherwise() {
    let given = Place::with_default("[functions.sqlite]\npath = \"given.db\"").loaded();
    assert_eq!(given.config.documents.selected, given.config.functions.selected);
    assert_eq!(given.config.documents.selected.settings.expose()["path"], "given.db");
    assert_eq!(origin(&given, "documents.sqlite.path"), "config/default.toml:2");

    let text = "[functions.sqlite]\npath = \"f.db\"\n[documents]\nbackend = \"sqlite\"\n[documents.sqlite]\npath = \"d.db\"";
    let apart = Place::with_default(text).loaded().config;
    assert_eq!(apart.functions.selected.settings.expose()["path"], "f.db");
    assert_eq!(apart.documents.selected.settings.expose()["path"], "d.db");
}

#[test]
fn secrets_are_never_shown() {
    let place = Place::with_default(
        "[server]\ntoken = \"swordfish\"\n\
         [functions.mongo]\nurl = \"mongodb://user:swordfish@host/db\"\n\
         [env.vars]\nAPI_KEY = \"swordfish\"\nGREETING = \"hello\"",
    )
    .variable("S3_SECRET_KEY", "swordfish");
    let loaded = place.loaded();
    for shown in
        [loaded.effective.to_toml(), loaded.effective.to_json().to_string(), format!("{:?}", loaded.config)]
    {
        assert!(!shown.contains("swordfish"), "{shown}");
    }
    let toml = loaded.effective.to_toml();
    assert!(toml.contains("GREETING = \"hello\""), "{toml}");

    for text in [
        "[server]\ntoken = [\"swordfish\"]",
        "[server]\ntoken = \"swordfish with spaces\"",
        "[server]\ntoken = \"swordfish\"\ntoken_file = \"x\"",
        "[server]\ntoken = \"swordfish",
        "[server]\ntoken = swordfish",
        "[server]\npublic_url = \"ftp://user:swordfish@host\"",
    ] {
        let refusal = Place::with_default(text).refusal();
        assert!(!refusal.contains("swordfish"), "{refusal}");
    }
    let refusal = Place::default().set("server.tokn=swordfish").refusal();
    assert!(!refusal.contains("swordfish"), "{refusal}");
}

#[test]
fn the_effective_configuration_can_be_read_again() {
    let loaded = Place::default().set("engine.isolates=7").set("env.vars.odd name=\"quoted\"").loaded();
    let again =
        Place::default().file("again.toml", &loaded.effective.to_toml()).config("again.toml").loaded();
    assert_eq!(again.config, loaded.config);
}

#[test]
fn a_server_that_others_reach_needs_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let of = |place: Place| token(&place.loaded().config, folder.path(), &tandem_contract::SystemEntropy);

    let made = of(Place::default()).unwrap();
    assert!(made.made && made.secret.expose().len() >= 32);
    assert_ne!(made.secret, of(Place::default()).unwrap().secret);

    let refused = of(Place::default().set("server.listen=0.0.0.0:8000")).unwrap_err();
    assert!(refused.message().contains("set `server.token`"), "{refused}");

    let given = of(Place::default().set("server.listen=0.0.0.0:8000").set("server.token=given")).unwrap();
    assert_eq!((given.secret.expose(), given.made), ("given", false));

    std::fs::write(folder.path().join("token"), "  of the\n").unwrap();
    let file = || Place::default().set("server.token_file=token");
    assert!(of(file()).unwrap_err().message().contains("server.token_file"));
    std::fs::write(folder.path().join("token"), "  kept-in-a-file\n").unwrap();
    assert_eq!(of(file()).unwrap().secret.expose(), "kept-in-a-file");
    assert!(of(Place::default().set("server.token_file=missing")).unwrap_err().message().contains("missing"));
}
