//! What docs/RELIABILITY.md names is there: every test by its name, every file by its path, every campaign.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The words between backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// A name of a test: words in small letters, joined.
fn is_a_tests_name(word: &str) -> bool {
    let is_name = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    word.matches('_').count() >= 3 && word.chars().all(|letter| letter == '_' || is_name(letter))
}

/// What `text` names and is not there, of these `tests` and `campaigns`, and of files below `root`.
fn missing(
    text: &str,
    tests: &HashSet<String>,
    campaigns: &HashSet<&str>,
    root: &Path,
) -> Vec<String> {
    let is_missing = |word: &&str| {
        if let Some(names) = word.strip_prefix(".ci/campaign ") {
            return !names.split(' ').all(|name| campaigns.contains(name));
        }
        let is_path = ["tests/", "src/", "docs/", ".ci/"].iter().any(|top| word.starts_with(top));
        (is_path && !root.join(word).exists()) || (is_a_tests_name(word) && !tests.contains(*word))
    };
    quoted(text).into_iter().filter(is_missing).map(str::to_owned).collect()
}

#[test]
fn every_test_file_and_campaign_that_the_reliability_page_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    rust_files(&root.join("tests"), &mut files);
    rust_files(&root.join("src"), &mut files);
    let mut tests = HashSet::new();
    for file in files {
        let text = fs::read_to_string(file).expect("a source file");
        let names = text.split("fn ").skip(1).filter_map(|rest| rest.split_once('('));
        tests.extend(names.map(|(name, _)| name.to_owned()));
    }
    let script = fs::read_to_string(root.join(".ci/campaign")).expect("the campaigns");
    let campaigns = script.lines().filter_map(|line| line.strip_suffix("() {")).collect();
    let page = fs::read_to_string(root.join("docs/RELIABILITY.md")).expect("the page");
    let named = quoted(&page).into_iter().filter(|word| is_a_tests_name(word)).count();
    assert!(named > 20, "the page names {named} tests");
    let missing = missing(&page, &tests, &campaigns, root);
    assert!(missing.is_empty(), "named, and not there: {missing:?}");
    let made_up = "`it_is_not_there_at_all`, `tests/none.rs`, `.ci/campaign none`, and `sqlite3`";
    let found = self::missing(made_up, &tests, &campaigns, root);
    assert_eq!(found, ["it_is_not_there_at_all", "tests/none.rs", ".ci/campaign none"]);
}
