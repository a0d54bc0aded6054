//! Tokens that come back: what a statement compares with protected columns, turned from tokens into values before the
//! upstream sees it. Only what is compared for equality with a column of the rule that made the token is turned back, and
//! only where it stands for nothing else, so that no result can hold what it became. That is why literals are turned back
//! in few statements: the server shows the text of a statement in more places than the values of its parameters.

use std::collections::BTreeMap;
use std::sync::Arc;

use grille_core::{Effect, Privilege, Role, RowShaping, TokenUse, Treatment};
use grille_wire::postgres::value::Tokenizer;
use grille_wire::postgres::{Parameter, Replacement, Statement, plain_literal, with_literals};
use grille_wire::sql::TextEncoding;
use grille_wire::sql::lineage::{Operand, Purpose, Use};
use grille_wire::sql::schema::ColumnId;

use super::Traced;
use crate::catalog::Snapshot;

/// `name`, `text`, `char(n)` and `varchar(n)`: what tokens that come back are made for.
const TEXT_TYPES: [u32; 4] = [19, 25, 1042, 1043];

/// Functions and relations that show the text of the statement that runs.
const SHOW_TEXT: [&str; 4] =
    ["current_query", "pg_stat_activity", "pg_stat_get_activity", "pg_stat_get_backend_activity"];

/// What of a statement is turned back.
#[derive(Debug, Default)]
pub(crate) struct RoundTrip {
    /// Literals of its text, in order.
    replacements: Vec<Replacement>,
    /// Parameters, each with the rule that must have made it.
    parameters: BTreeMap<u16, Arc<str>>,
    /// Whether a parameter that is no token is refused.
    demands_tokens: bool,
}

/// A parameter is compared with a protected column and is no token of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("parameter ${number} is compared with a protected column, and is not a token of that column")]
pub(crate) struct NoToken {
    number: u16,
}

impl RoundTrip {
    /// What of a message's statements is to be turned back; empty under a role whose tokens do not come back.
    pub(crate) fn of(
        role: &Role,
        traced: &Traced,
        statement: &Statement,
        snapshot: &Snapshot,
        tokens: &Tokenizer,
    ) -> Self {
        let mut found = Self { demands_tokens: role.row_shaping == RowShaping::Refuse, ..Self::default() };
        // What SQL's PREPARE has put under a name declares types of its own.
        let own = statement.sql().filter(|_| statement.inner_of.is_none());
        if let (TokenUse::RoundTrip, Some(sql)) = (role.tokens, own) {
            let look = Look {
                traced,
                snapshot,
                tokens,
                text: sql.text,
                literals: literals(role, traced, statement),
            };
            for one in look.uses(statement) {
                found.take(one, &look);
            }
            found.replacements.sort_by_key(|replacement| replacement.span().start);
            found.replacements.dedup();
        }
        found
    }

    /// Whether a use needs no allowance: all that the columns are compared with is turned back, or refused when it comes.
    pub(super) fn covers(&self, one: &Use) -> bool {
        let Purpose::Equality(operands) = &one.purpose else { return false };
        let is_covered = |operand: &Operand| match *operand {
            Operand::Parameter(number) => self.demands_tokens && self.parameters.contains_key(&number),
            Operand::Literal { start, end } => {
                self.replacements.iter().any(|replacement| *replacement.span() == (start..end))
            }
            Operand::Converted => false,
        };
        !operands.is_empty() && operands.iter().all(is_covered)
    }

    /// Numbers of the parameters that are turned back.
    pub(crate) fn parameters(&self) -> impl ExactSizeIterator<Item = u16> {
        self.parameters.keys().copied()
    }

    /// Whether literals of the text are turned back.
    pub(crate) fn changes_text(&self) -> bool {
        !self.replacements.is_empty()
    }

    /// The statement's text with its tokens turned back; none where the client's encoding has no room for it.
    pub(crate) fn text(&self, statement: &Statement, encoding: &TextEncoding) -> Option<Vec<u8>> {
        encoding.encode(&with_literals(statement.sql()?.text, &self.replacements))
    }

