//! Every input that the fuzz targets have kept, through the same properties.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod properties;

use std::path::Path;

/// Holds `property` to every input in its folder.
fn hold(target: &str, property: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let entries =
        std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    assert!(paths.len() >= 10, "there is no corpus of {target}");
    paths.sort();
    for path in paths {
        let input = std::fs::read(&path).unwrap();
        // Named here, as the sentence of a property that is broken does not know where its input is.
        let held = std::panic::catch_unwind(|| property(&input));
        assert!(held.is_ok(), "{} breaks it, see above", path.display());
    }
}

/// One test for each property, and the list of their names.
macro_rules! properties {
    ($($name:ident)*) => {
        const TARGETS: &[&str] = &[$(stringify!($name)),*];
        $(
            #[test]
            fn $name() {
                hold(stringify!($name), properties::$name);
            }
        )*
    };
}

properties!(config cron declarations dialects frequency names requests sentences signals strangers times);

#[test]
fn every_property_has_a_fuzz_target_and_every_target_a_property() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
    let entries = std::fs::read_dir(folder).unwrap();
    let mut targets: Vec<String> = entries
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    targets.sort();
    assert_eq!(targets, TARGETS);
}
