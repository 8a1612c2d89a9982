//! Which part of the program may import which. Every `use` and every other path in `src` is read, and
//! resolved to the file that defines what it names; code of tests is left out. Three rules:
//!
//! 1. No import leads from a lower layer to a higher one (`LAYERS`).
//! 2. No cycle of files. Only a module and the files below it may use each other: each cycle leads through a file
//!    that all others of the cycle are below.
//! 3. No cycle of folders beside each other. The files of a folder itself are its parents: `screens/past/state.rs`
//!    < `app.rs` < `screens/past/update.rs` is no cycle, because none arises between files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::visit::{self, Visit};

/// From the lowest to the highest: a part imports only what stands before it. `main.rs` is above all.
const LAYERS: [&str; 12] = [
    "text",
    "time",
    "input_file",
    "atomic_file",
    "supervisor",
    "store",
    "config",
    "lua",
    "workflow",
    "export",
    "tui",
    "cli",
];

/// A module, which is a file or a part of one.
struct Module {
    file: PathBuf,
    children: BTreeMap<String, Vec<String>>,
    /// The names of what it defines.
    items: BTreeSet<String>,
    /// What its `use` items give a name to.
    imports: BTreeMap<String, Vec<String>>,
    /// What it imports all of.
    globs: Vec<Vec<String>>,
    /// All paths, as they are written, with their lines.
    paths: Vec<(Vec<String>, usize)>,
}

type Modules = BTreeMap<Vec<String>, Module>;

/// One module uses another.
struct Import {
    from: Vec<String>,
    to: Vec<String>,
    /// `src/file.rs:12: store::sqlite::Thing`
    place: String,
}

fn is_of_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg")
                && matches!(&attribute.meta, syn::Meta::List(list) if list.tokens.to_string() == "test")
    })
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    use syn::Item;
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn name(item: &syn::Item) -> Option<&syn::Ident> {
    use syn::Item;
    match item {
        Item::Const(item) => Some(&item.ident),
        Item::Enum(item) => Some(&item.ident),
        Item::Fn(item) => Some(&item.sig.ident),
        Item::Macro(item) => item.ident.as_ref(),
        Item::Static(item) => Some(&item.ident),
        Item::Struct(item) => Some(&item.ident),
        Item::Trait(item) => Some(&item.ident),
        Item::Type(item) => Some(&item.ident),
        Item::Union(item) => Some(&item.ident),
        _ => None,
    }
}

/// Reads a file and the files of the modules that it declares, which are in `folder`.
fn read(modules: &mut Modules, path: &[String], file: &Path, folder: &Path) {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    read_items(modules, path, file, folder, &parsed.items);
}

fn read_items(modules: &mut Modules, path: &[String], file: &Path, folder: &Path, items: &[syn::Item]) {
    let mut module = Module {
        file: file.into(),
        children: BTreeMap::new(),
        items: BTreeSet::new(),
        imports: BTreeMap::new(),
        globs: Vec::new(),
        paths: Vec::new(),
    };
    for item in items.iter().filter(|item| !is_of_tests(attributes(item))) {
        if let syn::Item::Mod(declared) = item {
            let name = declared.ident.to_string();
            let child: Vec<String> = path.iter().chain([&name]).cloned().collect();
            let inside = folder.join(&name);
            match &declared.content {
                Some((_, items)) => read_items(modules, &child, file, &inside, items),
                None => {
                    let alone = folder.join(format!("{name}.rs"));
                    let file = if alone.exists() { alone } else { inside.join("mod.rs") };
                    read(modules, &child, &file, &inside);
                }
            }
            module.children.insert(name, child);
        } else {
            module.items.extend(name(item).map(ToString::to_string));
            module.visit_item(item);
        }
    }
    modules.insert(path.to_vec(), module);
}

