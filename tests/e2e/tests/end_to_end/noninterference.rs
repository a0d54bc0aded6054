//! Twin databases that differ only in protected values are asked the same generated statements through Grille, under
//! `redact` and with row-shaping refused: every byte that comes back must be the same for both; and what mentions nothing
//! protected must be answered as by the server itself.
//!
//! `GRILLE_STATEMENTS` says how many statements (by default [`STATEMENTS`]), `GRILLE_SEED` from which seed on.

use std::collections::BTreeMap;
use std::fmt::Write;

use grille_e2e::generate::expression::Composer;
use grille_e2e::generate::{Dice, Expected, Script, Step, World};
use grille_e2e::twins::{Answers, Finding, Pair, Problem, Through, Twins, is_refusal, judge, shrink};

/// Statements of a run in which nobody asks for more.
const STATEMENTS: usize = 300;

/// Databases that are made at once.
const WORLDS: usize = 4;

/// Most statements asked of one set of databases.
const STATEMENTS_OF_WORLDS: usize = 2000;

/// Most scripts tried to make one that fails smaller.
const TRIES_MAX: usize = 400;

/// Failing scripts that are shown. The others are counted.
const SHOWN_MAX: usize = 12;

/// What happened, counted.
#[derive(Default)]
struct Tally {
    statements: usize,
    /// By what is expected of the step: how many, refused, answered with an error of the server's, with rows.
    steps: BTreeMap<&'static str, [usize; 4]>,
    /// Steps in which the server found a statement wrong before it ran (SQLSTATE class 42).
    ill_formed: usize,
    /// Steps that the twins answer differently.
    differing: usize,
    findings: BTreeMap<&'static str, usize>,
    shown: Vec<String>,
}

fn number(variable: &str, default: usize) -> anyhow::Result<usize> {
    std::env::var(variable).map_or(Ok(default), |text| Ok(text.parse()?))
}

fn word(expected: Expected) -> &'static str {
    match expected {
        Expected::Direct => "untouched",
        Expected::DirectUnlessError => "beside protected columns",
        Expected::Anything => "touches protected columns",
    }
}

fn name(problem: Problem) -> &'static str {
    match problem {
        Problem::Leak => "leaks",
        Problem::Refusal => "refused without need",
        Problem::Change => "answered otherwise than directly",
    }
}

impl Tally {
    fn count(&mut self, script: &Script, answers: &Answers) {
        self.statements += script.statements();
        let twins = answers.left.steps.iter().zip(&answers.right.steps);
        self.differing += twins.filter(|(left, right)| left != right).count();
        let played = answers.left.steps.iter().skip(1).zip(answers.direct.steps.iter().skip(1));
        for (step, (through, direct)) in script.steps.iter().zip(played) {
            let counts = self.steps.entry(word(step.expected)).or_default();
            counts[0] += 1;
            let error = through.iter().find(|message| message.tag == 'E');
            counts[1] += usize::from(error.is_some_and(is_refusal));
            counts[2] += usize::from(error.is_some_and(|error| !is_refusal(error)));
            counts[3] += usize::from(through.iter().any(|message| matches!(message.tag, 'D' | 'd')));
            let states =
                direct.iter().filter(|message| message.tag == 'E').filter_map(|message| message.field('C'));
            self.ill_formed += usize::from(states.into_iter().any(|state| state.starts_with("42")));
        }
    }

    fn all_steps(&self) -> usize {
        self.steps.values().map(|counts| counts[0]).sum()
    }

    fn found(&self, problem: Problem) -> usize {
        self.findings.get(name(problem)).copied().unwrap_or(0)
    }

    fn report(&self) -> String {
        let mut report = format!("{} statements in {} steps; ", self.statements, self.all_steps());
        let _ = writeln!(report, "{} ill-formed for the server, {} differ", self.ill_formed, self.differing);
        for (what, [all, refused, failed, rows]) in &self.steps {
            let _ = writeln!(report, "  {what}: {all}; refused {refused}, failed {failed}, with rows {rows}");
        }
        let _ = writeln!(report, "  found: {:?}", self.findings);
        report + &self.shown.join("\n")
    }
}

/// Everything somebody needs to try it by hand.
fn shown(world: &World, script: &Script, finding: &Finding, seed: u64) -> String {
    let text = script.to_string();
    let concerns = |line: &&str| {
        let mut words = line.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        let table = words.find(|word| world.relations.iter().any(|relation| relation.name == *word));
        table.is_some_and(|table| text.contains(table))
    };
    let definition: Vec<&str> = world.definition.lines().filter(concerns).collect();
    format!(
        "---- world {seed}\n-- protected: {}\n{}\n{text}{finding}",
        world.rules.join(", "),
        definition.join("\n")
    )
}

