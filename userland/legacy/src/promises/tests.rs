//! Plans repeat and are possible; what a step under way may leave is judged strictly.

use super::*;

#[test]
fn plans_repeat_and_stay_small() {
    let (mut a, mut b) = (Plan::new(3), Plan::new(3));
    let steps: Vec<Step> = (0..2000).map(|_| a.draw()).collect();
    assert!(steps.iter().all(|step| *step == b.draw()));
    assert_eq!(a.tree(), b.tree());
    let bytes: usize = a.tree().values().map(|node| if let Node::File(bytes) = node { bytes.len() } else { 0 }).sum();
    assert!(a.tree().len() > 5 && bytes < 3 << 20, "{} nodes, {bytes} bytes", a.tree().len());
    let kinds: std::collections::HashSet<_> = steps.iter().map(std::mem::discriminant).collect();
    assert_eq!(kinds.len(), 8, "every kind of step is drawn");
}

#[test]
fn a_worker_does_what_its_plan_says() {
    let folder = std::env::temp_dir().join(format!("banyan-promises-{}", std::process::id()));
    let done = worker::work(&folder, 7, 300).map_err(|error| error.to_string());
    let ledger = std::fs::read(folder.join(LEDGER));
    std::fs::remove_dir_all(&folder).expect("it was made");
    assert_eq!(done, Ok(300));
    let ledger = ledger.expect("it was written");
    let numbers: Vec<_> = ledger.chunks(RECORD_BYTES).map(read_record).collect();
    assert!(numbers.iter().zip(1..=300).all(|(found, number)| *found == Some((7, number))));
}

#[test]
fn records_are_recognized() {
    let mut bytes = record(5, 9);
    assert_eq!(read_record(&bytes), Some((5, 9)));
    assert_eq!(read_record(&bytes[1..]), None);
    bytes[17] ^= 1;
    assert_eq!(read_record(&bytes), None);
    assert_eq!(read_record(&[0; RECORD_BYTES]), None);
}

fn tree(files: &[(&str, &[u8])]) -> Tree {
    files.iter().map(|(path, bytes)| ((*path).into(), Node::File(bytes.to_vec()))).collect()
}

#[test]
fn steps_under_way_may_leave_old_new_and_zero_bytes() {
    let content = Content { seed: 1, bytes: 4 };
    let new = content.bytes();
    let step = Step::Append("f".into(), content);
    let before = tree(&[("f", b"old"), ("g", b"other")]);
    let mut after = before.clone();
    step.apply(&mut after);
    let allows = |file: &[u8], other: &[u8]| step.allows(&before, &after, &tree(&[("f", file), ("g", other)])).is_ok();
    assert!(allows(b"old", b"other") && allows(b"old\0\0", b"other"));
    assert!(allows(&[b"old", &new[..2]].concat(), b"other"));
    assert!(!allows(b"old", b"othe"), "nobody touches the other");
    assert!(!allows(b"oldx", b"other"), "that byte was never there");
    assert!(!allows(&[b"old", &new[..], &[0]].concat(), b"other"), "it was never so long");
    assert!(step.allows(&before, &after, &tree(&[("g", b"other")])).is_err(), "it is gone");
}

#[test]
fn names_change_wholly_or_not_at_all() {
    let step = Step::Rename("f".into(), "g".into());
    let before = tree(&[("f", b"1"), ("g", b"2")]);
    let mut after = before.clone();
    step.apply(&mut after);
    assert_eq!(after, tree(&[("g", b"1")]));
    let allows = |files: &[(&str, &[u8])]| step.allows(&before, &after, &tree(files)).is_ok();
    assert!(allows(&[("f", b"1"), ("g", b"2")]) && allows(&[("g", b"1")]));
    assert!(!allows(&[("f", b"1"), ("g", b"1")]) && !allows(&[("f", b"1")]) && !allows(&[("g", b"2")]));
    assert!(!allows(&[]) && !allows(&[("g", b"1"), ("h", b"")]));
}
