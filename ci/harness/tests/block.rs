//! Every test of the block driver on a machine, and of who may reach its disk, listed one by one: `cargo test -p harness --test block -- --list`.

fn main() {
    let arguments = libtest_mimic::Arguments::from_args();
    let tests = harness::block_tests::tests().into_iter().chain(harness::hostile_tests::tests()).collect();
    libtest_mimic::run(&arguments, tests).exit();
}
