//! Every system test, listed one by one: `cargo test -p harness --test system -- --list`.
//!
//! What tests share (the tools, Linux's answers, one running Banyan) is made when the first test needs it.

fn main() {
    let arguments = libtest_mimic::Arguments::from_args();
    libtest_mimic::run(&arguments, harness::tests()).exit();
}
