//! The manifests that are shipped, and bad ones, each with its expected message.

use std::fs;
use std::path::{Path, PathBuf};

use manifest::Manifest;

fn systems() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../images/systems")
}

fn manifests(folder: &Path) -> Vec<(PathBuf, String)> {
    let files = fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("readable").path());
    let manifests = files.filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
    manifests.map(|path| (path.clone(), fs::read_to_string(&path).expect("readable"))).collect()
}

#[test]
fn shipped_systems_are_sound_and_survive_encoding() {
    let manifests = manifests(&systems());
    assert!(!manifests.is_empty());
    for (path, text) in manifests {
        let manifest = manifest::parse(&text).unwrap_or_else(|problem| panic!("{}: {problem}", path.display()));
        let bytes = manifest.encode().expect("it fits memory");
        assert_eq!(Manifest::decode(&bytes), Ok(manifest));
    }
}

/// The first line of a bad manifest is `# expect: ` and what the message must contain.
#[test]
fn bad_systems_are_refused_with_their_message() {
    let manifests = manifests(&systems().join("tests/bad"));
    assert!(manifests.len() >= 15);
    for (path, text) in manifests {
        let expected = text.lines().next().and_then(|line| line.strip_prefix("# expect: "));
        let expected = expected.unwrap_or_else(|| panic!("{}: no expectation", path.display()));
        let problem = manifest::parse(&text).expect_err(&path.display().to_string());
        assert!(problem.0.contains(expected), "{}: \"{problem}\"", path.display());
    }
}

#[test]
fn hostile_bytes_are_refused() {
    let (_, text) = manifests(&systems()).remove(0);
    let bytes = manifest::parse(&text).expect("sound").encode().expect("it fits memory");
    for cut in 0..bytes.len() {
        assert!(Manifest::decode(&bytes[..cut]).is_err(), "cut at {cut}");
    }
    let longer: Vec<u8> = bytes.iter().copied().chain([0]).collect();
    assert!(Manifest::decode(&longer).is_err());
    for index in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[index] ^= 0x80;
        // It may still be a manifest; it must not be a panic or an endless allocation.
        let _ = Manifest::decode(&changed);
    }
}

fn default_system() -> Manifest {
    let text = fs::read_to_string(systems().join("default.toml")).expect("readable");
    manifest::parse(&text).expect("sound")
}

#[test]
fn both_homes_of_a_service_receive_from_its_endpoint() {
    let system = default_system();
    let received = |name: &str| {
        let (_, task) = system.task(name).expect("it is there");
        system.received_by(task).map(str::to_string).collect::<Vec<_>>()
    };
    assert_eq!(received("block"), ["block"]);
    assert_eq!(received("personality"), ["block", "fs"]);
    assert_eq!(received("console"), ["console"]);
    assert_eq!(system.endpoints().filter(|endpoint| *endpoint == "fs").count(), 1);
}

#[test]
fn the_boot_places_services() {
    let mut system = default_system();
    let placements = |system: &Manifest| {
        system.services.iter().map(|service| (service.name.clone(), service.placement.name())).collect::<Vec<_>>()
    };
    let as_shipped = placements(&system);
    assert_eq!(as_shipped, [("block".into(), "personality"), ("fs".into(), "personality")]);
    system.place("").expect("nothing to do");
    assert_eq!(placements(&system), as_shipped);
    system.place("block:native").expect("sound");
    assert_eq!(placements(&system), [("block".into(), "native"), ("fs".into(), "personality")]);
    system.place("all:native,fs:personality").expect("sound");
    assert_eq!(placements(&system), [("block".into(), "native"), ("fs".into(), "personality")]);
    for bad in ["fs", "fs:", "fs:moon", "fs:personality,net:native", ":native", "fs=native"] {
        assert!(system.place(bad).is_err(), "{bad}");
        assert_eq!(placements(&system), [("block".into(), "native"), ("fs".into(), "personality")], "{bad}");
    }
}
