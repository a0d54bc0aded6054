//! What is asked for on the command line.

use anyhow::{Context, bail};

/// As many as the acceptance of the plugin platform asks for.
const SWAPS: u32 = 1000;

/// A checked command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) swaps: u32,
    pub(crate) latency: Judgement,
}

/// What becomes of latencies that are too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// The run fails.
    Judged,
    /// They are only told: the binary is no release build, or the machine has other work.
    Told,
}

impl Plan {
    pub(crate) fn parse(arguments: &[String]) -> anyhow::Result<Self> {
        let mut plan = Self { swaps: SWAPS, latency: Judgement::Judged };
        for pair in arguments.chunks(2) {
            match pair {
                [key, value] if key == "--swaps" => {
                    plan.swaps = value.parse().context("--swaps wants a number")?;
                }
                [key, value] if key == "--latency" => plan.latency = Judgement::named(value)?,
                _ => bail!("not understood: {}; there are --swaps N, --latency judged|told", pair.join(" ")),
            }
        }
        Ok(plan)
    }
}

impl Judgement {
    fn named(word: &str) -> anyhow::Result<Self> {
        match word {
            "judged" => Ok(Self::Judged),
            "told" => Ok(Self::Told),
            _ => bail!("--latency wants judged or told"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_understood_or_refused() {
        let check = |words: &[&str], expected: Option<(u32, Judgement)>| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            let plan = Plan::parse(&words).ok().map(|plan| (plan.swaps, plan.latency));
            assert_eq!(plan, expected, "{words:?}");
        };
        check(&[], Some((1000, Judgement::Judged)));
        check(&["--swaps", "60", "--latency", "told"], Some((60, Judgement::Told)));
        check(&["--swaps"], None);
        check(&["--swaps", "many"], None);
        check(&["--latency", "ignored"], None);
        check(&["60"], None);
    }
}
