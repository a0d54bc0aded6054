//! Ties the misconduct to the interface, below the SDK: its types would not let most of it out. Imports nothing.
#![expect(unsafe_code, reason = "generated exports take pointers from the host")]

use std::cell::{Cell, RefCell};

use bindings::exports::grille::plugin::lifecycle;
use bindings::exports::grille::plugin::policy::{self, Approval};
use bindings::grille::plugin::types;
use misdeeds::Settings;

use crate::misconduct::{self, Mode, Verdict};

mod bindings {
    //! Generated from the interface.
    wit_bindgen::generate!({ path: "../../../wit/v0.1/grille.wit", world: "policy-plugin" });
}

struct Hostile;

bindings::export!(Hostile with_types_in bindings);

std::thread_local! {
    static SETTINGS: RefCell<Option<Settings<Mode>>> = const { RefCell::new(None) };
    static DECIDED: Cell<u32> = const { Cell::new(0) };
}

impl lifecycle::Guest for Hostile {
    fn configure(settings_json: String) -> Result<(), Vec<types::Diagnostic>> {
        let settings = Settings::configure(&settings_json)
            .map_err(|message| vec![types::Diagnostic { pointer: String::new(), message }])?;
        SETTINGS.set(Some(settings));
        Ok(())
    }

    fn begin(_ctx: types::Exchange, _fields: Vec<types::Field>) -> Result<(), types::Failure> {
        with_settings(Settings::begin)
    }
}

impl policy::Guest for Hostile {
    fn decide(what: policy::Action) -> Result<policy::Decision, types::Failure> {
        let earlier = DECIDED.replace(DECIDED.get() + 1);
        let (verdict, obligations) =
            with_settings(|settings| misconduct::decide(settings, &what.text, earlier))?;
        let obligations =
            obligations.into_iter().map(|(key, value)| types::Attribute { key, value }).collect();
        Ok(policy::Decision { verdict: verdict.into(), obligations })
    }
}

fn with_settings<T>(work: impl FnOnce(&Settings<Mode>) -> Result<T, String>) -> Result<T, types::Failure> {
    SETTINGS.with_borrow(|settings| {
        let settings = settings.as_ref().expect("the host configures first");
        work(settings).map_err(|message| types::Failure { message })
    })
}

impl From<Verdict> for policy::Verdict {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Allow => Self::Allow,
            Verdict::Deny(reason) => Self::Deny(reason),
            Verdict::Hold(reason) => Self::Hold(Approval { reason, approvers: Vec::new(), ttl_s: 60 }),
            Verdict::Rewrite(statement) => Self::Rewrite(statement),
            Verdict::Extension(name, body) => Self::Extension((name, body)),
        }
    }
}
