//! What the hostile plugins have in common: ways not to come back, and misbehaviour before the first real call. What only
//! one world can do wrong is in that world's crate.

use std::hint::black_box;

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// How much more memory `allocate` takes at a time, in bytes.
const ALLOCATION: usize = 1 << 20;

/// Never returns, and never calls the host.
pub fn spin() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// Takes memory until there is no more, and then traps.
pub fn allocate() -> ! {
    let mut kept = Vec::new();
    loop {
        // Every page is written to, so that a host that only reserves memory has to find it.
        kept.push(black_box(vec![0xaa_u8; ALLOCATION]));
    }
}

/// Traps: a panic is an `unreachable` in these components.
pub fn trap() -> ! {
    panic!("the trap that was asked for")
}

/// Misbehaviour before the first real call.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Early {
    /// `configure` does not return.
    SpinInConfigure,
    /// `configure` takes all memory.
    AllocateInConfigure,
    /// `configure` traps.
    TrapInConfigure,
    /// `configure` says that the settings are wrong.
    RefuseSettings,
    /// `begin` does not return.
    SpinInBegin,
    /// `begin` traps.
    TrapInBegin,
    /// `begin` returns a failure.
    FailInBegin,
}

impl Early {
    /// What the plugin does when it is configured.
    ///
    /// # Errors
    /// Under [`Early::RefuseSettings`].
    pub fn configure(self) -> Result<(), String> {
        match self {
            Self::SpinInConfigure => spin(),
            Self::AllocateInConfigure => allocate(),
            Self::TrapInConfigure => trap(),
            Self::RefuseSettings => Err("these settings are refused, as asked".into()),
            Self::SpinInBegin | Self::TrapInBegin | Self::FailInBegin => Ok(()),
        }
    }

    /// What the plugin does when an exchange begins.
    ///
    /// # Errors
    /// Under [`Early::FailInBegin`].
    pub fn begin(self) -> Result<(), String> {
        match self {
            Self::SpinInBegin => spin(),
            Self::TrapInBegin => trap(),
            Self::FailInBegin => Err("this exchange is refused, as asked".into()),
            Self::SpinInConfigure
            | Self::AllocateInConfigure
            | Self::TrapInConfigure
            | Self::RefuseSettings => Ok(()),
        }
    }
}

/// A plugin's mode: something early, or something of its own world.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(untagged)]
pub enum Mode<Late> {
    /// Misbehaves before the first real call, and is well-behaved in it.
    Early(Early),
    /// Does this when it is called.
    Late(Late),
}

impl<Late: Copy + Default> Mode<Late> {
    /// What to do in the real call.
    pub fn late(self) -> Late {
        match self {
            Self::Early(_) => Late::default(),
            Self::Late(late) => late,
        }
    }

    /// What to do before it.
    pub fn early(self) -> Option<Early> {
        match self {
            Self::Early(early) => Some(early),
            Self::Late(_) => None,
        }
    }
}

/// `{"mode": …, "trigger": …, "size": …}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, bound = "Late: Deserialize<'de> + Default")]
pub struct Settings<Late> {
    /// What to do.
    #[serde(default = "well_behaved")]
    pub mode: Mode<Late>,
    /// The text that an honest detector finds, and that sets off the `-on-canary` modes.
    #[serde(default = "trigger_default")]
    pub trigger: String,
    /// How large the giant results are: findings, or bytes.
    #[serde(default = "size_default")]
    pub size: usize,
}

fn well_behaved<Late: Default>() -> Mode<Late> {
    Mode::Late(Late::default())
}

fn trigger_default() -> String {
    "canary".into()
}

fn size_default() -> usize {
    1 << 20
}

impl<Late: DeserializeOwned + Copy + Default> Settings<Late> {
    /// Reads the settings and misbehaves at once if they say so.
    ///
    /// # Errors
    /// The settings do not fit, or are refused because they say so.
    pub fn configure(settings_json: &str) -> Result<Self, String> {
        let settings: Self = serde_json::from_str(settings_json).map_err(|error| error.to_string())?;
        settings.mode.early().map_or(Ok(()), Early::configure)?;
        Ok(settings)
    }

    /// An exchange begins.
    ///
    /// # Errors
    /// The settings say so.
    pub fn begin(&self) -> Result<(), String> {
        self.mode.early().map_or(Ok(()), Early::begin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
    #[serde(rename_all = "kebab-case")]
    enum Late {
        #[default]
        Honest,
        Blind,
    }

    #[test]
    fn a_mode_is_early_or_late() {
        let check = |json: &str, expected| {
            let settings: Settings<Late> = serde_json::from_str(json).expect("settings");
            assert_eq!(settings.mode, expected, "{json}");
        };
        check("{}", Mode::Late(Late::Honest));
        check(r#"{"mode": "blind"}"#, Mode::Late(Late::Blind));
        check(r#"{"mode": "spin-in-begin"}"#, Mode::Early(Early::SpinInBegin));
        assert!(serde_json::from_str::<Settings<Late>>(r#"{"mode": "kind"}"#).is_err());
    }

    #[test]
    fn early_modes_misbehave_in_their_own_call_only() {
        assert!(Early::RefuseSettings.configure().is_err());
        assert!(Early::RefuseSettings.begin().is_ok());
        assert!(Early::FailInBegin.configure().is_ok());
        assert!(Early::FailInBegin.begin().is_err());
        assert!(Settings::<Late>::configure(r#"{"mode": "refuse-settings"}"#).is_err());
        assert!(std::panic::catch_unwind(|| Early::TrapInConfigure.configure()).is_err());
        assert!(std::panic::catch_unwind(|| Early::TrapInBegin.begin()).is_err());
    }
}
