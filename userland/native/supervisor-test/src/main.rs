//! Tests of the supervisor, as tasks of a system made for them (`images/systems/supervisor-test.toml`).
//!
//! One program with three roles (option `role`): the *tester*, which asks the supervisor for things and looks at what
//! becomes of them; the *victim*, a server; the *crasher*, which dies as soon as it starts. The tester writes
//! `ok NAME` or `FAILED NAME: reason` for each test, then `done`, and stops the machine.
#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

mod contract;
mod tester;
mod tests;
mod victim;

rt::entry!(main);

fn main(env: &rt::Env) {
    match env.option("role") {
        Some("victim") => victim::run(env),
        Some("crasher") => panic!("as its manifest says"),
        _ => tester::run(env),
    }
}
