//! The house rules that neither the compiler nor clippy knows, read off the source files. Comments, doc comments and
//! strings name nothing here, but for the words that no file may hold at all.

use std::fs;
use std::path::Path;

/// The floors from the ground up. A folder in `src` is a room, and so is a file directly in it.
const FLOORS: [&[&str]; 7] = [
    &["core"],
    &["clock", "config", "telemetry", "metrics"],
    &["store"],
    &["sweeper", "alerting", "cluster"],
    &["http", "cli"],
    &["app", "lib"],
    &["main"],
];

/// Which crate is named where: a prefix of the path each.
const HOMES: [(&str, &[&str]); 3] = [
    ("sqlx", &["src/store/"]),
    ("axum", &["src/http/", "src/app.rs"]),
    ("reqwest", &["src/alerting/", "src/cluster.rs", "src/cli/"]),
];

/// What the rules in `src/core` must do without.
const CORE_NAMES_NONE_OF: [&str; 7] =
    ["tokio", "sqlx", "axum", "reqwest", "std::fs", "std::net", "std::time"];

const LINES_MAX: usize = 500;

/// A file, by its path from the root with `/`.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The folder or file in `src` that it belongs to.
    fn room(&self) -> &str {
        let inside = self.path.strip_prefix("src/").unwrap_or(&self.path);
        inside.split_once('/').map_or_else(|| inside.trim_end_matches(".rs"), |(room, _)| room)
    }

    /// Where it stands in the tree of modules.
    fn module(&self) -> Vec<&str> {
        let inside = self.path.strip_prefix("src/").unwrap_or(&self.path).trim_end_matches(".rs");
        let mut module: Vec<&str> = inside.split('/').collect();
        if matches!(module.last(), Some(&("mod" | "lib" | "main"))) {
            module.pop();
        }
        module
    }
}

/// A path as code names it, with the braces of `use` resolved and `self` and `super` followed from the root.
struct Named {
    line: usize,
    segments: Vec<String>,
}

/// A word or a sign of the code, with its line.
type Token<'a> = (usize, &'a str);

/// The code as words and signs, without comments and literals.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let bytes = text.as_bytes();
    let at = |i: usize| bytes.get(i).copied().unwrap_or_default();
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80;
    let (mut found, mut line, mut i) = (Vec::new(), 1, 0);
    while i < bytes.len() {
        let start = i;
        match (at(i), at(i + 1)) {
            (b'/', b'/') => i += text[i..].find('\n').unwrap_or(text.len() - i),
            (b'/', b'*') => i = end_of_comment(bytes, i),
            (b'"', _) => i = end_of_literal(bytes, i, b'"'),
            (b'\'', b'\\') => i = end_of_literal(bytes, i, b'\''),
            (b'\'', _) => {
                // A character, or else the sign of a lifetime.
                let character = text[i + 1..].chars().next().map_or(0, char::len_utf8);
                i += if at(i + 1 + character) == b'\'' { character + 2 } else { 1 };
            }
            (byte, _) if is_word(byte) => {
                while is_word(at(i)) {
                    i += 1;
                }
                let word = &text[start..i];
                let hashes = bytes[i..].iter().take_while(|byte| **byte == b'#').count();
                if matches!(word, "r" | "br" | "cr") && at(i + hashes) == b'"' {
                    let end = format!("\"{}", "#".repeat(hashes));
                    let inside = i + hashes + 1;
                    i = text[inside..].find(&end).map_or(text.len(), |at| inside + at + end.len());
                } else {
                    found.push((line, word));
                }
            }
            (b':', b':') => {
                found.push((line, "::"));
                i += 2;
            }
            (byte, _) => {
                if !byte.is_ascii_whitespace() {
                    found.push((line, &text[i..=i]));
                }
                i += 1;
            }
        }
        line += text[start..i].matches('\n').count();
    }
    found
}

/// Comments nest.
fn end_of_comment(bytes: &[u8], start: usize) -> usize {
    let (mut depth, mut i) = (0, start);
    while i < bytes.len() {
        match &bytes[i..bytes.len().min(i + 2)] {
            b"/*" => (depth, i) = (depth + 1, i + 2),
            b"*/" => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            break;
        }
    }
    i.min(bytes.len())
}

fn end_of_literal(bytes: &[u8], start: usize, quote: u8) -> usize {
    let mut i = start + 1;
    while i < bytes.len() && bytes[i] != quote {
        i += if bytes[i] == b'\\' { 2 } else { 1 };
    }
    (i + 1).min(bytes.len())
}

