//! Work for a disk while services move or die: an archive is unpacked, a file grows by records with fsync(2), a file is
//! written and read through mappings, and `find` walks everything. Each part checks itself, and what it prints is known.

use crate::ground::{Ground, LIMIT, output, succeeded};
use anyhow::{Context, Result, ensure};
use banyan::disk::{Disk, Storage};
use banyan::root::{self, Contents, Root};
use banyan::run::{Config, Mode, Output, Places, Vm};
use legacy_programs::random::Random;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

/// Folders of the archive.
const FOLDERS: u32 = 20;
/// What the parts of the load end on.
const STOP: &str = "/stop";
/// Unpacks the archive again and again and says what came out, until it is told to stop.
const UNPACK: &str = "n=0; while :; do n=$((n+1)); mkdir /u$n && cd /u$n && tar xf /load.tar || exit 1; \
                      find . -type f | sort | xargs md5sum | md5sum; cd / && rm -r /u$n || exit 1; \
                      [ ! -e /stop ] || exit 0; done";
const APPEND: &str = "n=0; while :; do n=$((n+1)); /bin/disk-load append /append$n 50 >/dev/null || exit 1; \
                      /bin/disk-load records /append$n; [ ! -e /stop ] || exit 0; done";
const MAPPED: &str = "while :; do /bin/disk-load mapped /mapped 400 || exit 1; [ ! -e /stop ] || exit 0; done";
const FIND: &str = "while :; do find /bin /sbin /etc /usr /var -name disk-load; [ ! -e /stop ] || exit 0; done";

/// A system with the load's things on its disk.
pub struct Loaded {
    /// The system.
    pub vm: Vm,
    /// What unpacking has to say: the sum of all sums.
    expected_sum: String,
}

/// How to start it.
#[derive(Clone, Debug)]
pub struct Setup<'a> {
    /// Files in the archive that is unpacked.
    pub files: u32,
    /// Where the services are at the start.
    pub places: Places,
    /// What the machine's clock counts.
    pub clock: Clock,
    /// More boot options.
    pub options: &'a [(&'a str, &'a str)],
}

/// What the machine's clock counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Time.
    Wall,
    /// Instructions, one a nanosecond.
    Instructions,
}

/// A running load; each part's output at its end.
pub struct Running<'scope> {
    parts: Vec<(&'static str, ScopedJoinHandle<'scope, Result<Output>>)>,
}

/// The tree of a root with `files` files in an archive and the program that loads the disk, and the sum to expect.
///
/// # Errors
/// When it cannot be put together.
pub fn tree(ground: &Ground, files: u32) -> Result<(root::Tree, String)> {
    let mut tree = root::default_tree(&ground.tools)?;
    tree.add_host_file("bin/disk-load", 0o755, &ground.legacy()?.path("disk-load"))?;
    let archive = archive(files)?;
    let sum = expected_sum(&archive)?;
    tree.add_file("load.tar", 0o644, archive)?;
    Ok((tree, sum))
}

/// An archive of small files with contents that repeat from run to run.
fn archive(files: u32) -> Result<Vec<u8>> {
    let mut random = Random::new(files.into());
    let mut builder = tar::Builder::new(Vec::new());
    for number in 0..files {
        let bytes = usize::try_from(random.below(6000))?;
        let content: Vec<u8> = (0..bytes).map(|_| random.next_u64() as u8).collect();
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes as u64);
        header.set_mode(0o644);
        let path = format!("folder{}/file{number}", number % FOLDERS);
        builder.append_data(&mut header, path, content.as_slice())?;
    }
    Ok(builder.into_inner()?)
}