impl Module {
    fn import(&mut self, tree: &syn::UseTree, before: &[String]) {
        let with = |ident: &syn::Ident| -> Vec<String> {
            before.iter().cloned().chain([ident.unraw().to_string()]).collect()
        };
        let mut named = |path: Vec<String>, alias: String, span: Span| {
            self.paths.push((path.clone(), span.start().line));
            self.imports.insert(alias, path);
        };
        match tree {
            syn::UseTree::Path(path) => self.import(&path.tree, &with(&path.ident)),
            syn::UseTree::Name(name) if name.ident == "self" => {
                named(before.to_vec(), before.last().cloned().unwrap_or_default(), name.ident.span());
            }
            syn::UseTree::Name(name) => named(with(&name.ident), name.ident.to_string(), name.ident.span()),
            syn::UseTree::Rename(rename) => {
                let path = if rename.ident == "self" { before.to_vec() } else { with(&rename.ident) };
                named(path, rename.rename.to_string(), rename.ident.span());
            }
            syn::UseTree::Glob(glob) => {
                self.paths.push((before.to_vec(), glob.star_token.spans[0].start().line));
                self.globs.push(before.to_vec());
            }
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.import(tree, before)),
        }
    }

    /// The paths in what a macro is given, which is read as words.
    fn read_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut line = 0;
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.end_of_path(&mut path, line);
                    }
                    line = ident.span().start().line;
                    path.push(ident.unraw().to_string());
                    colons = 0;
                }
                TokenTree::Punct(mark) if mark.as_char() == ':' && !path.is_empty() => colons += 1,
                TokenTree::Group(group) => {
                    self.end_of_path(&mut path, line);
                    self.read_tokens(group.stream());
                }
                _ => self.end_of_path(&mut path, line),
            }
        }
        self.end_of_path(&mut path, line);
    }

    fn end_of_path(&mut self, path: &mut Vec<String>, line: usize) {
        if path.len() > 1 {
            self.paths.push((std::mem::take(path), line));
        }
        path.clear();
    }
}

