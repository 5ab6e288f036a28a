//! Placements chosen at boot: `block:native,fs:personality`, over those of the manifest.

use alloc::format;

use crate::{Manifest, Placement, Problem};

/// Key of the boot option whose value [`Manifest::place`] reads.
pub const PLACE_OPTION: &str = "place";

impl Placement {
    /// From its name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "personality" => Some(Self::Personality),
            "native" => Some(Self::Native),
            _ => None,
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Personality => "personality",
            Self::Native => "native",
        }
    }
}

impl Manifest {
    /// Places services: `text` is a comma-separated list of `SERVICE:PLACEMENT`, in which `all` means every service and a
    /// later entry overrides an earlier one. The empty list changes nothing.
    ///
    /// # Errors
    /// There is no such service or placement; then nothing has changed.
    pub fn place(&mut self, text: &str) -> Result<(), Problem> {
        let mut services = self.services.clone();
        for entry in text.split(',').filter(|entry| !entry.is_empty()) {
            let parts = entry.split_once(':').and_then(|(name, place)| Some((name, Placement::from_name(place)?)));
            let (name, placement) = parts.ok_or_else(|| {
                Problem(format!("\"{entry}\" is not SERVICE:PLACEMENT with a placement of personality or native"))
            })?;
            let mut found = false;
            for service in services.iter_mut().filter(|service| name == "all" || service.name == name) {
                service.placement = placement;
                found = true;
            }
            if !found && name != "all" {
                return Err(Problem(format!("there is no service \"{name}\" to place")));
            }
        }
        self.services = services;
        Ok(())
    }
}
