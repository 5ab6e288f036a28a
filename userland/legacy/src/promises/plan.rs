//! Draws a worker's steps.

use super::{Content, Node, Step, Tree};
use crate::random::Random;

/// Names of files, below the worker's folder and in each of [`FOLDERS`].
const NAMES: u64 = 6;
const FOLDERS: [&str; 3] = ["a", "b", "c"];
/// No file grows beyond this.
const MOST_BYTES: u64 = 96 << 10;

/// The steps of one worker, and what they make of its folder.
#[derive(Clone, Debug)]
pub struct Plan {
    random: Random,
    tree: Tree,
}

impl Plan {
    /// The plan of the worker with this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), tree: Tree::new() }
    }

    /// What its folder holds after the steps that were drawn.
    #[must_use]
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Draws the next step, and does it to the tree.
    pub fn draw(&mut self) -> Step {
        let step = self.choose();
        step.apply(&mut self.tree);
        step
    }

    fn choose(&mut self) -> Step {
        let files = self.paths(|_, node| matches!(node, Node::File(_)));
        let new = self.place();
        let Some(old) = self.pick(&files) else { return Step::Write(new, self.content(20_000)) };
        let bytes = self.bytes(&old);
        match self.random.below(32) {
            0..7 => Step::Write(new, self.content(20_000)),
            7..9 => Step::Write(new, self.content(MOST_BYTES)),
            9..16 if bytes < MOST_BYTES / 2 => Step::Append(old, self.content(9000)),
            9..20 => {
                let offset = self.random.below(bytes + 5000).min(MOST_BYTES / 2);
                Step::Overwrite(old, offset as usize, self.content(12_000))
            }
            20..22 => Step::Resize(old, self.random.below(bytes * 2 + 2).min(MOST_BYTES) as usize),
            22..26 if new != old => Step::Rename(old, new),
            22..29 => Step::Remove(old),
            _ => self.choose_folder(),
        }
    }

    fn choose_folder(&mut self) -> Step {
        let missing = FOLDERS.iter().filter(|name| !self.tree.contains_key(**name));
        let missing: Vec<String> = missing.map(|name| (*name).into()).collect();
        let is_empty = |folder: &str| !self.tree.keys().any(|path| path.starts_with(&format!("{folder}/")));
        let empty = self.paths(|path, node| *node == Node::Folder && is_empty(path));
        let choice = self.random.below(2);
        match (self.pick(&missing), self.pick(&empty)) {
            (Some(new), None) => Step::MakeFolder(new),
            (Some(new), Some(_)) if choice == 0 => Step::MakeFolder(new),
            (_, Some(old)) => Step::RemoveFolder(old),
            (None, None) => Step::Write(self.place(), self.content(3000)),
        }
    }

    fn paths(&self, wanted: impl Fn(&str, &Node) -> bool) -> Vec<String> {
        self.tree.iter().filter(|(path, node)| wanted(path, node)).map(|(path, _)| path.clone()).collect()
    }

    fn pick(&mut self, among: &[String]) -> Option<String> {
        let number = self.random.below(among.len().max(1) as u64);
        among.get(number as usize).cloned()
    }

    /// A path where a file can be.
    fn place(&mut self) -> String {
        let folders = self.paths(|_, node| *node == Node::Folder);
        let name = format!("f{}", self.random.below(NAMES));
        match self.random.below(3) {
            0 => name,
            _ => self.pick(&folders).map_or(name.clone(), |folder| format!("{folder}/{name}")),
        }
    }

    fn content(&mut self, most: u64) -> Content {
        Content { seed: self.random.next_u64(), bytes: 1 + self.random.below(most) as usize }
    }

    fn bytes(&self, path: &str) -> u64 {
        match self.tree.get(path) {
            Some(Node::File(bytes)) => bytes.len() as u64,
            _ => 0,
        }
    }
}
