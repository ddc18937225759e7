//! What the command line takes.

use clap::{CommandFactory as _, Parser as _};
use tandem_runtime::cli::{Cli, Command};

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn verbs_are_parsed() {
    for (line, accepted) in [
        ("tandem", false),
        ("tandem serve", true),
        ("tandem serve --config a.toml --config b.toml --set server.listen=127.0.0.1:1", true),
        ("tandem serve --listen 127.0.0.1:9000", true),
        ("tandem serve --listen nonsense", false),
        ("tandem dev", false),
        ("tandem dev functions --listen [::1]:9000", true),
        ("tandem deploy", false),
        ("tandem deploy a.ts functions --url http://x --token t --json", true),
        ("tandem list --json", true),
        ("tandem get hello --compiled --json", false),
        ("tandem delete", false),
        ("tandem delete a b", true),
        ("tandem invoke hello --data {} -X PUT -H a:b --header c:d --query x=1", true),
        ("tandem invoke hello --header nonsense", false),
        ("tandem invoke hello --query nonsense", false),
        ("tandem logs", true),
        ("tandem logs some-id --follow", false),
        ("tandem logs --function hello --limit 0", false),
        ("tandem logs --function hello --limit 1000 --follow", true),
        ("tandem config --json", true),
        ("tandem check --json", true),
        ("tandem generate schema", true),
        ("tandem nonsense", false),
    ] {
        assert_eq!(Cli::try_parse_from(line.split(' ')).is_ok(), accepted, "{line}");
    }
}

#[test]
fn the_parts_of_an_invocation_are_read() {
    let line = ["tandem", "invoke", "a/b", "--header", "X-One:  1 ", "--query", "q=a=b", "--url", "http://h"];
    let Command::Invoke(args) = Cli::parse_from(line).command else { panic!("another verb") };
    assert_eq!(args.header, [("X-One".to_owned(), "1".to_owned())]);
    assert_eq!(args.query, [("q".to_owned(), "a=b".to_owned())]);
    assert_eq!(args.remote.url, "http://h");
}

#[test]
fn every_verb_has_help_and_examples() {
    for verb in Cli::command().get_subcommands().filter(|verb| !verb.is_hide_set()) {
        let name = verb.get_name();
        assert!(verb.get_about().is_some(), "{name}");
        let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(help.contains(&format!("tandem {name}")), "{name}");
    }
    let help = Cli::command().get_after_help().map(ToString::to_string).unwrap_or_default();
    assert!(help.contains("Exit codes"));
}
