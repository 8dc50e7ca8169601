//! What deploys the program, held against the program: ports, paths, settings and command lines cannot drift apart.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use overdue::core::limits::SHUTDOWN_MS_MAX;
use overdue::http::{Access, routes};
use serde_json::Value;
use support::overdue;
use tempfile::TempDir;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn fly() -> toml::Table {
    text("fly.toml").parse().unwrap()
}

/// What `fly.toml` sets.
fn fly_environment() -> BTreeMap<String, String> {
    let fly = fly();
    let environment = fly["env"].as_table().unwrap().iter();
    environment.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
}

/// Seconds, as `20s` says them.
fn seconds(text: &str) -> u64 {
    text.strip_suffix('s').unwrap_or(text).parse().unwrap()
}

/// Whether the program takes this command line: `--help` after it is answered, and a word it does not know is not.
fn is_taken(command_line: &str) -> bool {
    let mut words = command_line.split(' ');
    let program = words.next().map(|path| Path::new(path).file_name().unwrap().to_owned());
    let folder = TempDir::new().unwrap();
    let output = overdue(folder.path()).args(words).arg("--help").output().unwrap();
    program.is_some_and(|program| program == "overdue") && output.status.success()
}

/// Runs a command in these variables, and gives what it says.
fn said(arguments: &[&str], variables: &BTreeMap<String, String>) -> (bool, String) {
    let folder = TempDir::new().unwrap();
    let output = overdue(folder.path()).args(arguments).envs(variables).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[test]
fn fly_starts_what_the_settings_allow_and_only_with_a_key() {
    let mut variables = fly_environment();
    variables.insert("FLY_APP_NAME".to_owned(), fly()["app"].as_str().unwrap().to_owned());
    let (is_right, sentence) = said(&["check-config"], &variables);
    assert!(!is_right && sentence.contains("set OVERDUE_PING_KEY"), "{sentence}");
    variables.insert("OVERDUE_ADMIN_KEY".to_owned(), "secret".to_owned());
    let (is_right, sentence) = said(&["check-config"], &variables);
    assert!(is_right, "{sentence}");
    let port = fly()["http_service"]["internal_port"].as_integer().unwrap();
    assert!(sentence.contains(&format!("it would listen on 0.0.0.0:{port}\n")), "{sentence}");
}

#[test]
fn fly_asks_for_a_path_that_is_there_stops_patiently_and_never_sleeps() {
    let fly = fly();
    let service = &fly["http_service"];
    let check = &service["checks"][0];
    let path = check["path"].as_str().unwrap();
    let method = check["method"].as_str().unwrap();
    assert_eq!(path, "/healthz");
    assert!(routes().iter().any(|route| route.path == path
        && route.access == Access::NONE
        && route.methods.iter().any(|known| known == method)));
    assert_eq!(service["auto_stop_machines"].as_str(), Some("off"));
    assert!(service["min_machines_running"].as_integer() >= Some(1));
    assert_eq!(fly["deploy"]["strategy"].as_str(), Some("rolling"));
    assert_eq!(fly["kill_signal"].as_str(), Some("SIGTERM"));
    assert!(seconds(fly["kill_timeout"].as_str().unwrap()) * 1000 > SHUTDOWN_MS_MAX + 5000);
    assert_eq!(fly["mounts"]["source"].as_str(), Some("litefs"));
    let dockerfile = fly["build"]["dockerfile"].as_str().unwrap();
    assert!(root().join(dockerfile).exists());
}

#[test]
fn litefs_keeps_the_database_where_the_program_looks_and_starts_it_as_it_wants() {
    let environment = fly_environment();
    let database = environment["DATABASE_URL"].strip_prefix("sqlite:").unwrap();
    let api = environment["OVERDUE_LITEFS"].parse::<url::Url>().unwrap();
    for file in ["deploy/litefs.yml", "deploy/litefs.static.yml"] {
        let litefs = yaml(file);
        let mount = litefs["fuse"]["dir"].as_str().unwrap();
        assert_eq!(Path::new(database).parent(), Some(Path::new(mount)), "{file}");
        assert_eq!(
            litefs["data"]["dir"].as_str(),
            fly()["mounts"]["destination"].as_str(),
            "{file}"
        );
        let port = litefs["http"]["addr"].as_str().unwrap().rsplit(':').next().unwrap();
        assert_eq!(Some(port.parse().unwrap()), api.port(), "{file}");
        let lease = &litefs["lease"];
        assert!(lease["advertise-url"].as_str().unwrap().ends_with(&format!(":{port}")), "{file}");
        assert_eq!(litefs["exit-on-error"], true, "{file}");
        assert!(litefs.get("proxy").is_none(), "{file}: a proxy would lose pings");
        let commands = litefs["exec"].as_array().unwrap();
        let lines: Vec<&str> =
            commands.iter().map(|command| command["cmd"].as_str().unwrap()).collect();
        assert_eq!(lines, ["overdue migrate", "overdue serve"], "{file}");
        assert_eq!(commands[0]["if-candidate"], true, "{file}");
        assert!(commands[1].get("if-candidate").is_none(), "{file}: a replica serves too");
        assert!(lines.iter().all(|line| is_taken(line)), "{file}");
    }
    let consul = &yaml("deploy/litefs.yml")["lease"];
    assert_eq!((&consul["type"], &consul["promote"]), (&"consul".into(), &true.into()));
    assert_eq!(consul["consul"]["url"], "${FLY_CONSUL_URL}");
    let one = &yaml("deploy/litefs.static.yml")["lease"];
    assert_eq!((&one["type"], &one["candidate"]), (&"static".into(), &true.into()));
    assert!(
        !is_taken("overdue serves") && !is_taken("litefs mount"),
        "or nothing would be checked"
    );
}

/// The instructions of the Dockerfile, continued lines joined.
fn dockerfile() -> Vec<(String, String)> {
    let file = text("deploy/Dockerfile").replace("\\\n", " ");
    let lines =
        file.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (instruction, rest) = line.split_once(' ').unwrap();
            (instruction.to_owned(), rest.split_whitespace().collect::<Vec<_>>().join(" "))
        })
        .collect()
}

