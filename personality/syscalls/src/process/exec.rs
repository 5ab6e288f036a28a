//! execve, execveat.

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use elf_loader::{MAX_STRING_BYTES, check_argument_bytes};
use guest_memory::{UserAddr, read_c_string, read_value};
use linux_abi::raw::general as raw;
use linux_abi::{Errno, Result};
use task::{ExecRequest, Task, execute};
use vfs::{OpenFile, WalkFlags};

use crate::fs::{Actor, only_flags, read_path};
use crate::{Args, SysResult};

/// execve(2)
pub fn sys_execve(task: &Task, args: &Args) -> SysResult {
    let path = read_path(args.addr(0))?;
    let file = {
        let actor = Actor::of(task);
        actor.caller().open_program(None, &path, WalkFlags::FOLLOW)?
    };
    run(task, path, file, args.addr(1), args.addr(2))
}

/// execveat(2)
pub fn sys_execveat(task: &Task, args: &Args) -> SysResult {
    let (directory, flags) = (args.int(0), args.uint(4));
    only_flags(flags, raw::AT_EMPTY_PATH | raw::AT_SYMLINK_NOFOLLOW)?;
    let text = read_path(args.addr(1))?;
    let file = {
        let actor = Actor::of(task);
        if text.is_empty() && flags & raw::AT_EMPTY_PATH != 0 {
            actor.caller().open_program_at(actor.path_at(directory, args.addr(1), flags)?)?
        } else {
            let follow = if flags & raw::AT_SYMLINK_NOFOLLOW == 0 { WalkFlags::FOLLOW } else { WalkFlags::empty() };
            let base = actor.base(directory, &text)?;
            actor.caller().open_program(base.as_ref(), &text, follow)?
        }
    };
    let path = named(directory, text);
    run(task, path, file, args.addr(2), args.addr(3))
}

/// What a script's interpreter is told (execveat(2), "NOTES").
fn named(directory: i32, text: Vec<u8>) -> Vec<u8> {
    if directory == raw::AT_FDCWD || text.first() == Some(&b'/') {
        return text;
    }
    let mut path = format!("/dev/fd/{directory}").into_bytes();
    if !text.is_empty() {
        path.push(b'/');
        path.extend(text);
    }
    path
}

fn run(task: &Task, path: Vec<u8>, file: Arc<OpenFile>, argv: UserAddr, envp: UserAddr) -> SysResult {
    let mut budget = Budget { strings: 0, bytes: path.len() + 1, stack_limit: task.soft_limit(raw::RLIMIT_STACK) };
    let mut arguments = budget.read_list(argv)?;
    let environment = budget.read_list(envp)?;
    if arguments.is_empty() {
        // As Linux does since 5.18: programs count on their name being there.
        arguments.push(Vec::new());
    }
    execute(task, ExecRequest { path, file, arguments, environment })?;
    Ok(0)
}

/// How much the strings take together.
struct Budget {
    strings: usize,
    bytes: usize,
    stack_limit: u64,
}

impl Budget {
    /// Reads strings by a list of pointers to them that ends with a null pointer.
    fn read_list(&mut self, list: UserAddr) -> Result<Vec<Vec<u8>>> {
        let mut strings = Vec::new();
        if list.is_null() {
            return Ok(strings);
        }
        let mut place = list;
        loop {
            let pointer = UserAddr::new(read_value(place)?);
            if pointer.is_null() {
                return Ok(strings);
            }
            let string = read_c_string(pointer, MAX_STRING_BYTES - 1).map_err(|error| match error {
                Errno::ENAMETOOLONG => Errno::E2BIG,
                other => other,
            })?;
            self.strings += 1;
            self.bytes += string.len() + 1;
            check_argument_bytes(self.strings, self.bytes, self.stack_limit)?;
            strings.push(string);
            place = place.checked_add(8).ok_or(Errno::EFAULT)?;
        }
    }
}
