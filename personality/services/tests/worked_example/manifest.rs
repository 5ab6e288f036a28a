//! Step 6: the manifest. The lines of `tickets.toml`, and the personality's right to call, make a system that is sound.

use manifest::Placement;

const DEFAULT: &str = include_str!("../../../../images/systems/default.toml");
const TICKETS: &str = include_str!("tickets.toml");
/// The grant that the new one comes after.
const NEIGHBOUR: &str = "{ endpoint = \"fs\", badge = 1 },";
const CALL: &str = "{ endpoint = \"tickets\", badge = 1 },";

#[test]
fn the_manifest_has_room_for_it() {
    assert_eq!(DEFAULT.matches(NEIGHBOUR).count(), 1);
    let system = DEFAULT.replace(NEIGHBOUR, &format!("{NEIGHBOUR}\n{CALL}"));
    let mut system = manifest::parse(&format!("{system}\n{TICKETS}")).expect("it is sound");
    system.place("tickets:native").expect("there is such a service");
    assert_eq!(system.service("tickets").map(|service| service.placement), Some(Placement::Native));
    let (_, personality) = system.task("personality").expect("there is one");
    assert!(system.received_by(personality).any(|endpoint| endpoint == "tickets"), "either home may serve it");
}
