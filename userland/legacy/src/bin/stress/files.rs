//! Files: written, synced, renamed, read back, listed, removed.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use legacy_programs::random::Random;

use crate::{Outcome, bytes, expect};

const LARGEST: u64 = 40_000;

/// What is on the disk is what was written, under the name that it has now, and nothing else.
pub(super) fn round(random: &mut Random, folder: &Path) -> Outcome {
    let own = folder.join("round");
    fs::create_dir(&own)?;
    let mut expected = Vec::new();
    for number in 0..1 + random.below(6) {
        let count = random.below(LARGEST) as usize;
        let mut contents = bytes(random, count);
        let path = own.join(format!("file-{number}"));
        let mut file = File::options().read(true).write(true).create_new(true).open(&path)?;
        file.write_all(&contents)?;
        if random.below(3) == 0 {
            file.sync_all()?;
        }
        overwrite(random, &mut file, &mut contents)?;
        let name = if random.below(2) == 0 { format!("renamed-{number}") } else { format!("file-{number}") };
        fs::rename(&path, own.join(&name))?;
        expected.push((name, contents));
    }
    check(&own, &expected)?;
    for (name, _) in &expected {
        fs::remove_file(own.join(name))?;
    }
    Ok(fs::remove_dir(own)?)
}

/// Writes again somewhere in it, or cuts it off.
fn overwrite(random: &mut Random, file: &mut File, contents: &mut Vec<u8>) -> Outcome {
    let at = random.below(contents.len() as u64 + 1) as usize;
    if random.below(4) == 0 {
        file.set_len(at as u64)?;
        contents.truncate(at);
        return Ok(());
    }
    let count = random.below(5_000) as usize;
    let more = bytes(random, count);
    file.seek(SeekFrom::Start(at as u64))?;
    file.write_all(&more)?;
    let end = (at + more.len()).max(contents.len());
    contents.resize(end, 0);
    contents[at..at + more.len()].copy_from_slice(&more);
    Ok(())
}

fn check(folder: &Path, expected: &[(String, Vec<u8>)]) -> Outcome {
    for (name, contents) in expected {
        let mut read = Vec::new();
        File::open(folder.join(name))?.read_to_end(&mut read)?;
        let differs = read.iter().zip(contents).position(|(one, other)| one != other);
        expect(differs.is_none() && read.len() == contents.len(), || {
            format!("{name} has {} bytes of {}, the first wrong one at {differs:?}", read.len(), contents.len())
        })?;
    }
    let mut names = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Outcome<Vec<_>>>()?;
    names.sort();
    let mut all: Vec<_> = expected.iter().map(|(name, _)| name.clone()).collect();
    all.sort();
    expect(names == all, || format!("the folder has {names:?}, not {all:?}"))
}
