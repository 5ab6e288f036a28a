//! What the programs do, and what they work on. All of it is the same in every run.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// The packages that the commands need; apt adds what these depend on.
pub(super) const PACKAGES: [&str; 18] = [
    "bash",
    "coreutils",
    "dash",
    "debianutils",
    "findutils",
    "gcc",
    "grep",
    "gzip",
    "libc6-dev",
    "make",
    "mawk",
    "perl",
    "python3",
    "redis-server",
    "redis-tools",
    "sed",
    "sqlite3",
    "tar",
];
/// The folder for the data, and in it the list of the commands.
pub(super) const FOLDER: &str = "/bench";
pub(super) const LIST: &str = "/bench/list";

/// Name, repetitions, and what `sh -e` runs in an empty folder, `$DATA` being [`FOLDER`].
const COMMANDS: [(&str, u32, &str); 17] = [
    (
        "dash: 40 pipelines of three programs",
        1,
        "i=0; while [ $i -lt 40 ]; do echo $i | sed s/1/one/ | tr a-z A-Z; i=$((i+1)); done",
    ),
    ("bash: 40,000 steps of a loop", 1, "bash -c 'for ((i = 0; i < 40000; i++)); do ((s += i % 7)); done; echo $s'"),
    ("find, xargs, cksum: 1,000 files", 1, "find $DATA/tree -type f | sort | xargs cksum | cksum"),
    ("tar: pack 1,000 files", 1, "tar --sort=name -cf - -C $DATA tree | wc -c"),
    ("tar: unpack 1,000 files, sync", 1, "tar -xf $DATA/tree.tar; find . -type f | wc -l; sync"),
    ("grep -r: 1,000 files", 1, "grep -rc 'a.*b.*c' $DATA/tree | sort | cksum"),
    ("gzip: 700 KB", 1, "gzip -nc $DATA/text | cksum"),
    ("gzip -d: 700 KB", 3, "gzip -dc $DATA/text.gz | cksum"),
    ("sort, uniq: 100,000 words", 1, "tr ' ' '\\n' <$DATA/text | sort | uniq -c | sort -rn | head -n 5"),
    ("sqlite3: 20 transactions of 100 rows", 1, "sqlite3 db <$DATA/insert.sql; sqlite3 db 'pragma integrity_check'"),
    ("sqlite3: 60 queries of 2,000 rows", 1, "sqlite3 :memory: -cmd '.read /bench/insert.sql' <$DATA/query.sql"),
    ("python3: start", 2, "python3 -c 'print(1)'"),
    ("python3: json, words, hashes", 1, "python3 $DATA/work.py $DATA/text"),
    ("perl: count words", 1, "perl -ne '$n{$_}++ for split; END { print scalar keys %n }' $DATA/text"),
    ("gcc -O1, and what it made", 1, "gcc -O1 -o program $DATA/part0.c $DATA/main.c; ./program"),
    ("make -j2: four files", 1, "cp $DATA/*.c $DATA/Makefile .; make -s -j2; ./program"),
    (
        "redis: start, 400 requests of 5 clients, stop",
        1,
        "redis-server --port 7777 --save '' --logfile log & until redis-cli -p 7777 ping >/dev/null 2>&1; do sleep 0.02; \
         done; redis-benchmark -p 7777 -n 200 -c 5 -t set,get -q >/dev/null; redis-cli -p 7777 shutdown nosave; wait",
    ),
];

const WORDS: usize = 100_000;
const FILES: usize = 1_000;
/// Functions in each file of the C program, and such files.
const FUNCTIONS: usize = 8;
const PARTS: usize = 3;

/// Writes list and data into the tree.
pub(super) fn write(tree: &Path) -> Result<()> {
    let folder = tree.join(FOLDER.trim_start_matches('/'));
    fs::create_dir_all(&folder)?;
    let mut list = String::new();
    for (name, times, command) in COMMANDS {
        writeln!(list, "{name}\t{times}\t{command}")?;
    }
    fs::write(tree.join(LIST.trim_start_matches('/')), list)?;
    let text = text();
    fs::write(folder.join("text"), &text)?;
    write_tree(&folder.join("tree"), &text)?;
    write_sql(&folder)?;
    fs::write(folder.join("work.py"), PYTHON)?;
    write_program(&folder)?;
    pack(&folder)
}

/// Random words in lines of ten.
fn text() -> String {
    let mut state = 1_u64;
    let mut text = String::new();
    for count in 1..=WORDS {
        // Knuth's constants (MMIX); the high bits are the random ones.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Few words are frequent, many are rare.
        let word = (state >> 52).saturating_mul(state >> 40 & 0xfff) >> 8;
        let mut rest = word + 1;
        while rest > 0 {
            text.push(char::from(b'a' + (rest % 26) as u8));
            rest /= 26;
        }
        text.push(if count % 10 == 0 { '\n' } else { ' ' });
    }
    text
}