impl<'ast> Visit<'ast> for Module {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.import(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> =
            path.segments.iter().map(|segment| segment.ident.unraw().to_string()).collect();
        if names.len() > 1 {
            self.paths.push((names, path.segments[0].ident.span().start().line));
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, macros: &'ast syn::Macro) {
        self.visit_path(&macros.path);
        self.read_tokens(macros.tokens.clone());
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !is_of_tests(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}

    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}
}

/// The module that defines what `path`, as it is written in the module `from`, names. None for what is of
/// another crate, or of the module itself without a path to it.
fn resolve(modules: &Modules, from: &[String], path: &[String], depth: usize) -> Option<Vec<String>> {
    let module = modules.get(from)?;
    let (first, rest) = path.split_first()?;
    match first.as_str() {
        "crate" => define(modules, &[], rest, depth),
        "self" => define(modules, from, rest, depth),
        "super" => {
            let mut from = &from[..from.len().checked_sub(1)?];
            let mut rest = rest;
            while rest.first().is_some_and(|name| name == "super") {
                (from, rest) = (&from[..from.len().checked_sub(1)?], &rest[1..]);
            }
            define(modules, from, rest, depth)
        }
        name if module.children.contains_key(name) => define(modules, from, path, depth),
        name => {
            let import = module.imports.get(name).filter(|import| import.as_slice() != path)?;
            let path: Vec<String> = import.iter().chain(rest).cloned().collect();
            resolve(modules, from, &path, depth.checked_sub(1)?)
        }
    }
}

/// The module that defines `path`, which begins inside the module `from`.
fn define(modules: &Modules, from: &[String], path: &[String], depth: usize) -> Option<Vec<String>> {
    let module = modules.get(from)?;
    let Some((name, rest)) = path.split_first() else { return Some(from.to_vec()) };
    if rest.is_empty() && module.items.contains(name) {
        return Some(from.to_vec());
    }
    if let Some(child) = module.children.get(name) {
        return define(modules, child, rest, depth);
    }
    let depth = depth.checked_sub(1)?;
    if !module.items.contains(name) {
        if let Some(import) = module.imports.get(name) {
            let path: Vec<String> = import.iter().chain(rest).cloned().collect();
            return resolve(modules, from, &path, depth).or(Some(from.to_vec()));
        }
        for glob in &module.globs {
            let found = resolve(modules, from, glob, depth).filter(|target| target.as_slice() != from);
            if let Some(target) = found
                && let Some(module) = modules.get(&target)
                && (module.items.contains(name)
                    || module.children.contains_key(name)
                    || module.imports.contains_key(name))
            {
                return define(modules, &target, path, depth);
            }
        }
    }
    Some(from.to_vec())
}

fn imports(modules: &Modules, root: &Path) -> Vec<Import> {
    let mut imports = Vec::new();
    for (from, module) in modules {
        for (path, line) in &module.paths {
            if let Some(to) = resolve(modules, from, path, 20)
                && to != *from
            {
                let file = module.file.strip_prefix(root).unwrap_or(&module.file);
                let place = format!("{}:{line}: {}", file.display(), path.join("::"));
                imports.push(Import { from: from.clone(), to, place });
            }
        }
    }
    imports
}

/// Which node uses which other, and the first place where it does.
type Edges = BTreeMap<(String, String), String>;

fn nodes_of(edges: &Edges) -> BTreeSet<String> {
    edges.keys().flat_map(|(from, to)| [from, to]).cloned().collect()
}

fn is_below(module: &str, parent: &str) -> bool {
    module.strip_prefix(parent).is_some_and(|rest| rest.starts_with("::"))
}

/// The edges between files, each under the name of its module.
fn edges_of_files(modules: &Modules, imports: &[Import]) -> Edges {
    let file = |module: &[String]| {
        let outer = (0..=module.len()).find(|length| {
            let outer = modules.get(&module[..*length]);
            outer.is_some_and(|outer| outer.file == modules[module].file)
        });
        module[..outer.unwrap_or(module.len())].join("::")
    };
    let mut edges = Edges::new();
    for import in imports {
        let (from, to) = (file(&import.from), file(&import.to));
        if from != to {
            edges.entry((from, to)).or_insert(import.place.clone());
        }
    }
    edges
}

/// For each folder the edges between the folders right below it.
fn edges_of_folders(files: &Edges) -> BTreeMap<String, Edges> {
    let parent = |module: &str| module.rsplit_once("::").map(|(parent, _)| parent.to_string());
    let names = files.keys().flat_map(|(from, to)| [from, to]);
    let folders: BTreeSet<String> = names.filter_map(|module| parent(module)).collect();
    // From the outside in: a file `a::b` that has files below it is in the folder `a::b`.
    let ways = |module: &str| -> Vec<String> {
        let names: Vec<&str> = module.split("::").collect();
        (1..=names.len()).map(|length| names[..length].join("::")).collect()
    };
    let mut all: BTreeMap<String, Edges> = BTreeMap::new();
    for ((from, to), place) in files {
        let differ = ways(from).into_iter().zip(ways(to)).find(|(from, to)| from != to);
        if let Some((from, to)) = differ
            && folders.contains(&from)
            && folders.contains(&to)
        {
            let parent = parent(&from).unwrap_or_default();
            all.entry(parent).or_default().entry((from, to)).or_insert(place.clone());
        }
    }
    all
}

/// The nodes that each lead to each other, for each of the largest such groups.
fn tangles(edges: &Edges, nodes: &BTreeSet<String>) -> Vec<BTreeSet<String>> {
    let mut targets: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (from, to) in edges.keys().filter(|(from, to)| nodes.contains(from) && nodes.contains(to)) {
        targets.entry(from).or_default().push(to);
    }
    let mut reached: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for node in nodes {
        let reached = reached.entry(node).or_default();
        let mut todo = vec![node.as_str()];
        while let Some(at) = todo.pop() {
            todo.extend(targets.get(at).into_iter().flatten().filter(|to| reached.insert(to)));
        }
    }
    let together = |one: &str, other: &str| reached[one].contains(other) && reached[other].contains(one);
    let tangles: BTreeSet<BTreeSet<String>> = nodes
        .iter()
        .map(|one| nodes.iter().filter(|other| together(one, other)).cloned().collect())
        .collect();
    tangles.into_iter().filter(|members| members.len() > 1).collect()
}

/// The files of each tangle in which a cycle does not lead through a module that all its other files are below.
fn tangles_of_files(edges: &Edges, nodes: &BTreeSet<String>, found: &mut Vec<BTreeSet<String>>) {
    for mut members in tangles(edges, nodes) {
        let top =
            members.iter().find(|top| members.iter().all(|other| other == *top || is_below(other, top)));
        match top.cloned() {
            Some(top) => {
                members.remove(&top);
                tangles_of_files(edges, &members, found);
            }
            None => found.push(members),
        }
    }
}

/// The shortest way along the edges within `nodes` from one of them back to it, as its stations.
fn way<'a>(edges: &'a Edges, nodes: &BTreeSet<String>, start: &'a str) -> Option<Vec<&'a str>> {
    let mut ways = vec![vec![start]];
    let mut seen = BTreeSet::new();
    let mut next = 0;
    while let Some(way) = ways.get(next).cloned() {
        let last = way[way.len() - 1];
        for (_, target) in edges.keys().filter(|(from, to)| from == last && nodes.contains(to)) {
            let further: Vec<&str> = way.iter().copied().chain([target.as_str()]).collect();
            if target == start {
                return Some(further);
            }
            if seen.insert(target.as_str()) {
                ways.push(further);
            }
        }
        next += 1;
    }
    None
}

fn places(edges: &Edges, way: &[&str]) -> String {
    let edge = |pair: &[&str]| (pair[0].to_string(), pair[1].to_string());
    let places: Vec<String> = way
        .windows(2)
        .map(|pair| format!("    {} -> {}: {}\n", pair[0], pair[1], edges[&edge(pair)]))
        .collect();
    places.concat()
}

/// All that is wrong with the modules below `root`, with what to do about it.
fn problems(root: &Path) -> Vec<String> {
    let mut modules = Modules::new();
    read(&mut modules, &[], &root.join("src/lib.rs"), &root.join("src"));
    let imports = imports(&modules, root);
    let mut problems = Vec::new();
    let rank = |name: &str| LAYERS.iter().position(|layer| *layer == name);
    for name in modules[[].as_slice()].children.keys().filter(|name| rank(name).is_none()) {
        problems.push(format!("`{name}` has no place in LAYERS: give it one above all that it imports"));
    }
    for Import { from, to, place } in &imports {
        if let (Some(from), Some(to)) = (from.first(), to.first())
            && rank(from) < rank(to)
        {
            problems.push(format!(
                "{place}: `{from}` is below `{to}` and may not import it: move what both need down, or have \
                 `{to}` hand it over as an argument"
            ));
        }
    }
    let files = edges_of_files(&modules, &imports);
    let mut tangled = Vec::new();
    tangles_of_files(&files, &nodes_of(&files), &mut tangled);
    let mut tangled: Vec<(&Edges, BTreeSet<String>)> =
        tangled.into_iter().map(|members| (&files, members)).collect();
    let folders = edges_of_folders(&files);
    for (_, edges) in folders.iter().filter(|(parent, _)| !parent.is_empty()) {
        tangled.extend(tangles(edges, &nodes_of(edges)).into_iter().map(|members| (edges, members)));
    }
    for (edges, members) in &tangled {
        let ways = members.iter().filter_map(|name| way(edges, members, name));
        let shortest = ways.min_by_key(Vec::len).unwrap_or_default();
        problems.push(format!(
            "these import each other in a cycle: {members:?}\n{}  Move what both sides need to a file that \
             imports neither, or hand it over as an argument.",
            places(edges, &shortest)
        ));
    }
    problems
}

#[test]
fn no_import_leads_upwards_or_in_a_cycle() {
    let problems = problems(Path::new(env!("CARGO_MANIFEST_DIR")));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn an_import_upwards_and_a_cycle_are_found_also_through_a_reexport_and_in_a_macro() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let file = folder.path().join("src").join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    };
    file("lib.rs", "mod text; mod store;");
    file("text.rs", "use crate::store::Entry; #[cfg(test)] mod tests { use crate::store::key; }");
    file("store/mod.rs", "mod entry; mod key; mod value; pub use entry::Entry; pub use key::*;");
    file("store/entry.rs", "pub struct Entry; fn f() { println!(\"{}\", super::Key::NAME) }");
    file("store/key.rs", "use super::value; pub struct Key; impl Key { fn f(_: value::Value) {} }");
    file("store/value.rs", "pub struct Value(crate::store::Entry);");
    let found = problems(folder.path());
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].starts_with("src/text.rs:1: crate::store::Entry: `text` is below `store`"));
    assert!(found[1].contains(r#"{"store::entry", "store::key", "store::value"}"#), "{}", found[1]);
    let way = "store::entry -> store::key: src/store/entry.rs:1: super::Key::NAME";
    assert!(found[1].contains(way), "{}", found[1]);
    // A file may use what is below it, also where that uses the file; but not by way of another one.
    file("text.rs", "");
    file("store/value.rs", "");
    file(
        "store/mod.rs",
        "mod entry; pub mod key; mod value; mod folder; pub use entry::Entry; pub use key::*;",
    );
    file("store/folder/mod.rs", "mod a; mod b; pub struct Folder(a::A, b::B);");
    file("store/folder/a.rs", "pub struct A(Box<super::Folder>);");
    file("store/folder/b.rs", "pub struct B; fn f(_: crate::store::Key) {}");
    assert_eq!(problems(folder.path()), [""; 0]);
    file("store/key.rs", "use super::folder::Folder; pub struct Key(Folder);");
    let found = problems(folder.path());
    assert!(found.len() == 1 && found[0].contains("store::folder::b"), "{found:#?}");
    // Two folders beside each other use each other, by different files.
    file("store/key.rs", "pub struct Key;");
    file("store/mod.rs", "mod entry; mod value; mod folder; mod other; pub mod key; pub use key::*;");
    file("store/other/mod.rs", "mod c; mod d;");
    file("store/other/c.rs", "use crate::store::folder::Folder;");
    file("store/other/d.rs", "pub struct D;");
    file("store/folder/b.rs", "pub struct B; fn f(_: crate::store::other::d::D) {}");
    let found = problems(folder.path());
    assert!(found.len() == 1 && found[0].contains(r#"{"store::folder", "store::other"}"#), "{found:#?}");
}

/// The product code outside the store, file by file; test code is left out.
fn outside_the_store() -> Vec<(PathBuf, String)> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![source.clone()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                let is_left_out = path == source.join("store") || matches!(name, "tests" | "testing");
                folders.extend((!is_left_out).then_some(path));
            } else if name.ends_with(".rs") && name != "tests.rs" {
                let text = std::fs::read_to_string(&path).unwrap();
                let product = text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_string();
                files.push((path, product));
            }
        }
    }
    assert!(files.len() > 100, "the source was read");
    files
}

