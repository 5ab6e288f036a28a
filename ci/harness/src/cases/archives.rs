//! Applets that pack and unpack. Some archives cannot be made with busybox: those are given as bytes.

use super::{Case, case};

pub const CASES: &[Case] = &[
    case(
        "tar",
        "mkdir -p d/e; seq 1 1000 >d/f; ln -s f d/l; ln d/f d/h; chmod 600 d/f; touch -d '2020-02-03 04:05:06' d/f; tar cf a.tar d; tar tf a.tar | sort; mkdir x; tar xf a.tar -C x; stat -c '%n %a %h %Y' x/d/f x/d/h; readlink x/d/l; cmp d/f x/d/f && echo equal; tar xOf a.tar d/f | tail -n 1; tar tf nofile 2>&1; echo $?",
    ),
    case(
        "tar with compression",
        "mkdir d; seq 1 5000 >d/f; tar czf a.tgz d; tar cjf a.tbz d; gzip -t a.tgz && echo ok; rm -r d; tar xzf a.tgz; wc -l d/f; rm -r d; tar xjf a.tbz; wc -l <d/f; tar tzf a.tgz | sort",
    ),
    case(
        "tar through a pipe",
        "mkdir -p a b; seq 1 3000 >a/f; tar cf - a | (cd b && tar xf -); cmp a/f b/a/f && echo equal",
    ),
    case(
        "gzip",
        "seq 1 20000 >f; cksum <f; gzip -k f; zcat f.gz | cksum; rm f; gunzip f.gz; ls; cksum <f; echo junk | gunzip; echo $?; gzip -c f | gzip -d | tail -n 1; gzip nofile; echo $?",
    ),
    case(
        "bzip2",
        "seq 1 20000 >f; cksum <f; bzip2 -k f; stat -c %s f.bz2; bzcat f.bz2 | cksum; rm f; bunzip2 f.bz2; cksum <f; echo junk | bunzip2; echo $?",
    ),
    // "hello xz" and a newline, repeated 40 times, by xz 5.4 with --check=crc32.
    case(
        "xz -d",
        "printf '%s' '/Td6WFoAAAFpIt42AgAhARYAAAB0L+Wj4AFnABFdADQZSe6N6RfQsmFqT5Vi4wAAAAAAAPCiU2oAASnoAgAAALbEW1E+MA2LAgAAAAABWVo=' | base64 -d >f.xz; xz -d f.xz; echo $?; wc f; echo junk >g.xz; xz -d g.xz; echo $?",
    ),
    case("unlzma refuses junk", "echo junk >f.lzma; unlzma f.lzma; echo $?; ls"),
    // One deflated file "a.txt": "hello zip" and a newline, 20 times.
    case(
        "unzip",
        "printf '%s' 'UEsDBBQAAAAIAAAAIViogIqnDwAAAMgAAAAFAAAAYS50eHTLSM3JyVeoyizgyhjSLABQSwECFAMUAAAACAAAACFYqICKpw8AAADIAAAABQAAAAAAAAAAAAAApAEAAAAAYS50eHRQSwUGAAAAAAEAAQAzAAAAMgAAAAAA' | base64 -d >z.zip; unzip z.zip; wc a.txt; unzip -p z.zip | head -n 1; unzip -l z.zip; echo junk >j.zip; unzip j.zip; echo $?",
    ),
    case(
        "cpio",
        "mkdir -p d/e; echo x >d/f; ln -s f d/l; mkfifo d/p; find d | sort | cpio -o -H newc 2>/dev/null >a.cpio; cpio -t <a.cpio 2>/dev/null; mkdir x; (cd x; cpio -id <../a.cpio 2>/dev/null); find x | sort; cat x/d/f; readlink x/d/l; stat -c %F x/d/p",
    ),
    case("uncompress and zcat of junk", "echo junk >f.Z; zcat f.Z; echo $?; zcat nofile; echo $?"),
];
