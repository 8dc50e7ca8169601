//! `overdue run`, `ping` and `delete` as processes, against a receiver whose answers are set, and a real server.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/mod.rs"]
mod support;

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use support::{Got, Receiver, Reply, Server, overdue, patiently, sqlite3};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};

/// A machine: a home of its own, and the monitor that its jobs know of.
struct Machine {
    folder: TempDir,
    url: String,
}

impl Machine {
    fn new(monitor: SocketAddr) -> Self {
        Self { folder: TempDir::new().unwrap(), url: format!("http://{monitor}") }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = overdue(self.folder.path());
        command.args(arguments).env("OVERDUE_URL", &self.url).env("HOME", self.folder.path());
        command.env("PATH", std::env::var_os("PATH").unwrap());
        let mut command = Command::from(command);
        command.kill_on_drop(true);
        command
    }

    async fn overdue(&self, arguments: &[&str]) -> Output {
        patiently("overdue", self.command(arguments).output()).await.unwrap()
    }

    /// `overdue run job --frequency 1D --timeout 1s -- sh -c SCRIPT`
    fn job(&self, script: &str) -> Command {
        self.command(&[
            "run",
            "job",
            "--frequency",
            "1D",
            "--timeout",
            "1s",
            "--",
            "sh",
            "-c",
            script,
        ])
    }

    async fn run(&self, script: &str) -> Output {
        patiently("the job", self.job(script).output()).await.unwrap()
    }

