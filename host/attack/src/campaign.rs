//! A campaign: every attempt against both twins, every legitimate script through Grille and past it, one after the other, so
//! that both twins have the same history.

use grille_core::{Effect, Role};
use grille_wire::sql::analyze;

use crate::attempt::{Attempt, Group, Legitimate, Play, Row, Step, Way};
use crate::canary::{Detector, Known};
use crate::door::{Door, OpenError};
use crate::message::Frontend;
use crate::play::play;
use crate::report::{AttemptResult, LegitimateResult, Outcome, Report, Stance};
use crate::scratch::{Scratch, ScratchError, open, run};
use crate::twin::Twin;
use crate::{catalogue, judge, legitimate};

/// The ways in.
#[derive(Debug)]
pub struct Doors<'d, G, D> {
    /// Through Grille.
    pub gateway: &'d G,
    /// Past it, as the role that Grille logs in as.
    pub direct: &'d D,
}

/// What is to be tried.
#[derive(Debug)]
pub struct Campaign<'c> {
    /// Where.
    pub scratch: &'c Scratch,
    /// The attacked role as it is configured.
    pub role: &'c Role,
    /// Whether it protects.
    pub stance: Stance,
    /// Only attempts and scripts whose name, or whose way round's name, contains this.
    pub only: Option<&'c str>,
}

/// The campaign could not be carried through.
#[derive(Debug, thiserror::Error)]
pub enum CampaignError {
    /// No session for an attempt: not the attempt's doing.
    #[error("{name}: no session")]
    Open {
        /// The attempt.
        name: &'static str,
        /// Why.
        source: OpenError,
    },
    /// What an attempt left could not be removed.
    #[error("{name}: cannot clean up")]
    CleanUp {
        /// The attempt.
        name: &'static str,
        /// Why.
        source: ScratchError,
    },
    /// Nothing has that name.
    #[error("no attempt and no legitimate script is called anything like `{0}`")]
    NothingToDo(String),
}

impl Campaign<'_> {
    /// Carries it out. Cancel safe: what is under way ends with its connections.
    ///
    /// # Errors
    /// When a session cannot be opened or the twins not be kept alike.
    pub async fn run<G: Door, D: Door>(&self, doors: &Doors<'_, G, D>) -> Result<Report, CampaignError> {
        let detector = Detector::new();
        let mut report = Report::new(self.scratch.missing(), self.stance);
        for (row, attempt) in self.attempts() {
            if self.scratch.offers(attempt.needs) {
                report.attempts.push(self.attempt(doors, row, attempt, &detector).await?);
            } else {
                report.skipped += 1;
            }
        }
        for script in self.legitimate() {
            if self.scratch.offers(script.needs) && self.role.statements.contains(effects(script.play)) {
                report.legitimate.push(self.legitimate_script(doors, script).await?);
            } else {
                report.beyond += 1;
            }
        }
        match self.only {
            Some(only) if report.is_empty() => Err(CampaignError::NothingToDo(only.to_owned())),
            Some(_) | None => Ok(report),
        }
    }

    fn attempts(&self) -> impl Iterator<Item = (Row, &'static Attempt)> {
        let all = catalogue::GROUPS
            .iter()
            .flat_map(|Group { row, attempts }| attempts.iter().map(|attempt| (*row, attempt)));
        all.filter(|(row, attempt)| self.is_wanted(attempt.name) || self.is_wanted(row.as_str()))
    }

    fn legitimate(&self) -> impl Iterator<Item = &'static Legitimate> {
        legitimate::all().filter(|script| self.is_wanted(script.name))
    }

    fn is_wanted(&self, name: &str) -> bool {
        self.only.is_none_or(|only| name.contains(only))
    }

    /// Tries an attempt in all of its ways, in both twins.
    async fn attempt<G: Door, D: Door>(
        &self,
        doors: &Doors<'_, G, D>,
        row: Row,
        attempt: &'static Attempt,
        detector: &Detector,
    ) -> Result<AttemptResult, CampaignError> {
        let known = Known::new();
        let failed = |source| CampaignError::Open { name: attempt.name, source };
        let mut outcomes = Vec::new();
        for way in attempt.play.ways() {
            let (a, b) = (self.scratch.database(Twin::A), self.scratch.database(Twin::B));
            let a = play(doors.gateway, &a, attempt.play, *way, &known).await.map_err(failed)?;
            let b = play(doors.gateway, &b, attempt.play, *way, &known).await.map_err(failed)?;
            let outcome = judge::attempt(&a, &b, detector);
            outcomes.push((*way, self.as_granted(attempt, outcome)));
            for twin in [Twin::A, Twin::B] {
                self.clean_up(doors.direct, twin, attempt.name, attempt.cleanup).await?;
            }
        }
        Ok(AttemptResult { row, attempt, outcomes })
    }

    /// A leak that the operator allows is told as what it is.
    fn as_granted(&self, attempt: &Attempt, outcome: Outcome) -> Outcome {
        match (outcome, self.stance) {
            (Outcome::Leaked(how), Stance::Guarded) if attempt.is_granted(self.role) => Outcome::Granted(how),
            (outcome, Stance::Guarded | Stance::Unguarded) => outcome,
        }
    }

    /// Plays a legitimate script past Grille and through it, in the same database.
    async fn legitimate_script<G: Door, D: Door>(
        &self,
        doors: &Doors<'_, G, D>,
        script: &'static Legitimate,
    ) -> Result<LegitimateResult, CampaignError> {
        let known = Known::new();
        let database = self.scratch.database(Twin::A);
        let failed = |source| CampaignError::Open { name: script.name, source };
        let mut outcomes = Vec::new();
        for way in script.play.ways().iter().copied().filter(|way| self.may_go(*way)) {
            let direct = play(doors.direct, &database, script.play, way, &known).await.map_err(failed)?;
            self.clean_up(doors.direct, Twin::A, script.name, script.cleanup).await?;
            let through = play(doors.gateway, &database, script.play, way, &known).await.map_err(failed)?;
            self.clean_up(doors.direct, Twin::A, script.name, script.cleanup).await?;
            outcomes.push((way, judge::legitimate(&direct, &through)));
        }
        Ok(LegitimateResult { name: script.name, outcomes })
    }

    /// Whether the role may use COPY at all, if that is the way.
    fn may_go(&self, way: Way) -> bool {
        match way {
            Way::Copy => self.role.statements.contains(Effect::COPY),
            Way::Simple | Way::Extended | Way::Binary | Way::Script => true,
        }
    }

    async fn clean_up<D: Door>(
        &self,
        direct: &D,
        twin: Twin,
        name: &'static str,
        sql: &str,
    ) -> Result<(), CampaignError> {
        if sql.is_empty() {
            return Ok(());
        }
        let failed = |source| CampaignError::CleanUp { name, source };
        let mut session = open(direct, &self.scratch.database(twin)).await.map_err(failed)?;
        run(&mut session, "remove what it left", sql).await.map_err(failed)
    }
}

