//! Each target with the same inputs each time: `cargo run -p fuzz` and `check --long` try others.

use fuzz::{ALL, Target, drive};

const SEED: u64 = 1;

fn holds(name: &str) {
    let target = Target::find(name).expect("the target is in the list");
    if let Err(finding) = drive(target, SEED, target.inputs) {
        panic!("{finding}");
    }
}

macro_rules! tests {
    ($($test:ident: $name:literal;)*) => {
        $(
            #[test]
            fn $test() {
                holds($name);
            }
        )*

        #[test]
        fn each_target_has_a_test() {
            assert_eq!(ALL.iter().map(|target| target.name).collect::<Vec<_>>(), [$($name),*]);
        }
    };
}

tests! {
    a_program_of_damaged_elf: "elf-program";
    a_kernel_of_damaged_elf: "elf-kernel";
    a_damaged_initial_root: "root-cpio";
    a_damaged_tar_file: "root-tar";
    a_damaged_boot_archive: "boot-archive";
    a_damaged_compiled_manifest: "manifest-compiled";
    a_damaged_manifest_text: "manifest-text";
    damaged_frames_for_the_host: "channel-frames";
    damaged_frames_for_the_guest: "channel-guest";
    a_damaged_trace: "trace";
    damaged_messages_of_all_contracts: "messages";
    damaged_messages_to_a_file_system: "ext4-messages";
    a_damaged_file_system: "ext4-image";
}
