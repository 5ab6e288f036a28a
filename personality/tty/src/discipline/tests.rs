//! Feeds bytes, expects echo and what reads return. The differential test in `tests/linux.rs` compares with a real
//! Linux terminal; these name the behaviours.

use super::*;
use proptest::prelude::*;
use std::string::String;
use std::vec;

fn discipline() -> LineDiscipline {
    LineDiscipline::new(Termios::standard())
}

fn with(change: impl FnOnce(&mut Termios)) -> LineDiscipline {
    let mut termios = Termios::standard();
    change(&mut termios);
    LineDiscipline::new(termios)
}

fn echo_of(discipline: &mut LineDiscipline, bytes: &[u8]) -> String {
    let mut effects = Effects::default();
    assert_eq!(discipline.receive(bytes, &mut effects), bytes.len());
    String::from_utf8_lossy(&effects.echo).into_owned()
}

fn read(discipline: &mut LineDiscipline) -> Vec<u8> {
    let mut buffer = vec![0; 8192];
    let count = discipline.take(&mut buffer);
    buffer.truncate(count);
    buffer
}

#[test]
fn a_line_is_readable_when_it_ends() {
    let mut tty = discipline();
    assert_eq!(echo_of(&mut tty, b"hi"), "hi");
    assert!(!tty.is_readable());
    assert_eq!(echo_of(&mut tty, b"\r"), "\r\n");
    assert!(tty.is_readable());
    assert_eq!(read(&mut tty), b"hi\n");
    assert!(!tty.is_readable());
}

#[test]
fn reads_return_one_line_each_and_long_lines_in_parts() {
    let mut tty = discipline();
    echo_of(&mut tty, b"abcdef\nx\n");
    let mut part = [0; 4];
    assert_eq!(tty.take(&mut part), 4);
    assert_eq!(read(&mut tty), b"ef\n");
    assert_eq!(read(&mut tty), b"x\n");
}

#[test]
fn erase_word_erase_and_kill_rub_out_what_they_remove() {
    let mut tty = discipline();
    assert_eq!(echo_of(&mut tty, b"ab\x7f"), "ab\x08 \x08");
    assert_eq!(echo_of(&mut tty, b" foo_1 \x17"), " foo_1 \x08 \x08\x08 \x08\x08 \x08\x08 \x08\x08 \x08\x08 \x08");
    assert_eq!(echo_of(&mut tty, b"\x15"), "\x08 \x08\x08 \x08");
    assert_eq!(echo_of(&mut tty, b"\x7f"), "");
    echo_of(&mut tty, b"\n");
    assert_eq!(read(&mut tty), b"\n");
}

#[test]
fn erasing_a_tab_returns_to_the_column_before_it() {
    let mut tty = discipline();
    let mut prompt = Vec::new();
    tty.process_output(b"$ ", &mut prompt);
    assert_eq!(echo_of(&mut tty, b"a\t\x7f"), "a\t\x08\x08\x08\x08\x08");
}

#[test]
fn utf8_characters_are_erased_whole() {
    let mut tty = with(|termios| termios.c_iflag |= linux::IUTF8);
    assert_eq!(echo_of(&mut tty, "é\x7fx\n".as_bytes()), "é\x08 \x08x\r\n");
    assert_eq!(read(&mut tty), b"x\n");
}

#[test]
fn literal_next_takes_control_characters_as_data() {
    let mut tty = discipline();
    assert_eq!(echo_of(&mut tty, b"\x16\x03\n"), "^\x08^C\r\n");
    assert_eq!(read(&mut tty), b"\x03\n");
}

#[test]
fn end_of_file_ends_a_line_without_a_byte() {
    let mut tty = discipline();
    assert_eq!(echo_of(&mut tty, b"ab\x04\x04"), "ab");
    assert_eq!(read(&mut tty), b"ab");
    assert!(tty.is_readable());
    assert_eq!(read(&mut tty), b"");
    assert!(!tty.is_readable());
}

#[test]
fn an_end_of_file_after_a_filled_buffer_is_swallowed() {
    let mut tty = discipline();
    echo_of(&mut tty, b"abc\x04");
    assert_eq!(tty.take(&mut [0; 3]), 3);
    // The mark goes with the data when the buffer is filled exactly.
    assert!(!tty.is_readable());
}

#[test]
fn signals_flush_unless_noflsh() {
    let mut tty = discipline();
    let mut effects = Effects::default();
    tty.receive(b"abc\x03", &mut effects);
    assert_eq!(effects.signals, [Signal::Interrupt]);
    assert!(effects.flush_output);
    assert_eq!(effects.echo, b"^C");
    echo_of(&mut tty, b"\n");
    assert_eq!(read(&mut tty), b"\n");

    let mut keeping = with(|termios| termios.c_lflag |= linux::NOFLSH);
    let mut effects = Effects::default();
    keeping.receive(b"abc\x1a\x1c\n", &mut effects);
    assert_eq!(effects.signals, [Signal::Suspend, Signal::Quit]);
    assert!(!effects.flush_output);
    assert_eq!(read(&mut keeping), b"abc\n");
}

