//! Plugins as the file names them; what they are is known when they are loaded.

use std::time::Duration;

use grille_core::rollout::{NotATarget, Rules};
use grille_core::{Digest, NotADigest, PluginId};
use grille_plugin::{Capability, Grants};
use grille_trust::Unsigned;
use serde_json::{Map, Value as Json};

use super::Check;
use crate::config::at::At;
use crate::config::problem::Problem;
use crate::config::{PluginSettings, PluginUse, RolloutSettings, file, most_similar};

/// Longest probation: longer than a week, nobody remembers what changed.
const PROBATION_MAX: Duration = Duration::from_hours(168);

/// Shortest latency budget: below, the machine's own hiccups are what is judged.
const LATENCY_BUDGET_MIN: Duration = Duration::from_millis(1);

/// Longest latency budget: as long as a call may take at most (`[limits] plugin_deadline`).
const LATENCY_BUDGET_MAX: Duration = Duration::from_secs(10);

impl Check<'_> {
    /// A plugin to load.
    pub(super) fn plugin(&mut self, plugin: &file::Plugin) -> Option<PluginSettings> {
        let digest = match &plugin.digest {
            Some(digest) => Some(self.digest(digest)?),
            None => None,
        };
        let grants = self.grants(plugin);
        let rollout = self.rollout(&plugin.rollout);
        let settings = to_json(&plugin.settings);
        if settings.is_none() {
            self.error(&plugin.settings, "`inf` and `nan` cannot be given to a plugin");
        }
        Some(PluginSettings {
            name: PluginId::new(plugin.name.as_str()),
            file: self.path(&plugin.file),
            digest,
            unsigned: if *plugin.unsigned { Unsigned::Accept } else { Unsigned::Refuse },
            settings: settings?,
            grants: grants?,
            rollout: rollout?,
            at: plugin.file.span(),
            settings_at: plugin.settings.span(),
        })
    }

    /// `None` goes with an error.
    fn rollout(&mut self, rollout: &file::Rollout) -> Option<RolloutSettings> {
        let target = match rollout.to.parse() {
            Ok(target) => Some(target),
            Err(error @ (NotATarget::Stage | NotATarget::Share(_))) => {
                self.error(&rollout.to, format!("`{}`: {error}", *rollout.to));
                None
            }
        };
        let probation = rollout.probation.0;
        if probation > PROBATION_MAX {
            self.error(&rollout.probation, "`probation` is at most `168h`");
        }
        if let Some(budget) = rollout.latency_budget.as_ref().filter(|_| *rollout.failures_max == 0) {
            self.error(
                budget,
                "with `failures_max = 0` nothing is rolled back by itself, also not for its latency",
            );
        }
        if let Some(budget) = &rollout.latency_budget
            && !(LATENCY_BUDGET_MIN..=LATENCY_BUDGET_MAX).contains(&budget.0)
        {
            self.error(budget, "`latency_budget` is from `1ms` to `10s`");
        }
        let rules = Rules { probation_s: probation.as_secs(), failures_max: *rollout.failures_max };
        let latency_budget = rollout.latency_budget.as_ref().map(|budget| budget.0);
        Some(RolloutSettings { target: target?, rules, latency_budget })
    }

    /// `None` goes with an error.
    fn grants(&mut self, plugin: &file::Plugin) -> Option<Grants> {
        let words: Vec<_> = plugin.grants.iter().map(|word| self.capability(word)).collect();
        let hosts: Vec<_> = plugin.egress.iter().map(|host| self.egress_host(host)).collect();
        let capabilities = words.into_iter().collect::<Option<_>>()?;
        let grants = Grants { capabilities, egress: hosts.into_iter().collect::<Option<_>>()? };
        let sends = grants.capabilities.contains(&Capability::Egress);
        match (sends, plugin.egress.first()) {
            (true, None) => {
                let message = format!("plugin `{}` is granted `egress`, and no host", *plugin.name);
                let problem = Problem::error(plugin.name.span(), message);
                self.problems.push(problem.help("name the hosts: egress = [\"calendar.example.com:443\"]"));
            }
            (false, Some(host)) => {
                let message = format!("plugin `{}` is not granted `egress`", *plugin.name);
                let problem = Problem::error(host.span(), message);
                self.problems.push(problem.help("add \"egress\" to its grants, or take the hosts away"));
            }
            (true, Some(_)) | (false, None) => {}
        }
        Some(grants)
    }

    pub(super) fn capability(&mut self, word: &At<String>) -> Option<Capability> {
        let capability = Capability::from_word(word);
        if capability.is_none() {
            let known = Capability::ALL.into_iter().map(Capability::as_str);
            let problem = Problem::error(word.span(), format!("`{}` is not a capability", **word));
            self.problems.push(match most_similar(word, known.clone()) {
                Some(meant) => problem.help(format!("did you mean `{meant}`?")),
                None => {
                    problem.help(format!("the capabilities are {}", known.collect::<Vec<_>>().join(", ")))
                }
            });
        }
        capability
    }

    fn egress_host(&mut self, text: &At<String>) -> Option<grille_plugin::EgressHost> {
        text.parse().map_err(|error: grille_plugin::EgressHostError| self.error(text, error.to_string())).ok()
    }

    /// What sees cells gets no way to tell anybody, and says so before any plugin is loaded.
    pub(super) fn grants_fit_uses(&mut self, plugins: &[file::Plugin], uses: &[PluginUse]) {
        for plugin in plugins {
            let used = uses.iter().filter(|used| used.plugin.as_str() == plugin.name.as_str());
            let misfit = plugin.grants.iter().find_map(|word| {
                let world = Capability::from_word(word)?.world();
                used.clone().find(|used| used.world != world).map(|used| (word, world, used))
            });
            if let Some((word, world, used)) = misfit {
                let message = format!(
                    "only a {world} can have `{}`, and role `{}` uses the plugin `{}` as a {}",
                    **word, used.role, used.plugin, used.world
                );
                let problem = Problem::error(word.span(), message);
                self.problems.push(problem.help("take it out of the plugin's grants"));
            }
        }
    }

    /// `keyed` needs a key.
    pub(super) fn keyed_plugins_have_a_key(&mut self, plugins: &[file::Plugin], keys: &file::Keys) {
        let mut words = plugins.iter().flat_map(|plugin| &plugin.grants);
        let keyed = words.find(|word| word.as_str() == Capability::Keyed.as_str());
        if let (None, Some(word)) = (&keys.token, keyed) {
            let problem = Problem::error(word.span(), "`keyed` needs a key");
            self.problems.push(problem.help("add [keys] token = { file = \"PATH\" }"));
        }
    }

    fn digest(&mut self, digest: &At<String>) -> Option<Digest> {
        digest.parse().map_err(|error: NotADigest| self.error(digest, error.to_string())).ok()
    }

    /// A plugin that no role names does nothing, which is seldom meant.
    pub(super) fn plugins_are_used(&mut self, plugins: &[file::Plugin], uses: &[PluginUse]) {
        for plugin in plugins {
            if !uses.iter().any(|used| used.plugin.as_str() == plugin.name.as_str()) {
                let message = format!("no role uses the plugin `{}`", *plugin.name);
                self.problems.push(Problem::warning(plugin.name.span(), message));
            }
        }
    }
}

/// The settings as the JSON a plugin is given; dates and times become text. `None` if a number has no JSON form.
fn to_json(table: &toml::Table) -> Option<Json> {
    let members = table.iter().map(|(key, value)| Some((key.clone(), value_to_json(value)?)));
    members.collect::<Option<Map<_, _>>>().map(Json::Object)
}

fn value_to_json(value: &toml::Value) -> Option<Json> {
    Some(match value {
        toml::Value::String(text) => Json::String(text.clone()),
        toml::Value::Integer(number) => Json::Number((*number).into()),
        toml::Value::Float(number) => Json::Number(serde_json::Number::from_f64(*number)?),
        toml::Value::Boolean(value) => Json::Bool(*value),
        toml::Value::Datetime(time) => Json::String(time.to_string()),
        toml::Value::Array(items) => Json::Array(items.iter().map(value_to_json).collect::<Option<_>>()?),
        toml::Value::Table(table) => to_json(table)?,
    })
}
