//! What a client does in one session: a few steps, each of one or more statements sent in one of the protocol's ways.

use std::fmt;

use super::define;
use super::dice::Dice;
use super::expression::{Aim, Composer, Parameters};
use super::world::World;

/// Most steps of a script.
const STEPS_MAX: usize = 5;

/// How statements begin that leave everything as it was.
const READING: [&str; 12] = [
    "select",
    "(",
    "with",
    "table",
    "explain",
    "declare",
    "fetch",
    "move",
    "close",
    "prepare",
    "execute",
    "deallocate",
];

/// How statements are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// A Query for each.
    Simple,
    /// All in one Query.
    Together,
    /// Parse, Bind, Describe, Execute and Sync for each, results in text.
    Extended,
    /// The same, results in binary.
    Binary,
    /// The same, two rows an Execute, results in binary.
    Portions,
    /// Parse, Bind, Describe and Execute for each, then one Sync.
    Pipelined,
    /// The same as [`Delivery::Extended`], under a name that stays.
    Named,
    /// Bind and Execute of the named statement once more; the texts are not sent.
    Again,
}

/// What the answers must be, beside the same for both twins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// What the server answers without Grille: nothing protected is mentioned.
    Direct,
    /// The same, unless that is an error: it names relations with protected columns, which the server may quote.
    DirectUnlessError,
    /// Anything.
    Anything,
}

/// What is sent at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The statements.
    pub statements: Vec<String>,
    /// How they are sent.
    pub delivery: Delivery,
    /// Parameters of the statement, in text format.
    pub parameters: Vec<String>,
    /// What is sent when the server asks for data.
    pub input: String,
    /// What must come back.
    pub expected: Expected,
}

/// One session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// In order.
    pub steps: Vec<Step>,
}

impl Step {
    /// Statements sent one after the other as Query messages.
    pub fn simple(statements: Vec<String>, expected: Expected) -> Self {
        Self {
            statements,
            delivery: Delivery::Simple,
            parameters: Vec::new(),
            input: String::new(),
            expected,
        }
    }

    /// Whether it leaves everything as it was. Goes by the first words of what is generated here.
    pub fn only_reads(&self) -> bool {
        self.statements.iter().all(|sql| {
            let writes = sql.starts_with("with written") || sql.contains(" into temp ");
            !writes && (READING.iter().any(|word| sql.starts_with(word)) || sql.contains(" to stdout"))
        })
    }
}

impl Script {
    /// A script about `world`, made of choices.
    pub fn compose(world: &World, dice: &mut Dice) -> Self {
        Self::compose_marked(world, dice).0
    }

    /// The same, and for each step how many choices were made before it.
    pub fn compose_marked(world: &World, dice: &mut Dice) -> (Self, Vec<usize>) {
        let (mut steps, mut marks) = (Vec::new(), Vec::new());
        while steps.len() < STEPS_MAX && (steps.is_empty() || dice.chance(65)) {
            marks.push(dice.record().len());
            steps.push(step(world, dice));
        }
        (Self { steps }, marks)
    }

    /// Whether it leaves everything as it was.
    pub fn only_reads(&self) -> bool {
        self.steps.iter().all(Step::only_reads)
    }

    /// How many statements it has.
    pub fn statements(&self) -> usize {
        self.steps.iter().map(|step| step.statements.len()).sum()
    }
}

/// As something that could be fed to psql, with how it is sent as comments.
impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            writeln!(
                f,
                "-- {:?}, parameters {:?}, expected {:?}",
                step.delivery, step.parameters, step.expected
            )?;
            for statement in &step.statements {
                writeln!(f, "{statement};")?;
            }
            if !step.input.is_empty() {
                writeln!(f, "{}\\.", step.input)?;
            }
        }
        Ok(())
    }
}

/// What kind of step it is.
#[derive(Clone, Copy)]
enum Form {
    Query,
    Several,
    Write,
    CopyOut,
    CopyIn,
    Cursor,
    Prepared,
    Explain,
    Attempt,
}

fn step(world: &World, dice: &mut Dice) -> Step {
    let aim = *dice.weighted(&[(30, Aim::Untouched), (45, Aim::Shown), (25, Aim::Anything)]);
    let form = *dice.weighted(&[
        (50, Form::Query),
        (8, Form::Several),
        (15, Form::Write),
        (8, Form::CopyOut),
        (3, Form::CopyIn),
        (5, Form::Cursor),
        (5, Form::Prepared),
        (5, Form::Explain),
        (if aim == Aim::Anything { 25 } else { 0 }, Form::Attempt),
    ]);
    match form {
        Form::Query => query(world, dice, aim),
        Form::Several => several(world, dice, aim),
        Form::Write => write(world, dice, aim),
        Form::CopyOut => copy_out(world, dice, aim),
        Form::CopyIn => copy_in(world, dice, aim),
        Form::Cursor => cursor(world, dice, aim),
        Form::Prepared => prepared(world, dice, aim),
        Form::Explain => explain(world, dice, aim),
        Form::Attempt => match define::attempt(dice, world) {
            Some(statements) => Step::simple(statements, Expected::Anything),
            None => query(world, dice, aim),
        },
    }
}

