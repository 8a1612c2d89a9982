//! A JSON value as a tree that is folded, walked through and searched.

use std::collections::{HashMap, VecDeque};

use crate::store::json::{JsonNode, look, quote};
use crate::store::{JsonText, Needle};
use crate::text::escape::escape;

/// The most nodes of a value that is shown as a tree.
pub const NODES: usize = 20_000;
/// A tree of no more nodes is unfolded at first.
const SMALL: usize = 60;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonToken {
    Object,
    Array,
    String,
    Number,
    /// true, false or null.
    Word,
}

/// A value within the tree.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// How many values it is inside of.
    pub depth: usize,
    /// The key of a member of an object.
    pub label: Option<String>,
    pub token: JsonToken,
    /// A value without members as it is spelled in JSON; of one with members how many there are.
    pub text: String,
    /// The place after its last member, and theirs.
    end: usize,
    /// Whether its members are hidden.
    pub folded: bool,
}

impl Node {
    /// Whether it has members.
    pub fn is_open(&self) -> bool {
        matches!(self.token, JsonToken::Object | JsonToken::Array) && self.text != "0"
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct JsonTree {
    nodes: Vec<Node>,
    cursor: usize,
}

impl JsonTree {
    /// The tree of a text, if it is an object or an array, and not too large to be walked through.
    pub fn parse(text: &[u8]) -> Option<JsonTree> {
        if !matches!(text.first(), Some(b'{' | b'[')) {
            return None;
        }
        let json = JsonText::parse(std::str::from_utf8(text).ok()?).ok()?;
        let mut tree = JsonTree { nodes: Vec::new(), cursor: 0 };
        tree.add(json.as_str(), None, 0)?;
        if tree.nodes.len() > SMALL {
            tree.nodes.iter_mut().filter(|node| node.depth > 0).for_each(|node| node.folded = node.is_open());
        }
        Some(tree)
    }

    /// Adds a piece of JSON with its members, which are in the order in which they are written.
    fn add(&mut self, piece: &str, label: Option<String>, depth: usize) -> Option<()> {
        if self.nodes.len() >= NODES {
            return None;
        }
        let seen = look(piece);
        let (token, text) = match &seen {
            JsonNode::Object(members) => (JsonToken::Object, members.len().to_string()),
            JsonNode::List(items) => (JsonToken::Array, items.len().to_string()),
            JsonNode::String(_) => (JsonToken::String, piece.to_string()),
            JsonNode::Number(_) => (JsonToken::Number, piece.to_string()),
            JsonNode::Boolean(_) | JsonNode::Null => (JsonToken::Word, piece.to_string()),
        };
        let place = self.nodes.len();
        self.nodes.push(Node { depth, label, token, text, end: 0, folded: false });
        match seen {
            JsonNode::Object(members) => {
                for member in members {
                    self.add(member.value, Some(member.name.into_owned()), depth + 1)?;
                }
            }
            JsonNode::List(items) => {
                for item in items {
                    self.add(item, None, depth + 1)?;
                }
            }
            _ => {}
        }
        self.nodes[place].end = self.nodes.len();
        Some(())
    }

    /// The places of the nodes that are not hidden, from the first line on.
    pub fn visible(&self) -> Vec<usize> {
        let mut visible = Vec::new();
        let mut place = 0;
        while let Some(node) = self.nodes.get(place) {
            visible.push(place);
            place = if node.folded { node.end } else { place + 1 };
        }
        visible
    }

    pub fn node(&self, place: usize) -> &Node {
        &self.nodes[place]
    }

    /// How the node under the cursor is reached from the root, as jq writes it.
    pub fn path(&self) -> String {
        self.path_of(self.cursor)
    }

    fn path_of(&self, place: usize) -> String {
        let mut steps = Vec::new();
        let mut inner = place;
        while let Some(outer) = self.around(inner) {
            steps.push(match &self.nodes[inner].label {
                Some(key) => step(key),
                None => format!("[{}]", self.members(outer).take_while(|member| *member < inner).count()),
            });
            inner = outer;
        }
        if steps.is_empty() { ".".into() } else { steps.into_iter().rev().collect() }
    }

    /// The place of the node that a node is a member of.
    fn around(&self, place: usize) -> Option<usize> {
        let depth = self.nodes[place].depth;
        self.nodes[..place].iter().rposition(|node| node.depth < depth)
    }

    fn members(&self, place: usize) -> impl Iterator<Item = usize> {
        let end = self.nodes[place].end;
        let first = Some(place + 1).filter(|first| *first < end);
        std::iter::successors(first, move |member| Some(self.nodes[*member].end).filter(|next| *next < end))
    }

    /// The place of the node under the cursor.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// Puts the cursor on the node at a place.
    pub fn select(&mut self, place: usize) {
        self.cursor = place.min(self.nodes.len() - 1);
    }

    /// Moves the cursor by so many lines.
    pub fn step(&mut self, by: isize) {
        let visible = self.visible();
        let line = visible.iter().position(|place| *place == self.cursor).unwrap_or(0);
        self.cursor = visible[line.saturating_add_signed(by).min(visible.len() - 1)];
    }

    /// Hides or shows the members of the node under the cursor; of one without members, those of
    /// the one that it is in.
    pub fn fold(&mut self) {
        if !self.nodes[self.cursor].is_open() {
            self.leave();
        }
        let node = &mut self.nodes[self.cursor];
        node.folded = node.is_open() && !node.folded;
    }

    /// Shows the members of the node under the cursor.
    pub fn unfold(&mut self) {
        self.nodes[self.cursor].folded = false;
    }

    /// Hides the members of the node under the cursor; if they are hidden, goes to the node that
    /// it is in.
    pub fn close(&mut self) {
        let node = &mut self.nodes[self.cursor];
        if node.is_open() && !node.folded {
            node.folded = true;
        } else {
            self.leave();
        }
    }

    fn leave(&mut self) {
        self.cursor = self.around(self.cursor).unwrap_or(0);
    }

    /// Hides, or shows, the members of all nodes but the root.
    pub fn fold_all(&mut self, folded: bool) {
        for node in self.nodes.iter_mut().filter(|node| node.depth > 0 || !folded) {
            node.folded = folded && node.is_open();
        }
        while folded && self.nodes[self.cursor].depth > 1 {
            self.leave();
        }
    }

    /// The cursor to the next node, or the one before, that has the needle in its key or value,
    /// round the end; whether there is one. What hides it is unfolded.
    pub fn find(&mut self, needle: &Needle, forwards: bool) -> bool {
        let count = self.nodes.len();
        let places = (1..=count).map(|by| if forwards { self.cursor + by } else { self.cursor + count - by });
        let found = places.map(|place| place % count).find(|place| self.nodes[*place].has(needle));
        let Some(found) = found else { return false };
        for node in &mut self.nodes[..found] {
            node.folded &= node.end <= found;
        }
        self.cursor = found;
        true
    }

    /// Takes over what was folded, and where the cursor was, in the tree of an earlier value.
    pub fn follow(&mut self, earlier: &JsonTree) {
        self.cursor = 0;
        self.follow_at(0, earlier, 0);
        // It may stand in what is hidden by now.
        if !self.visible().contains(&self.cursor) {
            self.cursor = 0;
        }
    }

    /// The same for the node at `place`, which is at `before_place` in the earlier tree, and for its members.
    fn follow_at(&mut self, place: usize, earlier: &JsonTree, before_place: usize) {
        if earlier.cursor == before_place {
            self.cursor = place;
        }
        let (was, node) = (&earlier.nodes[before_place], &mut self.nodes[place]);
        node.folded = was.folded && node.is_open();
        if was.token != node.token {
            return;
        }
        // Members of an object go by their names, of several with one name by their order; those of an
        // array have none.
        let mut places: HashMap<Option<&str>, VecDeque<usize>> = HashMap::new();
        for member in earlier.members(before_place) {
            places.entry(earlier.nodes[member].label.as_deref()).or_default().push_back(member);
        }
        let mut before = |member: usize| {
            let label = self.nodes[member].label.as_deref();
            places.get_mut(&label).and_then(VecDeque::pop_front).map(|before| (member, before))
        };
        let pairs: Vec<(usize, usize)> = self.members(place).filter_map(&mut before).collect();
        for (member, before) in pairs {
            self.follow_at(member, earlier, before);
        }
    }
}

impl Node {
    fn has(&self, needle: &Needle) -> bool {
        let is_in_text =
            !matches!(self.token, JsonToken::Object | JsonToken::Array) && needle.is_in(self.text.as_bytes());
        is_in_text || self.label.as_ref().is_some_and(|label| needle.is_in(label.as_bytes()))
    }
}

/// One step of a path: `.key`, or `["key"]` where the key is no name.
fn step(key: &str) -> String {
    let is_name = key.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        && key.chars().next().is_some_and(|letter| !letter.is_ascii_digit());
    if is_name { format!(".{key}") } else { format!("[{}]", quote(key)) }
}

/// What stands in the line of a node before its value, and its value, escaped: of a long one no less than
/// has room in `width` columns, and not much more.
pub fn line_of(node: &Node, width: usize) -> (String, String) {
    let mark = match (node.is_open(), node.folded) {
        (false, _) => "  ",
        (true, true) => "▸ ",
        (true, false) => "▾ ",
    };
    let label = node.label.as_ref().map_or(String::new(), |label| format!("{}: ", escape(label.as_bytes())));
    let value = match node.token {
        JsonToken::Object if node.text == "0" => "{}".into(),
        JsonToken::Array if node.text == "0" => "[]".into(),
        JsonToken::Object => format!("{{{}}}", node.text),
        JsonToken::Array => format!("[{}]", node.text),
        _ => escape(&node.text.as_bytes()[..node.text.floor_char_boundary(width * 8)]),
    };
    (format!("{}{mark}{label}", "  ".repeat(node.depth)), value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> JsonTree {
        JsonTree::parse(text.as_bytes()).unwrap()
    }

    fn paths(tree: &JsonTree) -> Vec<String> {
        tree.visible().into_iter().map(|place| tree.path_of(place)).collect()
    }

    const SAMPLE: &str = "{\"a\":{\"b\":[1,{\"c d\":null}]},\"z\":\"text\"}";

    #[test]
    fn paths_are_those_that_jq_reads() {
        let all = [".", ".a", ".a.b", ".a.b[0]", ".a.b[1]", ".a.b[1][\"c d\"]", ".z"];
        assert_eq!(paths(&tree(SAMPLE)), all);
        assert_eq!(JsonTree::parse(b"7"), None);
        assert_eq!(JsonTree::parse(b"{"), None);
        assert_eq!(paths(&tree("[]")), ["."]);
    }

    #[test]
    fn folding_hides_members_and_the_cursor_walks_over_what_is_seen() {
        let mut tree = tree(SAMPLE);
        tree.step(2);
        tree.fold();
        assert_eq!(paths(&tree), [".", ".a", ".a.b", ".z"]);
        tree.step(1);
        assert_eq!(tree.path(), ".z");
        tree.step(-1);
        tree.unfold();
        tree.step(1);
        tree.fold();
        assert_eq!(tree.path(), ".a.b", "a value without members folds what it is in");
        tree.close();
        assert_eq!(tree.path(), ".a");
        tree.fold_all(true);
        assert_eq!(paths(&tree), [".", ".a", ".z"]);
        tree.fold_all(false);
        assert_eq!(paths(&tree).len(), 7);
        tree.step(isize::MIN);
        tree.step(isize::MAX);
        assert_eq!(tree.path(), ".z");
    }

    #[test]
    fn what_is_found_is_unfolded() {
        let mut tree = tree(SAMPLE);
        tree.fold_all(true);
        assert!(tree.find(&Needle::new("c d"), true));
        assert_eq!(tree.path(), ".a.b[1][\"c d\"]");
        assert!(paths(&tree).contains(&".a.b[1][\"c d\"]".to_string()));
        assert!(tree.find(&Needle::new("text"), true));
        assert!(tree.find(&Needle::new("c d"), false));
        assert_eq!(tree.path(), ".a.b[1][\"c d\"]");
        assert!(!tree.find(&Needle::new("nowhere"), true));
    }

    #[test]
    fn a_newer_value_keeps_what_was_folded_and_the_cursor() {
        let mut earlier = tree(SAMPLE);
        earlier.step(2);
        earlier.fold();
        let mut newer = tree(&SAMPLE.replace("text", "other"));
        newer.follow(&earlier);
        assert_eq!(paths(&newer), paths(&earlier));
        assert_eq!(newer.path(), ".a.b");
        let mut other = tree("[1]");
        other.follow(&earlier);
        assert_eq!(other.cursor(), 0);
        // Members that came and went before it change nothing.
        let mut moved = tree(&SAMPLE.replace("{\"a\"", "{\"0\":[],\"a\"").replace("\"z\"", "\"y\""));
        moved.follow(&earlier);
        assert_eq!(paths(&moved), [".", "[\"0\"]", ".a", ".a.b", ".y"]);
        assert_eq!(moved.path(), ".a.b");
    }

    #[test]
    fn a_large_value_is_folded_at_first_and_a_huge_one_is_no_tree() {
        let rows = |count: usize| format!("[{}]", vec!["{\"a\":1}"; count].join(","));
        assert_eq!(tree(&rows(100)).visible().len(), 101);
        assert_eq!(tree(&rows(10)).visible().len(), 21);
        assert_eq!(JsonTree::parse(rows(NODES).as_bytes()), None);
    }
}
