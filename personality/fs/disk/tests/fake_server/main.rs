//! The VFS and diskfs together, over a server in memory that dies when its dice say so.

#[path = "../support/mod.rs"]
mod support;

mod contents;
mod recovery;

use support::fake::{self, Fake, Odds};
use support::model;

/// A world over a server that never dies.
fn quiet() -> (std::sync::Arc<Fake>, support::World) {
    let fake = Fake::new(1, Odds::default());
    let world = support::World::over(fake.clone(), interfaces::file_system::Orphans::Free);
    (fake, world)
}

fn run(seed: u64, odds: Odds) {
    let fake = Fake::new(seed, odds);
    let model = model::run(seed, fake.clone());
    fake.set_odds(Odds::default());
    fake.restart();
    model::compare_anew(seed, &model, fake.clone());
    assert_eq!(fake.committed().inodes.len(), 1 + model.inodes(), "seed {seed}: no orphans");
}

#[test]
fn a_tree_is_what_the_model_says() {
    (0..15).for_each(|seed| run(seed, Odds::default()));
}

#[test]
fn a_tree_is_what_the_model_says_although_its_server_dies() {
    (100..140).for_each(|seed| run(seed, Odds { death: 25, commit: 15 }));
    (200..210).for_each(|seed| run(seed, Odds { death: 8, commit: 8 }));
}