fn is_word(token: Option<&Token<'_>>) -> bool {
    token.is_some_and(|(_, word)| {
        !word.bytes().all(|byte| byte.is_ascii_punctuation() && byte != b'_')
    })
}

/// Every path that a file names, in `use` and in code.
fn names(source: &Source) -> Vec<Named> {
    let tokens = tokens(&source.text);
    let word = |i: usize| tokens.get(i).map_or("", |(_, word)| *word);
    let mut modules: Vec<(&str, usize)> = Vec::new();
    let (mut found, mut depth, mut i) = (Vec::new(), 0, 0);
    while i < tokens.len() {
        match word(i) {
            "mod" if word(i + 2) == "{" => {
                depth += 1;
                modules.push((word(i + 1), depth));
                i += 3;
            }
            "{" => (depth, i) = (depth + 1, i + 1),
            // Else the first word of `use ::sqlx` would be `use`.
            "use" => i += 1,
            "}" => {
                modules.retain(|(_, opened)| *opened != depth);
                (depth, i) = (depth.saturating_sub(1), i + 1);
            }
            _ if is_word(tokens.get(i)) => {
                let mut paths = Vec::new();
                i = tree(&tokens, i, &[], &mut paths);
                let mut module = source.module();
                module.extend(modules.iter().map(|(name, _)| *name));
                found.extend(paths.into_iter().map(|(line, path)| Named {
                    line,
                    segments: from_root(source, &module, &path),
                }));
            }
            _ => i += 1,
        }
    }
    found
}

