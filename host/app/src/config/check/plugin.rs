//! Plugins as the file names them; what they are is known when they are loaded.

use grille_core::PluginId;
use serde_json::{Map, Value as Json};

use super::Check;
use crate::config::at::At;
use crate::config::problem::Problem;
use crate::config::{PluginSettings, PluginUse, file};

impl Check<'_> {
    /// A plugin to load.
    pub(super) fn plugin(&mut self, plugin: &file::Plugin) -> Option<PluginSettings> {
        let digest = match &plugin.digest {
            Some(digest) => Some(self.digest(digest)?),
            None => None,
        };
        let settings = to_json(&plugin.settings);
        if settings.is_none() {
            self.error(&plugin.settings, "`inf` and `nan` cannot be given to a plugin");
        }
        Some(PluginSettings {
            name: PluginId::new(plugin.name.as_str()),
            file: self.path(&plugin.file),
            digest,
            settings: settings?,
            at: plugin.file.span(),
            settings_at: plugin.settings.span(),
        })
    }

    fn digest(&mut self, digest: &At<String>) -> Option<String> {
        let hexadecimal = digest
            .strip_prefix("sha256:")
            .filter(|text| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        if hexadecimal.is_none() {
            self.error(digest, "a digest is `sha256:` and 64 hexadecimal digits");
        }
        hexadecimal.map(str::to_ascii_lowercase)
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
