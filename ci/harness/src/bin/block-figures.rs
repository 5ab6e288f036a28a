//! Prints what the block driver's operations cost, in instructions: `cargo run -q -p harness --bin block-figures`.

fn main() -> anyhow::Result<()> {
    for figure in harness::block_tests::figures()? {
        println!("{figure}");
    }
    Ok(())
}