#[test]
fn the_image_is_built_from_what_is_there_and_runs_what_the_program_takes() {
    let lines = dockerfile();
    let all = |wanted: &str| -> Vec<String> {
        let found = lines.iter().filter(|(instruction, _)| instruction == wanted);
        found.map(|(_, rest)| rest.clone()).collect()
    };
    let toolchain: toml::Table = text("rust-toolchain.toml").parse().unwrap();
    let channel = toolchain["toolchain"]["channel"].as_str().unwrap();
    let stages = all("FROM");
    assert_eq!(stages.len(), 2, "{stages:?}");
    assert!(stages[0].starts_with(&format!("rust:{channel}-")), "{stages:?}");
    for copy in all("COPY").iter().filter(|copy| !copy.starts_with("--from")) {
        let mut words: Vec<&str> = copy.split(' ').collect();
        words.pop();
        for source in words {
            assert!(root().join(source).exists(), "{source} is copied and not there");
        }
    }
    let installed = all("RUN").join(" ");
    for package in ["ca-certificates", "fuse3", "sqlite3"] {
        assert!(installed.contains(package), "{package}");
    }
    assert!(all("RUN").iter().any(|run| run.contains("cargo build --release --locked")));
    assert!(
        all("COPY").contains(
            &"--from=build /build/target/release/overdue /usr/local/bin/overdue".to_owned()
        )
    );
    assert!(all("COPY").contains(&"deploy/litefs.yml /etc/litefs.yml".to_owned()));
    assert!(all("USER").is_empty(), "LiteFS has to be root to mount");
    let health = all("HEALTHCHECK").remove(0);
    let command: Vec<String> = serde_json::from_str(health.split_once("CMD ").unwrap().1).unwrap();
    assert!(is_taken(&command.join(" ")), "{command:?}");
    assert_eq!(all("ENTRYPOINT"), [r#"["litefs", "mount"]"#]);
    let listen = fly_environment()["OVERDUE_LISTEN"].clone();
    assert_eq!(all("ENV"), [format!("OVERDUE_LISTEN={listen}")]);
    assert_eq!(all("EXPOSE"), [listen.rsplit(':').next().unwrap()]);
    let ignored = text(".dockerignore");
    assert!(!ignored.lines().any(|line| ["src", "migrations", "deploy"].contains(&line)));
}

/// The keys of a unit with their values, in order.
fn unit() -> Vec<(String, String)> {
    let file = text("deploy/overdue.service");
    let lines = file.lines().filter(|line| !line.is_empty() && !line.starts_with(['#', '[']));
    lines
        .map(|line| {
            let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("{line}"));
            (key.to_owned(), value.to_owned())
        })
        .collect()
}

#[test]
fn the_unit_runs_what_the_program_takes_from_absolute_paths_and_waits_for_its_end() {
    let unit = unit();
    let all = |wanted: &str| -> Vec<&str> {
        unit.iter().filter(|(key, _)| key == wanted).map(|(_, value)| value.as_str()).collect()
    };
    let one = |key: &str| all(key)[0];
    assert_eq!(one("Type"), "notify");
    assert!(one("ExecStart").starts_with('/') && is_taken(one("ExecStart")));
    assert_eq!(one("KillSignal"), "SIGTERM");
    assert!(seconds(one("TimeoutStopSec")) * 1000 > SHUTDOWN_MS_MAX + 5000);
    let state = format!("/var/lib/{}", one("StateDirectory"));
    assert_eq!(one("WorkingDirectory"), state);
    let variables: BTreeMap<String, String> = all("Environment")
        .iter()
        .filter_map(|setting| setting.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let database = variables["DATABASE_URL"].strip_prefix("sqlite:").unwrap();
    assert_eq!(Path::new(database).parent(), Some(Path::new(&state)));
    let (is_right, sentence) = said(&["check-config"], &variables);
    assert!(is_right, "{sentence}");
    for hardening in ["NoNewPrivileges", "PrivateTmp", "ProtectHome", "MemoryDenyWriteExecute"] {
        assert_eq!(one(hardening), "yes");
    }
    assert_eq!(one("ProtectSystem"), "strict");
}

#[test]
fn systemd_itself_finds_nothing_wrong_with_the_unit() {
    // Where the program is not installed that is all it may complain of.
    let folder = TempDir::new().unwrap();
    let unit = folder.path().join("overdue.service");
    let binary = env!("CARGO_BIN_EXE_overdue");
    std::fs::write(&unit, text("deploy/overdue.service").replace("/usr/local/bin/overdue", binary))
        .unwrap();
    let output = match Command::new("systemd-analyze").arg("verify").arg(&unit).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let is_complete = std::env::var_os("CI").is_some();
            assert!(
                !is_complete,
                "systemd-analyze is not installed, and no test may be skipped here"
            );
            eprintln!("SKIPPED: systemd-analyze is not installed");
            return;
        }
        output => output.unwrap(),
    };
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    let about_it: Vec<&str> =
        complaints.lines().filter(|line| line.contains("overdue.service")).collect();
    assert!(about_it.is_empty(), "{about_it:?}");
}