#[test]
fn stop_and_start_hold_output() {
    let mut tty = discipline();
    echo_of(&mut tty, b"\x13");
    assert!(tty.is_stopped());
    echo_of(&mut tty, b"a");
    assert!(tty.is_stopped());
    echo_of(&mut tty, b"\x11");
    assert!(!tty.is_stopped());
    let mut any = with(|termios| termios.c_iflag |= linux::IXANY);
    echo_of(&mut any, b"\x13a");
    assert!(!any.is_stopped());
}

#[test]
fn raw_mode_passes_bytes_and_tells_how_to_wait() {
    let mut tty = with(|termios| {
        termios.c_lflag = 0;
        termios.c_iflag = 0;
        termios.c_cc[linux::VMIN as usize] = 3;
        termios.c_cc[linux::VTIME as usize] = 0;
    });
    assert_eq!(echo_of(&mut tty, b"\x03\r"), "");
    assert!(tty.is_readable() && !tty.polls_readable());
    echo_of(&mut tty, b"\x04");
    assert!(tty.polls_readable());
    assert_eq!(tty.wanted(), Wanted { minimum: 3, first_timeout_ds: None, gap_timeout_ds: None });
    assert_eq!(read(&mut tty), b"\x03\r\x04");
}

#[test]
fn switching_modes_keeps_what_was_typed() {
    let mut tty = discipline();
    echo_of(&mut tty, b"half");
    let mut raw = *tty.termios();
    raw.c_lflag &= !linux::ICANON;
    tty.set_termios(raw, &mut Effects::default());
    assert!(tty.is_readable());
    tty.set_termios(Termios::standard(), &mut Effects::default());
    assert_eq!(read(&mut tty), b"half");
}

#[test]
fn an_overlong_line_can_still_be_ended() {
    let mut tty = discipline();
    let mut effects = Effects::default();
    assert_eq!(tty.receive(&vec![b'x'; 10_000], &mut effects), 10_000);
    assert_eq!(tty.receive(b"\n", &mut effects), 1);
    let line = read(&mut tty);
    assert!(line.len() >= 4093 && line.len() < BUFFER_BYTES && line.ends_with(b"x\n"));
}

#[test]
fn unread_lines_stop_the_input() {
    let mut tty = discipline();
    let mut effects = Effects::default();
    assert!(tty.receive("0123456\n".repeat(1000).as_bytes(), &mut effects) < BUFFER_BYTES);
}

#[test]
fn output_processing_follows_the_settings() {
    let cases: [(u32, &[u8], &[u8]); 6] = [
        (linux::OPOST | linux::ONLCR, b"a\nb", b"a\r\nb"),
        (0, b"a\nb\t", b"a\nb\t"),
        (linux::OPOST | linux::OCRNL, b"a\rb", b"a\nb"),
        (linux::OPOST | linux::ONOCR, b"\ra\r\r", b"a\r"),
        (linux::OPOST | linux::OLCUC, b"aZ", b"AZ"),
        (linux::OPOST | linux::XTABS, b"ab\tc", b"ab      c"),
    ];
    for (flags, given, expected) in cases {
        let mut tty = with(|termios| termios.c_oflag = flags);
        let mut out = Vec::new();
        tty.process_output(given, &mut out);
        assert_eq!(out, expected);
    }
}

proptest! {
    #[test]
    fn no_bytes_and_no_settings_break_the_invariants(
        flags in any::<[u32; 4]>(), characters in any::<[u8; 19]>(), chunks in any::<Vec<(Vec<u8>, bool, u8)>>(),
    ) {
        let mut termios = Termios::standard();
        [termios.c_iflag, termios.c_oflag, termios.c_cflag, termios.c_lflag] = flags;
        termios.c_cc = characters;
        let mut tty = discipline();
        for (chunk, switch, size) in chunks {
            let mut effects = Effects::default();
            let taken = tty.receive(&chunk, &mut effects);
            prop_assert!(taken <= chunk.len());
            prop_assert!(tty.committed <= tty.buffer.len() && tty.buffer.len() < BUFFER_BYTES);
            let mut out = Vec::new();
            tty.process_output(&chunk, &mut out);
            if switch {
                tty.set_termios(termios, &mut effects);
            }
            let before = tty.available();
            let count = tty.take(&mut vec![0; usize::from(size)]);
            prop_assert!(count <= before.max(tty.buffer.len() + count));
            prop_assert!(tty.committed <= tty.buffer.len());
        }
    }
}