    async fn all_at_once(&self, commands: &[Vec<&str>]) -> Vec<Output> {
        let spawn = |arguments: &Vec<&str>| {
            let mut command = self.command(arguments);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let children: Vec<Child> = commands.iter().map(spawn).collect();
        let mut outputs = Vec::new();
        for child in children {
            outputs.push(patiently("all", child.wait_with_output()).await.unwrap());
        }
        outputs
    }

    fn spool(&self) -> PathBuf {
        self.folder.path().join(".local/state/overdue/spool")
    }

    /// The kept pings.
    fn kept(&self) -> Vec<PathBuf> {
        let Ok(files) = fs::read_dir(self.spool()) else { return Vec::new() };
        let files = files.map(|file| file.unwrap().path());
        files.filter(|file| file.extension().is_some_and(|end| end == "ping")).collect()
    }
}

/// An address where nobody listens.
async fn nobody() -> SocketAddr {
    tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

fn parameters(got: &Got) -> HashMap<String, String> {
    let url = url::Url::parse(&format!("http://monitor{}", got.uri)).unwrap();
    url.query_pairs().into_owned().collect()
}

/// The start and the end of a job.
async fn start_and_end(
    receiver: &mut Receiver,
) -> (HashMap<String, String>, HashMap<String, String>) {
    (parameters(&receiver.next().await), parameters(&receiver.next().await))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn the_exit_status_is_the_commands_own_and_the_monitor_is_told_of_it() {
    let mut receiver = Receiver::start().await;
    let machine = Machine::new(receiver.address);
    for (script, status) in [
        ("exit 0", 0),
        ("exit 3", 3),
        ("exit 255", 255),
        ("kill -KILL $$", 137),
        ("kill -TERM $$", 143),
    ] {
        let output = machine.run(script).await;
        assert_eq!(output.status.code(), Some(status), "{script}: {output:?}");
        assert_eq!(said(&output), "", "{script}");
        let (start, end) = start_and_end(&mut receiver).await;
        assert_eq!((&*start["name"], &*start["signal"]), ("job", "start"));
        assert_eq!((&end["name"], &end["signal"]), (&start["name"], &status.to_string()));
        assert_eq!((&end["run"], start["run"].len()), (&start["run"], 32));
        assert!(!start.contains_key("duration_ms") && end["duration_ms"].parse::<u64>().is_ok());
        assert_eq!((&*end["frequency"], &*end["grace"]), ("1D", "1h"));
    }
    assert!(!machine.spool().exists());
}

#[tokio::test]
async fn a_command_that_cannot_be_run_is_a_failure_that_the_monitor_hears_of() {
    let mut receiver = Receiver::start().await;
    let machine = Machine::new(receiver.address);
    let plain = machine.folder.path().join("plain");
    fs::write(&plain, "no program").unwrap();
    for (command, status) in [("/missing/program", 127), (plain.to_str().unwrap(), 126)] {
        let output = machine.overdue(&["run", "job", "--frequency", "1D", "--", command]).await;
        assert_eq!(output.status.code(), Some(status), "{output:?}");
        assert!(said(&output).starts_with(&format!("overdue: {command} cannot be run: ")));
        let got = receiver.next().await;
        assert_eq!(parameters(&got)["signal"], status.to_string());
        assert!(String::from_utf8(got.bytes).unwrap().contains("cannot be run"));
    }
}

#[tokio::test]
async fn output_passes_through_byte_by_byte_and_its_end_goes_along() {
    let mut receiver = Receiver::start().await;
    let machine = Machine::new(receiver.address);
    let bytes: Vec<u8> =
        (0..3_000_000_u32).map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
    fs::write(machine.folder.path().join("bytes"), &bytes).unwrap();
    let output = machine.run("cat bytes; printf 'a\\0b\\377' >&2").await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(output.stdout == bytes && output.stderr == b"a\0b\xff");
    receiver.next().await;
    let end = receiver.next().await;
    assert_eq!((&*end.method, end.bytes.len()), ("POST", 10_000));
    // The few bytes of the other stream stand somewhere among them.
    let output = machine.run("cat bytes").await;
    assert!(output.stdout == bytes);
    receiver.next().await;
    assert!(receiver.next().await.bytes == bytes[bytes.len() - 10_000..]);
}

#[tokio::test]
async fn the_input_is_the_commands_and_streams_that_are_one_keep_their_order() {
    let receiver = Receiver::start().await;
    let machine = Machine::new(receiver.address);
    let file = fs::File::create(machine.folder.path().join("both")).unwrap();
    let mut job =
        machine.job("cat; for i in 1 2 3 4 5 6 7 8 9; do echo out $i; echo err $i >&2; done");
    job.stdin(Stdio::piped()).stdout(file.try_clone().unwrap()).stderr(file);
    let mut child = job.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"said\n").await.unwrap();
    assert_eq!(patiently("the job", child.wait()).await.unwrap().code(), Some(0));
    let both = fs::read_to_string(machine.folder.path().join("both")).unwrap();
    let lines = (1..10).flat_map(|i| [format!("out {i}"), format!("err {i}")]);
    let expected: Vec<String> = ["said".to_owned()].into_iter().chain(lines).collect();
    assert_eq!(both.lines().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn without_a_log_the_command_has_our_own_output() {
    let mut receiver = Receiver::start().await;
    let machine = Machine::new(receiver.address);
    let script =
        "test -f /proc/self/fd/1 && echo a file; test -f /proc/self/fd/2 && echo a file >&2";
    for (no_log, expected) in [(Some("--no-log"), "a file\na file\n"), (None, "")] {
        let path = machine.folder.path().join("out");
        let out = fs::File::create(&path).unwrap();
        let arguments = ["run", "job", "--frequency", "1D"].into_iter().chain(no_log);
        let arguments: Vec<&str> = arguments.chain(["--", "sh", "-c", script]).collect();
        let mut command = machine.command(&arguments);
        command.stdout(out.try_clone().unwrap()).stderr(out);
        patiently("the job", command.status()).await.unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
        receiver.next().await;
        assert_eq!(receiver.next().await.bytes, b"");
    }
}

#[tokio::test]
async fn what_a_command_leaves_behind_does_not_keep_it_from_ending() {
    let mut receiver = Receiver::start().await;
    let machine = Machine::new(receiver.address);
    let started = Instant::now();
    let output = machine.run("sleep 15 & head -c 50000 /dev/zero; echo done").await;
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout.len() == 50_005 && output.stdout.ends_with(b"done\n"));
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    receiver.next().await;
    assert!(receiver.next().await.bytes.ends_with(b"done\n"));
}

#[tokio::test]
async fn one_that_stops_reading_is_noticed_by_the_command_as_without_us() {
    let receiver = Receiver::start().await;
    let machine = Machine::new(receiver.address);
    let mut child = machine.job("exec yes").stdout(Stdio::piped()).spawn().unwrap();
    let mut some = [0; 1000];
    child.stdout.take().unwrap().read_exact(&mut some).await.unwrap();
    assert_eq!(patiently("the job", child.wait()).await.unwrap().code(), Some(128 + 13));
}

#[tokio::test]
async fn one_that_reads_slowly_gets_it_all_and_the_monitor_is_told_meanwhile() {
    let mut receiver = Receiver::start().await;
    let machine = Machine::new(receiver.address);
    // More than our reader's pipe holds, and less than that and the command's.
    let script = "head -c 100000 /dev/zero";
    let mut child = machine.job(script).stdout(Stdio::piped()).spawn().unwrap();
    let (_, end) = start_and_end(&mut receiver).await;
    assert_eq!(end["signal"], "0");
    let mut all = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut all).await.unwrap();
    assert_eq!(
        (all.len(), patiently("the job", child.wait()).await.unwrap().code()),
        (100_000, Some(0))
    );
}

#[tokio::test]
async fn a_full_disk_behind_the_output_is_told_and_does_not_stop_the_command() {
    let mut receiver = Receiver::start().await;
    let machine = Machine::new(receiver.address);
    let mut job = machine.job("echo one; sleep 0.1; echo two; exit 5");
    job.stdout(fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    let child = job.stderr(Stdio::piped()).spawn().unwrap();
    let output = patiently("the job", child.wait_with_output()).await.unwrap();
    assert_eq!(output.status.code(), Some(5));
    let said = said(&output);
    assert!(said.starts_with("overdue: the command's output cannot be passed on: "), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    receiver.next().await;
    assert_eq!(receiver.next().await.bytes, b"one\ntwo\n");
}

fn kill(child: &Child, name: &str) {
    let pid = child.id().unwrap().to_string();
    let status = std::process::Command::new("kill").args([&format!("-{name}"), &pid]).status();
    assert!(status.unwrap().success());
}

/// Whether whoever started the tests ignores a signal, which then cannot be tested.
fn is_ignored(number: u32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let digits = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    u64::from_str_radix(digits.trim(), 16).unwrap() & (1 << (number - 1)) != 0
}

#[tokio::test]
async fn signals_are_passed_on() {
    let receiver = Receiver::start().await;
    let machine = Machine::new(receiver.address);
    for (name, number) in
        [("HUP", 1), ("INT", 2), ("QUIT", 3), ("USR1", 10), ("USR2", 12), ("TERM", 15)]
    {
        if number <= 3 && is_ignored(number) {
            continue;
        }
        let script = format!(
            "trap 'echo got {name}; exit 41' {name}; echo ready; while :; do sleep 0.05; done"
        );
        let mut child = machine.job(&script).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(patiently("ready", lines.next_line()).await.unwrap().unwrap(), "ready");
        kill(&child, name);
        assert_eq!(
            patiently("it", lines.next_line()).await.unwrap().unwrap(),
            format!("got {name}")
        );
        assert_eq!(patiently("the job", child.wait()).await.unwrap().code(), Some(41), "{name}");
    }
}

#[tokio::test]
async fn a_signal_that_was_ignored_before_is_ignored_by_the_command_too() {
    let receiver = Receiver::start().await;
    let machine = Machine::new(receiver.address);
    let overdue = env!("CARGO_BIN_EXE_overdue");
    for (start, status) in [("trap '' USR1; exec", 5), ("exec", 128 + 10)] {
        let script =
            format!("{start} {overdue} run job --frequency 1D -- sh -c 'kill -USR1 $$; exit 5'");
        let mut command = Command::new("sh");
        command.args(["-c", &script]).env("OVERDUE_URL", &machine.url);
        command.env("HOME", machine.folder.path()).kill_on_drop(true);
        let ended = patiently("the job", command.status()).await.unwrap();
        assert_eq!(ended.code(), Some(status), "{start}");
    }
}

#[tokio::test]
async fn the_command_starts_at_once_and_ends_in_time_while_the_monitor_hangs() {
    let receiver = Receiver::start().await;
    receiver.usually(Reply::Hang);
    let machine = Machine::new(receiver.address);
    let started = Instant::now();
    let mut child = machine
        .job("echo begun; exit 4")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(patiently("it", lines.next_line()).await.unwrap().unwrap(), "begun");
    let output = patiently("the job", child.wait_with_output()).await.unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
    assert!(said(&output).contains("the ping is kept"), "{}", said(&output));
    assert_eq!(machine.kept().len(), 1);
}

#[tokio::test]
async fn asked_twice_to_end_it_waits_for_no_monitor() {
    if is_ignored(15) {
        return;
    }
    let mut receiver = Receiver::start().await;
    receiver.usually(Reply::Hang);
    let machine = Machine::new(receiver.address);
    let arguments = ["run", "job", "--frequency", "1D", "--", "true"];
    let mut child = machine.command(&arguments).spawn().unwrap();
    // The start, and then the end, for which it would wait.
    receiver.next().await;
    let started = Instant::now();
    receiver.next().await;
    kill(&child, "TERM");
    while patiently("a signal", async { child.try_wait() }).await.unwrap().is_none() {
        kill(&child, "TERM");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(started.elapsed() < Duration::from_secs(9), "{:?}", started.elapsed());
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
    assert_eq!(machine.kept().len(), 1);
}

#[tokio::test]
async fn what_could_not_be_told_is_told_by_the_next_run_with_its_true_time() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path(), None).await;
    let address = server.address;
    server.stop().await;
    let machine = Machine::new(address);
    let before = support::now();
    let output = machine.run("echo worked; exit 7").await;
    let after = support::now();
    assert_eq!((output.status.code(), &*output.stdout), (Some(7), &b"worked\n"[..]));
    assert!(
        said(&output).contains("no connection") && said(&output).contains("the ping is kept"),
        "{}",
        said(&output)
    );
    assert_eq!(machine.kept().len(), 1, "only the end is kept");
    // The next run begins after the clock has moved on.
    while support::now() <= after {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut command = overdue(folder.path());
    command.args(["serve", "--listen", &address.to_string()]);
    let server = Server::spawn(command).await;
    let output = machine.overdue(&["ping", "another", "--frequency", "1h"]).await;
    assert_eq!((output.status.code(), said(&output)), (Some(0), String::new()));
    assert!(machine.kept().is_empty());
    let job = server.get("/ping/job/log").await;
    assert_eq!(job.json()["status"], "failed", "{}", job.body);
    let database = folder.path().join("overdue.db");
    let query = "SELECT at, exit_status, duration_ms >= 0 FROM pings WHERE service = 'job' AND exit_status IS NOT NULL";
    if let Some(row) = sqlite3(&database, query) {
        let columns: Vec<i64> = row.split('|').map(|column| column.parse().unwrap()).collect();
        assert!((before..=after).contains(&columns[0]), "{row}: {before} to {after}");
        assert_eq!(columns[1..], [7, 1]);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_monitor_that_is_back_in_time_is_told_without_the_spool() {
    let machine = Machine::new(nobody().await);
    let address = machine.url.strip_prefix("http://").unwrap().parse().unwrap();
    let mut command = machine.command(&["run", "job", "--frequency", "1D", "--", "echo", "over"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(patiently("it", lines.next_line()).await.unwrap().unwrap(), "over");
    let mut receiver = Receiver::start_at(address).await;
    let mut told = parameters(&receiver.next().await);
    if told["signal"] == "start" {
        told = parameters(&receiver.next().await);
    }
    assert_eq!(told["signal"], "0");
    let output = patiently("the job", child.wait_with_output()).await.unwrap();
    assert_eq!((output.status.code(), said(&output)), (Some(0), String::new()));
    assert!(machine.kept().is_empty());
}

#[tokio::test]
async fn a_ping_that_is_told_to_end_is_kept() {
    if is_ignored(15) {
        return;
    }
    let mut receiver = Receiver::start().await;
    receiver.usually(Reply::Hang);
    let machine = Machine::new(receiver.address);
    let child = machine.command(&["ping", "job", "--frequency", "1D"]).spawn().unwrap();
    receiver.next().await;
    kill(&child, "TERM");
    let output = patiently("its end", child.wait_with_output()).await.unwrap();
    assert_eq!((output.status.code(), machine.kept().len()), (Some(0), 1));
}

/// Keeps a ping of each of these services.
async fn keep(machine: &Machine, names: &[&str]) {
    for name in names {
        let arguments = ["ping", name, "--frequency", "1D", "--timeout", "1s"];
        let output = machine.overdue(&arguments).await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
    assert_eq!(machine.kept().len(), names.len());
}

#[tokio::test]
async fn no_kept_ping_blocks_another_and_only_what_may_pass_later_stays() {
    let machine = Machine::new(nobody().await);
    let address = machine.url.strip_prefix("http://").unwrap().parse().unwrap();
    keep(&machine, &["refused", "busy", "older", "fine"]).await;
    let mut receiver = Receiver::start_at(address).await;
    receiver.then([200, 400, 503, 409, 200].map(Reply::Status));
    let output = machine.overdue(&["ping", "now", "--frequency", "1D"]).await;
    assert_eq!(output.status.code(), Some(0));
    let said = said(&output);
    assert!(said.contains("refused a kept ping of \"refused\", which is dropped"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    let names: Vec<String> =
        receiver.rest().iter().map(|got| parameters(got)["name"].clone()).collect();
    assert_eq!(names, ["now", "refused", "busy", "older", "fine"]);
    assert_eq!(machine.kept().len(), 1);
    machine.overdue(&["ping", "now", "--frequency", "1D"]).await;
    assert!(machine.kept().is_empty());
    assert_eq!(parameters(&receiver.rest()[1])["name"], "busy");
}

#[tokio::test]
async fn the_own_kept_pings_are_told_before_the_start() {
    let machine = Machine::new(nobody().await);
    keep(&machine, &["other", "job", "job"]).await;
    let address = machine.url.strip_prefix("http://").unwrap().parse().unwrap();
    let mut receiver = Receiver::start_at(address).await;
    machine.run("true").await;
    let got: Vec<_> = receiver.rest().iter().map(parameters).collect();
    let told: Vec<_> =
        got.iter().map(|got| (&*got["name"], got.get("signal").map(|s| &**s))).collect();
    assert_eq!(told[..3], [("job", None), ("job", None), ("job", Some("start"))]);
    assert!(told[3..].contains(&("job", Some("0"))) && told[3..].contains(&("other", None)));
    assert_eq!(told.len(), 5);
}

#[tokio::test]
async fn of_several_at_once_none_sends_what_another_has_sent() {
    let machine = Machine::new(nobody().await);
    let names: Vec<String> = (0..12).map(|number| format!("job-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let pings: Vec<Vec<&str>> = names
        .iter()
        .map(|name| vec!["ping", name, "--frequency", "1D", "--timeout", "1s"])
        .collect();
    machine.all_at_once(&pings).await;
    assert_eq!(machine.kept().len(), 12);
    let address = machine.url.strip_prefix("http://").unwrap().parse().unwrap();
    let mut receiver = Receiver::start_at(address).await;
    for output in machine.all_at_once(&vec![vec!["ping", "now", "--frequency", "1D"]; 4]).await {
        assert_eq!((output.status.code(), said(&output)), (Some(0), String::new()));
    }
    assert!(machine.kept().is_empty());
    let mut told: Vec<String> =
        receiver.rest().iter().map(|got| parameters(got)["name"].clone()).collect();
    told.retain(|name| name != "now");
    told.sort();
    let mut expected = names.clone();
    expected.sort_unstable();
    assert_eq!(told, expected);
}

#[tokio::test]
async fn what_the_monitor_says_of_a_run_changes_no_exit_status() {
    let mut receiver = Receiver::start().await;
    let machine = Machine::new(receiver.address);
    for (answer, words, kept) in [
        (503, "it answered 503", 1),
        (429, "it answered 429", 2),
        (409, "", 2),
        (400, "refused the ping of \"job\": it answered 400", 2),
        (401, "refused the ping of \"job\": it answered 401", 2),
    ] {
        receiver.usually(Reply::Status(answer));
        let output = machine.run("exit 9").await;
        assert_eq!(output.status.code(), Some(9), "{answer}");
        assert!(
            said(&output).contains(words) && said(&output).is_empty() == words.is_empty(),
            "{answer}: {}",
            said(&output)
        );
        if answer == 503 || answer == 429 {
            assert_eq!(machine.kept().len(), kept, "{answer}");
        } else {
            assert!(machine.kept().is_empty(), "what was kept is refused too");
        }
    }
    assert!(receiver.rest().len() > 10);
}

#[tokio::test]
async fn a_spool_that_cannot_be_written_changes_no_exit_status() {
    let machine = Machine::new(nobody().await);
    let mut job = machine.job("echo worked; exit 6");
    job.env("XDG_STATE_HOME", "/dev/null/state");
    let output = patiently("the job", job.output()).await.unwrap();
    assert_eq!((output.status.code(), &*output.stdout), (Some(6), &b"worked\n"[..]));
    let said = said(&output);
    assert!(
        said.contains("the ping is lost, as /dev/null/state/overdue/spool cannot be written"),
        "{said}"
    );
}

#[tokio::test]
async fn a_key_goes_into_the_header_and_nowhere_else() {
    let mut receiver = Receiver::start().await;
    receiver.usually(Reply::Status(503));
    let machine = Machine::new(receiver.address);
    let mut job = machine.job("true");
    job.env("OVERDUE_KEY", "s3cret");
    let output = patiently("the job", job.output()).await.unwrap();
    assert_eq!(receiver.next().await.headers["authorization"], "Bearer s3cret");
    assert!(!said(&output).contains("s3cret"), "{}", said(&output));
    assert!(!fs::read_to_string(&machine.kept()[0]).unwrap().contains("s3cret"));
    // The key of the day is sent along, whatever it was then.
    receiver.usually(Reply::Status(200));
    receiver.rest();
    machine.overdue(&["ping", "now", "--frequency", "1D", "--key", "new"]).await;
    let got = receiver.rest();
    assert_eq!(got.len(), 2);
    assert!(got.iter().all(|got| got.headers["authorization"] == "Bearer new"));
}

#[tokio::test]
async fn wrong_arguments_are_told_before_the_command_runs() {
    let machine = Machine::new(nobody().await);
    let refused = async |arguments: &[&str]| {
        let arguments: Vec<&str> =
            ["run"].iter().chain(arguments).chain(&["--", "touch", "ran"]).copied().collect();
        let output = machine.overdue(&arguments).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(!machine.folder.path().join("ran").exists(), "{arguments:?}");
        said(&output).trim_end().to_owned()
    };
    insta::assert_snapshot!(refused(&["job", "--frequency", "5x"]).await, @r#"overdue: --frequency "5x" is not a duration: use a whole number and one of W, D, h, m, s, as in 10m"#);
    insta::assert_snapshot!(refused(&["job", "--frequency", "1D", "--grace", "1d"]).await, @r#"overdue: --grace "1d" is not a duration: units are case-sensitive, use D in place of d"#);
    insta::assert_snapshot!(refused(&["job", "--frequency", "1D", "--max-runtime", "0s"]).await, @r#"overdue: --max-runtime "0s" is zero: use 1s or more"#);
    insta::assert_snapshot!(refused(&["job"]).await, @r#"overdue: the schedule is missing: say how often the command runs, as in --frequency 1D, or when, as in --cron "0 2 * * *""#);
    insta::assert_snapshot!(refused(&["job", "--frequency", "1D", "--cron", "0 2 * * *"]).await, @"overdue: --frequency and --cron are both given: say how often or when, not both");
    insta::assert_snapshot!(refused(&["job", "--frequency", "1D", "--tz", "UTC"]).await, @"overdue: --tz is given without --cron: a frequency is the same in every zone");
    insta::assert_snapshot!(refused(&["a\nb", "--frequency", "1D"]).await, @r#"overdue: the name "a\nb" has a control character: a name is UTF-8 text without line breaks, tabs and the like"#);
    insta::assert_snapshot!(refused(&["job", "--frequency", "1D", "--url", "ftp://x"]).await, @"overdue: the monitor's address (--url or OVERDUE_URL) is not right: use one like http://127.0.0.1:4000, and give the key in OVERDUE_KEY");
    assert!(
        refused(&["job", "--cron", "0 2 * *"]).await.starts_with("overdue: --cron \"0 2 * *\"")
    );
    assert!(
        refused(&["job", "--cron", "0 2 * * *", "--tz", "Mars"])
            .await
            .starts_with("overdue: --tz \"Mars\"")
    );
    let output = machine.overdue(&["ping", "job", "--signal", "256"]).await;
    assert_eq!(
        (output.status.code(), said(&output)),
        (Some(2), "overdue: --signal \"256\" is not an exit status: use 0 to 255\n".to_owned())
    );
    let output = machine.overdue(&["ping", "remove"]).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(machine.kept().is_empty());
}

#[tokio::test]
async fn a_cron_expression_goes_with_the_machines_zone_unless_one_is_given() {
    let mut receiver = Receiver::start().await;
    let machine = Machine::new(receiver.address);
    for (tz, arguments, zone) in [
        (Some("Europe/Berlin"), &[][..], "Europe/Berlin"),
        (Some("Europe/Berlin"), &["--tz", "Asia/Tokyo"], "Asia/Tokyo"),
        (Some("Nowhere/At-All"), &[], "UTC"),
    ] {
        let head = ["run", "job on {host}", "--cron", "0 2 * * *"].iter();
        let arguments: Vec<&str> = head.chain(arguments).chain(&["--", "true"]).copied().collect();
        let mut command = machine.command(&arguments);
        command.envs(tz.map(|tz| ("TZ", tz)));
        assert_eq!(patiently("the job", command.status()).await.unwrap().code(), Some(0));
        let (_, end) = start_and_end(&mut receiver).await;
        assert_eq!((&*end["cron"], &*end["tz"]), ("0 2 * * *", zone));
        assert!(!end.contains_key("grace") && !end.contains_key("frequency"));
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        assert_eq!(end["name"], format!("job on {}", host.trim_end()));
    }
}

#[tokio::test]
async fn ping_tells_a_real_server_and_delete_has_it_forget() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path(), None).await;
    let machine = Machine::new(server.address);
    let path = machine.folder.path().join("log");
    fs::write(&path, format!("{}the end", "x".repeat(20_000))).unwrap();
    let ping = async |arguments: &[&str]| {
        let arguments: Vec<&str> = ["ping", "a/b ü?"].iter().chain(arguments).copied().collect();
        let output = machine.overdue(&arguments).await;
        (output.status.code(), said(&output))
    };
    let (code, words) = ping(&[]).await;
    assert_eq!(code, Some(1));
    assert!(words.contains("refused the ping of \"a/b ü?\": there is no service"), "{words}");
    let (code, words) =
        ping(&["--frequency", "1D", "--grace", "5m", "--log", path.to_str().unwrap()]).await;
    assert_eq!((code, &*words), (Some(0), ""));
    assert_eq!(ping(&["--signal", "start", "--run", "7"]).await.0, Some(0));
    assert_eq!(ping(&["--signal", "3", "--run", "7"]).await.0, Some(0));
    let (code, words) = ping(&["--timestamp", "7"]).await;
    assert_eq!(code, Some(1));
    assert!(words.starts_with("overdue: timestamp 7 is older than the last ping"), "{words}");
    let service = server.get("/ping/a%2Fb%20%C3%BC%3F/log").await.json();
    assert_eq!((&service["status"], &service["grace"]), (&"failed".into(), &"5m".into()));
    for (name, told) in
        [("remove", true), ("..", true), (".", true), ("a/b ü?", true), ("gone", false)]
    {
        if matches!(name, "remove" | ".." | ".") {
            assert_eq!(
                machine.overdue(&["ping", name, "--frequency", "1D"]).await.status.code(),
                Some(0)
            );
        }
        let output = machine.overdue(&["delete", name]).await;
        assert_eq!(output.status.code(), Some(i32::from(!told)), "{output:?}");
        let words = if told { format!("{name:?} is forgotten\n") } else { String::new() };
        assert_eq!(String::from_utf8(output.stdout).unwrap(), words);
    }
    let database = folder.path().join("overdue.db");
    if let Some(count) = sqlite3(&database, "SELECT count(*) FROM services") {
        assert_eq!(count, "0");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_log_comes_from_the_standard_input_too_and_a_missing_file_is_told() {
    let mut receiver = Receiver::start().await;
    let machine = Machine::new(receiver.address);
    let mut command = machine.command(&["ping", "job", "--frequency", "1D", "--log", "-"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(&vec![b'x'; 30_000]).await.unwrap();
    input.write_all(b"the end").await.unwrap();
    drop(input);
    assert_eq!(patiently("it", child.wait()).await.unwrap().code(), Some(0));
    let got = receiver.next().await;
    assert!(got.bytes.len() == 10_000 && got.bytes.ends_with(b"xthe end"));
    let output = machine.overdue(&["ping", "job", "--frequency", "1D", "--log", "missing"]).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).starts_with("overdue: --log \"missing\" cannot be read: "));
    assert!(receiver.rest().is_empty());
}

#[tokio::test]
async fn a_machine_whose_clock_is_ahead_is_heard_all_the_same() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let machine = Machine::new(listener.local_addr().unwrap());
    let router = axum::Router::new().fallback(async |request: axum::extract::Request| {
        let is_timed = request.uri().query().unwrap_or_default().contains("timestamp=");
        let detail = r#"{"detail":"timestamp 7 is 90 s in the future: use a clock that is right"}"#;
        if is_timed {
            (axum::http::StatusCode::BAD_REQUEST, detail)
        } else {
            (axum::http::StatusCode::OK, "{}")
        }
    });
    tokio::spawn(overdue::http::serve(
        listener,
        router,
        overdue::http::ServerLimits::default(),
        tokio_util::sync::CancellationToken::new(),
    ));
    let output = machine.run("exit 2").await;
    assert_eq!((output.status.code(), said(&output)), (Some(2), String::new()));
    // What its caller has chosen is the caller's to mend.
    let output = machine.overdue(&["ping", "job", "--frequency", "1D", "--timestamp", "7"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("timestamp 7 is 90 s in the future"), "{}", said(&output));
}

#[tokio::test]
async fn help_says_what_becomes_of_exit_statuses_and_of_pings_that_cannot_be_sent() {
    let machine = Machine::new(nobody().await);
    for (command, words) in [
        ("run", ["127 if it is not there", "overdue/spool", "OVERDUE_URL", "between 1m and 1h"]),
        (
            "ping",
            ["last 10,000 bytes", "overdue/spool", "OVERDUE_KEY", "success, start, fail, log"],
        ),
    ] {
        let output = machine.overdue(&[command, "--help"]).await;
        let help = String::from_utf8(output.stdout).unwrap();
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for words in words {
            assert!(help.contains(words), "{words} is not in {help}");
        }
    }
}

#[tokio::test]
async fn a_server_may_stand_where_jobs_find_their_settings() {
    let folder = TempDir::new().unwrap();
    let mut command = overdue(folder.path());
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    command.env("OVERDUE_URL", "http://127.0.0.1:4000").env("OVERDUE_KEY", "secret");
    let server = Server::spawn(command).await;
    assert_eq!(server.get("/healthz").await.status, 200);
    server.stop().await;
    // And the other way round.
    let receiver = Receiver::start().await;
    let machine = Machine::new(receiver.address);
    let mut job = machine.job("true");
    job.env("PING_ALERT_URI", "http://127.0.0.1:4001").env("OVERDUE_LISTEN", "127.0.0.1:4000");
    assert_eq!(patiently("the job", job.status()).await.unwrap().code(), Some(0));
    assert!(!Path::new(&machine.spool()).exists());
}
