//! The steps that `native-servers/README.md` tells are those that are taken.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;

use interfaces::supervisor::Placement;
use rt::sync::Mutex;

use super::machine::Machine;
use crate::home::{Home, Step};
use crate::places::{BlockInside, BlockNative, Estate, FsInside, FsNative, Places, UNKNOWN};
use crate::slot::Slot;

const README: &str = include_str!("../../../../native-servers/README.md");

fn names(steps: &[Step]) -> String {
    let names: alloc::vec::Vec<_> = steps.iter().map(|step| step.name()).collect();
    if names.is_empty() { " ".into() } else { format!(" {} ", names.join(", ")) }
}

fn row<T: ?Sized>(what: &str, from: &dyn Home<T>, to: &dyn Home<T>) -> String {
    let [prepare, leave, enter] = [to.preparing(), from.leaving(), to.entering()].map(names);
    format!("| {what} |{prepare}|{leave}|{enter}|\n")
}

#[test]
fn the_readme_tells_the_steps_that_are_taken() {
    let places = Places { block: Placement::Personality, fs: Placement::Personality };
    let estate = Arc::new(Estate {
        platform: Machine::new(places.block, places.fs),
        disk: Mutex::new(None),
        file_system: Mutex::new(None),
        next: Mutex::new(None),
        left: Mutex::new(UNKNOWN),
        served: Mutex::new(None),
        places: Mutex::new(places),
    });
    let (block_inside, block_native) = (BlockInside(estate.clone()), BlockNative(estate.clone()));
    let slot = Arc::new(Slot::new("block", block_native.service()));
    let (fs_inside, fs_native) = (FsInside(estate.clone(), slot), FsNative(estate));
    for row in [
        row("`block`, native", &block_inside, &block_native),
        row("`block`, personality", &block_native, &block_inside),
        row("`fs`, native", &fs_inside, &fs_native),
        row("`fs`, personality", &fs_native, &fs_inside),
    ] {
        assert!(README.contains(&row), "{row}");
    }
    assert!(Step::ALL.iter().all(|step| README.contains(&format!("\n| {} |", step.name()))));
}
