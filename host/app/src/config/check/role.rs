//! Roles: what they may do, where, and what stands between.

use std::collections::BTreeMap;

use grille_core::action::EFFECT_WORDS;
use grille_core::role::PRIVILEGE_WORDS;
use grille_core::{
    ColumnPattern, Effect, FunctionPattern, PluginId, Privilege, Role, RoleName, RowShaping, TokenUse,
    Treatment, UpstreamName, VectorAccess,
};
use grille_plugin::World;

use super::Check;
use crate::config::at::At;
use crate::config::file::{self, File};
use crate::config::problem::Problem;
use crate::config::{LabelUse, PluginUse, most_similar};

/// Words for several effects at once.
const EFFECT_GROUPS: [(&str, Effect); 1] =
    [("write", Effect::INSERT.union(Effect::UPDATE).union(Effect::DELETE))];

impl Check<'_> {
    /// A role. Its plugins' names are checked here, what the plugins are when they are loaded.
    pub(super) fn role(&mut self, role: &file::Role, file: &File) -> Option<Role> {
        self.not_empty("groups", &role.groups);
        self.not_empty("upstreams", &role.upstreams);
        for group in role.groups.iter().filter(|group| group.is_empty()) {
            self.error(group, "this must not be empty");
        }
        for upstream in role.upstreams.iter() {
            self.known("upstream", upstream, file.upstream.iter().map(|known| known.name.as_str()));
        }
        let policies = self.plugins_named("policies", role, role.policies.as_ref(), file);
        let detectors = self.plugins_named("detectors", role, role.detectors.as_ref(), file);
        let statements = self.statements(&role.statements);
        let default_treatment = self.default_treatment(&role.default_treatment, file);
        let treatments = self.treatments(&role.treatments, file);
        let columns = self.columns(&role.columns, file);
        let privileges = self.privileges(&role.privileges);
        let functions = self.functions(&role.functions);
        self.treatments_have_a_detector(role);
        self.there_is_something_to_guard(role);
        self.row_cap(role.row_cap.as_ref());
        Some(Role {
            name: RoleName::new(role.name.as_str()),
            groups: role.groups.iter().map(|group| (**group).clone()).collect(),
            upstreams: role.upstreams.iter().map(|name| UpstreamName::new(name.as_str())).collect(),
            statements,
            policies: policies?,
            detectors: detectors?,
            treatments,
            default_treatment: default_treatment?,
            row_shaping: row_shaping(*role.row_shaping),
            privileges,
            functions,
            vectors: vector_access(*role.vectors),
            tokens: self.token_use(&role.round_trip_tokens, &columns),
            columns,
            row_cap: role.row_cap.as_deref().copied(),
        })
    }

    fn plugins_named(
        &mut self,
        key: &str,
        role: &file::Role,
        names: Option<&Vec<At<String>>>,
        file: &File,
    ) -> Option<Vec<PluginId>> {
        let Some(names) = names else {
            let message = format!("role `{}` does not say which {key} it has", *role.name);
            let problem = Problem::error(role.name.span(), message);
            self.problems.push(problem.help(format!("name them, or write {key} = [] if it shall have none")));
            return None;
        };
        for name in names {
            self.known("plugin", name, file.plugin.iter().map(|known| known.name.as_str()));
        }
        Some(names.iter().map(|name| PluginId::new(name.as_str())).collect())
    }

    fn statements(&mut self, words: &At<Vec<At<String>>>) -> Effect {
        self.not_empty("statements", words);
        let mut effects = Effect::empty();
        for word in words.iter() {
            match effect(word) {
                Some(effect) => effects |= effect,
                None => self.no_effect(word),
            }
        }
        if !effects.is_empty() && !effects.contains(Effect::TRANSACTION | Effect::SESSION) {
            let message = "most drivers send BEGIN and SET, which this role refuses";
            let problem = Problem::warning(words.span(), message);
            self.problems.push(problem.help("add \"transaction\" and \"session\""));
        }
        effects
    }

    fn no_effect(&mut self, word: &At<String>) {
        let known =
            EFFECT_WORDS.iter().map(|(_, word)| *word).chain(EFFECT_GROUPS.iter().map(|(word, _)| *word));
        let problem = Problem::error(word.span(), format!("`{}` is not a class of statements", **word));
        self.problems.push(match most_similar(word, known.clone()) {
            Some(meant) => problem.help(format!("did you mean `{meant}`?")),
            None => problem.help(format!("the classes are {}", known.collect::<Vec<_>>().join(", "))),
        });
    }

    fn treatments(
        &mut self,
        treatments: &BTreeMap<String, At<String>>,
        file: &File,
    ) -> BTreeMap<String, Treatment> {
        let checked =
            treatments.iter().map(|(label, text)| Some((label.clone(), self.treatment(text, file)?)));
        checked.flatten().collect()
    }

    fn columns(
        &mut self,
        columns: &BTreeMap<String, At<String>>,
        file: &File,
    ) -> BTreeMap<ColumnPattern, Treatment> {
        let mut checked = BTreeMap::new();
        for (column, text) in columns {
            let treatment = self.treatment(text, file);
            match (column.parse::<ColumnPattern>(), treatment) {
                (Ok(pattern), Some(treatment)) => _ = checked.insert(pattern, treatment),
                (Ok(_), None) => {}
                (Err(error), _) => {
                    let problem = Problem::error(text.span(), error.to_string());
                    self.problems.push(problem.help("quote the whole name: \"public.users.ssn\" = \"null\""));
                }
            }
        }
        checked
    }

    fn treatment(&mut self, text: &At<String>, file: &File) -> Option<Treatment> {
        match text.parse() {
            Ok(Treatment::Plugin(name)) => {
                let known = file.plugin.iter().map(|known| known.name.as_str());
                let plugin = At::clone(text).map(|_| name.clone());
                self.known("plugin", &plugin, known).then_some(Treatment::Plugin(name))
            }
            Ok(treatment) => Some(treatment),
            Err(error) => {
                self.error(text, error.to_string());
                None
            }
        }
    }

    fn default_treatment(&mut self, text: &At<String>, file: &File) -> Option<Treatment> {
        let treatment = self.treatment(text, file)?;
        if treatment == Treatment::Keep {
            self.error(
                text,
                "`keep` would let through what could not be judged: name what to keep in `treatments`",
            );
        }
        Some(treatment)
    }

    fn treatments_have_a_detector(&mut self, role: &file::Role) {
        let none = role.detectors.as_ref().is_some_and(Vec::is_empty);
        if let (true, Some(first)) = (none, role.treatments.values().next()) {
            let message = format!("role `{}` has treatments but no detector that finds anything", *role.name);
            self.problems.push(Problem::warning(first.span(), message));
        }
    }

    fn privileges(&mut self, words: &[At<String>]) -> Privilege {
        let mut privileges = Privilege::empty();
        for word in words {
            match Privilege::from_word(word) {
                Some(privilege) => privileges |= privilege,
                None => self.no_privilege(word),
            }
        }
        privileges
    }

    fn no_privilege(&mut self, word: &At<String>) {
        let known = PRIVILEGE_WORDS.iter().map(|(_, word)| *word);
        let problem = Problem::error(word.span(), format!("`{}` is not a privilege", **word));
        self.problems.push(match most_similar(word, known.clone()) {
            Some(meant) => problem.help(format!("did you mean `{meant}`?")),
            None => problem.help(format!("the privileges are {}", known.collect::<Vec<_>>().join(", "))),
        });
    }

    fn functions(&mut self, texts: &[At<String>]) -> Vec<FunctionPattern> {
        let mut functions = Vec::new();
        for text in texts {
            match text.parse::<FunctionPattern>() {
                Ok(pattern) => functions.push(pattern),
                Err(error) => self.error(text, error.to_string()),
            }
        }
        functions
    }

    /// Keys that loosen or tighten masking say nothing in a role that masks nothing, and may be taken for protection.
    fn there_is_something_to_guard(&mut self, role: &file::Role) {
        let detects = role.detectors.as_ref().is_none_or(|detectors| !detectors.is_empty());
        if detects || !role.columns.is_empty() || *role.vectors == file::VectorAccess::Withhold {
            return;
        }
        let row_shaping = role.row_shaping.is_written().then(|| role.row_shaping.span());
        let keys = [
            ("row_shaping", row_shaping),
            ("privileges", role.privileges.first().map(At::span)),
            ("functions", role.functions.first().map(At::span)),
        ];
        for (key, span) in keys {
            if let Some(span) = span {
                let message = format!("`{key}` has no effect: role `{}` masks nothing", *role.name);
                let problem = Problem::warning(span, message);
                self.problems.push(problem.help("name what to protect in `columns`, or a detector"));
            }
        }
    }

    fn token_use(&mut self, written: &At<bool>, columns: &BTreeMap<ColumnPattern, Treatment>) -> TokenUse {
        if !**written {
            return TokenUse::OneWay;
        }
        if columns.values().all(|treatment| *treatment != Treatment::Token) {
            let problem = Problem::warning(written.span(), "no column of the role has the treatment `token`");
            self.problems.push(problem.help("only tokens of columns named in `columns` can come back"));
        }
        TokenUse::RoundTrip
    }

    fn row_cap(&mut self, row_cap: Option<&At<u64>>) {
        if let Some(row_cap) = row_cap.filter(|row_cap| ***row_cap == 0) {
            self.error(row_cap, "a row cap of 0 would stop every query");
        }
    }

    /// Keyed tokens need a key; so does keep-last, which tokenises what is too short.
    pub(super) fn token_key_is_there(&mut self, roles: &[Role], file: &File) {
        if file.keys.token.is_some() {
            return;
        }
        let keyed = |treatment: &Treatment| match treatment {
            Treatment::Token | Treatment::KeepLast(_) => true,
            Treatment::Keep | Treatment::Null | Treatment::Redact | Treatment::Plugin(_) => false,
        };
        for role in roles {
            let mut treatments =
                role.treatments.values().chain(role.columns.values()).chain([&role.default_treatment]);
            if let Some(treatment) = treatments.find(|treatment| keyed(treatment)) {
                let message =
                    format!("role `{}` has the treatment `{treatment}`, which needs a key", role.name);
                self.problems.push(Problem::general(message).help("add [keys] token = { file = \"PATH\" }"));
            }
        }
    }

    /// Where roles name plugins.
    pub(super) fn plugin_uses(&self, roles: &[file::Role]) -> Vec<PluginUse> {
        roles.iter().flat_map(plugin_uses_of).collect()
    }
}

