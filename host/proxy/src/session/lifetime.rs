//! How long a session lasts: as far as the operator's rule lets it outlive its token, and until an operator ends it.

use std::pin::Pin;
use std::time::SystemTime;

use tokio::time::{Sleep, sleep};

use crate::identity::TokenExpiry;
use crate::live::{KillOrder, Place};
use crate::settings::OnTokenExpiry;

/// What limits a session.
#[derive(Debug)]
pub(super) struct Lifetime {
    expiry: TokenExpiry,
    /// Rings when the session must end by itself.
    alarm: Option<Pin<Box<Sleep>>>,
    place: Place,
}

/// Why a session must end.
#[derive(Debug)]
pub(super) enum Over {
    Expired,
    Killed(KillOrder),
}

impl Lifetime {
    pub(super) fn new(expiry: TokenExpiry, place: Place) -> Self {
        Self { expiry, alarm: alarm(expiry), place }
    }

    /// The rule of another generation.
    pub(super) fn follow(&mut self, expiry: TokenExpiry) {
        if self.expiry != expiry {
            self.expiry = expiry;
            self.alarm = alarm(expiry);
        }
    }

    /// Whether, and why, the session must end now. Cheap: asked at each turn, so that traffic cannot put the end off.
    pub(super) fn over(&self) -> Option<Over> {
        if let Some(order) = self.place.order() {
            return Some(Over::Killed(order.clone()));
        }
        match self.expiry.rule {
            OnTokenExpiry::End => self.has_expired().then_some(Over::Expired),
            OnTokenExpiry::Finish | OnTokenExpiry::Refuse => None,
        }
    }

    /// Whether nothing is let through any more but the end of a transaction.
    pub(super) fn refuses_statements(&self) -> bool {
        match self.expiry.rule {
            OnTokenExpiry::Refuse | OnTokenExpiry::End => self.has_expired(),
            OnTokenExpiry::Finish => false,
        }
    }

    /// Waits until [`Self::over`] may have changed, or a generation may be new. Cancel safe.
    pub(super) async fn changed(&mut self) {
        match &mut self.alarm {
            None => self.place.told().await,
            Some(alarm) => tokio::select! {
                () = self.place.told() => {}
                // The system's clock decides; if it was set back meanwhile, another wait begins.
                () = alarm => self.alarm = self::alarm(self.expiry),
            },
        }
    }

    fn has_expired(&self) -> bool {
        SystemTime::now() >= self.expiry.at
    }
}

fn alarm(expiry: TokenExpiry) -> Option<Pin<Box<Sleep>>> {
    match expiry.rule {
        OnTokenExpiry::End => {
            // Already past: at once.
            let left = expiry.at.duration_since(SystemTime::now()).unwrap_or_default();
            Some(Box::pin(sleep(left)))
        }
        OnTokenExpiry::Finish | OnTokenExpiry::Refuse => None,
    }
}
