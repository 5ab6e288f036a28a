//! Memory: mapped, written, protected, copied by fork, unmapped by several threads of a process at once, replaced under readers,
//! and shared by processes.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use legacy_programs::random::Random;
use legacy_programs::sys::{self, Mapping};

use crate::{Outcome, expect};

const PAGE: usize = 4096;
const THREADS: u64 = 3;
/// How often one looks for what another does before one gives way.
const LOOKS: u32 = 5_000;
/// A wait that ends only by a wake-up, as far as anybody waits for the program.
const FOR_EVER_MS: i64 = 100_000_000;
const READ_WRITE: i32 = libc::PROT_READ | libc::PROT_WRITE;
const PRIVATE: i32 = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;

/// Threads of one process each use mappings of their own. What one writes nobody else changes, whichever processor had which page.
pub(super) fn private(random: &mut Random, _folder: &Path) -> Outcome {
    let seeds: Vec<u64> = (0..THREADS).map(|_| random.next_u64()).collect();
    thread::scope(|scope| {
        let workers: Vec<_> = seeds
            .iter()
            .map(|seed| scope.spawn(move || maps(&mut Random::new(*seed)).map_err(|error| error.to_string())))
            .collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| "a thread panicked")?.map_err(Into::into))
    })
}

fn maps(random: &mut Random) -> Outcome {
    for _ in 0..1 + random.below(8) {
        let pages = 1 + random.below(64) as usize;
        let mapping = Mapping::anonymous(pages * PAGE, READ_WRITE, PRIVATE)?;
        let mark = random.next_u64() as u8 | 1;
        for page in 0..pages {
            let at = page * PAGE + random.below(PAGE as u64) as usize / 2;
            expect(mapping.read(at) == 0, || format!("fresh memory had {:#x}", mapping.read(at)))?;
            mapping.write(at, mark);
            mapping.write(page * PAGE + PAGE - 1, mark ^ page as u8);
        }
        let hidden = random.below(pages as u64) as usize;
        mapping.protect(hidden * PAGE, PAGE, libc::PROT_READ)?;
        for page in 0..pages {
            let seen = mapping.read(page * PAGE + PAGE - 1);
            expect(seen == mark ^ page as u8, || format!("page {page} had {seen:#x}, not {:#x}", mark ^ page as u8))?;
        }
        mapping.protect(hidden * PAGE, PAGE, READ_WRITE)?;
        mapping.write(hidden * PAGE, mark);
    }
    Ok(())
}

/// One thread gives pages back and writes to fresh ones, others read them: once told of it, nobody may see the old contents. A
/// processor that remembers the old translation does.
pub(super) fn replaced(random: &mut Random, _folder: &Path) -> Outcome {
    let pages = 1 + random.below(8) as usize;
    let rounds = 1 + random.below(20) as u32;
    let mapping = Mapping::anonymous(pages * PAGE, READ_WRITE, PRIVATE)?;
    let words: Vec<&AtomicU32> = (0..pages).map(|page| mapping.atomic_u32(page * PAGE)).collect();
    let (round, seen, wrong) = (AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0));
    let advised = thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for current in 1..=rounds {
                    wait_for(&round, |value| value >= current);
                    for word in &words {
                        wrong.fetch_add(u32::from(word.load(Ordering::Relaxed) != current), Ordering::Relaxed);
                    }
                    seen.fetch_add(1, Ordering::Release);
                }
            });
        }
        let mut advised = Ok(());
        for current in 1..=rounds {
            if advised.is_ok() {
                advised = mapping.advise(libc::MADV_DONTNEED);
            }
            words.iter().for_each(|word| word.store(current, Ordering::Relaxed));
            round.store(current, Ordering::Release);
            wait_for(&seen, |value| value >= current * THREADS as u32);
        }
        advised
    });
    advised?;
    let wrong = wrong.into_inner();
    expect(wrong == 0, || format!("{wrong} reads saw what was no longer there"))?;
    copied(&mapping, pages, rounds)
}

/// A child's writes are its own, and the parent's after the fork are not the child's.
fn copied(mapping: &Mapping, pages: usize, value: u32) -> Outcome {
    let words = || (0..pages).map(|page| mapping.atomic_u32(page * PAGE));
    let child = sys::spawn(|| {
        let was = words().all(|word| word.swap(1_000_000, Ordering::Relaxed) == value);
        i32::from(!was)
    })?;
    let (pid, status) = sys::wait(child, 0)?;
    let kept = words().all(|word| word.load(Ordering::Relaxed) == value);
    expect(pid == child && status == 0 && kept, || format!("after a fork: status {status:#x}, kept {kept}"))
}

/// Processes pass a turn round in memory that they share, and wait for it by futex; whoever has it adds to a number as if it were alone.
pub(super) fn shared(random: &mut Random, _folder: &Path) -> Outcome {
    let (members, laps) = (2 + random.below(4) as u32, 1 + random.below(60) as u32);
    let mapping = Mapping::anonymous(2 * PAGE, READ_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS)?;
    let (turn, number) = (mapping.atomic_u32(0), mapping.atomic_u32(PAGE));
    let member = |member: u32| {
        for lap in 0..laps {
            let mine = lap * members + member;
            let mut now = turn.load(Ordering::Acquire);
            while now != mine {
                // Nothing is lost by a look too many; what is lost by one too few is for whoever waits for the whole.
                let _ = sys::futex(turn, libc::FUTEX_WAIT, now, FOR_EVER_MS);
                now = turn.load(Ordering::Acquire);
            }
            number.store(number.load(Ordering::Relaxed) + mine, Ordering::Relaxed);
            turn.store(mine + 1, Ordering::Release);
            let _ = sys::futex(turn, libc::FUTEX_WAKE, i32::MAX as u32, 0);
        }
        0
    };
    let children = (0..members).map(|number| sys::spawn(|| member(number))).collect::<Result<Vec<_>, _>>()?;
    for child in children {
        let (pid, status) = sys::wait(child, 0)?;
        expect(pid == child && status == 0, || format!("a member ended with {status:#x}"))?;
    }
    let (turns, sum) = (turn.load(Ordering::Acquire), number.load(Ordering::Relaxed));
    let all = members * laps;
    expect((turns, sum) == (all, all * (all - 1) / 2), || format!("{turns} of {all} turns, and a sum of {sum}"))
}

/// Looks for a while before it gives way: a processor that runs nothing else meanwhile remembers its translations.
fn wait_for(word: &AtomicU32, is: impl Fn(u32) -> bool) {
    let mut looks = 0_u32;
    while !is(word.load(Ordering::Acquire)) {
        std::hint::spin_loop();
        looks += 1;
        if looks.is_multiple_of(LOOKS) {
            thread::yield_now();
        }
    }
}
