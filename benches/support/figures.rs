//! Flags behind `cargo bench --bench NAME --`, and the file that figures are appended to.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

use serde_json::Value;

/// What was asked for, as `--name value`.
pub struct Flags(Vec<(String, String)>);

impl Flags {
    /// Those behind the command, which may be of the names `known`; `None` where nothing is to be measured: `cargo test
    /// --benches` runs this too, and wants to know no more than that it compiles.
    pub fn read(known: &[&str]) -> Option<Self> {
        let (mut flags, mut is_bench) = (Vec::new(), false);
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.strip_prefix("--") {
                Some("bench") => is_bench = true,
                Some(name) if known.contains(&name) || matches!(name, "out" | "program") => {
                    let value = words.next().unwrap_or_else(|| panic!("{word} needs a value"));
                    flags.push((name.to_owned(), value));
                }
                _ => {
                    panic!("{word} is none of the flags of this benchmark: {known:?}, out, program")
                }
            }
        }
        is_bench.then_some(Self(flags))
    }

    /// The value of a flag, or else `default`.
    pub fn text<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        self.given(name).unwrap_or(default)
    }

    /// The same, of a number.
    pub fn number(&self, name: &str, default: usize) -> usize {
        self.given(name).map_or(default, |text| number(name, text))
    }

    /// The same, of numbers with commas between them.
    pub fn numbers(&self, name: &str, default: &[usize]) -> Vec<usize> {
        let numbers = |text: &str| text.split(',').map(|text| number(name, text)).collect();
        self.given(name).map_or_else(|| default.to_vec(), numbers)
    }

    /// The program that is measured: this build's, or another's.
    pub fn program(&self) -> PathBuf {
        PathBuf::from(self.text("program", env!("CARGO_BIN_EXE_overdue")))
    }

    /// Appends a figure to the file of `--out`, a line of JSON each; without that flag they are only printed.
    pub fn note(&self, figure: &Value) {
        let Some(path) = self.given("out") else { return };
        let file = OpenOptions::new().create(true).append(true).open(path);
        let written = file.and_then(|mut file| writeln!(file, "{figure}"));
        written.unwrap_or_else(|error| panic!("{path} cannot be written: {error}"));
    }

    fn given(&self, name: &str) -> Option<&str> {
        self.0.iter().rfind(|(one, _)| one == name).map(|(_, value)| value.as_str())
    }
}

fn number(name: &str, text: &str) -> usize {
    text.parse().unwrap_or_else(|_| panic!("--{name} {text:?} is no number"))
}
