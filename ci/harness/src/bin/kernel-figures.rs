//! Prints what the microkernel's operations cost, in instructions: `cargo run -q -p harness --bin kernel-figures`.

fn main() -> anyhow::Result<()> {
    for figure in harness::kernel_tests::figures()? {
        println!("{figure}");
    }
    Ok(())
}