    /// New values for parameters, by their number.
    ///
    /// # Errors
    /// When a parameter is no token and the role may not compare anything else.
    pub(crate) fn bind(
        &self,
        parameters: &[Parameter<'_>],
        encoding: &TextEncoding,
        tokens: &Tokenizer,
    ) -> Result<BTreeMap<u16, Vec<u8>>, NoToken> {
        let mut values = BTreeMap::new();
        for (number, scope) in &self.parameters {
            let parameter = usize::from(*number).checked_sub(1).and_then(|index| parameters.get(index));
            // NULL equals nothing, and a parameter that is not there is the server's to refuse.
            let Some(bytes) = parameter.and_then(|parameter| parameter.value) else { continue };
            match open(bytes, scope, encoding, tokens) {
                Some(value) => {
                    values.insert(*number, value);
                }
                None if self.demands_tokens => return Err(NoToken { number: *number }),
                None => {}
            }
        }
        Ok(values)
    }

    /// Takes note of what one use compares: of all of it, or of nothing.
    fn take(&mut self, one: &Use, look: &Look<'_>) {
        let Purpose::Equality(operands) = &one.purpose else { return };
        let Some(scope) = look.scope(one) else { return };
        let turned: Option<Vec<Turned>> = operands.iter().map(|operand| look.turn(operand, &scope)).collect();
        for turned in turned.into_iter().flatten() {
            match turned {
                Turned::Literal(replacement) => self.replacements.push(replacement),
                Turned::Parameter(number) => {
                    self.parameters.insert(number, Arc::clone(&scope));
                }
            }
        }
    }
}

/// What becomes of an operand.
enum Turned {
    Literal(Replacement),
    /// It is seen once it is bound.
    Parameter(u16),
}

/// A parameter's value turned back. Texts are written alike in both formats.
fn open(bytes: &[u8], scope: &str, encoding: &TextEncoding, tokens: &Tokenizer) -> Option<Vec<u8>> {
    let value = tokens.open(scope, std::str::from_utf8(bytes).ok()?)?;
    encoding.encode(&value).map(|encoded| encoded.to_vec())
}

/// Whether literals are turned back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Literals {
    TurnBack,
    Leave,
}

/// Literals of a statement that only reads, and from which its own text cannot be seen. What others run shows in
/// statistics, and definitions keep their text.
fn literals(role: &Role, traced: &Traced, statement: &Statement) -> Literals {
    let [action] = &statement.actions[..] else { return Literals::Leave };
    let reads = action.kind == "select" && (Effect::READ | Effect::LOCK).contains(action.effects);
    let shows = |name: &str| SHOW_TEXT.contains(&name.rsplit('.').next().unwrap_or(name).trim_matches('"'));
    let shows_text =
        traced.calls_unknown_functions() || action.objects.iter().any(|object| shows(&object.name));
    // A text in another encoding is sent as it came.
    if reads && !shows_text && statement.decoded.is_none() && !role.privileges.contains(Privilege::STATISTICS)
    {
        Literals::TurnBack
    } else {
        Literals::Leave
    }
}

/// What is looked at to find them.
struct Look<'l> {
    traced: &'l Traced,
    snapshot: &'l Snapshot,
    tokens: &'l Tokenizer,
    text: &'l str,
    literals: Literals,
}

