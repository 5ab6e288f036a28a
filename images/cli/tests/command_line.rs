//! The tool as it is called, where nothing has to be built or booted.

use std::process::{Command, Output, Stdio};

fn tool(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_banyan"));
    command.args(words).stdin(Stdio::null());
    command
}

fn output(words: &[&str]) -> Output {
    tool(words).output().expect("the tool was just built")
}

fn complaint(words: &[&str], status: i32) -> String {
    let output = output(words);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(status), "{words:?}: {text}");
    text
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let (reader, writer) = std::io::pipe().expect("there are pipes");
    drop(reader);
    let output = tool(&["demo", "--list"]).stdout(writer).output().expect("the tool was just built");
    assert_eq!(output.status.code(), Some(141));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn a_wrong_name_is_answered_with_the_right_ones() {
    assert!(complaint(&["demo", "nothing"], 125).contains("ipc, syscall, crash, migrate, trust"));
    assert!(complaint(&["report", "--out", "/proc", "--only", "nothing"], 125).contains("trust, ipc"));
    assert!(complaint(&["check", "--part", "nothing"], 125).contains("power cuts"));
    assert!(complaint(&["run", "--place", "fs=here"], 2).contains("personality, native"));
    assert!(complaint(&["ctl", "--instance", "1", "services"], 125).contains("with the number 1; running: "));
}

#[test]
fn only_the_kernels_figures_are_kept() {
    // What would be measured with `bench kernel` has to stay as it is.
    assert!(complaint(&["bench", "io", "--save"], 125).contains("bench kernel"));
}