/// Reads the path that begins at `i`, with all that its braces hold, and returns where it ends.
fn tree<'a>(
    tokens: &[Token<'a>],
    mut i: usize,
    prefix: &[&'a str],
    found: &mut Vec<(usize, Vec<&'a str>)>,
) -> usize {
    let word = |i: usize| tokens.get(i).map_or("", |(_, word)| *word);
    let mut path = prefix.to_vec();
    loop {
        let line = tokens.get(i).map_or(0, |(line, _)| *line);
        path.push(word(i));
        i += 1;
        if word(i) != "::" || !(is_word(tokens.get(i + 1)) || matches!(word(i + 1), "{" | "*")) {
            found.push((line, path));
            return i;
        }
        i += 1;
        if word(i) != "{" {
            continue;
        }
        i += 1;
        while i < tokens.len() && word(i) != "}" {
            let is_branch = is_word(tokens.get(i)) || word(i) == "*";
            // What a name is called here does not matter.
            i = match word(i) {
                "as" => i + 2,
                _ if is_branch => tree(tokens, i, &path, found),
                _ => i + 1,
            };
        }
        return i + 1;
    }
}

fn from_root(source: &Source, module: &[&str], path: &[&str]) -> Vec<String> {
    // `self` alone is a value, `self::` the module.
    let own = &path[usize::from(path.len() > 1 && path[0] == "self")..];
    let supers = own.iter().take_while(|segment| **segment == "super").count();
    let path = match path[0] {
        "self" | "super" if path.len() > 1 => {
            let above = &module[..module.len().saturating_sub(supers)];
            [&["crate"], above, &own[supers..]].concat()
        }
        // The binary calls the library by its name.
        "overdue" if source.path == "src/main.rs" => [&["crate"], &path[1..]].concat(),
        _ => path.to_vec(),
    };
    path.into_iter().map(str::to_owned).collect()
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// Imports from the same floor or from above, and files that are on no floor.
fn wrong_imports(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources {
        let Some(own) = floor(source.room()) else {
            complaints.push(format!("{}:1: is on no floor: give it one", source.path));
            continue;
        };
        for Named { line, segments } in names(source) {
            let [first, room, ..] = segments.as_slice() else { continue };
            if first != "crate" || room == source.room() {
                continue;
            }
            let (path, name) = (&source.path, segments.join("::"));
            match floor(room) {
                Some(other) if other < own => {}
                Some(other) => complaints.push(format!(
                    "{path}:{line}: is on floor {own} and imports {name} from floor {other}"
                )),
                None => complaints.push(format!("{path}:{line}: imports {name}, on no floor")),
            }
        }
    }
    complaints
}

/// Files that name `what` and lie under none of `homes`.
fn strays(sources: &[Source], what: &str, homes: &[&str]) -> Vec<String> {
    let what: Vec<&str> = what.split("::").collect();
    let mut complaints = Vec::new();
    for source in sources {
        if homes.iter().any(|home| source.path.starts_with(home)) {
            continue;
        }
        for Named { line, segments } in names(source) {
            if segments.windows(what.len()).any(|window| window == what) {
                complaints.push(format!("{}:{line}: names {}", source.path, segments.join("::")));
            }
        }
    }
    complaints
}

fn strays_from_home(sources: &[Source]) -> Vec<String> {
    HOMES.iter().flat_map(|(what, homes)| strays(sources, what, homes)).collect()
}

fn impure(sources: &[Source]) -> Vec<String> {
    let core: Vec<Source> = sources
        .iter()
        .filter(|source| source.path.starts_with("src/core/"))
        .map(|source| Source { path: source.path.clone(), text: source.text.clone() })
        .collect();
    CORE_NAMES_NONE_OF.iter().flat_map(|what| strays(&core, what, &[])).collect()
}

fn too_long(sources: &[Source]) -> Vec<String> {
    let lines = sources.iter().map(|source| (source, source.text.lines().count()));
    lines
        .filter(|(_, lines)| *lines > LINES_MAX)
        .map(|(source, lines)| format!("{}:{lines}: is over {LINES_MAX} lines", source.path))
        .collect()
}

fn without_opening_words(sources: &[Source]) -> Vec<String> {
    let silent = sources.iter().filter(|source| !source.text.starts_with("//!"));
    silent.map(|source| format!("{}:1: does not begin with //!", source.path)).collect()
}

/// Put together here, so that this file does not hold them.
fn unfinished_words() -> [String; 5] {
    [("TO", "DO"), ("FIX", "ME"), ("todo", "!"), ("unimplemented", "!"), ("#[", "ignore")]
        .map(|(start, end)| format!("{start}{end}"))
}

fn unfinished(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources {
        for (line, text) in (1..).zip(source.text.lines()) {
            for word in unfinished_words().iter().filter(|word| text.contains(word.as_str())) {
                complaints.push(format!("{}:{line}: holds {word}", source.path));
            }
        }
    }
    complaints
}

/// Every Rust file in `folder` of the project.
fn files_in(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(root.join(folder)) else { return found };
    for entry in entries {
        let entry = entry.expect("a folder that was opened can be listed");
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            found.extend(files_in(&path));
        } else if entry.path().extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(entry.path()).expect("source files are UTF-8");
            found.push(Source { path, text });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn src() -> Vec<Source> {
    let found = files_in("src");
    assert!(found.iter().any(|source| source.path == "src/lib.rs"), "src was not found");
    found
}

#[track_caller]
fn expect_none(rule: &str, complaints: &[String]) {
    assert!(complaints.is_empty(), "{rule}:\n{}", complaints.join("\n"));
}

#[test]
fn files_import_only_from_floors_below_their_own() {
    expect_none("a file imports from floors below its own, and its room", &wrong_imports(&src()));
}

#[test]
fn each_framework_is_named_only_in_its_home() {
    expect_none("sqlx, axum and reqwest stay where they are known", &strays_from_home(&src()));
}

#[test]
fn only_the_clock_reads_the_time() {
    let complaints = strays(&src(), "SystemTime::now", &["src/clock.rs"]);
    expect_none("only src/clock.rs reads the time", &complaints);
}

#[test]
fn the_core_names_no_runtime_no_file_no_network_and_no_time() {
    expect_none("src/core does no I/O and has no clock", &impure(&src()));
}

#[test]
fn no_file_is_longer_than_500_lines() {
    expect_none("a file is read in one go", &too_long(&src()));
}

#[test]
fn nothing_is_left_for_later_and_no_test_is_passed_over() {
    let mut sources = src();
    for folder in ["tests", "benches", "examples"] {
        sources.extend(files_in(folder));
    }
    let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("build.rs");
    let text = fs::read_to_string(build).unwrap_or_default();
    sources.push(Source { path: "build.rs".to_owned(), text });
    expect_none("what is there is finished", &unfinished(&sources));
}

#[test]
fn every_file_says_first_what_it_is() {
    expect_none("a file begins with //! docs", &without_opening_words(&src()));
}

/// The rules against files made up to break them: a checker that cannot complain checks nothing.
mod the_checker {
    use super::*;

    fn made_up(path: &str, text: &str) -> [Source; 1] {
        [Source { path: path.to_owned(), text: text.to_owned() }]
    }

    #[test]
    fn complains_of_imports_from_above_and_beside() {
        for (path, text, complaint) in [
            (
                "src/store/made_up.rs",
                "//! Words.\n\nuse crate::http::Api;\n",
                "src/store/made_up.rs:3: is on floor 2 and imports crate::http::Api from floor 4",
            ),
            (
                "src/config.rs",
                "fn f() { crate::telemetry::start() }",
                "src/config.rs:1: is on floor 1 and imports crate::telemetry::start from floor 1",
            ),
            (
                "src/sweeper.rs",
                "use crate::{\n    core::limits,\n    alerting::{self as a, Client},\n};",
                "src/sweeper.rs:3: is on floor 3 and imports crate::alerting::self from floor 3\n\
                 src/sweeper.rs:3: is on floor 3 and imports crate::alerting::Client from floor 3",
            ),
            (
                "src/store/made_up.rs",
                "mod tests { use super::super::super::app; }",
                "src/store/made_up.rs:1: is on floor 2 and imports crate::app from floor 5",
            ),
            (
                "src/store/mod.rs",
                "/* \" */ const A: char = '\"'; use self::super::http;",
                "src/store/mod.rs:1: is on floor 2 and imports crate::http from floor 4",
            ),
            (
                "src/app.rs",
                "use crate::{App as _, *};",
                "src/app.rs:1: imports crate::App, on no floor\nsrc/app.rs:1: imports crate::*, on no floor",
            ),
            ("src/made_up.rs", "", "src/made_up.rs:1: is on no floor: give it one"),
        ] {
            assert_eq!(wrong_imports(&made_up(path, text)).join("\n"), complaint, "{text}");
        }
    }

    #[test]
    fn lets_pass_what_is_below_within_or_only_spoken_of() {
        for (path, text) in [
            ("src/http/made_up.rs", "use crate::{core::name::Name, store::{Store, Rules}};"),
            ("src/http/made_up.rs", "use crate::http::Api; use super::problem;"),
            ("src/core/text.rs", "mod tests { use super::*; }\nfn f(self) { self.http.app() }"),
            ("src/core/text.rs", "/// See [`crate::app`].\n// crate::app\n/* /* */ crate::app */"),
            (
                "src/core/text.rs",
                "const A: &str = \"\\\" crate::app\"; const B: &str = r#\"\" crate::app\"#;",
            ),
            ("src/core/text.rs", "pub(crate) fn f<'a>(a: &'a str) -> char { '\\'' }"),
            ("src/main.rs", "fn main() { overdue::cli::run() }"),
        ] {
            expect_none(text, &wrong_imports(&made_up(path, text)));
        }
    }

    #[test]
    fn complains_of_strays() {
        let found = strays_from_home(&made_up("src/http/made_up.rs", "\nfn f(e: sqlx::Error) {}"));
        assert_eq!(found, ["src/http/made_up.rs:2: names sqlx::Error"]);
        let found = strays_from_home(&made_up("src/cli/made_up.rs", "use axum;"));
        assert_eq!(found, ["src/cli/made_up.rs:1: names axum"]);
        let found = strays_from_home(&made_up("src/store/made_up.rs", "use ::{reqwest::Client};"));
        assert_eq!(found, ["src/store/made_up.rs:1: names reqwest::Client"]);
        let text = "use std::time;\nfn f() { time::SystemTime::now() }";
        let found = strays(&made_up("src/store/made_up.rs", text), "SystemTime::now", &[]);
        assert_eq!(found, ["src/store/made_up.rs:2: names time::SystemTime::now"]);
        assert!(
            strays_from_home(&made_up("src/store/sql.rs", "use sqlx::Row; // axum")).is_empty()
        );
    }

    #[test]
    fn complains_of_an_impure_core() {
        let found = impure(&made_up("src/core/made_up.rs", "use std::{fmt, fs::{self, File}};"));
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found[1], "src/core/made_up.rs:1: names std::fs::File");
        assert!(impure(&made_up("src/clock.rs", "use std::time::SystemTime;")).is_empty());
    }

    #[test]
    fn complains_of_length_silence_and_what_is_left_for_later() {
        let long = made_up("src/long.rs", &"//!\n".repeat(LINES_MAX + 1));
        assert_eq!(too_long(&long), ["src/long.rs:501: is over 500 lines"]);
        assert!(too_long(&made_up("src/long.rs", &"//!\n".repeat(LINES_MAX))).is_empty());
        let silent = made_up("src/silent.rs", "// Words.");
        assert_eq!(without_opening_words(&silent), ["src/silent.rs:1: does not begin with //!"]);
        for word in unfinished_words() {
            let found = unfinished(&made_up("src/later.rs", &format!("//! Words.\n// {word}")));
            assert_eq!(found, [format!("src/later.rs:2: holds {word}")]);
        }
    }
}