#[test]
fn a_tag_is_checked_and_then_deployed_with_the_settings_that_are_here() {
    let workflow = yaml(".github/workflows/deploy.yml");
    assert_eq!(workflow["on"]["push"]["tags"][0], "v*");
    assert_eq!(workflow["permissions"]["contents"], "read");
    let deploy = &workflow["jobs"]["deploy"];
    assert_eq!(deploy["needs"], "check");
    let steps = |job: &Value| -> Vec<String> {
        let steps = job["steps"].as_array().unwrap().iter();
        steps.filter_map(|step| step["run"].as_str().map(str::to_owned)).collect()
    };
    assert!(steps(&workflow["jobs"]["check"]).contains(&"bash .ci/run".to_owned()));
    assert!(root().join(".ci/run").exists());
    let deploys = steps(deploy).pop().unwrap();
    let config = deploys.split("--config ").nth(1).unwrap();
    assert!(root().join(config).exists(), "{deploys}");
    let version = format!("version = \"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(
        text("Cargo.toml").lines().any(|line| line == version),
        "or no tag could be the version"
    );
}

/// Words of the guide that stand in backticks or in code, as far as they begin so.
fn words_of_the_guide(prefix: &str) -> Vec<String> {
    let guide = text("docs/DEPLOY.md");
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    let words = guide.split(|c: char| !is_part(c)).filter(|word| word.starts_with(prefix));
    words.map(|word| word.trim_end_matches(['.', '/', '-']).to_owned()).collect()
}

#[test]
fn the_guide_names_settings_files_and_commands_that_there_are() {
    let (_, help) = said(&["--help"], &BTreeMap::new());
    let settings = words_of_the_guide("OVERDUE_");
    assert!(settings.len() > 10);
    for setting in settings {
        assert!(help.contains(&setting), "{setting} is not in --help");
    }
    let files: Vec<PathBuf> = ["deploy/", "docs/", "fly.toml"]
        .iter()
        .flat_map(|prefix| words_of_the_guide(prefix))
        .map(PathBuf::from)
        .collect();
    assert!(files.len() > 5);
    for file in files {
        assert!(root().join(&file).exists(), "{} is not there", file.display());
    }
    let guide = text("docs/DEPLOY.md");
    let commands =
        guide.split("`overdue ").skip(1).map(|rest| rest.split(['`', ' ']).next().unwrap());
    for command in commands {
        assert!(is_taken(&format!("overdue {command}")), "overdue {command}");
    }
    for path in ["/etc/litefs.yml", "/etc/litefs.static.yml"] {
        assert!(text("deploy/Dockerfile").contains(path) && guide.contains(path), "{path}");
    }
}
