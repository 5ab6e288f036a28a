//! Every test of the microkernel and of the supervisor, listed one by one: `cargo test -p harness --test kernel -- --list`.

fn main() {
    let arguments = libtest_mimic::Arguments::from_args();
    let tests = [harness::kernel_tests::tests(), harness::supervisor_tests::tests(), harness::grant_tests::tests()]
        .into_iter()
        .flatten()
        .collect();
    libtest_mimic::run(&arguments, tests).exit();
}