fn row_shaping(word: file::RowShaping) -> RowShaping {
    match word {
        file::RowShaping::Refuse => RowShaping::Refuse,
        file::RowShaping::Equality => RowShaping::Equality,
        file::RowShaping::Allow => RowShaping::Allow,
    }
}

fn vector_access(word: file::VectorAccess) -> VectorAccess {
    match word {
        file::VectorAccess::Withhold => VectorAccess::Withhold,
        file::VectorAccess::Return => VectorAccess::Return,
    }
}

fn effect(word: &str) -> Option<Effect> {
    let group = EFFECT_GROUPS.iter().find(|(known, _)| *known == word).map(|(_, effects)| *effects);
    group.or_else(|| Effect::from_word(word))
}

fn plugin_uses_of(role: &file::Role) -> Vec<PluginUse> {
    let used = |world, name: &str, at| PluginUse {
        role: RoleName::new(role.name.as_str()),
        plugin: PluginId::new(name),
        world,
        at,
    };
    let policies = role.policies.iter().flatten().map(|name| used(World::Policy, name, name.span()));
    let detectors = role.detectors.iter().flatten().map(|name| used(World::Detector, name, name.span()));
    let treatments = role.treatments.values().chain(role.columns.values()).chain([&role.default_treatment]);
    let maskers = treatments.filter_map(|text| match text.parse() {
        Ok(Treatment::Plugin(name)) => Some(used(World::Masker, &name, text.span())),
        Ok(_) | Err(_) => None,
    });
    policies.chain(detectors).chain(maskers).collect()
}

/// Where roles name labels.
pub(super) fn label_uses(roles: &[file::Role]) -> Vec<LabelUse> {
    let of_role = |role: &file::Role| {
        let name = RoleName::new(role.name.as_str());
        let uses = role.treatments.iter();
        uses.map(|(label, text)| LabelUse { role: name.clone(), label: label.clone(), at: text.span() })
            .collect::<Vec<_>>()
    };
    roles.iter().flat_map(of_role).collect()
}
