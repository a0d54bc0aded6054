//! What is asked for on the command line.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};

/// As many as the acceptance of the plugin platform asks for.
const RELOADS: usize = 10_000;

/// A checked command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) reloads: usize,
    /// Another one each time unless it is given; it is told first.
    pub(crate) seed: u64,
}

impl Plan {
    pub(crate) fn parse(arguments: &[String]) -> anyhow::Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let mut plan = Self { reloads: RELOADS, seed: now };
        for pair in arguments.chunks(2) {
            match pair {
                [key, value] if key == "--reloads" => {
                    plan.reloads = value.parse().context("--reloads wants a number")?;
                }
                [key, value] if key == "--seed" => {
                    plan.seed = value.parse().context("--seed wants a number")?
                }
                _ => bail!("not understood: {}; there are --reloads N, --seed N", pair.join(" ")),
            }
        }
        Ok(plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_understood_or_refused() {
        let check = |words: &[&str], reloads: Option<usize>| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(Plan::parse(&words).ok().map(|plan| plan.reloads), reloads, "{words:?}");
        };
        check(&[], Some(10_000));
        check(&["--reloads", "7", "--seed", "3"], Some(7));
        check(&["--reloads"], None);
        check(&["--seed", "x"], None);
        check(&["7"], None);
    }
}