/// What this host's Linux gives for the same unpacking.
fn expected_sum(archive: &[u8]) -> Result<String> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = banyan::workspace::own("stage")?.join(format!("load-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    tar::Archive::new(archive).unpack(&folder)?;
    let line = "find . -type f | LC_ALL=C sort | xargs md5sum | md5sum";
    let output = Command::new("sh").args(["-c", line]).current_dir(&folder).output()?;
    std::fs::remove_dir_all(&folder)?;
    ensure!(output.status.success(), "the host cannot sum up the archive");
    Ok(String::from_utf8(output.stdout)?)
}

impl Loaded {
    /// Starts a system with the load's things on its disk.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(ground: &Ground, setup: Setup) -> Result<Self> {
        Self::start_with(ground, setup, |_, _| Ok(()))
    }

    /// As [`start`](Self::start), after `change` had a look at the root and the configuration.
    ///
    /// # Errors
    /// When it does not start, and `change`'s.
    pub fn start_with(
        ground: &Ground,
        setup: Setup,
        change: impl FnOnce(&mut root::Tree, &mut Config) -> Result<()>,
    ) -> Result<Self> {
        let (mut tree, expected_sum) = tree(ground, setup.files)?;
        let mut config = Config::new(Mode::Exec);
        config.storage = Storage::Disk(Disk::Fresh);
        config.places = setup.places;
        if setup.clock == Clock::Instructions {
            config.count_instructions = true;
            // What others do meanwhile, on processors of their own, is no part of a pause.
            config.cpus = 1;
        }
        config.options = setup.options.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        change(&mut tree, &mut config)?;
        config.root = Root::Loaded(Contents::Tree(Arc::new(tree)));
        Ok(Self { vm: ground.start(&config)?, expected_sum })
    }

    /// Starts all parts of the load.
    pub fn begin<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>) -> Running<'scope> {
        let parts = [("unpack", UNPACK), ("append", APPEND), ("mapped", MAPPED), ("find", FIND)];
        let start = |(name, command): (&'static str, &'static str)| {
            (name, scope.spawn(move || self.vm.exec(command, b"", LIMIT)))
        };
        Running { parts: parts.map(start).into() }
    }

    /// Tells the load to stop, waits for it and checks what every part has printed; how often the archive was unpacked.
    ///
    /// # Errors
    /// When a part failed, said anything unexpected, or wrote to standard error.
    pub fn end(&self, running: Running) -> Result<usize> {
        output(&self.vm, &format!(": >{STOP}"))?;
        let mut unpacked = 0;
        for (name, part) in running.parts {
            let result = part.join().map_err(|_| anyhow::anyhow!("the thread of {name} panicked"))?;
            let output = result.with_context(|| format!("the load {name}; the log:\n{}", self.log_end()))?;
            succeeded(&output, name).with_context(|| self.log_end())?;
            let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            ensure!(errors.is_empty(), "the load {name} said {errors}\n{}", self.log_end());
            let expected = match name {
                "unpack" => self.expected_sum.as_str(),
                "append" => "50\n",
                "mapped" => "mapped 400 reader 0\n",
                _ => "/bin/disk-load\n",
            };
            let rounds = text.lines().count();
            ensure!(
                rounds > 0 && text == expected.repeat(rounds),
                "the load {name} printed:\n{text}expected {expected}"
            );
            if name == "unpack" {
                unpacked = rounds;
            }
        }
        Ok(unpacked)
    }

    /// The end of the system's log.
    #[must_use]
    pub fn log_end(&self) -> String {
        banyan::progress::tail(&self.vm.explained_log().unwrap_or_default())
    }

    /// Stops the system in order and has the host check the disk.
    ///
    /// # Errors
    /// When it does not stop, or the file system is not clean.
    pub fn check_disk(&self, ground: &Ground) -> Result<()> {
        // The answer is the system's end.
        let _ = self.vm.exec("sync; poweroff -f", b"", LIMIT);
        let end = self.vm.wait(Some(Instant::now() + LIMIT));
        ensure!(end == Some(banyan::run::End::PoweredOff), "the system did not stop: {end:?}\n{}", self.log_end());
        is_clean(ground, self.vm.disk().context("it has a disk")?)
    }
}

/// Has the host check a file system without changing it.
///
/// # Errors
/// When it finds a fault; what e2fsck said.
pub fn is_clean(ground: &Ground, disk: &Path) -> Result<()> {
    let output = Command::new(&ground.tools.e2fs.e2fsck).arg("-fn").arg(disk).output()?;
    ensure!(output.status.success(), "e2fsck found:\n{}", String::from_utf8_lossy(&output.stdout));
    Ok(())
}

/// A request to the supervisor or the services, as `banyan` makes it.
///
/// # Errors
/// When it is refused.
pub fn request(vm: &Vm, words: &str) -> Result<()> {
    output(vm, &format!("banyan {words}")).map(drop)
}

