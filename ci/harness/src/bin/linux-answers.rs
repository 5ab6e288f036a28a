//! Prints what each case of the system tests gives on Linux: what Banyan is expected to give.

use anyhow::Result;
use harness::cases;
use harness::workshop::Prepared;

fn main() -> Result<()> {
    let answers = Prepared::new()?.linux_answers()?;
    for (case, answer) in cases::all().zip(answers) {
        println!("=== {} (status {:#06x})", case.name, answer.status);
        print!("{}", String::from_utf8_lossy(&answer.output));
        print!("--- standard error\n{}", String::from_utf8_lossy(&answer.errors));
    }
    Ok(())
}
