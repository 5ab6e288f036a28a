//! What the page says.

use crate::html::Page;
use crate::plot::{Bar, Scale, bars};
use crate::work;
use anyhow::Result;
use banyan::graph::Origin;
use banyan::run::Placement;
use bench::table::Value;
use demo::ground::Ground;
use demo::stage::Table;
use demo::{Size, crash, ipc, migrate, syscall, trust};

type Write = fn(&mut Page, &Ground, Size) -> Result<()>;

/// The sections, by the name that chooses one.
pub(crate) const ALL: [(&str, Write); 6] = [
    ("trust", trust_section),
    ("ipc", message_section),
    ("syscall", call_section),
    ("work", work_section),
    ("crash", crash_section),
    ("migrate", move_section),
];

/// Measures and writes the introduction and these sections.
///
/// # Errors
/// When one cannot be measured.
pub(crate) fn write(page: &mut Page, sections: &[Write], ground: &Ground, size: Size) -> Result<()> {
    page.paragraph(
        "Banyan runs unmodified Linux programs on a microkernel. A service of its Linux, a file system or a driver, runs \
         either inside the personality (one address space, as in a monolithic kernel) or as a task of its own, from the same \
         source, and moves between the two while it is used. This page compares the two placements. All figures are from \
         one run on an emulated processor; instructions hardly differ from run to run, times only mean something beside \
         each other.",
    );
    for section in sections {
        section(page, ground, size)?;
    }
    Ok(())
}

fn demo_command(name: &str, size: Size) -> String {
    let quick = if size == Size::Quick { " --quick" } else { "" };
    format!("cargo run -q -- demo {name} --auto{quick}")
}

fn trust_section(page: &mut Page, ground: &Ground, size: Size) -> Result<()> {
    let designs = trust::measure(ground)?;
    page.section("Which code has to be right");
    page.paragraph(
        "For one write(2) to a file on the disk: the lines of code in each address space on the way, counted from the crates \
         and files that the build linked, without comments and tests.",
    );
    for (design, name) in designs.iter().zip(["services in the personality", "services native"]) {
        let bars_of = design.parts.iter().enumerate().map(|(index, part)| Bar {
            name: part.name.clone(),
            value: (part.lines(Origin::Ours) + part.lines(Origin::Others)) as f64,
            colour: usize::from(index >= 2 && part.name == "personality"),
        });
        page.plot(&bars(name, "lines", Scale::Linear, &bars_of.collect::<Vec<_>>()));
    }
    page.table(&trust::reach_table(&designs));
    page.command(&demo_command("trust", size));
    Ok(())
}

fn message_section(page: &mut Page, ground: &Ground, size: Size) -> Result<()> {
    let figures = ipc::measure(ground)?;
    let table = ipc::costs_table(&figures)?;
    page.section("What a message costs");
    page.paragraph(
        "A service outside is called by a message. A question and its answer, from a function call to a pair of pipes; the \
         kernel's part was stepped through instruction by instruction.",
    );
    page.plot(&bars("question and answer", "instructions", Scale::Logarithmic, &from_table(&table, 0, 1)));
    page.table(&table);
    page.command(&demo_command("ipc", size));
    Ok(())
}

fn call_section(page: &mut Page, ground: &Ground, size: Size) -> Result<()> {
    let table = syscall::table(&syscall::measure(ground, size)?);
    page.section("Two ways to trap");
    page.paragraph(
        "An unmodified program's system call reaches the personality through a Vcpu (its thread becomes the program) or by \
         exception IPC (two threads and a message with all registers). The same program, also on Debian's Linux 6.1.",
    );
    let named = table.rows.iter().enumerate().map(|(index, row)| Bar {
        name: format!("{}: {}", short(&row[0]), short(&row[1])),
        value: number(&row[2]),
        colour: index / 2,
    });
    page.plot(&bars("a system call", "instructions", Scale::Linear, &named.collect::<Vec<_>>()));
    page.table(&table);
    page.command(&demo_command("syscall", size));
    Ok(())
}

fn work_section(page: &mut Page, ground: &Ground, size: Size) -> Result<()> {
    let figures = work::measure(ground, size)?;
    page.section("The same work in both placements");
    page.paragraph(
        "The same commands on a fresh disk: times of the emulated machine's clock, to ten milliseconds, the least of three \
         rounds (of one with --quick). What else the host had to do is in them: look at the ratios only.",
    );
    let mut all = Vec::new();
    for (index, one) in work::WORK.iter().enumerate() {
        for (colour, design) in ["personality", "native"].iter().enumerate() {
            let name = if colour == 0 { format!("{}: {design}", one.name) } else { (*design).into() };
            all.push(Bar { name, value: figures[colour][index], colour: 1 - colour });
        }
    }
    page.plot(&bars("time", "ms", Scale::Linear, &all));
    page.table(&work::table(&figures));
    page.commands(work::WORK.iter().map(|one| (one.name, one.command)));
    let quick = if size == Size::Quick { " --quick" } else { "" };
    page.command(&format!("cargo run -q -- report --only work{quick} --out DIR"));
    Ok(())
}

fn crash_section(page: &mut Page, ground: &Ground, size: Size) -> Result<()> {
    let native = crash::measure(ground, size, Placement::Native)?;
    let inside = crash::measure(ground, size, Placement::Personality)?;
    page.section("The same bug in both placements");
    page.paragraph(
        "The disk's driver panics at a certain request, once, while a program copies a large file and says which chunks are on \
         the disk. A native task that has nothing to do with it beats every 20 ms. A personality that died is made anew.",
    );
    page.table(&crash::table(&native, &inside));
    page.command(&demo_command("crash", size));
    Ok(())
}

fn move_section(page: &mut Page, ground: &Ground, size: Size) -> Result<()> {
    let figures = migrate::measure(ground, size)?;
    page.section("Moving a service while it is used");
    page.paragraph(&format!(
        "File system and driver moved out and back while four programs used the disk. The archive of {} files was unpacked {} \
         times, every checksum was right, no program saw an error, and e2fsck found the disk clean.",
        figures.files, figures.unpacked
    ));
    let pauses = figures.moves.iter().map(|one| Bar {
        name: format!("{} to {}", one.service, one.placement),
        value: one.pause.as_secs_f64() * 1000.0,
        colour: usize::from(one.placement == "personality"),
    });
    page.plot(&bars("pause", "ms", Scale::Linear, &pauses.collect::<Vec<_>>()));
    page.table(&migrate::table(&figures));
    if let Some(table) = migrate::counted_table(&figures) {
        page.paragraph("The pauses in instructions, on a machine whose clock counts them:");
        page.table(&table);
    }
    page.command(&demo_command("migrate", size));
    Ok(())
}

fn from_table(table: &Table, name: usize, value: usize) -> Vec<Bar> {
    let bar = |row: &Vec<Value>| Bar { name: short(&row[name]), value: number(&row[value]), colour: 0 };
    table.rows.iter().map(bar).collect()
}

fn short(value: &Value) -> String {
    match value {
        Value::Text(text) => text.replace("Linux 6.1 (mitigations=off)", "Linux 6.1"),
        _ => String::new(),
    }
}

fn number(value: &Value) -> f64 {
    match value {
        Value::Number(number, _) => *number,
        _ => 0.0,
    }
}