/// A line of the table of services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Where it runs.
    pub placement: String,
    /// How often its task was restarted.
    pub restarts: u64,
    /// How often it moved.
    pub migrations: u64,
    /// Its moves' pauses, as the machine's clock has them.
    pub pauses_ns: Pauses,
    /// Of these, the time in which the processor did something: instructions, where the clock counts them.
    pub busy_ns: Pauses,
    /// What was done in the longest of them, step by step.
    pub steps: String,
}

/// Pauses of moves, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pauses {
    /// That of the last move.
    pub last: u64,
    /// The middle one.
    pub middle: u64,
    /// The shortest that 99 in 100 do not exceed.
    pub most: u64,
    /// The longest.
    pub longest: u64,
}

impl Pauses {
    fn parse(words: &[&str]) -> Option<Self> {
        let [last, middle, most, longest] = words else { return None };
        Some(Self {
            last: last.parse().ok()?,
            middle: middle.parse().ok()?,
            most: most.parse().ok()?,
            longest: longest.parse().ok()?,
        })
    }
}

/// What the line of a longest pause begins with; the service's name follows.
const LONGEST: &str = "longest pause of ";

/// The table of services.
///
/// # Errors
/// When it is not as expected.
pub fn services(vm: &Vm) -> Result<Vec<Service>> {
    let text = output(vm, "banyan services")?;
    table(&text)
}

fn table(text: &str) -> Result<Vec<Service>> {
    let is_row = |line: &&str| !line.starts_with(LONGEST);
    let rows = text.lines().skip(1).take_while(is_row);
    let mut services =
        rows.map(|line| service(line).with_context(|| format!("a service: {line}"))).collect::<Result<Vec<_>>>()?;
    for line in text.lines().skip(1 + services.len()) {
        let (name, steps) = line.strip_prefix(LONGEST).and_then(|rest| rest.split_once(',')).context("a pause")?;
        let service = services.iter_mut().find(|service| service.name == name);
        service.with_context(|| format!("no such service: {line}"))?.steps = steps.trim().into();
    }
    Ok(services)
}

fn service(line: &str) -> Option<Service> {
    let words: Vec<_> = line.split_whitespace().collect();
    let [name, placement, _, restarts, migrations, ref pauses @ ..] = words[..] else { return None };
    let (times, busy) = pauses.split_at_checked(4)?;
    Some(Service {
        name: name.into(),
        placement: placement.into(),
        restarts: restarts.parse().ok()?,
        migrations: migrations.parse().ok()?,
        pauses_ns: Pauses::parse(times)?,
        busy_ns: Pauses::parse(busy)?,
        steps: String::new(),
    })
}

/// Disturbs a system at random moments (the same for the same seed): `what` is done, with a pause before each, `count`
/// times.
///
/// # Errors
/// The first of `what`'s.
pub fn disturb(seed: u64, count: u64, longest: Duration, mut what: impl FnMut(u64) -> Result<()>) -> Result<()> {
    let mut random = Random::new(seed);
    for number in 0..count {
        let pause = random.below(u64::try_from(longest.as_millis())?.max(1));
        std::thread::sleep(Duration::from_millis(pause));
        what(number).with_context(|| format!("number {number} with seed {seed}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_services_is_understood() {
        let line =
            "fs      native       running             2           1       66106427       5       6       7 4 1 2 3";
        let service = service(line).expect("well formed");
        assert_eq!((service.restarts, service.migrations), (2, 1));
        assert_eq!(service.pauses_ns, Pauses { last: 66_106_427, middle: 5, most: 6, longest: 7 });
        assert_eq!(service.busy_ns, Pauses { last: 4, middle: 1, most: 2, longest: 3 });
        assert_eq!(super::service(&line[..line.len() - 2]), None);
        assert_eq!(super::service("fs native"), None);
        let text = format!("names\n{line}\nlongest pause of fs, busy/all ns: gate 1/2, retire 3/3\n");
        let services = table(&text).expect("well formed");
        assert_eq!(services[0].steps, "busy/all ns: gate 1/2, retire 3/3");
        table(&text.replace("of fs", "of nobody")).expect_err("there is no such service");
    }

    #[test]
    fn the_archive_repeats() {
        assert_eq!(archive(30).expect("memory takes it"), archive(30).expect("memory takes it"));
    }
}
