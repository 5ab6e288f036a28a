//! The default tree: Debian's busybox, a link for each of its applets, our program `banyan`, and the files in `/etc` that
//! programs ask for.

use super::tree::Tree;
use crate::progress;
use anyhow::{Context, Result};
use std::path::Path;
use std::process::Command;

/// Folders, with their permissions.
const FOLDERS: [(&str, u32); 16] = [
    ("bin", 0o755),
    ("dev", 0o755),
    ("etc", 0o755),
    ("home", 0o755),
    ("mnt", 0o755),
    ("opt", 0o755),
    ("proc", 0o555),
    ("root", 0o700),
    ("run", 0o755),
    ("sbin", 0o755),
    ("sys", 0o555),
    ("tmp", 0o1777),
    ("usr/bin", 0o755),
    ("usr/sbin", 0o755),
    ("var/log", 0o755),
    ("var/tmp", 0o1777),
];

/// Files, with their permissions and text.
const FILES: [(&str, u32, &str); 11] = [
    (
        "etc/passwd",
        0o644,
        "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\nnobody:x:65534:65534:nobody:/:/bin/false\nuser:x:1000:1000:user:/home/user:/bin/sh\n",
    ),
    ("etc/group", 0o644, "root:x:0:\ndaemon:x:1:\ntty:x:5:\ndisk:x:6:\nusers:x:100:\nnogroup:x:65534:\nuser:x:1000:\n"),
    ("etc/shadow", 0o640, "root:*:19000:0:99999:7:::\nnobody:*:19000:0:99999:7:::\nuser:*:19000:0:99999:7:::\n"),
    (
        "etc/profile",
        0o644,
        "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nexport HOME=\"${HOME:-/root}\"\nif [ \"$(id -u)\" = 0 ]; then PS1='banyan# '; else PS1='banyan$ '; fi\nHISTFILE=/tmp/.ash_history\n",
    ),
    ("etc/hosts", 0o644, "127.0.0.1\tlocalhost banyan\n::1\tlocalhost\n"),
    ("etc/hostname", 0o644, "banyan\n"),
    ("etc/shells", 0o644, "/bin/sh\n/bin/ash\n"),
    ("etc/fstab", 0o644, "proc /proc proc defaults 0 0\n"),
    ("etc/issue", 0o644, "Banyan\n"),
    ("etc/nsswitch.conf", 0o644, "passwd: files\ngroup: files\nhosts: files dns\n"),
    ("etc/services", 0o644, "ssh\t22/tcp\ntelnet\t23/tcp\ndomain\t53/udp\nhttp\t80/tcp\nhttps\t443/tcp\n"),
];

/// Puts the tree together.
///
/// # Errors
/// When busybox does not say which applets it has.
pub(super) fn tree(busybox: &Path, banyan: &Path) -> Result<Tree> {
    let mut tree = Tree::default();
    for (path, mode) in FOLDERS {
        tree.add_folder(path, mode)?;
    }
    for (path, mode, text) in FILES {
        tree.add_file(path, mode, text)?;
    }
    let mut home = super::Node::new(super::Kind::Folder, 0o755);
    (home.uid, home.gid) = (1000, 1000);
    tree.add("home/user", home)?;
    tree.add_link("etc/mtab", "/proc/mounts")?;
    tree.add_link("var/run", "/run")?;
    tree.add_host_file("bin/busybox", 0o755, busybox)?;
    let applets = progress::output_of(Command::new(busybox).arg("--list-full"));
    let applets = applets.with_context(|| format!("{} does not list its applets", busybox.display()))?;
    for applet in applets.lines().filter(|line| *line != "bin/busybox") {
        tree.add_link(applet, "/bin/busybox")?;
    }
    tree.add_host_file("usr/bin/banyan", 0o755, banyan)?;
    Ok(tree)
}
