//! Applets that work on files and folders.

use super::{Case, case};

pub const CASES: &[Case] = &[
    case(
        "ls -la",
        "touch -d '2020-01-02 03:04:05' a .h; mkdir d; ln -s a l; chmod 640 a; mkfifo p; touch -h -d '2020-01-02 03:04:05' l p; ls -la | grep -v ' \\.*$' | grep -v '^d'; ls -1A; ls -F",
    ),
    case(
        "ls sorts and recurses",
        "mkdir -p x/y; echo 12345 >x/big; echo 1 >x/small; touch -d '2001-01-01' x/old; ls -R x; ls -S x; ls -t x | tail -n 1; ls -r x; ls nofile",
    ),
    case(
        "ls -i agrees for hard links",
        "echo a >a; ln a b; [ $(ls -i a | cut -d' ' -f1) = $(ls -i b | cut -d' ' -f1) ] && echo same",
    ),
    case("cat", "printf 'a\\nb\\n\\n\\nc' >f; cat f f; cat -n f; cat - <f; cat nofile f; cat -A f"),
    case(
        "cp -a keeps everything",
        "mkdir s; echo x >s/f; ln -s f s/l; chmod 604 s/f; touch -d '2019-05-06 07:08:09' s/f; mkfifo s/p; cp -a s t; stat -c '%n %F %a' t/f t/p; stat -c %Y t/f; readlink t/l; cp -r s u; ls u",
    ),
    case(
        "cp overwrites and refuses",
        "echo 1 >a; echo 2 >b; cp a b; cat b; cp a nodir/; echo $?; mkdir d; cp d e; echo $?; cp a d; ls d",
    ),
    case(
        "mv",
        "echo 1 >a; mv a b; cat b; mkdir d; mv b d; ls d; mkdir e; mv d e/; find e | sort; mv nofile x; echo $?; mv e e/d; echo $?",
    ),
    case(
        "ln",
        "echo x >a; ln a b; ln -s a c; ln -s nowhere d; stat -c '%n %h' a b; cat c; cat d; echo $?; ln a b; echo $?; ln -sf b c; readlink c",
    ),
    case(
        "rm -r",
        "mkdir -p d/e/f; touch d/x d/e/y; ln -s d l; rm d; echo $?; rm -r d; ls; rm l; rm nofile; echo $?; rm -f nofile; echo $?",
    ),
    case("rmdir", "mkdir -p a/b; rmdir a; echo $?; rmdir a/b a; ls; mkdir -p x/y/z; rmdir -p x/y/z; ls"),
    case(
        "find",
        "mkdir -p a/b; touch a/1.c a/b/2.c a/b/3.h; chmod 600 a/1.c; find . -name '*.c' | sort; find . -type d | sort; find . -perm 600; find a -maxdepth 1 | sort; find . -name '*.h' -exec echo found {} \\;; find . -size 0 | wc -l; find a -name 1.c -exec rm {} \\;; ls a; find . -newer a/b/2.c -type f | wc -l",
    ),
    case(
        "dd",
        "dd if=/dev/zero of=f bs=1k count=3 2>/dev/null; stat -c %s f; echo abcdef | dd bs=1 skip=2 count=3 2>/dev/null; echo; dd if=/dev/zero bs=512 count=2 2>&1 >/dev/null | head -n 2; echo XY | dd of=f bs=1 seek=1 conv=notrunc 2>/dev/null; head -c 4 f | od -c",
    ),
    case(
        "stat",
        "echo hello >f; chmod 4755 f; touch -d '2021-03-04 05:06:07' f; stat -c '%n %s %a %A %F %h %u %g %U %G %Y %b %B' f; mkdir d; stat -c '%F %a' d; ln -s f l; stat -c '%F %N' l; stat -L -c %F l; stat nofile; stat -c '%F %t %T' /dev/null",
    ),
    case(
        "touch",
        "touch a; ls; touch -d '2000-01-01 00:00:00' a; stat -c %Y a; touch -r a b; stat -c %Y b; touch -c none; ls; touch -t 200102030405.06 a; date -u -r a",
    ),
    case(
        "chmod",
        "touch f; for m in 644 u+x g=rw o-r a+X u+s +t 7777 0; do chmod $m f; stat -c %A f; done; mkdir d; touch d/f; chmod -R 700 d; stat -c %a d/f; chmod 644 nofile; echo $?",
    ),
    case(
        "chown",
        "touch f; chown 1000:2000 f; stat -c '%u %g' f; chown nobody f; stat -c '%U %g' f; chgrp 5 f; stat -c %g f; ln -s f l; chown -h 7 l; stat -c %u l f; chmod u+s f; chown 1 f; stat -c %a f",
    ),
    case(
        "permissions bind a user",
        "echo secret >f; chmod 600 f; mkdir d; chmod 700 d; touch d/x; chmod 755 .; busybox su -s /bin/sh nobody -c 'cat f; ls d; cat d/x; echo x >g; id -u' 2>&1; chmod 644 f; busybox su -s /bin/sh nobody -c 'cat f; echo x >>f'",
    ),
    case(
        "sticky folder",
        "mkdir t; chmod 1777 t; echo x >t/mine; busybox su -s /bin/sh nobody -c 'rm -f t/mine; touch t/theirs; rm t/theirs; echo $?'; ls t",
    ),
    case(
        "mkdir -p",
        "mkdir -p a/b/c; find a | sort; mkdir a; echo $?; mkdir -p a; echo $?; mkdir -m 711 m; stat -c %a m; mkdir x/y; echo $?",
    ),
    case(
        "mkfifo",
        "mkfifo p; stat -c '%F %a' p; (echo through >p) & cat p; wait; cat <p & echo second >p; wait; mkfifo p; echo $?",
    ),
    case(
        "mknod",
        "mknod n c 1 3; stat -c '%F %t %T' n; echo x >n; cat n; mknod b b 7 0; stat -c %F b; mknod p p; stat -c %F p",
    ),
    case(
        "readlink and realpath",
        "mkdir -p a/b; ln -s a/b l; ln -s l/../c m; readlink l; readlink -f l; realpath l/..; realpath -s nofile 2>&1; readlink a; echo $?; ln -s loop loop; cat loop; realpath a/./b/../b",
    ),
    case(
        "mktemp",
        "f=$(mktemp); [ -f $f ] && stat -c '%a %s' $f; rm $f; d=$(mktemp -d); stat -c '%a %F' $d; rmdir $d; mktemp -p . x.XXXXXX | wc -c; mktemp bad; echo $?",
    ),
    case(
        "df of a small tmpfs",
        "mkdir m; mount -t tmpfs -o size=1m none m; df -k m | awk 'NR == 2 { print $2, $3, $4, $5 }'; dd if=/dev/zero of=m/f bs=1k count=100 2>/dev/null; df -k m | awk 'NR == 2 { print $2, $3, $4, $5 }'; umount m",
    ),
    case(
        "du",
        "mkdir -p d/e; dd if=/dev/zero of=d/f bs=1k count=10 2>/dev/null; dd if=/dev/zero of=d/e/g bs=4k count=2 2>/dev/null; du -a d | sort; du -sk d; du -b d/f; ln d/f d/h; du -s d",
    ),
    case(
        "test of files",
        "touch f; echo x >g; ln -s g l; ln -s none b; mkfifo p; chmod 755 g; for o in e f d L p s r w x h; do for n in f g l b p .; do [ -$o $n ] && printf \"$o$n \"; done; done; echo; touch -d 2001-01-01 f; [ g -nt f ] && echo newer; [ f -ot g ] && echo older; ln g g2; [ g -ef g2 ] && echo same",
    ),
    case(
        "truncate and sparse files",
        "truncate -s 1000000 f; stat -c '%s %b' f; echo x >>f; tail -c 3 f | od -c; truncate -s 5 f; od -c f; ",
    ),
    case(
        "append and overwrite",
        "echo one >f; echo two >>f; cat f; echo three >f; cat f; : >f; stat -c %s f; set -C; echo no >f; echo $?",
    ),
    case("rename over an open file", "echo old >f; exec 3<f; echo new >g; mv g f; cat <&3; cat f; rm f; exec 3<&-; ls"),
    case("deleted file stays readable", "echo data >f; exec 3<f; rm f; cat <&3; ls"),
    case(
        "long names and deep paths",
        "n=$(head -c 255 /dev/zero | tr '\\0' n); touch $n; ls | wc -c; touch ${n}x 2>/dev/null; echo $?; p=.; for i in $(seq 1 60); do p=$p/deep; done; mkdir -p $p; touch $p/end; find . -name end | wc -c; rm -r deep",
    ),
    case(
        "many files in a folder",
        "i=0; while [ $i -lt 500 ]; do : >f$i; i=$((i+1)); done; ls | wc -l; ls | sort | tail -n 1; rm f*; ls | wc -l",
    ),
    case(
        "split and join again",
        "seq 1 1000 >f; split -l 300 f p; ls; cat p?? | cmp - f && echo equal; split -b 1000 f q; ls q* | wc -l",
    ),
    case(
        "cmp",
        "echo abc >a; echo abd >b; cmp a b; echo $?; cmp a a; echo $?; cmp -s a b; echo $?; cmp a nofile; echo $?",
    ),
    case("sync and fsync", "echo x >f; sync; cat f"),
    case("flock", "flock f echo locked; (flock -n 9 && echo got; flock -n f echo second; echo $?) 9>f"),
    case(
        "chroot",
        "mkdir -p r/bin; cp /bin/busybox r/bin/; chroot r /bin/busybox sh -c 'busybox ls /; busybox pwd'; chroot r /nothing; echo $?",
    ),
    case(
        "pwd and cd",
        "mkdir -p a/b; ln -s a/b l; cd l; pwd; pwd -P; cd ..; pwd; cd /nofolder; echo $?; cd -; rmdir /tmp/pwd-and-cd/a/b; ls; /bin/pwd 2>&1 | wc -l",
    ),
    case(
        "getdents of a folder that changes",
        "mkdir d; for i in $(seq 1 100); do : >d/$i; done; for f in $(ls d); do rm d/$f; done; ls d | wc -l",
    ),
];
