//! A debugger for the emulator's stub: stops at an address, steps, reads registers.
//!
//! The protocol is GDB's remote serial one (GDB manual, appendix E); register numbers are those of QEMU's description
//! `i386-64bit.xml`. Interrupts stay away while it steps: that is the stub's default.

use anyhow::{Context, Result, bail, ensure};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// How long the machine may take to stop.
const LIMIT: Duration = Duration::from_secs(120);
/// Most bytes of a packet that makes sense here.
const MOST_BYTES: usize = 16 << 10;

/// A register, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Register {
    /// The number of the kernel's call.
    Rax = 0,
    /// The header of a message.
    Rsi = 4,
    /// Where the next instruction is.
    Rip = 16,
    /// Its lowest two bits are the privilege.
    Cs = 18,
    /// The address space.
    Cr3 = 29,
}

/// A stopped machine.
pub struct Debugger(UnixStream);

impl Debugger {
    /// Takes over a machine that waits for a debugger on `stream`.
    ///
    /// # Errors
    /// When the stream is broken.
    pub fn new(stream: UnixStream) -> Result<Self> {
        stream.set_read_timeout(Some(LIMIT))?;
        let mut debugger = Self(stream);
        // Only who has asked for the description may ask for single registers.
        debugger.send("qXfer:features:read:target.xml:0,ffb")?;
        let description = debugger.receive()?;
        ensure!(description.contains("i386"), "the stub describes no PC: {description:?}");
        Ok(debugger)
    }

    /// Lets the machine run until it is about to execute the instruction at `address`.
    ///
    /// # Errors
    /// When it never gets there.
    pub fn run_to(&mut self, address: u64) -> Result<()> {
        self.expect_ok(&format!("Z1,{address:x},1"))?;
        self.resume("c")?;
        self.expect_ok(&format!("z1,{address:x},1"))
    }

    /// Executes one instruction.
    ///
    /// # Errors
    /// When the machine does not stop again.
    pub fn step(&mut self) -> Result<()> {
        self.resume("s")
    }

    /// Lets the machine run on, for good.
    ///
    /// # Errors
    /// When the stream is broken.
    pub fn leave(mut self) -> Result<()> {
        self.expect_ok("D")
    }

    /// A register's value.
    ///
    /// # Errors
    /// When the stub does not know it.
    pub fn read(&mut self, register: Register) -> Result<u64> {
        self.send(&format!("p{:x}", register as u8))?;
        let digits = self.receive()?;
        let byte = |index: usize| u8::from_str_radix(digits.get(index..index + 2)?, 16).ok();
        let count = digits.len() / 2;
        ensure!((1..=8).contains(&count) && digits.len() == 2 * count, "the stub answered {digits:?} for {register:?}");
        let bytes = (0..count).rev().try_fold(0, |value, index| Some(value << 8 | u64::from(byte(index * 2)?)));
        bytes.with_context(|| format!("the stub answered {digits:?} for {register:?}"))
    }

    fn resume(&mut self, how: &str) -> Result<()> {
        self.send(how)?;
        let reason = self.receive()?;
        ensure!(reason.starts_with('T') || reason.starts_with('S'), "the machine stopped with {reason:?}");
        Ok(())
    }

    fn expect_ok(&mut self, request: &str) -> Result<()> {
        self.send(request)?;
        let answer = self.receive()?;
        ensure!(answer == "OK", "the stub answered {answer:?} to {request}");
        Ok(())
    }

    fn send(&mut self, text: &str) -> Result<()> {
        let sum = text.bytes().fold(0_u8, u8::wrapping_add);
        self.0.write_all(format!("${text}#{sum:02x}").as_bytes()).context("the machine is gone")
    }

    /// The next packet's text. The stream loses nothing, so sums are not checked.
    fn receive(&mut self) -> Result<String> {
        let mut text = Vec::new();
        while self.byte()? != b'$' {}
        loop {
            match self.byte()? {
                b'#' => break,
                byte => text.push(byte),
            }
            if text.len() > MOST_BYTES {
                bail!("the stub sends nonsense");
            }
        }
        self.byte()?;
        self.byte()?;
        self.0.write_all(b"+").context("the machine is gone")?;
        String::from_utf8(text).context("the stub sends nonsense")
    }

    fn byte(&mut self) -> Result<u8> {
        let mut byte = [0];
        self.0.read_exact(&mut byte).context("the machine is gone, or takes too long")?;
        Ok(byte[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stub that answers each packet with the next text.
    fn stub(answers: &'static [&'static str]) -> Debugger {
        let (ours, mut theirs) = UnixStream::pair().expect("sockets can be made");
        std::thread::spawn(move || {
            for answer in ["l<xi:include href=\"i386-64bit.xml\"/>"].iter().chain(answers) {
                let mut hashes = 0;
                let mut byte = [0];
                while hashes == 0 && theirs.read_exact(&mut byte).is_ok() {
                    hashes += usize::from(byte[0] == b'#');
                }
                let packet = format!("+${answer}#00");
                theirs.write_all(packet.as_bytes()).expect("the debugger listens");
            }
            // Stays until the debugger leaves.
            while theirs.read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
        });
        Debugger::new(ours).expect("the stream works")
    }

    #[test]
    fn registers_are_little_endian() {
        let mut debugger = stub(&["7856341200000000", "3300", "E14", "zz"]);
        assert_eq!(debugger.read(Register::Rip).ok(), Some(0x1234_5678));
        assert_eq!(debugger.read(Register::Cs).ok(), Some(0x33));
        assert!(debugger.read(Register::Cr3).is_err());
        assert!(debugger.read(Register::Cr3).is_err());
    }

    #[test]
    fn refusals_and_ends_are_errors() {
        assert!(stub(&["OK", "T05thread:01;", "OK"]).run_to(0x1000).is_ok());
        assert!(stub(&["E22"]).run_to(0x1000).is_err());
        assert!(stub(&["W00"]).step().is_err());
    }
}
