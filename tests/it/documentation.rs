//! The pages about the code name files that exist.

use std::path::Path;

#[test]
fn every_path_in_the_architecture_page_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("assets/docs/architecture.md")).unwrap();
    let is_path = |text: &&str| {
        let start = text.split('/').next().unwrap();
        ["src", "assets", "tests"].contains(&start) && !text.contains(' ')
    };
    let paths: Vec<&str> = page.split('`').skip(1).step_by(2).filter(is_path).collect();
    assert!(paths.len() > 30, "{paths:?}");
    for path in paths {
        assert!(root.join(path).exists(), "{path}");
    }
}