const EXTENDED: [Delivery; 3] = [Delivery::Extended, Delivery::Binary, Delivery::Portions];

/// A step of statements, and what they must answer.
fn asked(world: &World, statements: Vec<String>, touches: bool) -> Step {
    let expected = match (touches, statements.iter().any(|sql| world.may_quote(sql))) {
        (true, _) => Expected::Anything,
        (false, true) => Expected::DirectUnlessError,
        (false, false) => Expected::Direct,
    };
    Step::simple(statements, expected)
}

/// A composed text, what must come back, and the parameters it wants.
fn composed(
    world: &World,
    dice: &mut Dice,
    aim: Aim,
    parameters: Parameters,
    compose: impl FnOnce(&mut Composer<'_>) -> String,
) -> (String, bool, Vec<String>) {
    let mut composer = Composer::new(dice, world, aim, parameters);
    let sql = compose(&mut composer);
    let values = match composer.parameters {
        Parameters::None => Vec::new(),
        Parameters::Of(values) => values,
    };
    (sql, composer.touches, values)
}

fn query(world: &World, dice: &mut Dice, aim: Aim) -> Step {
    if dice.chance(60) {
        let delivery = *dice.pick(&EXTENDED);
        let (sql, touches, parameters) =
            composed(world, dice, aim, Parameters::Of(Vec::new()), |composer| composer.top_query());
        return Step { delivery, parameters, ..asked(world, vec![sql], touches) };
    }
    let (sql, touches, _) = composed(world, dice, aim, Parameters::None, |composer| composer.top_query());
    asked(world, vec![sql], touches)
}

fn several(world: &World, dice: &mut Dice, aim: Aim) -> Step {
    let delivery = *dice.pick(&[Delivery::Together, Delivery::Pipelined]);
    let mut touched = false;
    let statements = (0..2 + dice.below(2)).map(|_| {
        let (sql, touches, _) = composed(world, dice, aim, Parameters::None, |composer| composer.top_query());
        touched |= touches;
        sql
    });
    let statements = statements.collect();
    Step { delivery, ..asked(world, statements, touched) }
}

fn write(world: &World, dice: &mut Dice, aim: Aim) -> Step {
    let delivery = *dice.pick(&[Delivery::Simple, Delivery::Extended, Delivery::Binary]);
    let (sql, touches, _) = composed(world, dice, aim, Parameters::None, |composer| composer.write());
    Step { delivery, ..asked(world, vec![sql], touches) }
}

fn copy_out(world: &World, dice: &mut Dice, aim: Aim) -> Step {
    let delivery = *dice.pick(&[Delivery::Simple, Delivery::Extended]);
    let (sql, touches, _) = composed(world, dice, aim, Parameters::None, |composer| composer.copy_out());
    Step { delivery, ..asked(world, vec![sql], touches) }
}

fn copy_in(world: &World, dice: &mut Dice, aim: Aim) -> Step {
    let mut composer = Composer::new(dice, world, aim, Parameters::None);
    let (sql, input) = composer.copy_in();
    let touches = composer.touches;
    Step { input, ..asked(world, vec![sql], touches) }
}

fn cursor(world: &World, dice: &mut Dice, aim: Aim) -> Step {
    let form = *dice.pick(&["cursor", "scroll cursor", "binary cursor", "no scroll cursor"]);
    let fetch = *dice.pick(&["fetch all from", "fetch 2 from", "fetch next from", "move 1 from"]);
    let (sql, touches, _) = composed(world, dice, aim, Parameters::None, |composer| composer.top_query());
    let statements = vec![
        format!("declare walk {form} for {sql}"),
        format!("{fetch} walk"),
        "fetch 1 from walk".to_owned(),
        "close walk".to_owned(),
    ];
    let delivery = *dice.pick(&[Delivery::Simple, Delivery::Pipelined, Delivery::Together]);
    Step { delivery, ..asked(world, statements, touches) }
}

fn prepared(world: &World, dice: &mut Dice, aim: Aim) -> Step {
    let (sql, touches, _) = composed(world, dice, aim, Parameters::None, |composer| composer.top_query());
    let statements =
        vec![format!("prepare plan as {sql}"), "execute plan".to_owned(), "deallocate plan".to_owned()];
    let delivery = *dice.pick(&[Delivery::Simple, Delivery::Extended, Delivery::Together]);
    Step { delivery, ..asked(world, statements, touches) }
}

fn explain(world: &World, dice: &mut Dice, aim: Aim) -> Step {
    let options = *dice.pick(&[
        "",
        "(costs off)",
        "(analyze, timing off, summary off, buffers off)",
        "(format json, analyze, timing off, summary off, buffers off)",
    ]);
    let (sql, touches, _) = composed(world, dice, aim, Parameters::None, |composer| composer.top_query());
    let delivery = *dice.pick(&[Delivery::Simple, Delivery::Extended]);
    // A plan speaks of every column, also of those that are read for nothing.
    let touches = touches || world.may_quote(&sql);
    Step { delivery, ..asked(world, vec![format!("explain {options} {sql}")], touches) }
}