/// Asks about `statements` statements of one set of databases.
fn run(through: Through, seed: u64, statements: usize, tally: &mut Tally) -> anyhow::Result<()> {
    let worlds: Vec<World> =
        (0..WORLDS as u64).map(|index| World::build(&mut Dice::seeded(seed + index))).collect();
    let pairs: Vec<Pair> = worlds.iter().map(Pair::from).collect();
    let mut twins = Twins::start(through, &pairs)?;
    let target = tally.statements + statements;
    let mut next = 0;
    while tally.statements < target {
        let index = next % WORLDS;
        let mut dice = Dice::seeded(seed.wrapping_mul(1_000_003) + next as u64);
        let script = Script::compose(&worlds[index], &mut dice);
        next += 1;
        let answers = twins.play(index, &script)?;
        tally.count(&script, &answers);
        let Some(finding) = judge(&script, &answers) else { continue };
        *tally.findings.entry(name(finding.problem)).or_default() += 1;
        if through == Through::Nothing || tally.shown.len() >= SHOWN_MAX {
            continue;
        }
        let mut last = finding.clone();
        let mut fails = |script: &Script| {
            let found = twins.play(index, script).ok().and_then(|answers| judge(script, &answers));
            let same = found.filter(|found| found.problem == finding.problem);
            same.map(|found| last = found).is_some()
        };
        let small = shrink(&worlds[index], dice.record(), TRIES_MAX, &mut fails);
        tally.shown.push(shown(&worlds[index], &small.script, &last, seed + index as u64));
    }
    Ok(())
}

#[test]
fn twins_cannot_be_told_apart_through_grille() -> anyhow::Result<()> {
    let statements = number("GRILLE_STATEMENTS", STATEMENTS)?;
    let mut seed = number("GRILLE_SEED", 1)? as u64;
    let mut tally = Tally::default();
    while tally.statements < statements {
        let share = (statements - tally.statements).min(STATEMENTS_OF_WORLDS);
        run(Through::Grille, seed, share, &mut tally)?;
        seed += WORLDS as u64;
    }
    let report = tally.report();
    eprintln!("{report}");
    assert_eq!(tally.found(Problem::Leak), 0, "leaks: {report}");
    assert_eq!(tally.found(Problem::Refusal) + tally.found(Problem::Change), 0, "not as directly: {report}");
    assert!(tally.ill_formed * 2 < tally.all_steps(), "the server runs too little of this: {report}");
    // Otherwise there would be nothing to see.
    let [touching, _, _, with_rows] = tally.steps[word(Expected::Anything)];
    assert!(with_rows * 4 > touching, "hardly anything protected is answered: {report}");
    Ok(())
}

#[test]
fn the_same_twins_can_be_told_apart_without_grille() -> anyhow::Result<()> {
    let mut tally = Tally::default();
    run(Through::Nothing, 1, 200, &mut tally)?;
    let report = tally.report();
    eprintln!("{report}");
    let [touching, ..] = tally.steps[word(Expected::Anything)];
    assert!(tally.differing * 3 > touching, "twins are too alike: {report}");
    assert_eq!(tally.found(Problem::Change) + tally.found(Problem::Refusal), 0, "{report}");
    Ok(())
}

#[test]
fn every_expression_is_one_for_the_server() -> anyhow::Result<()> {
    use grille_e2e::generate::production::{AGGREGATES, PARTIAL, SETS, TOTAL, WINDOWED};
    let world = World::build(&mut Dice::seeded(1));
    let mut twins = Twins::start(Through::Nothing, &[Pair::from(&world)])?;
    let expressions =
        TOTAL.iter().chain(PARTIAL).chain(AGGREGATES).map(|(kind, template)| (*kind, *template, ""));
    let windows = WINDOWED.iter().map(|(kind, template)| (*kind, *template, " over ()"));
    let sets = SETS.iter().map(|(kind, template)| (*kind, *template, " as it"));
    let mut wrong = Vec::new();
    for (kind, template, behind) in expressions.chain(windows).chain(sets) {
        let mut dice = Dice::replayed(&[]);
        let filled = Composer::example(&mut dice, &world, template);
        let sql = match behind {
            " as it" => format!("select it::{} from {filled}{behind}", kind.name()),
            _ => format!("select ({filled}{behind})::{}", kind.name()),
        };
        let script = Script { steps: vec![Step::simple(vec![sql.clone()], Expected::Direct)] };
        let answers = twins.play(0, &script)?;
        let error = answers.direct.steps[1].iter().find(|message| message.tag == 'E');
        if let Some(error) =
            error.filter(|error| error.field('C').is_some_and(|state| state.starts_with("42")))
        {
            wrong.push(format!("{sql}: {:?}", error.field('M')));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    Ok(())
}