#[test]
fn no_engine_is_named_outside_the_store() {
    let named: Vec<PathBuf> = outside_the_store()
        .into_iter()
        .filter(|(_, text)| text.contains("SqliteStore") || text.contains("store::sqlite"))
        .map(|(path, _)| path)
        .collect();
    assert!(named.is_empty(), "open databases by store::open, not by an engine: {named:?}");
}

/// Whether a line calculates with the number of a revision.
fn calculates(line: &str) -> bool {
    let is_about = line.to_lowercase().contains("revision");
    let mut numbers = line.match_indices(".0").map(|(place, _)| line[place + 2..].trim_start());
    let is_operator = |rest: &str| {
        ["+ ", "- ", ".saturating_", ".wrapping_", ".checked_"].iter().any(|it| rest.starts_with(it))
    };
    is_about && !line.trim_start().starts_with("//") && numbers.any(is_operator)
}

#[test]
fn nobody_outside_the_store_calculates_with_revisions() {
    assert!(calculates("let newest = Revision(activity.seen.0.saturating_add(1));"));
    assert!(calculates("    before: Some(Revision(change.revision.0 + 1)),"));
    assert!(!calculates("    let scan = HistoryScan { to: Bound::Included(change.revision), ..scan };"));
    let mut found = Vec::new();
    for (path, text) in outside_the_store() {
        let lines = text.lines().enumerate().filter(|(_, line)| calculates(line));
        found.extend(
            lines.map(|(number, line)| format!("{}:{}: {}", path.display(), number + 1, line.trim())),
        );
    }
    assert!(found.is_empty(), "a revision means nothing but its order:\n{}", found.join("\n"));
}