/// Everything a script does, as the gateway sees it. What cannot be analysed needs everything.
fn effects(play: Play) -> Effect {
    let of_text = |sql: &str| match analyze(sql) {
        Ok(actions) => actions
            .iter()
            .map(|action| action.effects | inner_effects(action))
            .fold(Effect::empty(), Effect::union),
        Err(_) => Effect::all(),
    };
    match play {
        Play::Query(sql) | Play::Statement(sql) => of_text(sql),
        Play::Script(steps) => {
            steps.iter().flat_map(statements).map(of_text).fold(Effect::empty(), Effect::union)
        }
    }
}

fn inner_effects(action: &grille_core::Action) -> Effect {
    action.inner.as_ref().map_or(Effect::empty(), |inner| inner.effects | inner_effects(inner))
}

/// The statements of a step.
fn statements(step: &Step) -> Vec<&'static str> {
    let of = |messages: &'static [Frontend]| {
        let texts = messages.iter().filter_map(|message| match message {
            Frontend::Query(sql) | Frontend::Parse { sql, .. } => Some(*sql),
            Frontend::Bind { .. }
            | Frontend::DescribeStatement(_)
            | Frontend::DescribePortal(_)
            | Frontend::Execute { .. }
            | Frontend::CloseStatement(_)
            | Frontend::ClosePortal(_)
            | Frontend::Sync
            | Frontend::Flush
            | Frontend::FunctionCall { .. }
            | Frontend::Bytes(_) => None,
        });
        texts.collect()
    };
    match *step {
        Step::Send(messages) | Step::Beside(messages) => of(messages),
        Step::CopyIn { sql, .. } => vec![sql],
        Step::Reopen(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effects_are_those_of_all_statements() {
        let check = |play, expected: Effect| assert_eq!(effects(play), expected, "{play:?}");
        check(Play::Query("SELECT 1"), Effect::READ);
        check(Play::Statement("INSERT INTO t VALUES (1)"), Effect::INSERT);
        const STEPS: &[Step] = &[
            Step::Send(&[Frontend::Query("BEGIN; SELECT 1")]),
            Step::CopyIn { sql: "COPY t FROM STDIN", data: "" },
        ];
        let effects = effects(Play::Script(STEPS));
        assert!(
            effects.contains(Effect::TRANSACTION | Effect::READ | Effect::COPY | Effect::INSERT),
            "{effects:?}"
        );
        check(Play::Statement("not SQL"), Effect::all());
    }
}