impl Look<'_> {
    /// Uses of the statements that stand in the text themselves, and not behind a name.
    fn uses<'u>(&'u self, statement: &'u Statement) -> impl Iterator<Item = &'u Use> {
        let own = self.traced.statements.iter().zip(&statement.actions);
        own.filter(|(_, action)| action.names.is_none()).flat_map(|(lineage, _)| &lineage.uses)
    }

    /// None for what is not turned back.
    fn turn(&self, operand: &Operand, scope: &str) -> Option<Turned> {
        match *operand {
            Operand::Parameter(number) => stands_once(self.text, number).then_some(Turned::Parameter(number)),
            Operand::Literal { start, end } if self.literals == Literals::TurnBack => {
                let token = plain_literal(self.text.get(start..end)?)?;
                let value = self.tokens.open(scope, token)?;
                Replacement::new(start..end, &value).map(Turned::Literal)
            }
            Operand::Literal { .. } | Operand::Converted => None,
        }
    }

    /// The rule that makes the tokens of all columns of a use; none where there is no such single one.
    fn scope(&self, one: &Use) -> Option<Arc<str>> {
        let mut scopes = one.columns.iter().map(|column| self.scope_of(*column));
        let first = scopes.next()??;
        scopes.all(|scope| scope.as_ref() == Some(&first)).then_some(first)
    }

    fn scope_of(&self, column: ColumnId) -> Option<Arc<str>> {
        let relation = self.snapshot.schema().relation(column.relation)?;
        let known = relation.columns.iter().find(|known| known.number == column.number)?;
        let (type_oid, _) = self.snapshot.base_type(known.type_oid, known.typmod);
        let rule = self.traced.protected.rule(column).filter(|rule| rule.treatment == Treatment::Token)?;
        TEXT_TYPES.contains(&type_oid).then(|| Arc::clone(&rule.key))
    }
}

/// Whether a parameter stands in one place only. What stands in a string or comment counts too.
fn stands_once(sql: &str, number: u16) -> bool {
    let numbers = sql.split('$').skip(1).map(|after| {
        let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        after[..end].parse::<u64>()
    });
    numbers.filter(|found| *found == Ok(u64::from(number))).count() == 1
}

#[cfg(test)]
mod tests {
    use grille_wire::postgres::Format;

    use super::*;

    const RULE: &str = "column:public.users.email";

    #[test]
    fn a_parameter_is_counted_wherever_it_stands() {
        let check = |sql: &str, expected| assert_eq!(stands_once(sql, 1), expected, "{sql}");
        check("a = $1", true);
        check("a = $1 AND b = $2", true);
        check("a=$1::text", true);
        check("a = $10", false);
        check("a = $1 OR b = $1", false);
        check("a = $1 /* $1 */", false);
        check("a = $01", true);
        check("a = $01 OR b = $1", false);
        check("a = 'x'", false);
        check("$99999999999999999999", false);
    }

    /// A token, as a cell of a text column becomes it.
    fn token(tokens: &Tokenizer, value: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let column = grille_wire::postgres::value::Column::new(25, -1, Format::Text);
        let masked = column.seal(value.as_bytes(), RULE, tokens, &mut out);
        assert!(masked.is_ok(), "{value}");
        out
    }

    #[test]
    fn bound_tokens_become_values_and_the_rest_is_refused_or_left() {
        let tokens = Tokenizer::new(&[1; 32]).expect("long enough");
        let (utf8, latin1) = (TextEncoding::new("UTF8"), TextEncoding::new("LATIN1"));
        let check =
            |value: Option<&[u8]>, encoding, demands_tokens, expected: Result<Option<&[u8]>, NoToken>| {
                let parameters = BTreeMap::from([(2, Arc::from(RULE))]);
                let round_trip = RoundTrip { parameters, demands_tokens, ..RoundTrip::default() };
                let bound = [
                    Parameter { format: Format::Text, value: Some(b"other") },
                    Parameter { format: Format::Binary, value },
                ];
                let values = round_trip.bind(&bound, encoding, &tokens);
                assert_eq!(
                    values.map(|mut values| values.remove(&2)),
                    expected.map(|value| value.map(<[u8]>::to_vec))
                );
            };
        let (alice, zoe) = (token(&tokens, "alice"), token(&tokens, "Zo\u{eb}"));
        check(Some(&alice), &utf8, true, Ok(Some(b"alice")));
        check(Some(&zoe), &utf8, true, Ok(Some("Zo\u{eb}".as_bytes())));
        check(Some(&zoe), &latin1, true, Ok(Some(b"Zo\xeb")));
        check(None, &utf8, true, Ok(None));
        check(Some(b"alice"), &utf8, true, Err(NoToken { number: 2 }));
        check(Some(b"\xff"), &utf8, true, Err(NoToken { number: 2 }));
        check(Some(b"alice"), &utf8, false, Ok(None));
    }
}
