//! The boot archive, as the loader and the root task read it.

use std::io::Cursor;

use banyan::image::archive::Archive as Writer;
use banyan::image::program::{Placed, PlacedSegment};
use ukernel_abi::Rights;

use crate::{Answer, Target};

/// Both readers.
pub const TARGET: Target = Target { name: "boot-archive", good, head: 2200, inputs: 20_000, run };

fn good() -> Vec<u8> {
    let segment = |address, rights: Rights| PlacedSegment { address, bytes: vec![7; 5000], memory_bytes: 9000, rights };
    let code = segment(0x40_0000, Rights::READ.or(Rights::EXECUTE));
    let program =
        Placed { entry_point: 0x40_0000, segments: vec![code, segment(0x41_0000, Rights::READ.or(Rights::WRITE))] };
    let mut writer = Writer::new(Cursor::new(Vec::new()), 4);
    let written = writer.add_program("root", &program).and_then(|()| writer.add_data("kernel", &[1; 3000]));
    written.and_then(|()| writer.set_root("root")).expect("memory takes all");
    writer.finish().expect("memory takes all").into_inner()
}

fn run(bytes: &[u8]) -> Answer {
    match loader(bytes) {
        Answer::Understood => root_task(bytes),
        Answer::Refused => {
            let _ = root_task(bytes);
            Answer::Refused
        }
    }
}

fn loader(bytes: &[u8]) -> Answer {
    let data = loader_core::archive::Archive::parse(bytes).and_then(|archive| archive.data("kernel"));
    let Ok(data) = data else { return Answer::Refused };
    assert!(data.offset as usize + data.bytes.len() <= bytes.len(), "data beyond the end");
    Answer::Understood
}

fn root_task(bytes: &[u8]) -> Answer {
    let Ok(archive) = root_task::archive::Archive::parse(bytes) else { return Answer::Refused };
    let _ = (archive.data("kernel"), archive.contents("kernel"));
    let Some(program) = archive.program("root") else { return Answer::Refused };
    for segment in &program.segments {
        let content = archive.segment(segment).expect("a segment of a sound archive is in it");
        assert_eq!(content.len() as u64, segment.file_bytes, "a segment is cut short");
    }
    Answer::Understood
}
