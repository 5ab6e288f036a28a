//! Commands that must give on Banyan what they give on Linux: status, standard output and standard error.
//!
//! Each runs in an empty folder of its own below `/tmp` and prints nothing that depends on time, process ids or order
//! of execution. A test's name is the applet or feature, then what is shown.

mod abi;
mod archives;
mod files;
mod processes;
mod shell;
mod sockets;
mod system;
mod text;

/// One command.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Unique name.
    pub name: &'static str,
    /// For `sh -c`.
    pub command: &'static str,
    /// Standard input.
    pub input: &'static str,
}

/// A case without input.
const fn case(name: &'static str, command: &'static str) -> Case {
    Case { name, command, input: "" }
}

/// A case with input.
const fn with_input(name: &'static str, command: &'static str, input: &'static str) -> Case {
    Case { name, command, input }
}

/// All of them.
pub fn all() -> impl Iterator<Item = Case> {
    let families = [
        shell::CASES,
        files::CASES,
        text::CASES,
        archives::CASES,
        processes::CASES,
        system::CASES,
        abi::CASES,
        sockets::CASES,
    ];
    families.into_iter().flatten().copied()
}

/// Whether a case is worth running under each trap mechanism: processes, memory, signals, threads, faults.
#[must_use]
pub fn is_about_traps(case: &Case) -> bool {
    [processes::CASES, abi::CASES].into_iter().flatten().any(|other| other.name == case.name)
}

/// Whether a case is worth running on several processors: processes, threads, memory, signals, pipes, sockets. Linux has one when it
/// is asked, so nobody may count them.
#[must_use]
pub fn is_about_concurrency(case: &Case) -> bool {
    let family = is_about_traps(case) || sockets::CASES.iter().any(|other| other.name == case.name);
    family && !case.command.contains("taskset")
}

impl Case {
    /// The command line with its folder around it.
    #[must_use]
    pub fn command_line(&self) -> String {
        let folder = self.name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        format!(
            "umask 022; rm -rf /tmp/{folder}; mkdir -p /tmp/{folder}; cd /tmp/{folder} || exit 99\n{}",
            self.command
        )
    }
}

#[cfg(test)]
mod tests {
    use super::all;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique() {
        let mut seen = HashSet::new();
        assert!(all().all(|case| seen.insert(case.name)));
    }
}