fn write_tree(folder: &Path, text: &str) -> Result<()> {
    let bytes = text.as_bytes();
    for number in 0..FILES {
        let folder = folder.join(format!("folder-{}", number / 50));
        fs::create_dir_all(&folder)?;
        let (start, length) = (number * 1_117 % (bytes.len() / 2), 500 + number * 37 % 9_000);
        let part = bytes.get(start..start + length).context("the text is long enough")?;
        fs::write(folder.join(format!("file-{number}")), part)?;
    }
    Ok(())
}

fn write_sql(folder: &Path) -> Result<()> {
    let mut sql = String::from("create table t(id integer primary key, k integer, v text);\ncreate index i on t(k);\n");
    for transaction in 0..20 {
        sql.push_str("begin;\n");
        for row in 0..100 {
            let id = transaction * 100 + row;
            writeln!(sql, "insert into t values({id}, {}, 'value {}');", id * 7919 % 2003, id * id)?;
        }
        sql.push_str("commit;\n");
    }
    fs::write(folder.join("insert.sql"), &sql)?;
    let mut query = String::new();
    for k in 0..60 {
        writeln!(query, "select count(*), sum(id), max(v) from t where k between {} and {};", k * 5, k * 5 + 400)?;
    }
    query.push_str("select a.id, b.v from t a join t b on a.k = b.id where a.id % 10 = 3 order by b.v limit 20;\n");
    fs::write(folder.join("query.sql"), query).map_err(Into::into)
}

const PYTHON: &str = r#"
import collections, hashlib, json, re, sys
text = open(sys.argv[1]).read()[:500000]
words = collections.Counter(re.findall(r"[a-m]+[n-z]?", text))
table = [{"word": word, "count": count, "length": len(word)} for word, count in sorted(words.items())]
back = json.loads(json.dumps(table))
digest = hashlib.sha256()
for row in back:
    digest.update(f"{row['word']}:{row['count']}\n".encode())
print(len(back), sum(row["count"] for row in back), digest.hexdigest())
"#;

/// A C program of several files, and its makefile.
fn write_program(folder: &Path) -> Result<()> {
    let mut main = String::from("#include <stdio.h>\n");
    let mut calls = String::new();
    for part in 0..PARTS {
        let mut source = String::from("#include <stdlib.h>\n#include <string.h>\n#include <stdio.h>\n");
        for function in 0..FUNCTIONS {
            write!(source, "{}", c_function(part, function))?;
        }
        writeln!(source, "unsigned part{part}(unsigned x) {{")?;
        for function in 0..FUNCTIONS {
            writeln!(source, "    x = f{part}_{function}(x, {function});")?;
        }
        source.push_str("    return x;\n}\n");
        fs::write(folder.join(format!("part{part}.c")), source)?;
        writeln!(main, "unsigned part{part}(unsigned) __attribute__((weak));")?;
        writeln!(calls, "    if (part{part}) x = part{part}(x);")?;
    }
    write!(main, "int main(void) {{\n    unsigned x = 1;\n{calls}    printf(\"%u\\n\", x);\n    return 0;\n}}\n")?;
    fs::write(folder.join("main.c"), main)?;
    let objects: String = (0..PARTS).map(|part| format!(" part{part}.o")).collect();
    let makefile =
        format!("CFLAGS = -O1\nprogram: main.o{objects}\n\tgcc -o $@ $^\n%.o: %.c\n\tgcc $(CFLAGS) -c -o $@ $<\n");
    fs::write(folder.join("Makefile"), makefile).map_err(Into::into)
}

fn c_function(part: usize, function: usize) -> String {
    format!(
        "static unsigned f{part}_{function}(unsigned x, int n) {{\n    unsigned table[16];\n    \
         for (int i = 0; i < 16; i++) table[i] = x * {a}u + (unsigned)(i * n);\n    \
         for (int i = 1; i < 16; i++) if (table[i] % {b} > table[i - 1] % {b}) table[i] ^= table[i - 1] >> {c};\n    \
         switch (table[n & 15] & 3) {{ case 0: x += table[3]; break; case 1: x ^= table[5]; break; default: x -= {a}; }}\n    \
         return x ^ table[15];\n}}\n",
        a = 2_654_435_761_u32.wrapping_add((function * 97 + part) as u32 * 2),
        b = 7 + function % 11,
        c = 1 + function % 13,
    )
}

/// What is read in another form: the tree as an archive, the text compressed.
fn pack(folder: &Path) -> Result<()> {
    let commands = ["tar --sort=name --owner=0 --group=0 --mtime=@1000000000 -cf tree.tar tree", "gzip -nk text"];
    for command in commands {
        let done = std::process::Command::new("sh").args(["-c", command]).current_dir(folder).status()?;
        ensure!(done.success(), "{command} ended with {done}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_is_one_line_of_the_list() {
        for (name, times, command) in COMMANDS {
            assert!(times > 0 && ![name, command].iter().any(|text| text.contains(['\t', '\n'])), "{name}");
        }
    }

    #[test]
    fn the_text_has_frequent_words() {
        let text = text();
        let mut words: Vec<_> = text.split_whitespace().collect();
        assert_eq!(words.len(), WORDS);
        words.sort_unstable();
        words.dedup();
        assert!((1_000..WORDS / 2).contains(&words.len()), "{} different words", words.len());
    }
}
