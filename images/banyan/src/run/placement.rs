//! Where services run at the start, and what a crash of the personality leads to: what the boot options say of them.

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fmt;

/// The services that have two homes, by the names of their endpoints.
pub const SERVICES: [&str; 2] = ["block", "fs"];

/// Where a service runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// In the personality.
    Personality,
    /// In a task of its own.
    Native,
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Personality => "personality",
            Self::Native => "native",
        })
    }
}

/// What follows when the personality dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnCrash {
    /// It is started anew.
    Restart,
    /// The machine stops.
    Halt,
}

impl fmt::Display for OnCrash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Restart => "restart",
            Self::Halt => "halt",
        })
    }
}

/// Where each service runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places(BTreeMap<&'static str, Placement>);

impl Places {
    /// Every service at the same place.
    pub fn all(placement: Placement) -> Self {
        Self(SERVICES.map(|service| (service, placement)).into())
    }

    /// Puts services elsewhere, as `fs=native,block=personality` says.
    ///
    /// # Errors
    /// When it names a service or a place that there is not, or a service twice.
    pub fn change(&mut self, text: &str) -> Result<()> {
        let mut named = Vec::new();
        for word in text.split(',') {
            let (name, place) = word.split_once('=').with_context(|| format!("{word:?} is not SERVICE=PLACEMENT"))?;
            let service = SERVICES.into_iter().find(|service| *service == name);
            let service = service.with_context(|| format!("there is no service {name:?}: {}", SERVICES.join(", ")))?;
            if named.contains(&service) {
                bail!("{service} has two places");
            }
            named.push(service);
            self.0.insert(service, parse(place)?);
        }
        Ok(())
    }

    /// Where a service runs.
    pub fn get(&self, service: &str) -> Option<Placement> {
        self.0.get(service).copied()
    }
}

fn parse(place: &str) -> Result<Placement> {
    match place {
        "personality" => Ok(Placement::Personality),
        "native" => Ok(Placement::Native),
        _ => bail!("there is no placement {place:?}: personality, native"),
    }
}

/// As the boot option has it: `block:native,fs:personality`.
impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.0.iter().map(|(service, placement)| format!("{service}:{placement}")).collect();
        f.write_str(&words.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_placed_one_by_one() {
        let mut places = Places::all(Placement::Personality);
        places.change("fs=native").expect("it is well formed");
        assert_eq!(places.to_string(), "block:personality,fs:native");
        places.change("fs=personality,block=native").expect("it is well formed");
        assert_eq!(places.get("block"), Some(Placement::Native));
        assert_eq!(places.get("net"), None);
    }

    #[test]
    fn nonsense_is_named() {
        let problem = |text: &str| {
            let changed = Places::all(Placement::Native).change(text);
            changed.map_or_else(|error| format!("{error:#}"), |()| "no problem".into())
        };
        assert!(problem("net=native").contains("no service \"net\": block, fs"));
        assert!(problem("fs=here").contains("no placement \"here\""));
        assert!(problem("fs").contains("SERVICE=PLACEMENT"));
        assert!(problem("").contains("SERVICE=PLACEMENT"));
        assert!(problem("fs=native,fs=personality").contains("two places"));
    }
}
