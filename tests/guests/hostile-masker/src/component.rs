//! Ties the misconduct to the interface, below the SDK: its types would not let most of it out.
#![expect(unsafe_code, reason = "generated exports take pointers from the host")]

use std::cell::RefCell;

use bindings::exports::grille::plugin::{lifecycle, masker};
use bindings::grille::plugin::types;
use misdeeds::Settings;

use crate::misconduct::{self, Edits, Mode};

mod bindings {
    //! Generated from the interface.
    wit_bindgen::generate!({ path: "../../../wit/v0.1/grille.wit", world: "masker-plugin" });
}

struct Hostile;

bindings::export!(Hostile with_types_in bindings);

std::thread_local! {
    static SETTINGS: RefCell<Option<Settings<Mode>>> = const { RefCell::new(None) };
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

impl masker::Guest for Hostile {
    fn mask(block: types::Block) -> Result<types::Edits, types::Failure> {
        let data = String::from_utf8(block.data).expect("cells are UTF-8");
        let cells: Vec<&str> =
            block.offsets.windows(2).map(|ends| &data[ends[0] as usize..ends[1] as usize]).collect();
        let Edits { cells, offsets, data } = with_settings(|settings| misconduct::mask(settings, &cells))?;
        Ok(types::Edits { cells, offsets, data })
    }
}

fn with_settings<T>(work: impl FnOnce(&Settings<Mode>) -> Result<T, String>) -> Result<T, types::Failure> {
    SETTINGS.with_borrow(|settings| {
        let settings = settings.as_ref().expect("the host configures first");
        work(settings).map_err(|message| types::Failure { message })
    })
}
