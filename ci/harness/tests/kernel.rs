//! Every test of the microkernel, listed one by one: `cargo test -p harness --test kernel -- --list`.

fn main() {
    let arguments = libtest_mimic::Arguments::from_args();
    libtest_mimic::run(&arguments, harness::kernel_tests::tests()).exit();
}
