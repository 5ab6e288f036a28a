//! Every test of the block driver on a machine, listed one by one: `cargo test -p harness --test block -- --list`.

fn main() {
    let arguments = libtest_mimic::Arguments::from_args();
    libtest_mimic::run(&arguments, harness::block_tests::tests()).exit();
}
