//! The system around the processes: time, mounts, devices, what it says of itself.

use super::{Case, case};

pub const CASES: &[Case] = &[
    case(
        "date",
        "date -u -d @1700000000; date -u -d '2024-02-29 12:34:56' '+%Y-%m-%d %H:%M:%S %j %a %s'; TZ=EST5EDT date -d @1700000000; [ $(date +%s) -gt 1577836800 ] && echo plausible; date -u -d nonsense; echo $?",
    ),
    case("uname", "uname -s; uname -m; uname -n; uname -r | cut -d. -f1,2; hostname"),
    case(
        "mount and umount of tmpfs",
        "mkdir m; mount -t tmpfs -o size=64k,mode=750 none m; echo $?; grep -c \"$PWD/m tmpfs\" /proc/mounts; stat -c %a m; echo x >m/f; cat m/f; head -c 100000 /dev/zero >m/big; echo $?; umount m; echo $?; ls m; umount m; echo $?",
    ),
    case(
        "umount of a busy mount",
        "mkdir m; mount -t tmpfs none m; cd m; umount /tmp/umount-of-a-busy-mount/m; echo $?; cd ..; umount m; echo $?",
    ),
    case("umount -l", "mkdir m; mount -t tmpfs none m; echo x >m/f; exec 3<m/f; umount -l m; cat <&3; ls m"),
    case(
        "mount refuses",
        "mount -t nosuchfs none /mnt; echo $?; mount -t tmpfs none /nofolder; echo $?; busybox su -s /bin/sh nobody -c 'mount -t tmpfs none /mnt; echo $?'",
    ),
    case(
        "mount lists",
        "mount | grep -c ' on /proc type proc'; mkdir m; mount -t tmpfs none m; mount | grep -c 'mount-lists/m type tmpfs'; umount m",
    ),
    case("bind mount", "mkdir a b; echo x >a/f; mount --bind a b; cat b/f; umount b; ls b"),
    case(
        "read-only mount",
        "mkdir m; mount -t tmpfs -o ro none m; touch m/f; echo $?; mount -o remount,rw m; touch m/f; echo $?; umount m",
    ),
    case(
        "device null and zero",
        "echo x >/dev/null; cat /dev/null; head -c 5 /dev/zero | od -An -tx1; head -c 8 /dev/urandom | wc -c; head -c 8 /dev/random | wc -c; echo x >/dev/full; echo $?; head -c 3 /dev/full | od -An -tx1; stat -c '%F %t %T' /dev/null /dev/zero /dev/tty",
    ),
    case(
        "random numbers differ",
        "[ \"$(head -c 16 /dev/urandom | md5sum)\" != \"$(head -c 16 /dev/urandom | md5sum)\" ] && echo differ",
    ),
    case(
        "standard streams in /dev",
        "echo x | cat /dev/stdin; echo out >/dev/stdout; echo err >/dev/stderr; ls -l /dev/fd >/dev/null; echo $?",
    ),
    case(
        "files in /proc",
        "head -n 1 /proc/meminfo | cut -d: -f1; grep -c processor /proc/cpuinfo; cut -d' ' -f1 /proc/version; awk '{ print NF }' /proc/loadavg; awk '{ print NF }' /proc/uptime; head -n 1 /proc/stat | cut -c1-3; grep -c tmpfs /proc/filesystems; cat /proc/sys/kernel/ostype; cat /proc/nothing; echo $?",
    ),
    case("tty without a terminal", "tty; echo $?; stty size; echo $?; test -t 0; echo $?; : </dev/tty; echo $?"),
    case(
        "no space left on a full tmpfs",
        "mkdir m; mount -t tmpfs -o size=256k none m; dd if=/dev/zero of=m/f bs=4k 2>&1 | head -n 1; stat -c %s m/f; rm m/f; echo small >m/g; cat m/g; umount m",
    ),
    case(
        "no inodes left on a tmpfs",
        "mkdir m; mount -t tmpfs -o nr_inodes=10 none m; i=0; while touch m/$i 2>/dev/null; do i=$((i+1)); done; echo $i; umount m",
    ),
    case(
        "large pipe transfers",
        "head -c 3000000 /dev/zero | tr '\\0' x | md5sum; seq 1 100000 | tac | sort -n | md5sum",
    ),
    case("many pipes", "seq 1 1000 | cat | cat | cat | cat | cat | cat | cat | cat | cat | cat | md5sum"),
    case(
        "usleep and clocks",
        "a=$(cut -d. -f1 /proc/uptime); sleep 2; b=$(cut -d. -f1 /proc/uptime); [ $((b - a)) -ge 1 ] && [ $((b - a)) -le 30 ] && echo advanced",
    ),
    case(
        "nc is refused without a network",
        "nc -w 1 203.0.113.1 9 </dev/null 2>/dev/null; [ $? -ne 0 ] && echo refused",
    ),
    case(
        "netstat shows who listens",
        "shown() { i=0; until netstat -tan | grep -q \"$1\" || [ $i -ge 600 ]; do usleep 50000; i=$((i+1)); done; }; busybox su -s /bin/sh nobody -c 'exec nc -l -p 7777 >/dev/null' & shown ':7777 '; netstat -tlnux | grep ':7777 '; awk '$2 ~ /:1E61$/ { print $2, $3, $4, $5, $6, $7, $8, $9, NF; print $10 > \"inode\" }' /proc/net/tcp6; ls -l /proc/$!/fd | grep -c \"socket:\\[$(cat inode)\\]$\"; ls /proc/$!/net/tcp | grep -c tcp; kill $!; wait $!; netstat -tln | grep -c ':7777 '; netstat -rn; ls -ld /proc/net | sed 's/.*root  *//; s/ .*->/ ->/'",
    ),
    case(
        "netstat shows connections",
        "shown() { i=0; until netstat -tan | grep -q \"$1\" || [ $i -ge 600 ]; do usleep 50000; i=$((i+1)); done; }; mkfifo a b; nc -l -p 7778 <a >x & exec 3>a; shown ':7778 .*LISTEN'; nc 127.0.0.1 7778 <b >y 3>&- & exec 4>b; shown ':ffff:127.0.0.1:7778 .*ESTABLISHED'; netstat -tan | grep ':7778 .*ESTABLISHED' | sed 's/:[3-6][0-9][0-9][0-9][0-9] */:N /'; awk '$3 ~ /:1E62$/ { print $3, $4, $5, $6, $7, $8, $9 }' /proc/net/tcp; echo hello >&4; echo there >&3; exec 3>&- 4>&-; wait; cat x y",
    ),
    case("busybox is Debian's", "busybox | head -n 1; sha256sum /bin/busybox | cut -d' ' -f1"),
    case("cttyhack, getty and login names exist", "busybox --list | wc -l"),
    case("watch-like loop", "i=0; while [ $i -lt 3 ]; do date -u -d @$i +%T; i=$((i+1)); done"),
    case("crond-like at", "echo 'echo scheduled' | sh; run-parts --test /nofolder 2>/dev/null; echo $?"),
];
