//! `--strace` against what strace 6.1 printed on Linux for the same programs.
//!
//! Linux's lines were written down once, since a Linux to ask has no strace at hand. In them a `*` is what differs from run to
//! run: ports, process numbers, addresses, and what a register happened to hold.

use anyhow::{Result, ensure};
use libtest_mimic::Trial;

use crate::{shared, tool, trial};

/// The tests.
pub fn tests() -> Vec<Trial> {
    vec![trial("strace: calls look as strace shows them on Linux", calls)]
}

/// Calls of `abi-tests tcp-and-epoll`.
const TCP_AND_EPOLL: &str = r#"
epoll_create1(EPOLL_CLOEXEC)            = 3
socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_IP) = 4
setsockopt(4, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0
bind(4, {sa_family=AF_INET, sin_port=htons(0), sin_addr=inet_addr("127.0.0.1")}, 16) = 0
listen(4, 128)                          = 0
getsockname(4, {sa_family=AF_INET, sin_port=htons(*), sin_addr=inet_addr("127.0.0.1")}, [128 => 16]) = 0
epoll_ctl(3, EPOLL_CTL_ADD, 4, {events=EPOLLIN, data={u32=1, u64=1}}) = 0
epoll_pwait(3, [], 8, 0, NULL, *) = 0
socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_IP) = 5
connect(5, {sa_family=AF_INET, sin_port=htons(*), sin_addr=inet_addr("127.0.0.1")}, 16) = 0
epoll_pwait(3, [{events=EPOLLIN, data={u32=1, u64=1}}], 8, 0, NULL, *) = 1
accept4(4, {sa_family=AF_INET, sin_port=htons(*), sin_addr=inet_addr("127.0.0.1")}, [128 => 16], SOCK_CLOEXEC) = 6
epoll_ctl(3, EPOLL_CTL_ADD, 6, {events=EPOLLIN|EPOLLRDHUP|EPOLLET, data={u32=2, u64=2}}) = 0
sendto(5, "one", 3, MSG_NOSIGNAL, NULL, 0) = 3
sendto(5, "two", 3, MSG_NOSIGNAL, NULL, 0) = 3
recvfrom(6, "onetwo", 9, 0, NULL, NULL) = 6
epoll_pwait(3, [{events=EPOLLIN|EPOLLRDHUP, data={u32=2, u64=2}}], 8, 0, NULL, *) = 1
socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 5
epoll_ctl(3, EPOLL_CTL_ADD, 5, {events=EPOLLIN|EPOLLOUT, data={u32=3, u64=3}}) = 0
epoll_pwait(3, [{events=EPOLLOUT|EPOLLHUP, data={u32=3, u64=3}}], 8, 0, NULL, *) = 1
write(1, "connected [(1, 1), (3, 4)]\n", 27) = 27
"#;

/// Calls of `abi-tests socket-credentials`.
const CREDENTIALS: &str = r#"
socketpair(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK, 0, [3, 4]) = 0
getsockopt(3, SOL_SOCKET, SO_PEERCRED, {pid=*, uid=0, gid=0}, [12]) = 0
setsockopt(4, SOL_SOCKET, SO_PASSCRED, [1], 4) = 0
sendto(3, "parent", 6, 0, NULL, 0)      = 6
recvmsg(4, {msg_name=*, msg_namelen=128 => 0, msg_iov=[{iov_base="child", iov_len=32}], msg_iovlen=1, msg_control=[{cmsg_len=28, cmsg_level=SOL_SOCKET, cmsg_type=SCM_CREDENTIALS, cmsg_data={pid=*, uid=7, gid=7}}], msg_controllen=32, msg_flags=0}, 0) = 5
bind(5, {sa_family=AF_UNIX, sun_path="door"}, 7) = 0
listen(5, -1)                           = 0
connect(6, {sa_family=AF_UNIX, sun_path="door"}, 7) = 0
accept4(5, {sa_family=AF_UNIX}, [110 => 2], SOCK_CLOEXEC) = 7
getsockopt(6, SOL_SOCKET, SO_PEERCRED, {pid=*, uid=0, gid=0}, [12]) = 0
"#;

fn calls() -> Result<()> {
    let root = shared::prepared()?.root.display().to_string();
    let command = "cd /tmp; /tests/abi-tests tcp-and-epoll && /tests/abi-tests socket-credentials";
    let output = tool::run(&["run", "--root", &root, "--strace", "--exec", command], b"")?;
    let trace = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}\n{trace}", output.status);
    let mut lines = trace.lines();
    for expected in [TCP_AND_EPOLL, CREDENTIALS].iter().flat_map(|lines| lines.trim().lines()) {
        ensure!(
            lines.any(|line| matches(&bare(expected), &bare(line))),
            "after the lines before it there is no\n{expected}\nin the trace\n{trace}"
        );
    }
    Ok(())
}

/// A line without `[pid N] `, which is there as long as there are several processes, and without the spaces that align
/// results.
fn bare(line: &str) -> String {
    let call = line.strip_prefix("[pid ").and_then(|rest| rest.split_once("] ")).map_or(line, |(_, call)| call);
    call.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Tells whether the line is the pattern with something else for each `*`.
fn matches(pattern: &str, line: &str) -> bool {
    let Some((start, pattern)) = pattern.split_once('*') else { return pattern == line };
    let Some(rest) = line.strip_prefix(start) else { return false };
    (0..=rest.len()).filter_map(|skipped| rest.get(skipped..)).any(|rest| matches(pattern, rest))
}

#[cfg(test)]
mod tests {
    use super::{bare, matches};

    #[test]
    fn a_star_is_anything_and_the_rest_is_exact() {
        assert!(matches("a(*, [*]) = *", "a(7, [b]) = 12"));
        assert!(matches("a() = 0", "a() = 0"));
        for line in ["a(7, [b]) = 0 more", "a(7, [b] = 0", "b(7, [b]) = 0", ""] {
            assert!(!matches("a(*, [*]) = 0", line), "{line}");
        }
        assert_eq!(bare("[pid     3] a()     = 0"), "a() = 0");
        assert_eq!(bare("a([pid]) = 0"), "a([pid]) = 0");
    }
}
