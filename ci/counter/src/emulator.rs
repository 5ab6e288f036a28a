//! The part of QEMU's interface for plugins that is used here (version 1; `qemu-plugin.h`, "TCG Plugins" in its manual).

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::ptr;

use crate::{COUNT, MARK, marked, start};

/// A block that is being translated.
#[repr(C)]
pub struct Block {
    _opaque: [u8; 0],
}

/// One of its instructions.
#[repr(C)]
pub struct Instruction {
    _opaque: [u8; 0],
}

/// `QEMU_PLUGIN_INLINE_ADD_U64`.
const ADD: c_int = 0;
/// `QEMU_PLUGIN_CB_NO_REGS`.
const NO_REGISTERS: c_int = 0;

// SAFETY: names and types are those of the emulator that loads this.
unsafe extern "C" {
    fn qemu_plugin_register_vcpu_tb_trans_cb(id: u64, translated: extern "C" fn(u64, *mut Block));
    fn qemu_plugin_register_vcpu_tb_exec_inline(block: *mut Block, operation: c_int, to: *mut c_void, add: u64);
    fn qemu_plugin_register_vcpu_insn_exec_cb(
        instruction: *mut Instruction,
        executed: extern "C" fn(c_uint, *mut c_void),
        flags: c_int,
        data: *mut c_void,
    );
    fn qemu_plugin_tb_n_insns(block: *const Block) -> usize;
    fn qemu_plugin_tb_get_insn(block: *const Block, index: usize) -> *mut Instruction;
    fn qemu_plugin_insn_data(instruction: *const Instruction) -> *const u8;
    fn qemu_plugin_insn_size(instruction: *const Instruction) -> usize;
}

/// The interface's version that this is written for.
// SAFETY: the emulator looks for exactly this name.
#[unsafe(no_mangle)]
pub static qemu_plugin_version: c_int = 1;

/// Called by the emulator when it has loaded this; other than 0 is an error.
// SAFETY: the emulator looks for exactly this name.
#[unsafe(no_mangle)]
pub extern "C" fn qemu_plugin_install(
    id: u64,
    _emulator: *const c_void,
    count: c_int,
    values: *const *const c_char,
) -> c_int {
    let count = usize::try_from(count).unwrap_or(0);
    // SAFETY: the emulator passes that many pointers.
    let values = if count > 0 { unsafe { std::slice::from_raw_parts(values, count) } } else { &[] };
    // SAFETY: each is to a string that ends with a zero.
    let text = |value: &*const c_char| unsafe { CStr::from_ptr(*value) }.to_string_lossy().into_owned();
    let arguments: Vec<_> = values.iter().map(text).collect();
    if let Err(problem) = start(&arguments) {
        eprintln!("counter: {problem}");
        return 1;
    }
    // SAFETY: the function lives as long as the emulator.
    unsafe { qemu_plugin_register_vcpu_tb_trans_cb(id, translated) };
    0
}

extern "C" fn translated(_id: u64, block: *mut Block) {
    // SAFETY: the block is valid during this call, here and below.
    let count = unsafe { qemu_plugin_tb_n_insns(block) };
    // SAFETY: the counter lives as long as the emulator.
    unsafe { qemu_plugin_register_vcpu_tb_exec_inline(block, ADD, COUNT.as_ptr().cast(), count as u64) };
    for index in 0..count {
        // SAFETY: it has that many instructions.
        let instruction = unsafe { qemu_plugin_tb_get_insn(block, index) };
        if bytes_of(instruction) == MARK {
            // SAFETY: the instruction is valid, the function lives as long as the emulator.
            unsafe { qemu_plugin_register_vcpu_insn_exec_cb(instruction, executed, NO_REGISTERS, ptr::null_mut()) };
        }
    }
}

fn bytes_of<'a>(instruction: *const Instruction) -> &'a [u8] {
    // SAFETY: the instruction is valid while its block is translated.
    let bytes = unsafe { qemu_plugin_insn_data(instruction) };
    // SAFETY: as above.
    let count = unsafe { qemu_plugin_insn_size(instruction) };
    // SAFETY: so many bytes are there, for as long; the caller compares them at once.
    unsafe { std::slice::from_raw_parts(bytes, count) }
}

extern "C" fn executed(_processor: c_uint, _data: *mut c_void) {
    marked();
}
