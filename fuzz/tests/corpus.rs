//! Replays the corpus: every file goes through its target, and panics if something does not hold.

use std::{collections::BTreeSet, fs, path::Path};

use valetkey_fuzz::TARGETS;

#[test]
fn the_corpus_holds() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let listed = |folder: &Path| {
        let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        entries.map(|entry| entry.expect("an entry").path()).collect::<BTreeSet<_>>()
    };
    let folders: Vec<_> = TARGETS.iter().map(|(name, _)| corpus.join(name)).collect();
    assert_eq!(listed(&corpus).into_iter().collect::<Vec<_>>(), folders, "one folder for each target");
    for ((name, target), folder) in TARGETS.iter().zip(&folders) {
        let files = listed(folder);
        assert!(!files.is_empty(), "{name} has no corpus");
        for file in files {
            eprintln!("{}", file.display());
            target(&fs::read(&file).expect("a file"));
        }
        // The least inputs are not worth a file.
        for input in [&b""[..], b"\n", b"\n\n\n", b"\0", b"\xff"] {
            target(input);
        }
    }
}
