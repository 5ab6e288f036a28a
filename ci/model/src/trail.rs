//! The calls that led to where the explorer is, for when the kernel panics.

use std::cell::RefCell;
use std::sync::Once;

use ukernel_core::checks::step::Step;

thread_local! {
    static TRAIL: RefCell<Vec<Step>> = const { RefCell::new(Vec::new()) };
    static MESSAGE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The calls made so far are these.
pub fn set(steps: Vec<Step>) {
    TRAIL.set(steps);
}

/// One more call is about to be made, behind the first `length`.
pub fn push(length: usize, step: Step) {
    TRAIL.with_borrow_mut(|trail| {
        trail.truncate(length);
        trail.push(step);
    });
}

/// The calls, and what the panic said.
pub fn take() -> (Vec<Step>, String) {
    (TRAIL.take(), MESSAGE.take())
}

/// Numbered lines.
pub fn print(steps: &[Step]) -> String {
    steps.iter().enumerate().map(|(index, step)| format!("{:4}. {step}\n", index + 1)).collect()
}

/// Remember what a panic on an exploring thread says; where a panic ends the program, print the calls first.
pub fn watch_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if TRAIL.with_borrow(Vec::is_empty) {
                return before(info);
            }
            MESSAGE.set(format!("the kernel panics: {info}"));
            if cfg!(panic = "abort") {
                eprintln!("the kernel panics: {info}\n{}", TRAIL.with_borrow(|trail| print(trail)));
            }
        }));
    });
}
