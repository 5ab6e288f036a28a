//! Every test of the microkernel and of the supervisor, listed one by one: `cargo test -p harness --test kernel -- --list`.

fn main() {
    let arguments = libtest_mimic::Arguments::from_args();
    let tests = harness::kernel_tests::tests().into_iter().chain(harness::supervisor_tests::tests()).collect();
    libtest_mimic::run(&arguments, tests).exit();
}
