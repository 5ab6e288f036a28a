//! Mapping a prepared program into a fresh address space.

use alloc::sync::Arc;

use guest_memory::{PAGE_BYTES, USER_END, UserAddr};
use linux_abi::{Errno, Result};
use mm::{AddressSpace, MMAP_MIN_ADDRESS, MapRequest, MappedObject, Placement, Protection, Regions, STACK_TOP};

use crate::prepare::{ImageFile, Prepared};
use crate::program::{Program, ProgramKind, Segment, page_up};
use crate::stack::{self, ProgramFacts, StackContents};

/// Where a relocatable program goes: two thirds of the address space, as Linux does without randomisation.
const RELOCATABLE_BASE: u64 = 0x5555_5555_4000;
/// Stack that is mapped at the start; the rest comes by growth.
const INITIAL_STACK_BYTES: u64 = 132 << 10;

/// Where a loaded program starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// First instruction.
    pub instruction: UserAddr,
    /// Stack pointer.
    pub stack: UserAddr,
}

/// Loads a program into the empty address space `space` and builds its stack.
///
/// # Errors
/// `ENOMEM`, `E2BIG`, `EINVAL` for addresses that a program cannot have, and what reading the file reports. The address
/// space is of no use afterwards.
pub fn load<F: ImageFile>(space: &AddressSpace, prepared: &Prepared<F>, contents: &StackContents<'_>) -> Result<Entry> {
    let program = &prepared.program;
    let bias = match program.kind {
        ProgramKind::Fixed => 0,
        ProgramKind::Relocatable => {
            let (start, _) = program.extent();
            (RELOCATABLE_BASE & !(program.alignment - 1)).checked_sub(start).ok_or(Errno::EINVAL)?
        }
    };
    let object = prepared.file.object()?;
    map_program(space, program, &object, bias)?;
    let entry = program.entry.wrapping_add(bias);
    let (instruction, interpreter_base) = match &prepared.interpreter {
        None => (entry, 0),
        Some((file, interpreter)) => load_interpreter(space, interpreter, &file.object()?)?,
    };
    let (_, end) = program.extent();
    space.set_brk_start(end + bias);
    map_stack(space, program)?;
    let facts = ProgramFacts {
        headers_address: if program.headers_address == 0 { 0 } else { program.headers_address.wrapping_add(bias) },
        header_count: program.header_count,
        interpreter_base,
        entry,
    };
    let stack = stack::build(space, contents, &prepared.arguments, &prepared.executed_path, &facts)?;
    space.set_regions(Regions { stack_start: stack.pointer, ..regions(program, bias, &stack) });
    Ok(Entry { instruction: UserAddr(instruction), stack: UserAddr(stack.pointer) })
}

/// Maps the interpreter where there is room; its entry point and base.
fn load_interpreter(space: &AddressSpace, program: &Program, object: &Arc<MappedObject>) -> Result<(u64, u64)> {
    let (start, end) = program.extent();
    let bias = match program.kind {
        ProgramKind::Fixed => 0,
        ProgramKind::Relocatable => {
            let mut room = MapRequest::anonymous(Placement::Near(0), end - start, Protection::NONE);
            room.no_reserve = true;
            let addr = space.map(&room)?;
            space.unmap(addr, end - start)?;
            addr.wrapping_sub(start)
        }
    };
    map_program(space, program, object, bias)?;
    Ok((program.entry.wrapping_add(bias), start.wrapping_add(bias)))
}

/// Maps all segments, moved by `bias`.
fn map_program(space: &AddressSpace, program: &Program, object: &Arc<MappedObject>, bias: u64) -> Result<()> {
    for segment in &program.segments {
        let address = segment.address.wrapping_add(bias);
        if address.checked_add(segment.memory_bytes).is_none_or(|end| end > USER_END) {
            return Err(Errno::ENOMEM);
        }
        if address < MMAP_MIN_ADDRESS {
            return Err(Errno::EPERM);
        }
        map_segment(space, &Segment { address, ..*segment }, object)?;
    }
    Ok(())
}

fn map_segment(space: &AddressSpace, segment: &Segment, object: &Arc<MappedObject>) -> Result<()> {
    let start = segment.start();
    let file_pages_end = if segment.file_bytes == 0 { start } else { page_up(segment.file_end()) };
    if segment.file_bytes > 0 {
        let first_page = segment.offset / PAGE_BYTES;
        let bytes = file_pages_end - start;
        let placement = Placement::FixedIfFree(start);
        let request = MapRequest::private_object(placement, bytes, segment.protection, object.clone(), first_page);
        space.map(&request).map_err(no_room)?;
        // What follows in the last page is not the program's; where the program can write, it expects zeros.
        if segment.memory_bytes > segment.file_bytes && segment.protection.contains(Protection::WRITE) {
            clear(space, segment.file_end(), file_pages_end)?;
        }
    }
    if segment.page_end() > file_pages_end {
        let bytes = segment.page_end() - file_pages_end;
        let request = MapRequest::anonymous(Placement::FixedIfFree(file_pages_end), bytes, segment.protection);
        space.map(&request).map_err(no_room)?;
    }
    Ok(())
}

/// `execve` reports segments in one another's way as lack of memory.
fn no_room(error: Errno) -> Errno {
    if error == Errno::EEXIST { Errno::ENOMEM } else { error }
}

/// Writes zeros up to a page's end.
fn clear(space: &AddressSpace, start: u64, end: u64) -> Result<()> {
    const ZEROS: [u8; PAGE_BYTES as usize] = [0; PAGE_BYTES as usize];
    let zeros = ZEROS.get(..(end - start) as usize).unwrap_or(&ZEROS);
    if space.write(start, zeros) == zeros.len() { Ok(()) } else { Err(Errno::EFAULT) }
}

fn map_stack(space: &AddressSpace, program: &Program) -> Result<()> {
    let execute = if program.executable_stack { Protection::EXECUTE } else { Protection::NONE };
    let start = STACK_TOP - INITIAL_STACK_BYTES;
    let protection = Protection::READ_WRITE.or(execute);
    let mut request = MapRequest::anonymous(Placement::FixedIfFree(start), INITIAL_STACK_BYTES, protection);
    request.grows_down = true;
    space.map(&request).map_err(no_room).map(drop)
}

/// What `/proc/PID/stat` says about the program.
fn regions(program: &Program, bias: u64, stack: &stack::Built) -> Regions {
    let code = program.segments.iter().filter(|segment| segment.protection.contains(Protection::EXECUTE));
    let data = program.segments.iter().rfind(|segment| segment.protection.contains(Protection::WRITE));
    let (code_start, code_end) = code.fold((u64::MAX, 0), |(start, end), segment| {
        (start.min(segment.address + bias), end.max(segment.file_end() + bias))
    });
    Regions {
        code_start: if code_end == 0 { 0 } else { code_start },
        code_end,
        data_start: data.map_or(0, |segment| segment.address + bias),
        data_end: data.map_or(0, |segment| segment.file_end() + bias),
        stack_start: stack.pointer,
        arg_start: stack.arg_start,
        arg_end: stack.arg_end,
        env_start: stack.arg_end,
        env_end: stack.env_end,
    }
}
