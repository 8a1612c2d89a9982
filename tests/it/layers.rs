//! Which part of the program may import which. Every `use` and every other path in `src` is read, and
//! resolved to the file that defines what it names; code of tests is left out.

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

/// Circles between the children of one module that are still to be opened: all their members, sorted.
/// Take out what you open; nothing is to be added.
const ALLOWED_CIRCLES: &[(&str, &[&str])] = &[
    (
        "tui",
        &[
            "app",
            "bulk",
            "connection",
            "dialogs",
            "draw",
            "effect",
            "list",
            "message",
            "screens",
            "terminal",
            "theme",
            "timers",
            "undo",
            "update",
            "widgets",
            "worker",
        ],
    ),
    (
        "tui::dialogs",
        &["confirmation", "conflict", "dialog", "draw", "form", "help", "messages", "palette", "run_dialog"],
    ),
    ("tui::list", &["row", "sort"]),
    ("tui::screens", &["entries", "locks", "value"]),
    ("tui::screens::debugger", &["folding", "keys"]),
    ("tui::screens::past", &["restore", "update"]),
    ("tui::update", &["actions", "mouse"]),
    ("tui::update", &["replies", "write_results"]),
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

/// Which child of a module uses which other, and the first place where it does.
type Edges<'a> = BTreeMap<(&'a str, &'a str), &'a str>;

/// For each module the edges between its children. What a child has with its parent does not count.
fn siblings(imports: &[Import]) -> BTreeMap<&[String], Edges<'_>> {
    let mut all: BTreeMap<&[String], Edges> = BTreeMap::new();
    for import in imports {
        let common = import.from.iter().zip(&import.to).take_while(|(from, to)| from == to).count();
        if let (Some(from), Some(to)) = (import.from.get(common), import.to.get(common)) {
            all.entry(&import.from[..common]).or_default().entry((from, to)).or_insert(&import.place);
        }
    }
    all
}

/// The shortest way along the edges from one child to another, which may be the same, as its stations.
fn way<'a>(edges: &Edges<'a>, from: &'a str, to: &'a str) -> Option<Vec<&'a str>> {
    let mut ways = vec![vec![from]];
    let mut seen = BTreeSet::new();
    let mut next = 0;
    while let Some(way) = ways.get(next).cloned() {
        let last = way[way.len() - 1];
        for (_, target) in edges.keys().filter(|(from, _)| *from == last) {
            let further: Vec<&str> = way.iter().copied().chain([*target]).collect();
            if *target == to {
                return Some(further);
            }
            if seen.insert(*target) {
                ways.push(further);
            }
        }
        next += 1;
    }
    None
}

/// The members of each circle: each of them leads to each other.
fn circles<'a>(edges: &Edges<'a>) -> BTreeSet<Vec<&'a str>> {
    let names: BTreeSet<&str> = edges.keys().map(|(from, _)| *from).collect();
    let mut reached: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for name in &names {
        let reached = reached.entry(name).or_default();
        let mut todo = vec![*name];
        while let Some(at) = todo.pop() {
            let targets = edges.keys().filter(|(from, _)| *from == at).map(|(_, to)| *to);
            todo.extend(targets.filter(|target| reached.insert(target)));
        }
    }
    let of = |name: &str| -> Vec<&'a str> {
        let leads_back = |other: &&&str| {
            reached[name].contains(**other) && reached.get(**other).is_some_and(|back| back.contains(name))
        };
        names.iter().filter(leads_back).copied().collect()
    };
    names.iter().map(|name| of(name)).filter(|members| members.len() > 1).collect()
}

fn places(edges: &Edges, way: &[&str]) -> String {
    let places: Vec<String> = way
        .windows(2)
        .map(|pair| format!("    {} -> {}: {}\n", pair[0], pair[1], edges[&(pair[0], pair[1])]))
        .collect();
    places.concat()
}

/// All that is wrong with the modules below `root`, with what to do about it.
fn problems(root: &Path, allowed: &[(&str, &[&str])]) -> Vec<String> {
    let mut modules = Modules::new();
    read(&mut modules, &[], &root.join("src/lib.rs"), &root.join("src"));
    let imports = imports(&modules, root);
    let siblings = siblings(&imports);
    let mut problems = Vec::new();
    let rank = |name: &str| LAYERS.iter().position(|layer| *layer == name);
    for name in modules[[].as_slice()].children.keys().filter(|name| rank(name).is_none()) {
        problems.push(format!("`{name}` has no place in LAYERS: give it one above all that it imports"));
    }
    let mut found = BTreeSet::new();
    for (parent, edges) in &siblings {
        if parent.is_empty() {
            for ((from, to), place) in edges {
                if rank(from) < rank(to) {
                    problems.push(format!(
                        "{place}: `{from}` is below `{to}` and may not import it: move what both need down, or \
                         have `{to}` hand it over as an argument"
                    ));
                }
            }
            continue;
        }
        let folder = parent.join("::");
        for members in circles(edges) {
            if !allowed.contains(&(&folder, &members)) {
                let ways = members.iter().filter_map(|name| way(edges, name, name));
                let shortest = ways.min_by_key(Vec::len).unwrap_or_default();
                problems.push(format!(
                    "in `{folder}` these import each other in a circle: {members:?}\n{}  Move what both sides \
                     need to a module that imports neither, or hand it over as an argument.",
                    places(edges, &shortest)
                ));
            }
            found.insert((folder.clone(), members));
        }
    }
    for (folder, members) in allowed {
        if !found.contains(&(folder.to_string(), members.to_vec())) {
            problems.push(format!(
                "ALLOWED_CIRCLES: in `{folder}` there is no such circle any more: {members:?}"
            ));
        }
    }
    problems
}

#[test]
fn no_import_leads_upwards_or_in_a_circle() {
    let problems = problems(Path::new(env!("CARGO_MANIFEST_DIR")), ALLOWED_CIRCLES);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn an_import_upwards_and_a_circle_are_found_also_through_a_reexport_and_in_a_macro() {
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
    let allowed: [(&str, &[&str]); 1] = [("store", &["entry", "key"])];
    let problems = problems(folder.path(), &allowed);
    assert_eq!(problems.len(), 3, "{problems:#?}");
    assert!(problems[0].starts_with("src/text.rs:1: crate::store::Entry: `text` is below `store`"));
    assert!(problems[1].contains("[\"entry\", \"key\", \"value\"]"), "{}", problems[1]);
    assert!(problems[1].contains("entry -> key: src/store/entry.rs:1: super::Key::NAME"), "{}", problems[1]);
    assert!(problems[2].contains("no such circle any more"), "{}", problems[2]);
}

#[test]
fn no_engine_is_named_outside_the_store() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![source.clone()];
    let mut named = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_string();
            if path.is_dir() {
                let is_left_out = path == source.join("store") || matches!(&*name, "tests" | "testing");
                folders.extend((!is_left_out).then_some(path));
            } else if name.ends_with(".rs") && name != "tests.rs" {
                let text = std::fs::read_to_string(&path).unwrap();
                let product = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
                let is_named = product.contains("SqliteStore") || product.contains("store::sqlite");
                named.extend(is_named.then_some(path));
            }
        }
    }
    assert!(named.is_empty(), "open databases by store::open, not by an engine: {named:?}");
}
