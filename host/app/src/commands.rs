//! What the control socket's requests do in the running Grille.

use std::fmt::Display;
use std::sync::Arc;

use grille_admin::{
    Answering, ControlAnswer, ControlHandler, ControlRequest, OpenSession, Peer, PluginStatus,
};
use grille_core::Share;
use grille_core::rollout::{Target, Trial};
use grille_proxy::{Control, KillOrder, LiveSession};
use tokio::sync::Semaphore;

use crate::observe;
use crate::rollout::{Done, Imports, Named, Rollout};

/// What requests reach.
#[derive(Clone)]
pub(crate) struct Commands {
    control: Control,
    rollout: Arc<Rollout>,
    /// Places for candidates that are prepared or wait for it.
    candidates: Arc<Semaphore>,
}

/// Most candidates that are prepared or wait for it: fewer than the control socket takes commands, so that a rollback is always
/// heard.
const CANDIDATES_MAX: usize = 4;

impl Commands {
    pub(crate) fn new(control: Control, rollout: Arc<Rollout>) -> Self {
        Self { control, rollout, candidates: Arc::new(Semaphore::new(CANDIDATES_MAX)) }
    }

    /// Carries requests out.
    pub(crate) fn handler(self) -> Arc<ControlHandler> {
        Arc::new(move |request, peer| -> Answering {
            let commands = self.clone();
            Box::pin(async move { commands.carry_out(request, peer).await })
        })
    }

    async fn carry_out(&self, request: ControlRequest, peer: Peer) -> ControlAnswer {
        let by = format!("user id {}", peer.uid);
        match request {
            ControlRequest::List => self.list(),
            ControlRequest::Kill { session, reason } => self.kill(&session, by, reason).await,
            ControlRequest::PluginStatus { plugin } => {
                let status = move |rollout: &Rollout| rollout.status(plugin.as_deref());
                self.blocking(status, ControlAnswer::Plugins).await
            }
            ControlRequest::PluginActivate { plugin, file, accept_capabilities } => {
                let named = Named { file, target: Target::Active, imports: imports(accept_capabilities) };
                self.admit(plugin, named, by).await
            }
            ControlRequest::PluginShadow { plugin, file, accept_capabilities } => {
                let target = Target::Trial(Trial::Shadow);
                let named = Named { file: Some(file), target, imports: imports(accept_capabilities) };
                self.admit(plugin, named, by).await
            }
            ControlRequest::PluginCanary { plugin, file, percent, accept_capabilities } => {
                let Some(share) = Share::of_percent(percent).filter(|share| *share != Share::NONE) else {
                    return refused("a canary has from 1 to 100 percent of the principals");
                };
                let target = Target::Trial(Trial::Canary(share));
                let named = Named { file: Some(file), target, imports: imports(accept_capabilities) };
                self.admit(plugin, named, by).await
            }
            ControlRequest::PluginPromote { plugin } => {
                self.change(move |rollout| rollout.promote(&plugin, &by)).await
            }
            ControlRequest::PluginDrop { plugin } => {
                self.change(move |rollout| rollout.drop_candidate(&plugin, &by)).await
            }
            ControlRequest::PluginRollback { plugin } => {
                self.change(move |rollout| rollout.roll_back(&plugin, &by)).await
            }
            ControlRequest::PluginDifferences { plugin } => observe::differences(&self.control, &plugin),
            ControlRequest::PluginRecord { plugin, time_s_max, inputs_max } => {
                let directory = self.rollout.config().recording_directory.clone();
                observe::record(&self.control, &directory, plugin, time_s_max, inputs_max).await
            }
            ControlRequest::PluginRecordStop { plugin } => {
                observe::stop_recording(&self.control, plugin).await
            }
        }
    }

    fn list(&self) -> ControlAnswer {
        let open =
            |live: LiveSession| OpenSession { age_s: live.age.as_secs(), opened: (*live.opened).clone() };
        ControlAnswer::Sessions { sessions: self.control.live_sessions().into_iter().map(open).collect() }
    }

    async fn kill(&self, session: &str, by: String, reason: Option<String>) -> ControlAnswer {
        let order = match KillOrder::new(by, reason) {
            Ok(order) => order,
            Err(error) => return refused(error),
        };
        match self.control.kill(session, order).await {
            Ok(session) => ControlAnswer::Killed { session },
            Err(error) => refused(error),
        }
    }

    /// Has a component become a revision, unless too many are about to.
    async fn admit(&self, plugin: String, named: Named, by: String) -> ControlAnswer {
        let Ok(place) = Arc::clone(&self.candidates).try_acquire_owned() else {
            return refused("other candidates are being prepared: try again when they are done");
        };
        let answer = self.change(move |rollout| rollout.admit(&plugin, named, &by)).await;
        drop(place);
        answer
    }

    /// Has a plugin's revision change its stage.
    async fn change(
        &self,
        change: impl FnOnce(&Rollout) -> Result<Done, String> + Send + 'static,
    ) -> ControlAnswer {
        let changed = |Done { message, plugin }| {
            let plugin: Box<PluginStatus> = Box::new(plugin);
            ControlAnswer::PluginChanged { message, plugin }
        };
        self.blocking(change, changed).await
    }

    /// Works on a thread that may wait for compilers and disks.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Rollout) -> Result<T, String> + Send + 'static,
        answer: impl FnOnce(T) -> ControlAnswer,
    ) -> ControlAnswer {
        let rollout = Arc::clone(&self.rollout);
        match tokio::task::spawn_blocking(move || work(&rollout)).await {
            Ok(Ok(done)) => answer(done),
            Ok(Err(message)) => ControlAnswer::Refused { message },
            Err(error) => refused(format!("Grille failed at it: {error}")),
        }
    }
}

fn imports(accept_capabilities: bool) -> Imports {
    if accept_capabilities { Imports::AsGranted } else { Imports::AsBefore }
}

fn refused(why: impl Display) -> ControlAnswer {
    ControlAnswer::Refused { message: why.to_string() }
}
