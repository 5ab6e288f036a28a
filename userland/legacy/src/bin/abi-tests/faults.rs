//! What the processor refuses becomes the right signal, and wild pointers given to the kernel become errors.

use legacy_programs::{faults, sys};

use crate::{Outcome, Tests, report_end};

pub const TESTS: Tests = &[
    ("faulting-instructions", faulting_instructions),
    ("wild-addresses", wild_addresses),
    ("wild-pointers-to-the-kernel", wild_pointers),
    ("unknown-system-calls", unknown_calls),
    ("stack-overflow", stack_overflow),
    ("old-system-call", old_system_call),
];

fn faulting_instructions() -> Outcome {
    report_end("division by zero", faults::divide_by_zero)?;
    report_end("undefined instruction", faults::undefined)?;
    report_end("breakpoint", faults::breakpoint)?;
    report_end("halt", faults::halt)?;
    report_end("interrupts off", faults::disable_interrupts)?;
    report_end("port", faults::write_port)?;
    report_end("read CR3", faults::read_control_register)?;
    report_end("write CR3", faults::write_control_register)?;
    report_end("read MSR", faults::read_model_register)?;
    report_end("lidt", faults::load_interrupt_table)?;
    report_end("software interrupt", faults::software_interrupt)
}

fn wild_addresses() -> Outcome {
    for address in [0, 8, 0x7fff_ffff_f000, 0x8000_0000_0000, 0xffff_8000_0000_0000, 0xffff_ffff_8000_0000, u64::MAX] {
        report_end(&format!("read {address:#x}"), || faults::read_at(address))?;
        report_end(&format!("write {address:#x}"), || faults::write_at(address))?;
        report_end(&format!("jump {address:#x}"), || faults::jump_to(address))?;
    }
    report_end("stack pointer 0", faults::lose_stack)
}

fn wild_pointers() -> Outcome {
    let (zero, null) = (std::fs::File::open("/dev/zero")?, std::fs::OpenOptions::new().write(true).open("/dev/null")?);
    let (_reader, pipe) = std::io::pipe()?;
    let fd = |file: &dyn std::os::fd::AsRawFd| file.as_raw_fd() as u64;
    for address in [0, 1, 0x7fff_ffff_f000, 0x8000_0000_0000, 0xffff_8000_0000_0000, u64::MAX - 7] {
        let call = |number: i64, arguments| sys::raw_call(number as u64, arguments);
        let results = [
            call(libc::SYS_read, [fd(&zero), address, 16, 0, 0, 0]),
            call(libc::SYS_write, [fd(&pipe), address, 16, 0, 0, 0]),
            call(libc::SYS_writev, [fd(&null), address, 2, 0, 0, 0]),
            call(libc::SYS_open, [address, 0, 0, 0, 0, 0]),
            call(libc::SYS_stat, [address, address, 0, 0, 0, 0]),
            call(libc::SYS_pipe, [address, 0, 0, 0, 0, 0]),
            call(libc::SYS_uname, [address, 0, 0, 0, 0, 0]),
            call(libc::SYS_rt_sigaction, [10, address | 1, 0, 8, 0, 0]),
            call(libc::SYS_execve, [address, 0, 0, 0, 0, 0]),
            call(libc::SYS_poll, [address, 1, 0, 0, 0, 0]),
            call(libc::SYS_nanosleep, [address, 0, 0, 0, 0, 0]),
        ];
        println!("{address:#x}: {results:?}");
    }
    Ok(())
}

fn unknown_calls() -> Outcome {
    for number in [600, 1000, 0x7fff_ffff, 0xffff_ffff, u64::MAX] {
        println!("{number:#x}: {}", sys::raw_call(number, [0; 6]));
    }
    Ok(())
}

fn stack_overflow() -> Outcome {
    report_end("endless recursion", || {
        // Without the handler of Rust's runtime.
        drop(sys::default_signal(libc::SIGSEGV));
        std::hint::black_box(faults::recurse_forever(0));
    })
}

/// Whatever the system makes of `int 0x80`, it makes the same every time and the process may die of it.
fn old_system_call() -> Outcome {
    let pid = sys::spawn(|| {
        std::hint::black_box(faults::old_system_call());
        0
    })?;
    sys::wait(pid, 0)?;
    println!("survived by the parent");
    Ok(())
}
